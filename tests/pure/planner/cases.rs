//! Told cases: a stack, what was before it, and the plan as its reader sees it, as golden texts.
//!
//! A folder of `cases/` holds `stack.toml`, what was applied before (`before.toml`, where it is not
//! the same stack), and the golden `plan.txt`; `UPDATE_GOLDEN=1` writes the goldens anew. Read the
//! difference as a colleague on call would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tsinfra::inventory::Inventory;
use tsinfra::object::{LABEL_POOL, LABEL_STACK};
use tsinfra::observed::Observed;
use tsinfra::plan::selection::Selection;
use tsinfra::plan::step::Action;
use tsinfra::sandbox::{Cluster, Mood};
use tsinfra::world::World as _;

use super::*;

/// A case beside its folder: what the files do not say.
struct Case {
    name: &'static str,
    /// Whether a stack was applied before.
    applied: bool,
    /// What happens to the world behind tsinfra's back.
    trouble: fn(&Sandbox, &Stack),
    purpose: Purpose,
    consents: &'static [&'static str],
    /// What `--target` and `--exclude` name.
    selection: [&'static [&'static str]; 2],
    /// Goldens beside `plan.txt`.
    more: &'static [&'static str],
}

const fn case(name: &'static str) -> Case {
    Case {
        name,
        applied: true,
        trouble: |_, _| {},
        purpose: Purpose::Apply,
        consents: &[],
        selection: [&[], &[]],
        more: &[],
    }
}

impl Case {
    const fn first(mut self) -> Self {
        self.applied = false;
        self
    }

    const fn destroy(mut self) -> Self {
        self.purpose = Purpose::Destroy;
        self
    }

    const fn adopt(mut self) -> Self {
        self.purpose = Purpose::Adopt;
        self
    }

    const fn forget(mut self, addresses: &'static [&'static str]) -> Self {
        self.purpose = Purpose::Forget;
        self.selection[0] = addresses;
        self
    }

    const fn refresh(mut self) -> Self {
        self.purpose = Purpose::Refresh;
        self
    }

    const fn trouble(mut self, trouble: fn(&Sandbox, &Stack)) -> Self {
        self.trouble = trouble;
        self
    }

    const fn consents(mut self, consents: &'static [&'static str]) -> Self {
        self.consents = consents;
        self
    }

    const fn target(mut self, addresses: &'static [&'static str]) -> Self {
        self.selection[0] = addresses;
        self
    }

    const fn exclude(mut self, addresses: &'static [&'static str]) -> Self {
        self.selection[1] = addresses;
        self
    }

    const fn more(mut self, more: &'static [&'static str]) -> Self {
        self.more = more;
        self
    }
}

