//! What has to be looked at before a stack can be planned.

use std::collections::BTreeSet;

use super::{Desired, members};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_STACK, Labels, ObjectKey};
use crate::observed::{List, Observed, Scope};
use crate::stack::{Cluster, Stack, Tier};

/// Kinds looked at in the stack's namespace: all of each, because a stranger's object of a name
/// the stack wants matters as much as its own.
const NAMESPACED: [Kind; 5] = [
    Kind::Service,
    Kind::PodDisruptionBudget,
    Kind::StatefulSet,
    Kind::PersistentVolumeClaim,
    Kind::Pod,
];

/// The whole look a plan is made from: one LIST a kind.
pub fn scope(stack: &Stack) -> Scope {
    let mut lists: Vec<List> = NAMESPACED
        .into_iter()
        .map(|kind| List { kind, namespace: Some(stack.namespace.clone()), labels: Labels::new() })
        .collect();
    let ours: Labels = [(LABEL_STACK.to_owned(), stack.name.clone())].into();
    let mut gets = vec![ObjectKey::global(Kind::Namespace, &stack.namespace)];
    for tier in stack.storage.values() {
        gets.push(ObjectKey::global(Kind::StorageClass, stack.storage_class(tier)));
    }
    lists.push(List { kind: Kind::StorageClass, namespace: None, labels: ours.clone() });
    let mut volumes = ours.clone();
    if stack.storage.values().any(Tier::is_local) {
        lists.push(List { kind: Kind::Node, namespace: None, labels: Labels::new() });
        // Helpers that an earlier run has left.
        let namespace = Some(stack.namespace.clone());
        lists.push(List { kind: Kind::Job, namespace, labels: ours });
        // Whoever offers a directory of a node must be known, also if it is not this stack.
        volumes.clear();
    }
    // What a member has kept may be on a volume that a driver made, which bears no label of ours.
    let has_several = |cluster: &Cluster| cluster.pools.values().any(|it| !it.apart.is_empty());
    if stack.clusters.values().any(has_several) {
        volumes.clear();
    }
    lists.push(List { kind: Kind::PersistentVolume, namespace: None, labels: volumes });
    Scope {
        lists,
        gets,
        events_in: None,
        databases: members::databases(stack),
        holdings: false,
        inventory: Some((stack.namespace.clone(), stack.name.clone())),
    }
}

/// What has to be looked at besides, for a plan that ends clusters or takes members from them: the
/// volumes of the claims that go, and their classes. A provisioner made them, or an administrator, so that
/// no label of ours leads to them, and a tier that is declared no more does not either.
pub fn volumes(
    stack: &Stack,
    desired: &Desired,
    observed: &Observed,
    ends: impl Fn(&str) -> bool,
) -> Scope {
    let claims = observed.of_kind(Kind::PersistentVolumeClaim).filter(|(key, claim)| {
        let goes = |cluster: &str| ends(cluster) || desired.is_beyond_members(key, cluster);
        claim.label(LABEL_STACK) == Some(&stack.name)
            && claim.label(LABEL_CLUSTER).is_some_and(goes)
    });
    let named = |kind: Kind, name: Option<&str>| name.map(|name| ObjectKey::global(kind, name));
    let of_them = claims.flat_map(|(_, claim)| {
        let volume = named(Kind::PersistentVolume, claim.text("/spec/volumeName"));
        let class = named(Kind::StorageClass, claim.text("/spec/storageClassName"));
        volume.into_iter().chain(class)
    });
    let unseen: BTreeSet<ObjectKey> =
        of_them.filter(|key| !observed.objects.contains_key(key)).collect();
    Scope { gets: unseen.into_iter().collect(), ..Scope::default() }
}
