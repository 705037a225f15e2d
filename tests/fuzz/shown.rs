//! Somebody else's words in every place that shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use db_engine::engine::{MemberState, Topology, TopologyMember};
use serde_json::{Value, json};
use tsinfra::apply::Outcome;
use tsinfra::apply::event::{Event, What};
use tsinfra::apply::hold::NotHeld;
use tsinfra::apply::step::End;
use tsinfra::desired;
use tsinfra::inventory::{Inventory, Item};
use tsinfra::live::answers;
use tsinfra::lock::Lock;
use tsinfra::object::{Kind, ObjectKey};
use tsinfra::observed::{DatabaseView, EventNote, LiveObject, Observed};
use tsinfra::plan::drift::{self, Drift, Learned, Lesson};
use tsinfra::plan::selection::Selected;
use tsinfra::plan::step::{Action, Step, StepId, Until};
use tsinfra::plan::{
    Blocked, Change, Conflict, Connection, FieldChange, Operation, Plan, Purpose, saved,
};
use tsinfra::render::paint::Paint;
use tsinfra::render::{events, graph, json as programs, outcome, plan, status, text};
use tsinfra::wording::harmless_json;

/// Nothing but lines of what a terminal merely prints. Deliberately not the program's own rule.
pub(crate) fn clean(what: &str, page: &str) {
    let bad = |c: char| {
        (u32::from(c) < 0x20 && c != '\n')
            || ('\u{7f}'..='\u{9f}').contains(&c)
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let odd = page.chars().find(|c| bad(*c));
    assert_eq!(odd, None, "{what} shows {odd:?} as it is: {page:?}");
}

/// A value for programs: as harmless, and the same value still.
pub(crate) fn json(value: &Value) -> String {
    let text = harmless_json(&value.to_string());
    clean("JSON", &text);
    assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(value));
    text
}

/// Every page that shows a text which somebody else has written, by what it is.
pub(crate) fn everywhere(text: &str) -> Vec<(&'static str, String)> {
    let plan = hostile_plan(text);
    let full = plan::Style { full: true, ..plan::Style::default() };
    let mut pages = vec![
        ("a plan", plan::plan(&plan, plan::Style::default())),
        ("a plan in full", plan::plan(&plan, full)),
        ("a plan for programs", json(&programs::plan(&plan))),
        ("a saved plan", saved::text(&plan).expect("a plan is JSON")),
        ("a refresh", {
            let (purpose, blocked, notes) = (Purpose::Refresh, Vec::new(), Vec::new());
            plan::plan(&Plan { purpose, blocked, notes, ..plan.clone() }, plan::Style::default())
        }),
        ("a graph", graph::dot(&plan)),
        ("a destroy of nothing", {
            let (steps, blocked) = (BTreeMap::new(), Vec::new());
            plan::plan(&Plan { steps, blocked, ..plan.clone() }, plan::Style::default())
        }),
    ];
    pages.extend(statuses(text));
    pages.extend(runs(&plan, text));
    pages.extend(refusals(text));
    pages
}

/// An address that a record, a stranger's plan or an odd server may hold.
fn key(text: &str) -> ObjectKey {
    ObjectKey::within(Kind::Service, "quickstart", text)
}

