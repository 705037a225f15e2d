//! Checks of members that leave, each by itself (rules 2, 6 and 7).

use db_engine::engine::MemberState;
use tsinfra::observed::DatabaseView;
use tsinfra::plan::step::Until;

use super::*;

const THREE: &str = include_str!("../cases/scale-in/before.toml");
const TWO: &str = include_str!("../cases/scale-in/stack.toml");
const LEAVER: &str = "history-data-2";

fn three() -> Sandbox {
    let world = sandbox();
    apply_all(&world, &stack(THREE));
    world
}

fn address(pod: &str) -> String {
    format!("{pod}.history-data.tsdb.svc.cluster.local")
}

/// What the database says of a member.
fn listed<'a>(seen: &'a mut Observed, pod: &str) -> &'a mut db_engine::engine::TopologyMember {
    topology(seen).members.get_mut(&address(pod)).unwrap()
}

fn topology(seen: &mut Observed) -> &mut db_engine::engine::Topology {
    match seen.databases.get_mut("history").unwrap() {
        DatabaseView::Seen(topology) => topology,
        other => panic!("{other:?}"),
    }
}

fn drain() -> StepId {
    id(&format!("drain/Pod/tsdb/{LEAVER}"))
}

fn claim() -> ObjectKey {
    within(Kind::PersistentVolumeClaim, &format!("data-{LEAVER}"))
}

fn less(world: &Sandbox, change: impl FnOnce(&mut Observed)) -> Plan {
    plan_of(world, &stack(TWO), Purpose::Apply, change)
}

/// Rule 2: the edges that keep a member's data.
#[test]
fn a_set_shrinks_after_its_member_has_left_and_a_claim_goes_after_that() {
    let plan = less(&three(), |_| ());
    let shrinks = id("update/StatefulSet/tsdb/history-data");
    assert!(plan.steps[&shrinks].after.contains(&drain()));
    let goes = &plan.steps[&id(&format!("delete/{}", claim()))];
    assert!(goes.after.contains(&shrinks), "{goes:#?}");
    assert!(goes.after.contains(&id(&format!("hold/{}", claim()))), "{goes:#?}");
    for step in [&shrinks, &id(&format!("delete/{}", claim()))] {
        let left = |one: &Expect| matches!(one, Expect::Left { .. });
        assert!(plan.steps[step].expects.iter().any(left), "{step}");
    }
    assert!(matches!(plan.steps[&drain()].until, Until::Left { id: 3.., .. }));
}

/// Rule 6: from the highest ordinal, one after the other.
#[test]
fn members_leave_one_after_the_other() {
    let one = stack(
        &TWO.replace("schema_replication = 2", "schema_replication = 1")
            .replace("data_replication   = 2", "data_replication   = 1")
            .replace("nodes     = 2", "nodes     = 1"),
    );
    let before = stack(
        &THREE
            .replace("schema_replication = 2", "schema_replication = 1")
            .replace("data_replication   = 2", "data_replication   = 1"),
    );
    let world = sandbox();
    apply_all(&world, &before);
    let plan = plan(&world, &one);
    assert_eq!(plan.blocked, vec![]);
    let second = &plan.steps[&id("drain/Pod/tsdb/history-data-1")];
    assert!(second.after.contains(&id("shrink/StatefulSet/tsdb/history-data/2")), "{second:#?}");
    apply_all(&world, &one);
    assert_eq!(super::plan(&world, &one).steps.len(), 0);
}

/// What is leaving already is told nothing, and what has left needs no telling.
#[test]
fn a_member_is_told_to_leave_only_while_it_stays() {
    let world = three();
    let leaving = less(&world, |seen| listed(seen, LEAVER).state = MemberState::Leaving);
    assert_eq!(leaving.steps[&drain()].action, Action::Await);
    let left = less(&world, |seen| drop(topology(seen).members.remove(&address(LEAVER))));
    assert!(!left.steps.contains_key(&drain()));
    assert_eq!(left.blocked, vec![]);
}

/// Nobody leaves while another is away, nor while those that stay restart.
#[test]
fn nobody_leaves_while_another_is_away_or_restarts() {
    let world = three();
    let pool = ("scale-in", "cluster.history.pool.data");
    for state in [MemberState::Unknown, MemberState::ReadOnly] {
        let plan = less(&world, |seen| listed(seen, "history-data-0").state = state);
        assert_eq!(rules(&plan), [pool]);
    }
    let lighter = stack(&TWO.replace("memory = \"8Gi\"", "memory = \"7Gi\""));
    assert_ne!(lighter, stack(TWO));
    assert!(rules(&plan(&world, &lighter)).contains(&pool));
    let [larger_three, larger_two] = [THREE, TWO].map(|text| {
        let expandable = "reclaim     = \"delete\"\nexpandable  = true";
        let text = text.replace("reclaim     = \"delete\"", expandable);
        assert!(text.contains("expandable"));
        text
    });
    let larger_two = larger_two.replace("size = \"20Gi\"", "size = \"40Gi\"");
    let world = sandbox();
    apply_all(&world, &stack(&larger_three));
    assert!(rules(&super::plan(&world, &stack(&larger_two))).contains(&pool));
}

