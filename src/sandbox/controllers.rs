//! One tick of virtual time: every controller looks once and does its next thing.

use super::api;
use super::cluster::{Cluster, leaving};
use super::{budgets, databases, nodes, scheduler, services, stateful_sets, volumes};
use crate::object::{Kind, ObjectKey};

/// How long a tick is unless less is asked for.
pub(super) const TICK_MS: u64 = 500;

/// Lets this much virtual time pass, in ticks.
pub(super) fn advance(cluster: &mut Cluster, ms: u64) {
    let mut left = ms;
    while left > 0 {
        let step = left.min(TICK_MS);
        tick(cluster, step);
        left -= step;
    }
}

/// Lets one tick pass.
pub(super) fn tick(cluster: &mut Cluster, ms: u64) {
    cluster.clock_ms += ms;
    empty_leaving_namespaces(cluster);
    stateful_sets::collect_orphans(cluster);
    stateful_sets::run(cluster);
    scheduler::run(cluster);
    nodes::run(cluster);
    volumes::run(cluster);
    services::run(cluster);
    databases::forget_the_gone(cluster);
    stateful_sets::report(cluster);
    budgets::run(cluster);
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
