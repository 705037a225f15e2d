//! The program as a process: exit codes, what goes to which stream, help, JSON, files it keeps.

mod asked;
mod directories;
mod golden;
mod json;
mod kept;
mod load;
mod parts;
mod rehearse;
mod sandbox_file;
mod secrets;
mod signals;
mod stale;
mod streams;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A shipped stack's path.
fn stack(name: &str) -> String {
    format!("{}/stacks/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// The program in a folder, with nobody at the keyboard.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsinfra"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env("KUBECONFIG", folder.join("no-kubeconfig"));
    for variable in ["TSINFRA_STACK", "NO_COLOR", "COLUMNS"] {
        command.env_remove(variable);
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().expect("the program starts")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}
