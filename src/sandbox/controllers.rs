//! One tick of virtual time: every controller looks once and does its next thing.

use super::api;
use super::cluster::{Cluster, Stage, leaving};
use super::{budgets, databases, nodes, scheduler, services, stateful_sets, volumes};
use crate::object::{Kind, ObjectKey};

/// How long a tick is unless less is asked for.
pub(super) const TICK_MS: u64 = 500;

/// Lets this much virtual time pass, in ticks.
pub(super) fn advance(cluster: &mut Cluster, ms: u64) {
    let end = cluster.clock_ms.saturating_add(ms);
    while cluster.clock_ms < end {
        advance_until_change(cluster, end - cluster.clock_ms);
    }
}

/// Lets virtual time pass until something changes, or this much. Where nothing will, the rest of it
/// passes at once.
pub(super) fn advance_until_change(cluster: &mut Cluster, ms: u64) {
    let (end, before) = (cluster.clock_ms.saturating_add(ms), cluster.revision);
    while cluster.clock_ms < end && cluster.revision == before {
        tick(cluster, TICK_MS.min(end - cluster.clock_ms));
        if cluster.revision == before && is_at_rest(cluster) {
            cluster.clock_ms = end;
        }
    }
}

/// Whether nothing is on its way that only time brings about: what one more look of every controller
/// does not change stays as it is.
fn is_at_rest(cluster: &Cluster) -> bool {
    cluster.trouble.is_over(cluster.clock_ms)
        && cluster.pods.values().all(|life| life.stage == Stage::Ready)
        && !cluster.of_kind(Kind::Pod).any(|(_, pod)| leaving(pod))
}

/// Lets one tick pass. Only nodes do anything because of the hour: where the last look of all others
/// changed nothing, and nothing was changed since, they are not asked again.
pub(super) fn tick(cluster: &mut Cluster, ms: u64) {
    let is_quiet = cluster.is_settled() && cluster.trouble.is_over(cluster.clock_ms);
    let before = cluster.revision;
    cluster.clock_ms += ms;
    if !is_quiet {
        empty_leaving_namespaces(cluster);
        stateful_sets::collect_orphans(cluster);
        stateful_sets::run(cluster);
        scheduler::run(cluster);
    }
    nodes::run(cluster);
    if is_quiet && cluster.revision == before {
        return;
    }
    volumes::run(cluster);
    services::run(cluster);
    databases::forget_the_gone(cluster);
    stateful_sets::report(cluster);
    budgets::run(cluster);
    if cluster.revision == before {
        cluster.settle();
    }
}

/// Removes what is in a namespace that is being deleted, then the namespace.
fn empty_leaving_namespaces(cluster: &mut Cluster) {
    for namespace in cluster.keys_of(Kind::Namespace) {
        if !cluster.get(&namespace).is_some_and(leaving) {
            continue;
        }
        let inside = |key: &&ObjectKey| key.namespace.as_deref() == Some(&namespace.name);
        let content: Vec<ObjectKey> = cluster.objects.keys().filter(inside).cloned().collect();
        if content.is_empty() {
            cluster.remove(&namespace);
        }
        for key in content {
            api::begin_deletion(cluster, &key);
        }
    }
}
