//! What must hold whatever is read: one function a target, for cargo-fuzz and for `cargo test` alike.
//!
//! Each takes bytes, and panics if a promise is broken. What is refused is refused in words that
//! may be shown; what is accepted means the same when it is written and read again.

#[path = "shown.rs"]
pub(crate) mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use db_engine::cluster::EngineKind;
use db_engine::drivers::driver;
use db_engine::iotdb::rest;
use db_engine::statement::Answer;
use serde_json::{Value, json};
use tsinfra::apply::{expect, wait};
use tsinfra::desired::naming::naming;
use tsinfra::fields::{self, merge, path::Element};
use tsinfra::inventory::Inventory;
use tsinfra::live::answers;
use tsinfra::lock::{Lock, Turn, Watch};
use tsinfra::object::{Kind, LABEL_STACK, ObjectKey};
use tsinfra::observed::{DatabaseView, LiveObject, Observed};
use tsinfra::plan::step::Action;
use tsinfra::plan::{Basis, Membership, Plan, Purpose, saved};
use tsinfra::planner::{self, PlanInput, Previewed};
use tsinfra::render::text::fold;
use tsinfra::render::{self, paint::Paint, status};
use tsinfra::stack::{self, Stack, duration, quantity::Quantity};
use tsinfra::world::Preview;
use tsinfra::{desired, sealed};

use shown::clean;

/// A name, and what must hold for any bytes.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: [Target; 10] = [
    ("stack", stack_text),
    ("plan_file", plan_file),
    ("record", record),
    ("lease", lease),
    ("database", database),
    ("object", object),
    ("world", world),
    ("paths", paths),
    ("amounts", amounts),
    ("shown", shown_text),
];

/// Runs one by its name, as cargo-fuzz does.
#[allow(dead_code, reason = "the tests go through them all")]
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.into_iter().find(|(known, _)| *known == name);
    target.expect("a target of this name").1(bytes);
}

/// The stack that targets plan for.
pub(crate) const QUICKSTART: &str = include_str!("../../stacks/quickstart.toml");

/// The stack that targets plan for, read.
pub(crate) fn quickstart() -> Stack {
    stack::read("quickstart.toml", QUICKSTART).expect("a valid stack")
}

/// A stack's text: every mistake has its place, every line fits; what is accepted can be planned.
fn stack_text(bytes: &[u8]) {
    let mistakes = match stack::read_bytes("stack.toml", bytes) {
        Ok(stack) => return accepted(&stack),
        Err(mistakes) => mistakes,
    };
    assert!(!mistakes.all().is_empty());
    if let Ok(text) = std::str::from_utf8(bytes) {
        for label in mistakes.all().iter().flat_map(|mistake| &mistake.labels) {
            assert!(text.get(label.span.clone()).is_some(), "{:?}", label.span);
        }
    }
    for width in [60, 100] {
        let drawn = mistakes.render(false, width);
        clean("a diagnostic", &drawn);
        assert!(drawn.lines().all(|line| line.chars().count() <= width), "{drawn}");
    }
    let _ = mistakes.render(true, 80);
}

fn accepted(stack: &Stack) {
    clean("a stack", &render::stack::text(stack));
    let plan = planned(stack, &Observed::default(), Purpose::Apply);
    all_clean(&plan);
}

/// What the planner makes of a look, where Kubernetes would store every draft as it is.
fn planned(stack: &Stack, observed: &Observed, purpose: Purpose) -> Plan {
    let naming = naming(stack, observed);
    let stack = &stack.as_made(&naming.now);
    let desired = desired::lower(stack, observed);
    let drafts = planner::drafts(stack, &desired, observed, purpose);
    let stored = |manifest| Previewed { conflicts: Vec::new(), result: Preview::Stored(manifest) };
    let previews: BTreeMap<ObjectKey, Previewed> =
        drafts.into_iter().map(|draft| (draft.object, stored(draft.manifest))).collect();
    let plan = planner::plan(&PlanInput {
        stack,
        naming: &naming,
        desired: &desired,
        observed,
        previews: &previews,
        purpose,
        basis: &Basis::default(),
        consents: &BTreeSet::new(),
    });
    plan.order().expect("a plan has an order");
    plan
}

/// Every way a plan is shown.
fn all_clean(plan: &Plan) {
    let style = render::plan::Style { paint: Paint::default(), full: true };
    clean("a plan", &render::plan::plan(plan, style));
    clean("a graph", &render::graph::dot(plan));
    clean("the end", &render::outcome::complete(plan, Paint::default()));
    shown::json(&render::json::plan(plan));
}

