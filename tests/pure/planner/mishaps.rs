//! What happens to a world behind the back of tsinfra in told cases.

use db_engine::iotdb::sim::Load;
use serde_json::json;
use tsinfra::inventory::Inventory;
use tsinfra::object::{LABEL_POOL, LABEL_STACK};
use tsinfra::observed::Observed;
use tsinfra::plan::step::Action;
use tsinfra::sandbox::Mood;
use tsinfra::world::World as _;

use super::*;

pub(super) fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

pub(super) fn edit(sandbox: &Sandbox, manager: &str, object: &ObjectKey, patch: Value) {
    sandbox.disturb(|cluster| cluster.edit_as(manager, object, &patch)).unwrap();
}

/// The first apply is stopped as soon as the ConfigNodes are ready.
pub(super) fn config_nodes_only(sandbox: &Sandbox, stack: &Stack) {
    let config = "create/StatefulSet/tsdb/history-config";
    run_until(sandbox, &plan(sandbox, stack), |event| {
        event.step.0 == config && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
}

/// The run that grows the DataNodes' claims ends as soon as their StatefulSet is gone.
pub(super) fn stopped_once_the_set_is_gone(sandbox: &Sandbox, stack: &Stack) {
    run_until(sandbox, &plan(sandbox, stack), |event| {
        let is_gone = matches!(event.what, tsinfra::apply::event::What::Done { .. });
        is_gone && event.step.0 == "orphan/StatefulSet/tsdb/history-data"
    });
}

pub(super) fn set_taken_away(sandbox: &Sandbox, _: &Stack) {
    orphan(sandbox, "history-data");
}

/// Somebody made the DataNodes' StatefulSet anew, with the size the stack has by now, and asked for one of the
/// claims to grow, too; the storage has no room just then.
pub(super) fn set_made_anew_over_small_claims(sandbox: &Sandbox, stack: &Stack) {
    let set = within(Kind::StatefulSet, "history-data");
    orphan(sandbox, "history-data");
    let desired = tsinfra::desired::lower(stack, &Observed::default());
    create(sandbox, set.clone(), desired.objects[&set].manifest.clone());
    sandbox.disturb(|cluster| cluster.stall_storage(Duration::from_secs(300)));
    grow_by_hand(sandbox, "data-history-data-1", "40Gi");
}

pub(super) fn grow_by_hand(sandbox: &Sandbox, claim: &str, size: &str) {
    let larger = json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    edit(sandbox, "kubectl-edit", &within(Kind::PersistentVolumeClaim, claim), larger);
    rest(sandbox, 60);
}

/// As `kubectl delete --cascade=orphan` does it.
pub(super) fn orphan(sandbox: &Sandbox, set: &str) {
    sandbox.disturb(|cluster| cluster.orphan(&within(Kind::StatefulSet, set)));
    rest(sandbox, 5);
}

pub(super) fn claim_grown_by_hand(sandbox: &Sandbox, _: &Stack) {
    grow_by_hand(sandbox, "data-history-data-1", "25Gi");
}

pub(super) fn edited_by_hand(sandbox: &Sandbox, _: &Stack) {
    let budget = within(Kind::PodDisruptionBudget, "history-control");
    edit(sandbox, "kubectl-edit", &budget, json!({ "spec": { "maxUnavailable": 2 } }));
    let set = within(Kind::StatefulSet, "history-data");
    let grace =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 5 } } } });
    edit(sandbox, "kubectl-patch", &set, grace);
    rest(sandbox, 120);
}

pub(super) fn scaled_by_hand(sandbox: &Sandbox, _: &Stack) {
    let set = within(Kind::StatefulSet, "history-data");
    edit(sandbox, "kubectl-scale", &set, json!({ "spec": { "replicas": 2 } }));
    rest(sandbox, 120);
}

/// A Service is deleted, a budget replaced by one that looks the same, a label taken off a set.
pub(super) fn lost_and_replaced(sandbox: &Sandbox, _: &Stack) {
    let (service, budget) =
        (within(Kind::Service, "history"), within(Kind::PodDisruptionBudget, "history-control"));
    let mut manifest = sandbox.snapshot().get(&budget).unwrap().clone();
    for name in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        manifest["metadata"].as_object_mut().unwrap().remove(name);
    }
    sandbox.disturb(|cluster| {
        cluster.delete(&service);
        cluster.delete(&budget);
    });
    create(sandbox, budget, manifest);
    let set = within(Kind::StatefulSet, "history-data");
    edit(sandbox, "kubectl-label", &set, json!({ "metadata": { "labels": { LABEL_POOL: null } } }));
    rest(sandbox, 60);
}

