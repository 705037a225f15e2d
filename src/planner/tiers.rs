//! Whether tiers can keep their promise on the cluster that is there.

use super::PlanInput;
use super::draft::PlanDraft;
use crate::desired::storage::{self, policy};
use crate::object::{Kind, ObjectKey};
use crate::stack::TierKind;
use crate::wording::count;

/// Tiers that choose nodes by label: only the live nodes tell whether there are enough volumes.
pub fn volumes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for tier in input.stack.storage.values() {
        let TierKind::LocalOnNodes { labels, per_node, .. } = &tier.kind else { continue };
        let volumes = storage::volumes(tier, input.observed).len();
        let pools = input.stack.clusters.values().flat_map(|cluster| cluster.pools.values());
        let members: u32 = pools.filter(|pool| pool.tier == tier.name).map(|pool| pool.nodes).sum();
        if volumes < members as usize {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let nodes = count(volumes / (*per_node).max(1) as usize, "node");
            plan.block(
                input.stack.tier_address(&tier.name),
                "volumes",
                format!(
                    "{nodes} with {} and {per_node} each give {}, but {members} members need one",
                    labels.join(", "),
                    count(volumes, "volume")
                ),
                "label more nodes, raise per_node, or lower the members",
            );
        }
    }
}

/// Classes the stack uses but does not make: they must be there and keep the tier's promise.
pub fn classes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (class, (reclaim, tier)) in &input.desired.foreign_classes {
        let key = ObjectKey::global(Kind::StorageClass, class);
        let address = input.stack.tier_address(tier);
        let Some(live) = input.observed.objects.get(&key) else {
            let help = "create it, name another class, or give a provisioner instead of a class";
            plan.block(address, "class", format!("StorageClass `{class}` does not exist"), help);
            continue;
        };
        let live_policy = live.text("/reclaimPolicy").unwrap_or("Delete");
        if live_policy != policy(*reclaim) {
            plan.block(
                address,
                "class",
                format!("StorageClass `{class}` says {live_policy}, the tier {}", policy(*reclaim)),
                format!("set reclaim = \"{}\", or name another class", live_policy.to_lowercase()),
            );
        }
    }
}
