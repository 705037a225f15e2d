//! The command line: one file a verb; reads files and the environment, prints, and nothing else
//! in this program does.

mod aloud;
mod apply;
mod args;
mod completions;
mod confirm;
mod destroy;
mod exit;
mod graph;
mod holder;
mod load;
mod planning;
mod ownership;
mod plan_verb;
mod progress;
mod rehearse;
mod replace;
mod saved;
mod screen;
mod show;
mod source;
mod status;
mod unlock;
mod validate;
mod version;
mod worlds;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, ColorChoice, Verb};
use exit::{Exit, Failure};
use screen::Screen;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args().any(|word| word == "--json") => {
            let text = error.to_string();
            let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let failure = Failure::new(what, "see --help");
            Screen::new(ColorChoice::Never, true).failure(&failure);
            return failure.exit().into();
        }
        Err(error) => return exit::usage(&error),
    };
    let screen = Screen::new(arguments.color, arguments.verb.json());
    match run(&arguments, &screen) {
        Ok(_) if screen.is_unwritten() => {
            screen.remark("Error: the answer could not be written to standard output");
            Exit::Error.into()
        }
        Ok(exit) => exit.into(),
        Err(failure) => {
            screen.failure(&failure);
            failure.exit().into()
        }
    }
}

fn run(arguments: &Arguments, screen: &Screen) -> Result<Exit, Failure> {
    let target = &arguments.target;
    match &arguments.verb {
        Verb::Validate(options) => validate::run(options, screen),
        Verb::Plan(options) => plan_verb::run(options, target, screen),
        Verb::Apply(options) => apply::run(options, target, screen),
        Verb::Destroy(options) => destroy::run(options, target, screen),
        Verb::Adopt(options) => ownership::adopt(options, target, screen),
        Verb::Forget(options) => ownership::forget(options, target, screen),
        Verb::Show(options) => show::run(options, target, screen),
        Verb::Replace(options) => replace::run(options, target, screen),
        Verb::Rehearse(options) => rehearse::run(options, target, screen),
        Verb::Status(options) => status::run(options, target, screen),
        Verb::Unlock(options) => unlock::run(options, target, screen),
        Verb::Load(options) => load::run(options, target, screen),
        Verb::Graph(options) => graph::run(options, target, screen),
        Verb::Version(options) => version::run(options, screen),
        Verb::Completions(options) => completions::run(options, screen),
    }
}
