//! Members that leave, and whose machine is gone: nobody waits for them, and nothing waits for their machine.

use tsinfra::plan::step::{Action, Expect};

use super::apart::{CLOUD, LOCAL, rules, world};
use super::halves::{changed, offering};
use super::interrupted::pass;
use super::mishaps::within;
use super::*;

/// For good.
const LONG: Duration = Duration::from_secs(1_000_000);

const LOST: &str = "history-data-2";

/// How a machine is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It does not answer.
    Away,
    /// Its Node was deleted, too.
    Deleted,
}

fn lose_the_machine_of(world: &Watched, pod: &str, how: How) {
    let pod = within(Kind::Pod, pod);
    let live = world.sandbox.snapshot();
    let node = live.get(&pod).unwrap()["spec"]["nodeName"].as_str().unwrap().to_owned();
    world.sandbox.disturb(|cluster| match how {
        How::Away => cluster.lose_node(&node, LONG),
        How::Deleted => cluster.delete(&ObjectKey::global(Kind::Node, node.as_str())),
    });
    pass(world, 120);
}

/// A pod that comes up no more, though its machine runs.
fn crash(world: &Watched, pod: &str) {
    let pod = within(Kind::Pod, pod);
    world.sandbox.disturb(|cluster| cluster.crash(&pod, LONG));
    pass(world, 120);
}

fn consents() -> [String; 1] {
    [format!("Pod/tsdb/{LOST}")]
}

fn fewer(text: &str, from: u32, to: u32) -> Stack {
    stack(&changed(text, &format!("nodes     = {from}"), &format!("nodes     = {to}")))
}

fn is_abandoned(plan: &Plan) -> bool {
    plan.steps.values().any(|step| matches!(step.action, Action::Abandon { .. }))
}

/// The member waits 45 minutes for nobody; what it holds is given up by the word of the user alone.
#[test]
fn who_leaves_with_its_machine_is_not_waited_for() {
    for how in [How::Away, How::Deleted] {
        let (text, world) = (LOCAL, world(LOCAL));
        lose_the_machine_of(&world, LOST, how);
        let asked = fewer(text, 3, 2);
        let refused = plan(&world, &asked);
        assert_eq!(rules(&refused), ["scale-in"], "{how:?}");
        let entry = &refused.blocked[0];
        assert!(entry.help.contains("--consent Pod/tsdb/history-data-2"), "{how:?} {entry:#?}");
        let plan = plan_for(&world, &asked, Purpose::Apply, &consents());
        assert_eq!(plan.blocked, vec![], "{how:?}");
        assert!(!plan.notes.iter().any(|it| it.contains("agrees to nothing")), "{:?}", plan.notes);
        assert_eq!(is_abandoned(&plan), how == How::Away, "{plan:#?}");
        let given_up = &plan.steps[&id("drain/Pod/tsdb/history-data-2")];
        assert!(given_up.title.starts_with("give up DataNode history-data-2"), "{given_up:#?}");
        let is_lost = |expect: &Expect| matches!(expect, Expect::Lost { .. });
        assert!(given_up.expects.iter().any(is_lost), "{given_up:#?}");
        assert!(given_up.after.is_empty(), "nobody is waited for: {given_up:#?}");
        let outcome = run(&world, &plan);
        assert!(outcome.is_complete(&plan), "{how:?}: {outcome:#?}");
        // A ConfigNode was on that machine, too, and stays away.
        assert_eq!(super::plan(&world, &asked).steps.len(), 0);
        assert_safe_but_for(&world, "stranger");
    }
}

/// A volume that is not bound to a machine outlives one: its member can be brought back, and drained then.
#[test]
fn who_can_be_started_elsewhere_is_not_given_up_at_once() {
    let world = world(CLOUD);
    lose_the_machine_of(&world, LOST, How::Away);
    let refused = plan(&world, &fewer(CLOUD, 3, 2));
    assert_eq!(rules(&refused), ["scale-in"]);
    let help = &refused.blocked[0].help;
    assert!(help.contains("out-of-service") && help.contains("--consent Pod/tsdb/"), "{help}");
}

/// Two leave, and one of them is gone: it is off the list before the other one hands over what it stores.
#[test]
fn the_lost_one_leaves_the_database_first() {
    let text = offering(&changed(LOCAL, "nodes     = 3", "nodes     = 5"), &[(4, ""), (5, "")]);
    let fewer = |nodes: u32| fewer(&text, 5, nodes);
    let world = world(&text);
    crash(&world, LOST);
    let stays = plan(&world, &fewer(4));
    assert!(stays.blocked[0].reason.contains(&format!("{LOST} is Unknown")), "{stays:#?}");
    let asked = fewer(2);
    let plan = plan_for(&world, &asked, Purpose::Apply, &consents());
    assert_eq!(plan.blocked, vec![]);
    let drained = &plan.steps[&id("drain/Pod/tsdb/history-data-4")];
    assert!(drained.after.contains(&id(&format!("drain/Pod/tsdb/{LOST}"))), "{drained:#?}");
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_settled(&world, &asked);
    // The lost one is missing, by no deed of ours.
    assert_safe_but_for(&world, "members of (\"history\", \"storing\") are ready");
}

