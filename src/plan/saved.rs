//! A plan as the text it is saved as, and back. Pure.

use serde_json::Value;

use super::{Circle, PLAN_FORMAT, Plan};
use crate::sealed::{self, Format, Unsound};
use crate::wording::harmless_json;

/// A text that is no plan this program can carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    /// It is something else.
    #[error("is JSON, but no plan of tsinfra")]
    Stranger,
    /// It is not whole.
    #[error("is no plan of tsinfra, or is damaged: {0}")]
    Damaged(String),
    /// Somebody wrote to it.
    #[error("was changed after it was saved, or is damaged")]
    Changed,
    /// It is of a later or earlier major version.
    #[error("is a plan of format {0}; this tsinfra reads format {known}", known = PLAN_FORMAT.major)]
    Other(Format),
    /// A step of it, or what it relies on, is not known to this program.
    #[error(
        "holds what this tsinfra does not know, and a plan half understood is not carried out \
         (saved by tsinfra {by}, format {format}): {why}"
    )]
    Strange {
        /// The version that saved it.
        by: String,
        /// Its format.
        format: Format,
        /// What is not known.
        why: String,
    },
    /// Its steps wait for each other.
    #[error("{0}")]
    Circle(Circle),
}

/// The text of a plan, sealed: a saved plan is its own approval, so that one that was edited is
/// another plan, which nobody has approved.
pub fn text(plan: &Plan) -> Result<String, serde_json::Error> {
    let value = sealed::seal(serde_json::to_value(plan)?);
    Ok(harmless_json(&format!("{value:#}\n")))
}

/// The plan a text is.
pub fn read(bytes: &[u8]) -> Result<Plan, BadPlan> {
    let opened = sealed::open(bytes, PLAN_FORMAT).map_err(|unsound| match unsound {
        Unsound::Broken(why) => BadPlan::Damaged(why),
        Unsound::Unversioned => BadPlan::Stranger,
        Unsound::Other(format) => BadPlan::Other(format),
        Unsound::Changed => BadPlan::Changed,
    })?;
    if !opened.sealed {
        return Err(BadPlan::Changed);
    }
    let by = opened.value.pointer("/basis/tsinfra").and_then(Value::as_str).unwrap_or("?");
    let by = by.to_owned();
    let plan: Plan = serde_json::from_value(opened.value).map_err(|error| BadPlan::Strange {
        by,
        format: opened.format,
        why: sealed::unknown(&error),
    })?;
    plan.order().map_err(BadPlan::Circle)?;
    Ok(plan)
}
