//! A plan is stale once anything it relies on has changed, and only then: every relevant field of
//! every object one by one, and what does not matter.

use serde_json::json;
use tsinfra::apply::expect;
use tsinfra::fields::{self, path::Element, path::Path};
use tsinfra::inventory::Inventory;
use tsinfra::object::{FIELD_MANAGER, LABEL_PART_OF};
use tsinfra::observed::LiveObject;
use tsinfra::plan::seen::Seen;
use tsinfra::sandbox::Cluster;

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

/// The stack with more memory for its DataNodes: one object changes.
fn larger() -> Stack {
    stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1))
}

/// A world the stack was applied to, and the plan of a change.
fn world_and_change() -> (Sandbox, Plan) {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    let change = plan(&world, &larger());
    assert!(!change.steps.is_empty() && change.blocked.is_empty(), "{change:#?}");
    (world, change)
}

/// What the plan says of the world after a change of it; the world is put back afterwards.
fn verdict(world: &Sandbox, plan: &Plan, change: impl FnOnce(&mut Cluster)) -> Option<String> {
    let before = world.snapshot();
    world.disturb(change);
    let seen = block_on(expect::objects(world, plan)).unwrap();
    world.disturb(|cluster| *cluster = before);
    seen
}

/// Sets a field that is there.
fn set(value: &mut Value, path: &Path, new: Value) {
    let mut place = value;
    for element in &path.0 {
        place = match element {
            Element::Field(name) => &mut place[name.as_str()],
            Element::Index(index) => &mut place[*index],
            Element::Keyed(_) | Element::Member(_) => {
                let list = place.as_array_mut().unwrap();
                list.iter_mut().find(|one| element.names(one)).unwrap()
            }
        };
    }
    *place = new;
}

fn value<'a>(cluster: &'a mut Cluster, key: &ObjectKey) -> &'a mut Value {
    std::sync::Arc::make_mut(cluster.objects.get_mut(key).unwrap()).value_mut()
}

/// The fields of an object that tsinfra owns.
fn owned(world: &Sandbox, key: &ObjectKey) -> Vec<Path> {
    let object = world.snapshot().objects[key].clone();
    let ours = object.managers.get(FIELD_MANAGER).cloned().unwrap_or_default();
    let of_ours = |path: &Path| ours.iter().any(|own| fields::path::covers(own, &path.to_string()));
    fields::leaves(&object.value).into_keys().filter(of_ours).collect()
}

