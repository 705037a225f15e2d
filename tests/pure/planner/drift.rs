//! What others did is told as drift and what the stack asks for as change, each without the other.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;
use serde_json::json;
use tsinfra::inventory::Inventory;
use tsinfra::object::LABEL_MANAGED_BY;
use tsinfra::plan::drift::{Lesson, What};
use tsinfra::plan::step::Action;
use tsinfra::sandbox::Cluster;
use tsinfra::sealed::seal;

use super::sketch::{sketches, wishes};
use super::*;

/// What somebody may do to an object of the stack.
#[derive(Clone, Copy, Debug)]
enum Act {
    Scale,
    Edit,
    Delete,
    Replace,
}

/// Does it to the one object it can be done to, and answers which that is.
fn act(world: &Sandbox, act: Act) -> ObjectKey {
    let (kind, name) = match act {
        Act::Scale => (Kind::StatefulSet, "alpha-hot"),
        Act::Edit => (Kind::PodDisruptionBudget, "alpha-control"),
        Act::Delete => (Kind::Service, "alpha"),
        Act::Replace => (Kind::PodDisruptionBudget, "alpha-storing"),
    };
    let snapshot = world.snapshot();
    let found = snapshot.objects.keys().find(|key| key.kind == kind && key.name == name);
    let key = found.unwrap_or_else(|| panic!("no {kind} {name}")).clone();
    let live = snapshot.get(&key).unwrap().clone();
    match act {
        Act::Scale => {
            let members = live["spec"]["replicas"].as_i64().unwrap() + 1;
            edit(world, &key, &json!({ "spec": { "replicas": members } }));
        }
        Act::Edit => edit(world, &key, &json!({ "spec": { "maxUnavailable": 7 } })),
        Act::Delete => world.disturb(|cluster: &mut Cluster| cluster.delete(&key)),
        Act::Replace => replace(world, &key, live),
    }
    key
}

fn edit(world: &Sandbox, key: &ObjectKey, patch: &Value) {
    world.disturb(|cluster| cluster.edit_as("kubectl-edit", key, patch)).unwrap();
}

/// Another object of that name and those labels.
fn replace(world: &Sandbox, key: &ObjectKey, mut manifest: Value) {
    world.disturb(|cluster| cluster.delete(key));
    let metadata = manifest["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "labels"));
    manifest.as_object_mut().unwrap().remove("status");
    block_on(world.perform(&Action::Create { object: key.clone(), manifest })).unwrap();
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Act::Scale), Just(Act::Edit), Just(Act::Delete), Just(Act::Replace)]
}

/// The objects that are said to have drifted.
fn drifted(plan: &Plan) -> BTreeSet<ObjectKey> {
    plan.drift.iter().map(|drift| drift.object.clone()).collect()
}

/// Fields that the plan changes though nobody else has: what the stack asks for anew.
fn asked_anew(plan: &Plan) -> BTreeSet<String> {
    let told: BTreeSet<String> = plan
        .drift
        .iter()
        .flat_map(|drift| {
            drift.fields.iter().map(|field| format!("{}{}", drift.object, field.path))
        })
        .collect();
    let lost = |key: &ObjectKey| {
        plan.drift.iter().any(|drift| drift.object == *key && drift.what == What::Deleted)
    };
    let changes = plan.changes.iter().filter(|(key, _)| !lost(key));
    let fields = changes.flat_map(|(key, change)| {
        change.fields.iter().map(move |field| format!("{key}{}", field.path))
    });
    fields.filter(|field| !told.contains(field)).collect()
}

/// Carries a plan out until some event, and stops it there, as Ctrl-C does, or kills it: then nobody
/// keeps the record as things are.
fn end_early(world: &Sandbox, plan: &Plan, last: usize, killed: bool) {
    let mut events = 0;
    let run = || {
        run_until(world, plan, |_| {
            events += 1;
            if killed && events > last {
                resume_unwind(Box::new("killed"));
            }
            events > last
        })
    };
    // That it was killed is what is wanted.
    let _ = catch_unwind(AssertUnwindSafe(run));
}

