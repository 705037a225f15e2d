//! Removing one object: what its deletion waits for, what it does to data, and what is kept instead.

use std::collections::BTreeSet;

use super::PlanInput;
use super::draft::{PlanDraft, delete_id};
use crate::object::{Kind, LABEL_TIER, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, Operation};
use crate::stack::Reclaim;
use crate::stack::quantity::Quantity;

/// How long a volume may take to be freed by its driver, in seconds.
pub const FREE_SECONDS: u64 = 600;

/// When a deletion is done. Volumes, and Services with a load balancer behind them, are held back
/// by their controllers until what they stand for is gone; other kinds go when they are told.
pub fn removed(object: &ObjectKey, live: &LiveObject) -> Until {
    let held_back = object.kind == Kind::PersistentVolume
        || object.kind == Kind::Service && live.text("/spec/type") == Some("LoadBalancer");
    if held_back { Until::Gone { object: object.clone() } } else { Until::Said }
}

/// What the claim's class does with the data once the claim is gone.
fn reclaim(input: &PlanInput<'_>, claim: &LiveObject) -> Reclaim {
    let declared = claim.label(LABEL_TIER).and_then(|tier| input.stack.storage.get(tier));
    let class = claim.text("/spec/storageClassName").unwrap_or_default();
    let live = input.observed.objects.get(&ObjectKey::global(Kind::StorageClass, class));
    let live = live.and_then(|class| class.text("/reclaimPolicy"));
    match (declared.map(|tier| tier.reclaim), live) {
        (Some(Reclaim::Delete), Some("Delete") | None) | (None, Some("Delete")) => Reclaim::Delete,
        // Whoever says retain is believed: data kept by mistake can still be deleted.
        _ => Reclaim::Retain,
    }
}

/// Deletes a claim and waits until its volume is freed; or keeps both, as the tier says.
pub fn claim_down(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
    stopped: &BTreeSet<StepId>,
) {
    if reclaim(input, live) == Reclaim::Retain {
        keep(plan, key, live, "its tier says retain");
        if let Some(volume) = volume_of(input, live) {
            keep(plan, volume.0, volume.1, "its tier says retain and it is in use");
        }
        return;
    }
    let volume = live.text("/spec/volumeName");
    let volume = volume.map(|name| ObjectKey::global(Kind::PersistentVolume, name));
    let until = Until::Freed { claim: key.clone(), volume };
    let because = "its tier says delete";
    delete(plan, key, live, because, stopped.clone(), until, FREE_SECONDS);
}

fn volume_of<'a>(
    input: &PlanInput<'a>,
    claim: &LiveObject,
) -> Option<(&'a ObjectKey, &'a LiveObject)> {
    let name = claim.text("/spec/volumeName")?;
    input.observed.objects.get_key_value(&ObjectKey::global(Kind::PersistentVolume, name))
}

/// Classes go once no claim is left to use them; volumes of ours go only if they never held data.
pub fn storage_down(plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject, because: &str) {
    let phase = live.text("/status/phase").unwrap_or("Available");
    let claimed = live.value.pointer("/spec/claimRef").is_some();
    if key.kind == Kind::PersistentVolume && (claimed || phase == "Failed") {
        let why = if phase == "Bound" { "is in use" } else { "may hold data" };
        keep(plan, key, live, &format!("its tier says retain and it {why}"));
        return;
    }
    let claims_gone: BTreeSet<StepId> = plan
        .steps
        .iter()
        .filter(|(_, step)| matches!(step.until, Until::Freed { .. } | Until::PodsGone { .. }))
        .map(|(id, _)| id.clone())
        .collect();
    delete(plan, key, live, because, claims_gone, removed(key, live), FREE_SECONDS);
}

fn keep(plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject, because: &str) {
    let summary = describe(key, live);
    let because = because.to_owned();
    let change = Change { operation: Operation::Keep, because, summary, fields: Vec::new() };
    plan.changes.entry(key.clone()).or_insert(change);
}

fn describe(key: &ObjectKey, live: &LiveObject) -> String {
    let size = match key.kind {
        Kind::PersistentVolumeClaim => live.text("/spec/resources/requests/storage"),
        Kind::PersistentVolume => live.text("/spec/capacity/storage"),
        _ => None,
    };
    match (key.kind, live.number("/spec/replicas"), size) {
        (Kind::StatefulSet, Some(1), _) => "1 member stops".to_owned(),
        (Kind::StatefulSet, Some(members), _) => format!("{members} members stop"),
        (_, _, Some(size)) => size.to_owned(),
        _ => String::new(),
    }
}

/// The size of a claim, in bytes.
fn claimed(claim: &LiveObject) -> u64 {
    let size = claim.text("/spec/resources/requests/storage").unwrap_or_default();
    size.parse::<Quantity>().map_or(0, |size| size.bytes())
}

/// Adds an object's deletion, by uid.
pub fn delete(
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
    because: &str,
    after: BTreeSet<StepId>,
    until: Until,
    limit_seconds: u64,
) {
    let risk = match until {
        Until::Freed { .. } => Risk::Deletes,
        _ => Risk::None,
    };
    let change = Change {
        operation: Operation::Delete,
        because: because.to_owned(),
        summary: describe(key, live),
        fields: Vec::new(),
    };
    let uid = live.uid().to_owned();
    let expects =
        vec![Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest: String::new() }];
    let step = Step {
        action: Action::Delete { object: key.clone(), uid },
        title: format!("delete {key}"),
        because: because.to_owned(),
        expects,
        after,
        until,
        limit_seconds,
        risk,
        bytes: if risk == Risk::Deletes { claimed(live) } else { 0 },
    };
    plan.changes.insert(key.clone(), change);
    plan.step(delete_id(key), step);
}