const CASES: [Case; 77] = [
    case("first-apply").first().more(&["plan.json", "graph.dot"]),
    case("first-apply-local").first(),
    case("interrupted-bring-up").first().trouble(config_nodes_only),
    case("no-changes"),
    case("record-lost").trouble(record_deleted),
    case("raise-nodes"),
    case("local-raise-nodes"),
    case("change-resources"),
    case("change-image-version"),
    case("expose-node-port"),
    case("drift-by-kubectl").trouble(edited_by_hand).more(&["plan.json"]),
    case("scaled-by-hand").trouble(scaled_by_hand),
    case("drift-and-change").trouble(scaled_by_hand).more(&["plan.json"]),
    case("lost-and-replaced").trouble(lost_and_replaced),
    case("refresh-only").refresh().trouble(lost_and_replaced).more(&["plan.json"]),
    case("conflict-with-controller").trouble(written_by_a_controller),
    case("conflict-consented")
        .trouble(written_by_a_controller)
        .consents(&["PodDisruptionBudget/tsdb/history-storing"]),
    case("scale-in").more(&["plan.json"]),
    case("scale-in-local"),
    case("scale-in-interrupted").trouble(left_and_shrunk),
    case("scale-in-refused"),
    case("scale-in-silent").trouble(silent),
    case("pool-removed-refused"),
    case("roles-refused").first(),
    case("scale-out-split-refused"),
    case("grow").more(&["plan.json"]),
    case("grow-and-raise-nodes"),
    case("grow-class-cannot"),
    case("grow-and-restart-refused"),
    case("grow-interrupted").trouble(stopped_once_the_set_is_gone),
    case("grow-interrupted-fewer-nodes").trouble(set_taken_away),
    case("grow-interrupted-destroy").destroy().trouble(set_taken_away),
    case("grow-claims-left-small").trouble(set_made_anew_over_small_claims),
    case("claim-larger-by-hand").trouble(claim_grown_by_hand),
    case("shrink-refused"),
    case("immutable-replication"),
    case("immutable-class"),
    case("class-missing").first(),
    case("class-policy-mismatch").first().trouble(class_that_deletes),
    case("stranger-object").first().trouble(strangers_service),
    case("claim-of-a-stranger").first().trouble(strangers_claim),
    case("directory-of-another").first().trouble(directories_taken),
    case("own-directory"),
    case("members-share-a-machine"),
    case("kept-claims").trouble(destroyed),
    case("kept-claims-refused").trouble(destroyed),
    case("node-missing").first().trouble(node_gone_and_one_cordoned),
    case("prepare-create").first().more(&["plan.json"]),
    case("prepare-expect").first(),
    case("prepare-one-more"),
    case("prepare-interrupted").first().trouble(helpers_left_over),
    case("prepare-forbidden").first().trouble(namespace_admits_little),
    case("destroy-with-a-helper-left")
        .destroy()
        .consents(&["cluster.history"])
        .trouble(one_helper_left),
    case("volume-released").trouble(claim_lost_with_its_pod),
    case("stale-claims").trouble(claim_left_over),
    case("claims-without-their-founders").trouble(founders_lost),
    case("identity-changed").trouble(another_identity),
    case("member-away-blocks-restart").trouble(|sandbox, _| lose(sandbox, "history-data-0")),
    case("broken-member-restart-allowed").trouble(|sandbox, _| lose(sandbox, "history-data-2")),
    case("cluster-removed"),
    case("cluster-removed-consented").consents(&["cluster.events"]),
    case("renamed").more(&["plan.json"]),
    case("renamed-onto-another"),
    case("adopt").adopt().trouble(labels_lost).more(&["plan.json"]),
    case("adopt-refused").first().adopt().trouble(strangers_set),
    case("forget").forget(&["cluster.events"]).more(&["plan.json"]),
    case("target-one-cluster").first().target(&["cluster.events"]).more(&["plan.json"]),
    case("exclude-what-is-refused").exclude(&["cluster.events"]),
    case("protected-destroy").destroy(),
    case("consented-destroy").destroy().consents(&["cluster.history"]),
    case("destroy-retain").destroy(),
    case("destroy-delete").destroy(),
    case("destroy-interrupted").destroy().trouble(data_nodes_told_to_stop),
    case("destroy-before-the-purge").destroy().trouble(claims_gone),
    case("apply-after-the-holds").trouble(volumes_held),
    case("apply-before-the-purge").trouble(claims_gone),
    case("destroy-of-a-volume-set-to-retain").destroy().trouble(volume_set_to_retain),
];

fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

fn edit(sandbox: &Sandbox, manager: &str, object: &ObjectKey, patch: Value) {
    sandbox.disturb(|cluster| cluster.edit_as(manager, object, &patch)).unwrap();
}

