//! Members with a volume for their write-ahead log beside that of their data: both come, go, and are lost, together.

use std::collections::BTreeSet;

use serde_json::json;
use tsinfra::observed::Observed;

use super::interrupted::pass;
use super::mishaps::{
    LOST, a_machine_gone_for_good, destroyed_and_a_log_lost, edit, scaled_and_a_log_lost, within,
};
use super::*;

pub(super) const LOCAL: &str = include_str!("cases/wal-first-apply/stack.toml");
const MOVED: &str = include_str!("cases/wal-replace/stack.toml");
pub(super) const CLOUD: &str = include_str!("cases/wal-added-refused/stack.toml");
const PLAIN: &str = include_str!("cases/wal-added-refused/before.toml");
const FAR_APART: &str = include_str!("cases/wal-not-together/stack.toml");

pub(super) fn world(text: &str) -> Watched {
    let stack = stack(text);
    let world = Watched::over(sandbox(), &stack);
    apply_all(&world, &stack);
    world
}

/// The machines of a member's volumes.
pub(super) fn machines(world: &Watched, member: &str) -> BTreeSet<String> {
    let live = world.sandbox.snapshot();
    let machine = |content: &str| {
        let claim = within(Kind::PersistentVolumeClaim, &format!("{content}-{member}"));
        let volume = live.get(&claim).unwrap()["spec"]["volumeName"].as_str().unwrap();
        let volume = ObjectKey::global(Kind::PersistentVolume, volume);
        let terms = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0";
        live.get(&volume).unwrap().pointer(terms).unwrap().as_str().unwrap().to_owned()
    };
    ["data", "wal"].into_iter().map(machine).collect()
}

pub(super) fn rules(plan: &Plan) -> Vec<&str> {
    plan.blocked.iter().map(|entry| entry.rule.as_str()).collect()
}

#[test]
fn a_members_volumes_are_on_one_machine_and_say_whose_they_are() {
    let world = world(LOCAL);
    let live = world.sandbox.snapshot();
    for member in ["history-data-0", "history-data-1", "history-data-2"] {
        assert_eq!(machines(&world, member).len(), 1, "{member}");
        let id = |content: &str| {
            let claim = within(Kind::PersistentVolumeClaim, &format!("{content}-{member}"));
            live.get(&claim).unwrap()["metadata"]["annotations"]["tsinfra.dev/member-id"].clone()
        };
        assert!(id("data").is_string());
        assert_eq!(id("data"), id("wal"));
    }
    assert_settled(&world, &stack(LOCAL));
}

#[test]
fn a_lost_member_loses_both_and_an_empty_one_comes_on_one_machine() {
    let world = world(LOCAL);
    let moved = stack(MOVED);
    a_machine_gone_for_good(&world.sandbox, &moved);
    let plan = plan_for(&world, &moved, Purpose::Apply, &LOST.map(str::to_owned));
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_eq!(machines(&world, "history-data-1"), ["worker-4".to_owned()].into());
    assert_safe(&world);
}

/// Wherever such a run is stopped, whoever takes it up comes to the same end.
#[test]
fn a_replacement_that_was_stopped_goes_on_with_both() {
    let moved = stack(MOVED);
    let consents = LOST.map(str::to_owned);
    for step in [
        "mark/PersistentVolumeClaim/tsdb/data-history-data-1",
        "given-up/Pod/tsdb/history-data-1",
        "delete/PersistentVolumeClaim/tsdb/wal-history-data-1",
        "delete/PersistentVolumeClaim/tsdb/data-history-data-1",
    ] {
        let world = world(LOCAL);
        a_machine_gone_for_good(&world.sandbox, &moved);
        let plan = plan_for(&world, &moved, Purpose::Apply, &consents);
        assert!(plan.steps.keys().any(|id| id.0 == step), "{step}: {:#?}", plan.steps.keys());
        run_until(&world, &plan, |event| {
            event.step.0 == step && matches!(event.what, tsinfra::apply::event::What::Done { .. })
        });
        pass(&world, 60);
        let plan = plan_for(&world, &moved, Purpose::Apply, &consents);
        let outcome = run(&world, &plan);
        assert!(outcome.is_complete(&plan), "{step}: {outcome:#?}");
        assert_eq!(machines(&world, "history-data-1"), ["worker-4".to_owned()].into(), "{step}");
        assert_safe(&world);
    }
}

