//! Carries a plan out, step by step, deciding nothing: what may start is the plan's word, what is
//! done is judged from facts.

pub mod event;
pub mod expect;
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
}

impl Outcome {
    /// Whether all was done.
    pub fn is_complete(&self, plan: &Plan) -> bool {
        self.done.len() == plan.steps.len() && self.record.is_none()
    }
}

/// Runs a plan. `stop` is set by the first Ctrl-C: from then on nothing starts and no wait goes
/// on. Events go to `tell` in the order they happen.
pub async fn run<W: World>(
    world: &W,
    plan: &Plan,
    stop: &AtomicBool,
    tell: impl FnMut(&Event),
) -> Outcome {
    let tell = RefCell::new(tell);
    let mut outcome = Outcome::default();
    if let Err(end) = expect::all(world, plan).await {
        outcome.ended.insert(end.0, end.1);
        return outcome;
    }
    let mut record_kept = false;
    let mut started: BTreeSet<StepId> = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    loop {
        let halted =
            !outcome.ended.is_empty() || outcome.record.is_some() || stop.load(Ordering::Relaxed);
        let done: BTreeSet<&StepId> = outcome.done.iter().collect();
        let ready = if halted { Vec::new() } else { plan::ready(&plan.steps, &done) };
        for id in ready {
            if started.contains(id) || running.len() >= STEPS_AT_ONCE_MAX {
                continue;
            }
            let step = &plan.steps[id];
            if !record_kept && !makes_namespace(&step.action) {
                // Everything but the namespace itself comes after the record of what is meant.
                if !namespace_is_settled(plan, &outcome.done) {
                    continue;
                }
                record_kept = true;
                if let Err(refused) = world.keep(&plan.inventory).await {
                    outcome.record = Some(refused.to_string());
                    break;
                }
            }
            started.insert(id.clone());
            running.push(step::run(world, plan, id, step, stop, &tell));
        }
        match running.next().await {
            Some((id, End::Done)) => {
                outcome.done.insert(id);
            }
            Some((id, end)) => {
                outcome.ended.insert(id, end);
            }
            None => break,
        }
    }
    if record_kept || plan.steps.is_empty() {
        record::settle(world, plan, &mut outcome).await;
    }
    outcome
}

fn makes_namespace(action: &Action) -> bool {
    matches!(action, Action::Create { object, .. } if object.kind == Kind::Namespace)
}

fn namespace_is_settled(plan: &Plan, done: &BTreeSet<StepId>) -> bool {
    plan.steps.iter().all(|(id, step)| !makes_namespace(&step.action) || done.contains(id))
}
