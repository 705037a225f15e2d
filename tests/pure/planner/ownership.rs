//! What is let go and taken over: nothing of it changes but its labels, and whose it is is never in doubt.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use tsinfra::inventory::Inventory;
use tsinfra::object::LABEL_PART_OF;
use tsinfra::plan::Operation;
use tsinfra::plan::selection::{Address, Selection};
use tsinfra::plan::step::Action;
use tsinfra::sandbox::Cluster;
use tsinfra::survey::NoPlan;

use super::sketch::{Sketch, sketches};
use super::*;

fn try_owning<W: World>(
    world: &W,
    stack: &Stack,
    purpose: Purpose,
    addresses: &[&str],
) -> Result<Plan, NoPlan> {
    let targets: Vec<Address> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let selection = Selection { targets, excludes: Vec::new() };
    let request = Request { stack, digest: "of-a-test", purpose, consents: &[] };
    block_on(survey::part(world, &request, &selection))
}

fn owning<W: World>(world: &W, stack: &Stack, purpose: Purpose, addresses: &[&str]) -> Plan {
    try_owning(world, stack, purpose, addresses).unwrap()
}

/// Every object but the record and the lock, with its uid and its specification; labels and what the
/// world adds of itself are left out.
fn substance(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let snapshot = sandbox.snapshot();
    let objects = snapshot
        .objects
        .iter()
        .filter(|(key, _)| !matches!(key.kind, Kind::ConfigMap | Kind::Lease | Kind::Node));
    let substance = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove("status");
        value["metadata"] = json!({
            "uid": value["metadata"]["uid"], "annotations": value["metadata"]["annotations"],
        });
        value
    };
    objects.map(|(key, object)| (key.to_string(), substance(&object.value))).collect()
}

/// The objects that still say they are the stack's, but for pods, which are their set's.
fn labelled(sandbox: &Sandbox, of: &str) -> BTreeSet<String> {
    let snapshot = sandbox.snapshot();
    let objects = snapshot.objects.iter().filter(|(key, object)| {
        !matches!(key.kind, Kind::Pod | Kind::ConfigMap | Kind::Lease)
            && object.value["metadata"]["labels"][LABEL_STACK] == "plant"
            && key.name.contains(of)
    });
    objects.map(|(key, _)| key.to_string()).collect()
}

/// A sketch of two clusters, and the stack without the second.
fn two_and_one(sketch: &Sketch) -> Option<(Stack, Stack)> {
    let both = sketch.stack();
    let first = Sketch { clusters: sketch.clusters[..1].to_vec() };
    (sketch.clusters.len() == 2).then(|| (both, first.stack()))
}

fn two_clusters() -> impl Strategy<Value = (Stack, Stack)> {
    sketches().prop_filter_map("two clusters", |sketch| two_and_one(&sketch))
}

