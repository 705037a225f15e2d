//! Two applies never interleave: who waits, who takes over, who finds out that it lost.

use proptest::prelude::*;
use serde_json::json;
use tsinfra::apply::event::What;
use tsinfra::apply::hold::{self, NotHeld};
use tsinfra::apply::step::End;
use tsinfra::lock::{Lock, REQUEST, TERM, Turn, Watch};
use tsinfra::observed::LiveObject;
use tsinfra::plan::step::StepId;

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
    let action = tsinfra::plan::step::Action::Create { object: key, manifest };
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
    let waiting = |_: &Lock| {
        world.disturb(|cluster| cluster.edit_as("tsinfra", &service, &late).unwrap());
    };
    let objects = |world: &Sandbox| {
        let objects = world.snapshot().objects.into_iter();
        let objects = objects.filter(|(key, _)| key.kind != Kind::Lease);
        objects.map(|(key, object)| (key, object.value)).collect::<BTreeMap<_, _>>()
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

#[test]
fn the_step_is_written_before_its_effect() {
    let (world, stack) = (Watched::over(sandbox(), &stack(STACK)), stack(STACK));
    let plan = plan(&world, &stack);
    let mut intents = Vec::new();
    let seen = |event: &Event| {
        let acts = plan.steps[&event.step].action.object().is_some();
        if acts && matches!(event.what, What::Done { .. }) && world.lease_step().is_some() {
            intents.push(world.lease_step().unwrap_or_default());
        }
    };
    let stop = AtomicBool::new(false);
    let outcome = block_on(apply::run(&world, &plan, &claim("ben"), &stop, seen, |_| ()));
    assert!(outcome.is_complete(&plan));
    assert!(intents.contains(&"create/StatefulSet/tsdb/history-data".to_owned()), "{intents:?}");
}

fn version(number: u64) -> LiveObject {
    let value = json!({
        "metadata": { "resourceVersion": number.to_string() },
        "spec": { "holderIdentity": "anna" },
    });
    LiveObject { value, ..LiveObject::default() }
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
