//! Members that have lost one of their volumes, and where new ones may come: what reviewers found.

use std::collections::BTreeSet;

use db_engine::statement::{Answer, Statement};
use serde_json::json;
use tsinfra::observed::DatabaseView;
use tsinfra::plan::selection::Selection;
use tsinfra::survey::Request;

use super::apart::{CLOUD, LOCAL, a_log_lost, machines, rules, volume, with_another_disk, world};
use super::interrupted::pass;
use super::mishaps::{LOST, edit, within};
use super::*;

fn claim(name: &str) -> ObjectKey {
    within(Kind::PersistentVolumeClaim, name)
}

/// The stack as it is written, changed.
pub(super) fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// The stack with more volumes for both contents: each on a machine, in a directory with this after its name.
pub(super) fn offering(text: &str, places: &[(u32, &str)]) -> String {
    let more = |tier: &str, what: &str, size: &str, text: &str| {
        let head =
            format!("[storage.{tier}]\nkind    = \"local\"\nreclaim = \"retain\"\nvolumes = [\n");
        let line = |(machine, index): &(u32, &str)| {
            let path = format!("/mnt/iotdb/{what}{index}");
            format!(
                "  {{ node = \"worker-{machine}\", path = \"{path}\", capacity = \"{size}\" }},\n"
            )
        };
        let lines: String = places.iter().map(line).collect();
        changed(text, &head, &format!("{head}{lines}"))
    };
    more("log", "wal", "20Gi", &more("ssd", "data", "200Gi", text))
}

/// The claims of the cluster's members that are there.
fn claims_left(world: &Watched) -> Vec<ObjectKey> {
    let mut left = world.sandbox.snapshot().keys_of(Kind::PersistentVolumeClaim);
    left.retain(|key| key.name.contains("history"));
    left
}

/// The member waits for a volume that is only made once its claims are gone; its set, which changes in the same
/// plan, does not wait for that.
#[test]
fn a_set_that_changes_does_not_wait_for_the_volume_of_its_lost_member() {
    let consents = LOST.map(str::to_owned);
    let protected =
        |text: &str| changed(text, "[cluster.history]\n", "[cluster.history]\nprotect = true\n");
    let one_more =
        |text: &str| offering(&changed(text, "nodes     = 3", "nodes     = 4"), &[(5, "")]);
    for (what, change) in
        [("a label", &protected as &dyn Fn(&str) -> String), ("a member", &one_more)]
    {
        let world = world(LOCAL);
        let lost = a_log_lost(&world);
        let asked = stack(&change(&with_another_disk(&lost)));
        let plan = plan_for(&world, &asked, Purpose::Apply, &consents);
        assert_eq!(plan.blocked, vec![], "{what}");
        let outcome = run(&world, &plan);
        assert!(outcome.is_complete(&plan), "{what}: {outcome:#?}");
        assert_settled(&world, &asked);
    }
}

/// Claims that were taken over, and never said whose they are: the database lists the member.
#[test]
fn a_lost_log_is_missed_where_no_claim_says_whose_it_is() {
    let world = world(LOCAL);
    for content in ["data", "wal"] {
        let bare = json!({ "tsinfra.dev/member-id": null, "tsinfra.dev/database-id": null });
        let claim = claim(&format!("{content}-history-data-1"));
        edit(&world.sandbox, "kubectl", &claim, json!({ "metadata": { "annotations": bare } }));
    }
    a_log_lost(&world);
    let refused = plan(&world, &stack(LOCAL));
    assert_eq!(rules(&refused), ["kept-claims", "kept-claims"], "{:#?}", refused.blocked);
}