#[test]
fn any_change_a_plan_relies_on_is_named() {
    let (world, plan) = world_and_change();
    let kinds: std::collections::BTreeSet<Kind> =
        plan.basis.objects.keys().map(|key| key.kind).collect();
    assert!(kinds.len() >= 6, "{kinds:?}");
    let mut tried = 0;
    for (key, seen) in &plan.basis.objects {
        let mut named = |what: &str, words: &str, change: &dyn Fn(&mut Cluster)| {
            let why = verdict(&world, &plan, change).unwrap_or_default();
            assert!(why.contains(&format!("{key} {words}")), "{key}: {what}: `{why}`");
            tried += 1;
        };
        named("uid", "was replaced", &|cluster| {
            value(cluster, key)["metadata"]["uid"] = json!("x")
        });
        named("gone", "was deleted", &|cluster| drop(cluster.objects.remove(key)));
        named("leaving", "is being deleted", &|cluster| {
            value(cluster, key)["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        });
        if seen.generation.is_some() {
            named("generation", "was changed (generation 1 -> 7)", &|cluster| {
                value(cluster, key)["metadata"]["generation"] = json!(7);
            });
        }
        for path in owned(&world, key) {
            // Some of these take it out of the stack's lists; then it is looked at by its name.
            named(&path.to_string(), "was changed in fields the stack sets", &|cluster| {
                set(value(cluster, key), &path, json!("changed"));
            });
        }
    }
    assert!(tried > 150, "only {tried} changes were tried");
}

#[test]
fn what_came_is_named() {
    let (world, plan) = world_and_change();
    let ours = |kind: Kind, name: &str| {
        let mut labels = json!({ LABEL_STACK: plan.stack });
        if !kind.namespaced() {
            let id = tsinfra::inventory::apply_set_id(&plan.namespace, &plan.stack);
            labels[LABEL_PART_OF] = json!(id);
        }
        let key = if kind.namespaced() {
            ObjectKey::within(kind, &plan.namespace, name)
        } else {
            ObjectKey::global(kind, name)
        };
        let value = json!({ "metadata": { "name": name, "uid": "n", "labels": labels } });
        (key, LiveObject::of(value))
    };
    for kind in [
        Kind::Service,
        Kind::StatefulSet,
        Kind::PodDisruptionBudget,
        Kind::StorageClass,
        Kind::PersistentVolume,
    ] {
        let (key, object) = ours(kind, "new-one");
        let why = verdict(&world, &plan, |cluster| {
            drop(cluster.objects.insert(key.clone(), object.into()))
        });
        assert_eq!(why, Some(format!("{key} is new")));
    }
    // A claim beyond the members its set has; the next of those it has is what the set brings.
    for (ordinal, is_new) in [("3", true), ("2", false), ("x", true)] {
        let name = format!("data-history-data-{ordinal}");
        let (key, object) = ours(Kind::PersistentVolumeClaim, &name);
        let mut coming = plan.clone();
        coming.basis.objects.remove(&key);
        let why = verdict(&world, &coming, |cluster| {
            drop(cluster.objects.insert(key.clone(), object.into()))
        });
        assert_eq!(why, is_new.then(|| format!("{key} is new")));
    }
    // A stranger's object is not.
    let (key, mut object) = ours(Kind::Service, "new-one");
    object.value_mut()["metadata"]["labels"][LABEL_STACK] = json!("another");
    assert_eq!(
        verdict(&world, &plan, |cluster| drop(cluster.objects.insert(key, object.into()))),
        None
    );
}

/// Status, versions, other managers, pods, the record and the lock.
#[test]
fn what_does_not_matter_makes_no_plan_stale() {
    let (world, plan) = world_and_change();
    for key in plan.basis.objects.keys() {
        let why = verdict(&world, &plan, |cluster| {
            let object = std::sync::Arc::make_mut(cluster.objects.get_mut(key).unwrap());
            object.value_mut()["status"] = json!({ "phase": "Other", "replicas": 77 });
            object.value_mut()["metadata"]["resourceVersion"] = json!("999999");
            object.value_mut()["metadata"]["annotations"]["someone.example.org/note"] =
                json!("hello");
            let theirs = [".metadata.annotations".to_owned(), ".spec.replicas".to_owned()];
            let managers = std::sync::Arc::make_mut(&mut object.managers);
            managers.insert("kubectl".to_owned(), theirs.into());
        });
        assert_eq!(why, None, "{key}");
    }
    let mut others = 0;
    let untouched = |key: &ObjectKey| !plan.basis.objects.contains_key(key);
    for key in world.snapshot().objects.keys().filter(|key| untouched(key)) {
        others += 1;
        assert_eq!(verdict(&world, &plan, |c| drop(c.objects.remove(key))), None, "{key}");
        let changed = verdict(&world, &plan, |c| value(c, key)["spec"] = json!({ "other": true }));
        assert_eq!(changed, None, "{key}");
    }
    assert!(others >= 8, "pods, nodes, the record and the lock: only {others}");
}

/// Told as the verbs tell it, with nothing written, and again under the lock.
#[test]
fn a_stale_plan_ends_before_any_write() {
    let (world, plan) = world_and_change();
    let service = ObjectKey::within(Kind::Service, &plan.namespace, "history");
    let patch = json!({ "spec": { "type": "ClusterIP", "sessionAffinity": "ClientIP" },
        "metadata": { "labels": { "tsinfra.dev/cluster": "other" } } });
    world.disturb(|cluster| cluster.edit_as("kubectl-edit", &service, &patch)).unwrap();
    let before = bytes(&world);
    let outcome = run(&world, &plan);
    let why = outcome.stale.clone().unwrap_or_default();
    assert!(why.contains(&format!("{service} was changed in fields the stack sets")), "{why}");
    assert!(bytes(&world) == before, "a stale plan wrote something");
    let text = render::outcome::halted(&plan, &outcome, render::paint::Paint::default());
    assert!(text.contains("Nothing was changed") && text.contains("make a new plan"), "{text}");
}

/// The record says which object is whose: a plan that writes nothing else is held against the world too.
#[test]
fn a_plan_that_only_keeps_the_record_can_be_stale() {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    world.disturb(|cluster| cluster.delete(&Inventory::key("tsdb", "plant")));
    let keeping = plan(&world, &stack(STACK));
    assert!(keeping.only_keeps_the_record() && keeping.blocked.is_empty(), "{keeping:#?}");
    assert_eq!(verdict(&world, &keeping, |_| ()), None);
    let service = ObjectKey::within(Kind::Service, &keeping.namespace, "history");
    world.disturb(|cluster| cluster.delete(&service));
    let before = bytes(&world);
    let outcome = run(&world, &keeping);
    assert_eq!(outcome.stale, Some(format!("{service} was deleted")));
    assert!(bytes(&world) == before, "a stale plan wrote something");
}

/// Somebody decides between plan and destroy that a volume is to be kept.
#[test]
fn a_volume_set_to_retain_after_the_plan_stops_the_destroy() {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    let end = destruction(&world, &stack(STACK));
    let volume = world.snapshot().keys_of(Kind::PersistentVolume)[0].clone();
    assert!(end.basis.objects.contains_key(&volume), "{volume}");
    let patch = json!({ "spec": { "persistentVolumeReclaimPolicy": "Retain" } });
    world.disturb(|cluster| cluster.edit_as("kubectl-patch", &volume, &patch)).unwrap();
    let outcome = run(&world, &end);
    let why = outcome.stale.unwrap_or_default();
    assert!(why.contains(&volume.to_string()), "{why}");
    assert!(outcome.done.is_empty());
}

/// A plan keeps what it has seen through its file; one of an older tsinfra has seen nothing.
#[test]
fn what_was_seen_outlives_a_file() {
    let (_, plan) = world_and_change();
    let text = serde_json::to_string(&plan.basis).unwrap();
    let again: tsinfra::plan::Basis = serde_json::from_str(&text).unwrap();
    assert_eq!(again, plan.basis);
    let seen: BTreeMap<ObjectKey, Seen> = again.objects;
    assert!(seen.values().all(|seen| !seen.uid.is_empty() && seen.digest.len() == 64));
}
