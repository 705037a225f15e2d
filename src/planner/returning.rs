//! Members that would not come back from a restart: their volumes are on a machine that takes no pods at present.

use super::PlanInput;
use super::draft::PlanDraft;
use super::machines::takes;
use super::{claims, condemned, directories};
use crate::desired::{DesiredPool, preparation};
use crate::object::ObjectKey;
use crate::observed::LiveObject;
use crate::stack::PodOptions;

/// Refuses the restart of a pool of which a member that is ready would wait for its machine (rules 3 and 4); whether
/// there is one.
pub fn refuse(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &str,
    pool: &DesiredPool,
) -> bool {
    let declared = input.stack.clusters.get(cluster).and_then(|it| it.pools.get(&pool.name));
    let Some(options) = declared.map(|declared| &declared.pod) else { return false };
    let stranded = (0..pool.replicas()).find_map(|ordinal| {
        let pod = ObjectKey::pod_of(&pool.set, ordinal);
        let is_ready = input.observed.objects.get(&pod).is_some_and(LiveObject::is_ready);
        let machine = closed_machine(input, options, pool, ordinal).filter(|_| is_ready)?;
        Some((pod, machine))
    });
    if let Some((pod, machine)) = &stranded {
        plan.block(
            &pool.set,
            "quorum",
            format!(
                "{} would not come back from a restart: {machine}, which its volume is on, takes no pods",
                pod.name
            ),
            format!("see `kubectl describe node {machine}`; uncordon it or take its taint off first"),
        );
    }
    stranded.is_some()
}

/// The machine a member's volumes are on, if it takes no pods of its pool.
fn closed_machine(
    input: &PlanInput<'_>,
    options: &PodOptions,
    pool: &DesiredPool,
    ordinal: u32,
) -> Option<String> {
    let claims = claims::of_member(input, &pool.set, ordinal);
    claims.into_iter().find_map(|(_, claim)| {
        let (_, volume) = condemned::volume_of(input, claim)?;
        let machine = preparation::directory(&volume.value)?.node;
        let node = directories::node_of(input.observed, &machine)?;
        (!takes(node, options)).then_some(machine)
    })
}
