//! Checks of how a step, a lock and a run end, each by itself: what stands in the Lease and on record.

use std::cell::{Cell, RefCell};

use futures_util::FutureExt as _;
use serde_json::json;
use tsinfra::apply::event::What;
use tsinfra::apply::hold::{self, NotHeld};
use tsinfra::lock::Lock;

use super::runs::{Odd, larger, record, steal, unknown};
use super::sketch::{ClusterSketch, Sketch, Storage};
use super::*;

fn lease(world: &Sandbox) -> LiveObject {
    let lease = world.snapshot().get(&Lock::key("tsdb", "plant")).cloned();
    live(lease.unwrap_or_default())
}

/// The steps that stand in the Lease as begun.
fn begun(world: &Sandbox) -> Vec<String> {
    let lock = Lock::from_lease(&lease(world));
    lock.map(|lock| lock.begun.into_iter().collect()).unwrap_or_default()
}

/// Rule 11: what is done stands in the Lease no more, once something else is written there.
#[test]
fn a_step_that_is_done_is_taken_out_of_the_lease_by_the_next() {
    let world = sandbox();
    apply_all(&world, &two_pools(0));
    let restart = plan(&world, &two_pools(1));
    let mut seen = 0;
    let outcome = run_until(&world, &restart, |event| {
        let acts = restart.steps[&event.step].action.object().is_some();
        if acts && matches!(event.what, What::Done { .. }) {
            seen += 1;
            assert_eq!(begun(&world), std::slice::from_ref(&event.step.0));
        }
        false
    });
    assert!(outcome.is_complete(&restart) && seen == 3, "{seen}: {outcome:#?}");
}

/// Rule 13: however much could be done at once, so many steps are under way at most.
#[test]
fn no_more_than_sixteen_steps_are_under_way() {
    let of = |name| ClusterSketch::two_pools(name, Storage::Cloud);
    let stack = Sketch { clusters: vec![of("alpha"), of("beta"), of("gamma")] }.stack();
    let world = sandbox();
    apply_all(&world, &stack);
    let end = destruction(&world, &stack);
    let (mut under_way, mut most) = (0_usize, 0);
    let outcome = run_until(&world, &end, |event| {
        match event.what {
            What::Begun => under_way += 1,
            What::Done { .. } | What::Ended { .. } => under_way -= 1,
            What::Waiting { .. } => {}
        }
        most = most.max(under_way);
        false
    });
    assert!(outcome.is_complete(&end), "{outcome:#?}");
    assert_eq!(most, 16, "of 24 claims");
}

/// Rule 11: whoever was not the first to write the lock does not have it.
#[test]
fn a_lock_that_somebody_else_took_at_that_moment_is_not_held() {
    let (world, _) = applied();
    let swap = |_: &Value| {
        steal(&world);
        None
    };
    let odd = Odd { swap: &swap, ..Odd::over(&world) };
    let (stop, ben) = (AtomicBool::new(false), Claim { patience: Duration::ZERO, ..claim("ben") });
    let taken = block_on(hold::take(&odd, "tsdb", "plant", &ben, &stop, |_| ()));
    assert!(matches!(taken.err(), Some(NotHeld::Taken(lock)) if lock.holder == "carla"));
}

/// Rule 11: an earlier writing of the lock that arrives late says nothing of the step that begins.
#[test]
fn a_step_does_not_begin_on_an_earlier_writing_that_arrived_late() {
    let (world, _) = applied();
    let key = Lock::key("tsdb", "plant");
    let (writes, first) = (Cell::new(0), RefCell::new(None));
    let swap = |manifest: &Value| {
        writes.set(writes.get() + 1);
        match writes.get() {
            // Of the first step no writing is answered.
            2..=4 => {
                first.borrow_mut().get_or_insert_with(|| manifest.clone());
                Some(unknown())
            }
            // One of them arrives as the second step is to be written, whose own is lost.
            5 => {
                let version = lease(&world).text("/metadata/resourceVersion").unwrap().to_owned();
                let late = first.borrow().clone().unwrap();
                let arrived = world.swap(&key, &late, Some(&version)).now_or_never();
                assert!(matches!(arrived, Some(Ok(_))), "{arrived:?}");
                Some(unknown())
            }
            _ => None,
        }
    };
    let odd = Odd { swap: &swap, ..Odd::over(&world) };
    let (stop, ben) = (AtomicBool::new(false), claim("ben"));
    let hold = block_on(hold::take(&odd, "tsdb", "plant", &ben, &stop, |_| ())).ok().unwrap();
    assert!(block_on(hold.begin(&id("create/one"))).is_err());
    assert_eq!(block_on(hold.begin(&id("create/two"))), Ok(()));
    assert_eq!(begun(&world), ["create/two"]);
}