pub(super) fn written_by_a_controller(sandbox: &Sandbox, _: &Stack) {
    let budget = within(Kind::PodDisruptionBudget, "history-storing");
    edit(sandbox, "drain-controller", &budget, json!({ "spec": { "maxUnavailable": 0 } }));
}

pub(super) fn create(sandbox: &Sandbox, object: ObjectKey, manifest: Value) {
    block_on(sandbox.perform(&Action::Create { object, manifest })).unwrap();
}

pub(super) fn class_that_deletes(sandbox: &Sandbox, _: &Stack) {
    let classes = [("fast".to_owned(), "Delete".to_owned())].into();
    sandbox.furnish(&Furniture { classes, ..Furniture::default() });
}

pub(super) fn strangers_service(sandbox: &Sandbox, _: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    let port = json!({ "name": "web", "port": 80, "protocol": "TCP", "targetPort": 80 });
    create(sandbox, within(Kind::Service, "history"), json!({ "spec": { "ports": [port] } }));
}

/// Objects restored from a backup that keeps no labels, one of them otherwise than it was.
pub(super) fn labels_lost(sandbox: &Sandbox, _: &Stack) {
    sandbox.disturb(|cluster| {
        cluster.delete(&Inventory::key("tsdb", "plant"));
        for (kind, name) in [
            (Kind::Service, "history"),
            (Kind::StatefulSet, "history-data"),
            (Kind::PersistentVolumeClaim, "data-history-data-0"),
        ] {
            let labels = json!({ "metadata": { "labels": null } });
            cluster.edit_as("kubectl", &within(kind, name), &labels).unwrap();
        }
        let fewer = json!({ "spec": { "replicas": 2 } });
        cluster.edit_as("kubectl", &within(Kind::StatefulSet, "history-data"), &fewer).unwrap();
    });
}

/// A StatefulSet that another tool has made under a name of the stack.
pub(super) fn strangers_set(sandbox: &Sandbox, _: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    let labels = json!({ "app": "iotdb" });
    let spec = json!({
        "serviceName": "iotdb",
        "selector": { "matchLabels": labels },
        "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "iotdb", "image": "apache/iotdb:1.3.3-standalone" }] },
        },
    });
    create(sandbox, within(Kind::StatefulSet, "history-data"), json!({ "spec": spec }));
}

pub(super) fn strangers_claim(sandbox: &Sandbox, _: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    let spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": { "requests": { "storage": "20Gi" } },
    });
    let claim = within(Kind::PersistentVolumeClaim, "data-history-config-1");
    create(sandbox, claim, json!({ "spec": spec }));
}

/// A directory that another stack's volume is, and one that somebody's volume is inside of.
pub(super) fn directories_taken(sandbox: &Sandbox, _: &Stack) {
    let volume = |name: &str, node: &str, path: &str, labels: Value| {
        let terms = json!([{ "matchExpressions": [
            { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
        ]}]);
        let manifest = json!({ "metadata": { "labels": labels }, "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "20Gi" },
            "storageClassName": "fast", "persistentVolumeReclaimPolicy": "Retain",
            "local": { "path": path },
            "nodeAffinity": { "required": { "nodeSelectorTerms": terms } },
        }});
        create(sandbox, ObjectKey::global(Kind::PersistentVolume, name), manifest);
    };
    let press = json!({ LABEL_STACK: "press" });
    volume("press-ssd-worker-2", "worker-2", "/mnt/iotdb/data/", press);
    volume("by-hand", "worker-3", "/mnt/iotdb/config/old", json!({}));
    // Beside one is not inside of it, and another node's is another.
    volume("beside", "worker-1", "/mnt/iotdb/database", json!({}));
    volume("elsewhere", "worker-5", "/mnt/iotdb/data", json!({}));
}

/// Somebody deletes a claim, and then its pod: the set makes another claim, and no volume is free for it.
pub(super) fn claim_lost_with_its_pod(sandbox: &Sandbox, _: &Stack) {
    sandbox.disturb(|cluster| {
        cluster.delete(&within(Kind::PersistentVolumeClaim, "data-history-data-1"));
        cluster.delete(&within(Kind::Pod, "history-data-1"));
    });
    rest(sandbox, 20);
}

/// The volumes that [`destroyed_with_its_claims`] leaves.
pub(super) const RELEASED: [&str; 2] = [
    "PersistentVolume/plant-meta-worker-1-9d2119ec",
    "PersistentVolume/plant-ssd-worker-2-a47263c1",
];

/// A stack was destroyed, and somebody deleted the claims it had kept.
pub(super) fn destroyed_with_its_claims(sandbox: &Sandbox, stack: &Stack) {
    destroy_all(sandbox, stack);
    sandbox.disturb(|cluster| {
        for claim in cluster.keys_of(Kind::PersistentVolumeClaim) {
            cluster.delete(&claim);
        }
    });
    rest(sandbox, 60);
}