fn rules(plan: &Plan) -> Vec<(&str, &str)> {
    plan.blocked.iter().map(|entry| (entry.rule.as_str(), entry.address.as_str())).collect()
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn what_is_let_go_stays_as_it_is_is_nobodys_and_comes_back(
        (both, one) in two_clusters(),
        stopped in any::<bool>(),
    ) {
        let world = Watched::over(sandbox(), &both);
        apply_all(&world, &both);
        let before = substance(&world.sandbox);
        let forget = owning(&world, &one, Purpose::Forget, &["cluster.beta"]);
        prop_assert!(forget.changes.values().all(|it| it.operation == Operation::Forget));
        if stopped {
            // The record says that they are gone before the labels do: nobody deletes them meanwhile.
            run_until(&world, &forget, |_| true);
            let now = plan(&world, &one);
            let beta = |key: &&ObjectKey| key.name.contains("beta");
            prop_assert_eq!(now.changes.keys().filter(beta).count(), 0);
            let rest = owning(&world, &one, Purpose::Forget, &["cluster.beta"]);
            let outcome = run(&world, &rest);
            prop_assert!(outcome.is_complete(&rest), "{:#?}", outcome);
        } else {
            let outcome = run(&world, &forget);
            prop_assert!(outcome.is_complete(&forget), "{:#?}", outcome);
        }
        prop_assert_eq!(&substance(&world.sandbox), &before);
        prop_assert_eq!(labelled(&world.sandbox, "beta"), BTreeSet::new());
        let record = world.sandbox.snapshot().get(&Inventory::key("tsdb", "plant")).cloned();
        let record = Inventory::from_config_map(&record.unwrap()).unwrap();
        prop_assert!(record.items.keys().all(|key| !key.name.contains("beta")));
        prop_assert!(!record.clusters.contains_key("beta"));
        // To the stack it is not there any more, nor to its end.
        let beta = |plan: &Plan| plan.changes.keys().any(|key| key.name.contains("beta"));
        prop_assert!(!beta(&plan(&world, &one)) && !beta(&destruction(&world, &one)));
        // Declared again it is a stranger's, until it is taken over.
        prop_assert!(plan(&world, &both).blocked.iter().any(|entry| entry.rule == "foreign"));
        let adopt = owning(&world, &both, Purpose::Adopt, &[]);
        prop_assert!(adopt.blocked.is_empty(), "{:#?}", adopt.blocked);
        prop_assert!(adopt.changes.values().all(|it| it.operation == Operation::Adopt));
        prop_assert!(adopt.changes.values().all(|it| it.fields.is_empty()), "{:#?}", adopt.changes);
        if stopped {
            run_until(&world, &adopt, |_| true);
            let rest = owning(&world, &both, Purpose::Adopt, &[]);
            let outcome = run(&world, &rest);
            prop_assert!(outcome.is_complete(&rest), "{:#?}", outcome);
        } else {
            prop_assert!(run(&world, &adopt).is_complete(&adopt));
        }
        prop_assert_eq!(&substance(&world.sandbox), &before);
        assert_settled(&world, &both);
        let record = world.sandbox.snapshot().get(&Inventory::key("tsdb", "plant")).cloned();
        let record = Inventory::from_config_map(&record.unwrap()).unwrap();
        prop_assert!(!record.clusters["beta"].cluster_id.is_empty());
        assert_safe(&world);
    }
}

/// A cluster of one ConfigNode and one DataNode.
const STACK: &str = "[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n[target]\nsandbox = true\n\
     [storage.cloud]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\nreclaim = \"delete\"\n\
     [cluster.alpha]\nengine = \"iotdb\"\nversion = \"2.0.5\"\nprotect = false\n\
     [cluster.alpha.iotdb]\nschema_replication = 1\ndata_replication = 1\n\
     [cluster.alpha.pool.config]\nrole = \"control\"\nnodes = 1\n\
     storage = { tier = \"cloud\", size = \"5Gi\" }\n\
     [cluster.alpha.pool.hot]\nrole = \"mixed\"\nnodes = 1\n\
     storage = { tier = \"cloud\", size = \"5Gi\" }\n";

fn lived() -> (Watched, Stack) {
    let stack = stack(STACK);
    let world = Watched::over(sandbox(), &stack);
    apply_all(&world, &stack);
    (world, stack)
}

fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

/// Takes all labels of an object away by hand, and the record with it.
fn strip(world: &Watched, key: &ObjectKey) {
    let labels = json!({ "metadata": { "labels": {
        LABEL_STACK: null, LABEL_PART_OF: null, "tsinfra.dev/cluster": null,
    } } });
    world.sandbox.disturb(|cluster: &mut Cluster| {
        cluster.edit_as("kubectl", key, &labels).unwrap();
        cluster.delete(&Inventory::key("tsdb", "plant"));
    });
}

#[test]
fn what_is_there_and_nobodys_is_taken_over_and_what_would_change_is_shown() {
    let (world, stack) = lived();
    let service = within(Kind::Service, "alpha");
    strip(&world, &service);
    let other_port = json!({ "spec": { "sessionAffinity": "ClientIP" } });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl", &service, &other_port)).unwrap();
    assert_eq!(rules(&plan(&world, &stack)), [("foreign", "Service/tsdb/alpha")]);
    let adopt = owning(&world, &stack, Purpose::Adopt, &[]);
    assert_eq!(adopt.changes.keys().collect::<Vec<_>>(), [&service]);
    let outcome = run(&world, &adopt);
    assert!(outcome.is_complete(&adopt), "{outcome:#?}");
    apply_all(&world, &stack);
    assert_settled(&world, &stack);
    assert!(owning(&world, &stack, Purpose::Adopt, &[]).is_empty());
    assert_safe(&world);
}