/// A deletion of the lock that was not answered may still arrive: letting go as well would have it
/// take the lock from whoever has it by then.
#[test]
fn a_lock_whose_deletion_was_not_answered_is_not_let_go() {
    let (world, _) = applied();
    let perform = |action: &Action| {
        let is_lease = action.object().is_some_and(|object| object.kind == Kind::Lease);
        is_lease.then(unknown)
    };
    let odd = Odd { perform: &perform, ..Odd::over(&world) };
    let (stop, ben) = (AtomicBool::new(false), claim("ben"));
    let hold = block_on(hold::take(&odd, "tsdb", "plant", &ben, &stop, |_| ())).ok().unwrap();
    block_on(hold.remove());
    assert_eq!(lease(&world).text("/spec/holderIdentity"), Some("ben"));
}

/// Rule 1, the other way round: what may still come of us stays on record, or nobody would ever
/// delete it.
#[test]
fn an_object_whose_creation_was_not_answered_stays_on_record() {
    let (world, stack) = (sandbox(), stack(STACK));
    let made = plan(&world, &stack);
    let service = within(Kind::Service, "history");
    let perform =
        |action: &Action| action.object().filter(|object| **object == service).map(|_| unknown());
    let outcome = run(&Odd { perform: &perform, ..Odd::over(&world) }, &made);
    assert!(outcome.is_in_doubt(), "{outcome:#?}");
    assert!(world.snapshot().get(&service).is_none());
    assert!(record(&world).unwrap().items.contains_key(&service));
}

/// Rule 1: what somebody else puts under a name of ours while a run goes on does not come on record.
#[test]
fn an_object_of_a_stranger_does_not_come_on_record() {
    let (world, _) = applied();
    let change = plan(&world, &larger());
    let service = within(Kind::Service, "history");
    assert!(change.inventory.items.contains_key(&service));
    let done = Cell::new(0);
    run_until(&world, &change, |event| {
        done.set(done.get() + usize::from(matches!(event.what, What::Done { .. })));
        if done.get() == change.steps.len() {
            world.disturb(|cluster| {
                let object = cluster.objects.get_mut(&service).unwrap();
                let metadata = &mut std::sync::Arc::make_mut(object).value_mut()["metadata"];
                metadata["uid"] = json!("of-a-stranger");
                metadata["labels"] = json!({});
            });
        }
        false
    });
    let items = record(&world).unwrap().items;
    assert!(!items.contains_key(&service) && !items.is_empty(), "{items:#?}");
}

/// Where a destroy is stopped in its last wait and all is gone by then, nothing is left for ever:
/// neither a record nor a lock.
#[test]
fn a_destroy_that_was_stopped_when_all_was_gone_leaves_nothing_behind() {
    let world = sandbox();
    let classes = [("fast".to_owned(), "Delete".to_owned())].into();
    world.furnish(&Furniture { classes, ..Furniture::default() });
    let stack = stack(&STACK.replace("provisioner = \"sandbox.tsinfra.dev\"", "class = \"fast\""));
    apply_all(&world, &stack);
    let end = destruction(&world, &stack);
    let outcome = run_until(&world, &end, |event| {
        let is_last = event.step.0.starts_with("purge/");
        if is_last {
            rest(&world, 120);
        }
        is_last && matches!(event.what, What::Waiting { .. })
    });
    assert!(!outcome.is_complete(&end), "{outcome:#?}");
    // A run that did not end says so on record; the next one sees that nothing is left.
    assert!(record(&world).is_some_and(|record| record.items.is_empty()), "{:?}", record(&world));
    let again = destruction(&world, &stack);
    if again.has_work() {
        let outcome = run(&world, &again);
        assert!(outcome.is_complete(&again), "{outcome:#?}");
    }
    assert_eq!(record(&world), None);
    assert_eq!(lease(&world), LiveObject::default());
}
