//! Members whose machine is gone, as far as can be told: it is away, or there is no such Node any more.

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use serde_json::Value;

use super::draft::{PlanDraft, delete_id};
use super::teardown::STOP_SECONDS_MIN;
use super::{PlanInput, claims, condemned};
use crate::desired::storage::hostname;
use crate::desired::{DesiredPool, preparation};
use crate::object::{Kind, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::stack::Tier;
use crate::wording;

/// How a member comes back whose volume is not bound to a machine that is gone.
pub(super) const STARTED_ELSEWHERE: &str = "remove the Node that is gone, or taint it node.kubernetes.io/out-of-service: \
                                            Kubernetes then starts the member on another machine, with its data";

/// Where the pod of a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// Nowhere: none takes it.
    None,
    /// On one that runs, as far as can be told.
    Runs,
    /// On one that is away, or not there any more.
    Gone,
}

/// Where a pod is, as far as the machines were looked at.
pub(super) fn machine(input: &PlanInput<'_>, pod: &LiveObject) -> Machine {
    let Some(node) = pod.text("/spec/nodeName") else { return Machine::None };
    match is_gone(input, |key, _| key.name == node) {
        true => Machine::Gone,
        false => Machine::Runs,
    }
}

/// Whether a machine is away, or not there any more; where none was looked at, nobody knows.
fn is_gone(input: &PlanInput<'_>, is_it: impl Fn(&ObjectKey, &LiveObject) -> bool) -> bool {
    let mut nodes = input.observed.of_kind(Kind::Node).peekable();
    let are_seen = nodes.peek().is_some();
    are_seen && !nodes.any(|(key, live)| is_it(key, live) && live.is_ready())
}

/// Whether the volume of a claim is on a machine that is gone.
pub(super) fn is_volume_gone(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let live = input.observed.objects.get(claim);
    let volume = live.and_then(|live| condemned::volume_of(input, live));
    volume.is_some_and(|(_, volume)| is_on_a_machine_that_is_gone(input, &volume.value))
}

/// Whether a local volume is on a machine that is away, or not there any more.
pub(super) fn is_on_a_machine_that_is_gone(input: &PlanInput<'_>, volume: &Value) -> bool {
    let directory = preparation::directory(volume);
    directory.is_some_and(|it| is_gone(input, |key, live| hostname(key, live) == it.node))
}

/// Whether the machine of a member is gone: that of its pod, or that of a volume it has.
pub(super) fn is_without_its_machine(
    input: &PlanInput<'_>,
    pool: &DesiredPool,
    ordinal: u32,
) -> bool {
    let pod = input.observed.objects.get(&ObjectKey::pod_of(&pool.set, ordinal));
    let claims = claims::of_member(input, &pool.set, ordinal);
    pod.is_some_and(|pod| machine(input, pod) == Machine::Gone)
        || claims.into_iter().any(|(claim, _)| is_volume_gone(input, claim))
}

/// Whether what the members of a pool store cannot be had on another machine. Its other volumes are of the same kind.
pub(super) fn is_bound_to_machines(input: &PlanInput<'_>, cluster: &str, pool: &str) -> bool {
    let cluster = input.stack.clusters.get(cluster);
    let pool = cluster.and_then(|cluster| cluster.pools.get(pool));
    let tier = pool.and_then(|pool| input.stack.storage.get(&pool.data.tier));
    tier.is_none_or(Tier::is_local)
}

/// Whether members that vote are missing only because their machine is gone, and a majority runs: nobody brings them
/// back by waiting, and nothing else needs them.
pub(super) fn goes_on_without(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    let is_ready = |ordinal: &u32| {
        let pod = input.observed.objects.get(&ObjectKey::pod_of(&pool.set, *ordinal));
        pod.is_some_and(|pod| pod.is_ready() && !pod.is_leaving())
    };
    let (ready, away): (Vec<u32>, Vec<u32>) = (0..pool.replicas()).partition(is_ready);
    pool.role == Role::Control
        && !away.is_empty()
        && ready.len() > away.len()
        && away.into_iter().all(|ordinal| is_without_its_machine(input, pool, ordinal))
}

/// What becomes of the region replicas of a member that is given up.
pub(super) fn remade(regions: u64) -> String {
    match regions {
        0 => "it held no region".to_owned(),
        _ => format!("the others make its {} anew", wording::regions(regions)),
    }
}

/// Adds the step by which a pod goes whose machine will not say that it has stopped. `left`: what makes that harmless.
pub(super) fn abandon(
    plan: &mut PlanDraft,
    (pod, live): (&ObjectKey, &LiveObject),
    because: &str,
    left: Expect,
    after: BTreeSet<StepId>,
    until: Until,
) -> StepId {
    let (object, uid) = (pod.clone(), live.uid().to_owned());
    // Nobody there says any more that it is not ready, where the Node went with it.
    let away =
        (!live.is_ready()).then(|| Expect::Away { object: object.clone(), uid: uid.clone() });
    let step = Step {
        action: Action::Abandon { pod: object, uid },
        title: format!("remove {pod} without its machine, which is gone"),
        because: because.to_owned(),
        expects: away.into_iter().chain([left]).collect(),
        after,
        until,
        limit_seconds: STOP_SECONDS_MIN,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(delete_id(pod), step);
    delete_id(pod)
}