/// An apply was stopped among its helpers: one has done its work, one is at it, one has failed; and one is
/// there of a tier that is called otherwise by now.
pub(super) fn helpers_left_over(sandbox: &Sandbox, stack: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    sandbox.disturb(|cluster| cluster.fill_directory("worker-3", "/mnt/iotdb/config", "system"));
    let manifests = helpers(&plan(sandbox, stack));
    for (key, manifest) in &manifests {
        let config = manifest.to_string().contains("/mnt/iotdb/config");
        if manifest.to_string().contains("worker-2") || !config {
            continue;
        }
        create(sandbox, key.clone(), manifest.clone());
    }
    rest(sandbox, 120);
    let (key, manifest) =
        manifests.iter().find(|(_, it)| it.to_string().contains("worker-2")).unwrap();
    create(sandbox, key.clone(), manifest.clone());
    let (_, mut other) = manifests.last().unwrap().clone();
    other["metadata"]["name"] = json!("prepare-ssd-worker-1-of-before");
    create(sandbox, within(Kind::Job, "prepare-ssd-worker-1-of-before"), other);
}

/// The helpers a plan makes, by name.
pub(super) fn helpers(plan: &Plan) -> Vec<(ObjectKey, Value)> {
    let made = plan.steps.values().filter_map(|step| match &step.action {
        Action::Create { object, manifest } if object.kind == Kind::Job => {
            Some((object.clone(), manifest.clone()))
        }
        _ => None,
    });
    made.collect()
}

pub(super) fn namespace_admits_little(sandbox: &Sandbox, _: &Stack) {
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline" });
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    create(sandbox, namespace, json!({ "metadata": { "labels": labels } }));
}

pub(super) fn one_helper_left(sandbox: &Sandbox, stack: &Stack) {
    let (key, manifest) = helpers(&plan(sandbox, stack)).remove(0);
    create(sandbox, key, manifest);
}

pub(super) fn node_gone_and_one_cordoned(sandbox: &Sandbox, _: &Stack) {
    let node = |name: &str| ObjectKey::global(Kind::Node, name);
    sandbox.disturb(|cluster| {
        cluster.delete(&node("worker-3"));
        let cordon = json!({ "spec": { "unschedulable": true } });
        cluster.edit_as("kubectl-cordon", &node("worker-1"), &cordon).unwrap();
    });
}

/// The claim of a fourth DataNode that left the database long ago.
pub(super) fn claim_left_over(sandbox: &Sandbox, _: &Stack) {
    let snapshot = sandbox.snapshot();
    let third = snapshot.get(&within(Kind::PersistentVolumeClaim, "data-history-data-2")).unwrap();
    let manifest = json!({
        "metadata": { "labels": third["metadata"]["labels"] },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "plant-cloud",
            "resources": { "requests": { "storage": "20Gi" } },
        },
    });
    create(sandbox, within(Kind::PersistentVolumeClaim, "data-history-data-3"), manifest);
}

/// A stack was destroyed, its volumes kept; then somebody removed those of the ConfigNodes.
pub(super) fn founders_lost(sandbox: &Sandbox, stack: &Stack) {
    destroy_all(sandbox, stack);
    for ordinal in 0..3 {
        let claim = within(Kind::PersistentVolumeClaim, &format!("data-history-config-{ordinal}"));
        sandbox.disturb(|cluster| cluster.delete(&claim));
    }
    rest(sandbox, 60);
}

/// The stack was destroyed, its volumes kept.
pub(super) fn destroyed(sandbox: &Sandbox, stack: &Stack) {
    destroy_all(sandbox, stack);
    rest(sandbox, 60);
}

/// The stack was destroyed, and somebody has removed the claim of a write-ahead log that was kept.
pub(super) fn destroyed_and_a_log_lost(sandbox: &Sandbox, stack: &Stack) {
    destroyed(sandbox, stack);
    let log = within(Kind::PersistentVolumeClaim, "wal-history-data-1");
    sandbox.disturb(|cluster| cluster.delete(&log));
    rest(sandbox, 60);
}

/// Somebody has scaled the DataNodes down, and removed the claim of the last one's write-ahead log.
pub(super) fn scaled_and_a_log_lost(sandbox: &Sandbox, stack: &Stack) {
    scaled_by_hand(sandbox, stack);
    let log = within(Kind::PersistentVolumeClaim, "wal-history-data-2");
    sandbox.disturb(|cluster| cluster.delete(&log));
    rest(sandbox, 60);
}

/// A scale-in was stopped when its member had left and its set had shrunk.
pub(super) fn left_and_shrunk(sandbox: &Sandbox, stack: &Stack) {
    stopped_after(sandbox, stack, "update/StatefulSet/tsdb/history-data");
}

