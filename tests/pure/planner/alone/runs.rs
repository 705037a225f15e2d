//! Checks of a run that another check stands before or behind, each by itself.

use std::cell::{Cell, RefCell};

use serde_json::json;
use tsinfra::apply::hold::{self, NotHeld};
use tsinfra::lock::{ANSWER, Lock, TERM};
use tsinfra::observed::Scope;
use tsinfra::world::{Refused, Unseen};

use super::*;
use tsinfra::apply::event::What;
use tsinfra::apply::step::End;

const SECOND: &str = "a-second-cluster";

/// Somebody takes the lock away.
pub(super) fn steal(world: &Sandbox) {
    let stolen = json!({ "spec": { "holderIdentity": "carla", "leaseTransitions": 9 } });
    let key = Lock::key("tsdb", "plant");
    world.disturb(|cluster| cluster.edit_as("carla", &key, &stolen).unwrap());
}

/// An emptied first member has founded another cluster, which answers from now on.
fn found_another(world: &Sandbox) {
    world.disturb(|cluster| {
        for database in cluster.databases.values_mut() {
            let mut value = serde_json::to_value(&*database).unwrap();
            value["founding"]["cluster_id"] = SECOND.into();
            *database = serde_json::from_value(value).unwrap();
        }
    });
}

pub(super) fn record(world: &Sandbox) -> Option<Inventory> {
    let map = world.snapshot().get(&Inventory::key("tsdb", "plant")).cloned();
    map.map(|map| Inventory::from_config_map(&map).unwrap())
}

pub(super) fn larger() -> Stack {
    stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1))
}

/// A world in which something goes wrong with one kind of request.
pub(super) struct Odd<'a> {
    pub(super) world: &'a Sandbox,
    pub(super) perform: &'a dyn Fn(&Action) -> Option<Refused>,
    pub(super) keep: &'a dyn Fn(&Inventory) -> Option<Refused>,
    pub(super) swap: &'a dyn Fn(&Value) -> Option<Refused>,
    /// Whether looks of such a scope fail.
    pub(super) blind: &'a dyn Fn(&Scope) -> bool,
}

impl<'a> Odd<'a> {
    /// Nothing goes wrong yet.
    pub(super) fn over(world: &'a Sandbox) -> Self {
        Self { world, perform: &|_| None, keep: &|_| None, swap: &|_| None, blind: &|_| false }
    }
}

impl World for Odd<'_> {
    tsinfra::pass_on!(me => me.world; target, preview, drop_record, time_of_day, stir, elapsed);

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        if (self.blind)(scope) {
            return Err(Unseen { doing: "looking".to_owned(), why: "it is dark".to_owned() });
        }
        self.world.look(scope).await
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        match (self.perform)(action) {
            Some(refused) => Err(refused),
            None => self.world.perform(action).await,
        }
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        match (self.keep)(inventory) {
            Some(refused) => Err(refused),
            None => self.world.keep(inventory).await,
        }
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        match (self.swap)(manifest) {
            Some(refused) => Err(refused),
            None => self.world.swap(object, manifest, version).await,
        }
    }
}

pub(super) fn unknown() -> Refused {
    Refused::Unknown("the answer was lost".to_owned())
}

/// A stack of nothing is still a stack: its record goes with a destroy and not before.
#[test]
fn an_apply_that_leaves_nothing_keeps_the_record() {
    let (world, _) = applied();
    let nothing = stack(STACK.split("[storage.cloud]").next().unwrap());
    let consents = ["cluster.history".to_owned()];
    let end = plan_for(&world, &nothing, Purpose::Apply, &consents);
    assert!(run(&world, &end).is_complete(&end));
    let left = world.snapshot();
    assert_eq!(left.of_kind(Kind::StatefulSet).count(), 0);
    assert!(left.get(&Inventory::key("tsdb", "plant")).is_some(), "the record went");
}