/// The first apply is stopped as soon as the ConfigNodes are ready.
fn config_nodes_only(sandbox: &Sandbox, stack: &Stack) {
    let config = "create/StatefulSet/tsdb/history-config";
    run_until(sandbox, &plan(sandbox, stack), |event| {
        event.step.0 == config && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
}

/// The run that grows the DataNodes' claims ends as soon as their StatefulSet is gone.
fn stopped_once_the_set_is_gone(sandbox: &Sandbox, stack: &Stack) {
    run_until(sandbox, &plan(sandbox, stack), |event| {
        let is_gone = matches!(event.what, tsinfra::apply::event::What::Done { .. });
        is_gone && event.step.0 == "orphan/StatefulSet/tsdb/history-data"
    });
}

fn set_taken_away(sandbox: &Sandbox, _: &Stack) {
    orphan(sandbox, "history-data");
}

/// Somebody made the DataNodes' StatefulSet anew, with the size the stack has by now, and asked for one of the
/// claims to grow, too; the storage has no room just then.
fn set_made_anew_over_small_claims(sandbox: &Sandbox, stack: &Stack) {
    let set = within(Kind::StatefulSet, "history-data");
    orphan(sandbox, "history-data");
    let desired = tsinfra::desired::lower(stack, &Observed::default());
    create(sandbox, set.clone(), desired.objects[&set].manifest.clone());
    sandbox.disturb(|cluster| cluster.stall_storage(Duration::from_secs(300)));
    grow_by_hand(sandbox, "data-history-data-1", "40Gi");
}

fn grow_by_hand(sandbox: &Sandbox, claim: &str, size: &str) {
    let larger = json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    edit(sandbox, "kubectl-edit", &within(Kind::PersistentVolumeClaim, claim), larger);
    rest(sandbox, 60);
}

/// As `kubectl delete --cascade=orphan` does it.
fn orphan(sandbox: &Sandbox, set: &str) {
    sandbox.disturb(|cluster| cluster.orphan(&within(Kind::StatefulSet, set)));
    rest(sandbox, 5);
}

fn claim_grown_by_hand(sandbox: &Sandbox, _: &Stack) {
    grow_by_hand(sandbox, "data-history-data-1", "25Gi");
}

fn edited_by_hand(sandbox: &Sandbox, _: &Stack) {
    let budget = within(Kind::PodDisruptionBudget, "history-control");
    edit(sandbox, "kubectl-edit", &budget, json!({ "spec": { "maxUnavailable": 2 } }));
    let set = within(Kind::StatefulSet, "history-data");
    let grace =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 5 } } } });
    edit(sandbox, "kubectl-patch", &set, grace);
    rest(sandbox, 120);
}

fn scaled_by_hand(sandbox: &Sandbox, _: &Stack) {
    let set = within(Kind::StatefulSet, "history-data");
    edit(sandbox, "kubectl-scale", &set, json!({ "spec": { "replicas": 2 } }));
    rest(sandbox, 120);
}

