//! What a real cluster's owner has put there before any stack: machines, their labels, classes.

use std::collections::BTreeMap;

use serde_json::json;

use super::cluster::Cluster;
use super::nodes::add_worker;
use super::selectors::has_all;
use super::values::at;
use crate::desired::storage::policy;
use crate::object::{Kind, Labels, ObjectKey};
use crate::stack::{Stack, TierKind};

/// Machines a selector finds at least, so that three members have one each.
const MACHINES_FOR_A_SELECTOR: usize = 3;

/// What must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Furniture {
    /// Machines by name, with labels beside the usual ones.
    pub nodes: BTreeMap<String, Labels>,
    /// Labels that three machines at least carry together.
    pub selectors: Vec<Labels>,
    /// Storage classes by name, each with its reclaim policy (`Delete` or `Retain`).
    pub classes: BTreeMap<String, String>,
}

impl Furniture {
    /// What a stack finds on a real cluster: nodes with the names and labels it asks for, and
    /// classes it names.
    pub fn of(stack: &Stack) -> Self {
        let mut furniture = Self::default();
        for tier in stack.storage.values() {
            match &tier.kind {
                TierKind::Local(volumes) => {
                    let nodes = volumes.iter().map(|volume| (volume.node.clone(), Labels::new()));
                    furniture.nodes.extend(nodes);
                }
                TierKind::LocalOnNodes { labels, .. } => furniture.selectors.push(labels.clone()),
                TierKind::CsiClass { class } => {
                    furniture.classes.insert(class.clone(), policy(tier.reclaim).to_owned());
                }
                TierKind::Csi { .. } => {}
            }
        }
        for pool in stack.clusters.values().flat_map(|cluster| cluster.pools.values()) {
            furniture.selectors.push(pool.pod.node_selector.clone());
        }
        furniture
    }
}

/// Adds what is not there yet; takes nothing away and changes no label's value.
pub(super) fn bring(cluster: &mut Cluster, furniture: &Furniture) {
    for (name, labels) in &furniture.nodes {
        add_worker(cluster, name, labels);
    }
    for labels in furniture.selectors.iter().filter(|labels| !labels.is_empty()) {
        label_machines(cluster, labels);
    }
    for (name, policy) in &furniture.classes {
        add_class(cluster, name, policy);
    }
}

/// Gives the labels to machines on which none of them has another value, then to new machines.
fn label_machines(cluster: &mut Cluster, labels: &Labels) {
    let wanted = json!(labels);
    let matching = |cluster: &Cluster| {
        let nodes = cluster.of_kind(Kind::Node);
        nodes.filter(|(_, node)| has_all(at(node, "/metadata/labels"), &wanted)).count()
    };
    for key in cluster.keys_of(Kind::Node) {
        let free = cluster.get(&key).is_some_and(|node| {
            let has = at(node, "/metadata/labels");
            labels
                .iter()
                .all(|(label, value)| has.get(label).is_none_or(|old| old.as_str() == Some(value)))
        });
        if free && matching(cluster) < MACHINES_FOR_A_SELECTOR {
            add_worker(cluster, &key.name, labels);
        }
    }
    let mut number = 1;
    // A selector by host name means one machine, which its name has made already.
    while !labels.contains_key("kubernetes.io/hostname")
        && matching(cluster) < MACHINES_FOR_A_SELECTOR
    {
        let name = format!("worker-{number}");
        if cluster.get(&ObjectKey::global(Kind::Node, name.as_str())).is_none() {
            add_worker(cluster, &name, labels);
        }
        number += 1;
    }
}

fn add_class(cluster: &mut Cluster, name: &str, policy: &str) {
    let key = ObjectKey::global(Kind::StorageClass, name);
    if cluster.get(&key).is_some() {
        return;
    }
    let value = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": { "name": name },
        "provisioner": "sandbox.tsinfra.dev",
        "reclaimPolicy": policy,
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    });
    cluster.insert(&key, value, "sandbox");
}