fn hostile_plan(text: &str) -> Plan {
    let owned = || text.to_owned();
    let change = |operation| Change {
        operation,
        because: owned(),
        summary: owned(),
        fields: vec![
            FieldChange {
                path: format!(".metadata.{text}"),
                before: Some(Value::from(text)),
                after: Some(json!({ text: [text] })),
                drifted_by: Some(owned()),
            },
            FieldChange {
                path: owned(),
                before: None,
                after: Some(Value::from(text)),
                drifted_by: None,
            },
        ],
    };
    let kinds = [
        Operation::Create,
        Operation::Update,
        Operation::Replace,
        Operation::Recycle,
        Operation::Keep,
    ];
    let changes = kinds.into_iter().zip(["-a", "-b", "-c", "-d"]);
    let mut plan = super::planned(&super::quickstart(), &Observed::default(), Purpose::Apply);
    let step = plan.steps.values().next().cloned().expect("a first plan has steps");
    let until = Until::Joined { cluster: owned(), addresses: BTreeSet::from([owned()]) };
    let action = Action::Delete { object: key(text), uid: owned() };
    let (title, because, after) = (owned(), owned(), BTreeSet::new());
    let step = Step { action, title, because, after, until, ..step };
    plan.steps = BTreeMap::from([(StepId(format!("delete/{text}")), step)]);
    plan.changes = changes.map(|(op, end)| (key(&format!("{text}{end}")), change(op))).collect();
    plan.stack = owned();
    plan.namespace = owned();
    plan.basis.target = owned();
    plan.basis.connection =
        Connection::Kubernetes { kubeconfig: Some(owned()), context: Some(owned()) };
    let (address, rule, reason, help) = (owned(), owned(), owned(), owned());
    plan.blocked = vec![Blocked { address, rule, reason, help }];
    let (object, field, manager) = (key(text), owned(), owned());
    plan.conflicts = vec![Conflict { object, field, manager, taken: false }];
    plan.notes = vec![owned()];
    plan.inventory.items = BTreeMap::from([(key(text), Item { uid: owned(), ..Item::default() })]);
    plan.selection = Some(Selected {
        target: vec![owned()],
        exclude: Vec::new(),
        steps_left_out: 1,
        refusals_left_out: 1,
    });
    plan.learns = vec![Learned { address: owned(), lesson: Lesson::Comes }];
    let (path, drifted_by) = (format!(".metadata.{text}"), Some(owned()));
    let fields = vec![FieldChange { path, before: None, after: Some(Value::from(7)), drifted_by }];
    plan.drift = vec![Drift { object: key(text), what: drift::What::Changed, fields }];
    plan
}

/// A status with this text in pods, claims, events and a database's answers; once each for what is
/// shown only if nothing else is to be said.
fn statuses(text: &str) -> Vec<(&'static str, String)> {
    let stack = super::quickstart();
    let member = |id| TopologyMember {
        id,
        kind: text.to_owned(),
        state: MemberState::Unknown,
        status: text.to_owned(),
        regions: 1,
    };
    let members = [("demo-data-0.x".to_owned(), member(1)), (text.to_owned(), member(2))];
    let topology = Topology {
        cluster_id: text.to_owned(),
        version: text.to_owned(),
        members: BTreeMap::from(members),
    };
    let views = [
        DatabaseView::Unreachable { why: text.to_owned() },
        DatabaseView::Seen(topology),
        DatabaseView::Absent,
    ];
    let unschedulable = json!({ "conditions": [
        { "type": "PodScheduled", "status": "False", "message": text, "reason": text },
    ] });
    let waiting = json!({ "phase": "Pending", "containerStatuses": [
        { "name": "iotdb", "restartCount": 7,
          "state": { "waiting": { "reason": text, "message": text } },
          "lastState": { "terminated": { "reason": text, "message": text, "exitCode": 1 } } },
    ] });
    let odd = json!({ "phase": text, "reason": text, "message": text });
    let mut pages = Vec::new();
    for (view, pod) in views.into_iter().zip([unschedulable, waiting, odd]) {
        let mut seen = Observed::default();
        let spec = json!({ "nodeName": text });
        let note = json!({ "note": text });
        let metadata = json!({ "name": "demo-data-0", "annotations": note, "labels": note });
        let value = json!({ "metadata": metadata, "spec": spec, "status": pod });
        let mut put = |kind, name: &str, value| {
            let live = LiveObject::of(value);
            seen.objects.insert(ObjectKey::within(kind, "quickstart", name), live);
        };
        put(Kind::Pod, "demo-data-0", value);
        let requests = json!({ "requests": { "storage": text } });
        let claim = json!({ "spec": { "resources": requests }, "status": { "phase": text } });
        put(Kind::PersistentVolumeClaim, "data-demo-data-0", claim);
        for (kind, name) in [("Pod", "demo-data-0"), ("StatefulSet", "demo-data")] {
            for reason in ["FailedCreate", "FailedScheduling", text] {
                seen.events.push(EventNote {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    reason: reason.to_owned(),
                    message: text.to_owned(),
                });
            }
        }
        seen.databases.insert("demo".to_owned(), view);
        let desired = desired::lower(&stack, &seen);
        pages.push(("a status", status::text(&stack, &desired, &seen)));
        pages.push(("a status for programs", json(&status::json(&stack, &desired, &seen))));
    }
    pages
}

