//! What must not be done: each refusal with the reason and the way on.

use std::collections::BTreeSet;

use db_engine::cluster::{Role, ScaleOut};
use db_engine::drivers::driver;
use db_engine::engine::MemberState;

use super::draft::PlanDraft;
use super::{PlanInput, claims, objects};
use crate::desired::DesiredPool;
use crate::desired::storage::{self, policy};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject, Observed};
use crate::plan::FieldChange;
use crate::stack::TierKind;
use crate::wording::count;

/// The id a database gave of itself, if it was reached.
pub fn seen_id<'a>(observed: &'a Observed, cluster: &str) -> Option<&'a str> {
    match observed.databases.get(cluster) {
        Some(DatabaseView::Seen(topology)) => Some(&topology.cluster_id),
        _ => None,
    }
}

/// A database that answers under another id than the one remembered is another database: an
/// emptied first member can found a second cluster in the place of the first (rule 10).
pub fn identity(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let Some(inventory) = &input.observed.inventory else { return };
    for (name, record) in &inventory.clusters {
        let Some(seen) = seen_id(input.observed, name) else { continue };
        if !record.cluster_id.is_empty() && record.cluster_id != seen {
            plan.block(
                format!("cluster.{name}"),
                "identity",
                format!("the database says its id is {seen}, but it was {}", record.cluster_id),
                "another database answers in its place: stop, and look at the first ConfigNode",
            );
        }
    }
}

/// Consents that agree to nothing: most likely a slip of the pen.
pub fn idle_consents(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let live = objects::owned(input).filter_map(|(_, live)| live.label(LABEL_CLUSTER));
    let names = input.desired.clusters.keys().map(String::as_str).chain(live);
    let clusters: BTreeSet<String> = names.map(|name| format!("cluster.{name}")).collect();
    let contested: BTreeSet<String> =
        plan.conflicts.iter().map(|conflict| conflict.object.to_string()).collect();
    for consent in input.consents {
        if !clusters.contains(consent) && !contested.contains(consent) {
            plan.note(format!("--consent {consent} agrees to nothing in this plan."));
        }
    }
}

/// Shapes this version does not carry out, and members that would leave undrained (rule 2).
pub fn shape(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for cluster in input.stack.clusters.values() {
        for pool in cluster.pools.values() {
            let address = format!("cluster.{}.pool.{}", cluster.name, pool.name);
            if !matches!(pool.role, Role::Control | Role::Mixed) {
                plan.block(
                    &address,
                    "role",
                    format!("this version does not run pools of role `{}` yet", pool.role),
                    "use role = \"mixed\"",
                );
            }
            if pool.scale_out != ScaleOut::None {
                plan.block(
                    &address,
                    "scale-out",
                    format!("this version does not carry out `{}` yet", pool.scale_out.word()),
                    "use scale_out = \"none\": new members take part in what comes",
                );
            }
        }
    }
    for (key, live) in live_sets(input) {
        scale_in(input, plan, key, live);
    }
}

/// The stack's StatefulSets that are there.
fn live_sets<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let stack = input.stack;
    input
        .observed
        .of_kind(Kind::StatefulSet)
        .filter(move |(_, live)| live.label(LABEL_STACK) == Some(&stack.name))
}

fn scale_in(input: &PlanInput<'_>, plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject) {
    let (Some(cluster), Some(pool)) = (live.label(LABEL_CLUSTER), live.label(LABEL_POOL)) else {
        return;
    };
    let Some(desired) = input.desired.clusters.get(cluster) else { return };
    let address = format!("cluster.{cluster}.pool.{pool}");
    let has = live.number("/spec/replicas").unwrap_or(0);
    match desired.pools.iter().find(|candidate| candidate.set == *key) {
        None => plan.block(
            address,
            "scale-in",
            format!(
                "its {} would leave with what they store: draining is not carried out yet",
                count(usize::try_from(has).unwrap_or(0), "member")
            ),
            format!("put [cluster.{cluster}.pool.{pool}] back into the stack"),
        ),
        Some(wanted) if i64::from(wanted.replicas()) < has => plan.block(
            address,
            "scale-in",
            format!(
                "it has {} and the stack asks for {}: draining is not carried out yet",
                count(usize::try_from(has).unwrap_or(0), "member"),
                wanted.replicas()
            ),
            format!("set nodes = {has}"),
        ),
        Some(_) => {}
    }
}

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
                format!("storage.{}", tier.name),
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
        let address = format!("storage.{tier}");
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

