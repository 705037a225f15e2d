//! Part of a plan: only what some addresses name and all it comes after, or all but what they name
//! and what comes after that. Pure; what is left of an order is never another order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use db_engine::cluster::Content;
use serde::{Deserialize, Serialize};

use super::step::{Action, Step, StepId, Until};
use super::{Blocked, Change, Operation, Plan};
use crate::object::{Kind, ObjectKey};
use crate::stack::nearest::nearest;
use crate::stack::parts::PartAddress;

/// What a user may name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A part of the stack: all of a cluster, what is of one pool alone, a tier's class and volumes.
    Part(PartAddress),
    /// One object, as plans show it.
    Object(ObjectKey),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => part.fmt(f),
            Self::Object(key) => key.fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(part) = text.parse() {
            return Ok(Self::Part(part));
        }
        text.parse().map(Self::Object).map_err(|_| {
            "this is no address;\nwrite cluster.NAME, cluster.NAME.pool.POOL, storage.TIER, or an \
             object such as Service/tsdb/history"
                .to_owned()
        })
    }
}

/// Which part of a stack an object is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The cluster.
    pub cluster: Option<String>,
    /// The pool of the cluster.
    pub pool: Option<String>,
    /// The storage tier.
    pub tier: Option<String>,
}

/// The objects a plan may be about, and which parts they are of.
pub type Parts = BTreeMap<ObjectKey, Part>;

impl Address {
    /// Whether it names an object that is of these parts.
    pub fn names(&self, key: &ObjectKey, part: &Part) -> bool {
        match self {
            Self::Part(PartAddress::Cluster(cluster)) => part.cluster.as_ref() == Some(cluster),
            Self::Part(PartAddress::Pool(cluster, pool)) => {
                part.cluster.as_ref() == Some(cluster) && part.pool.as_ref() == Some(pool)
            }
            Self::Part(PartAddress::Tier(tier)) => {
                matches!(key.kind, Kind::StorageClass | Kind::PersistentVolume)
                    && part.tier.as_ref() == Some(tier)
            }
            Self::Object(object) => object == key,
        }
    }

    /// Whether it names all that another one names.
    fn covers(&self, other: &Self, parts: &Parts) -> bool {
        match (self, other) {
            _ if self == other => true,
            (Self::Part(PartAddress::Cluster(cluster)), Self::Part(PartAddress::Pool(of, _))) => {
                cluster == of
            }
            (_, Self::Object(key)) => parts.get(key).is_some_and(|part| self.names(key, part)),
            _ => false,
        }
    }
}

/// What a user asks for of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these; none: everything.
    pub targets: Vec<Address>,
    /// But not these.
    pub excludes: Vec<Address>,
}

/// What was selected, and how much was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Addresses that were asked for.
    pub target: Vec<String>,
    /// Addresses that were left out.
    pub exclude: Vec<String>,
    /// Steps that the whole plan has besides.
    pub steps_left_out: usize,
    /// Refusals that concern only what was left out.
    pub refusals_left_out: usize,
}

impl Selected {
    /// Whether what was selected is the whole plan.
    pub fn leaves_nothing_out(&self) -> bool {
        self.steps_left_out == 0 && self.refusals_left_out == 0
    }
}

/// An address that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {address} selects nothing: the stack has and had no such part; {}", way_on(.near))]
pub struct Unknown {
    /// What stands before such an address, such as `--target`.
    pub flag: &'static str,
    /// What was asked for.
    pub address: String,
    /// Addresses that may be meant.
    pub near: Vec<String>,
}

/// Addresses named to a user who wrote none that is known, at most.
const NEAR_MAX: usize = 6;

fn way_on(near: &[String]) -> String {
    match near {
        [] => "there is nothing to select from".to_owned(),
        [near] => format!("did you mean {near}?"),
        near => format!("there are {}", near.join(", ")),
    }
}

impl Selection {
    /// Whether it leaves nothing out.
    pub fn is_all(&self) -> bool {
        self.targets.is_empty() && self.excludes.is_empty()
    }