/// What the database was told is written on the claim that goes last, also where that of the data is the one that
/// was lost: said twice, it is refused.
#[test]
fn what_was_told_is_known_where_the_data_were_lost() {
    let world = world(LOCAL);
    let data = claim("data-history-data-1");
    let lost = volume(&world, &data.name);
    let volume = ObjectKey::global(Kind::PersistentVolume, lost.as_str());
    world.sandbox.disturb(|cluster| {
        cluster.delete(&within(Kind::Pod, "history-data-1"));
        cluster.delete(&data);
        cluster.delete(&volume);
    });
    pass(&world, 60);
    let machine = lost.split('-').nth(3).unwrap();
    let old = format!("{{ node = \"worker-{machine}\", path = \"/mnt/iotdb/data\"");
    let text = changed(LOCAL, &old, &old.replace("/data\"", "/data2\""));
    let log = "[storage.log]\nkind    = \"local\"\nreclaim = \"retain\"\nvolumes = [\n";
    let more = format!(
        "  {{ node = \"worker-{machine}\", path = \"/mnt/wal2\", capacity = \"20Gi\" }},\n"
    );
    let asked = stack(&changed(&text, log, &format!("{log}{more}")));
    let consents = LOST.map(str::to_owned);
    let first = plan_for(&world, &asked, Purpose::Apply, &consents);
    assert_eq!(first.blocked, vec![]);
    let told = "told/PersistentVolumeClaim/tsdb/wal-history-data-1";
    assert!(first.steps.keys().any(|id| id.0 == told), "{:#?}", first.steps.keys());
    run_until(&world, &first, |event| {
        event.step.0 == told && matches!(event.what, tsinfra::apply::event::What::Done { .. })
    });
    let next = plan_for(&world, &asked, Purpose::Apply, &consents);
    assert!(!next.steps.keys().any(|id| id.0.starts_with("give-up/")), "{:#?}", next.steps.keys());
    let outcome = run(&world, &next);
    assert!(outcome.is_complete(&next), "{outcome:#?}");
    assert_settled(&world, &asked);
}

/// One claim of a member is of another database: none of its claims goes.
#[test]
fn a_claim_of_another_database_is_kept_with_its_sibling() {
    let deleting = CLOUD.replace("\"retain\"", "\"delete\"");
    let world = world(&deleting);
    let other = json!({ "metadata": { "annotations": { "tsinfra.dev/database-id": "another" } } });
    edit(&world.sandbox, "kubectl", &claim("data-history-data-1"), other);
    destroy_all(&world, &stack(&deleting));
    assert_eq!(claims_left(&world), [claim("data-history-data-1"), claim("wal-history-data-1")]);
}

#[test]
fn a_claim_that_is_left_out_of_a_destroy_keeps_its_sibling() {
    let deleting = CLOUD.replace("\"retain\"", "\"delete\"");
    let world = world(&deleting);
    let excluded = "PersistentVolumeClaim/tsdb/wal-history-data-1".parse().unwrap();
    let selection = Selection { targets: Vec::new(), excludes: vec![excluded] };
    let stack = stack(&deleting);
    let request =
        Request { stack: &stack, digest: "of-a-test", purpose: Purpose::Destroy, consents: &[] };
    let plan = block_on(survey::part(&world, &request, &selection)).unwrap();
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_eq!(claims_left(&world), [claim("data-history-data-1"), claim("wal-history-data-1")]);
}

/// A volume somebody has set aside for another claim is not free.
#[test]
fn a_volume_set_aside_for_others_is_not_counted() {
    let text = offering(LOCAL, &[(4, "")]);
    let world = world(&text);
    let live = world.sandbox.snapshot();
    let is_free = |(key, live): &(&ObjectKey, &Value)| {
        key.name.contains("ssd") && live["status"]["phase"] == "Available"
    };
    let (free, _) = live.of_kind(Kind::PersistentVolume).find(is_free).unwrap();
    let four = stack(&changed(&text, "nodes     = 3", "nodes     = 4"));
    assert_eq!(plan(&world, &four).blocked, vec![]);
    let other = json!({ "spec": { "claimRef": { "namespace": "web", "name": "cache" } } });
    edit(&world.sandbox, "kubectl", free, other);
    let refused = plan(&world, &four);
    assert_eq!(rules(&refused), ["volumes"], "{:#?}", refused.blocked);
}

/// The volumes of two members to come are on one machine, and the stack demands that they are spread: Kubernetes
/// would keep the second one waiting for ever.
#[test]
fn members_come_on_machines_of_their_own() {
    let text = offering(LOCAL, &[(4, ""), (4, "2"), (5, "")]);
    let world = world(&text);
    let five = stack(&changed(&text, "nodes     = 3", "nodes     = 5"));
    assert_eq!(plan(&world, &five).blocked, vec![]);
    let all = |members: u32| -> BTreeSet<String> {
        (0..members).flat_map(|it| machines(&world, &format!("history-data-{it}"))).collect()
    };
    let taken = all(3);
    let empty = [1, 2, 3, 5].map(|it| format!("worker-{it}"));
    let empty = empty.iter().find(|it| !taken.contains(*it)).unwrap();
    let live = world.sandbox.snapshot();
    let is_its_data = |(_, volume): &(&ObjectKey, &Value)| {
        let volume = volume.to_string();
        volume.contains(&format!("\"{empty}\"")) && volume.contains("\"/mnt/iotdb/data\"")
    };
    let (volume, _) = live.of_kind(Kind::PersistentVolume).find(is_its_data).unwrap();
    let other = json!({ "spec": { "claimRef": { "namespace": "web", "name": "cache" } } });
    edit(&world.sandbox, "kubectl", volume, other);
    let refused = plan(&world, &five);
    assert_eq!(rules(&refused), ["volumes"], "{:#?}", refused.blocked);
    let reason = &refused.blocked[0].reason;
    assert!(
        reason.contains("worker-4 has volumes for") && reason.contains("of their own"),
        "{reason}"
    );
    let back = json!({ "spec": { "claimRef": null } });
    edit(&world.sandbox, "kubectl", volume, back);
    apply_all(&world, &five);
    assert_settled(&world, &five);
    assert_eq!(all(5).len(), 5);
}

