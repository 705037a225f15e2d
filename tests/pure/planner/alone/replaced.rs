//! Checks of members that are replaced, each by itself (rules 2, 3 and 7).

use db_engine::engine::{MemberState, Topology, TopologyMember};
use tsinfra::observed::DatabaseView;
use tsinfra::plan::step::Until;

use super::*;
use crate::planner::mishaps::{LOST, a_lost_member_was_given_up, a_machine_gone_for_good};

const BEFORE: &str = include_str!("../cases/replace/before.toml");
const SPARE: &str = include_str!("../cases/replace/stack.toml");
const ONE_MORE: [&str; 2] = [
    include_str!("../cases/replace-with-one-more/before.toml"),
    include_str!("../cases/replace-with-one-more/stack.toml"),
];

fn with_one_lost() -> Sandbox {
    let world = sandbox();
    apply_all(&world, &stack(BEFORE));
    a_machine_gone_for_good(&world, &stack(SPARE));
    world
}

fn pod() -> ObjectKey {
    within(Kind::Pod, "history-data-1")
}

fn claim() -> ObjectKey {
    within(Kind::PersistentVolumeClaim, "data-history-data-1")
}

fn replacement(world: &Sandbox, change: impl FnOnce(&mut Observed)) -> Plan {
    plan_with(world, &stack(SPARE), Purpose::Apply, &LOST, change)
}

fn to_be_run(world: &Sandbox, stack: &Stack) -> Plan {
    plan_for(world, stack, Purpose::Apply, &LOST.map(str::to_owned))
}

fn topology(seen: &mut Observed) -> &mut Topology {
    match seen.databases.get_mut("history").unwrap() {
        DatabaseView::Seen(topology) => topology,
        other => panic!("{other:?}"),
    }
}

fn member<'a>(seen: &'a mut Observed, name: &str) -> &'a mut TopologyMember {
    let mut members = topology(seen).members.iter_mut();
    members.find(|(address, _)| address.starts_with(name)).unwrap().1
}

/// Rules 2, 3 and 7: the edges that keep what is left of the data.
#[test]
fn a_claim_goes_once_its_member_was_given_up_and_the_new_one_is_awaited() {
    let plan = replacement(&with_one_lost(), |_| ());
    assert_eq!(plan.blocked, vec![]);
    let step = |name: &str| &plan.steps[&id(name)];
    let given_up = "give-up/Pod/tsdb/history-data-1";
    let told = step(given_up);
    assert!(told.expects.iter().any(|one| matches!(one, Expect::Lost { .. })), "{told:#?}");
    assert!(told.after.contains(&id(&format!("mark/{}", claim()))), "{told:#?}");
    let waits = "given-up/Pod/tsdb/history-data-1";
    assert!(step(waits).after.contains(&id(&format!("told/{}", claim()))), "{:#?}", step(waits));
    let goes = step("delete/PersistentVolumeClaim/tsdb/data-history-data-1");
    assert!(goes.after.contains(&id(waits)), "{goes:#?}");
    assert!(goes.expects.iter().any(|one| matches!(one, Expect::Left { .. })), "{goes:#?}");
    let ready = step("ready/StatefulSet/tsdb/history-data");
    assert!(matches!(ready.until, Until::Rolled { replicas: 3, .. }));
    assert!(step("join/history/data").after.contains(&id("ready/StatefulSet/tsdb/history-data")));
}

/// It ends with an empty member on the volume that was free, under a new id.
#[test]
fn an_empty_member_comes_in_its_place() {
    let world = with_one_lost();
    let volume = || {
        let left = world.snapshot();
        left.get(&claim()).map(|live| live["spec"]["volumeName"].clone())
    };
    let before = volume();
    let plan = to_be_run(&world, &stack(SPARE));
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    let after = volume();
    assert_ne!(before, after);
    assert!(after.unwrap().as_str().unwrap().contains("worker-4"));
    let again = replacement(&world, |_| ());
    assert!(again.steps.is_empty() && again.blocked.is_empty(), "{again:#?}");
    assert!(again.notes.iter().any(|note| note.contains("lives, and is not replaced")));
}

