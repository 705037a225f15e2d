//! Removing one object: what its deletion waits for, what it does to data, and what is kept instead.

use std::collections::BTreeSet;

use super::draft::{PlanDraft, delete_id};
use crate::object::{Kind, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, Operation};

/// How long a volume may take to be freed by its driver, in seconds.
pub const FREE_SECONDS: u64 = 600;

/// When a deletion is done. Claims, volumes, and Services with a load balancer behind them, are held
/// back by their controllers until what they stand for is gone; other kinds go when they are told.
pub fn removed(object: &ObjectKey, live: &LiveObject) -> Until {
    let held_back = matches!(object.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim)
        || object.kind == Kind::Service && live.text("/spec/type") == Some("LoadBalancer");
    if held_back { Until::Gone { object: object.clone() } } else { Until::Said }
}

/// Classes go once no claim is left to use them; volumes of ours go only if they never held data.
pub fn storage_down(plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject, because: &str) {
    let phase = live.text("/status/phase").unwrap_or("Available");
    let claimed = live.value.pointer("/spec/claimRef").is_some();
    if key.kind == Kind::PersistentVolume && (claimed || phase == "Failed") {
        let why = if phase == "Bound" { "a claim has it" } else { "it may hold data" };
        keep(plan, key, live, &format!("its tier says retain, and {why}"));
        return;
    }
    let is_of_claims = |step: &Step| {
        let claim = step.action.object().is_some_and(|o| o.kind == Kind::PersistentVolumeClaim);
        claim || step.risk == Risk::Deletes || matches!(step.until, Until::PodsGone { .. })
    };
    let claims_gone: BTreeSet<StepId> = plan
        .steps
        .iter()
        .filter(|(_, step)| is_of_claims(step))
        .map(|(id, _)| id.clone())
        .collect();
    delete(plan, key, live, because, claims_gone, removed(key, live), FREE_SECONDS);
}

/// Says that an object stays though the stack goes.
pub fn keep(plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject, because: &str) {
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
        risk: Risk::None,
        bytes: 0,
    };
    plan.changes.insert(key.clone(), change);
    plan.step(delete_id(key), step);
}
