//! Checks that another check stands before or behind, each by itself: while the other one is there, no
//! life of a cluster tells that one of them is gone.

mod crowds;
mod data;
mod ends;
mod identified;
mod leaving;
mod members;
mod recycled;
mod replaced;
mod retired;
mod runs;
mod volumes;

use serde_json::json;
use tsinfra::inventory::{Inventory, apply_set_id};
use tsinfra::object::{LABEL_CLUSTER, LABEL_PART_OF};
use tsinfra::observed::{LiveObject, Observed};
use tsinfra::plan::step::{Action, Expect, Step, StepId};
use tsinfra::plan::{Basis, Membership, saved};
use tsinfra::planner::{self, PlanInput, objects};
use tsinfra::survey::Survey;

use super::sketch::{ClusterSketch, Sketch, Storage};
use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

fn id(text: &str) -> StepId {
    StepId(text.to_owned())
}

fn applied() -> (Sandbox, Stack) {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    (world, stack)
}

/// The plan of what was seen once it is changed: also to what no look would show.
fn plan_of<W: World>(
    world: &W,
    stack: &Stack,
    purpose: Purpose,
    change: impl FnOnce(&mut Observed),
) -> Plan {
    plan_with(world, stack, purpose, &[], change)
}

/// The same, with consents.
fn plan_with<W: World>(
    world: &W,
    stack: &Stack,
    purpose: Purpose,
    consents: &[&str],
    change: impl FnOnce(&mut Observed),
) -> Plan {
    let survey = block_on(survey::look(world, stack, purpose)).unwrap();
    let Survey { stack, naming, desired, mut observed } = survey;
    change(&mut observed);
    planner::plan(&PlanInput {
        stack: &stack,
        naming: &naming,
        desired: &desired,
        observed: &observed,
        previews: &BTreeMap::new(),
        purpose,
        basis: &Basis::default(),
        consents: &consents.iter().map(|consent| (*consent).to_owned()).collect(),
    })
}

fn two_pools(cpu: u8) -> Stack {
    let plain = ClusterSketch::two_pools("alpha", Storage::Cloud);
    let cluster = ClusterSketch { cpu, setting: cpu, ..plain };
    Sketch { clusters: vec![cluster] }.stack()
}

/// Fields of others are taken only where the plan names them.
#[test]
fn a_change_takes_nothing_by_force_unless_others_have_set_it() {
    let (world, _) = applied();
    let larger = stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
    let change = plan(&world, &larger);
    assert!(change.conflicts.is_empty() && !change.steps.is_empty(), "{change:#?}");
    let forced = |step: &Step| matches!(step.action, Action::Update { force: true, .. });
    assert!(!change.steps.values().any(forced), "{:#?}", change.steps);
}

/// Rule 1: the namespace's other inhabitants, and those of other namespaces, are nobody's of ours.
#[test]
fn a_claim_in_another_namespace_is_no_member_s() {
    let (world, stack) = applied();
    let plan = plan_of(&world, &stack, Purpose::Apply, |seen| {
        let claim = ObjectKey::within(Kind::PersistentVolumeClaim, "else", "data-history-data-0");
        seen.objects.insert(claim, LiveObject::of(json!({})));
    });
    assert_eq!((plan.blocked, plan.steps.len()), (vec![], 0));
}

/// The record is no object of the stack's text, and still stays while the stack does.
#[test]
fn the_record_is_not_taken_down_for_not_being_declared() {
    let (world, stack) = applied();
    let key = Inventory::key(&stack.namespace, &stack.name);
    let value = world.snapshot().get(&key).cloned().unwrap();
    let with_the_record = |seen: &mut Observed| {
        seen.objects.insert(key.clone(), LiveObject::of(value));
    };
    let plan = plan_of(&world, &stack, Purpose::Apply, with_the_record.clone());
    assert_eq!(plan.steps.len(), 0, "{:#?}", plan.steps);
    let end = plan_of(&world, &stack, Purpose::Destroy, with_the_record);
    assert!(!end.steps.is_empty() && !end.steps.contains_key(&id(&format!("delete/{key}"))));
}

/// What a class does with data counts as much as what the stack says, whoever made the class.
#[test]
fn a_plan_is_pinned_to_the_classes_its_tiers_name() {
    let world = sandbox();
    let classes = [("fast".to_owned(), "Delete".to_owned())].into();
    world.furnish(&Furniture { classes, ..Furniture::default() });
    let named = STACK.replace("provisioner = \"sandbox.tsinfra.dev\"", "class = \"fast\"");
    let plan = plan(&world, &stack(&named));
    let class = ObjectKey::global(Kind::StorageClass, "fast");
    assert!(plan.basis.objects.contains_key(&class), "{:#?}", plan.basis.objects.keys());
}

