//! What a change of members means for regions, as text: a few lines, however many regions there are.

use std::fmt::Write as _;

use super::text::{bytes, count, fold};
use crate::plan::Plan;
use crate::plan::outlook::{Comes, Moving, Outlook};
use crate::wording::{grouped, permille, span};

/// Members that are named at most.
const NAMED: usize = 3;

/// All outlooks of a plan.
pub fn section(plan: &Plan) -> String {
    plan.outlooks.iter().map(one).collect()
}

fn one(outlook: &Outlook) -> String {
    let mut text = "\n".to_owned();
    let Outlook { cluster, groups, replicas, members, joining, leaving, .. } = outlook;
    let size = outlook.bytes.map(|it| format!(", {}", bytes(it))).unwrap_or_default();
    let come = match joining {
        0 => None,
        1 => Some("1 joins".to_owned()),
        more => Some(format!("{} join", grouped(*more))),
    };
    let go = match leaving.split_at(leaving.len().min(NAMED)) {
        ([], _) => None,
        ([one], []) => Some(format!("{one} leaves")),
        (named, []) => Some(format!("{} leave", named.join(", "))),
        (named, more) => {
            let more = grouped(more.len() as u64);
            Some(format!("{} and {more} more leave", named.join(", ")))
        }
    };
    let change = come.into_iter().chain(go).collect::<Vec<_>>().join("; ");
    let head = format!(
        "Regions of cluster.{cluster}: {} members hold {} replicas of {} region groups{size}; {change}.",
        grouped(*members),
        grouped(*replicas),
        grouped(*groups),
    );
    say(&mut text, &head, "", "  ");
    if let Some(comes) = &outlook.comes {
        by_itself(&mut text, comes);
    }
    if let Some(moving) = &outlook.moving {
        moves(&mut text, outlook, moving);
    }
    text
}

fn by_itself(text: &mut String, comes: &Comes) {
    let line = format!(
        "No history moves. New members take {} of what is written from now on, {} in each time partition of {}, \
         if all is kept and written as so far:",
        permille(comes.of_new.into()),
        bytes(comes.partition_bytes),
        span(comes.interval),
    );
    say(text, &line, "  ", "  ");
    for after in &comes.after {
        let line = format!(
            "after {:>9}: they hold {:>6}; the fullest has {:>7} of its share, the emptiest {:>6}",
            grouped(after.partitions),
            permille(after.of_new.into()),
            permille(after.fullest),
            permille(after.emptiest),
        );
        let _ = writeln!(text, "    {line}");
    }
    let tolerance = permille(comes.tolerance.into());
    let line = match comes.even_after {
        Some(partitions) => format!(
            "Even within {tolerance} after {} partitions, {}.",
            grouped(partitions),
            span(partitions.saturating_mul(comes.interval))
        ),
        None => format!("Never even within {tolerance} by that alone."),
    };
    say(text, &line, "  ", "  ");
}

fn moves(text: &mut String, outlook: &Outlook, moving: &Moving) {
    if moving.moves.is_empty() {
        let line = match &moving.hindrance {
            Some(hindrance) => hindrance,
            None if outlook.leaving.is_empty() => "Nothing would have to move to even them out.",
            None => "Nothing moves: nothing is on who leaves.",
        };
        return say(text, line, "  ", "  ");
    }
    let count_of = |number: u64| match outlook.bytes {
        Some(_) => bytes(number),
        None => format!("{} replicas", grouped(number)),
    };
    let (replicas, go) = match moving.moves.len() {
        1 => ("1 replica".to_owned(), "moves"),
        more => (format!("{} replicas", grouped(more as u64)), "move"),
    };
    let what = match (outlook.leaving.len(), moving.outside) {
        (0, 0) => format!("To even them out at once {replicas} would have to move"),
        (0, _) => format!("To bring them nearer to even at once {replicas} would have to move"),
        _ => format!("{replicas} {go} to members that stay"),
    };
    let size = outlook.bytes.map(|_| format!(", {}", bytes(moving.moved))).unwrap_or_default();
    let least = match moving.moved.saturating_sub(moving.bound) {
        _ if outlook.leaving.is_empty() && moving.outside > 0 => String::new(),
        more if more > 0 && !moving.is_least => {
            format!(": at most {} more than the least there can be", count_of(more))
        }
        _ => ": the least there can be".to_owned(),
    };
    say(text, &format!("{what}{size}{least}."), "  ", "  ");
    if let Some(hindrance) = &moving.hindrance {
        say(text, hindrance, "  ", "  ");
    }
    let time = moving.seconds.map(|(least, most)| {
        let (slow, fast) = moving.speed;
        format!(
            ": {} to {} at {} to {} a second (assumed)",
            span(least),
            span(most),
            bytes(slow),
            bytes(fast)
        )
    });
    let how = match outlook.leaving.len() {
        0 | 1 => "With one transfer at a time for each member",
        _ => "One member after the other, and with one transfer at a time,",
    };
    let line = format!(
        "{how} that takes {}, {} at least{}. Afterwards the fullest has {} of \
         its share, the emptiest {}.",
        count(usize::try_from(moving.rounds).unwrap_or(usize::MAX), "round"),
        grouped(moving.rounds_bound),
        time.unwrap_or_default(),
        permille(moving.fullest),
        permille(moving.emptiest),
    );
    say(text, &line, "  ", "  ");
}

fn say(text: &mut String, line: &str, first: &str, rest: &str) {
    let _ = writeln!(text, "{}", fold(line, first, rest));
}