/// Rule 7: a claim above the members of its set goes only where the database says that it has no such
/// member, no pod of it is there, and it is this stack's.
#[test]
fn a_claim_that_was_left_goes_only_when_its_member_has_left() {
    let world = three();
    let shrunk = |seen: &mut Observed| {
        let set = within(Kind::StatefulSet, "history-data");
        value(seen, &set)["spec"]["replicas"] = json!(2);
        seen.objects.remove(&within(Kind::Pod, LEAVER));
    };
    let gone = |seen: &mut Observed| drop(topology(seen).members.remove(&address(LEAVER)));
    let goes = |plan: &Plan| plan.steps.contains_key(&id(&format!("delete/{}", claim())));
    assert!(goes(&less(&world, |seen| {
        shrunk(seen);
        gone(seen);
    })));
    assert!(!goes(&less(&world, shrunk)));
    let lost = |regions| {
        less(&world, |seen| {
            shrunk(seen);
            let member = listed(seen, LEAVER);
            (member.state, member.regions) = (MemberState::Unknown, regions);
        })
    };
    assert!(!goes(&lost(2)));
    assert!(lost(2).notes.iter().any(|note| note.contains(LEAVER)), "{:#?}", lost(2).notes);
    // Nothing is lost with one that holds nothing.
    let empty = lost(0);
    assert!(empty.steps[&id(&format!("delete/{}", claim()))].after.contains(&drain()));
    let pod_is_there = less(&world, |seen| {
        let pod = seen.objects[&within(Kind::Pod, LEAVER)].clone();
        shrunk(seen);
        gone(seen);
        seen.objects.insert(within(Kind::Pod, LEAVER), pod);
    });
    assert!(!goes(&pod_is_there));
    let silent = less(&world, |seen| {
        shrunk(seen);
        let why = "no route".to_owned();
        seen.databases.insert("history".to_owned(), DatabaseView::Unreachable { why });
    });
    assert!(!goes(&silent));
    let of_another = less(&world, |seen| {
        shrunk(seen);
        gone(seen);
        seen.inventory = None;
        value(seen, &claim())["metadata"]["labels"] = json!({});
    });
    assert!(!goes(&of_another));
}

/// Nobody is drained beside members that restart, nor does anybody restart beside one that leaves.
#[test]
fn a_drain_and_a_restart_never_go_side_by_side() {
    let world = three();
    let set = within(Kind::StatefulSet, "history-data");
    let rolling = less(&world, |seen| value(seen, &set)["status"]["updatedReplicas"] = json!(1));
    let ready = id(&format!("ready/{set}"));
    assert!(rolling.steps[&drain()].after.contains(&ready), "{:#?}", rolling.steps);
    assert!(rolling.steps[&drain()].expects.contains(&Expect::Ready { object: set.clone() }));
    let larger = stack(&THREE.replace("memory = \"8Gi\"", "memory = \"9Gi\""));
    let leaving = plan_of(&world, &larger, Purpose::Apply, |seen| {
        listed(seen, LEAVER).state = MemberState::Leaving;
    });
    let set = set.to_string();
    assert!(rules(&leaving).contains(&("quorum", set.as_str())), "{:#?}", leaving.blocked);
}

/// A claim whose member has just left waits until its pod has stopped.
#[test]
fn a_claim_goes_after_a_pod_that_is_still_stopping() {
    let world = three();
    let plan = less(&world, |seen| {
        value(seen, &within(Kind::StatefulSet, "history-data"))["spec"]["replicas"] = json!(2);
        topology(seen).members.remove(&address(LEAVER));
        let pod = value(seen, &within(Kind::Pod, LEAVER));
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-22T09:00:00Z");
    });
    let goes = &plan.steps[&id(&format!("delete/{}", claim()))];
    assert!(goes.after.contains(&id(&format!("stopped/Pod/tsdb/{LEAVER}"))), "{goes:#?}");
}

/// What leaves one pool can go to the members that come to another.
#[test]
fn members_leave_once_those_to_come_are_there() {
    let pool = |name: &str, nodes: u32| {
        format!(
            "\n[cluster.history.pool.{name}]\nrole = \"mixed\"\nnodes = {nodes}\n\
             storage = {{ tier = \"cloud\", size = \"20Gi\" }}\nresources = {{ cpu = \"2\", memory = \"8Gi\" }}\n"
        )
    };
    let world = sandbox();
    apply_all(&world, &stack(&(THREE.to_owned() + &pool("warm", 1))));
    let plan = plan(&world, &stack(&(TWO.to_owned() + &pool("warm", 2) + &pool("young", 1))));
    assert_eq!(plan.blocked, vec![]);
    for other in ["warm", "young"] {
        let joins = id(&format!("join/history/{other}"));
        assert!(plan.steps[&drain()].after.contains(&joins), "{:#?}", plan.steps[&drain()]);
    }
}