/// The way on that the refusal of another form of storage names.
#[test]
fn a_pool_with_its_log_apart_takes_over_from_one_without() {
    let world = world(PLAIN);
    let old = "[cluster.history.pool.data]";
    let storage = "{ tier = \"cloud\", size = \"20Gi\" }";
    let apart = "{ tier = \"cloud\", size = \"20Gi\", wal = { tier = \"fast\", size = \"5Gi\" } }";
    let text = PLAIN.replace(old, "[cluster.history.pool.store]").replace(storage, apart);
    assert_ne!(text, PLAIN);
    let asked = stack(&text);
    let plan = plan(&world, &asked);
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_settled(&world, &asked);
    let live = world.sandbox.snapshot();
    assert!(live.get(&within(Kind::PersistentVolumeClaim, "wal-history-store-2")).is_some());
    assert!(live.get(&within(Kind::StatefulSet, "history-data")).is_none());
    assert_safe(&world);
}

#[test]
fn a_member_that_has_kept_one_volume_starts_once_the_other_is_set_aside_for_it() {
    let world = world(LOCAL);
    let asked = stack(LOCAL);
    destroyed_and_a_log_lost(&world.sandbox, &asked);
    let refused = plan(&world, &asked);
    assert_eq!(rules(&refused), ["kept-claims"], "{:#?}", refused.blocked);
    let live = world.sandbox.snapshot();
    let is_its = |(_, volume): &(&ObjectKey, &Value)| {
        volume["spec"]["claimRef"]["name"] == "wal-history-data-1"
    };
    let (volume, _) = live.of_kind(Kind::PersistentVolume).find(is_its).unwrap();
    let reference = json!({ "uid": null, "resourceVersion": null });
    edit(&world.sandbox, "kubectl", volume, json!({ "spec": { "claimRef": reference } }));
    pass(&world, 5);
    apply_all(&world, &asked);
    assert_settled(&world, &asked);
    let claim = within(Kind::PersistentVolumeClaim, "wal-history-data-1");
    let live = world.sandbox.snapshot();
    assert_eq!(live.get(&claim).unwrap()["spec"]["volumeName"], *volume.name);
    assert_eq!(machines(&world, "history-data-1").len(), 1);
}

#[test]
fn a_member_with_half_of_its_volumes_leaves_where_its_set_is_without_it() {
    let world = world(LOCAL);
    let asked = stack(LOCAL);
    scaled_and_a_log_lost(&world.sandbox, &asked);
    assert_eq!(rules(&plan(&world, &asked)), ["kept-claims"]);
    let fewer = stack(&LOCAL.replace("nodes     = 3", "nodes     = 2"));
    apply_all(&world, &fewer);
    assert_settled(&world, &fewer);
}

fn remove(world: &Watched, keys: &[(Kind, &str)]) {
    world.sandbox.disturb(|cluster| {
        for (kind, name) in keys {
            let key = match kind.namespaced() {
                true => within(*kind, name),
                false => ObjectKey::global(*kind, *name),
            };
            cluster.delete(&key);
        }
    });
}

/// The volume of a claim.
pub(super) fn volume(world: &Watched, claim: &str) -> String {
    let live = world.sandbox.snapshot();
    let claim = within(Kind::PersistentVolumeClaim, claim);
    live.get(&claim).unwrap()["spec"]["volumeName"].as_str().unwrap().to_owned()
}

/// The disk of a log is lost, and Kubernetes has made the pod and an empty claim again, which wait for a volume.
pub(super) fn a_log_lost(world: &Watched) -> String {
    let lost = volume(world, "wal-history-data-1");
    remove(
        world,
        &[
            (Kind::Pod, "history-data-1"),
            (Kind::PersistentVolumeClaim, "wal-history-data-1"),
            (Kind::PersistentVolume, &lost),
        ],
    );
    pass(world, 60);
    lost
}

/// The stack with another directory for a log, and a second one for data, on the machine of a log that was lost.
fn another_disk(lost: &str) -> Stack {
    stack(&with_another_disk(lost))
}

pub(super) fn with_another_disk(lost: &str) -> String {
    let machine = lost.split('-').nth(3).unwrap();
    let old = format!("{{ node = \"worker-{machine}\", path = \"/mnt/iotdb/wal\"");
    assert!(LOCAL.contains(&old), "{lost}");
    let text = LOCAL.replace(&old, &old.replace("/wal\"", "/wal2\""));
    let ssd = "[storage.ssd]\nkind    = \"local\"\nreclaim = \"retain\"\nvolumes = [\n";
    assert!(text.contains(ssd));
    let more = format!(
        "  {{ node = \"worker-{machine}\", path = \"/mnt/iotdb/data2\", capacity = \"200Gi\" }},\n"
    );
    text.replace(ssd, &format!("{ssd}{more}"))
}

