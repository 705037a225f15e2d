//! `tsinfra completions`.

use clap::CommandFactory;

use super::args::{Arguments, CompletionOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;

/// Prints a completion script.
pub(super) fn run(options: &CompletionOptions, screen: &Screen) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "tsinfra", &mut script);
    screen.print(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
