//! Checks of pools that end while their cluster goes on, each by itself (rules 2, 6 and 7).

use db_engine::engine::MemberState;
use tsinfra::observed::DatabaseView;

use super::*;
use crate::planner::mishaps::orphan;

const TWO_POOLS: &str = include_str!("../cases/pool-removed-interrupted/before.toml");
const ONE_POOL: &str = include_str!("../cases/pool-removed-interrupted/stack.toml");
const EXCHANGED: [&str; 2] = [
    include_str!("../cases/pool-exchanged/before.toml"),
    include_str!("../cases/pool-exchanged/stack.toml"),
];

fn two_pools() -> Sandbox {
    let world = sandbox();
    apply_all(&world, &stack(TWO_POOLS));
    world
}

fn set() -> ObjectKey {
    within(Kind::StatefulSet, "history-warm")
}

fn without(world: &Sandbox, change: impl FnOnce(&mut Observed)) -> Plan {
    plan_of(world, &stack(ONE_POOL), Purpose::Apply, change)
}

/// Rules 2, 6 and 7: one after the other, each drained before its set shrinks, its claim after that; and the
/// set goes last, with nobody in it.
#[test]
fn members_leave_one_by_one_before_their_set_goes() {
    let plan = without(&two_pools(), |_| ());
    assert_eq!(plan.blocked, vec![]);
    let after = |step: &str, before: &str| {
        let step = &plan.steps[&id(step)];
        assert!(step.after.contains(&id(before)), "{step:#?}");
    };
    let shrink = |to: u32| format!("shrink/StatefulSet/tsdb/history-warm/{to}");
    for to in [0, 1] {
        after(&shrink(to), &format!("drain/Pod/tsdb/history-warm-{to}"));
        let claim = format!("delete/PersistentVolumeClaim/tsdb/data-history-warm-{to}");
        after(&claim, &shrink(to));
        after("delete/StatefulSet/tsdb/history-warm", &claim);
    }
    after("drain/Pod/tsdb/history-warm-0", &shrink(1));
    let goes = &plan.steps[&id("delete/StatefulSet/tsdb/history-warm")];
    assert!(goes.expects.contains(&Expect::AtMost { object: set(), replicas: 0 }), "{goes:#?}");
    after("delete/Service/tsdb/history-warm", "delete/StatefulSet/tsdb/history-warm");
}

/// What takes over is there before anybody leaves, and counts as who stays.
#[test]
fn a_pool_that_takes_over_is_there_before_the_old_one_leaves() {
    let [before, after] = EXCHANGED.map(stack);
    let world = sandbox();
    apply_all(&world, &before);
    let plan = plan(&world, &after);
    assert_eq!(plan.blocked, vec![]);
    for member in 0..3 {
        let drain = &plan.steps[&id(&format!("drain/Pod/tsdb/history-data-{member}"))];
        let first = member == 2;
        assert_eq!(drain.after.contains(&id("join/history/fast")), first, "{drain:#?}");
    }
    apply_all(&world, &after);
    assert!(super::plan(&world, &after).is_empty());
    let left = world.snapshot();
    let of_old = left.objects.keys().filter(|key| key.name.contains("history-data"));
    assert_eq!(of_old.count(), 0);
}

/// The database has not heard of a member lately.
fn lost(seen: &mut Observed, pod: &str, regions: u64) {
    let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") else { panic!() };
    let mut members = topology.members.iter_mut();
    let (_, member) = members.find(|(address, _)| address.starts_with(pod)).unwrap();
    (member.state, member.regions) = (MemberState::Unknown, regions);
}

/// One that came back into the database while its set shrank, and holds nothing, is no hindrance to those
/// that are still to leave: it is removed first.
#[test]
fn a_member_without_a_pod_that_holds_nothing_is_removed_before_the_next_leaves() {
    let world = two_pools();
    let plan_with = |regions| {
        without(&world, |seen| {
            value(seen, &set())["spec"]["replicas"] = json!(1);
            seen.objects.remove(&within(Kind::Pod, "history-warm-1"));
            lost(seen, "history-warm-1", regions);
        })
    };
    assert_eq!(rules(&plan_with(1)), [("scale-in", "cluster.history.pool.warm")]);
    let empty = plan_with(0);
    assert_eq!(empty.blocked, vec![]);
    let next = &empty.steps[&id("drain/Pod/tsdb/history-warm-0")];
    assert!(next.after.contains(&id("drain/Pod/tsdb/history-warm-1")), "{next:#?}");
}