/// Rule 11, at the very end: whoever lost the lock does not take the record down.
#[test]
fn a_record_is_not_dropped_by_whoever_lost_the_lock() {
    let (world, stack) = applied();
    let end = destruction(&world, &stack);
    let done = Cell::new(0);
    let outcome = run_until(&world, &end, |event| {
        done.set(done.get() + usize::from(matches!(event.what, What::Done { .. })));
        if done.get() == end.steps.len() {
            steal(&world);
        }
        false
    });
    assert_eq!(outcome.done.len(), end.steps.len());
    assert!(matches!(outcome.record, Some(End::Lost(_))), "{outcome:#?}");
    assert!(record(&world).is_some(), "the record went");
}

/// Rule 11: an effect begins only while it is sure that its holder cannot be taken for dead before
/// the effect has ended.
#[test]
fn a_step_does_not_begin_unless_its_name_is_written_surely_and_in_time() {
    for words in ["took more than", "the answer was lost"] {
        let (world, stack) = (sandbox(), stack(STACK));
        let made = plan(&world, &stack);
        let trouble = Cell::new(false);
        let swap = |_: &Value| match (trouble.get(), words) {
            (false, _) => None,
            (true, "the answer was lost") => Some(unknown()),
            (true, _) => {
                rest(&world, ANSWER.as_secs() + 1);
                None
            }
        };
        let odd = Odd { swap: &swap, ..Odd::over(&world) };
        let namespace = id("create/Namespace/tsdb");
        let outcome = run_until(&odd, &made, |event| {
            trouble.set(trouble.get() || event.step != namespace);
            false
        });
        let ends: Vec<&End> = outcome.ended.values().collect();
        let not_begun = |end: &&End| matches!(end, End::Unknown(why) if why.contains(words) && why.contains("not begun"));
        assert!(!ends.is_empty() && ends.iter().all(not_begun), "{words}: {outcome:#?}");
        assert_eq!(outcome.done, [namespace].into(), "{words}");
        assert_eq!(world.snapshot().of_kind(Kind::Service).count(), 0, "{words}: it went on");
    }
}

/// As above, where something else than a step is written: the record as things are at the end.
#[test]
fn the_record_is_not_written_by_whoever_lost_the_lock() {
    let (world, _) = applied();
    let change = plan(&world, &larger());
    let before = Cell::new(None);
    let done = Cell::new(0);
    let outcome = run_until(&world, &change, |event| {
        done.set(done.get() + usize::from(matches!(event.what, What::Done { .. })));
        if done.get() == change.steps.len() {
            steal(&world);
            before.set(record(&world));
        }
        false
    });
    assert!(matches!(outcome.record, Some(End::Lost(_))), "{outcome:#?}");
    assert_eq!(record(&world), before.take(), "the record was written");
}

/// After a step that found the lock lost, nothing is even looked at.
#[test]
fn whoever_lost_the_lock_does_not_settle() {
    let (world, _) = applied();
    let change = plan(&world, &larger());
    let outcome = run_until(&world, &change, |event| {
        if matches!(event.what, What::Begun) {
            steal(&world);
        }
        false
    });
    assert!(outcome.ended.values().any(|end| matches!(end, End::Lost(_))), "{outcome:#?}");
    assert_eq!((outcome.record, outcome.stranger), (None, None));
}

/// Rules 10 and 11: the id of a database that is seen for the first time is not put on record by
/// whoever lost the lock while it waited.
#[test]
fn an_id_is_not_put_on_record_by_whoever_lost_the_lock() {
    let (world, stack) = (sandbox(), stack(STACK));
    let made = plan(&world, &stack);
    let outcome = run_until(&world, &made, |event| {
        if event.step.0.starts_with("join/") && matches!(event.what, What::Begun) {
            steal(&world);
        }
        false
    });
    assert!(outcome.ended.values().any(|end| matches!(end, End::Lost(_))), "{outcome:#?}");
    assert_eq!(record(&world).unwrap().clusters["history"].cluster_id, "");
}

