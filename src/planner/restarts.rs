//! Restarts: which changes cause them, and when they would take one member too many away.

use std::collections::BTreeSet;

use db_engine::engine::{MemberState, host};

use super::draft::PlanDraft;
use super::{PlanInput, claims, orphans, returning};
use crate::desired::{DesiredCluster, DesiredPool};
use crate::object::{Kind, LABEL_CLUSTER, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::FieldChange;

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
    if claims::leaving(input, plan, pool)
        || member_leaving(input, plan, key, cluster)
        || returning::refuse(input, plan, cluster, pool)
    {
        return true;
    }
    let mut away = not_ready(input, pool, live);
    if let Some(silent) = silent(input, cluster, desired, pool) {
        away.extend(silent);
    } else {
        plan.note(format!(
            "The database of cluster `{}` gave no view of itself; each restart still waits until \
             the one before is ready.",
            input.stack.cluster_address(cluster).name()
        ));
    }
    let blocked = !away.is_empty()
        && !restarts_first(pool, live, &away)
        && !nobody_is_there(input, desired, pool);
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

/// Members of a pool's quorum domain that the database does not see running, by the names of their pods;
/// `None`: it gave no view of itself.
pub fn silent(
    input: &PlanInput<'_>,
    cluster: &str,
    desired: &DesiredCluster,
    pool: &DesiredPool,
) -> Option<BTreeSet<String>> {
    let DatabaseView::Seen(topology) = input.observed.databases.get(cluster)? else { return None };
    let peers = desired.quorum_peers(pool);
    let known: BTreeSet<&String> = peers.flat_map(|peer| &peer.addresses).collect();
    let silent = topology.members.iter().filter(|(address, member)| {
        known.contains(address) && member.state != MemberState::Running
    });
    Some(silent.map(|(address, _)| host(address).to_owned()).collect())
}

/// Whether a member of a cluster is leaving its database: what it stores is on its way to the others, and
/// each restart would stop that (rules 2 and 3).
fn member_leaving(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    set: &ObjectKey,
    cluster: &str,
) -> bool {
    let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(cluster) else {
        return false;
    };
    let mut members = topology.members.iter();
    let leaving = members.find(|(_, member)| member.state == MemberState::Leaving);
    if let Some((address, member)) = leaving {
        plan.block(
            set,
            "quorum",
            format!(
                "a restart would stop what {} hands over: it is {}",
                host(address),
                member.status
            ),
            "wait until the database lists it no more (`tsinfra status`), then plan again",
        );
    }
    leaving.is_some()
}

/// Whether no member of a pool's quorum domain is ready: then a restart takes nobody away, and may
/// be what brings them up.
fn nobody_is_there(input: &PlanInput<'_>, cluster: &DesiredCluster, pool: &DesiredPool) -> bool {
    if cluster.quorum_peers(pool).any(|peer| orphans::are_of(input, peer)) {
        return false;
    }
    let peers = cluster.quorum_peers(pool);
    let sets = peers.filter_map(|peer| Some((peer, input.observed.objects.get(&peer.set)?)));
    sets.into_iter().all(|(peer, live)| {
        let has = live.number("/spec/replicas").unwrap_or(0);
        i64::try_from(not_ready(input, peer, live).len()).is_ok_and(|away| away >= has)
    })
}

/// The StatefulSets of which all members must be ready when a restart begins: those of its quorum
/// domain that are there. The set itself is none of them while the restart is to mend it.
pub fn ready_before_restart(input: &PlanInput<'_>, set: &ObjectKey) -> Vec<ObjectKey> {
    let Some((_, cluster, pool)) = input.desired.pool_of(set) else { return Vec::new() };
    if nobody_is_there(input, cluster, pool) {
        return Vec::new();
    }
    let is_whole = |live: &LiveObject| not_ready(input, pool, live).is_empty();
    cluster
        .quorum_peers(pool)
        .filter(|peer| match input.observed.objects.get(&peer.set) {
            Some(live) => peer.set != *set || is_whole(live),
            None => orphans::are_of(input, peer),
        })
        .map(|peer| peer.set.clone())
        .collect()
}

/// Tells of a rollout that an earlier change has begun and that has not come to its end: who restarts yet. Where the
/// set changes, the plan says so itself.
pub fn tell_rolling(input: &PlanInput<'_>, plan: &mut PlanDraft, pool: &DesiredPool) {
    let live = input.observed.objects.get(&pool.set).filter(|live| live.is_rolling());
    let Some(live) = live.filter(|_| !plan.changes.contains_key(&pool.set)) else { return };
    let newest = live.text("/status/updateRevision");
    let is_old = |pod: &LiveObject| pod.label("controller-revision-hash") != newest;
    let old = input.observed.pods_of(&pool.set).filter(|(_, pod)| is_old(pod));
    let old: Vec<&str> = old.map(|(key, _)| key.name.as_str()).collect();
    if !old.is_empty() {
        plan.note(format!(
            "{} is in the midst of a rollout: {} restart one after the other, each once all others are ready.",
            pool.set,
            old.join(", ")
        ));
    }
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