/// Who takes over and is only starting is waited for; who has failed is not.
#[test]
fn a_pool_ends_once_those_that_are_starting_run() {
    let [before, after] = EXCHANGED.map(stack);
    let world = sandbox();
    apply_all(&world, &before);
    let first = plan(&world, &after);
    run_until(&world, &first, |event| event.step.0 == "create/StatefulSet/tsdb/history-fast");
    rest(&world, 5);
    let again = plan(&world, &after);
    assert_eq!(again.blocked, vec![]);
    let drain = &again.steps[&id("drain/Pod/tsdb/history-data-2")];
    assert!(drain.after.contains(&id("join/history/fast")), "{:#?}", again.steps.keys());
    let failed = plan_of(&world, &after, Purpose::Apply, |seen| {
        lost(seen, "history-fast-0", 0);
        let pod = value(seen, &within(Kind::Pod, "history-fast-0"));
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(3);
        pod["status"]["conditions"] = json!([]);
    });
    assert_eq!(rules(&failed), [("scale-in", "cluster.history.pool.data")]);
}

/// Nobody leaves whose data would be lost, nor is a set that somebody deletes waited for in vain.
#[test]
fn a_pool_stays_while_its_members_cannot_leave() {
    let world = two_pools();
    let pool = ("scale-in", "cluster.history.pool.warm");
    let topology =
        |seen: &mut Observed, change: fn(&mut db_engine::engine::TopologyMember)| match seen
            .databases
            .get_mut("history")
            .unwrap()
        {
            DatabaseView::Seen(topology) => {
                let mut members = topology.members.iter_mut();
                let warm = members.find(|(address, _)| address.starts_with("history-warm-0"));
                change(warm.unwrap().1);
            }
            other => panic!("{other:?}"),
        };
    let lost = without(&world, |seen| {
        topology(seen, |member| (member.state, member.regions) = (MemberState::Unknown, 2));
    });
    assert_eq!(rules(&lost), [pool]);
    let silent = without(&world, |seen| {
        let why = "no route".to_owned();
        seen.databases.insert("history".to_owned(), DatabaseView::Unreachable { why });
    });
    assert_eq!(rules(&silent), [pool]);
    let going = without(&world, |seen| {
        value(seen, &set())["metadata"]["deletionTimestamp"] = json!("2026-11-22T09:00:00Z");
    });
    assert_eq!(rules(&going), [("leaving", "StatefulSet/tsdb/history-warm")]);
    assert!(!going.steps.keys().any(|id| id.0.contains("history-warm")), "{:#?}", going.steps);
    let renamed = TWO_POOLS.replace("pool.config]", "pool.voters]");
    let refused = plan(&world, &stack(&renamed));
    let control = ("scale-in", "cluster.history.pool.config");
    assert!(rules(&refused).contains(&control), "{:#?}", refused.blocked);
}

/// Members whose StatefulSet somebody has taken away from around them leave all the same, each with its pod;
/// its Service, which their names are known by, goes after them.
#[test]
fn members_without_their_set_leave_with_their_pods() {
    let world = two_pools();
    orphan(&world, "history-warm");
    let plan = plan(&world, &stack(ONE_POOL));
    assert_eq!(plan.blocked, vec![]);
    let pod = |n| id(&format!("delete/Pod/tsdb/history-warm-{n}"));
    for n in [0, 1] {
        let goes = &plan.steps[&pod(n)];
        assert!(goes.after.contains(&id(&format!("drain/Pod/tsdb/history-warm-{n}"))), "{goes:#?}");
        assert!(goes.expects.contains(&Expect::LetGo { object: set() }), "{goes:#?}");
        assert!(plan.steps[&id("delete/Service/tsdb/history-warm")].after.contains(&pod(n)));
    }
    assert!(plan.steps[&id("drain/Pod/tsdb/history-warm-0")].after.contains(&pod(1)));
    apply_all(&world, &stack(ONE_POOL));
    assert!(super::plan(&world, &stack(ONE_POOL)).is_empty());
    let left = world.snapshot();
    assert!(!left.objects.keys().any(|key| key.name.contains("history-warm")));
}

