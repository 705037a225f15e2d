//! Whether tiers can keep their promise on the cluster that is there.

use std::collections::BTreeSet;

use super::PlanInput;
use super::condemned::claim_of;
use super::draft::PlanDraft;
use crate::desired::storage::{self, policy};
use crate::desired::{DesiredPool, labels};
use crate::object::{CLAIM, Kind, ObjectKey};
use crate::stack::{Tier, TierKind};
use crate::wording::count;

/// Whether local tiers have a volume for every member: one that nobody's data are on.
pub fn volumes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for tier in input.stack.storage.values().filter(|tier| tier.is_local()) {
        if !declares_too_few(input, plan, tier) {
            are_free(input, plan, tier);
        }
    }
}

/// Only the live nodes tell how many volumes a tier has that chooses them by label.
fn declares_too_few(input: &PlanInput<'_>, plan: &mut PlanDraft, tier: &Tier) -> bool {
    let TierKind::LocalOnNodes { labels, per_node, .. } = &tier.kind else { return false };
    let volumes = storage::volumes(tier, input.observed).len();
    let pools = input.stack.clusters.values().flat_map(|cluster| cluster.pools.values());
    let members: u32 = pools.filter(|pool| pool.tier == tier.name).map(|pool| pool.nodes).sum();
    let too_few = volumes < members as usize;
    if too_few {
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
    too_few
}

/// A volume whose claim is gone still holds that claim's data: Kubernetes gives it to nobody, and a
/// member that counts on it would wait for ever.
fn are_free(input: &PlanInput<'_>, plan: &mut PlanDraft, tier: &Tier) {
    let mut needed = claims_without_volume(input, tier);
    let of_tier = input.desired.objects.iter().filter(|(key, object)| {
        key.kind == Kind::PersistentVolume && labels::tier_of(&object.manifest) == Some(&tier.name)
    });
    let (mut free, mut released) = (0, Vec::new());
    for (key, _) in of_tier {
        let live = input.observed.objects.get(key);
        match live.and_then(|live| Some((live, live.text("/status/phase")?))) {
            // The volume is bound a moment before its claim says so.
            Some((live, "Bound")) => drop(claim_of(live).map(|claim| needed.remove(&claim))),
            Some((_, "Released" | "Failed")) => released.push(key.to_string()),
            _ => free += 1,
        }
    }
    let needed = needed.len();
    if needed <= free {
        return;
    }
    let needed = match needed {
        1 => "1 member needs".to_owned(),
        _ => format!("{needed} members need"),
    };
    let free = match free {
        0 => "none is free".to_owned(),
        1 => "1 is free".to_owned(),
        _ => format!("{free} are free"),
    };
    let (why, help) = match released.is_empty() {
        true => ("the others are bound".to_owned(), "add volumes to the tier"),
        false => (
            format!("data of claims that are gone are still on {}", released.join(", ")),
            "add volumes to the tier; or, once nobody needs the data on one of these, delete it and \
             clear its directory: the next apply makes it anew",
        ),
    };
    plan.block(
        input.stack.tier_address(&tier.name),
        "volumes",
        format!("{needed} a volume and {free}; {why}"),
        help,
    );
}

/// The claims of the tier's members, those yet to come among them, that no volume is bound to.
fn claims_without_volume(input: &PlanInput<'_>, tier: &Tier) -> BTreeSet<ObjectKey> {
    let is_of_tier = |cluster: &str, pool: &DesiredPool| {
        let cluster = input.stack.clusters.get(cluster);
        let pool = cluster.and_then(|cluster| cluster.pools.get(&pool.name));
        pool.is_some_and(|pool| pool.tier == tier.name)
    };
    let has_volume = |claim: &ObjectKey| {
        let live = input.observed.objects.get(claim);
        live.is_some_and(|claim| claim.text("/spec/volumeName").is_some())
    };
    let clusters = input.desired.clusters.iter();
    let pools = clusters.flat_map(|(name, cluster)| cluster.pools.iter().map(move |it| (name, it)));
    let pools = pools.filter(|(cluster, pool)| is_of_tier(cluster, pool));
    let claims = pools.flat_map(|(_, pool)| {
        let namespace = pool.set.namespace.as_deref().unwrap_or_default();
        (0..pool.replicas()).map(move |ordinal| {
            let name = format!("{CLAIM}-{}-{ordinal}", pool.set.name);
            ObjectKey::within(Kind::PersistentVolumeClaim, namespace, name)
        })
    });
    claims.filter(|claim| !has_volume(claim)).collect()
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