/// Wherever a run is stopped, the next one with the same consent comes to the same end.
#[test]
fn a_replacement_that_is_stopped_is_taken_up() {
    let begin = with_one_lost();
    let plan = to_be_run(&begin, &stack(SPARE));
    assert_eq!(plan.steps.len(), 10, "{:#?}", plan.steps.keys());
    for stopped in plan.steps.keys() {
        for end in [false, true] {
            let world = Sandbox::resumed(begin.snapshot());
            run_until(&world, &plan, |event| {
                let is_done = matches!(event.what, tsinfra::apply::event::What::Done { .. });
                event.step == *stopped && is_done == end
            });
            for _ in 0..3 {
                let again = to_be_run(&world, &stack(SPARE));
                if again.blocked.is_empty() {
                    run(&world, &again);
                }
                rest(&world, 60);
            }
            let ended = to_be_run(&world, &stack(SPARE));
            assert!(ended.is_empty(), "stopped at {stopped}: {ended:#?}");
            let live = world.snapshot();
            let volume = live.get(&claim()).unwrap()["spec"]["volumeName"].as_str().unwrap();
            assert!(volume.contains("worker-4"), "stopped at {stopped}: {volume}");
        }
    }
}

/// With as many members as replicas another one has to come first.
#[test]
fn those_to_come_are_there_before_a_member_is_given_up() {
    let [before, after] = ONE_MORE.map(stack);
    let world = sandbox();
    apply_all(&world, &before);
    a_machine_gone_for_good(&world, &after);
    let asked = to_be_run(&world, &after);
    assert_eq!(asked.blocked, vec![]);
    let told = &asked.steps[&id("give-up/Pod/tsdb/history-data-1")];
    assert!(told.after.contains(&id("join/history/data/new")), "{told:#?}");
    assert!(run(&world, &asked).is_complete(&asked));
    assert!(plan(&world, &after).steps.is_empty());
}

/// Nobody is given up who lives, or while another one is away, or where nobody can be asked.
#[test]
fn nobody_is_given_up_whom_something_depends_on() {
    let world = with_one_lost();
    let refused = ("replace", "cluster.history.pool.data");
    let another = replacement(&world, |seen| {
        member(seen, "history-data-0").state = MemberState::Unknown;
    });
    assert_eq!(rules(&another), [refused]);
    let running = replacement(&world, |seen| {
        member(seen, "history-data-1").state = MemberState::Running;
    });
    assert_eq!(rules(&running), [refused]);
    let silent = replacement(&world, |seen| {
        let why = "no route".to_owned();
        seen.databases.insert("history".to_owned(), DatabaseView::Unreachable { why });
    });
    assert_eq!(rules(&silent), [refused]);
    let ready = replacement(&world, |seen| {
        value(seen, &pod())["status"]["conditions"] =
            json!([{ "type": "Ready", "status": "True" }]);
    });
    assert_eq!(rules(&ready), [refused]);
    let set = within(Kind::StatefulSet, "history-data");
    let no_set = replacement(&world, |seen| drop(seen.objects.remove(&set)));
    assert!(rules(&no_set).contains(&refused), "{:?}", no_set.blocked);
    let heavier = stack(&SPARE.replace("memory = \"8Gi\"", "memory = \"9Gi\""));
    let restarting = plan_with(&world, &heavier, Purpose::Apply, &LOST, |_| ());
    assert!(rules(&restarting).contains(&refused), "{:?}", restarting.blocked);
    let two = [LOST[0], "Pod/tsdb/history-data-0"];
    let both = plan_with(&world, &stack(SPARE), Purpose::Apply, &two, |seen| {
        value(seen, &within(Kind::Pod, "history-data-0"))["status"]["conditions"] = json!([]);
        member(seen, "history-data-0").state = MemberState::Unknown;
    });
    assert!(rules(&both).contains(&refused), "{:?}", both.blocked);
    let voter = ["Pod/tsdb/history-config-1"];
    let voter = plan_with(&world, &stack(SPARE), Purpose::Apply, &voter, |_| ());
    assert_eq!(rules(&voter), [("replace", "cluster.history.pool.config")]);
    let full = plan_with(&world, &stack(BEFORE), Purpose::Apply, &LOST, |_| ());
    assert_eq!(rules(&full), [("volumes", "storage.ssd")]);
}