/// Nothing went against the safety rules but what the lost machine or member brought with it.
fn assert_safe_but_for(world: &Watched, what: &str) {
    let wrong = world.wrong().into_iter().filter(|it| !it.contains(what));
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

/// A pool that ends takes its lost member with it, also where its set is gone.
#[test]
fn a_pool_ends_whose_member_is_lost() {
    let [before, after] = [
        include_str!("cases/pool-removed-interrupted/before.toml"),
        include_str!("cases/pool-removed-interrupted/stack.toml"),
    ];
    for is_orphaned in [false, true] {
        let world = world(before);
        if is_orphaned {
            super::mishaps::orphan(&world.sandbox, "history-warm");
        }
        crash(&world, "history-warm-1");
        let asked = stack(after);
        let consents = ["Pod/tsdb/history-warm-1".to_owned()];
        let plan = plan_for(&world, &asked, Purpose::Apply, &consents);
        assert_eq!(plan.blocked, vec![], "{is_orphaned}");
        assert!(!is_abandoned(&plan), "its machine runs: {plan:#?}");
        let drained = &plan.steps[&id("drain/Pod/tsdb/history-warm-0")];
        let away = |expect: &Expect| expect.object().name == "history-warm-1";
        assert!(!drained.expects.iter().any(away), "{drained:#?}");
        let outcome = run(&world, &plan);
        assert!(outcome.is_complete(&plan), "{is_orphaned}: {outcome:#?}");
        assert_settled(&world, &asked);
        assert_safe(&world);
    }
}

fn id(text: &str) -> tsinfra::plan::step::StepId {
    tsinfra::plan::step::StepId(text.to_owned())
}

/// A ConfigNode that went with its machine, and is not missed: what changes DataNodes does not wait for it.
#[test]
fn nobody_waits_for_a_voter_whose_machine_is_gone() {
    let world = world(LOCAL);
    lose_the_machine_of(&world, LOST, How::Away);
    let apply = |text: &str, consents: &[String]| {
        let plan = plan_for(&world, &stack(text), Purpose::Apply, consents);
        assert_eq!(plan.blocked, vec![]);
        let outcome = run(&world, &plan);
        assert!(outcome.is_complete(&plan), "{outcome:#?}");
    };
    let two = changed(LOCAL, "nodes     = 3", "nodes     = 2");
    apply(&two, &consents());
    apply(&offering(LOCAL, &[(4, "")]), &[]);
}

/// What an earlier change has begun, and the loss of a member has kept from its end, is told.
#[test]
fn a_rollout_that_waits_for_a_lost_member_is_told() {
    let world = world(LOCAL);
    let heavier = stack(&changed(LOCAL, "memory = \"8Gi\"", "memory = \"9Gi\""));
    let begun = plan(&world, &heavier);
    assert_eq!(begun.blocked, vec![]);
    let told = "update/StatefulSet/tsdb/history-data";
    run_until(&world, &begun, |event| {
        let is_told = event.step.0 == told;
        if is_told {
            world.sandbox.disturb(|cluster| cluster.crash(&within(Kind::Pod, LOST), LONG));
        }
        is_told
    });
    pass(&world, 120);
    let plan = plan(&world, &heavier);
    let note = plan.notes.iter().find(|note| note.contains("in the midst of a rollout"));
    let note = note.unwrap_or_else(|| panic!("{:#?}", plan.notes));
    assert!(note.contains("history-data-0, history-data-1 restart"), "{note}");
}

/// A member that would not come back to its machine is not restarted, whether it runs or not.
#[test]
fn nobody_is_restarted_on_a_machine_that_is_gone() {
    let world = world(LOCAL);
    lose_the_machine_of(&world, LOST, How::Away);
    let heavier = stack(&changed(LOCAL, "memory = \"8Gi\"", "memory = \"9Gi\""));
    let refused = plan(&world, &heavier);
    assert_eq!(rules(&refused), ["quorum"], "{:#?}", refused.blocked);
    let entry = &refused.blocked[0];
    assert!(entry.reason.contains("does not run"), "{entry:#?}");
    assert!(entry.help.contains("tsinfra replace STACK history-data-2"), "{entry:#?}");
}

/// What is on a machine that does not run is not offered, nor cleared.
#[test]
fn a_volume_of_a_machine_that_is_gone_is_not_cleared() {
    let text = LOCAL
        .replace("reclaim = \"retain\"\n", "reclaim = \"retain\"\nrecycle = \"scrub\"\n")
        .replace("namespace = \"tsdb\"\n", "namespace = \"tsdb\"\npaths = [\"/mnt/iotdb\"]\n");
    let world = world(&text);
    apply_all(&world, &fewer(&text, 3, 2));
    let offered = plan(&world, &stack(&text));
    assert!(offered.blocked.iter().any(|it| it.help.contains("--consent")), "{offered:#?}");
    let live = world.sandbox.snapshot();
    let volumes = live.keys_of(Kind::PersistentVolume);
    let released = volumes.iter().find(|it| live.get(it).unwrap()["status"]["phase"] == "Released");
    let node = released.unwrap().name.split('-').skip(2).take(2).collect::<Vec<_>>().join("-");
    world.sandbox.disturb(|cluster| cluster.lose_node(&node, LONG));
    pass(&world, 60);
    let consents: Vec<String> = volumes.iter().map(ToString::to_string).collect();
    for plan in
        [plan(&world, &stack(&text)), plan_for(&world, &stack(&text), Purpose::Apply, &consents)]
    {
        assert!(
            plan.blocked.iter().all(|it| !it.help.contains("--consent")),
            "{:#?}",
            plan.blocked
        );
        assert!(!plan.steps.keys().any(|id| id.0.contains("clear")), "{:#?}", plan.steps.keys());
    }
}
