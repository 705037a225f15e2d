//! A rehearsal as text and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fault::Fault;
use super::forecast::{Crash, Forecast, Margin};
use super::traces::Traces;
use crate::object::ObjectKey;
use crate::plan::{Plan, Purpose};
use crate::render::outlook;
use crate::render::plan::place;
use crate::render::text::{bytes, count, fold};
use crate::wording::seconds;

/// Failures that are told with all that happened, at most.
const FAILURES_MAX: usize = 3;

/// The rehearsal of a plan, for people.
pub fn text(plan: &Plan, forecast: &Forecast) -> String {
    let mut text = String::new();
    let verb = plan.purpose.verb();
    say(
        &mut text,
        &format!("Rehearsed `{verb}` of stack `{}` {}.", plan.stack, place(plan)),
        "",
        "",
    );
    say(&mut text, "It ran on a simulated copy of what is there now; nothing was written.", "", "");
    text.push('\n');
    let sum = plan.summary();
    let steps = count(plan.steps.len(), "step");
    let took = format!(
        "{steps}, {} by the simulated clock, on which members start within seconds; the waits may take \
         {} in all before they are given up.",
        seconds(forecast.took.as_secs()),
        seconds(forecast.limit.as_secs())
    );
    say(&mut text, &took, "  ", "  ");
    let data = format!(
        "Data: {} to move, {} to delete.",
        bytes(sum.bytes_moved),
        bytes(sum.bytes_deleted)
    );
    say(&mut text, &data, "  ", "  ");
    text.push_str(&outlook::section(plan));
    // A destroy takes all members away, and is meant to.
    if plan.purpose == Purpose::Apply {
        margins(&mut text, &forecast.margins);
    }
    crashes(&mut text, &forecast.crashes);
    tried(&mut text, forecast);
    text
}

fn say(text: &mut String, line: &str, first: &str, rest: &str) {
    let _ = writeln!(text, "{}", fold(line, first, rest));
}

fn margins(text: &mut String, margins: &[Margin]) {
    if margins.is_empty() {
        return;
    }
    text.push_str("\nFewest members ready at a time, after all of them were:\n\n");
    for margin in margins {
        let Margin { cluster, domain, ready, of, .. } = margin;
        let mut line = format!("{cluster}, {domain}: {ready} of {of} ready");
        for (what, running, of) in &margin.replicas {
            let _ = write!(line, "; {what}: at least {running} of {of} replicas running");
        }
        if domain == "control" {
            let _ = write!(line, "; a majority is {}", of / 2 + 1);
        }
        say(text, &line, "  ", "    ");
    }
}

fn crashes(text: &mut String, crashes: &[Crash]) {
    if crashes.is_empty() {
        return;
    }
    text.push_str("\nKilled right after an action, what a run leaves and needs to be done:\n\n");
    for crash in crashes {
        let then = count(crash.reruns, "plain run");
        let line = format!("{}: {}; {then} to the end", crash.after, leaves(&crash.leaves));
        say(text, &line, "  ", "      ");
        for wrong in &crash.wrong {
            say(text, &format!("RULE BROKEN: {wrong}"), "      ", "      ");
        }
    }
}

/// What a crash leaves, in a few words.
fn leaves(traces: &Traces) -> String {
    let parts = [
        ("made", traces.made.len()),
        ("changed", traces.changed.len()),
        ("gone or going", traces.gone.len()),
    ];
    let parts = parts.into_iter().filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts.map(|(what, number)| format!("{number} {what}")).collect();
    if parts.is_empty() { "nothing is changed".to_owned() } else { parts.join(", ") }
}

fn tried(text: &mut String, forecast: &Forecast) {
    text.push('\n');
    for wrong in &forecast.wrong {
        say(text, &format!("RULE BROKEN without any fault: {wrong}"), "", "  ");
    }
    let tally = forecast.tally;
    let broken = forecast.failures.len();
    if tally.trials > 0 {
        let line = format!(
            "Tried besides: {} kinds of faults at every request, {}. {} broke a rule; after each, at most \
             {} came to the end.",
            Fault::ALL.len(),
            count(tally.trials, "trial"),
            if broken == 0 { "None".to_owned() } else { broken.to_string() },
            count(tally.reruns_max, "plain run")
        );
        say(text, &line, "", "");
    }
    for failure in forecast.failures.iter().take(FAILURES_MAX) {
        say(text, &format!("With {:?}:", failure.faults), "", "  ");
        for line in failure.report.wrong.iter().chain(&failure.report.journal) {
            say(text, line, "  ", "    ");
        }
    }
}

/// The rehearsal of a plan, for programs.
pub fn json(plan: &Plan, forecast: &Forecast) -> Value {
    let keys =
        |keys: &BTreeSet<ObjectKey>| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    let crash = |crash: &Crash| {
        json!({
            "after": crash.after,
            "made": keys(&crash.leaves.made),
            "changed": keys(&crash.leaves.changed),
            "gone": keys(&crash.leaves.gone),
            "plain_runs": crash.reruns,
            "rules_broken": crash.wrong,
        })
    };
    let margin = |margin: &Margin| {
        let replicas = margin
            .replicas
            .iter()
            .map(|(what, running, of)| json!({ "of": what, "running": running, "all": of }));
        json!({
            "cluster": margin.cluster,
            "domain": margin.domain,
            "ready": margin.ready,
            "all": margin.of,
            "replicas": replicas.collect::<Vec<_>>(),
        })
    };
    json!({
        "format_version": "1.0",
        "stack": plan.stack,
        "purpose": plan.purpose,
        "target": plan.basis.target,
        "steps": plan.steps.len(),
        "simulated_seconds": forecast.took.as_secs(),
        "limit_seconds": forecast.limit.as_secs(),
        "bytes_to_move": plan.summary().bytes_moved,
        "regions": plan.outlooks,
        "bytes_to_delete": plan.summary().bytes_deleted,
        "lowest": forecast.margins.iter().map(margin).collect::<Vec<_>>(),
        "crashes": forecast.crashes.iter().map(crash).collect::<Vec<_>>(),
        "trials": forecast.tally.trials,
        "plain_runs_max": forecast.tally.reruns_max,
        "rules_broken": forecast.wrong,
        "failures": forecast.failures.iter().map(|failure| json!({
            "faults": format!("{:?}", failure.faults),
            "rules_broken": failure.report.wrong,
            "journal": failure.report.journal,
        })).collect::<Vec<_>>(),
    })
}