fn live(value: Value) -> LiveObject {
    LiveObject::of(value)
}

/// The value of an object that is seen.
fn value<'a>(seen: &'a mut Observed, key: &ObjectKey) -> &'a mut Value {
    seen.objects.get_mut(key).unwrap().value_mut()
}

fn rules(plan: &Plan) -> Vec<(&str, &str)> {
    plan.blocked.iter().map(|entry| (entry.rule.as_str(), entry.address.as_str())).collect()
}

/// Rule 1: a name alone makes nothing ours, neither a stack's nor an object's.
#[test]
fn an_object_is_ours_by_all_its_labels_or_by_the_uid_on_record() {
    let (world, stack) = applied();
    let observed = block_on(survey::look(&world, &stack, Purpose::Apply)).unwrap().observed;
    let is_ours =
        |key: &ObjectKey, one: Value| objects::is_ours(&stack, &observed, key, &live(one));
    let labels = |stack: &str, of: &str| {
        let part_of = apply_set_id(of, "plant");
        json!({ "metadata": { "uid": "x", "labels": { LABEL_STACK: stack, LABEL_PART_OF: part_of }}})
    };
    let class = ObjectKey::global(Kind::StorageClass, "other");
    assert!(is_ours(&class, labels("plant", "tsdb")));
    assert!(!is_ours(&class, labels("plant", "elsewhere")));
    assert!(!is_ours(&class, labels("another", "tsdb")));
    let service = |namespace: &str| ObjectKey::within(Kind::Service, namespace, "other");
    assert!(is_ours(&service("tsdb"), labels("plant", "tsdb")));
    assert!(!is_ours(&service("elsewhere"), labels("plant", "tsdb")));
    assert!(!is_ours(&service("tsdb"), labels("another", "tsdb")));
    // On record, by name and uid.
    let known = within(Kind::Service, "history");
    let uid = observed.objects[&known].uid().to_owned();
    assert!(is_ours(&known, json!({ "metadata": { "uid": uid } })));
    assert!(!is_ours(&known, json!({ "metadata": { "uid": "another" } })));
    // What is only meant to be made has no uid yet: whatever is there is not it.
    let mut meant = observed.clone();
    meant.inventory.as_mut().unwrap().items.get_mut(&known).unwrap().uid.clear();
    assert!(!objects::is_ours(&stack, &meant, &known, &live(json!({ "metadata": {} }))));
}

/// Rule 1: a namespace is nobody's, whatever somebody has written onto it.
#[test]
fn a_namespace_that_bears_the_name_of_a_stack_is_not_owned() {
    let (world, stack) = applied();
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    for purpose in [Purpose::Apply, Purpose::Destroy] {
        let plan = plan_of(&world, &stack, purpose, |seen| {
            value(seen, &namespace)["metadata"]["labels"] = json!({
                LABEL_STACK: "plant", LABEL_PART_OF: apply_set_id("tsdb", "plant"),
            });
        });
        assert!(!plan.inventory.items.contains_key(&namespace), "{:#?}", plan.inventory);
        let on_it = |step: &Step| step.action.object() == Some(&namespace);
        assert!(!plan.steps.values().any(on_it), "{:#?}", plan.steps);
    }
}

#[test]
fn nothing_is_made_in_a_namespace_that_is_being_deleted() {
    let (world, stack) = (sandbox(), stack(STACK));
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    let made = plan_of(&world, &stack, Purpose::Apply, |seen| {
        let leaving = json!({ "metadata": { "uid": "n", "deletionTimestamp": "t" } });
        seen.objects.insert(namespace.clone(), live(leaving));
    });
    assert_eq!(rules(&made), [("leaving", "Namespace/tsdb")]);
    assert_eq!(made.steps.len(), 0);
}

/// Nor is anything asked about it.
#[test]
fn what_is_being_deleted_is_not_even_previewed() {
    let (world, _) = applied();
    let larger = stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
    let survey = block_on(survey::look(&world, &larger, Purpose::Apply)).unwrap();
    let Survey { desired, observed: mut seen, .. } = survey;
    let drafts = |seen: &Observed| planner::drafts(&larger, &desired, seen, Purpose::Apply);
    let set = within(Kind::StatefulSet, "history-data");
    assert!(drafts(&seen).iter().any(|draft| draft.object == set));
    value(&mut seen, &set)["metadata"]["deletionTimestamp"] = json!("t");
    assert!(!drafts(&seen).iter().any(|draft| draft.object == set));
}

