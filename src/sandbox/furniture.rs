//! What a real cluster's owner has put there before any stack: machines, their labels, classes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::nodes::{CPU, MEMORY_GIB, PODS, add_worker};
use super::selectors::has_all;
use super::values::at;
use crate::desired::storage::policy;
use crate::object::{Kind, Labels, ObjectKey};
use crate::stack::{Pool, Stack, TierKind};

/// Machines a selector finds at least, so that three members have one each.
const MACHINES_AT_LEAST: usize = 3;

/// What must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Furniture {
    /// Machines by name, with labels beside the usual ones.
    pub nodes: BTreeMap<String, Labels>,
    /// Labels (or none), and how many machines carry them together at least.
    pub machines: Vec<(Labels, usize)>,
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
                TierKind::LocalOnNodes { labels, .. } => {
                    furniture.machines.push((labels.clone(), MACHINES_AT_LEAST));
                }
                TierKind::CsiClass { class } => {
                    furniture.classes.insert(class.clone(), policy(tier.reclaim).to_owned());
                }
                TierKind::Csi { .. } => {}
            }
        }
        let pools = || stack.clusters.values().flat_map(|cluster| cluster.pools.values());
        for Pool { pod, .. } in pools() {
            // Who asks for less may be where these are asked for too.
            let labels = &pod.node_selector;
            let may_be_there = |other: &&Pool| {
                other.pod.node_selector.iter().all(|it| labels.iter().any(|one| one == it))
            };
            let wanted = pools().filter(may_be_there).map(machines_of).sum();
            furniture.machines.push((labels.clone(), MACHINES_AT_LEAST.max(wanted)));
        }
        furniture
    }
}

/// As many machines as the members of a pool fill.
fn machines_of(pool: &Pool) -> usize {
    let on_one = |has: u64, wanted: u64| has.checked_div(wanted).unwrap_or(PODS).min(PODS);
    let by_cpu = on_one(CPU * 1000, pool.cpu.milli());
    let by_memory = on_one(MEMORY_GIB << 30, pool.memory.bytes());
    let machines = match by_cpu.min(by_memory) {
        // Who fits on none is not helped by more of them.
        0 => 0,
        each => u64::from(pool.nodes).div_ceil(each),
    };
    usize::try_from(machines).unwrap_or(usize::MAX)
}

/// Adds what is not there yet; takes nothing away and changes no label's value.
pub(super) fn bring(cluster: &mut Cluster, furniture: &Furniture) {
    for (name, labels) in &furniture.nodes {
        add_worker(cluster, name, labels);
    }
    for (labels, at_least) in &furniture.machines {
        label_machines(cluster, labels, *at_least);
    }
    for (name, policy) in &furniture.classes {
        add_class(cluster, name, policy);
    }
}

/// Gives the labels to machines on which none of them has another value, then to new machines.
fn label_machines(cluster: &mut Cluster, labels: &Labels, at_least: usize) {
    let wanted = json!(labels);
    let has_them = |node: &Value| has_all(at(node, "/metadata/labels"), &wanted);
    let matching = cluster.of_kind(Kind::Node).filter(|(_, node)| has_them(node)).count();
    let mut lacking = at_least.saturating_sub(matching);
    let is_free = |_: &ObjectKey, node: &Value| {
        let has = at(node, "/metadata/labels");
        let mut all = labels.iter();
        !has_them(node)
            && all
                .all(|(label, value)| has.get(label).is_none_or(|old| old.as_str() == Some(value)))
    };
    for key in cluster.keys_where(Kind::Node, is_free).iter().take(lacking) {
        add_worker(cluster, &key.name, labels);
        lacking -= 1;
    }
    let mut number = 1;
    // A selector by host name means one machine, which its name has made already.
    while lacking > 0 && !labels.contains_key("kubernetes.io/hostname") {
        let name = format!("worker-{number}");
        if cluster.get(&ObjectKey::global(Kind::Node, name.as_str())).is_none() {
            add_worker(cluster, &name, labels);
            lacking -= 1;
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
