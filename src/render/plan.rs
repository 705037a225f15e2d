//! A plan as text: what changes, why, in which steps, and what is refused.

use std::fmt::Write as _;

use super::drift;
use super::outlook;
use super::paint::Paint;
use super::steps;
use super::text::{NAME_MAX, WIDTH, brief, bytes, count, fold, harmless};
use super::values;
use crate::object::Kind;
use crate::plan::{Change, Connection, NOT_THERE, Operation, Plan, Purpose};
use crate::stack::Move;

/// How much a plan's text shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Colour or not.
    pub paint: Paint,
    /// Every field of new objects, not just one line each.
    pub full: bool,
}

/// The whole plan.
pub fn plan(plan: &Plan, style: Style) -> String {
    let mut text = drift::section(plan, style.paint);
    if plan.purpose == Purpose::Refresh {
        text.push_str(&drift::lessons(plan, style.paint));
        text.push_str(&blocked(plan, style.paint));
        text.push_str(&notes(plan));
        return text;
    }
    if plan.is_empty() {
        text.push_str(&no_changes(plan, style.paint));
        for (key, change) in &plan.changes {
            text.push_str(&object(&key.to_string(), change, true, style));
        }
        text.push_str(&notes(plan));
        text.push_str(&partial(plan));
        return text;
    }
    text.push_str(&fold(&heading(plan), "", ""));
    text.push('\n');
    text.push_str(&legend(plan, style.paint));
    text.push_str(&moved(plan));
    for (key, change) in &plan.changes {
        // A destroy says once, in its heading, why everything goes.
        let told = plan.purpose == Purpose::Destroy
            && change.operation == Operation::Delete
            && !matches!(key.kind, Kind::PersistentVolumeClaim | Kind::PersistentVolume);
        text.push_str(&object(&key.to_string(), change, !told, style));
    }
    text.push_str(&conflicts(plan));
    text.push_str(&steps::list(plan));
    text.push_str(&outlook::section(plan));
    text.push_str(&blocked(plan, style.paint));
    text.push_str(&notes(plan));
    text.push_str(&partial(plan));
    text.push_str(&summary(plan, style.paint));
    text
}

/// What a plan without changes says.
pub fn no_changes(plan: &Plan, paint: Paint) -> String {
    let stack = harmless(&brief(&plan.stack, NAME_MAX));
    if plan.selection.is_some() {
        let what = paint.strong("No changes");
        return format!("{what} in the part of stack `{stack}` that was selected.\n");
    }
    let what = paint.strong("No changes.");
    let (mut text, verb) = match plan.purpose {
        Purpose::Apply => (format!("{what} Stack `{stack}` is as its file says.\n"), "apply"),
        Purpose::Destroy => {
            let none = format!("{what} Nothing of stack `{stack}` is there to destroy.\n");
            (none, "destroy")
        }
        Purpose::Refresh => {
            let what = paint.strong("Nothing to learn.");
            return format!("{what} The record of stack `{stack}` is up to date.\n");
        }
        Purpose::Adopt => {
            return format!(
                "{what} Nothing that stack `{stack}` declares is there and nobody's.\n"
            );
        }
        Purpose::Forget => {
            return format!("{what} Stack `{stack}` owns nothing by such an address.\n");
        }
    };
    if plan.is_record_due {
        let due =
            format!("The stack's record is missing or out of date; {verb} brings it up to date.");
        let _ = writeln!(text, "{}", fold(&due, "", ""));
    }
    text
}

fn heading(plan: &Plan) -> String {
    let what = match plan.purpose {
        Purpose::Apply | Purpose::Destroy | Purpose::Refresh => {
            format!("{} stack", plan.purpose.verb())
        }
        Purpose::Adopt => "adopt into stack".to_owned(),
        Purpose::Forget => "forget from stack".to_owned(),
    };
    format!("To {what} `{}` in namespace `{}` {}:", plan.stack, plan.namespace, place(plan))
}

/// Where a plan is carried out, said first so that the wrong cluster is noticed in time.
pub fn place(plan: &Plan) -> String {
    let target = harmless(&brief(&plan.basis.target, NAME_MAX));
    match &plan.basis.connection {
        Connection::Sandbox => "in the sandbox".to_owned(),
        Connection::Kubernetes { context: Some(context), .. } => {
            format!("on {target} (context `{}`)", harmless(context))
        }
        Connection::Kubernetes { context: None, .. } => {
            format!("on {target} (the current context)")
        }
    }
}

const OPERATIONS: [(Operation, &str, &str); 8] = [
    (Operation::Create, "+", "create"),
    (Operation::Update, "~", "update in place"),
    (Operation::Delete, "-", "destroy"),
    (Operation::Replace, "-/+", "make anew, pods and volumes kept"),
    (Operation::Recycle, "±", "clear and make anew"),
    (Operation::Keep, ".", "keep"),
    (Operation::Adopt, ">", "take over"),
    (Operation::Forget, "<", "let go"),
];

fn sign(operation: Operation, paint: Paint) -> String {
    match operation {
        Operation::Create => paint.added("+"),
        Operation::Update => paint.changed("~"),
        Operation::Delete => paint.removed("-"),
        Operation::Replace => format!("{}/{}", paint.removed("-"), paint.added("+")),
        Operation::Recycle => paint.removed("±"),
        Operation::Keep => ".".to_owned(),
        Operation::Adopt => paint.added(">"),
        Operation::Forget => paint.removed("<"),
    }
}

