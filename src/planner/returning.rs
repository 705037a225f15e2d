//! Members that would not come back from a restart: their volumes are on a machine that takes no pods at present.

use db_engine::cluster::Role;

use super::PlanInput;
use super::draft::PlanDraft;
use super::machines::takes;
use super::{claims, condemned, directories, lost};
use crate::desired::{DesiredPool, preparation};
use crate::object::ObjectKey;
use crate::stack::PodOptions;

/// Refuses the restart of a pool of which a member would wait for its machine (rules 3 and 4); whether there is one.
pub fn refuse(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &str,
    pool: &DesiredPool,
) -> bool {
    let declared = input.stack.clusters.get(cluster).and_then(|it| it.pools.get(&pool.name));
    let Some(options) = declared.map(|declared| &declared.pod) else { return false };
    let stranded = (0..pool.replicas()).find_map(|ordinal| {
        let (machine, is_gone) = closed_machine(input, options, pool, ordinal)?;
        Some((ObjectKey::pod_of(&pool.set, ordinal), machine, is_gone))
    });
    let Some((pod, machine, is_gone)) = &stranded else { return false };
    let (why, help) = match is_gone {
        true => {
            let replaced = match pool.role {
                Role::Control => String::new(),
                _ => format!(" or, if it is gone for good, `tsinfra replace STACK {}`,", pod.name),
            };
            ("does not run", format!("bring it back{replaced} first"))
        }
        false => (
            "takes no pods",
            format!(
                "see `kubectl describe node {machine}`; uncordon it or take its taint off first"
            ),
        ),
    };
    let name = &pod.name;
    let reason = format!(
        "{name} would not come back from a restart: {machine}, which its volume is on, {why}"
    );
    plan.block(&pool.set, "quorum", reason, help);
    true
}

/// The machine a member's volumes are on, if it takes no pods of its pool, and whether it is gone.
fn closed_machine(
    input: &PlanInput<'_>,
    options: &PodOptions,
    pool: &DesiredPool,
    ordinal: u32,
) -> Option<(String, bool)> {
    let claims = claims::of_member(input, &pool.set, ordinal);
    claims.into_iter().find_map(|(_, claim)| {
        let (_, volume) = condemned::volume_of(input, claim)?;
        let machine = preparation::directory(&volume.value)?.node;
        if lost::is_on_a_machine_that_is_gone(input, &volume.value) {
            return Some((machine, true));
        }
        let node = directories::node_of(input.observed, &machine)?;
        (!takes(node, options)).then_some((machine, false))
    })
}