    /// Finds an address that names nothing; most likely a slip of the pen, and with `--exclude` one
    /// that would do harm. `flags` are the words that stand before targets and excludes.
    pub fn check(&self, parts: &Parts, flags: [&'static str; 2]) -> Result<(), Unknown> {
        let flagged = self.targets.iter().map(|target| (flags[0], target));
        let mut flagged = flagged.chain(self.excludes.iter().map(|one| (flags[1], one)));
        let is_nothing =
            |address: &Address| !parts.iter().any(|(key, part)| address.names(key, part));
        match flagged.find(|(_, address)| is_nothing(address)) {
            Some((flag, address)) => {
                let address = address.to_string();
                let near = near(&address, parts);
                Err(Unknown { flag, address, near })
            }
            None => Ok(()),
        }
    }

    /// The part of a plan. Targets keep the steps of what they name and, transitively, all those come
    /// after, and the waits for what is kept; excludes drop the steps of what they name and,
    /// transitively, all that come after them.
    pub fn of(&self, mut plan: Plan, parts: &Parts) -> Plan {
        if self.is_all() {
            return plan;
        }
        let kept = self.steps(&plan.steps, parts);
        let (steps, refusals) = (plan.steps.len(), plan.blocked.len());
        plan.steps.retain(|id, _| kept.contains(id));
        let whole: BTreeSet<ObjectKey> = plan.changes.keys().cloned().collect();
        let left = |plan: &Plan, key: &ObjectKey| makes(&plan.steps, key, &plan.changes[key]);
        let changes: BTreeSet<ObjectKey> = whole
            .into_iter()
            .filter(|key| left(&plan, key).unwrap_or_else(|| self.names(key, parts)))
            .collect();
        plan.changes.retain(|key, _| changes.contains(key));
        plan.conflicts.retain(|conflict| changes.contains(&conflict.object));
        let stays = |entry: &Blocked| self.stays(entry, &plan.steps, parts);
        plan.blocked = plan.blocked.iter().filter(|entry| stays(entry)).cloned().collect();
        let text = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect();
        plan.selection = Some(Selected {
            target: text(&self.targets),
            exclude: text(&self.excludes),
            steps_left_out: steps - plan.steps.len(),
            refusals_left_out: refusals - plan.blocked.len(),
        });
        plan
    }

    /// Whether an object is asked for, by itself.
    pub fn names(&self, key: &ObjectKey, parts: &Parts) -> bool {
        let none = Part::default();
        let part = parts.get(key).unwrap_or(&none);
        let named = |addresses: &[Address]| addresses.iter().any(|one| one.names(key, part));
        (self.targets.is_empty() || named(&self.targets)) && !named(&self.excludes)
    }

    fn steps(&self, steps: &BTreeMap<StepId, Step>, parts: &Parts) -> BTreeSet<StepId> {
        let none = Part::default();
        let is_of = |addresses: &[Address], step: &Step| {
            about(step, parts).iter().any(|key| {
                let part = parts.get(key).unwrap_or(&none);
                addresses.iter().any(|address| address.names(key, part))
            })
        };
        // What is on one volume of a member is worth nothing without the others.
        let is_excluded = |step: &Step| {
            let with_it = match &step.action {
                Action::Delete { object, .. } => of_the_same_member(object),
                _ => Vec::new(),
            };
            let mut with_it = with_it.iter();
            is_of(&self.excludes, step)
                || with_it.any(|key| self.excludes.contains(&Address::Object(key.clone())))
        };
        let mut dropped: BTreeSet<StepId> =
            steps.keys().filter(|id| is_excluded(&steps[*id])).cloned().collect();
        grow(&mut dropped, |dropped| {
            let later = steps.iter().filter(|(_, step)| !step.after.is_disjoint(dropped));
            later.map(|(id, _)| id.clone()).collect()
        });
        let mut kept: BTreeSet<StepId> = steps.keys().cloned().collect();
        kept.retain(|id| !dropped.contains(id));
        if !self.targets.is_empty() {
            // What is left out asks for nothing before it either.
            kept.retain(|id| is_of(&self.targets, &steps[id]));
            grow(&mut kept, |kept| {
                kept.iter().flat_map(|id| steps[id].after.iter().cloned()).collect()
            });
            // Waiting writes nothing: what is made is also seen to be done.
            grow(&mut kept, |kept| {
                let waits = steps.iter().filter(|(id, step)| {
                    step.action == Action::Await
                        && !step.after.is_empty()
                        && step.after.is_subset(kept)
                        && !dropped.contains(*id)
                });
                waits.map(|(id, _)| id.clone()).collect()
            });
        }
        kept
    }

    /// Whether a refusal still stands: unless all it is about is left out. What is about no cluster
    /// stands as long as anything is to be done.
    fn stays(&self, entry: &Blocked, steps: &BTreeMap<StepId, Step>, parts: &Parts) -> bool {
        let Some(place) = place(entry, parts) else { return !steps.is_empty() };
        let touches = |step: &Step| {
            about(step, parts).iter().any(|key| {
                let part = parts.get(key).cloned().unwrap_or_default();
                place.names(key, &part)
            })
        };
        let meets = |one: &Address| one.covers(&place, parts) || place.covers(one, parts);
        let asked = self.targets.is_empty() || self.targets.iter().any(meets);
        let left_out = self.excludes.iter().any(|one| one.covers(&place, parts));
        steps.values().any(touches) || asked && !left_out
    }
}

/// Rules that judge the change of one object, and nothing else that is done near it.
const OF_THE_OBJECT_ALONE: [&str; 4] = ["conflict", "immutable", "quorum", "refused"];

/// What of a cluster a refusal is about; `None`: no cluster, or not known of which.
fn place(entry: &Blocked, parts: &Parts) -> Option<Address> {
    match entry.address.parse().ok()? {
        Address::Object(key) => {
            let part = parts.get(&key)?;
            match (&part.cluster, &part.pool) {
                (Some(_), _) if OF_THE_OBJECT_ALONE.contains(&entry.rule.as_str()) => {
                    Some(Address::Object(key))
                }
                (Some(cluster), Some(pool)) => {
                    Some(Address::Part(PartAddress::pool(cluster, pool)))
                }
                (Some(cluster), None) => Some(Address::Part(PartAddress::cluster(cluster))),
                (None, _) => None,
            }
        }
        Address::Part(PartAddress::Tier(_)) => None,
        Address::Part(of_a_cluster) => Some(Address::Part(of_a_cluster)),
    }
}

/// Adds to a set what follows from it until nothing more does.
fn grow(set: &mut BTreeSet<StepId>, follows: impl Fn(&BTreeSet<StepId>) -> BTreeSet<StepId>) {
    loop {
        let before = set.len();
        set.extend(follows(set));
        if set.len() == before {
            return;
        }
    }
}

/// The objects a step is about: the one it acts on, and those it waits for.
fn about(step: &Step, parts: &Parts) -> BTreeSet<ObjectKey> {
    let mut found: BTreeSet<ObjectKey> = step.action.object().into_iter().cloned().collect();
    match &step.until {
        Until::Said => {}
        Until::Expanded { claim, .. } => drop(found.insert(claim.clone())),
        Until::Rolled { object, .. }
        | Until::Heard { object }
        | Until::Gone { object }
        | Until::Renewed { object, .. }
        | Until::Remade { object, .. }
        | Until::Finished { object }
        | Until::PodsGone { object } => drop(found.insert(object.clone())),
        Until::Released { claim, volume } => found.extend([claim.clone(), volume.clone()]),
        Until::Left { address, .. } => found.extend(sets_of([address], parts)),
        Until::Joined { addresses, .. } => found.extend(sets_of(addresses, parts)),
    }
    found
}

/// The claims of the member whose claim this is.
fn of_the_same_member(claim: &ObjectKey) -> Vec<ObjectKey> {
    let Some((set, ordinal)) = claim.set_of_claim().zip(claim.ordinal()) else {
        return Vec::new();
    };
    Content::ALL.map(|content| ObjectKey::claim_of(&set, content, ordinal)).into()
}

/// The StatefulSets of members: each registers under its pod's name, and that is its set's and a number.
fn sets_of<'a>(
    addresses: impl IntoIterator<Item = &'a String>,
    parts: &Parts,
) -> BTreeSet<ObjectKey> {
    let set = |address: &String| {
        let (set, _) = address.split('.').next()?.rsplit_once('-')?;
        Some(set.to_owned())
    };
    let names: BTreeSet<String> = addresses.into_iter().filter_map(set).collect();
    let sets = parts.keys().filter(|key| key.kind == Kind::StatefulSet);
    sets.filter(|key| names.contains(&key.name)).cloned().collect()
}

