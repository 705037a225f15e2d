//! One trial: a run with faults, then plain runs until nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::join;

use super::conduct;
use super::fault::Fault;
use super::faulty::Faulty;
use super::scene::Scene;
use super::traces::Traces;
use super::way::Way;
use crate::apply::hold::Claim;
use crate::apply::{self, Outcome};
use crate::lock::{REQUEST, TERM};
use crate::object::{Kind, LABEL_STACK};
use crate::plan::{Plan, Purpose};
use crate::sandbox::Cluster;
use crate::stack::Stack;
use crate::survey::{self, NoPlan, Request};
use crate::world::World as _;

/// Plain runs that may be needed after the one with faults.
pub const RERUNS_MAX: usize = 3;

/// How long the world is left alone after the run with faults, so that what is on its way arrives.
const REST: Duration = Duration::from_secs(90);

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The stack that is applied or destroyed.
    pub stack: &'a Stack,
    /// Which of the two.
    pub purpose: Purpose,
    /// Addresses the user consents to.
    pub consents: &'a [String],
    /// What goes wrong at which effect.
    pub faults: BTreeMap<usize, Fault>,
    /// The way it goes in this world without a fault, if it was gone before in the product's own way.
    pub way: Option<&'a Way>,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Rules that were broken, and ends that should not be.
    pub wrong: Vec<String>,
    /// Effects of the run with faults.
    pub effects: usize,
    /// Plain runs until nothing was left to do.
    pub reruns: usize,
    /// What happened, one line an effect.
    pub journal: Vec<String>,
    /// What was there of the stack in the end.
    pub left: BTreeSet<String>,
    /// How long the run with faults took, by the simulated clock.
    pub took: Duration,
    /// The actions of the run with faults: the number of the effect, and what was asked for.
    pub actions: Vec<(usize, String)>,
    /// The fewest members of each quorum domain (cluster, domain) that were ready since all of it were,
    /// and how many all are.
    pub fewest: BTreeMap<(String, String), (usize, usize)>,
    /// What a crash has left, if there was one.
    pub traces: Option<Traces>,
}

/// Who carries plans out: the product in its own way, or, to try the rules themselves, a wrong one.
#[allow(async_fn_in_trait, reason = "one thread drives a trial; its futures need not be Send")]
pub trait Executor {
    /// Reads a plan; what it makes of it is carried out, if nothing in it is refused.
    fn read(&self, plan: Plan) -> Plan {
        plan
    }

