//! What happens during an apply, as lines for people.

use std::time::Duration;

use super::paint::Paint;
use super::text::{NAME_MAX, SHOWN_MAX, brief, fold, harmless, seconds};
use crate::apply::event::{Event, What};
use crate::plan::Plan;

/// One event as one line or a folded few.
pub fn line(plan: &Plan, event: &Event, paint: Paint) -> String {
    told(&title(plan, event), &event.what, paint)
}

fn told(title: &str, what: &What, paint: Paint) -> String {
    match what {
        What::Begun => fold(&format!("{title}: started"), "", "    "),
        What::Waiting { done, of, why } => fold(&waiting(title, *done, *of, why), "", "    "),
        What::Done { took } => {
            let line = fold(&format!("{title}: done after {}", span(*took)), "", "    ");
            let (what, when) = line.rsplit_once("done").unwrap_or((&line, ""));
            format!("{what}{}{when}", paint.added("done"))
        }
        What::Ended { how, why } => {
            let line = format!("{title}: {how}: {}", harmless(why));
            paint.removed(&fold(&line, "", "    "))
        }
    }
}

/// What the step of an event is to a reader.
pub fn title(plan: &Plan, event: &Event) -> String {
    let title = plan.steps.get(&event.step).map_or(event.step.0.as_str(), |step| &step.title);
    harmless(&brief(title, NAME_MAX))
}

/// Whether an event is worth a line: that a step started is, only if it then waits.
pub fn is_news(plan: &Plan, event: &Event) -> bool {
    let waits = plan.steps.get(&event.step).is_some_and(|step| step.until.waits());
    event.what != What::Begun || waits
}

/// What a step waits for, e.g. `create …: 1 of 3; demo-data-1 is starting`.
pub fn waiting(title: &str, done: u32, of: u32, why: &[String]) -> String {
    let mut parts = Vec::new();
    if of > 0 {
        parts.push(format!("{done} of {of}"));
    }
    parts.extend(why.iter().map(|reason| harmless(reason)));
    format!("{}: {}", harmless(&brief(title, NAME_MAX)), brief(&parts.join("; "), SHOWN_MAX))
}

/// How long something took, in the unit that tells.
pub fn span(took: Duration) -> String {
    match took.as_secs() {
        0 => format!("{}ms", took.as_millis()),
        whole => seconds(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long name is no reason for a line nobody can read.
    #[test]
    fn no_line_is_wider_than_a_screen_of_100_columns() {
        let title = format!("keep the volume of {} beyond its claim", "history-".repeat(9));
        let took = What::Done { took: Duration::from_secs(61) };
        for what in [What::Begun, took] {
            let shown = told(&title, &what, Paint::default());
            assert!(shown.lines().count() == 2, "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
        }
    }
}
