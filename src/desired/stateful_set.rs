//! A pool as a StatefulSet with one claim a member.

use db_engine::cluster::Role;
use serde_json::{Value, json};

use super::{DesiredObject, labels, members, pod};
use crate::object::{ANNOTATION_PROTECT, Kind, ObjectKey};
use crate::observed::Observed;
use crate::stack::{Cluster, Pool, Stack, Tier};
use crate::wording::count;

/// The claim template's name: claims are called `data-<pod>`.
pub const CLAIM: &str = "data";

/// The StatefulSet of a pool.
pub fn object(stack: &Stack, cluster: &Cluster, pool: &Pool) -> (ObjectKey, DesiredObject) {
    let name = Stack::pool_name(&cluster.name, &pool.name);
    let workload = members::workload(stack, cluster, pool);
    let spread = spread_over_hosts(stack, pool);
    let manifest = json!({
        "apiVersion": Kind::StatefulSet.api_version(),
        "kind": Kind::StatefulSet.word(),
        "metadata": {
            "name": name,
            "namespace": stack.namespace,
            "labels": labels::of_pool(stack, cluster, pool),
            "annotations": { ANNOTATION_PROTECT: cluster.protect.to_string() },
        },
        "spec": {
            "replicas": pool.nodes,
            "serviceName": name,
            "podManagementPolicy": start_order(pool.role),
            "updateStrategy": { "type": "RollingUpdate" },
            // Only tsinfra knows when a member is empty, so Kubernetes never deletes a claim.
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain", "whenScaled": "Retain",
            },
            "selector": { "matchLabels": labels::of_members(stack, cluster, pool) },
            "template": pod::template(stack, cluster, pool, &workload, spread),
            "volumeClaimTemplates": [claim(stack, cluster, pool)],
        },
    });
    let summary = format!(
        "{}, {} on tier `{}` each, {}",
        count(pool.nodes as usize, workload.title),
        pool.size,
        pool.tier,
        pod::image(cluster, &workload),
    );
    let key = ObjectKey::within(Kind::StatefulSet, &stack.namespace, name);
    (key, DesiredObject { manifest, summary, exposes: false })
}

/// Control members found a cluster and join it one after the other; the others may all come at
/// once, and a broken update of theirs can be taken back (kubernetes issue 67250).
fn start_order(role: Role) -> &'static str {
    match role {
        Role::Control => "OrderedReady",
        Role::Mixed | Role::Compute | Role::Storage => "Parallel",
    }
}

fn claim(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Value {
    let class = stack.storage.get(&pool.tier).map(|tier| stack.storage_class(tier));
    json!({
        "metadata": { "name": CLAIM, "labels": labels::of_claim(stack, cluster, pool) },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": class,
            "resources": { "requests": { "storage": pool.size.to_string() } },
        },
    })
}

/// Whether members must be spread evenly over hosts. Where a local tier has fewer hosts than the
/// pool has members that cannot be had, and is only preferred.
fn spread_over_hosts(stack: &Stack, pool: &Pool) -> &'static str {
    let hosts = |tier: &Tier| {
        let volumes = super::storage::volumes(tier, &Observed::default());
        let hosts: std::collections::BTreeSet<String> =
            volumes.into_iter().map(|volume| volume.node).collect();
        hosts.len()
    };
    let enough = stack.storage.get(&pool.tier).is_none_or(|tier| {
        !matches!(tier.kind, crate::stack::TierKind::Local(_)) || hosts(tier) >= pool.nodes as usize
    });
    if enough { "DoNotSchedule" } else { "ScheduleAnyway" }
}
