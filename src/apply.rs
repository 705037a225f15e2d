//! Carries a plan out, step by step, deciding nothing: what may start is the plan's word, what is
//! done is judged from facts.

pub mod event;
pub mod expect;
mod growth;
pub mod hold;
pub mod identity;
pub mod jobs;
pub mod pods;
pub mod record;
pub mod step;
pub mod wait;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::object::Kind;
use crate::plan::step::{Action, StepId};
use crate::plan::{self, Plan};
use crate::world::World;
use event::Event;
use hold::{Claim, Hold, News, NotHeld};
use identity::Identities;
use step::{End, Held};

/// Steps that run at the same time, at most: their effects go one by one, they look and wait side by
/// side. The API server answers no faster beyond it (measured, research G §1.3), and a person cannot
/// follow more.
const STEPS_AT_ONCE_MAX: usize = 16;

/// How an apply ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that are done.
    pub done: BTreeSet<StepId>,
    /// Steps that ended otherwise, and how.
    pub ended: BTreeMap<StepId, End>,
    /// The record could not be kept; how that ended.
    pub record: Option<End>,
    /// The world is not as it was when the plan was made; in what. Nothing was done then.
    pub stale: Option<String>,
    /// At the last look another database answered in the place of one; which.
    pub stranger: Option<String>,
    /// The lock was not had; why. Nothing was done then but for the namespace.
    pub not_held: Option<NotHeld>,
}

impl Outcome {
    fn note(&mut self, (id, end): (StepId, End)) {
        match end {
            End::Done => drop(self.done.insert(id)),
            end => drop(self.ended.insert(id, end)),
        }
    }

    /// Whether it is not known of some request whether it was carried out.
    pub fn is_in_doubt(&self) -> bool {
        self.ended.values().chain(&self.record).any(|end| matches!(end, End::Unknown(_)))
    }

    /// Whether all was done.
    pub fn is_complete(&self, plan: &Plan) -> bool {
        self.done.len() == plan.steps.len()
            && self.record.is_none()
            && self.not_held.is_none()
            && self.stale.is_none()
            && self.stranger.is_none()
    }
}

/// A run: the world, the plan, and whom to tell.
struct Run<'a, W: World, T: FnMut(&Event)> {
    world: &'a W,
    plan: &'a Plan,
    stop: &'a AtomicBool,
    tell: RefCell<T>,
}

/// Runs a plan. `stop` is set by the first Ctrl-C: from then on nothing starts and no wait goes
/// on. Events go to `tell` in the order they happen; `hear` is told who has the lock, and
/// from whom it was taken over.
pub async fn run<W: World>(
    world: &W,
    plan: &Plan,
    claim: &Claim,
    stop: &AtomicBool,
    tell: impl FnMut(&Event),
    hear: impl FnMut(&News),
) -> Outcome {
    let run = Run { world, plan, stop, tell: RefCell::new(tell) };
    let mut outcome = Outcome::default();
    if !run.is_still_so(&mut outcome).await {
        return outcome;
    }
    run.make_namespace(&mut outcome).await;
    if outcome.ended.is_empty() && !stop.load(Ordering::Relaxed) {
        match hold::take(world, &plan.namespace, &plan.stack, claim, stop, hear).await {
            Ok(hold) => {
                let ends = run.held(&hold, &mut outcome).await;
                // A request whose answer never came may still be carried out: whoever comes next
                // waits until it cannot any more, as after a holder that died.
                match (ends, outcome.is_in_doubt()) {
                    (_, true) => {}
                    (true, false) => hold.remove().await,
                    (false, false) => hold.release().await,
                }
            }
            Err(not_held) => outcome.not_held = Some(not_held),
        }
    }
    outcome
}

impl<W: World, T: FnMut(&Event)> Run<'_, W, T> {
    /// Whether the world is still what the plan was made for, but for the steps that are done.
    async fn is_still_so(&self, outcome: &mut Outcome) -> bool {
        if let Err((id, end)) = expect::all(self.world, self.plan, &outcome.done).await {
            outcome.ended.insert(id, end);
            return false;
        }
        match expect::objects(self.world, self.plan).await {
            Ok(None) => outcome.stale = expect::databases(self.world, self.plan).await.err(),
            Ok(change) => outcome.stale = change,
            Err((id, end)) => drop(outcome.ended.insert(id, end)),
        }
        outcome.ended.is_empty() && outcome.stale.is_none()
    }

    /// The namespace is made before the lock, which lives in it; two who make it at once are told
    /// apart by Kubernetes.
    async fn make_namespace(&self, outcome: &mut Outcome) {
        let namespace = self.plan.steps.iter().find(|(_, step)| makes_namespace(&step.action));
        if let Some((id, _)) = namespace {
            let end = self.step(id, None).await;
            outcome.note(end);
        }
    }

    /// Carries the plan out under the lock: what is meant is kept on record first, what is there
    /// last. Answers whether nothing is left of the stack.
    async fn held(&self, hold: &Hold<'_, W>, outcome: &mut Outcome) -> bool {
        // Whoever held the lock before may have changed what the plan was made from.
        if !self.is_still_so(outcome).await {
            return false;
        }
        let record = match identity::on_record(self.world, self.plan).await {
            Ok(record) => record,
            Err(End::Stranger(why)) => {
                outcome.stranger = Some(why);
                return false;
            }
            Err(end) => {
                outcome.record = Some(end);
                return false;
            }
        };
        if let Err(end) = record::keep(self.world, hold, &record).await {
            outcome.record = Some(end);
            return false;
        }
        let identities = Identities::of(self.world, self.plan, hold, record);
        self.steps((hold, &identities), outcome).await;
        let lost = outcome.ended.values().any(|end| matches!(end, End::Lost(_)));
        !lost && record::settle(self.world, self.plan, (hold, &identities), outcome).await
    }

    async fn steps(&self, held: Held<'_, W>, outcome: &mut Outcome) {
        let steps = &self.plan.steps;
        let mut started: BTreeSet<StepId> = outcome.done.clone();
        let mut running = FuturesUnordered::new();
        loop {
            let halted = !outcome.ended.is_empty() || self.stop.load(Ordering::Relaxed);
            let done: BTreeSet<&StepId> = outcome.done.iter().collect();
            let ready = if halted { Vec::new() } else { plan::ready(steps, &done) };
            for id in ready {
                if running.len() < STEPS_AT_ONCE_MAX && started.insert(id.clone()) {
                    running.push(self.step(id, Some(held)));
                }
            }
            match running.next().await {
                Some(end) => outcome.note(end),
                None => break,
            }
        }
    }

    async fn step(&self, id: &StepId, held: Option<Held<'_, W>>) -> (StepId, End) {
        let course = step::Course { world: self.world, plan: self.plan, stop: self.stop, held };
        (id.clone(), step::run(&course, id, &self.tell).await)
    }
}

fn makes_namespace(action: &Action) -> bool {
    matches!(action, Action::Create { object, .. } if object.kind == Kind::Namespace)
}