/// A tier that chooses machines by label promises a volume to each member: only the live machines tell
/// whether it can.
#[test]
fn a_tier_of_labelled_machines_has_a_volume_for_each_member() {
    let disks = "kind = \"local\"\nnodes = { disks = \"fast\" }\npath = \"/mnt/{index}\"\n\
                 per_node = 2\ncapacity = \"50Gi\"\nreclaim = \"retain\"\n\n[cluster.history]\n";
    let (before, after) = STACK.split_once("kind        = \"csi\"").unwrap();
    let after = after.split_once("[cluster.history]\n").unwrap().1;
    let stack = stack(&format!("{before}{disks}{after}"));
    for (machines, refused) in [(2, true), (3, false)] {
        let world = sandbox();
        let labels: Labels = [("disks".to_owned(), "fast".to_owned())].into();
        let nodes = (0..machines).map(|n| (format!("fast-{n}"), labels.clone())).collect();
        world.furnish(&Furniture { nodes, ..Furniture::default() });
        let expected = if refused { vec![("volumes", "storage.cloud")] } else { Vec::new() };
        assert_eq!(rules(&plan(&world, &stack)), expected, "{machines} machines, 6 members");
    }
}

/// Steps that wait for each other never start: such a plan is not carried out in part, but refused.
#[test]
fn a_saved_plan_whose_steps_wait_for_each_other_is_refused() {
    let mut made = plan(&sandbox(), &stack(STACK));
    let text = |plan: &Plan| saved::text(plan).unwrap().into_bytes();
    assert!(saved::read(&text(&made)).is_ok());
    let (config, data) =
        (id("create/StatefulSet/tsdb/history-config"), id("create/StatefulSet/tsdb/history-data"));
    assert!(made.steps[&data].after.contains(&config));
    made.steps.get_mut(&config).unwrap().after.insert(data);
    assert!(made.order().is_err());
    assert!(matches!(saved::read(&text(&made)), Err(saved::BadPlan::Circle(_))));
}

/// Rule 10: the id of a database is on record from the first plan that sees it.
#[test]
fn a_plan_puts_an_id_that_is_seen_on_record() {
    let (world, stack) = applied();
    let plan = plan_of(&world, &stack, Purpose::Apply, |seen| {
        seen.inventory.as_mut().unwrap().clusters.get_mut("history").unwrap().cluster_id.clear();
    });
    let clusters = &plan.inventory.clusters;
    assert!(!clusters["history"].cluster_id.is_empty(), "{clusters:#?}");
}

/// Rule 10: who takes part in a database is compared in every respect.
#[test]
fn a_database_with_other_members_is_not_the_one_a_plan_was_made_for() {
    let members = |all: &[(&str, bool)]| Membership {
        cluster_id: "one".to_owned(),
        members: all.iter().map(|(address, runs)| (format!("{address}.x"), *runs)).collect(),
    };
    let was = members(&[("a", true), ("b", false)]);
    let to_come = ["d.x".to_owned()].into();
    let departs = |now: Membership| was.departs(&now, &to_come).unwrap_or_default();
    for harmless in [
        members(&[("a", true), ("b", false)]),
        members(&[("a", true), ("b", true)]),
        members(&[("a", true), ("b", false), ("d", true)]),
    ] {
        assert_eq!(departs(harmless), "");
    }
    assert_eq!(departs(members(&[("a", true)])), "lists b no more");
    assert_eq!(departs(members(&[("a", false), ("b", false)])), "lists a as not running, it was");
    let more = members(&[("a", true), ("b", false), ("c", true)]);
    assert_eq!(departs(more), "lists c, which it did not");
    let other = Membership { cluster_id: "two".to_owned(), ..was.clone() };
    assert_eq!(departs(other), "answers under id two, it was one");
}