fn record(world: &Sandbox, stack: &Stack) -> Inventory {
    let key = Inventory::key(&stack.namespace, &stack.name);
    Inventory::from_config_map(world.snapshot().get(&key).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(config(3))]

    /// Where nobody else did anything there is no drift: not before, not after an apply, not after
    /// one that was stopped or killed at any event, not in a change, not in a destroy.
    #[test]
    fn without_a_foreign_act_there_is_never_drift(
        sketch in sketches(), wishes in wishes(), last in 0_usize..60, killed: bool,
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = sandbox();
        for stack in [&before, &after] {
            let first = plan(&world, stack);
            prop_assert_eq!(drifted(&first), BTreeSet::new());
            end_early(&world, &first, last, killed);
            prop_assert_eq!(drifted(&plan(&world, stack)), BTreeSet::new());
            // A dead holder's lock is waited for, and no plan may go stale meanwhile.
            rest(&world, 300);
            let rest_of_it = apply_all(&world, stack);
            prop_assert_eq!(drifted(&rest_of_it), BTreeSet::new());
            prop_assert_eq!(drifted(&plan(&world, stack)), BTreeSet::new());
        }
        let end = destruction(&world, &after);
        prop_assert_eq!(drifted(&end), BTreeSet::new());
        end_early(&world, &end, last, killed);
        prop_assert_eq!(drifted(&destruction(&world, &after)), BTreeSet::new());
        prop_assert_eq!(drifted(&plan(&world, &after)), BTreeSet::new());
    }

    /// What somebody did is drift and no change; what the stack asks for anew is change and no
    /// drift; both together are both. Bringing the record up to date writes nothing else.
    #[test]
    fn drift_and_change_are_told_apart(sketch in sketches(), deed in acts(), with_change: bool) {
        let before = sketch.stack();
        let mut after = sketch.clone();
        after.clusters[0].label += u8::from(with_change);
        let after = after.stack();
        let world = sandbox();
        apply_all(&world, &before);
        rest(&world, 60);
        let change = plan(&world, &after);
        prop_assert_eq!(drifted(&change), BTreeSet::new());
        let anew = asked_anew(&change);
        prop_assert_eq!(anew.is_empty(), !with_change);

        let key = act(&world, deed);
        let both = plan(&world, &after);
        prop_assert_eq!(drifted(&both), BTreeSet::from([key.clone()]));
        let of_others = |fields: BTreeSet<String>| -> BTreeSet<String> {
            let own = key.to_string();
            fields.into_iter().filter(|field| !field.starts_with(&own)).collect()
        };
        prop_assert_eq!(of_others(asked_anew(&both)), of_others(anew));
        if !with_change {
            prop_assert_eq!(asked_anew(&both), BTreeSet::new());
        }

        let refresh = plan_for(&world, &after, Purpose::Refresh, &[]);
        prop_assert!(refresh.steps.is_empty() && refresh.changes.is_empty());
        prop_assert_eq!(&refresh.drift, &both.drift);
        let untouched = shape(&world);
        prop_assert!(run(&world, &refresh).is_complete(&refresh));
        prop_assert_eq!(shape(&world), untouched);
        prop_assert_eq!(&record(&world, &after), &refresh.inventory);
        let again = plan_for(&world, &after, Purpose::Refresh, &[]);
        prop_assert_eq!(&again.learns, &Vec::new());
        prop_assert_eq!(drifted(&again).contains(&key), matches!(deed, Act::Scale | Act::Edit));
    }
}

const STACK: &str = include_str!("cases/first-apply/stack.toml");

/// A record of an earlier version says of no manifest that it was applied: then what another manager
/// owns is drift, the rest is change, and nothing else is different.
#[test]
fn a_record_without_digests_still_tells_what_managers_did() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    let mut old = record(&world, &stack);
    assert!(old.items.values().any(|item| !item.applied.is_empty()), "{old:#?}");
    old.items.values_mut().for_each(|item| item.applied.clear());
    block_on(world.keep(&old)).unwrap();
    assert_eq!(drifted(&plan(&world, &stack)), BTreeSet::new());
    let budget = ObjectKey::within(Kind::PodDisruptionBudget, "tsdb", "history-control");
    edit(&world, &budget, &json!({ "spec": { "maxUnavailable": 7 } }));
    let service = ObjectKey::within(Kind::Service, "tsdb", "history");
    edit(&world, &service, &json!({ "metadata": { "labels": { LABEL_MANAGED_BY: null } } }));
    let told = plan(&world, &stack);
    assert_eq!(drifted(&told), BTreeSet::from([budget]));
    assert!(told.changes.contains_key(&service), "{told:#?}");
}

/// A record that a program of the first minor version wrote is read as it is.
#[test]
fn a_record_of_the_first_minor_version_is_read() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    let mut old = json!(record(&world, &stack));
    old["format"] = json!("1.0");
    for item in old["items"].as_object_mut().unwrap().values_mut() {
        item.as_object_mut().unwrap().retain(|name, _| name == "uid");
    }
    let key = Inventory::key("tsdb", "plant");
    let mut map = world.snapshot().get(&key).unwrap().clone();
    map["data"]["inventory.json"] = json!(seal(old).to_string());
    let read = Inventory::from_config_map(&map).unwrap();
    assert_eq!(read.format.to_string(), "1.0");
    assert!(read.items.values().all(|item| !item.uid.is_empty() && item.applied.is_empty()));
}