#[test]
fn what_could_never_be_as_the_stack_says_is_not_taken_over() {
    let (world, stack) = lived();
    let set = within(Kind::StatefulSet, "alpha-hot");
    let mut strange = world.sandbox.snapshot().get(&set).unwrap().clone();
    strange["metadata"] = json!({ "name": "alpha-hot", "namespace": "tsdb" });
    strange["spec"]["selector"]["matchLabels"] = json!({ "app": "iotdb" });
    strange["spec"]["template"]["metadata"]["labels"] = json!({ "app": "iotdb" });
    world.sandbox.disturb(|cluster: &mut Cluster| {
        cluster.delete(&set);
        cluster.delete(&Inventory::key("tsdb", "plant"));
    });
    let create = Action::Create { object: set, manifest: strange };
    block_on(world.sandbox.perform(&create)).unwrap();
    let adopt = owning(&world, &stack, Purpose::Adopt, &[]);
    assert_eq!(rules(&adopt), [("immutable", "StatefulSet/tsdb/alpha-hot")]);
    let set = |step: &tsinfra::plan::step::Step| {
        step.action.object().is_some_and(|object| object.kind == Kind::StatefulSet)
    };
    assert!(!adopt.steps.values().any(set), "{:#?}", adopt.steps);
}

#[test]
fn what_belongs_to_another_stack_is_not_taken_over_and_what_is_declared_not_let_go() {
    let (world, stack) = lived();
    let budget = within(Kind::PodDisruptionBudget, "alpha-control");
    let of_another = json!({ "metadata": { "labels": { LABEL_STACK: "other" } } });
    world.sandbox.disturb(|cluster: &mut Cluster| {
        cluster.edit_as("kubectl", &budget, &of_another).unwrap();
        cluster.delete(&Inventory::key("tsdb", "plant"));
    });
    let adopt = owning(&world, &stack, Purpose::Adopt, &[]);
    assert_eq!(rules(&adopt), [("foreign", "PodDisruptionBudget/tsdb/alpha-control")]);
    for (address, asked) in [
        ("cluster.alpha", "cluster.alpha"),
        ("cluster.alpha.pool.hot", "cluster.alpha.pool.hot"),
        ("storage.cloud", "storage.cloud"),
        (
            "PersistentVolumeClaim/tsdb/data-alpha-hot-0",
            "PersistentVolumeClaim/tsdb/data-alpha-hot-0",
        ),
    ] {
        let forget = owning(&world, &stack, Purpose::Forget, &[address]);
        assert_eq!(rules(&forget), [("declared", asked)]);
        assert!(forget.steps.is_empty(), "{:#?}", forget.steps);
    }
    let unknown = try_owning(&world, &stack, Purpose::Forget, &["cluster.alfa"]).unwrap_err();
    assert!(unknown.to_string().contains("did you mean cluster.alpha?"), "{unknown}");
}

#[test]
fn a_plan_to_take_over_is_stale_once_somebody_else_has() {
    let (world, stack) = lived();
    let service = within(Kind::Service, "alpha");
    strip(&world, &service);
    let adopt = owning(&world, &stack, Purpose::Adopt, &["cluster.alpha"]);
    let taken = json!({ "metadata": { "labels": { LABEL_STACK: "other" } } });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl", &service, &taken)).unwrap();
    let before = bytes(&world.sandbox);
    let outcome = run(&world, &adopt);
    assert!(!outcome.is_complete(&adopt) && outcome.done.is_empty(), "{outcome:#?}");
    assert_eq!(bytes(&world.sandbox), before);
    let Action::Relabel { object, uid, labels } = &adopt.steps.values().next().unwrap().action
    else {
        panic!("{:#?}", adopt.steps);
    };
    let live = world.sandbox.snapshot().get(object).unwrap().clone();
    let due = tsinfra::plan::labels::relabel(object, &live, uid, labels);
    assert!(due.unwrap_err().contains("another stack"));
}

