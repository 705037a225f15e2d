//! A pool as a StatefulSet with one claim a member.

use std::collections::BTreeMap;

use db_engine::cluster::Role;
use serde_json::{Value, json};

use super::{DesiredObject, labels, members, pod};
use crate::object::{
    ANNOTATION_CALLED, ANNOTATION_PROTECT, ANNOTATION_TIER_CALLED, CLAIM, Kind, ObjectKey,
};
use crate::observed::Observed;
use crate::stack::parts::PartAddress;
use crate::stack::{Cluster, Pool, Stack, TierKind};
use crate::wording::count;

/// The StatefulSet of a pool.
pub fn object(
    stack: &Stack,
    observed: &Observed,
    cluster: &Cluster,
    pool: &Pool,
) -> (ObjectKey, DesiredObject) {
    let name = Stack::pool_name(&cluster.name, &pool.name);
    let workload = members::workload(stack, cluster, pool);
    let key = ObjectKey::within(Kind::StatefulSet, &stack.namespace, &name);
    let spread = match prefers_to_spread(observed, &key) || shares_machines(stack, pool) {
        true => PREFERRED,
        false => "DoNotSchedule",
    };
    let manifest = json!({
        "apiVersion": Kind::StatefulSet.api_version(),
        "kind": Kind::StatefulSet.word(),
        "metadata": {
            "name": name,
            "namespace": stack.namespace,
            "labels": labels::of_pool(stack, cluster, pool),
            "annotations": annotations(stack, cluster, pool),
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
        stack.tier_address(&pool.tier).name(),
        pod::image(cluster, &workload),
    );
    (key, DesiredObject { manifest, summary, exposes: false })
}

/// What the set says beyond what Kubernetes knows: its protection, and what is called otherwise by
/// now than it was made, so that this is known without the stack's record, too.
fn annotations(stack: &Stack, cluster: &Cluster, pool: &Pool) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([(ANNOTATION_PROTECT, cluster.protect.to_string())]);
    let made = PartAddress::pool(&cluster.name, &pool.name);
    let called = stack.pool_address(&cluster.name, &pool.name);
    if called != made {
        annotations.insert(ANNOTATION_CALLED, called.to_string());
    }
    let tier = stack.tier_address(&pool.tier);
    if tier.name() != pool.tier {
        annotations.insert(ANNOTATION_TIER_CALLED, tier.to_string());
    }
    annotations
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

/// What a pod does that cannot be placed on a machine of its own: it shares one.
const PREFERRED: &str = "ScheduleAnyway";

/// Whether a local tier has fewer hosts than the pool has members: then not all can have a machine of
/// their own, and a spread that is demanded would keep a member from coming back to its volume.
fn shares_machines(stack: &Stack, pool: &Pool) -> bool {
    let hosts = |tier| super::storage::hosts(tier, &Observed::default()).len();
    stack.storage.get(&pool.tier).is_some_and(|tier| {
        matches!(tier.kind, TierKind::Local(_)) && hosts(tier) < pool.nodes as usize
    })
}

/// Whether the live set only prefers a spread already. It is left at that: to demand it again would
/// restart every member, and move none.
fn prefers_to_spread(observed: &Observed, set: &ObjectKey) -> bool {
    let Some(live) = observed.objects.get(set) else { return false };
    let spread = "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable";
    live.text(spread) == Some(PREFERRED)
}
