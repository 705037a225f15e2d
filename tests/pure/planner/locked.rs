//! Two applies never interleave: who waits, who takes over, who finds out that it lost.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use tsinfra::apply::event::What;
use tsinfra::apply::hold::{self, News, NotHeld};
use tsinfra::apply::step::End;
use tsinfra::lock::{Lock, REQUEST, TERM, Turn, Watch};
use tsinfra::observed::LiveObject;
use tsinfra::plan::step::{Action, StepId};
use tsinfra::world::Refused;

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

fn run_as(world: &Sandbox, plan: &Plan, holder: &str, patience: Duration) -> Outcome {
    let claim = Claim { patience, ..claim(holder) };
    let stop = AtomicBool::new(false);
    block_on(apply::run(world, plan, &claim, &stop, |_| (), |_| ()))
}

/// A sandbox with the stack's namespace, and a plan made there.
fn prepared() -> (Sandbox, Stack, Plan) {
    let (world, stack) = (sandbox(), stack(STACK));
    let key = ObjectKey::global(Kind::Namespace, &stack.namespace);
    let manifest =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": key.name } });
    let action = Action::Create { object: key, manifest };
    block_on(world.perform(&action)).unwrap();
    let plan = plan(&world, &stack);
    (world, stack, plan)
}

fn lease(world: &Sandbox, stack: &Stack) -> Option<Value> {
    world.snapshot().get(&Lock::key(&stack.namespace, &stack.name)).cloned()
}

fn holder(world: &Sandbox, stack: &Stack) -> Value {
    lease(world, stack).map_or(Value::Null, |lease| lease["spec"]["holderIdentity"].clone())
}

/// Takes the lock as somebody who is never heard of again.
fn lock_and_vanish(world: &Sandbox, stack: &Stack) {
    let stop = AtomicBool::new(false);
    let anna = claim("anna");
    let taken = hold::take(world, &stack.namespace, &stack.name, &anna, &stop, |_| ());
    assert!(block_on(taken).is_ok());
}

#[test]
fn a_stack_that_is_locked_is_left_alone() {
    let (world, stack, plan) = prepared();
    lock_and_vanish(&world, &stack);
    let before = world.snapshot();
    let outcome = run_as(&world, &plan, "ben", Duration::ZERO);
    let Some(NotHeld::Taken(lock)) = &outcome.not_held else { panic!("{outcome:#?}") };
    assert_eq!((lock.holder.as_str(), lock.purpose.as_str()), ("anna", "test"));
    assert!(outcome.done.is_empty());
    assert_eq!(world.snapshot().objects, before.objects);
    let text = render::outcome::halted(&plan, &outcome, render::paint::Paint::default());
    assert!(text.contains("locked by anna, for `test`, since 2026-"), "{text}");
}

#[test]
fn a_dead_holder_is_outlived() {
    let (world, stack, plan) = prepared();
    lock_and_vanish(&world, &stack);
    let begun = world.elapsed();
    let outcome = run_as(&world, &plan, "ben", 2 * (TERM + REQUEST));
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert!(world.elapsed() - begun >= TERM + REQUEST, "it did not wait");
    assert_eq!(holder(&world, &stack), Value::Null);
    assert_eq!(lease(&world, &stack).unwrap()["spec"]["leaseTransitions"], 2);
}

/// The one effect whose compare-and-swap had already succeeded may land late. Whoever takes the
/// lock over has waited for it by then, and sees it before anything is written.
#[test]
fn a_late_effect_of_a_dead_holder_is_seen_under_the_lock() {
    let world = sandbox();
    let before = stack(STACK);
    apply_all(&world, &before);
    let after = stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
    let plan = plan(&world, &after);
    lock_and_vanish(&world, &before);
    let service = ObjectKey::within(Kind::Service, &before.namespace, "history");
    let late = json!({ "metadata": { "labels": { "tsinfra.dev/cluster": "another" } } });
    let claim = Claim { patience: 2 * (TERM + REQUEST), ..claim("ben") };
    let stop = AtomicBool::new(false);
    let waiting = |_: &News| {
        world.disturb(|cluster| cluster.edit_as("tsinfra", &service, &late).unwrap());
    };
    let objects = |world: &Sandbox| {
        let cluster = world.snapshot();
        let objects = cluster.objects.iter().filter(|(key, _)| key.kind != Kind::Lease);
        objects.map(|(key, object)| (key.clone(), object.value.clone())).collect::<BTreeMap<_, _>>()
    };
    let untouched = objects(&world);
    let outcome = block_on(apply::run(&world, &plan, &claim, &stop, |_| (), waiting));
    let why = outcome.stale.clone().unwrap_or_default();
    assert!(why.contains(&service.to_string()), "{outcome:#?}");
    assert!(outcome.done.is_empty() && outcome.record.is_none(), "{outcome:#?}");
    let now = objects(&world);
    let changed: Vec<&ObjectKey> = now
        .iter()
        .filter(|(key, value)| untouched.get(key) != Some(value))
        .map(|(k, _)| k)
        .collect();
    assert_eq!(changed, [&service], "something was written");
    assert_eq!(holder(&world, &before), Value::Null, "the lock was not let go");
}

