//! Drift as text, apart from what a plan changes, and what a record learns.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::paint::Paint;
use super::plan::{no_changes, place};
use super::text::{NAME_MAX, brief, fold, harmless};
use super::values;
use crate::plan::Plan;
use crate::plan::drift::{Drift, Lesson, What};

/// What others did to what the stack owns; nothing if there is none.
pub fn section(plan: &Plan, paint: Paint) -> String {
    if plan.drift.is_empty() {
        return String::new();
    }
    let mut text = paint.strong("Since tsinfra last applied, others have changed");
    text.push_str(" (what the stack says -> what is there):\n\n");
    for drift in &plan.drift {
        text.push_str(&object(drift, paint));
    }
    text.push('\n');
    text
}

fn object(drift: &Drift, paint: Paint) -> String {
    let address = harmless(&brief(&drift.object.to_string(), NAME_MAX));
    let sign = match drift.what {
        What::Changed => paint.changed("~"),
        What::Deleted => paint.removed("-"),
        What::Replaced => paint.changed("±"),
    };
    let what = match drift.what {
        What::Changed => changed_by(drift),
        What::Deleted if drift.object.namespace.is_some() => "was deleted".to_owned(),
        // Outside namespaces only what bears the stack's labels is looked at.
        What::Deleted => "was deleted, or its labels were taken off".to_owned(),
        What::Replaced => "was replaced by another object of that name".to_owned(),
    };
    let mut text = fold(&format!("{address}  {what}"), &format!("  {sign} "), "      ");
    text.push('\n');
    for field in &drift.fields {
        for line in values::lines(field, "      ", paint) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// That an object was changed, and by whom if that is known of every field.
fn changed_by(drift: &Drift) -> String {
    let by: BTreeSet<Option<&String>> =
        drift.fields.iter().map(|field| field.drifted_by.as_ref()).collect();
    let names: Option<Vec<String>> = by
        .into_iter()
        .map(|name| name.map(|name| format!("`{}`", harmless(&brief(name, NAME_MAX)))))
        .collect();
    match names {
        Some(names) => format!("was changed by {}", names.join(", ")),
        None => "was changed".to_owned(),
    }
}

/// What bringing the record up to date does to it.
pub fn lessons(plan: &Plan, paint: Paint) -> String {
    if plan.learns.is_empty() {
        return no_changes(plan, paint);
    }
    let head = format!(
        "To bring the record of stack `{}` in namespace `{}` up to date {}:",
        plan.stack,
        plan.namespace,
        place(plan)
    );
    let mut text = format!("{}\n\n", fold(&head, "", ""));
    for learned in &plan.learns {
        let (sign, what) = match learned.lesson {
            Lesson::Comes => (paint.added("+"), "is there: comes on the record"),
            Lesson::Leaves => (paint.removed("-"), "is gone: leaves the record"),
            Lesson::Identity => (paint.changed("~"), "is another: its identity is noted"),
            Lesson::Settled => (paint.changed("~"), "is as the stack says: that is noted"),
        };
        let address = harmless(&brief(&learned.address, NAME_MAX));
        let line = format!("{address}  {what}");
        text.push_str(&fold(&line, &format!("  {sign} "), "      "));
        text.push('\n');
    }
    text.push_str("\nNothing but the record is written.\n");
    text
}