/// A saved plan: refused, or the very plan it becomes when it is saved again. Bytes that are JSON
/// are tried with a seal of their own too, since a changed file is refused before it is understood.
fn plan_file(bytes: &[u8]) {
    for bytes in with_seal(bytes) {
        match saved::read(&bytes) {
            Ok(plan) => {
                all_clean(&plan);
                let again = saved::text(&plan).expect("a plan is JSON");
                assert_eq!(saved::read(again.as_bytes()).as_ref(), Ok(&plan));
                clean("a saved plan", &again);
            }
            Err(bad) => clean("a refusal", &fold(&bad.to_string(), "", "")),
        }
    }
}

/// The bytes, and if they are an object of JSON, that object with a seal that fits.
fn with_seal(bytes: &[u8]) -> Vec<Vec<u8>> {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    let resealed = value.filter(Value::is_object).map(|value| sealed::seal(value).to_string());
    std::iter::once(bytes.to_vec()).chain(resealed.map(String::into_bytes)).collect()
}

/// The text of a stack's record: refused, or the very record it becomes when it is kept again.
fn record(bytes: &[u8]) {
    for bytes in with_seal(bytes) {
        let text = String::from_utf8_lossy(&bytes);
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let word = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        let config_map = json!({
            "metadata": {
                "name": format!("tsinfra-{}", word("stack")), "namespace": word("namespace"),
            },
            "data": { "inventory.json": text },
        });
        match Inventory::from_config_map(&config_map) {
            Ok(record) => {
                let again = Inventory::from_config_map(&record.to_config_map());
                let again = again.expect("what was kept can be read");
                assert_eq!((again.items, again.clusters), (record.items, record.clusters));
            }
            Err(bad) => clean("a refusal", &fold(&bad.to_string(), "", "")),
        }
    }
    // The whole ConfigMap may be odd as well.
    if let Ok(config_map) = serde_json::from_slice(bytes) {
        let _ = Inventory::from_config_map(&config_map);
    }
}

/// A Lease: somebody's, nobody's, and never one that is written otherwise than it is read.
fn lease(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let lease = LiveObject::of(value);
    let mut watch = Watch::default();
    for seconds in [0, 59, 61, u64::MAX] {
        if let Turn::Free { epoch, .. } = watch.judge(Some(&lease), Duration::from_secs(seconds)) {
            let _ = tsinfra::lock::free("tsdb", "plant", epoch);
        }
    }
    let Some(lock) = Lock::from_lease(&lease) else { return };
    clean("a holder", &render::outcome::held_by(&lock));
    shown::json(&render::json::lock_wait(&lock));
    let value = lock.to_lease("tsdb", "plant");
    let again = Lock::from_lease(&LiveObject::of(value));
    assert_eq!(again, Some(lock));
}

/// What a database answers: each line is the body of one answer to the survey.
fn database(bytes: &[u8]) {
    let engine = driver(EngineKind::Iotdb);
    let mut answers = Vec::new();
    for (line, http) in bytes.split(|byte| *byte == b'\n').zip([200, 200, 200, 200, 401, 503]) {
        match rest::parse(http, line) {
            Ok(answer) => {
                if !matches!(answer, Answer::Table(_)) {
                    let (http, body) = rest::render(&answer);
                    let again = rest::parse(http, body.to_string().as_bytes());
                    assert_eq!(again.as_ref(), Ok(&answer));
                }
                answers.push(answer);
            }
            Err(odd) => clean("an odd answer", &fold(&odd.to_string(), "", "")),
        }
        let _ = rest::asked(rest::QUERY, line);
    }
    match engine.read(&answers) {
        Ok(topology) => {
            assert!(!topology.cluster_id.is_empty() && !topology.members.is_empty());
            let now = Membership::of(&topology);
            assert_eq!(now.departs(&now, &BTreeSet::new()), None);
            let view = DatabaseView::Seen(topology);
            let databases = BTreeMap::from([("demo".to_owned(), view)]);
            status_of(&Observed { databases, ..Observed::default() });
        }
        Err(odd) => clean("an odd answer", &fold(&odd.to_string(), "", "")),
    }
}

fn status_of(observed: &Observed) {
    let stack = quickstart();
    let desired = desired::lower(&stack, observed);
    clean("a status", &status::text(&stack, &desired, observed));
    shown::json(&status::json(&stack, &desired, observed));
}