/// In the moment in which a volume is bound and its claim does not say so yet, nobody is refused.
#[test]
fn a_bring_up_that_goes_on_is_not_refused() {
    let stack = stack(LOCAL);
    let world = Watched::over(sandbox(), &stack);
    apply_all(&world, &stack);
    for name in ["data-history-data-2", "wal-history-data-2"] {
        let claim = claim(name);
        world.sandbox.disturb(|cluster| {
            let object = std::sync::Arc::make_mut(cluster.objects.get_mut(&claim).unwrap());
            let value = object.value_mut();
            value["metadata"]["annotations"] = json!({});
            value["spec"].as_object_mut().unwrap().remove("volumeName");
            value["status"] = json!({ "phase": "Pending" });
        });
    }
    let plan = plan(&world, &stack);
    assert_eq!(plan.blocked, vec![]);
}

/// A world whose second DataNode has lost all its claims, with its pod, and waits for new volumes.
fn all_lost(text: &str) -> (Watched, Vec<String>) {
    let world = world(text);
    let claims = ["data-history-data-1", "wal-history-data-1"];
    let lost: Vec<String> = claims.iter().map(|name| volume(&world, name)).collect();
    world.sandbox.disturb(|cluster| {
        cluster.delete(&within(Kind::Pod, "history-data-1"));
        claims.iter().for_each(|name| cluster.delete(&claim(name)));
    });
    pass(&world, 60);
    (world, lost)
}

/// The database lists the member: started empty in its place, it would be taken for one that has its replicas.
#[test]
fn a_member_that_has_lost_everything_does_not_start_empty() {
    let (world, lost) = all_lost(LOCAL);
    let machine = lost[0].split('-').nth(3).unwrap();
    let asked = stack(&offering(LOCAL, &[(4, "")]));
    let refused = plan(&world, &asked);
    assert!(rules(&refused).iter().all(|rule| *rule == "kept-claims"), "{:#?}", refused.blocked);
    let said = &refused.blocked.iter().find(|it| it.address.ends_with("pool.data")).unwrap();
    assert!(said.reason.contains("would start empty as that member"), "{said:#?}");
    assert!(said.help.contains("claimRef") && said.help.contains("tsinfra replace"), "{said:#?}");
    assert!(said.help.contains(&format!("worker-{machine}")), "{said:#?}");
    // The way on, with the volumes held back until the database has given the member up.
    let consents = LOST.map(str::to_owned);
    let plan = plan_for(&world, &asked, Purpose::Apply, &consents);
    assert_eq!(plan.blocked, vec![]);
    let made = plan.steps.iter().filter(|(id, _)| id.0.starts_with("create/PersistentVolume/"));
    let given_up = "given-up/Pod/tsdb/history-data-1";
    for (_, step) in made {
        assert!(step.after.iter().any(|id| id.0 == given_up), "{step:#?}");
    }
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_settled(&world, &asked);
    assert_eq!(machines(&world, "history-data-1"), ["worker-4".to_owned()].into());
}

/// The other way on its refusal names.
#[test]
fn a_member_comes_back_with_the_volumes_it_had() {
    let (world, lost) = all_lost(LOCAL);
    for volume in &lost {
        let volume = ObjectKey::global(Kind::PersistentVolume, volume.as_str());
        let reference = json!({ "uid": null, "resourceVersion": null });
        edit(&world.sandbox, "kubectl", &volume, json!({ "spec": { "claimRef": reference } }));
    }
    pass(&world, 60);
    apply_all(&world, &stack(LOCAL));
    assert_settled(&world, &stack(LOCAL));
    assert_eq!(volume(&world, "data-history-data-1"), lost[0]);
}

