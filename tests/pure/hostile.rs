//! Text from a cluster or a database reaches a reader harmless, wherever it is shown (rule 14).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tsinfra::apply::Outcome;
use tsinfra::apply::event::{Event, What};
use tsinfra::apply::step::End;
use tsinfra::lock::Lock;
use tsinfra::object::{Kind, ObjectKey};
use tsinfra::observed::{DatabaseView, LiveObject, Observed};
use tsinfra::plan::step::StepId;
use tsinfra::plan::{Blocked, Change, Conflict, FieldChange, Operation, Plan, Purpose};
use tsinfra::render::paint::Paint;
use tsinfra::render::{events, graph, outcome, plan, status};
use tsinfra::sandbox::Sandbox;
use tsinfra::stack::{self, Stack};
use tsinfra::survey::{self, Request};

/// Clears a screen, rings, hides text, turns its direction, starts a line of its own.
const HOSTILE: &str = "x\u{1b}[2J\u{7}\u{9b}31m\u{202e}\u{200b}\r\nError: all is well";

fn quickstart() -> Stack {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/stacks/quickstart.toml");
    let text = std::fs::read_to_string(path).expect("a stack");
    stack::read("quickstart.toml", &text).expect("a valid stack")
}

fn planned() -> Plan {
    let (stack, world) = (quickstart(), Sandbox::in_memory());
    let request = Request { stack: &stack, digest: "", purpose: Purpose::Apply, consents: &[] };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(survey::plan(&world, &request)).expect("a plan")
}

/// Nothing but lines: no control character, nothing invisible, no line that pretends to be ours.
fn assert_harmless(what: &str, text: &str) {
    let bad = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
    };
    assert!(!text.chars().any(bad), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("Error:")), "{what}: {text:?}");
    assert!(text.contains("all is well"), "{what} does not show it at all: {text:?}");
}

#[test]
fn a_plan_with_hostile_values() {
    let mut plan = planned();
    let key = ObjectKey::within(Kind::Service, "quickstart", "demo");
    plan.changes.insert(
        key.clone(),
        Change {
            operation: Operation::Update,
            because: HOSTILE.to_owned(),
            summary: HOSTILE.to_owned(),
            fields: vec![FieldChange {
                path: format!(".metadata.{HOSTILE}"),
                before: Some(Value::from(HOSTILE)),
                after: Some(Value::from(HOSTILE)),
                drifted_by: Some(HOSTILE.to_owned()),
            }],
        },
    );
    let manager = HOSTILE.to_owned();
    plan.conflicts.push(Conflict { object: key, field: HOSTILE.to_owned(), manager, taken: false });
    plan.blocked.push(Blocked {
        address: HOSTILE.to_owned(),
        rule: "refused".to_owned(),
        reason: HOSTILE.to_owned(),
        help: HOSTILE.to_owned(),
    });
    plan.notes.push(HOSTILE.to_owned());
    plan.basis.target = HOSTILE.to_owned();
    assert_harmless("plan", &plan::plan(&plan, plan::Style::default()));
    if let Some(step) = plan.steps.values_mut().next() {
        step.title = HOSTILE.to_owned();
    }
    assert_harmless("graph", &graph::dot(&plan));
}

#[test]
fn a_status_with_hostile_words() {
    let stack = quickstart();
    let mut seen = Observed::default();
    let pod = json!({
        "metadata": { "name": "demo-data-0" },
        "spec": { "nodeName": HOSTILE },
        "status": { "conditions": [
            { "type": "PodScheduled", "status": "False", "message": HOSTILE },
        ] },
    });
    let key = ObjectKey::within(Kind::Pod, "quickstart", "demo-data-0");
    seen.objects.insert(key, LiveObject { value: pod, managers: BTreeMap::new() });
    let why = HOSTILE.to_owned();
    seen.databases.insert("demo".to_owned(), DatabaseView::Unreachable { why });
    let desired = tsinfra::desired::lower(&stack, &seen);
    assert_harmless("status", &status::text(&stack, &desired, &seen));
}

#[test]
fn an_apply_with_hostile_reasons() {
    let plan = planned();
    let step = StepId("create/StatefulSet/quickstart/demo-data".to_owned());
    let told = [
        What::Waiting { done: 0, of: 3, why: vec![HOSTILE.to_owned()] },
        What::Ended { how: "refused", why: HOSTILE.to_owned() },
    ];
    for what in told {
        let event = Event { at: Duration::ZERO, step: step.clone(), what };
        assert_harmless("event", &events::line(&plan, &event, Paint::default()));
    }
    let (record, stranger) = (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
    let stale = Some(HOSTILE.to_owned());
    let mut ended = Outcome { record, stranger, stale, ..Outcome::default() };
    ended.ended.insert(step, End::Refused(HOSTILE.to_owned()));
    assert_harmless("outcome", &outcome::halted(&plan, &ended, Paint::default()));
    let text = HOSTILE.to_owned();
    let lock = Lock {
        holder: text.clone(),
        purpose: text.clone(),
        acquired: text.clone(),
        renewed: text.clone(),
        epoch: 1,
        begun: [text].into(),
    };
    assert_harmless("lock", &outcome::held_by(&lock));
    assert_harmless("lock", &outcome::taken_over(&lock));
}