/// What is told while a plan runs and when it has ended.
fn runs(plan: &Plan, text: &str) -> Vec<(&'static str, String)> {
    let owned = || text.to_owned();
    let mut pages = Vec::new();
    let whats = [
        What::Begun,
        What::Waiting { done: 0, of: 3, why: vec![owned()] },
        What::Done { took: Duration::ZERO },
        What::Ended { how: "refused", why: owned() },
    ];
    let known = plan.steps.keys().next().cloned().unwrap_or_default();
    for step in [known.clone(), StepId(owned())] {
        for what in whats.clone() {
            let event = Event { at: Duration::ZERO, step: step.clone(), what };
            pages.push(("an event", events::line(plan, &event, Paint::default())));
            pages.push(("an event for programs", json(&programs::event(plan, &event))));
        }
    }
    pages.push(("a moving bar", events::waiting(text, 0, 3, &[owned()])));
    let lock = Lock {
        holder: owned(),
        purpose: owned(),
        acquired: owned(),
        renewed: owned(),
        epoch: 1,
        begun: [owned()].into(),
    };
    pages.push(("a lock", outcome::held_by(&lock)));
    pages.push(("a lock taken over", outcome::taken_over(&lock)));
    pages.push(("a lock that is waited for", outcome::lock_wait(&lock)));
    pages.push(("a lock for programs", json(&programs::lock_wait(&lock))));
    let paint = Paint::default();
    for not_held in [NotHeld::Taken(lock), NotHeld::Failed(owned())] {
        let ended = Outcome { not_held: Some(not_held), ..Outcome::default() };
        pages.push(("an outcome without a lock", outcome::halted(plan, &ended, paint)));
    }
    let ends = [
        End::TimedOut(owned()),
        End::Refused(owned()),
        End::Stale(owned()),
        End::Unknown(owned()),
        End::Unseen(owned()),
    ];
    for end in ends {
        let ended = BTreeMap::from([(known.clone(), end.clone()), (StepId(owned()), end)]);
        let outcome = Outcome {
            ended,
            record: Some(End::Unknown(owned())),
            stale: Some(owned()),
            stranger: Some(owned()),
            ..Outcome::default()
        };
        pages.push(("an outcome", outcome::halted(plan, &outcome, paint)));
    }
    pages
}

/// What a server, a file or a database says no with, as the last line of a failed run shows it.
fn refusals(text: &str) -> Vec<(&'static str, String)> {
    let causes = json!([
        { "reason": "FieldManagerConflict", "field": text,
          "message": format!("conflict with {text:?} using apps/v1") },
    ]);
    let body = json!({ "message": text, "reason": text, "details": { "causes": causes } });
    let conflicts = answers::conflicts(409, &body).unwrap_or_default();
    let foreign = json!({ "metadata": {}, "data": { "inventory.json": json!({
        "format": "1.0", "stack": text, "namespace": text, "items": {}, "clusters": {},
    }).to_string() } });
    let elsewhere = Inventory::from_config_map(&foreign).expect_err("no record of this place");
    let folded = |text: String| text::fold(&text, "", "  ");
    vec![
        ("a refusal", folded(answers::refusal(403, &body))),
        ("conflicts", folded(format!("{conflicts:?}"))),
        ("an error", folded(text.to_owned())),
        ("a record of another stack", folded(elsewhere.to_string())),
    ]
}
