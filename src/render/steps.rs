//! The steps of a plan as a numbered list: the order shown is the order run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::text::{fold, seconds};
use crate::object::Kind;
use crate::plan::Plan;
use crate::plan::step::{Risk, Step, StepId, Until};

/// The numbered list; empty for a plan without steps.
pub fn list(plan: &Plan) -> String {
    let Ok(order) = plan.order() else { return String::new() };
    if order.is_empty() {
        return String::new();
    }
    let numbers: BTreeMap<&StepId, usize> =
        order.iter().enumerate().map(|(index, id)| (*id, index + 1)).collect();
    let heading = if plan.blocked.is_empty() {
        "Steps, in the order they run; each starts once those it names are done:"
    } else {
        "Steps it would take, if nothing was refused:"
    };
    let mut text = format!("\n{heading}\n\n");
    for id in order {
        let (number, step) = (numbers[id], &plan.steps[id]);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", fold(&step.title, &format!("  {number:>3}  "), "       "));
        for line in [details(step, &numbers), warning(step)].into_iter().flatten() {
            let _ = writeln!(text, "{}", fold(&line, "       ", "       "));
        }
    }
    text
}

fn details(step: &Step, numbers: &BTreeMap<&StepId, usize>) -> Option<String> {
    let mut parts = Vec::new();
    let mut after: Vec<usize> =
        step.after.iter().filter_map(|id| numbers.get(id).copied()).collect();
    after.sort_unstable();
    if !after.is_empty() {
        parts.push(format!("after {}", ranges(&after)));
    }
    if step.until.waits() {
        parts.push(format!(
            "until {} (at most {})",
            until(&step.until),
            seconds(step.limit_seconds)
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// `1-4, 7` for 1, 2, 3, 4, 7.
fn ranges(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let shown = |(first, last): &(usize, usize)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    };
    parts.iter().map(shown).collect::<Vec<String>>().join(", ")
}

/// When a step is done, as a clause after "until".
pub fn until(until: &Until) -> String {
    match until {
        Until::Said => "it is said".to_owned(),
        Until::Rolled { replicas: 0, .. } => "no member of it is left".to_owned(),
        Until::Rolled { replicas: 1, .. } => "its member is ready".to_owned(),
        Until::Rolled { replicas, .. } => format!("all {replicas} members are ready"),
        Until::Heard { .. } => "its controller has seen the change".to_owned(),
        Until::Gone { .. } | Until::Renewed { .. } => "it is gone".to_owned(),
        Until::Remade { .. } => "one of the newest form is there".to_owned(),
        Until::Finished { .. } => "it has done its work".to_owned(),
        Until::PodsGone { object } if object.kind == Kind::Job => {
            "it is gone, and its pods".to_owned()
        }
        Until::PodsGone { .. } => "all its members have stopped".to_owned(),
        Until::Released { .. } => "it is gone and its volume is released".to_owned(),
        Until::Left { .. } => "the database lists it no more".to_owned(),
        Until::Expanded { size, .. } => {
            format!("its volume and the file system on it have {size}")
        }
        Until::Joined { addresses, .. } => match addresses.len() {
            1 => "the database lists it as running".to_owned(),
            n => format!("the database lists all {n} as running"),
        },
    }
}

fn warning(step: &Step) -> Option<String> {
    match step.risk {
        Risk::None => None,
        Risk::Moves => Some("its data move to the other members".to_owned()),
        Risk::Restarts => Some(
            "restarts its members one after the other, each once the one before is ready"
                .to_owned(),
        ),
        Risk::Deletes => Some("deletes data for good".to_owned()),
        Risk::Exposes => Some("opens the database to the outside of the cluster".to_owned()),
    }
}
