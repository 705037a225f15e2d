//! What a run of a plan would be like, seen in advance: it is run on a copy of the world as it is, once
//! in peace, once killed after each of its actions, and with every fault at each of its requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault::Fault;
use super::matrix::Operation;
use super::soak::{self, Failure, Place, Tally};
use super::traces::Traces;
use crate::object::{Kind, Labels};
use crate::observed::{List, Observed, Scope};
use crate::plan::{Plan, Purpose};
use crate::sandbox::Cluster;
use crate::stack::Stack;

/// What is rehearsed.
#[derive(Clone, Debug)]
pub struct Play<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Apply or destroy.
    pub purpose: Purpose,
    /// Addresses the user consents to.
    pub consents: &'a [String],
    /// The plan that was made of the world itself.
    pub plan: &'a Plan,
    /// Whether only crashes are tried.
    pub is_quick: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// How long the run took in peace, by the simulated clock.
    pub took: Duration,
    /// How long all of its waits may take, one after the other, before they are given up.
    pub limit: Duration,
    /// Rules that were broken in peace, and ends that should not be.
    pub wrong: Vec<String>,
    /// Ready members of each quorum domain at the lowest.
    pub margins: Vec<Margin>,
    /// A crash right after each action.
    pub crashes: Vec<Crash>,
    /// Faults tried besides.
    pub tally: Tally,
    /// Trials in which a rule was broken, or that did not come to the same end.
    pub failures: Vec<Failure>,
}

impl Forecast {
    /// Whether no rule was broken, and every run came to the same end.
    pub fn is_sound(&self) -> bool {
        self.wrong.is_empty()
            && self.failures.is_empty()
            && self.crashes.iter().all(|crash| crash.wrong.is_empty())
    }
}

/// The fewest members of a quorum domain that were ready once all of it were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Margin {
    /// The cluster.
    pub cluster: String,
    /// `control`, or `storing`.
    pub domain: String,
    /// Ready at the lowest.
    pub ready: usize,
    /// All members.
    pub of: usize,
    /// Replicas of what they hold, by name: how many run of a group all of whose missing members are
    /// replicas of it, and how many there are.
    pub replicas: Vec<(&'static str, usize, usize)>,
}

/// A run that is killed once an action of it was carried out.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The action, e.g. `create StatefulSet/tsdb/history-data`.
    pub after: String,
    /// What it leaves.
    pub leaves: Traces,
    /// Plain runs until nothing is left to do.
    pub reruns: usize,
    /// Rules that were broken.
    pub wrong: Vec<String>,
}

/// Why a plan cannot be rehearsed: the copy is not like the world in what the plan is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated copy comes to another plan ({0}); nothing can be told from it")]
pub struct Unlike(pub String);

/// Has a look show what a copy goes on from, beside what a plan is made of: where members may go to, and what any claim
/// may be bound to.
pub fn see_more(scope: &mut Scope) {
    for kind in [Kind::Node, Kind::PersistentVolume, Kind::StorageClass] {
        scope.lists.retain(|list| list.kind != kind);
        scope.lists.push(List { kind, namespace: None, labels: Labels::new() });
    }
}

/// Rehearses a plan in a copy of what was seen.
pub async fn rehearse(seen: &Observed, play: &Play<'_>) -> Result<Forecast, Unlike> {
    let base = Cluster::copied(seen, &play.plan.databases);
    let name = "rehearsal".to_owned();
    let (stack, consents) = (play.stack.clone(), play.consents.to_vec());
    let operation = Operation::new(name, base, stack, play.purpose, consents).await;
    let straight = &operation.straight;
    if let Some(other) = differing(play.plan, &straight.actions) {
        return Err(Unlike(other));
    }
    let mut crashes = Vec::new();
    for (effect, after) in &straight.actions {
        let report = operation.under(BTreeMap::from([(*effect, Fault::CrashAfter)])).await;
        let leaves = report.traces.unwrap_or_default();
        let (reruns, wrong) = (report.reruns, report.wrong);
        crashes.push(Crash { after: after.clone(), leaves, reruns, wrong });
    }
    let made = play.stack.as_made(&play.plan.names);
    let margins = straight.fewest.iter().map(|(place, counts)| margin(&made, place, *counts));
    let limits = play.plan.steps.values().map(|step| step.limit_seconds).sum();
    let operations = std::slice::from_ref(&operation);
    let places: Vec<Place> = if play.is_quick { Vec::new() } else { soak::every_place(operations) };
    let (tally, failures) = soak::try_all(operations, &places);
    Ok(Forecast {
        took: straight.took,
        limit: Duration::from_secs(limits),
        wrong: straight.wrong.clone(),
        margins: margins.collect(),
        crashes,
        tally,
        failures,
    })
}

/// An action that only one of the two has: of the plan, or of the run in the copy.
fn differing(plan: &Plan, actions: &[(usize, String)]) -> Option<String> {
    let lock = |action: &&str| !action.contains(" Lease/");
    let done: Vec<&str> = actions.iter().map(|(_, action)| action.as_str()).filter(lock).collect();
    let planned: Vec<String> = plan
        .steps
        .values()
        .filter(|step| step.action.object().is_some())
        .map(|step| super::scene::named(&step.action))
        .collect();
    let missing = planned.iter().find(|action| !done.contains(&action.as_str()));
    let missing = missing.map(|action| format!("without `{action}`"));
    let more = done.iter().find(|action| !planned.iter().any(|planned| planned == **action));
    missing.or_else(|| more.map(|action| format!("with `{action}`")))
}

fn margin(stack: &Stack, place: &(String, String), (ready, of): (usize, usize)) -> Margin {
    let (cluster, domain) = place.clone();
    let away = of.saturating_sub(ready);
    let declared = stack.clusters.get(&cluster).filter(|_| domain == "storing");
    let replicas = declared.map_or_else(Vec::new, |declared| {
        let all = [("schema", declared.schema_replication), ("data", declared.data_replication)];
        all.map(|(what, replicas)| {
            let replicas = usize::try_from(replicas).unwrap_or(usize::MAX);
            (what, replicas.saturating_sub(away), replicas)
        })
        .to_vec()
    });
    let cluster = stack.cluster_address(&cluster).name().to_owned();
    Margin { cluster, domain, ready, of, replicas }
}
