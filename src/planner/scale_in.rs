//! Fewer members: each hands what it stores to the others and leaves the database, then its StatefulSet
//! shrinks by one, then its claim goes. From the highest ordinal, one after the other (rules 2, 6, 7).

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::engine::Unfit;
use serde_json::{Value, json};

use super::draft::{PlanDraft, update_id};
use super::leavers::{Leaver, Shrinking, leave_one_by_one};
use super::restarts::restarts_members;
use super::{PlanInput, leavers, order, retirement};
use crate::desired::{DesiredCluster, DesiredPool};
use crate::fields;
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId};
use crate::plan::{Change, Operation};
use crate::wording::count;

/// Whether a pool has more members than it is to have, and they store.
pub fn shrinks(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    let live = input.observed.objects.get(&pool.set);
    let has = live.and_then(|live| live.number("/spec/replicas")).unwrap_or(0);
    pool.role != Role::Control && has > i64::from(pool.replicas())
}

/// Refuses members to leave that cannot be drained, or not now; whether they can.
pub fn check(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &str,
    pool: &DesiredPool,
) -> bool {
    let shrinking = Shrinking::of(input, cluster, pool);
    let refusal = shrinking.and_then(|it| Some((it.leavers(input).err()?, it)));
    if let Some((Unfit { reason, help }, shrinking)) = &refusal {
        let address = input.stack.pool_address(cluster, &pool.name);
        let (has, wanted) = (count(shrinking.has as usize, "member"), pool.replicas());
        let reason = match retirement::is_retired(pool) {
            true => format!("the stack no longer declares it: {reason}"),
            false => format!("it has {has} and the stack asks for {wanted}: {reason}"),
        };
        plan.block(address, "scale-in", reason, help);
    }
    refusal.is_none()
}

/// Adds the steps by which a pool's members leave; whether there are any.
pub fn steps(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, cluster): (&str, &DesiredCluster),
    pool: &DesiredPool,
    change: &Change,
    after: &BTreeSet<StepId>,
) -> bool {
    let Some(shrinking) = Shrinking::of(input, name, pool) else { return false };
    let Some(live) = shrinking.live else { return false };
    let restart = change.fields.iter().any(|field| restarts_members(&pool.set, field));
    if restart || change.operation != Operation::Update {
        let meanwhile = if restart { "those that stay restart" } else { "their set is made anew" };
        plan.block(
            input.stack.pool_address(name, &pool.name),
            "scale-in",
            format!("members would leave while {meanwhile}"),
            format!("set nodes = {} and apply the rest first, then lower it", shrinking.has),
        );
    }
    leave_one_by_one(input, plan, &shrinking, (&cluster.database, after), |plan, leaver, after| {
        let shrinks = shrink(input, plan, (&shrinking, live), change, leaver, after);
        let after = leavers::abandoned(input, plan, &shrinking, leaver.1, [shrinks].into());
        let is_last = leaver.0 == pool.replicas();
        if is_last && leavers::is_to_be_abandoned(input, leaver.1).is_some() {
            let because = "those that stay are whole";
            return [order::rolled(plan, pool, leaver.0, because, after)].into();
        }
        after
    });
    true
}

/// Shrinks the set by the member that left.
fn shrink(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (shrinking, live): (&Shrinking<'_>, &LiveObject),
    change: &Change,
    (ordinal, leaver): (u32, &Leaver),
    after: BTreeSet<StepId>,
) -> StepId {
    let (set, is_last) = (&shrinking.desired.set, ordinal == shrinking.desired.replicas());
    let manifest = input.desired.objects.get(set).map(|object| with(&object.manifest, ordinal));
    let manifest = manifest.unwrap_or_default();
    let digest = fields::digest(&manifest, &with(&live.value, ordinal + 1));
    let mut expects = vec![shrinking.left(leaver)];
    if ordinal + 1 == shrinking.has {
        let (object, uid) = (set.clone(), live.uid().to_owned());
        expects.push(Expect::Unchanged { object, uid, digest: digest.clone() });
    }
    let id = match is_last {
        true => update_id(set),
        false => StepId(format!("shrink/{set}/{ordinal}")),
    };
    let members = count(ordinal as usize, "member");
    let step = Step {
        action: Action::Update {
            object: set.clone(),
            uid: live.uid().to_owned(),
            digest,
            manifest,
            force: change.fields.iter().any(|field| field.drifted_by.is_some()),
        },
        title: format!("shrink {set} to {members}, without {}", leaver.pod.name),
        because: change.because.clone(),
        expects,
        after,
        until: shrinking.shrunk(input, (ordinal, leaver), true),
        limit_seconds: order::limit(shrinking.desired),
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id.clone(), step);
    id
}

/// A StatefulSet with this many members.
fn with(set: &Value, replicas: u32) -> Value {
    let mut set = set.clone();
    set["spec"]["replicas"] = json!(replicas);
    set
}