#[test]
fn whoever_lost_the_lock_writes_nothing_more() {
    let (world, stack, plan) = prepared();
    let key = Lock::key(&stack.namespace, &stack.name);
    let control = StepId("create/StatefulSet/tsdb/history-config".to_owned());
    let stolen = json!({ "spec": { "holderIdentity": "carla", "leaseTransitions": 9 } });
    let tell = |event: &Event| {
        if event.step == control && matches!(event.what, What::Done { .. }) {
            world.disturb(|cluster| cluster.edit_as("carla", &key, &stolen).unwrap());
        }
    };
    let stop = AtomicBool::new(false);
    let outcome = block_on(apply::run(&world, &plan, &claim("ben"), &stop, tell, |_| ()));
    assert!(outcome.ended.values().any(|end| matches!(end, End::Lost(_))), "{outcome:#?}");
    let data = ObjectKey::within(Kind::StatefulSet, &stack.namespace, "history-data");
    assert!(world.snapshot().get(&data).is_none(), "it wrote after it had lost the lock");
    assert_eq!(holder(&world, &stack), "carla", "it released what was not its own");
}

#[test]
fn the_lock_is_let_go_and_goes_with_the_stack() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    assert_eq!(holder(&world, &stack), Value::Null);
    assert!(lease(&world, &stack).is_some());
    destroy_all(&world, &stack);
    assert_eq!(lease(&world, &stack), None);
}

/// The Lease is a journal: a step stands in it before its effect, and as long as it is not done.
#[test]
fn a_step_is_written_before_its_effect_and_stands_until_it_is_done() {
    let more = "\n[cluster.history.pool.more]\nrole = \"mixed\"\nnodes = 2\n\
                storage = { tier = \"cloud\", size = \"20Gi\" }\n";
    let stack = stack(&format!("{STACK}{more}"));
    let world = Watched::over(sandbox(), &stack);
    let plan = plan(&world, &stack);
    let (mut under_way, mut side_by_side) = (BTreeMap::new(), 0);
    let seen = |event: &Event| {
        let Some(object) = plan.steps[&event.step].action.object() else { return };
        if object.kind == Kind::Namespace {
            return;
        }
        let begun = world.begun();
        side_by_side = side_by_side.max(begun.len());
        match event.what {
            What::Waiting { .. } => {
                assert!(begun.contains(&event.step.0), "{}: {begun:?}", event.step);
                under_way.insert(event.step.clone(), true);
            }
            What::Done { .. } => assert!(begun.contains(&event.step.0), "{}", event.step),
            What::Begun => assert!(!begun.contains(&event.step.0), "{}", event.step),
            What::Ended { .. } => panic!("{event:?}"),
        }
        // What was done before is taken out by what is written next.
        assert!(begun.len() <= 16, "{begun:?}");
    };
    let stop = AtomicBool::new(false);
    let outcome = block_on(apply::run(&world, &plan, &claim("ben"), &stop, seen, |_| ()));
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    assert_eq!(under_way.len(), 3, "each StatefulSet waits: {under_way:?}");
    assert!(side_by_side > 1, "steps that run side by side all stand in it");
    assert_eq!(world.begun(), BTreeSet::new(), "the lock is let go");
}

#[test]
fn whoever_takes_over_says_what_may_be_half_done() {
    let (world, stack, plan) = prepared();
    let stop = AtomicBool::new(false);
    let anna = claim("anna");
    let hold = hold::take(&world, &stack.namespace, &stack.name, &anna, &stop, |_| ());
    let hold = block_on(hold).ok().unwrap();
    for step in ["create/one", "create/two", "create/three"] {
        block_on(hold.begin(&StepId(step.to_owned()))).unwrap();
    }
    block_on(hold.finish(&StepId("create/one".to_owned())));
    block_on(hold.confirm()).unwrap();
    let mut heard = Vec::new();
    let claim = Claim { patience: 2 * (TERM + REQUEST), ..claim("ben") };
    let run = apply::run(&world, &plan, &claim, &stop, |_| (), |news| heard.push(news.clone()));
    assert!(block_on(run).is_complete(&plan));
    let [News::Waiting(holder), News::TakenOver(dead)] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!((holder, dead.holder.as_str()), (dead, "anna"));
    let left: Vec<&str> = dead.begun.iter().map(String::as_str).collect();
    assert_eq!(left, ["create/three", "create/two"]);
    for text in [render::outcome::taken_over(dead), render::outcome::held_by(dead)] {
        let text = text.replace('\n', " ").replace("  ", " ").to_lowercase();
        assert!(text.contains("anna") && text.contains("create/three, create/two"), "{text}");
    }
}