/// A manifest of ours, the largest kind there is.
fn manifest() -> &'static Value {
    static MANIFEST: OnceLock<Value> = OnceLock::new();
    MANIFEST.get_or_init(|| {
        let desired = desired::lower(&quickstart(), &Observed::default());
        let mut objects = desired.objects.into_iter();
        let set = objects.find(|(key, _)| key.kind == Kind::StatefulSet);
        set.expect("a stack has a StatefulSet").1.manifest
    })
}

/// What an API server answers: an object, a list of events, a refusal, a Secret.
fn object(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let kind = Kind::ALL[bytes.len() % Kind::ALL.len()];
    let (key, live) = answers::object(kind, value.clone());
    let owned: BTreeSet<String> = live.managers.values().flatten().cloned().collect();
    let ours = manifest();
    assert_eq!(fields::departures(ours, ours, &BTreeSet::new()), Vec::<String>::new());
    let _ = fields::departures(ours, &live.value, &owned);
    assert_eq!(fields::digest(ours, &live.value).len(), 64);
    // Only the sandbox merges, and nobody else writes to it.
    if bytes.len() < 20_000 {
        let _ = merge::applied(&live.value, ours, &owned);
        let _ = merge::applied(ours, &live.value, &owned);
    }
    let _ = answers::ownership(&value["metadata"]["managedFields"], &live.value);
    clean("a refusal", &fold(&answers::refusal(403, &value), "", ""));
    for (manager, path) in answers::conflicts(409, &value).unwrap_or_default() {
        clean("a conflict", &fold(&format!("{manager} {path}"), "", ""));
    }
    if let Some(why) = answers::no_login(&value) {
        clean("a Secret", &fold(&why, "", ""));
    }
    let events = match value.get("items") {
        Some(Value::Array(items)) => answers::events(items.clone()),
        _ => Vec::new(),
    };
    let objects = BTreeMap::from([(key, live)]);
    status_of(&Observed { objects, events, ..Observed::default() });
}

/// Everything seen at once, however odd: it can be planned upon, waited for and shown, and only
/// what is there and ours is ever deleted.
fn world(bytes: &[u8]) {
    let Ok(observed) = serde_json::from_slice::<Observed>(bytes) else { return };
    let stack = quickstart();
    for purpose in [Purpose::Apply, Purpose::Destroy] {
        let plan = planned(&stack, &observed, purpose);
        for step in plan.steps.values() {
            deletes_only_ours(&step.action, &observed);
            let _ = expect::broken(step, &observed);
            let _ = wait::judge(&step.until, &observed);
        }
        all_clean(&plan);
    }
    status_of(&observed);
}

fn deletes_only_ours(action: &Action, observed: &Observed) {
    let Action::Delete { object, uid } = action else { return };
    let live = observed.objects.get(object).expect("what is deleted is there");
    assert_eq!(live.uid(), uid, "{object}");
    let owner = live.label(LABEL_STACK);
    let member = matches!(object.kind, Kind::Pod | Kind::PersistentVolumeClaim);
    assert!(member || owner == Some("quickstart"), "{object} is of {owner:?}");
}

/// Names of fields and objects, in the server's spelling and in ours.
fn paths(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let once = answers::path(&text);
    clean("a path", &fold(&once, "", ""));
    let _ = Element::from_fields_v1(&text).map(|element| element.to_string());
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.to_string().parse::<ObjectKey>(), Ok(key));
    }
    if let Ok(set) = serde_json::from_str(&text) {
        for path in fields::owned_paths(&set) {
            clean("an owned field", &fold(&path, "", ""));
        }
    }
}

/// Amounts and lengths of time: what is read is spelt so that it reads the same.
fn amounts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(amount) = text.parse::<Quantity>() {
        let spelt = amount.to_string();
        assert_eq!(spelt.parse::<Quantity>().as_ref(), Ok(&amount), "{spelt}");
        assert_eq!(spelt.parse::<Quantity>().map(|one| one.to_string()), Ok(spelt));
        let _ = (amount.bytes(), amount.milli(), amount.is_whole(), amount.is_zero());
    }
    if let Ok(seconds) = duration::seconds(&text) {
        assert_eq!(duration::seconds(&duration::spell(seconds)), Ok(seconds));
    }
}

/// Any text, wherever somebody else's words are shown.
fn shown_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (what, page) in shown::everywhere(&text) {
        clean(what, &page);
    }
}