/// A destroy that is killed at any event leaves no drift: what is gone was going.
#[test]
fn what_a_killed_destroy_has_deleted_is_no_drift() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    rest(&world, 60);
    let beginning = world.snapshot();
    for last in 0..40 {
        world.disturb(|cluster| *cluster = beginning.clone());
        end_early(&world, &destruction(&world, &stack), last, true);
        assert_eq!(drifted(&destruction(&world, &stack)), BTreeSet::new(), "{last}");
        assert_eq!(drifted(&plan(&world, &stack)), BTreeSet::new(), "{last}");
    }
}

/// A change is killed at any event and the stack put back: what tsinfra itself has set since is no
/// drift, because what was applied before is not what was meant last.
#[test]
fn a_stack_that_is_put_back_after_a_killed_change_has_not_drifted() {
    let world = sandbox();
    let (old, new) = (stack(STACK), stack(&STACK.replacen("8Gi", "10Gi", 1)));
    apply_all(&world, &old);
    rest(&world, 60);
    let beginning = world.snapshot();
    for last in 0..8 {
        world.disturb(|cluster| *cluster = beginning.clone());
        end_early(&world, &plan(&world, &new), last, true);
        assert_eq!(drifted(&plan(&world, &old)), BTreeSet::new(), "{last}");
        assert_eq!(drifted(&plan(&world, &new)), BTreeSet::new(), "{last}");
    }
}

/// A label that is taken off leaves no manager behind; the record still tells that it is drift.
#[test]
fn what_was_taken_off_by_nobody_known_is_drift() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    let service = ObjectKey::within(Kind::Service, "tsdb", "history");
    edit(&world, &service, &json!({ "metadata": { "labels": { LABEL_MANAGED_BY: null } } }));
    let told = plan(&world, &stack);
    assert_eq!(drifted(&told), BTreeSet::from([service.clone()]));
    assert_eq!(told.changes[&service].because, "it was changed outside of tsinfra");
}

/// A volume that a killed destroy had only meant to take is not said to be gone, nor another one.
#[test]
fn what_was_only_meant_is_never_said_to_be_gone() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    end_early(&world, &destruction(&world, &stack), 0, true);
    let meant = record(&world, &stack).items.into_iter().filter(|(_, item)| item.uid.is_empty());
    let meant: Vec<String> = meant.map(|(key, _)| key.to_string()).collect();
    assert!(meant.iter().any(|key| key.starts_with("PersistentVolume/")), "{meant:?}");
    let refresh = plan_for(&world, &stack, Purpose::Refresh, &[]);
    let gone = refresh.learns.iter().filter(|it| it.lesson != Lesson::Comes);
    let gone: Vec<&str> = gone.map(|it| it.address.as_str()).collect();
    assert!(!gone.iter().any(|address| meant.contains(&(*address).to_owned())), "{gone:?}");
}

/// A plan to refresh is held against the world like any other: what changed since is not noted.
#[test]
fn a_stale_refresh_writes_nothing() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    rest(&world, 60);
    let config = ObjectKey::within(Kind::Service, "tsdb", "history-config");
    world.disturb(|cluster| cluster.delete(&config));
    let refresh = plan_for(&world, &stack, Purpose::Refresh, &[]);
    assert_eq!(refresh.learns.len(), 1, "{:#?}", refresh.learns);
    let service = ObjectKey::within(Kind::Service, "tsdb", "history");
    world.disturb(|cluster| cluster.delete(&service));
    let before = record(&world, &stack);
    let outcome = run(&world, &refresh);
    assert!(outcome.stale.is_some(), "{outcome:#?}");
    assert_eq!(record(&world, &stack), before);
}

/// Somebody stopped all DataNodes with `kubectl scale`: nobody is left who could be asked whose the claims are, and
/// the stack as it was applied last says it. A stack that has changed meanwhile does not.
#[test]
fn members_that_were_all_scaled_away_come_back() {
    let text = include_str!("cases/first-apply/stack.toml");
    let before = stack(text);
    let world = Watched::over(sandbox(), &before);
    apply_all(&world, &before);
    let set = ObjectKey::within(Kind::StatefulSet, "tsdb", "history-data");
    edit(&world.sandbox, &set, &json!({ "spec": { "replicas": 0 } }));
    super::interrupted::pass(&world, 120);
    let other = stack(&text.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
    assert!(plan(&world, &other).blocked.iter().all(|entry| entry.rule == "stale-claim"));
    assert!(!plan(&world, &other).blocked.is_empty());
    apply_all(&world, &before);
    assert_settled(&world, &before);
}
