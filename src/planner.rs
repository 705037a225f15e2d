//! Desired against observed: what changes, in which order, and what must not be done. Pure.

pub mod basis;
pub mod because;
pub mod claims;
pub mod condemned;
pub mod draft;
pub mod guards;
pub mod immutable;
pub mod managers;
pub mod objects;
pub mod order;
pub mod removal;
pub mod restarts;
pub mod stuck;
pub mod teardown;
pub mod tiers;

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::object::{Kind, LABEL_CLUSTER, ObjectKey};
use crate::observed::Observed;
use crate::plan::{Basis, Plan, Purpose};
use crate::stack::Stack;
use crate::world::{Draft, Preview};
use draft::PlanDraft;

/// Everything a plan is made from. Same input, same plan, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// What it asks for.
    pub desired: &'a Desired,
    /// What is there.
    pub observed: &'a Observed,
    /// What Kubernetes would make of each draft of [`objects::drafts`].
    pub previews: &'a BTreeMap<ObjectKey, Previewed>,
    /// Apply or destroy.
    pub purpose: Purpose,
    /// What the plan is pinned to.
    pub basis: &'a Basis,
    /// Addresses the user consents to (`cluster.NAME`, or an object whose fields are taken).
    pub consents: &'a BTreeSet<String>,
}

/// What Kubernetes said of one draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// Fields of others the draft sets otherwise: manager and path.
    pub conflicts: Vec<(String, String)>,
    /// What it would store, with those fields taken if they may be.
    pub result: Preview,
}

/// The drafts Kubernetes has to be asked about before [`plan`]: objects that are new or differ.
/// A destroy has none.
pub fn drafts(
    stack: &Stack,
    desired: &Desired,
    observed: &Observed,
    purpose: Purpose,
) -> Vec<Draft> {
    match purpose {
        Purpose::Apply => objects::drafts(stack, desired, observed),
        Purpose::Destroy => Vec::new(),
    }
}

/// Makes the plan.
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let mut draft = PlanDraft::default();
    guards::identity(input, &mut draft);
    match input.purpose {
        Purpose::Apply => {
            guards::shape(input, &mut draft);
            tiers::classes(input, &mut draft);
            tiers::volumes(input, &mut draft);
            guards::downgrades(input, &mut draft);
            claims::stale(input, &mut draft);
            claims::tell_leaving(input, &mut draft);
            condemned::tell_left(input, &mut draft);
            objects::changes(input, &mut draft);
            order::steps(input, &mut draft);
            teardown::what_the_stack_dropped(input, &mut draft);
        }
        Purpose::Destroy => teardown::everything(input, &mut draft),
    }
    guards::idle_consents(input, &mut draft);
    let inventory = record(input, &draft);
    draft.finish(input, inventory)
}

/// The record to keep: what was owned, what is there of ours, what this plan makes. What it
/// deletes stays in until it is seen to be gone.
fn record(input: &PlanInput<'_>, draft: &PlanDraft) -> Inventory {
    let stack = input.stack;
    let mut record = input
        .observed
        .inventory
        .clone()
        .unwrap_or_else(|| Inventory::new(&stack.name, &stack.namespace));
    record.items.retain(|key, _| input.observed.objects.contains_key(key));
    for (key, live) in objects::owned(input) {
        record.items.entry(key.clone()).or_default().uid = live.uid().to_owned();
    }
    for step in draft.steps.values() {
        // The namespace is nobody's, and pods are their StatefulSet's.
        if let Some(object) =
            step.action.object().filter(|o| !matches!(o.kind, Kind::Namespace | Kind::Pod))
        {
            record.items.entry(object.clone()).or_default();
        }
    }
    forget_the_gone(input, &mut record);
    for (name, cluster) in &input.desired.clusters {
        let entry = record.clusters.entry(name.clone()).or_default();
        entry.protect = cluster.protect;
        if let Some(id) = guards::seen_id(input.observed, name)
            && entry.cluster_id.is_empty()
        {
            id.clone_into(&mut entry.cluster_id);
        }
    }
    record
}

/// A cluster of which neither a StatefulSet nor a claim is left is gone with its data: the next one
/// of its name is another, under an id of its own.
fn forget_the_gone(input: &PlanInput<'_>, record: &mut Inventory) {
    let left: BTreeSet<&str> = objects::owned(input)
        .filter(|(key, _)| matches!(key.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim))
        .filter_map(|(_, live)| live.label(LABEL_CLUSTER))
        .collect();
    record.clusters.retain(|name, _| left.contains(name.as_str()));
}