/// Settings the engine fixes at a cluster's first start; whether one of them would change.
pub fn fixed_settings(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
    fields: &[FieldChange],
) -> bool {
    let cluster = live.label(LABEL_CLUSTER).and_then(|name| input.stack.clusters.get(name));
    let (Kind::StatefulSet, Some(cluster)) = (key.kind, cluster) else { return false };
    let mut found = false;
    for (setting, reason) in driver(cluster.engine).fixed_settings() {
        let needle = format!(".env[name={setting}]");
        if fields.iter().any(|field| field.path.contains(&needle) && field.drifted_by.is_none()) {
            plan.block(
                format!("cluster.{}", cluster.name),
                "immutable",
                format!("`{setting}` is fixed at a cluster's first start: {reason}"),
                "put it back as it was, or declare a new cluster and move the data",
            );
            found = true;
        }
    }
    found
}

/// An older version than the one that runs may not read what that one wrote.
pub fn downgrades(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for cluster in input.stack.clusters.values() {
        let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(&cluster.name) else {
            continue;
        };
        if numbers(&cluster.version) < numbers(&topology.version) {
            plan.block(
                format!("cluster.{}", cluster.name),
                "downgrade",
                format!(
                    "it runs version {}; {} may not read what that one has written",
                    topology.version, cluster.version
                ),
                format!("set version = \"{}\" or a later one", topology.version),
            );
        }
    }
}

/// The numbers of a version: `2.0.5` and `2.0.5-beta` are `[2, 0, 5]`.
fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split('-').next().unwrap_or(version);
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Whether a change restarts members while another member of the same quorum domain is away
/// (rules 3 and 4). A restart that begins with the very members that are away is how those are
/// mended, and is let through.
pub fn restart(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
    fields: &[FieldChange],
) -> bool {
    let restarts = fields.iter().any(|field| restarts_members(key, field));
    let cluster = live.label(LABEL_CLUSTER).unwrap_or_default();
    let (true, Some(desired)) = (restarts, input.desired.clusters.get(cluster)) else {
        return false;
    };
    let Some(pool) = desired.pools.iter().find(|pool| pool.set == *key) else { return false };
    if claims::leaving(input, plan, pool) {
        return true;
    }
    let mut away = not_ready(input, pool, live);
    if let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(cluster) {
        let peers = desired
            .pools
            .iter()
            .filter(|peer| (peer.role == Role::Control) == (pool.role == Role::Control));
        let known: BTreeSet<&String> = peers.flat_map(|peer| &peer.addresses).collect();
        let silent = topology.members.iter().filter(|(address, member)| {
            known.contains(address) && member.state != MemberState::Running
        });
        away.extend(silent.map(|(address, _)| pod_of(address).to_owned()));
    } else {
        plan.note(format!(
            "The database of cluster `{cluster}` gave no view of itself; each restart still waits \
             until the one before is ready."
        ));
    }
    let blocked = !away.is_empty()
        && !restarts_first(pool, live, &away)
        && !nobody_is_there(input, cluster, pool);
    if blocked {
        let names: Vec<&str> = away.iter().map(String::as_str).collect();
        plan.block(
            key,
            "quorum",
            format!("a restart would take a second member away: {} not running", names.join(", ")),
            "bring it back first, or put the stack back as it was",
        );
    }
    blocked
}