/// Loses answers of the compare-and-swap: `true` those it carries out. Leases are not deleted.
struct Lossy<'a> {
    world: &'a Sandbox,
    lost: RefCell<Vec<Option<bool>>>,
}

impl World for Lossy<'_> {
    tsinfra::pass_on!(me => me.world;
        target, look, preview, keep, drop_record, time_of_day, stir, elapsed);

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        match action {
            Action::Delete { object, .. } if object.kind == Kind::Lease => {
                Err(Refused::Denied("leases are not deleted here".to_owned()))
            }
            action => self.world.perform(action).await,
        }
    }
    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        let unknown = || Err(Refused::Unknown("the answer was lost".to_owned()));
        let lost = self.lost.borrow_mut().pop().flatten();
        match lost {
            None => self.world.swap(object, manifest, version).await,
            Some(true) => self.world.swap(object, manifest, version).await.and_then(|_| unknown()),
            Some(false) => unknown(),
        }
    }
}

/// Whichever answers about the lock are lost, one or two in a row, carried out or not: it is looked
/// up whether the write got through, and the run goes on.
#[test]
fn a_lost_answer_about_the_lock_is_looked_up() {
    let (world, stack, plan) = prepared();
    let before = world.snapshot();
    let mut tried = 0;
    for lost in [vec![true], vec![false], vec![true, true], vec![false, true], vec![true, false]] {
        for place in 0..11 {
            world.disturb(|cluster| *cluster = before.clone());
            let mut answers: Vec<Option<bool>> = lost.iter().map(|done| Some(*done)).collect();
            answers.extend(vec![None; place]);
            let lossy = Lossy { world: &world, lost: RefCell::new(answers) };
            let stop = AtomicBool::new(false);
            let ben = claim("ben");
            let outcome = block_on(apply::run(&lossy, &plan, &ben, &stop, |_| (), |_| ()));
            assert!(outcome.is_complete(&plan), "{lost:?} after {place}: {outcome:#?}");
            assert_eq!(lossy.lost.borrow().len(), 0, "nothing was lost");
            assert_eq!(holder(&world, &stack), Value::Null, "{lost:?} after {place}");
            tried += 1;
        }
    }
    assert_eq!(tried, 55);
}

/// Who may not delete the lock lets go of it all the same: the next does not wait for a dead holder.
#[test]
fn a_lock_that_cannot_be_taken_away_is_let_go() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    destroy_all(&Lossy { world: &world, lost: RefCell::default() }, &stack);
    assert_eq!(holder(&world, &stack), Value::Null);
    assert!(lease(&world, &stack).is_some());
}

/// But whoever lost the lock is not fooled by a lost answer.
#[test]
fn a_lost_answer_does_not_give_back_a_lost_lock() {
    let (world, stack, _) = prepared();
    let key = Lock::key(&stack.namespace, &stack.name);
    let lossy = Lossy { world: &world, lost: RefCell::new(vec![Some(false), None]) };
    let (stop, ben) = (AtomicBool::new(false), claim("ben"));
    let hold = hold::take(&lossy, &stack.namespace, &stack.name, &ben, &stop, |_| ());
    let hold = block_on(hold).ok().unwrap();
    let stolen = json!({ "spec": { "holderIdentity": "carla", "leaseTransitions": 9 } });
    world.disturb(|cluster| cluster.edit_as("carla", &key, &stolen).unwrap());
    let end = block_on(hold.begin(&StepId("create/one".to_owned())));
    assert!(matches!(end, Err(End::Lost(_))), "{end:?}");
}

fn version(number: u64) -> LiveObject {
    let value = json!({
        "metadata": { "resourceVersion": number.to_string() },
        "spec": { "holderIdentity": "anna" },
    });
    LiveObject::of(value)
}

proptest! {
    #![proptest_config(config(64))]

    /// Whatever the watcher's clock and rhythm: a holder is taken for dead only after its Lease
    /// has not changed for a term and a request, seen twice.
    #[test]
    fn a_holder_is_dead_only_after_its_time(
        start in 0u64..1_000_000,
        looks in proptest::collection::vec((1u64..90_000, any::<bool>()), 1..40),
    ) {
        let (mut watch, mut now, mut number) = (Watch::default(), start, 1);
        let mut since = None;
        for (pause, renewed) in looks {
            now += pause;
            if renewed {
                number += 1;
                since = None;
            }
            let first = *since.get_or_insert(now);
            let turn = watch.judge(Some(&version(number)), Duration::from_millis(now));
            let dead = Duration::from_millis(now - first) >= TERM + REQUEST;
            prop_assert_eq!(matches!(turn, Turn::Free { .. }), dead);
        }
    }
}