/// A Service is deleted, a budget replaced by one that looks the same, a label taken off a set.
fn lost_and_replaced(sandbox: &Sandbox, _: &Stack) {
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

fn written_by_a_controller(sandbox: &Sandbox, _: &Stack) {
    let budget = within(Kind::PodDisruptionBudget, "history-storing");
    edit(sandbox, "drain-controller", &budget, json!({ "spec": { "maxUnavailable": 0 } }));
}

fn create(sandbox: &Sandbox, object: ObjectKey, manifest: Value) {
    block_on(sandbox.perform(&Action::Create { object, manifest })).unwrap();
}

fn class_that_deletes(sandbox: &Sandbox, _: &Stack) {
    let classes = [("fast".to_owned(), "Delete".to_owned())].into();
    sandbox.furnish(&Furniture { classes, ..Furniture::default() });
}

fn strangers_service(sandbox: &Sandbox, _: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    let port = json!({ "name": "web", "port": 80, "protocol": "TCP", "targetPort": 80 });
    create(sandbox, within(Kind::Service, "history"), json!({ "spec": { "ports": [port] } }));
}

/// Objects restored from a backup that keeps no labels, one of them otherwise than it was.
fn labels_lost(sandbox: &Sandbox, _: &Stack) {
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
fn strangers_set(sandbox: &Sandbox, _: &Stack) {
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

fn strangers_claim(sandbox: &Sandbox, _: &Stack) {
    create(sandbox, ObjectKey::global(Kind::Namespace, "tsdb"), json!({}));
    let spec = json!({
        "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
        "resources": { "requests": { "storage": "20Gi" } },
    });
    let claim = within(Kind::PersistentVolumeClaim, "data-history-config-1");
    create(sandbox, claim, json!({ "spec": spec }));
}

/// A directory that another stack's volume is, and one that somebody's volume is inside of.
fn directories_taken(sandbox: &Sandbox, _: &Stack) {
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
fn claim_lost_with_its_pod(sandbox: &Sandbox, _: &Stack) {
    sandbox.disturb(|cluster| {
        cluster.delete(&within(Kind::PersistentVolumeClaim, "data-history-data-1"));
        cluster.delete(&within(Kind::Pod, "history-data-1"));
    });
    rest(sandbox, 20);
}

/// An apply was stopped among its helpers: one has done its work, one is at it, one has failed; and one is
/// there of a tier that is called otherwise by now.
fn helpers_left_over(sandbox: &Sandbox, stack: &Stack) {
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
fn helpers(plan: &Plan) -> Vec<(ObjectKey, Value)> {
    let made = plan.steps.values().filter_map(|step| match &step.action {
        Action::Create { object, manifest } if object.kind == Kind::Job => {
            Some((object.clone(), manifest.clone()))
        }
        _ => None,
    });
    made.collect()
}

fn namespace_admits_little(sandbox: &Sandbox, _: &Stack) {
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline" });
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    create(sandbox, namespace, json!({ "metadata": { "labels": labels } }));
}

fn one_helper_left(sandbox: &Sandbox, stack: &Stack) {
    let (key, manifest) = helpers(&plan(sandbox, stack)).remove(0);
    create(sandbox, key, manifest);
}

fn node_gone_and_one_cordoned(sandbox: &Sandbox, _: &Stack) {
    let node = |name: &str| ObjectKey::global(Kind::Node, name);
    sandbox.disturb(|cluster| {
        cluster.delete(&node("worker-3"));
        let cordon = json!({ "spec": { "unschedulable": true } });
        cluster.edit_as("kubectl-cordon", &node("worker-1"), &cordon).unwrap();
    });
}

/// The claim of a fourth DataNode that left the database long ago.
fn claim_left_over(sandbox: &Sandbox, _: &Stack) {
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
fn founders_lost(sandbox: &Sandbox, stack: &Stack) {
    destroy_all(sandbox, stack);
    for ordinal in 0..3 {
        let claim = within(Kind::PersistentVolumeClaim, &format!("data-history-config-{ordinal}"));
        sandbox.disturb(|cluster| cluster.delete(&claim));
    }
    rest(sandbox, 60);
}

/// The stack was destroyed, its volumes kept.
fn destroyed(sandbox: &Sandbox, stack: &Stack) {
    destroy_all(sandbox, stack);
    rest(sandbox, 60);
}

/// A scale-in was stopped when its member had left and its set had shrunk.
fn left_and_shrunk(sandbox: &Sandbox, stack: &Stack) {
    let shrinks = "update/StatefulSet/tsdb/history-data";
    run_until(sandbox, &plan(sandbox, stack), |event| {
        event.step.0 == shrinks && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
    rest(sandbox, 60);
}

/// The database gives no answer.
fn silent(sandbox: &Sandbox, _: &Stack) {
    let time = std::time::Duration::from_secs(3600);
    sandbox.disturb(|cluster| cluster.trouble_database("tsdb/history", Mood::Silent, time));
}

fn another_identity(sandbox: &Sandbox, _: &Stack) {
    let snapshot = sandbox.snapshot();
    let record = snapshot.get(&Inventory::key("tsdb", "plant")).unwrap();
    let mut record = Inventory::from_config_map(record).unwrap();
    record.clusters.get_mut("history").unwrap().cluster_id = "the-first-life".to_owned();
    block_on(sandbox.keep(&record)).unwrap();
}

/// A member's pod is lost, long enough ago for the database to have noticed.
fn lose(sandbox: &Sandbox, pod: &str) {
    sandbox.disturb(|cluster| cluster.delete(&within(Kind::Pod, pod)));
    rest(sandbox, 6);
}

/// A destroy was interrupted while the DataNodes stopped.
fn data_nodes_told_to_stop(sandbox: &Sandbox, stack: &Stack) {
    let data = "delete/StatefulSet/tsdb/history-data";
    run_until(sandbox, &destruction(sandbox, stack), |event| event.step.0 == data);
}

/// A destroy was interrupted when volumes were held and nothing else was done.
fn volumes_held(sandbox: &Sandbox, stack: &Stack) {
    let mut holds = destruction(sandbox, stack);
    holds.steps.retain(|id, _| id.0.starts_with("hold/"));
    assert_eq!(run(sandbox, &holds).done.len(), 6);
}

/// A destroy was interrupted when the claims were gone and the data were still there.
fn claims_gone(sandbox: &Sandbox, stack: &Stack) {
    let claim = "delete/PersistentVolumeClaim";
    run_until(sandbox, &destruction(sandbox, stack), |event| event.step.0.starts_with(claim));
    rest(sandbox, 60);
}

fn record_deleted(sandbox: &Sandbox, stack: &Stack) {
    let record = Inventory::key(&stack.namespace, &stack.name);
    sandbox.disturb(|cluster| cluster.delete(&record));
}

/// Somebody wants to keep what a DataNode has stored.
fn volume_set_to_retain(sandbox: &Sandbox, _: &Stack) {
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-1");
    let claim = sandbox.snapshot().get(&claim).unwrap().clone();
    let volume = claim["spec"]["volumeName"].as_str().unwrap().to_owned();
    let volume = ObjectKey::global(Kind::PersistentVolume, volume);
    let retain = json!({ "spec": { "persistentVolumeReclaimPolicy": "Retain" } });
    edit(sandbox, "kubectl-patch", &volume, retain);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pure/planner/cases")
}

/// Worlds after the first apply of a stack, by its text: many cases begin with the same.
type Beginnings = BTreeMap<String, Cluster>;

/// The plan of a case.
fn plan_of(case: &Case, beginnings: &mut Beginnings) -> Plan {
    let text = |file: &str| fs::read_to_string(folder().join(case.name).join(file));
    let asked = text("stack.toml").unwrap();
    let sandbox = sandbox();
    if case.applied {
        let before = text("before.toml").unwrap_or(asked.clone());
        let beginning = beginnings.entry(before).or_insert_with_key(|before| {
            apply_all(&sandbox, &stack(before));
            rest(&sandbox, 60);
            let plan = plan_for(&sandbox, &stack(before), Purpose::Apply, &[]);
            block_on(sandbox.keep(&plan.inventory)).unwrap();
            sandbox.snapshot()
        });
        sandbox.disturb(|cluster| *cluster = beginning.clone());
    }
    let asked = stack(&asked);
    (case.trouble)(&sandbox, &asked);
    let consents: Vec<String> = case.consents.iter().map(|consent| (*consent).into()).collect();
    let [targets, excludes] = case
        .selection
        .map(|addresses| addresses.iter().map(|address| address.parse().unwrap()).collect());
    let request =
        Request { stack: &asked, digest: "of-a-test", purpose: case.purpose, consents: &consents };
    block_on(survey::part(&sandbox, &request, &Selection { targets, excludes })).unwrap()
}

/// A golden of a plan; what changes with every release is left out.
fn golden(plan: &Plan, file: &str) -> String {
    match file {
        "plan.txt" => render::plan::plan(plan, render::plan::Style::default()),
        "graph.dot" => render::graph::dot(plan),
        "plan.json" => {
            let mut value = render::json::plan(plan);
            value["tsinfra_version"] = json!("(this one)");
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        }
        other => panic!("{other} is no golden"),
    }
}

#[test]
fn every_case_is_planned_as_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut differing, mut beginnings) = (Vec::new(), Beginnings::new());
    for case in &CASES {
        let plan = plan_of(case, &mut beginnings);
        for file in ["plan.txt"].iter().chain(case.more) {
            let shown = golden(&plan, file);
            let path = folder().join(case.name).join(file);
            if update {
                fs::write(&path, &shown).unwrap();
            } else if fs::read_to_string(&path).ok().as_deref() != Some(&shown) {
                differing.push(format!("--- {}/{file}\n{shown}", case.name));
            }
        }
    }
    assert!(differing.is_empty(), "not as the goldens say:\n{}", differing.join("\n"));
}

#[test]
fn every_folder_is_a_case_and_every_text_fits_a_screen() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, CASES.iter().map(|case| case.name.to_owned()).collect());
    for name in found {
        let text = fs::read_to_string(folder().join(&name).join("plan.txt")).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert!(line.chars().all(|c| !c.is_control()), "{name}: {line:?}");
        }
    }
}