/// Whoever has the rest of a database has all of it.
#[test]
fn a_pool_is_not_let_go_without_the_rest_of_its_cluster() {
    let pool = "[cluster.alpha.pool.more]\nrole = \"mixed\"\nnodes = 1\n\
                storage = { tier = \"cloud\", size = \"5Gi\" }\n";
    let both = stack(&(STACK.to_owned() + pool));
    let world = Watched::over(sandbox(), &both);
    apply_all(&world, &both);
    for address in ["cluster.alpha.pool.more", "StatefulSet/tsdb/alpha-more"] {
        let forget = owning(&world, &stack(STACK), Purpose::Forget, &[address]);
        assert_eq!(rules(&forget), [("part-of-a-cluster", "cluster.alpha")]);
    }
    assert_safe(&world);
}

/// Its labels were taken away behind our back: its pods still bear them.
#[test]
fn pods_of_a_set_that_is_not_ours_are_not_waited_for() {
    let (world, stack) = lived();
    let set = within(Kind::StatefulSet, "alpha-hot");
    strip(&world, &set);
    let down = destruction(&world, &stack);
    let waits = |id: &&tsinfra::plan::step::StepId| id.0.starts_with("stopped/");
    assert_eq!(down.steps.keys().find(waits), None);
}

/// The record is gone with the last of it, and the new name stands on the objects alone.
#[test]
fn a_renamed_cluster_that_was_let_go_comes_back_by_its_new_name() {
    let (world, _) = lived();
    let moved = "[[moved]]\nfrom = \"cluster.alpha\"\nto = \"cluster.omega\"\n\
                 [[moved]]\nfrom = \"storage.cloud\"\nto = \"storage.mist\"\n";
    let renamed = STACK.replace("cluster.alpha", "cluster.omega");
    let renamed = renamed.replace("storage.cloud", "storage.mist").replace("\"cloud\"", "\"mist\"");
    apply_all(&world, &stack(&(renamed.clone() + moved)));
    let before = substance(&world.sandbox);
    let nothing =
        stack("[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n[target]\nsandbox = true\n");
    let forget = owning(&world, &nothing, Purpose::Forget, &["cluster.omega", "storage.mist"]);
    assert!(run(&world, &forget).is_complete(&forget));
    assert!(world.sandbox.snapshot().get(&Inventory::key("tsdb", "plant")).is_none());
    let again = stack(&renamed);
    let made = plan(&world, &again);
    assert!(made.blocked.iter().any(|entry| entry.rule == "foreign"), "{:#?}", made.blocked);
    assert!(made.steps.values().all(|step| !matches!(step.action, Action::Create { .. })));
    let adopt = owning(&world, &again, Purpose::Adopt, &[]);
    let outcome = run(&world, &adopt);
    assert!(outcome.is_complete(&adopt), "{outcome:#?}");
    assert_eq!(substance(&world.sandbox), before);
    assert_settled(&world, &again);
}

#[test]
fn claims_of_a_set_that_was_let_go_are_left_alone() {
    let (world, before) = lived();
    let text = STACK.replace("alpha", "omega");
    let other = stack(&text);
    let forget = owning(&world, &other, Purpose::Forget, &["cluster.alpha"]);
    let outcome = run(&world, &forget);
    assert!(outcome.is_complete(&forget), "{outcome:#?}");
    // Whoever has it now scales it: the new claim bears the labels of the set's template.
    let set = within(Kind::StatefulSet, "alpha-hot");
    let more = json!({ "spec": { "replicas": 2 } });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl", &set, &more)).unwrap();
    rest(&world.sandbox, 300);
    let claim = within(Kind::PersistentVolumeClaim, "data-alpha-hot-1");
    let labels = world.sandbox.snapshot().get(&claim).unwrap()["metadata"]["labels"].clone();
    assert_eq!(labels[LABEL_STACK], "plant");
    let down = destruction(&world, &before);
    assert!(!down.changes.keys().any(|key| key.name.contains("alpha")), "{:#?}", down.changes);
}