/// Where no answer came when the id was put on record, the record is not written again: the first
/// writing may still arrive, and would undo it. Nor is the lock let go.
#[test]
fn a_record_in_doubt_is_not_written_again() {
    let (world, stack) = (sandbox(), stack(STACK));
    let made = plan(&world, &stack);
    let kept = Cell::new(0);
    let keep = |record: &Inventory| {
        kept.set(kept.get() + 1);
        let has_an_id = record.clusters.values().any(|cluster| !cluster.cluster_id.is_empty());
        has_an_id.then(unknown)
    };
    let outcome = run(&Odd { keep: &keep, ..Odd::over(&world) }, &made);
    assert!(matches!(outcome.record, Some(End::Unknown(_))), "{outcome:#?}");
    assert_eq!(kept.get(), 2, "what is meant, and the id once");
    let lease = world.snapshot().get(&Lock::key("tsdb", "plant")).cloned().unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "the test");
}

/// Rule 10: another id that was put on record since a plan was made ends its run before any step.
#[test]
fn a_run_does_not_begin_over_another_id_on_record() {
    let (world, _) = applied();
    let change = plan(&world, &larger());
    let mut other = record(&world).unwrap();
    other.clusters.get_mut("history").unwrap().cluster_id = SECOND.to_owned();
    block_on(world.keep(&other)).unwrap();
    let outcome = run(&world, &change);
    assert!(outcome.stranger.is_some() && outcome.done.is_empty(), "{outcome:#?}");
    assert!(outcome.ended.is_empty(), "{outcome:#?}");
    assert_eq!(record(&world), Some(other));
}

/// Rule 10: the id a plan saw counts also where no record has it.
#[test]
fn an_id_that_is_on_no_record_counts_as_the_plan_saw_it() {
    let (world, _) = applied();
    let mut change = plan(&world, &larger());
    let first = change.basis.databases["history"].cluster_id.clone();
    change.basis.ids.clear();
    change.inventory.clusters.get_mut("history").unwrap().cluster_id.clear();
    block_on(world.drop_record("tsdb", "plant")).unwrap();
    let outcome = run_until(&world, &change, |event| {
        if matches!(event.what, What::Begun) {
            found_another(&world);
        }
        false
    });
    let ends = outcome.ended.values().map(|end| end.tell().1.to_owned());
    let told: String = ends.chain(outcome.stranger.clone()).collect();
    assert!(told.contains(&first) && told.contains(SECOND), "{outcome:#?}");
    assert_ne!(record(&world).unwrap().clusters["history"].cluster_id, SECOND);
}

/// Where the namespace cannot be made there is no place for a lock, and none is tried.
#[test]
fn nothing_is_locked_where_the_namespace_was_refused() {
    let (world, stack) = (sandbox(), stack(STACK));
    let made = plan(&world, &stack);
    let perform = |_: &Action| Some(Refused::Denied("no namespaces for you".to_owned()));
    let swaps = Cell::new(0);
    let swap = |_: &Value| {
        swaps.set(swaps.get() + 1);
        None
    };
    let outcome = run(&Odd { perform: &perform, swap: &swap, ..Odd::over(&world) }, &made);
    assert_eq!((outcome.ended.len(), outcome.not_held, swaps.get()), (1, None, 0));
}

/// Rule 13: a lock of which no answer ever comes is not sought for ever.
#[test]
fn a_lock_that_is_never_sure_is_given_up() {
    let (world, _) = applied();
    let swap = |_: &Value| Some(unknown());
    let odd = Odd { swap: &swap, ..Odd::over(&world) };
    let (stop, ben, looks) = (AtomicBool::new(false), claim("ben"), Cell::new(0));
    let blind = |_: &Scope| {
        looks.set(looks.get() + 1);
        assert!(looks.get() < 100, "it is sought for ever");
        false
    };
    let odd = Odd { blind: &blind, ..odd };
    let taken = block_on(hold::take(&odd, "tsdb", "plant", &ben, &stop, |_| ()));
    assert!(matches!(taken.err(), Some(NotHeld::Failed(_))));
}