/// Found by fresh eyes: the claim Kubernetes makes again hides that the log is lost, and a new volume would be
/// given to the member at once.
#[test]
fn an_empty_claim_in_place_of_a_lost_log_is_no_log() {
    let world = world(LOCAL);
    let asked = another_disk(&a_log_lost(&world));
    let refused = plan(&world, &asked);
    assert!(refused.blocked.iter().all(|it| it.rule == "kept-claims"), "{:#?}", refused.blocked);
    let addresses: Vec<&str> = refused.blocked.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(addresses, ["cluster.history.pool.data", "storage.log"]);
    // The way on.
    let consents = ["Pod/tsdb/history-data-1".to_owned()];
    let plan = plan_for(&world, &asked, Purpose::Apply, &consents);
    let is_made = |id: &str| id.starts_with("create/PersistentVolume/plant-log");
    let (_, made) = plan.steps.iter().find(|(id, _)| is_made(&id.0)).unwrap();
    let gone = "renewed/PersistentVolumeClaim/tsdb/data-history-data-1";
    assert!(made.after.iter().any(|id| id.0 == gone), "{made:#?}");
    let before = volume(&world, "data-history-data-1");
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_ne!(volume(&world, "data-history-data-1"), before);
    assert_settled(&world, &asked);
}

/// Kubernetes gave it a volume nobody asked tsinfra for: the log it runs with is another one, which is told and not
/// hidden by writing on it whose it is.
#[test]
fn a_log_that_is_another_one_is_told() {
    let world = world(CLOUD);
    a_log_lost(&world);
    let plan = plan(&world, &stack(CLOUD));
    assert_eq!(plan.blocked, vec![]);
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
    let told = "wal-history-data-1 is another claim than history-data-1 had";
    assert!(plan.notes.iter().any(|note| note.contains(told)), "{:#?}", plan.notes);
}

/// A run was stopped while it wrote on claims whose they are: the next one goes on, and nobody has another log.
#[test]
fn ids_that_are_not_on_all_claims_yet_are_no_loss() {
    let world = world(CLOUD);
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-1");
    let bare = json!({ "tsinfra.dev/member-id": null, "tsinfra.dev/database-id": null });
    edit(&world.sandbox, "kubectl", &claim, json!({ "metadata": { "annotations": bare } }));
    let next = apply_all(&world, &stack(CLOUD));
    assert!(!next.notes.iter().any(|note| note.contains("another claim")), "{:#?}", next.notes);
    let live = world.sandbox.snapshot();
    assert!(
        live.get(&claim).unwrap()["metadata"]["annotations"]["tsinfra.dev/member-id"].is_string()
    );
    assert_settled(&world, &stack(CLOUD));
}

/// A set that is gone is not made again around its members with other volumes than they have, also not together with
/// larger ones.
#[test]
fn a_set_made_again_gives_its_members_the_volumes_they_have() {
    for (had, asked) in [(PLAIN, CLOUD), (CLOUD, PLAIN)] {
        let world = world(had);
        super::mishaps::orphan(&world.sandbox, "history-data");
        let larger = asked.replace("\"20Gi\"", "\"40Gi\"");
        for asked in [asked, &larger] {
            assert_eq!(rules(&plan(&world, &stack(asked))), ["kept-claims"], "{asked}");
        }
        apply_all(&world, &stack(had));
        assert_settled(&world, &stack(had));
    }
}

#[test]
fn volumes_of_two_members_are_not_one_members() {
    let world = world(LOCAL);
    destroy_all(&world, &stack(LOCAL));
    let claim = within(Kind::PersistentVolumeClaim, "wal-history-data-1");
    let other = json!({ "metadata": { "annotations": { "tsinfra.dev/member-id": "99" } } });
    edit(&world.sandbox, "kubectl", &claim, other);
    let refused = plan(&world, &stack(LOCAL));
    assert_eq!(rules(&refused), ["stale-claim"], "{:#?}", refused.blocked);
    assert!(refused.blocked[0].reason.contains("two members"), "{:#?}", refused.blocked);
}