/// Whether one of the steps brings a change about; `None`: no step ever does, as when something is
/// kept, or refused.
fn makes(steps: &BTreeMap<StepId, Step>, key: &ObjectKey, change: &Change) -> Option<bool> {
    let is_it = |action: &Action| match action {
        Action::Create { object, .. } => {
            matches!(change.operation, Operation::Create | Operation::Replace | Operation::Recycle)
                && object == key
        }
        Action::Update { object, .. } | Action::Expand { claim: object, .. } => {
            change.operation == Operation::Update && object == key
        }
        Action::Delete { object, .. }
        | Action::Dissolve { object, .. }
        | Action::Abandon { pod: object, .. }
        | Action::Purge { volume: object, .. } => {
            matches!(change.operation, Operation::Delete | Operation::Recycle) && object == key
        }
        Action::Relabel { object, .. } => {
            matches!(change.operation, Operation::Adopt | Operation::Forget) && object == key
        }
        Action::Say { .. }
        | Action::Hold { .. }
        | Action::Start { .. }
        | Action::Retire { .. }
        | Action::Orphan { .. }
        | Action::Scale { .. }
        | Action::Identify { .. }
        | Action::Await => false,
    };
    (change.operation != Operation::Keep).then(|| steps.values().any(|step| is_it(&step.action)))
}

/// Addresses near one that names nothing: the closest if one is close, else the parts of the stack.
fn near(typed: &str, parts: &Parts) -> Vec<String> {
    let mut all: BTreeSet<Address> = BTreeSet::new();
    for (key, part) in parts {
        if let Some(cluster) = &part.cluster {
            let pool = part.pool.iter().map(|pool| PartAddress::pool(cluster, pool));
            let parts = [PartAddress::cluster(cluster)].into_iter().chain(pool);
            all.extend(parts.map(Address::Part));
        } else if let Some(tier) = &part.tier {
            all.insert(Address::Part(PartAddress::tier(tier)));
        }
        all.insert(Address::Object(key.clone()));
    }
    let names: Vec<String> = all.iter().map(Address::to_string).collect();
    match nearest(typed, names.iter().map(String::as_str)) {
        Some(near) => vec![near.to_owned()],
        None => names.into_iter().take(NEAR_MAX).collect(),
    }
}