    /// Carries a plan out.
    async fn run(&self, world: &Faulty<'_>, plan: &Plan, claim: &Claim) -> Outcome;
}

/// The product's own way.
#[derive(Clone, Copy, Debug)]
pub struct Ours;

impl Executor for Ours {
    async fn run(&self, world: &Faulty<'_>, plan: &Plan, claim: &Claim) -> Outcome {
        let stop = AtomicBool::new(false);
        apply::run(world, plan, claim, &stop, |_| (), |_| ()).await
    }
}

/// Tries it in a world; deterministic.
pub async fn run(base: &Cluster, trial: &Trial<'_>, executor: &impl Executor) -> Report {
    run_in(&Scene::new(base, trial.stack), base, trial, executor).await
}

/// Tries it without a fault, and keeps the way it goes.
pub async fn run_and_keep(base: &Cluster, trial: &Trial<'_>) -> (Report, Way) {
    let scene = Scene::new(base, trial.stack).recording();
    let report = run_in(&scene, base, trial, &Ours).await;
    (report, scene.way.take().unwrap_or_default())
}

async fn run_in(
    scene: &Scene,
    base: &Cluster,
    trial: &Trial<'_>,
    executor: &impl Executor,
) -> Report {
    let effects = first_run(scene, trial, executor).await;
    let took = scene.sandbox.elapsed();
    let fewest = scene.rules.borrow().fewest();
    scene.sandbox.disturb(Cluster::heal);
    scene.pass(REST);
    let reruns = converge(scene, trial, executor).await;
    if !trial.faults.values().any(|fault| fault.is_interference()) {
        let left = scene.sandbox.snapshot();
        let wrong = conduct::at_the_end(&left, &trial.stack.name, &trial.stack.namespace);
        wrong.into_iter().for_each(|wrong| scene.rules.borrow_mut().say(wrong));
    }
    let journal = scene.journal.borrow().clone();
    let wrong = scene.rules.borrow().wrong();
    let left = left(&scene.sandbox.snapshot(), trial.stack);
    let crash = scene.at_the_crash.borrow();
    let traces = crash.as_ref().map(|crash| Traces::between(base, crash, trial.stack));
    let actions = scene.actions.borrow().clone();
    Report { wrong, effects, reruns, journal, left, took, actions, fewest, traces }
}

/// The run with faults, beside another one if a fault says so.
async fn first_run(scene: &Scene, trial: &Trial<'_>, executor: &impl Executor) -> usize {
    let may_end = may_end(trial, &[]);
    let anna = Faulty::new(scene, "anna", may_end, trial.faults.clone()).watched().on(trial.way);
    let ben = Faulty::new(scene, "ben", may_end, BTreeMap::new());
    let first = async {
        let end = anna.survive(first(&anna, trial, executor)).await;
        scene.rival_begins.set(true);
        end
    };
    let rival = trial.faults.values().any(|fault| matches!(fault, Fault::Rival | Fault::Paused));
    let second = async {
        while rival && !scene.rival_begins.get() {
            tokio::task::yield_now().await;
        }
        if rival {
            drop(ben.survive(once(&ben, trial, "ben", trial.consents, executor)).await);
        }
        scene.other_is_through.set(true);
    };
    let (end, ()) = join(first, second).await;
    if let Some(Ok((plan, outcome))) = end
        && trial.faults.is_empty()
    {
        if let Some(outcome) = outcome.filter(|outcome| !outcome.is_complete(&plan)) {
            scene.rules.borrow_mut().say(format!("without a fault it ends otherwise: {outcome:?}"));
        }
        if let Some(way) = scene.way.borrow_mut().as_mut() {
            way.plan = Some(plan);
        }
    }
    anna.effects()
}

/// Plain runs, as a user repeats them, until a plan has nothing to do.
pub(super) async fn converge(scene: &Scene, trial: &Trial<'_>, executor: &impl Executor) -> usize {
    let mut consents: Vec<String> = trial.consents.to_vec();
    let mut last = String::new();
    for rerun in 0..=RERUNS_MAX {
        let name = format!("carla-{rerun}");
        let world = Faulty::new(scene, &name, may_end(trial, &consents), BTreeMap::new());
        let end = world.survive(once(&world, trial, &name, &consents, executor)).await;
        match end {
            Some(Ok((plan, None))) if plan.blocked.is_empty() => return rerun,
            Some(Ok((plan, None))) => {
                if plan.blocked.iter().all(|entry| is_honest_end(trial, &entry.rule)) {
                    return rerun;
                }
                last = format!("blocked: {:?}", plan.blocked);
                for entry in plan.blocked.iter().filter(|entry| entry.rule == "conflict") {
                    consents.push(entry.address.clone());
                }
            }
            Some(Ok((plan, Some(outcome)))) if outcome.is_complete(&plan) => {
                last = "each run has something to do again".to_owned();
            }
            Some(Ok((_, Some(outcome)))) => last = format!("{outcome:?}"),
            Some(Err(why)) => last = why.to_string(),
            None => last = "it does not end".to_owned(),
        }
        scene.pass(REST);
    }
    scene.rules.borrow_mut().say(format!("not converged after {RERUNS_MAX} runs: {last}"));
    RERUNS_MAX + 1
}

/// Refusals that are the right end of what somebody else did: what was scaled up by hand is not drained yet, and
/// has the volume another one needs; a member whose set was taken away is replaced only once that is back; a pool
/// that ends and whose set was deleted with its members is put back first; a Service that is another's now is
/// left to them, and another database is looked at by people. A member that was lost while its set was away is
/// brought back by the stack as it was, before its set may restart anybody.
fn is_honest_end(trial: &Trial<'_>, rule: &str) -> bool {
    let happened = |wanted: &Fault| trial.faults.values().any(|fault| fault == wanted);
    if rule == "quorum" && happened(&Fault::SetOrphaned) && happened(&Fault::PodDeleted) {
        return true;
    }
    trial.faults.values().any(|fault| {
        matches!(
            (fault, rule),
            (Fault::Autoscaled | Fault::Scaled, "scale-in" | "stale-claim")
                | (Fault::Autoscaled, "volumes")
                | (Fault::SetDeleted | Fault::SetOrphaned, "replace")
                | (Fault::SetDeleted, "kept-claims" | "scale-in")
                | (Fault::ServiceReplaced, "foreign")
                | (Fault::AnotherDatabase, "identity" | "stale-claim")
        )
    })
}

fn may_end(trial: &Trial<'_>, consents: &[String]) -> bool {
    let consented = |name: &String| {
        let address = format!("cluster.{name}");
        trial.consents.iter().chain(consents).any(|consent| *consent == address)
    };
    let mut clusters = trial.stack.clusters.values();
    let may_go = |cluster: &crate::stack::Cluster| !cluster.protect || consented(&cluster.name);
    let of_data = |address: &String| {
        address.starts_with("cluster.") || address.starts_with("PersistentVolume/")
    };
    match trial.purpose {
        Purpose::Destroy => clusters.all(may_go),
        Purpose::Apply | Purpose::Refresh | Purpose::Adopt | Purpose::Forget => {
            trial.consents.iter().chain(consents).any(of_data)
        }
    }
}

/// The run with faults, by the plan that was made before or by one that is made now.
async fn first(
    world: &Faulty<'_>,
    trial: &Trial<'_>,
    executor: &impl Executor,
) -> Result<(Plan, Option<Outcome>), NoPlan> {
    match trial.way.and_then(|way| way.plan.as_ref()) {
        Some(plan) => Ok(carried_out(world, plan.clone(), "anna", executor).await),
        None => once(world, trial, "anna", trial.consents, executor).await,
    }
}

/// One plan and, if it may be carried out, its run.
async fn once(
    world: &Faulty<'_>,
    trial: &Trial<'_>,
    holder: &str,
    consents: &[String],
    executor: &impl Executor,
) -> Result<(Plan, Option<Outcome>), NoPlan> {
    let Trial { stack, purpose, .. } = *trial;
    let request = Request { stack, digest: "of-a-trial", purpose, consents };
    let plan = survey::plan(world, &request).await?;
    Ok(carried_out(world, plan, holder, executor).await)
}

/// The run of a plan, if it may be carried out and there is something to do.
async fn carried_out(
    world: &Faulty<'_>,
    plan: Plan,
    holder: &str,
    executor: &impl Executor,
) -> (Plan, Option<Outcome>) {
    let plan = executor.read(plan);
    if !plan.blocked.is_empty() || !plan.has_work() {
        return (plan, None);
    }
    let claim = Claim {
        holder: holder.to_owned(),
        purpose: "apply".to_owned(),
        patience: 4 * (TERM + REQUEST),
    };
    world.begins(&plan);
    let outcome = executor.run(world, &plan, &claim).await;
    if outcome.is_complete(&plan) {
        world.has_let_go();
    }
    (plan, Some(outcome))
}

/// Every object of the stack that is there, but what is only a trace of the run.
pub fn left(cluster: &Cluster, stack: &Stack) -> BTreeSet<String> {
    let ours = cluster.objects.iter().filter(|(key, object)| {
        object.value["metadata"]["labels"][LABEL_STACK] == *stack.name
            && !matches!(key.kind, Kind::Lease | Kind::ConfigMap | Kind::PersistentVolume)
    });
    ours.map(|(key, _)| key.to_string()).collect()
}