/// The first ConfigNode, started empty, founds another cluster over the data of this one.
#[test]
fn the_first_config_node_never_starts_empty_beside_data() {
    let meta = "  { node = \"worker-3\", path = \"/mnt/iotdb/config\", capacity = \"10Gi\" },\n";
    let asked = changed(LOCAL, meta, &format!("{meta}{}", meta.replace("worker-3", "worker-4")));
    for is_destroyed in [false, true] {
        let world = world(LOCAL);
        if is_destroyed {
            destroy_all(&world, &stack(LOCAL));
        }
        world.sandbox.disturb(|cluster| {
            if !is_destroyed {
                cluster.delete(&within(Kind::Pod, "history-config-0"));
            }
            cluster.delete(&claim("data-history-config-0"));
        });
        pass(&world, 60);
        for text in [LOCAL, &asked] {
            let refused = plan(&world, &stack(text));
            assert!(!refused.blocked.is_empty(), "{is_destroyed}");
            for entry in &refused.blocked {
                assert!(
                    entry.help.contains("claimRef") || entry.address.starts_with("storage."),
                    "{entry:#?}"
                );
                assert!(!entry.help.contains("add volumes"), "{entry:#?}");
            }
        }
    }
}

/// A log that is being deleted is there as long as its member runs: only what restarts it is refused.
#[test]
fn a_claim_on_its_way_out_blocks_nothing_but_restarts() {
    let world = world(CLOUD);
    world.sandbox.disturb(|cluster| {
        let claim = claim("wal-history-data-1");
        let object = std::sync::Arc::make_mut(cluster.objects.get_mut(&claim).unwrap());
        object.value_mut()["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    });
    let more = stack(&changed(CLOUD, "nodes     = 3", "nodes     = 4"));
    assert_eq!(plan(&world, &more).blocked, vec![]);
    let heavier = stack(&changed(CLOUD, "memory = \"8Gi\"", "memory = \"9Gi\""));
    assert_eq!(rules(&plan(&world, &heavier)), ["leaving-claim"]);
}

/// A volume object that was deleted from under a running member is not free for another one.
#[test]
fn a_directory_its_member_still_writes_to_is_not_free() {
    let world = world(LOCAL);
    let lost = ObjectKey::global(Kind::PersistentVolume, volume(&world, "data-history-data-1"));
    world.sandbox.disturb(|cluster| cluster.delete(&lost));
    let text = changed(LOCAL, "nodes     = 3", "nodes     = 4");
    let four = stack(&offering(&text, &[(4, "")]));
    let plan = plan(&world, &four);
    let bound = plan.notes.iter().find(|note| note.contains("data-history-data-3 will be bound"));
    assert!(bound.is_some_and(|note| !note.contains(&lost.name)), "{:#?}", plan.notes);
}

/// A volume to be made on a machine that does not run is none anybody could come to.
#[test]
fn volumes_to_be_made_on_a_machine_that_does_not_run_are_not_free() {
    let world = world(LOCAL);
    let node = ObjectKey::global(Kind::Node, "worker-4");
    let trouble = json!([{ "type": "Ready", "status": "Unknown" }]);
    world.sandbox.disturb(|cluster| {
        let object = std::sync::Arc::make_mut(cluster.objects.get_mut(&node).unwrap());
        object.value_mut()["status"]["conditions"] = trouble;
    });
    let text = changed(LOCAL, "nodes     = 3", "nodes     = 4");
    let asked = stack(&offering(&text, &[(4, "")]));
    let refused = plan(&world, &asked);
    assert_eq!(rules(&refused), ["volumes", "volumes"], "{:#?}", refused.blocked);
    assert!(refused.blocked[0].reason.contains("does not run"), "{:#?}", refused.blocked);
}

/// Who would be sent to `tsinfra replace` in vain is told what is left: the database gives the member up by hand, and
/// the next apply brings an empty one up.
#[test]
fn a_member_on_a_drivers_volumes_that_are_gone_is_given_up_by_hand() {
    let world = world(CLOUD);
    world.sandbox.disturb(|cluster| {
        cluster.stall_storage(Duration::from_secs(1_000_000));
        cluster.delete(&within(Kind::Pod, "history-data-1"));
        ["data", "wal"]
            .iter()
            .for_each(|it| cluster.delete(&claim(&format!("{it}-history-data-1"))));
    });
    pass(&world, 60);
    let refused = plan(&world, &stack(CLOUD));
    assert_eq!(rules(&refused), ["kept-claims"], "{:#?}", refused.blocked);
    let help = &refused.blocked[0].help;
    assert!(!help.contains("tsinfra replace") && help.contains("by hand"), "{help}");
    let seen = block_on(survey::look(&world, &stack(CLOUD), Purpose::Apply)).unwrap().observed;
    let Some(DatabaseView::Seen(topology)) = seen.databases.get("history") else { panic!() };
    let address = |it: u32| format!("history-data-{it}.history-data.tsdb.svc.cluster.local");
    let by_hand = topology.members.iter().find(|(at, _)| at.starts_with("history-data-1."));
    let by_hand = Statement::change(format!("REMOVE DATANODE {}", by_hand.unwrap().1.id));
    world.sandbox.disturb(|cluster| {
        let (now, asked) = (
            cluster.clock_ms,
            topology.members.keys().find(|at| **at != address(1) && at.contains("data")),
        );
        let database = cluster.databases.get_mut("tsdb/history").unwrap();
        assert_eq!(database.answer(asked.unwrap(), &by_hand, now), Some(Answer::Accepted));
        cluster.heal();
    });
    pass(&world, 120);
    apply_all(&world, &stack(CLOUD));
    assert_settled(&world, &stack(CLOUD));
}

/// A member whose machine takes no pods is not restarted: it would stay away until that is mended.
#[test]
fn nobody_restarts_whose_machine_takes_no_pods() {
    let heavier = |text: &str| stack(&changed(text, "memory = \"8Gi\"", "memory = \"9Gi\""));
    let taint = json!([{ "key": "dedicated", "value": "ai", "effect": "NoSchedule" }]);
    for spec in [json!({ "unschedulable": true }), json!({ "taints": taint })] {
        let world = world(LOCAL);
        let live = world.sandbox.snapshot();
        let pod = live.get(&within(Kind::Pod, "history-data-1")).unwrap();
        let node = pod["spec"]["nodeName"].as_str().unwrap();
        let node = ObjectKey::global(Kind::Node, node);
        edit(&world.sandbox, "kubectl", &node, json!({ "spec": spec }));
        let refused = plan(&world, &heavier(LOCAL));
        assert_eq!(rules(&refused), ["quorum"], "{:#?}", refused.blocked);
        assert!(refused.blocked[0].reason.starts_with("history-data-1 would not come back"));
        // Nothing restarts in this one.
        let protected =
            changed(LOCAL, "[cluster.history]\n", "[cluster.history]\nprotect = true\n");
        assert_eq!(plan(&world, &stack(&protected)).blocked, vec![]);
    }
}

/// Its pod has lost everything and takes the first volumes that come, those of a new member too. What makes room is a
/// pool on a tier of its own, which that pod cannot take, as its refusal says.
#[test]
fn what_makes_room_for_a_member_that_lost_everything_is_another_pool() {
    let few = LOCAL
        .replace("replication = 2", "replication = 3")
        .replace("replication   = 2", "replication   = 3");
    let (world, _) = all_lost(&few);
    let more = offering(&changed(&few, "nodes     = 3", "nodes     = 4"), &[(4, ""), (5, "")]);
    let consents = LOST.map(str::to_owned);
    let refused = plan_for(&world, &stack(&more), Purpose::Apply, &consents);
    assert_eq!(rules(&refused), ["replace"], "{:#?}", refused.blocked);
    let help = &refused.blocked[0].help;
    assert!(help.contains("a pool of one member with a tier of its own"), "{help}");
    let tiers = "\n[storage.spare]\nkind = \"local\"\nreclaim = \"retain\"\nvolumes = [\n  { node = \"worker-4\", \
                 path = \"/mnt/iotdb/spare\", capacity = \"200Gi\" },\n]\n[cluster.history.pool.spare]\n\
                 role = \"mixed\"\nnodes = 1\nstorage = { tier = \"spare\", size = \"50Gi\" }\n";
    let with_room = stack(&format!("{few}{tiers}"));
    let target = "cluster.history.pool.spare".parse().unwrap();
    let selection = Selection { targets: vec![target], excludes: Vec::new() };
    let (stack_of, digest) = (&with_room, "of-a-test");
    let request = Request { stack: stack_of, digest, purpose: Purpose::Apply, consents: &[] };
    let room = block_on(survey::part(&world, &request, &selection)).unwrap();
    assert_eq!(room.blocked, vec![]);
    assert!(run(&world, &room).is_complete(&room));
    let asked = stack(&format!("{}{tiers}", offering(&few, &[(5, "")])));
    let plan = plan_for(&world, &asked, Purpose::Apply, &consents);
    assert_eq!(plan.blocked, vec![]);
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_settled(&world, &asked);
}