/// Every step asks once more, just before it acts, for what its action relies on: a law over the
/// plans of a life.
#[test]
fn every_step_that_acts_expects_what_its_action_relies_on() {
    let (world, before) = (sandbox(), stack(STACK));
    let larger = stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
    let expandable = "reclaim     = \"delete\"\nexpandable = true\n";
    let more_storage = STACK.replacen("reclaim     = \"delete\"\n", expandable, 1);
    let more_storage = stack(&more_storage.replacen("20Gi", "40Gi", 1));
    let mut plans = vec![apply_all(&world, &before)];
    plans.push(plan(&world, &larger));
    plans.push(plan_of(&world, &more_storage, Purpose::Apply, |_| ()));
    plans.push(destruction(&world, &before));
    plans.push(plan_of(&world, &before, Purpose::Apply, a_config_node_is_stuck));
    plans.push(plan_of(&world, &before, Purpose::Adopt, |seen| {
        let service = within(Kind::Service, "history");
        seen.inventory = None;
        value(seen, &service)["metadata"]["labels"] = json!({});
    }));
    let narrower = include_str!("cases/scale-in/stack.toml");
    let world_of_three = sandbox();
    apply_all(&world_of_three, &stack(include_str!("cases/scale-in/before.toml")));
    plans.push(plan(&world_of_three, &stack(narrower)));
    let world_of_two_pools = sandbox();
    apply_all(&world_of_two_pools, &stack(include_str!("cases/pool-removed/before.toml")));
    plans.push(plan(&world_of_two_pools, &stack(include_str!("cases/pool-removed/stack.toml"))));
    let is_orphaned = |step: &Step| step.after.iter().any(|id| id.0.starts_with("orphan/"));
    let mut kinds = BTreeMap::new();
    for step in plans.iter().flat_map(|plan| plan.steps.values()) {
        let has = |wanted: &Expect| step.expects.contains(wanted);
        let (kind, holds) = match &step.action {
            Action::Create { object, .. } if is_orphaned(step) => {
                ("create around members", has(&Expect::LetGo { object: object.clone() }))
            }
            Action::Create { object, .. } => {
                ("create", has(&Expect::Absent { object: object.clone() }))
            }
            Action::Update { object, uid, digest, .. } => {
                let (object, uid, digest) = (object.clone(), uid.clone(), digest.clone());
                ("update", has(&Expect::Unchanged { object, uid, digest }))
            }
            Action::Delete { object, uid } if object.kind == Kind::Pod => {
                let (object, uid) = (object.clone(), uid.clone());
                ("delete a pod", has(&Expect::Away { object, uid }))
            }
            Action::Dissolve { object, uid } => {
                let (object, uid, digest) = (object.clone(), uid.clone(), String::new());
                ("dissolve", has(&Expect::Unchanged { object, uid, digest }))
            }
            Action::Delete { object, uid } => {
                let (object, uid, digest) = (object.clone(), uid.clone(), String::new());
                ("delete", has(&Expect::Unchanged { object, uid, digest }))
            }
            Action::Hold { volume, uid, claim, .. } => {
                let (object, uid, claim) = (volume.clone(), uid.clone(), claim.clone());
                ("hold", has(&Expect::BelongsTo { object, uid, claim }))
            }
            Action::Purge { volume, uid, claim } => {
                let (object, uid, claim) = (volume.clone(), uid.clone(), claim.clone());
                let of_the_claim = has(&Expect::BelongsTo { object, uid, claim });
                let let_go = |one: &Expect| matches!(one, Expect::LetGo { .. });
                ("purge", of_the_claim && step.expects.iter().any(let_go))
            }
            Action::Relabel { object, .. } => {
                let is_it = |one: &Expect| matches!(one, Expect::Unchanged { object: it, .. } if it == object);
                ("relabel", step.expects.iter().any(is_it))
            }
            Action::Say { .. } => {
                let whole = |one: &Expect| matches!(one, Expect::Whole { .. });
                ("say", step.expects.iter().any(whole))
            }
            Action::Expand { claim, uid, .. } => {
                let (object, uid, digest) = (claim.clone(), uid.clone(), String::new());
                ("expand", has(&Expect::Unchanged { object, uid, digest }))
            }
            Action::Orphan { object, uid, .. } => {
                let (object, uid, digest) = (object.clone(), uid.clone(), String::new());
                ("orphan", has(&Expect::Unchanged { object, uid, digest }))
            }
            Action::Abandon { pod, uid } => {
                let (object, uid) = (pod.clone(), uid.clone());
                let has_left = |one: &Expect| matches!(one, Expect::Left { .. });
                let is_away = has(&Expect::Away { object, uid });
                ("abandon", is_away && step.expects.iter().any(has_left))
            }
            Action::Scale { object, uid, .. } => {
                let (object, uid, digest) = (object.clone(), uid.clone(), String::new());
                let has_left = |one: &Expect| matches!(one, Expect::Left { .. });
                let is_it = has(&Expect::Unchanged { object, uid, digest });
                ("scale", is_it && step.expects.iter().any(has_left))
            }
            // By a Job that is made within the plan it relies on nothing the plan could know.
            // What it writes is read where it is written.
            Action::Start { .. }
            | Action::Retire { .. }
            | Action::Identify { .. }
            | Action::Await => continue,
        };
        assert!(holds, "{step:#?}");
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 13, "{kinds:?}");
}

/// The last ConfigNode is not ready.
fn a_config_node_is_stuck(seen: &mut Observed) {
    let pod = within(Kind::Pod, "history-config-2");
    value(seen, &pod)["status"]["conditions"] = json!([{ "type": "Ready", "status": "False" }]);
    value(seen, &pod)["metadata"]["labels"]["controller-revision-hash"] = json!("old");
}