/// A member the database does not list any more is the lost one only where its claim says so, or its machine.
#[test]
fn the_empty_one_that_comes_is_not_given_up_in_its_turn() {
    let world = sandbox();
    apply_all(&world, &stack(BEFORE));
    a_lost_member_was_given_up(&world, &stack(SPARE));
    let goes = |plan: &Plan| plan.steps.contains_key(&id(&format!("delete/{}", claim())));
    assert!(goes(&replacement(&world, |_| ())));
    let label = "tsinfra.dev/given-up";
    let by_hand = replacement(&world, |seen| {
        value(seen, &claim())["metadata"]["labels"][label].take();
    });
    assert!(goes(&by_hand), "its claim says that it was a member");
    let starting = replacement(&world, |seen| {
        let claim = value(seen, &claim());
        claim["metadata"]["labels"][label].take();
        claim["metadata"]["annotations"].take();
        claim["spec"]["volumeName"] = json!("plant-ssd-worker-4-a47263c1");
        value(seen, &pod())["spec"]["nodeName"] = json!("worker-4");
    });
    assert!(!goes(&starting) && starting.blocked.is_empty(), "{starting:#?}");
    assert!(
        starting.notes.iter().any(|note| note.contains("an empty one is coming up")),
        "{:?}",
        starting.notes
    );
}

/// Who has stopped on a machine that is gone, nobody there says: its pod is removed without.
#[test]
fn a_pod_is_removed_without_its_machine_only_where_that_is_gone() {
    let world = with_one_lost();
    let on = |node: &str, ready: &str| {
        replacement(&world, |seen| {
            value(seen, &pod())["spec"]["nodeName"] = json!(node);
            let machine = ObjectKey::global(Kind::Node, "worker-3");
            value(seen, &machine)["status"]["conditions"] =
                json!([{ "type": "Ready", "status": ready }]);
        })
    };
    let action = |plan: &Plan| {
        plan.steps.get(&id("delete/Pod/tsdb/history-data-1")).map(|it| it.action.clone())
    };
    for (node, ready) in [("worker-2", "True"), ("worker-3", "Unknown")] {
        let plan = on(node, ready);
        assert!(matches!(action(&plan), Some(Action::Abandon { .. })), "{node} {plan:#?}");
    }
    let alive = on("worker-3", "True");
    assert!(matches!(action(&alive), Some(Action::Delete { .. })), "{alive:#?}");
    assert_eq!(action(&replacement(&world, |_| ())), None, "it is on no machine");
}

/// A volume that is not bound to a machine outlives one: such a member is brought back, and not replaced.
#[test]
fn who_comes_back_with_its_data_is_not_replaced() {
    let text = include_str!("../cases/scale-in/before.toml");
    let world = sandbox();
    apply_all(&world, &stack(text));
    world.disturb(|cluster| cluster.crash(&pod(), Duration::from_secs(3600)));
    rest(&world, 60);
    let plan = plan_with(&world, &stack(text), Purpose::Apply, &LOST, |_| ());
    assert_eq!(rules(&plan), [("replace", "cluster.history.pool.data")]);
    assert!(plan.blocked[0].help.contains("out-of-service"), "{:?}", plan.blocked);
}

/// One that has just joined in the place of the lost one, and is starting or not heard of yet, is not taken for
/// it; once it has run, its claim says whose it is, and it may be lost in its turn.
#[test]
fn a_newcomer_is_not_given_up_and_one_that_has_run_may_be() {
    let world = with_one_lost();
    let plan = to_be_run(&world, &stack(SPARE));
    assert!(run(&world, &plan).is_complete(&plan));
    let away = |seen: &mut Observed| {
        value(seen, &pod())["status"]["conditions"] = json!([]);
        member(seen, "history-data-1").state = MemberState::Unknown;
    };
    let again = replacement(&world, away);
    let goes = |plan: &Plan| plan.steps.contains_key(&id(&format!("delete/{}", claim())));
    assert!(again.blocked.iter().all(|it| it.rule == "volumes"), "{:?}", again.blocked);
    assert!(goes(&again), "it has run: its disk may be lost while its machine runs");
    let newcomer = replacement(&world, |seen| {
        away(seen);
        let annotations = &mut value(seen, &claim())["metadata"]["annotations"];
        annotations.as_object_mut().unwrap().remove("tsinfra.dev/member-id");
    });
    assert!(!goes(&newcomer) && newcomer.blocked.is_empty(), "{newcomer:#?}");
    assert!(newcomer.notes.iter().any(|note| note.contains("an empty one is coming up")));
}

