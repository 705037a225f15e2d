//! The record to keep: what is there of the stack, what a plan makes, what was last applied whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{PlanInput, guards, kept, objects};
use crate::inventory::{Inventory, Item};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_STACK, LABEL_TIER, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::selection::Parts;
use crate::plan::step::Action;
use crate::plan::{Plan, Purpose};
use crate::stack::parts::PartAddress;

/// What is meant, kept before the first step: what was owned, what is there of ours, what this plan
/// makes. What it deletes stays in until it is seen to be gone, and says so. It does not claim to be
/// applied what is yet to be. A plan that is only a part means nothing of what it leaves out.
pub fn intent(input: &PlanInput<'_>, plan: &Plan, parts: &Parts) -> Inventory {
    let mut record = known(input);
    if plan.purpose == Purpose::Apply && plan.selection.is_none() {
        record.names = input.naming.now.clone();
    }
    record.items = items(input, record.items);
    for step in plan.steps.values() {
        // The namespace is nobody's, pods are their StatefulSet's, and helpers go before the run ends.
        let ours =
            |object: &&ObjectKey| !matches!(object.kind, Kind::Namespace | Kind::Pod | Kind::Job);
        let Some(object) = step.action.object().filter(ours) else { continue };
        let item = record.items.entry(object.clone()).or_default();
        match step.action {
            Action::Create { .. } | Action::Update { .. } | Action::Scale { .. } => {
                item.applied.clear();
            }
            Action::Delete { .. }
            | Action::Dissolve { .. }
            | Action::Purge { .. }
            | Action::Orphan { .. } => {
                item.going = true;
            }
            Action::Hold { .. }
            | Action::Abandon { .. }
            | Action::Relabel { .. }
            | Action::Say { .. }
            | Action::Start { .. }
            | Action::Retire { .. }
            | Action::Expand { .. }
            | Action::Identify { .. }
            | Action::Await => {}
        }
    }
    forget_the_gone(input, &mut record);
    let objects = plan.steps.values().filter_map(|step| step.action.object());
    let meant: BTreeSet<&str> =
        objects.filter_map(|key| parts.get(key)?.cluster.as_deref()).collect();
    let is_meant = |name: &str| {
        plan.selection.is_none() || meant.contains(input.stack.cluster_address(name).name())
    };
    for (name, cluster) in input.desired.clusters.iter().filter(|(name, _)| is_meant(name)) {
        let entry = record.clusters.entry(name.clone()).or_default();
        entry.protect = cluster.protect;
        if plan.purpose == Purpose::Apply {
            kept::remember(input, name, entry);
        }
    }
    identify(input, &mut record);
    record
}

/// The record as it would be if it were written now, nothing being meant: what is gone leaves it,
/// what is there comes on it, under its uid.
pub fn refreshed(input: &PlanInput<'_>) -> Inventory {
    let mut record = known(input);
    record.items = items(input, record.items);
    record.items.retain(|key, item| {
        input.observed.objects.get(key).is_some_and(|live| live.uid() == item.uid)
    });
    forget_the_gone(input, &mut record);
    identify(input, &mut record);
    record
}

/// The record as it was found, with what the objects themselves say of their names; a stack that was never applied has an empty one.
pub fn known(input: &PlanInput<'_>) -> Inventory {
    let stack = input.stack;
    let found = input.observed.inventory.clone();
    let mut record = found.unwrap_or_else(|| Inventory::new(&stack.name, &stack.namespace));
    record.names = input.naming.before.clone();
    record
}

/// The items of a record with what is gone left out, and with what is there of ours.
fn items(input: &PlanInput<'_>, mut items: BTreeMap<ObjectKey, Item>) -> BTreeMap<ObjectKey, Item> {
    items.retain(|key, item| {
        let live = input.observed.objects.get(key);
        live.is_some_and(|live| !item.released || still_bears_labels(input, live, item))
    });
    for (key, live) in objects::owned(input) {
        let item = items.entry(key.clone()).or_default();
        item.meet(live.uid(), live.is_leaving());
        if let Some(object) = input.desired.objects.get(key)
            && objects::departures(object, live).is_empty()
        {
            item.note_applied(&object.manifest);
        }
    }
    items
}

/// Whether what was let go of still says that it is the stack's: till then the record says otherwise.
fn still_bears_labels(input: &PlanInput<'_>, live: &LiveObject, item: &Item) -> bool {
    live.uid() == item.uid && live.label(LABEL_STACK) == Some(&input.stack.name)
}

/// Puts the ids on record that databases are seen to have.
pub(super) fn identify(input: &PlanInput<'_>, record: &mut Inventory) {
    for (name, entry) in &mut record.clusters {
        if let Some(id) = guards::seen_id(input.observed, name)
            && entry.cluster_id.is_empty()
        {
            id.clone_into(&mut entry.cluster_id);
        }
    }
}

/// A cluster of which neither a StatefulSet nor a claim is left is gone with its data: the next one
/// of its name is another, under an id of its own. Nor is it remembered what such parts were called.
fn forget_the_gone(input: &PlanInput<'_>, record: &mut Inventory) {
    let left: BTreeSet<&str> = objects::owned(input)
        .filter(|(key, _)| matches!(key.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim))
        .filter_map(|(_, live)| live.label(LABEL_CLUSTER))
        .collect();
    record.clusters.retain(|name, _| left.contains(name.as_str()));
    let tiers: BTreeSet<&str> =
        objects::owned(input).filter_map(|(_, live)| live.label(LABEL_TIER)).collect();
    record.names.retain(|made| match made {
        PartAddress::Cluster(name) | PartAddress::Pool(name, _) => {
            left.contains(name.as_str()) || input.stack.clusters.contains_key(name)
        }
        PartAddress::Tier(name) => {
            tiers.contains(name.as_str()) || input.stack.storage.contains_key(name)
        }
    });
}