/// Whether no member of a pool's quorum domain is ready: then a restart takes nobody away, and may
/// be what brings them up.
fn nobody_is_there(input: &PlanInput<'_>, cluster: &str, pool: &DesiredPool) -> bool {
    let Some(desired) = input.desired.clusters.get(cluster) else { return false };
    let peers = desired
        .pools
        .iter()
        .filter(|peer| (peer.role == Role::Control) == (pool.role == Role::Control));
    let sets = peers.filter_map(|peer| Some((peer, input.observed.objects.get(&peer.set)?)));
    sets.into_iter().all(|(peer, live)| {
        let has = live.number("/spec/replicas").unwrap_or(0);
        i64::try_from(not_ready(input, peer, live).len()).is_ok_and(|away| away >= has)
    })
}

/// The StatefulSets of which all members must be ready when a restart begins: those of its quorum
/// domain that are there. The set itself is none of them while the restart is to mend it.
pub fn ready_before_restart(input: &PlanInput<'_>, set: &ObjectKey) -> Vec<ObjectKey> {
    let pools = input.desired.clusters.values().find_map(|cluster| {
        let pool = cluster.pools.iter().find(|pool| pool.set == *set)?;
        Some((pool, &cluster.pools))
    });
    let Some((pool, peers)) = pools else { return Vec::new() };
    let cluster = input.observed.objects.get(set).and_then(|live| live.label(LABEL_CLUSTER));
    if cluster.is_some_and(|cluster| nobody_is_there(input, cluster, pool)) {
        return Vec::new();
    }
    let is_whole = |live: &LiveObject| not_ready(input, pool, live).is_empty();
    peers
        .iter()
        .filter(|peer| (peer.role == Role::Control) == (pool.role == Role::Control))
        .filter(|peer| match input.observed.objects.get(&peer.set) {
            Some(live) => peer.set != *set || is_whole(live),
            None => false,
        })
        .map(|peer| peer.set.clone())
        .collect()
}

/// The pod that registered under an address.
fn pod_of(address: &str) -> &str {
    address.split('.').next().unwrap_or(address)
}

/// Members of a pool that Kubernetes says are not ready, or not there.
fn not_ready(input: &PlanInput<'_>, pool: &DesiredPool, live: &LiveObject) -> BTreeSet<String> {
    let has = live.number("/spec/replicas").unwrap_or(0);
    let pods = (0..has).map(|ordinal| format!("{}-{ordinal}", pool.set.name));
    let ready = |name: &str| {
        let key = ObjectKey {
            kind: Kind::Pod,
            name: name.to_owned(),
            namespace: pool.set.namespace.clone(),
        };
        input.observed.objects.get(&key).is_some_and(|pod| pod.is_ready() && !pod.is_leaving())
    };
    pods.filter(|name| !ready(name)).collect()
}

/// Whether a field change makes the StatefulSet's members restart.
pub fn restarts_members(key: &ObjectKey, field: &FieldChange) -> bool {
    key.kind == Kind::StatefulSet && field.path.starts_with(".spec.template")
}

/// A rolling update starts at the highest ordinal: whether those that are away are exactly the
/// highest of the pool.
fn restarts_first(pool: &DesiredPool, live: &LiveObject, away: &BTreeSet<String>) -> bool {
    let has = live.number("/spec/replicas").unwrap_or(0);
    let prefix = format!("{}-", pool.set.name);
    let ordinal = |pod: &str| -> Option<i64> { pod.strip_prefix(&prefix)?.parse().ok() };
    let ordinals: Option<BTreeSet<i64>> = away.iter().map(|pod| ordinal(pod)).collect();
    let lowest_first = has - i64::try_from(away.len()).unwrap_or(i64::MAX);
    ordinals.is_some_and(|ordinals| ordinals.iter().all(|ordinal| *ordinal >= lowest_first))
}
