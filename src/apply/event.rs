//! What happens while a plan is carried out, as data: screen and JSON read the same.

use std::time::Duration;

use crate::plan::step::StepId;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, since the world was opened.
    pub at: Duration,
    /// To which step.
    pub step: StepId,
    /// What.
    pub what: What,
}

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It started.
    Begun,
    /// It waits, with something new to say; or long enough to say it again.
    Waiting {
        /// Parts that are there.
        done: u32,
        /// Parts there must be.
        of: u32,
        /// Why it waits, most telling first.
        why: Vec<String>,
    },
    /// It is done.
    Done {
        /// How long it took.
        took: Duration,
    },
    /// It ended otherwise.
    Ended {
        /// In what way, e.g. `refused`.
        how: &'static str,
        /// The reason.
        why: String,
    },
}