/// Only signs that occur are explained.
fn legend(plan: &Plan, paint: Paint) -> String {
    let used = OPERATIONS
        .iter()
        .filter(|(operation, _, _)| plan.changes.values().any(|c| c.operation == *operation));
    let parts: Vec<String> =
        used.map(|(operation, _, word)| format!("{} {word}", sign(*operation, paint))).collect();
    if parts.is_empty() { String::new() } else { format!("\n  {}\n\n", parts.join("   ")) }
}

fn object(address: &str, change: &Change, say_why: bool, style: Style) -> String {
    let mut text = String::new();
    // A record may have been written by anybody.
    let address = harmless(&brief(address, NAME_MAX));
    let sign = sign(change.operation, style.paint);
    let mut about = vec![harmless(&change.summary)];
    if say_why
        && matches!(change.operation, Operation::Delete | Operation::Recycle | Operation::Keep)
    {
        about.push(format!("(because {})", harmless(&change.because)));
    }
    about.retain(|part| !part.is_empty());
    let about = about.join("  ");
    // Writing to a String cannot fail.
    let _ = if address.len() + about.chars().count() + 6 > WIDTH {
        writeln!(text, "  {sign} {address}\n{}", fold(&about, "      ", "      "))
    } else {
        writeln!(
            text,
            "{}",
            format!("  {sign} {address}  {}", style.paint.faint(&about)).trim_end()
        )
    };
    let tells_why = match change.operation {
        Operation::Update | Operation::Replace => true,
        Operation::Create => change.because != NOT_THERE,
        _ => false,
    };
    if tells_why {
        let because = format!("because {}", change.because);
        let _ = writeln!(text, "{}", fold(&because, "      ", "      "));
    }
    if change.operation == Operation::Adopt && !change.fields.is_empty() {
        text.push_str("      the next apply would then change:\n");
    }
    let tells_fields = [Operation::Update, Operation::Replace, Operation::Adopt];
    if tells_fields.contains(&change.operation) || style.full {
        for field in &change.fields {
            for line in values::lines(field, "      ", style.paint) {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// Parts that are called otherwise from now on.
fn moved(plan: &Plan) -> String {
    let line = |it: &Move| {
        let line = format!("{} has moved to {}: its objects keep their names", it.from, it.to);
        format!("{}\n", fold(&line, "  # ", "      "))
    };
    let lines: String = plan.moved.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("{lines}\n") }
}

fn conflicts(plan: &Plan) -> String {
    if plan.conflicts.is_empty() {
        return String::new();
    }
    let mut text = "\nFields that another manager has set:\n\n".to_owned();
    for conflict in &plan.conflicts {
        let outcome = if conflict.taken { "taken back" } else { "not taken" };
        let line = format!(
            "{} {}: set by `{}`, {outcome}",
            conflict.object, conflict.field, conflict.manager
        );
        text.push_str(&fold(&line, "  ! ", "      "));
        text.push('\n');
    }
    text
}

fn blocked(plan: &Plan, paint: Paint) -> String {
    if plan.blocked.is_empty() {
        return String::new();
    }
    let what = count(plan.blocked.len(), "refusal");
    let mut text =
        format!("\n{}\n\n", paint.removed(&format!("Blocked by {what}; nothing is applied:")));
    for entry in &plan.blocked {
        let head = format!("{} ({})", entry.address, entry.rule);
        for (part, indent) in [(head, "  ! "), (entry.reason.clone(), "      ")] {
            text.push_str(&fold(&part, indent, "      "));
            text.push('\n');
        }
        text.push_str(&fold(&entry.help, "      help: ", "            "));
        text.push('\n');
    }
    text
}

fn notes(plan: &Plan) -> String {
    let mut text = String::new();
    for note in &plan.notes {
        text.push('\n');
        text.push_str(&fold(note, "Note: ", "      "));
        text.push('\n');
    }
    text
}

/// That a plan is only a part, by what, and how much is left out.
fn partial(plan: &Plan) -> String {
    let Some(selected) = &plan.selection else { return String::new() };
    let flags = |flag: &str, addresses: &[String]| -> Vec<String> {
        addresses.iter().map(|address| format!("{flag} {}", brief(address, NAME_MAX))).collect()
    };
    let by = [flags("--target", &selected.target), flags("--exclude", &selected.exclude)];
    let mut line = format!(
        "This is only part of the plan ({}): {} and {} are left out.",
        by.concat().join(", "),
        count(selected.steps_left_out, "step"),
        count(selected.refusals_left_out, "refusal"),
    );
    line.push_str(" A plain plan should follow.");
    format!("\n{}\n", fold(&line, "Note: ", "      "))
}

/// What is made anew, with the word for it, where anything is: seldom, and then it is to be noticed.
pub fn anew(number: usize, word: &str) -> String {
    if number == 0 { String::new() } else { format!(" {number} {word},") }
}

/// The two lines scripts and people look for at the end.
pub fn summary(plan: &Plan, paint: Paint) -> String {
    let sum = plan.summary();
    let head = paint.strong("Plan:");
    let waits = count(sum.waits, "wait");
    let (moved, deleted) = (bytes(sum.bytes_moved), bytes(sum.bytes_deleted));
    let what = match plan.purpose {
        Purpose::Apply | Purpose::Destroy | Purpose::Refresh => {
            let anew = anew(sum.replace, "to make anew");
            format!(
                "{} to add, {} to change,{anew} {} to destroy",
                sum.add, sum.change, sum.destroy
            )
        }
        Purpose::Adopt => format!("{} to take over", sum.adopt),
        Purpose::Forget => format!("{} to let go", sum.forget),
    };
    format!(
        "\n{head} {what}.\n\
         Steps: {} ({waits}); data: {moved} to move, {deleted} to delete.\n",
        sum.steps
    )
}
