//! One tick of virtual time: every controller looks once and does its next thing.

use db_engine::iotdb::sim::IotdbSim;

use super::api;
use super::cluster::{Cluster, Stage, leaving};
use super::idle::CONTROLLERS_COUNT;
use super::{budgets, databases, jobs, nodes, scheduler, services, stateful_sets, volumes};
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

/// How long it is between two commands at least, in milliseconds.
const BETWEEN_MS: u64 = 2_000;

/// A world as the next command finds it: time passes between commands too, and what is on its way goes on.
/// `None`: nothing is.
pub(super) fn after_a_while(cluster: &Cluster) -> Option<Cluster> {
    let mut later = cluster.clone();
    advance(&mut later, BETWEEN_MS);
    let rests = is_at_rest(cluster) && later.revision == cluster.revision;
    (!rests).then_some(later)
}

/// Whether nothing is on its way that only time brings about: what one more look of every controller
/// does not change stays as it is.
fn is_at_rest(cluster: &Cluster) -> bool {
    cluster.trouble.is_over(cluster.clock_ms)
        && !cluster.databases.values().any(IotdbSim::is_parting)
        && cluster.pods.values().all(|life| matches!(life.stage, Stage::Ready | Stage::Ended))
        && !cluster.of_kind(Kind::Job).any(|(_, job)| jobs::is_under_way(job))
        && !cluster.of_kind(Kind::Pod).any(|(_, pod)| leaving(pod))
}

/// All of them, in the order they are asked.
const CONTROLLERS: [Controller; CONTROLLERS_COUNT] = [
    Controller { reads: Some(&Kind::ALL), run: empty_leaving_namespaces },
    Controller {
        reads: Some(&[Kind::StatefulSet, Kind::Job, Kind::Pod]),
        run: stateful_sets::collect_orphans,
    },
    Controller {
        reads: Some(&[Kind::Namespace, Kind::StatefulSet, Kind::PersistentVolumeClaim, Kind::Pod]),
        run: stateful_sets::run,
    },
    // A Job has its deadline.
    Controller { reads: None, run: jobs::run },
    Controller {
        reads: Some(&[
            Kind::Node,
            Kind::StorageClass,
            Kind::PersistentVolume,
            Kind::PersistentVolumeClaim,
            Kind::Pod,
        ]),
        run: scheduler::run,
    },
    Controller { reads: None, run: nodes::run },
    Controller {
        reads: Some(&[
            Kind::StorageClass,
            Kind::PersistentVolume,
            Kind::PersistentVolumeClaim,
            Kind::Pod,
        ]),
        run: volumes::run,
    },
    Controller { reads: Some(&[Kind::Service]), run: services::run },
    Controller {
        reads: Some(&[Kind::PersistentVolumeClaim, Kind::Pod]),
        run: databases::forget_the_gone,
    },
    Controller { reads: Some(&[Kind::StatefulSet, Kind::Pod]), run: stateful_sets::report },
    Controller { reads: Some(&[Kind::PodDisruptionBudget, Kind::Pod]), run: budgets::run },
];

/// One of them.
struct Controller {
    /// The kinds it looks at; `None`: it does something because of the hour, and is always asked.
    reads: Option<&'static [Kind]>,
    /// One pass of it.
    run: fn(&mut Cluster),
}

/// Lets one tick pass. Whose last look changed nothing, and who looks at nothing that has changed since,
/// is not asked again.
pub(super) fn tick(cluster: &mut Cluster, ms: u64) {
    if !cluster.trouble.is_over(cluster.clock_ms) {
        cluster.idleness.wake_all();
    }
    cluster.clock_ms += ms;
    for (number, Controller { reads, run }) in CONTROLLERS.iter().enumerate() {
        if reads.is_some_and(|reads| cluster.idleness.is_idle(number, reads)) {
            continue;
        }
        let before = cluster.revision;
        run(cluster);
        if cluster.revision == before {
            cluster.idleness.note_idle(number, before);
        }
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