/// Rule 13: a wait that sees nothing ends long before its limit.
#[test]
fn a_wait_that_cannot_look_is_given_up() {
    let (world, _) = applied();
    let change = plan(&world, &larger());
    let update = id("update/StatefulSet/tsdb/history-data");
    let looks = Cell::new(0);
    let is_wait = |scope: &Scope| scope.events_in.is_some();
    let blind = |scope: &Scope| {
        looks.set(looks.get() + usize::from(is_wait(scope)));
        is_wait(scope)
    };
    let outcome = run(&Odd { blind: &blind, ..Odd::over(&world) }, &change);
    assert!(matches!(outcome.ended[&update], End::Unseen(_)), "{outcome:#?}");
    assert!((2..=6).contains(&looks.get()), "{} looks", looks.get());
}

/// Rule 13: what never comes is waited for as long as the step says, and no longer.
#[test]
fn a_wait_ends_at_its_limit() {
    let (world, stack) = (sandbox(), stack(STACK));
    world.disturb(|cluster| cluster.stall_storage(Duration::from_secs(1_000_000)));
    let made = plan(&world, &stack);
    let looks = Cell::new(0);
    let blind = |_: &Scope| {
        looks.set(looks.get() + 1);
        assert!(looks.get() < 5000, "it waits for ever");
        false
    };
    let outcome = run(&Odd { blind: &blind, ..Odd::over(&world) }, &made);
    let config = id("create/StatefulSet/tsdb/history-config");
    assert!(matches!(outcome.ended[&config], End::TimedOut(_)), "{outcome:#?}");
    let limit = made.steps[&config].limit_seconds;
    assert!((limit..limit + 60).contains(&world.elapsed().as_secs()), "{:?}", world.elapsed());
}

/// Rule 11: a wait shows signs of life, so that nobody takes its holder for dead.
#[test]
fn a_long_wait_keeps_the_lock_alive() {
    let (world, stack) = (sandbox(), stack(STACK));
    world.disturb(|cluster| cluster.stall_storage(Duration::from_secs(300)));
    let made = plan(&world, &stack);
    let written = RefCell::new(Vec::new());
    let swap = |_: &Value| {
        written.borrow_mut().push(world.elapsed());
        None
    };
    let outcome = run(&Odd { swap: &swap, ..Odd::over(&world) }, &made);
    assert!(outcome.is_complete(&made), "{outcome:#?}");
    let written = written.take();
    let silences = written.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = silences.max().unwrap();
    assert!(world.elapsed() > Duration::from_secs(300) && longest < TERM, "{longest:?}");
}

/// Whoever takes the lock away with the stack takes only the version it wrote.
#[test]
fn a_lock_that_is_somebody_else_s_by_now_is_not_removed() {
    let (world, _) = applied();
    let (stop, ben) = (AtomicBool::new(false), claim("ben"));
    let hold = block_on(hold::take(&world, "tsdb", "plant", &ben, &stop, |_| ())).ok().unwrap();
    steal(&world);
    block_on(hold.remove());
    let lease = world.snapshot().get(&Lock::key("tsdb", "plant")).cloned().unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "carla");
}

/// A destroy that was stopped in its last wait keeps the record, whatever has gone by then; the next
/// one takes it down.
#[test]
fn a_destroy_that_did_not_end_keeps_the_record_for_the_next() {
    let (world, stack) = applied();
    let end = destruction(&world, &stack);
    let outcome = run_until(&world, &end, |event| {
        let last = event.step.0.starts_with("purge/") && matches!(event.what, What::Waiting { .. });
        if last {
            rest(&world, 120);
        }
        last
    });
    assert!(!outcome.is_complete(&end), "{outcome:#?}");
    assert!(record(&world).is_some(), "the record went");
    destroy_all(&world, &stack);
    assert_eq!(record(&world), None);
}
