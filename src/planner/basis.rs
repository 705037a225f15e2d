//! What a plan is pinned to among the objects that were looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::concerns;
use crate::object::{Kind, ObjectKey};
use crate::observed::{LiveObject, Observed};
use crate::plan::seen::Seen;
use crate::stack::Stack;

/// The ids that databases are on record with.
pub fn ids(observed: &Observed) -> BTreeMap<String, String> {
    let clusters = observed.inventory.iter().flat_map(|record| &record.clusters);
    let known = clusters.filter(|(_, cluster)| !cluster.cluster_id.is_empty());
    known.map(|(name, cluster)| (name.clone(), cluster.cluster_id.clone())).collect()
}

/// Every object of the stack that is there, the classes its tiers use, the volumes of its claims,
/// and its namespace.
pub fn objects(stack: &Stack, observed: &Observed) -> BTreeMap<ObjectKey, Seen> {
    let classes: BTreeSet<String> =
        stack.storage.values().map(|tier| stack.storage_class(tier)).collect();
    // What was let go must not seem to have come anew.
    let ours = |key: &ObjectKey, live: &LiveObject| concerns(stack, observed, key, live);
    let claims = observed.of_kind(Kind::PersistentVolumeClaim);
    let volumes: BTreeSet<&str> = claims
        .filter(|(key, claim)| ours(key, claim))
        .filter_map(|(_, claim)| claim.text("/spec/volumeName"))
        .collect();
    let counts = |key: &ObjectKey, live: &LiveObject| match key.kind {
        Kind::Pod | Kind::Job | Kind::Node | Kind::ConfigMap | Kind::Lease => false,
        Kind::Namespace => key.name == stack.namespace,
        Kind::StorageClass => classes.contains(&key.name) || ours(key, live),
        Kind::PersistentVolume => volumes.contains(key.name.as_str()) || ours(key, live),
        Kind::Service | Kind::PodDisruptionBudget | Kind::StatefulSet => ours(key, live),
        Kind::PersistentVolumeClaim => ours(key, live),
    };
    let relied_on = observed.objects.iter().filter(|(key, live)| counts(key, live));
    relied_on.map(|(key, live)| (key.clone(), Seen::of(key, live))).collect()
}