/// The end of a pool was stopped when one of its members had left and its set had shrunk.
pub(super) fn one_of_the_pool_has_left(sandbox: &Sandbox, stack: &Stack) {
    stopped_after(sandbox, stack, "shrink/StatefulSet/tsdb/history-warm/1");
}

fn stopped_after(sandbox: &Sandbox, stack: &Stack, step: &str) {
    run_until(sandbox, &plan(sandbox, stack), |event| {
        event.step.0 == step && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
    rest(sandbox, 60);
}

/// The member that was on the machine that is gone.
pub(super) const LOST: [&str; 1] = ["Pod/tsdb/history-data-1"];

/// The machine of a DataNode is gone for good: somebody has removed its Node.
pub(super) fn a_machine_gone_for_good(sandbox: &Sandbox, _: &Stack) {
    let pod = within(Kind::Pod, "history-data-1");
    let live = sandbox.snapshot();
    let node = live.get(&pod).unwrap()["spec"]["nodeName"].as_str().unwrap();
    sandbox.disturb(|cluster| cluster.delete(&ObjectKey::global(Kind::Node, node)));
    rest(sandbox, 60);
}

/// A run that was to replace a DataNode was stopped when the database had given it up.
pub(super) fn a_lost_member_was_given_up(sandbox: &Sandbox, stack: &Stack) {
    a_machine_gone_for_good(sandbox, stack);
    let plan = plan_for(sandbox, stack, Purpose::Apply, &LOST.map(str::to_owned));
    run_until(sandbox, &plan, |event| {
        event.step.0 == "given-up/Pod/tsdb/history-data-1"
            && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
}

/// The database gives no answer.
pub(super) fn silent(sandbox: &Sandbox, _: &Stack) {
    let time = std::time::Duration::from_secs(3600);
    sandbox.disturb(|cluster| cluster.trouble_database("tsdb/history", Mood::Silent, time));
}

pub(super) fn another_identity(sandbox: &Sandbox, _: &Stack) {
    let snapshot = sandbox.snapshot();
    let record = snapshot.get(&Inventory::key("tsdb", "plant")).unwrap();
    let mut record = Inventory::from_config_map(record).unwrap();
    record.clusters.get_mut("history").unwrap().cluster_id = "the-first-life".to_owned();
    block_on(sandbox.keep(&record)).unwrap();
}

/// A member's pod is lost, long enough ago for the database to have noticed.
pub(super) fn lose(sandbox: &Sandbox, pod: &str) {
    sandbox.disturb(|cluster| cluster.delete(&within(Kind::Pod, pod)));
    rest(sandbox, 6);
}

/// A destroy was interrupted while the DataNodes stopped.
pub(super) fn data_nodes_told_to_stop(sandbox: &Sandbox, stack: &Stack) {
    let data = "delete/StatefulSet/tsdb/history-data";
    run_until(sandbox, &destruction(sandbox, stack), |event| event.step.0 == data);
}

/// A destroy was interrupted when volumes were held and nothing else was done.
pub(super) fn volumes_held(sandbox: &Sandbox, stack: &Stack) {
    let mut holds = destruction(sandbox, stack);
    holds.steps.retain(|id, _| id.0.starts_with("hold/"));
    assert_eq!(run(sandbox, &holds).done.len(), 6);
}

/// A destroy was interrupted when the claims were gone and the data were still there.
pub(super) fn claims_gone(sandbox: &Sandbox, stack: &Stack) {
    let claim = "delete/PersistentVolumeClaim";
    run_until(sandbox, &destruction(sandbox, stack), |event| event.step.0.starts_with(claim));
    rest(sandbox, 60);
}

pub(super) fn record_deleted(sandbox: &Sandbox, stack: &Stack) {
    let record = Inventory::key(&stack.namespace, &stack.name);
    sandbox.disturb(|cluster| cluster.delete(&record));
}

/// Somebody wants to keep what a DataNode has stored.
pub(super) fn volume_set_to_retain(sandbox: &Sandbox, _: &Stack) {
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-1");
    let claim = sandbox.snapshot().get(&claim).unwrap().clone();
    let volume = claim["spec"]["volumeName"].as_str().unwrap().to_owned();
    let volume = ObjectKey::global(Kind::PersistentVolume, volume);
    let retain = json!({ "spec": { "persistentVolumeReclaimPolicy": "Retain" } });
    edit(sandbox, "kubectl-patch", &volume, retain);
}

/// A year of data is written, in partitions of a week: 19 GiB in four databases.
pub(super) fn a_year_of_data(sandbox: &Sandbox, _: &Stack) {
    let load = Load { databases: 4, groups: 100, bytes: 96 << 20, partitions: 52 };
    assert!(sandbox.disturb(|cluster| cluster.load_database("tsdb/history", load)));
}
