//! Carries a plan out, step by step, deciding nothing: what may start is the plan's word, what is
//! done is judged from facts.

pub mod event;
pub mod expect;
pub mod hold;
pub mod pods;
pub mod record;
pub mod step;
pub mod wait;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::lock::Lock;
use crate::object::Kind;
use crate::plan::step::{Action, StepId};
use crate::plan::{self, Plan};
use crate::world::World;
use event::Event;
use hold::{Claim, Hold, NotHeld};
use step::End;

/// Steps that run at the same time, at most: the API server answers no faster beyond it
/// (measured, research G §1.3), and a person cannot follow more.
const STEPS_AT_ONCE_MAX: usize = 16;

/// How an apply ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that are done.
    pub done: BTreeSet<StepId>,
    /// Steps that ended otherwise, and how.
    pub ended: BTreeMap<StepId, End>,
    /// The record could not be kept; the reason.
    pub record: Option<String>,
    /// A database is not as it was when the plan was made; in what. Nothing was done then.
    pub stale: Option<String>,
    /// The lock was not had; why. Nothing was done then but for the namespace.
    pub not_held: Option<NotHeld>,
}

impl Outcome {
    /// Whether all was done.
    pub fn is_complete(&self, plan: &Plan) -> bool {
        self.done.len() == plan.steps.len()
            && self.record.is_none()
            && self.not_held.is_none()
            && self.stale.is_none()
    }
}

/// Runs a plan. `stop` is set by the first Ctrl-C: from then on nothing starts and no wait goes
/// on. Events go to `tell` in the order they happen; `waiting` hears who holds the lock.
pub async fn run<W: World>(
    world: &W,
    plan: &Plan,
    claim: &Claim,
    stop: &AtomicBool,
    tell: impl FnMut(&Event),
    waiting: impl FnMut(&Lock),
) -> Outcome {
    let mut outcome = Outcome::default();
    if let Err(end) = expect::all(world, plan).await {
        outcome.ended.insert(end.0, end.1);
        return outcome;
    }
    if let Err(change) = expect::databases(world, plan).await {
        outcome.stale = Some(change);
        return outcome;
    }
    let tell = RefCell::new(tell);
    make_namespace(world, plan, stop, &tell, &mut outcome).await;
    if outcome.ended.is_empty() && !stop.load(Ordering::Relaxed) {
        match hold::take(world, &plan.namespace, &plan.stack, claim, stop, waiting).await {
            Ok(hold) => {
                let ends = held(world, plan, &hold, stop, &tell, &mut outcome).await;
                if ends { hold.remove().await } else { hold.release().await }
            }
            Err(not_held) => outcome.not_held = Some(not_held),
        }
    }
    outcome
}

/// The namespace is made before the lock, which lives in it; two who make it at once are told
/// apart by Kubernetes.
async fn make_namespace<W: World>(
    world: &W,
    plan: &Plan,
    stop: &AtomicBool,
    tell: &RefCell<impl FnMut(&Event)>,
    outcome: &mut Outcome,
) {
    let namespace = plan.steps.iter().find(|(_, step)| makes_namespace(&step.action));
    if let Some((id, step)) = namespace {
        match step::run(world, plan, id, step, None, stop, tell).await {
            (id, End::Done) => drop(outcome.done.insert(id)),
            (id, end) => drop(outcome.ended.insert(id, end)),
        }
    }
}

/// Carries the plan out under the lock: what is meant is kept on record first, what is there last.
/// Answers whether nothing is left of the stack.
async fn held<W: World>(
    world: &W,
    plan: &Plan,
    hold: &Hold<'_, W>,
    stop: &AtomicBool,
    tell: &RefCell<impl FnMut(&Event)>,
    outcome: &mut Outcome,
) -> bool {
    // Whoever held the lock before may have changed what the plan was made from.
    if let Err(end) = expect::all_but(world, plan, &outcome.done).await {
        outcome.ended.insert(end.0, end.1);
    } else if let Err(refused) = world.keep(&plan.inventory).await {
        outcome.record = Some(refused.to_string());
    } else {
        steps(world, plan, hold, stop, tell, outcome).await;
        if !outcome.ended.values().any(|end| matches!(end, End::Lost(_))) {
            return record::settle(world, plan, outcome).await;
        }
    }
    false
}

async fn steps<W: World>(
    world: &W,
    plan: &Plan,
    hold: &Hold<'_, W>,
    stop: &AtomicBool,
    tell: &RefCell<impl FnMut(&Event)>,
    outcome: &mut Outcome,
) {
    let mut started: BTreeSet<StepId> = outcome.done.clone();
    let mut running = FuturesUnordered::new();
    loop {
        let halted = !outcome.ended.is_empty() || stop.load(Ordering::Relaxed);
        let done: BTreeSet<&StepId> = outcome.done.iter().collect();
        let ready = if halted { Vec::new() } else { plan::ready(&plan.steps, &done) };
        for id in ready {
            if running.len() < STEPS_AT_ONCE_MAX && started.insert(id.clone()) {
                let step = &plan.steps[id];
                running.push(step::run(world, plan, id, step, Some(hold), stop, tell));
            }
        }
        match running.next().await {
            Some((id, End::Done)) => drop(outcome.done.insert(id)),
            Some((id, end)) => drop(outcome.ended.insert(id, end)),
            None => break,
        }
    }
}

fn makes_namespace(action: &Action) -> bool {
    matches!(action, Action::Create { object, .. } if object.kind == Kind::Namespace)
}