/// Whoever scales such a set while it shrinks ends no member undrained.
#[test]
fn a_set_that_was_scaled_meanwhile_is_left_alone() {
    let world = two_pools();
    let asked = plan(&world, &stack(ONE_POOL));
    let more = json!({ "spec": { "replicas": 3 } });
    world.disturb(|cluster| cluster.edit_as("kubectl-scale", &set(), &more)).unwrap();
    let outcome = run(&world, &asked);
    assert!(!outcome.is_complete(&asked), "{outcome:#?}");
    assert!(world.snapshot().get(&set()).is_some());
}

/// Claims of a pool whose set somebody has deleted go only where the database lists no such member.
#[test]
fn claims_of_a_pool_that_is_gone_go_once_nobody_counts_on_them() {
    let world = two_pools();
    let claim = id("delete/PersistentVolumeClaim/tsdb/data-history-warm-0");
    let gone = |seen: &mut Observed| {
        seen.objects.remove(&set());
        seen.objects
            .retain(|key, _| key.kind != Kind::Pod || !key.name.starts_with("history-warm"));
    };
    let listed = without(&world, gone);
    assert!(!listed.steps.contains_key(&claim), "{:#?}", listed.steps);
    let left = without(&world, |seen| {
        gone(seen);
        if let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") {
            topology.members.retain(|address, _| !address.starts_with("history-warm"));
        }
    });
    assert_eq!(left.blocked, vec![]);
    let goes = &left.steps[&claim];
    assert!(goes.expects.contains(&Expect::LetGo { object: set() }), "{goes:#?}");
}