/// A claim that another has made for a log the pool does not have is none of the pool's.
#[test]
fn a_claim_nobody_would_mount_is_not_in_the_way() {
    let world = world(PLAIN);
    let claim = within(Kind::PersistentVolumeClaim, "wal-history-data-3");
    let set = within(Kind::StatefulSet, "history-data");
    let desired = tsinfra::desired::lower(&stack(PLAIN), &Observed::default());
    let template = &desired.objects[&set].manifest["spec"]["volumeClaimTemplates"][0]["spec"];
    super::mishaps::create(&world.sandbox, claim.clone(), json!({ "spec": template }));
    let more = stack(&PLAIN.replace("nodes     = 3", "nodes     = 4"));
    apply_all(&world, &more);
    assert_settled(&world, &more);
    assert!(world.sandbox.snapshot().get(&claim).is_some());
}

#[test]
fn members_come_where_all_their_volumes_are_together() {
    let world = world(LOCAL);
    assert_eq!(rules(&plan(&world, &stack(FAR_APART))), ["volumes"]);
    let log = "{ node = \"worker-5\", path = \"/mnt/iotdb/wal\"";
    let beside = FAR_APART.replace(log, &log.replace("worker-5", "worker-4"));
    assert_ne!(beside, FAR_APART);
    let beside = stack(&beside);
    apply_all(&world, &beside);
    assert_settled(&world, &beside);
    assert_eq!(machines(&world, "history-data-3"), ["worker-4".to_owned()].into());
}

/// What is free of the two tiers is on different machines, and what a member has left on one is offered to be cleared,
/// as a pair.
#[test]
fn volumes_are_cleared_in_pairs() {
    let volume = |machine: u32, what: &str, size: &str| {
        format!(
            "{{ node = \"worker-{machine}\", path = \"/mnt/iotdb/{what}\", capacity = \"{size}\" }},\n"
        )
    };
    let text = |nodes: u32, data: &[(u32, &str)], logs: &[(u32, &str)]| {
        let (before, rest) = LOCAL.split_once("[storage.ssd]").unwrap();
        let (_, cluster) = rest.split_once("[cluster.history]").unwrap();
        let tier = |name: &str, volumes: &[(u32, &str)], size: &str| {
            let volumes: String =
                volumes.iter().map(|(it, what)| volume(*it, what, size)).collect();
            format!(
                "[storage.{name}]\nkind = \"local\"\nrecycle = \"scrub\"\nvolumes = [\n{volumes}]\n"
            )
        };
        let cluster = cluster.replace("nodes     = 3", &format!("nodes     = {nodes}"));
        before.replace("\"tsdb\"\n", "\"tsdb\"\npaths = [\"/mnt\"]\n")
            + &tier("ssd", data, "200Gi")
            + &tier("log", logs, "20Gi")
            + "[cluster.history]"
            + &cluster
    };
    let of_each = |what| [1, 2, 3, 4].map(|machine| (machine, what));
    let (data, logs) = (of_each("data"), of_each("wal"));
    let world = world(&text(4, &data, &logs));
    let machine = machines(&world, "history-data-3").pop_first().unwrap();
    apply_all(&world, &stack(&text(3, &data, &logs)));
    // One more of each, on machines that lack the other.
    let other = (1..=4).find(|it| format!("worker-{it}") != machine).unwrap();
    let more_data = [&data[..], &[(5, "data")]].concat();
    let more_logs = [&logs[..], &[(other, "wal2")]].concat();
    let again = stack(&text(4, &more_data, &more_logs));
    let refused = plan(&world, &again);
    assert_eq!(rules(&refused), ["volumes"], "{:#?}", refused.blocked);
    let help = &refused.blocked[0].help;
    let words = help.split("--consent ").skip(1);
    let consents: Vec<String> =
        words.map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect();
    assert_eq!(consents.len(), 2, "{help}");
    assert!(consents.iter().all(|consent| consent.contains(&machine)), "{help}");
    let plan = plan_for(&world, &again, Purpose::Apply, &consents);
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_eq!(machines(&world, "history-data-3"), [machine].into());
    assert_settled(&world, &again);
}

