//! A pool as a StatefulSet with one claim a member.

use std::collections::BTreeMap;

use db_engine::cluster::{Content, Role};
use serde_json::{Value, json};

use super::{DesiredObject, labels, members, pod};
use crate::object::{ANNOTATION_CALLED, ANNOTATION_PROTECT, Kind, ObjectKey, tier_called};
use crate::observed::Observed;
use crate::stack::parts::PartAddress;
use crate::stack::{Cluster, Pool, Stack, Storage, Tier, TierKind};
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
            // Without a partition: a member that is lost during a rollout comes back in the form it had, and not in a
            // new one that may never start.
            "updateStrategy": { "type": "RollingUpdate" },
            // Only tsinfra knows when a member is empty, so Kubernetes never deletes a claim.
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain", "whenScaled": "Retain",
            },
            "selector": { "matchLabels": labels::of_members(stack, cluster, pool) },
            "template": pod::template(stack, cluster, pool, &workload, spread),
            "volumeClaimTemplates": claims(stack, cluster, pool),
        },
    });
    let volumes = pool.storage().map(|(content, storage)| {
        let beside = match content {
            Content::Data => "",
            other => &format!(" for the {}", other.title()),
        };
        let tier = stack.tier_address(&storage.tier);
        format!("{}{beside} on tier `{}`", storage.size, tier.name())
    });
    let summary = format!(
        "{}, {} each, {}",
        count(pool.nodes as usize, workload.title),
        volumes.collect::<Vec<_>>().join(" and "),
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
    for (content, storage) in pool.storage() {
        let tier = stack.tier_address(&storage.tier);
        if tier.name() != storage.tier {
            annotations.insert(tier_called(content), tier.to_string());
        }
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

/// The templates of what each member claims, the data first.
fn claims(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Vec<Value> {
    let claim = |(content, storage): (Content, &Storage)| {
        let class = stack.storage.get(&storage.tier).map(|tier| stack.storage_class(tier));
        let labels = labels::of_claim(stack, cluster, pool, &storage.tier);
        json!({
            "metadata": { "name": content.word(), "labels": labels },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": class,
                "resources": { "requests": { "storage": storage.size.to_string() } },
            },
        })
    };
    pool.storage().map(claim).collect()
}

/// What a pod does that cannot be placed on a machine of its own: it shares one.
const PREFERRED: &str = "ScheduleAnyway";

/// Whether a pool's local tiers have fewer hosts in common than it has members: then not all can have a machine
/// of their own, and a spread that is demanded would keep a member from coming back to its volumes.
fn shares_machines(stack: &Stack, pool: &Pool) -> bool {
    let is_declared = |tier: &&Tier| matches!(tier.kind, TierKind::Local(_));
    let tiers = pool.storage().filter_map(|(_, storage)| stack.storage.get(&storage.tier));
    let hosts = super::storage::hosts_in_common(tiers.filter(is_declared), &Observed::default());
    hosts.is_some_and(|hosts| hosts.len() < pool.nodes as usize)
}

/// Whether the live set only prefers a spread already. It is left at that: to demand it again would
/// restart every member, and move none.
fn prefers_to_spread(observed: &Observed, set: &ObjectKey) -> bool {
    let Some(live) = observed.objects.get(set) else { return false };
    let spread = "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable";
    live.text(spread) == Some(PREFERRED)
}