/// Volumes of machines that do not run are nobody's.
#[test]
fn a_volume_on_a_machine_that_is_gone_is_no_room() {
    let world = with_one_lost();
    let with_the_spare_on_a_machine = |ready: &'static str| {
        replacement(&world, move |seen| {
            let volume = |node: &str| {
                ObjectKey::global(Kind::PersistentVolume, format!("plant-ssd-{node}-a47263c1"))
            };
            let text = seen.objects[&volume("worker-2")].value.to_string();
            let mut spare: Value = text.replace("worker-2", "worker-4").parse().unwrap();
            spare["status"]["phase"] = json!("Available");
            spare["spec"]["claimRef"].take();
            seen.objects.insert(volume("worker-4"), LiveObject::of(spare));
            let machine = ObjectKey::global(Kind::Node, "worker-4");
            value(seen, &machine)["status"]["conditions"] =
                json!([{ "type": "Ready", "status": ready }]);
        })
    };
    assert_eq!(rules(&with_the_spare_on_a_machine("True")), []);
    let gone = with_the_spare_on_a_machine("Unknown");
    assert_eq!(rules(&gone), [("volumes", "storage.ssd")]);
    assert!(gone.blocked[0].reason.contains("worker-4"), "{:?}", gone.blocked);
}

/// What the database was told is of one member; the mark comes off when it lives after all.
#[test]
fn a_mark_is_of_one_member_and_comes_off_when_it_lives() {
    let world = with_one_lost();
    let marked = |word: &'static str| {
        replacement(&world, move |seen| {
            value(seen, &claim())["metadata"]["labels"]["tsinfra.dev/given-up"] = json!(word);
        })
    };
    let told = |plan: &Plan| plan.steps.contains_key(&id("give-up/Pod/tsdb/history-data-1"));
    let listed = block_on(survey::look(&world, &stack(SPARE), Purpose::Apply)).unwrap();
    let mut seen = listed.observed;
    let now: &'static str = format!("told-{}", member(&mut seen, "history-data-1").id).leak();
    assert!(!told(&marked(now)), "it was told");
    assert!(told(&marked("told-77")), "another one was");
    assert!(told(&marked("true")));
    let (world, asked) = (sandbox(), stack(BEFORE));
    apply_all(&world, &asked);
    let alive = plan_of(&world, &asked, Purpose::Apply, |seen| {
        value(seen, &claim())["metadata"]["labels"]["tsinfra.dev/given-up"] = json!("true");
    });
    assert_eq!(alive.steps.keys().collect::<Vec<_>>(), [&id(&format!("unmark/{}", claim()))]);
}

/// Who makes room is waited for, so that only those count who come to the same pool.
#[test]
fn members_to_come_to_another_pool_are_no_room() {
    let [before, _] = ONE_MORE.map(stack);
    let world = sandbox();
    apply_all(&world, &before);
    let pool = "\n[storage.cloud]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\nreclaim = \"delete\"\n\
                [cluster.history.pool.more]\nrole = \"mixed\"\nnodes = 1\n\
                storage = { tier = \"cloud\", size = \"20Gi\" }\n";
    let [text, _] = ONE_MORE;
    let asked = stack(&(text.to_owned() + pool));
    a_machine_gone_for_good(&world, &asked);
    let plan = plan_with(&world, &asked, Purpose::Apply, &LOST, |_| ());
    assert!(rules(&plan).contains(&("replace", "cluster.history.pool.data")), "{:?}", plan.blocked);
}

/// What runs on once the database has given it up, as behind a cut line, is none of its members.
#[test]
fn who_was_given_up_and_runs_again_is_replaced_all_the_same() {
    let world = sandbox();
    apply_all(&world, &stack(BEFORE));
    a_lost_member_was_given_up(&world, &stack(SPARE));
    let back = replacement(&world, |seen| {
        let pod = value(seen, &pod());
        pod["spec"]["nodeName"] = json!("worker-3");
        pod["status"]["conditions"] = json!([{ "type": "Ready", "status": "True" }]);
    });
    assert_eq!(back.blocked, vec![]);
    let goes = &back.steps[&id("delete/Pod/tsdb/history-data-1")];
    assert!(goes.expects.iter().any(|one| matches!(one, Expect::Left { .. })), "{goes:#?}");
}
