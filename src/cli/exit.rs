//! Exit codes, in one place, and errors on their way to one.

use std::process::ExitCode;

use crate::apply::Outcome;
use crate::apply::step::End;
use crate::plan::Plan;
use crate::stack::Mistakes;
use crate::world::Unseen;

/// How the program ends. The numbers are a public interface; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Bad input, or something could not be read.
    Error = 1,
    /// There are changes (`plan --detailed-exitcode`).
    Changes = 2,
    /// The plan is stale, or an apply halted part-way.
    Halted = 3,
    /// A safety rule refuses it.
    Blocked = 4,
    /// A step passed its limit.
    TimedOut = 5,
    /// Stopped by the user.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// How a run ended.
    pub(super) fn of(plan: &Plan, outcome: &Outcome, interrupted: bool) -> Self {
        let ended = |test: fn(&End) -> bool| outcome.ended.values().any(test);
        if outcome.is_complete(plan) {
            Self::Done
        } else if interrupted {
            Self::Interrupted
        } else if outcome.not_held.is_some() {
            Self::Error
        } else if ended(|end| matches!(end, End::TimedOut(_))) {
            Self::TimedOut
        } else {
            Self::Halted
        }
    }
}

/// Why the program could not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// A stack with mistakes.
    Stack(Box<Mistakes>),
    /// Anything else: what, and the way on if there is one.
    Other {
        /// What went wrong.
        what: String,
        /// The way on.
        help: Option<String>,
        /// How to end.
        exit: Exit,
    },
}

impl Failure {
    /// An error with a way on.
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other { what: what.into(), help: Some(help.into()), exit: Exit::Error }
    }

    /// An error that says it all.
    pub(super) fn plain(what: impl Into<String>) -> Self {
        Self::Other { what: what.into(), help: None, exit: Exit::Error }
    }

    /// The exit code it leads to.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Stack(_) => Exit::Error,
            Self::Other { exit, .. } => *exit,
        }
    }
}

impl From<Unseen> for Failure {
    fn from(unseen: Unseen) -> Self {
        Self::plain(unseen.to_string())
    }
}

/// Prints clap's own message; help and version are no errors.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is the reader's choice.
    let _ = error.print();
    if error.use_stderr() { Exit::Error.into() } else { Exit::Done.into() }
}