/// A volume that would go with its claim although its tier keeps is kept with it.
#[test]
fn a_volume_of_a_tier_that_keeps_never_goes_with_its_claim() {
    let retain = |text: &str| text.replace("\"delete\"", "\"retain\"");
    let world = sandbox();
    apply_all(&world, &stack(&retain(TWO_POOLS)));
    let asked = stack(&retain(ONE_POOL));
    let claim = id("delete/PersistentVolumeClaim/tsdb/data-history-warm-1");
    assert!(plan_of(&world, &asked, Purpose::Apply, |_| ()).steps.contains_key(&claim));
    let plan = plan_of(&world, &asked, Purpose::Apply, |seen| {
        for key in
            seen.of_kind(Kind::PersistentVolume).map(|(key, _)| key.clone()).collect::<Vec<_>>()
        {
            value(seen, &key)["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
        }
    });
    assert!(!plan.steps.contains_key(&claim), "{:#?}", plan.steps);
}

/// Names are composed: what is left of `a-b` and `c` is none of `a` and `b-c`, which is there under that name.
#[test]
fn a_pool_whose_composed_name_is_another_s_takes_nothing_of_it() {
    let pool = |name: &str, nodes: u32| {
        format!(
            "\n[cluster.history.pool.{name}]\nrole = \"mixed\"\nnodes = {nodes}\n\
             storage = {{ tier = \"cloud\", size = \"20Gi\" }}\n"
        )
    };
    let asked = stack(&(ONE_POOL.to_owned() + &pool("b-c", 2)));
    let world = sandbox();
    apply_all(&world, &asked);
    let left = plan_of(&world, &asked, Purpose::Apply, |seen| {
        let claim = within(Kind::PersistentVolumeClaim, "data-history-b-c-0");
        let mut other = seen.objects[&claim].value.as_ref().clone();
        other["metadata"]["labels"]["tsinfra.dev/cluster"] = json!("history-b");
        other["metadata"]["labels"]["tsinfra.dev/pool"] = json!("c");
        seen.objects.insert(claim, LiveObject::of(other));
    });
    assert!(left.steps.is_empty(), "{:#?}", left.steps);
    assert_eq!(rules(&left), [("stale-claim", "PersistentVolumeClaim/tsdb/data-history-b-c-0")]);
    // Within one cluster, too: its own set is never taken for one of a pool that is gone.
    let within_one = plan_of(&world, &asked, Purpose::Apply, |seen| {
        let volume = ObjectKey::global(Kind::PersistentVolume, "left");
        let labels = json!({
            "tsinfra.dev/stack": "plant", "tsinfra.dev/cluster": "history", "tsinfra.dev/pool": "b-c-d",
        });
        let annotations = json!({ "tsinfra.dev/condemned-with": "u" });
        let left =
            json!({ "metadata": { "name": "left", "labels": labels, "annotations": annotations } });
        seen.objects.insert(volume, LiveObject::of(left));
    });
    assert!(!within_one.steps.keys().any(|id| id.0.contains("shrink")), "{:#?}", within_one.steps);
}

/// A set that somebody has scaled to nothing says nothing of its members: the database does.
#[test]
fn a_set_without_members_goes_only_when_the_database_lists_none_of_it() {
    let world = two_pools();
    let emptied = |seen: &mut Observed| {
        value(seen, &set())["spec"]["replicas"] = json!(0);
        let is_of_it =
            |key: &ObjectKey| key.kind == Kind::Pod && key.name.starts_with("history-warm");
        seen.objects.retain(|key, _| !is_of_it(key));
    };
    let refused = ("scale-in", "cluster.history.pool.warm");
    let listed = without(&world, |seen| {
        emptied(seen);
        lost(seen, "history-warm-0", 2);
        lost(seen, "history-warm-1", 2);
    });
    assert_eq!(rules(&listed), [refused]);
    assert!(!listed.steps.keys().any(|id| id.0.starts_with("delete/StatefulSet")));
    let silent = without(&world, |seen| {
        emptied(seen);
        let why = "no route".to_owned();
        seen.databases.insert("history".to_owned(), DatabaseView::Unreachable { why });
    });
    assert_eq!(rules(&silent), [refused]);
    // Ended by that, and not yet gone, or the database has not noticed.
    let stopping = without(&world, |seen| value(seen, &set())["spec"]["replicas"] = json!(0));
    assert_eq!(rules(&stopping), [refused]);
    assert_eq!(rules(&without(&world, emptied)), [refused]);
    let one = without(&world, |seen| value(seen, &set())["spec"]["replicas"] = json!(1));
    assert_eq!(rules(&one), [refused]);
    let set_and_pods_gone = without(&world, |seen| {
        emptied(seen);
        seen.objects.remove(&set());
        lost(seen, "history-warm-0", 2);
    });
    assert_eq!(rules(&set_and_pods_gone), [refused]);
    let empty = without(&world, |seen| {
        emptied(seen);
        lost(seen, "history-warm-1", 0);
        if let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") {
            topology.members.retain(|address, _| !address.starts_with("history-warm-0"));
        }
    });
    assert_eq!(empty.blocked, vec![]);
    let goes = &empty.steps[&id("delete/StatefulSet/tsdb/history-warm")];
    assert!(goes.after.contains(&id("drain/Pod/tsdb/history-warm-1")), "{goes:#?}");
}

/// Members that never joined are never ready, and are not waited for.
#[test]
fn a_pool_that_never_came_up_ends_in_one_run() {
    let world = two_pools();
    let plan = without(&world, |seen| {
        if let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") {
            topology.members.retain(|address, _| !address.starts_with("history-warm"));
        }
    });
    let shrinks = &plan.steps[&id("shrink/StatefulSet/tsdb/history-warm/1")];
    let pod = within(Kind::Pod, "history-warm-1");
    assert_eq!(shrinks.until, tsinfra::plan::step::Until::Gone { object: pod }, "{shrinks:#?}");
}

/// Whose members have left is for their own database to say.
#[test]
fn a_claim_of_another_database_is_kept() {
    let world = two_pools();
    let claim = within(Kind::PersistentVolumeClaim, "data-history-warm-1");
    let plan = without(&world, |seen| {
        value(seen, &claim)["metadata"]["annotations"]["tsinfra.dev/database-id"] =
            json!("another");
    });
    assert!(!plan.steps.contains_key(&id(&format!("delete/{claim}"))), "{:#?}", plan.steps.keys());
    assert!(plan.steps.contains_key(&id("shrink/StatefulSet/tsdb/history-warm/1")));
}
