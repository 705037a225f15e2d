//! A world that was seen elsewhere, to go on in simulation.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::{Cluster, PodLife, Stage};
use super::databases;
use super::stateful_sets::is_ready;
use super::trouble::Mood;
use super::values::{list, text};
use crate::inventory::Inventory;
use crate::object::{FIELD_MANAGER, Kind, ObjectKey};
use crate::observed::{DatabaseScope, DatabaseView, Observed};

/// How long everything has been as it was seen, in milliseconds: longer than a database takes to list
/// a member that came up as running.
const SETTLED_MS: u64 = 120_000;

/// How long a database that gave no answer gives none: longer than any run.
const SILENT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What new uids are made from; not what the sandbox's own are, since what is copied keeps its uids, and
/// one of them given again would make a stranger's object ours.
const SEED: u64 = 2;

impl Cluster {
    /// What was seen of a Kubernetes and its databases, as a simulated one that goes on from there:
    /// objects with their uids and owners, pods as ready as they were, databases under their ids with
    /// the members they listed, and the stack's record. Images are taken for pulled where a pod of
    /// theirs was seen; regions are not simulated.
    pub fn copied(seen: &Observed, databases: &[DatabaseScope]) -> Self {
        let mut cluster = Self::empty(SEED);
        for (key, live) in &seen.objects {
            let version = live.text("/metadata/resourceVersion").and_then(|it| it.parse().ok());
            cluster.revision = cluster.revision.max(version.unwrap_or(0));
            cluster.objects.insert(key.clone(), Arc::new(live.clone()));
        }
        if let Some(record) = &seen.inventory {
            let key = Inventory::key(&record.namespace, &record.stack);
            cluster.insert(&key, record.to_config_map(), FIELD_MANAGER);
        }
        cluster.take_up_pods();
        cluster.clock_ms = SETTLED_MS;
        for pod in cluster.keys_of(Kind::Pod) {
            cluster.live_on(&pod);
        }
        for scope in databases {
            let name = format!("{}/{}", scope.namespace, scope.cluster);
            match seen.databases.get(&scope.cluster) {
                Some(DatabaseView::Seen(topology)) => {
                    let now = cluster.clock_ms;
                    if let Some(database) = cluster.databases.get_mut(&name) {
                        database.goes_on_as(topology, now);
                    }
                }
                Some(DatabaseView::Unreachable { .. }) => {
                    cluster.trouble_database(&name, Mood::Silent, SILENT);
                }
                Some(DatabaseView::Absent) | None => {}
            }
        }
        cluster
    }

    /// Starts what every pod that was placed runs, control members first: others ask them to be let in.
    fn take_up_pods(&mut self) {
        let mut placed: Vec<(bool, ObjectKey)> = Vec::new();
        for (key, pod) in self.of_kind(Kind::Pod) {
            if !text(pod, "/spec/nodeName").is_empty() {
                placed.push((databases::serves_clients(pod), key.clone()));
            }
        }
        placed.sort();
        for (_, key) in placed {
            let Some(held) = self.shared(&key) else { continue };
            databases::started(self, &key, &held.value);
            if !is_ready(&held.value) {
                databases::ended(self, &key, &held.value);
            }
        }
    }

    /// Has a pod's node know how far the pod has come.
    fn live_on(&mut self, key: &ObjectKey) {
        let Some(held) = self.shared(key) else { return };
        let pod = &held.value;
        let node = text(pod, "/spec/nodeName").to_owned();
        if node.is_empty() {
            return;
        }
        let stage = if is_ready(pod) { Stage::Ready } else { Stage::Preparing };
        self.pods.insert(key.clone(), PodLife { stage, since_ms: self.clock_ms });
        let places = ["/spec/initContainers", "/spec/containers"];
        let containers = places.into_iter().flat_map(|place| list(pod, place));
        let images = containers.map(|container| text(container, "/image").to_owned());
        self.images.entry(node).or_default().extend(images);
    }
}
