//! The `tsinfra` program: all it does is in the library's `cli` room.

use std::process::ExitCode;

fn main() -> ExitCode {
    tsinfra::cli::main()
}