/// A machine whose taint the pool's pods do not bear, or that has not the labels they ask for, takes none of them;
/// one in trouble, or cordoned, is awaited.
#[test]
fn members_come_where_their_pods_may_go() {
    let asked = |pod: &str| {
        let cluster = "[cluster.history]\n";
        stack(&LOCAL.replace(cluster, &format!("{cluster}pod = {pod}\n")))
    };
    let refused = |taint: Value, pod: &str| {
        let sandbox = sandbox();
        let node = ObjectKey::global(Kind::Node, "worker-2");
        edit(&sandbox, "kubectl", &node, json!({ "spec": { "taints": [taint] } }));
        let plan = plan(&sandbox, &asked(pod));
        let reasons = plan.blocked.into_iter().map(|entry| entry.reason);
        reasons.collect::<Vec<String>>().join("\n")
    };
    let dedicated = json!({ "key": "dedicated", "value": "tsdb", "effect": "NoSchedule" });
    for pod in [
        "{}",
        r#"{ tolerations = [{ key = "dedicated", operator = "Equal", value = "web" }] }"#,
        r#"{ tolerations = [{ key = "other", operator = "Exists" }] }"#,
        r#"{ tolerations = [{ key = "dedicated", operator = "Exists", effect = "NoExecute" }] }"#,
    ] {
        let why = refused(dedicated.clone(), pod);
        assert!(why.contains("worker-2 has the taint dedicated=tsdb:NoSchedule"), "{pod}: {why}");
        assert!(why.contains("3 members to come need volumes"), "{pod}: {why}");
        assert!(why.contains("room for 2 of them"), "{pod}: {why}");
    }
    for pod in [
        r#"{ tolerations = [{ key = "dedicated", operator = "Equal", value = "tsdb", effect = "NoSchedule" }] }"#,
        r#"{ tolerations = [{ key = "dedicated", operator = "Exists" }] }"#,
        r#"{ tolerations = [{ operator = "Exists" }] }"#,
    ] {
        assert_eq!(refused(dedicated.clone(), pod), "", "{pod}");
    }
    let away = json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" });
    assert_eq!(refused(away, "{}"), "");
    let soft = json!({ "key": "dedicated", "effect": "PreferNoSchedule" });
    assert_eq!(refused(soft.clone(), "{}"), "");
    let why = refused(soft, r#"{ node_selector = { disk = "nvme" } }"#);
    assert!(why.contains("worker-1 is not labelled disk=nvme, which its pods ask for"), "{why}");
}

/// Volumes that are made before pods are placed.
#[test]
fn both_volumes_may_be_made_at_once() {
    let immediate = CLOUD.replace("\nexpandable", "\nbinding = \"immediate\"\nexpandable");
    let world = world(&immediate);
    let live = world.sandbox.snapshot();
    for tier in ["cloud", "fast"] {
        let class = ObjectKey::global(Kind::StorageClass, format!("plant-{tier}"));
        assert_eq!(live.get(&class).unwrap()["volumeBindingMode"], "Immediate");
    }
    assert_settled(&world, &stack(&immediate));
    let other = plan(&world, &stack(CLOUD));
    assert_eq!(rules(&other), ["immutable", "immutable"], "{:#?}", other.blocked);
    let fewer = stack(&immediate.replace("nodes     = 3", "nodes     = 2"));
    apply_all(&world, &fewer);
    assert_settled(&world, &fewer);
    assert_safe(&world);
}

/// Two logs of one machine are one member's room each, also where both volumes come from one tier.
#[test]
fn a_tier_for_both_has_room_for_half_as_many() {
    let volume = |machine: u32, index: u32| {
        format!("{{ node = \"worker-{machine}\", path = \"/mnt/{index}\", capacity = \"50Gi\" }},")
    };
    let text = |volumes: &[(u32, u32)]| {
        let volumes: String =
            volumes.iter().map(|(machine, index)| volume(*machine, *index)).collect();
        format!(
            "[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n[target]\nsandbox = true\n\
             [storage.cloud]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\nreclaim = \"retain\"\n\
             [storage.ssd]\nkind = \"local\"\nvolumes = [{volumes}]\n\
             [cluster.history]\nengine = \"iotdb\"\nversion = \"2.0.5\"\n\
             [cluster.history.iotdb]\nschema_replication = 2\ndata_replication = 2\n\
             [cluster.history.pool.config]\nrole = \"control\"\nnodes = 1\n\
             storage = {{ tier = \"cloud\", size = \"5Gi\" }}\n\
             [cluster.history.pool.data]\nrole = \"mixed\"\nnodes = 2\n\
             storage = {{ tier = \"ssd\", size = \"50Gi\", wal = {{ tier = \"ssd\", size = \"10Gi\" }} }}\n"
        )
    };
    let refused = stack(&text(&[(1, 0), (1, 1), (2, 0), (3, 0)]));
    let world = Watched::over(sandbox(), &refused);
    assert_eq!(rules(&plan(&world, &refused)), ["volumes"]);
    let whole = stack(&text(&[(1, 0), (1, 1), (2, 0), (2, 1)]));
    apply_all(&world, &whole);
    assert_settled(&world, &whole);
}
