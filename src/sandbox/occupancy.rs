//! Who is where: what one pass of the scheduler knows of the pods on each node, kept true as it places more.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::cluster::{Cluster, leaving};
use super::quantities::milli;
use super::selectors::{domain, selects};
use super::stateful_sets::owner_uid;
use super::values::{at, list, text};
use crate::object::{Kind, ObjectKey};
use crate::observed::LiveObject;

/// Whom a pod does not suffer beside it.
pub(super) const ENEMIES: &str =
    "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// The pods of all nodes.
#[derive(Default)]
pub(super) struct Occupancy {
    nodes: BTreeMap<String, Taken>,
    /// Pods that are not on their way out, of which neighbours are counted.
    staying: Vec<(Option<String>, Arc<LiveObject>)>,
    counts: Vec<Count>,
    enmities: Vec<Count>,
}

/// What the pods of one node take of it.
#[derive(Default)]
pub(super) struct Taken {
    /// How many there are.
    pub(super) pods: usize,
    /// How many of them are whose, by the uid of the controller that made them.
    owners: BTreeMap<String, usize>,
    cpu: i128,
    memory: i128,
}

impl Taken {
    /// How many of the pods have this owner.
    pub(super) fn of_owner(&self, uid: &str) -> usize {
        self.owners.get(uid).copied().unwrap_or(0)
    }

    /// What the pods ask for together, in thousandths.
    pub(super) fn requests(&self, resource: &str) -> i128 {
        if resource == "cpu" { self.cpu } else { self.memory }
    }
}

/// Which of the counts that are kept.
#[derive(Clone, Copy)]
pub(super) struct Counted(usize);

/// Pods of a namespace that a selector means, counted by a label of the nodes they are on.
struct Count {
    namespace: Option<String>,
    label: String,
    selector: Value,
    by_domain: BTreeMap<String, usize>,
}

impl Occupancy {
    /// Of a world as it is.
    pub(super) fn of(cluster: &Cluster) -> Self {
        let mut all = Self::default();
        for key in cluster.keys_where(Kind::Pod, |_, pod| !text(pod, "/spec/nodeName").is_empty()) {
            if let Some(pod) = cluster.shared(&key) {
                all.add(cluster, &key, pod);
            }
        }
        all
    }

    /// What is taken of a node.
    pub(super) fn on(&self, node: &str) -> Option<&Taken> {
        self.nodes.get(node)
    }

    /// Counts one pod more, on the node it names.
    pub(super) fn add(&mut self, cluster: &Cluster, key: &ObjectKey, pod: Arc<LiveObject>) {
        let value = &pod.value;
        let node = text(value, "/spec/nodeName");
        let taken = self.nodes.entry(node.to_owned()).or_default();
        taken.pods += 1;
        *taken.owners.entry(owner_uid(value).to_owned()).or_default() += 1;
        taken.cpu += requests(value, "cpu");
        taken.memory += requests(value, "memory");
        if leaving(value) {
            return;
        }
        for count in &mut self.counts {
            count.see(cluster, &key.namespace, value);
        }
        for term in list(value, ENEMIES) {
            let (label, selector) = (text(term, "/topologyKey"), at(term, "/labelSelector"));
            let asked = (&key.namespace, label, selector);
            let (place, _) = place_in(&mut self.enmities, asked);
            self.enmities[place].note(cluster, node);
        }
        self.staying.push((key.namespace.clone(), pod));
    }

    /// Counts the pods of a namespace that a selector means, by a label of the nodes they are on.
    pub(super) fn neighbours(
        &mut self,
        cluster: &Cluster,
        asked: (&Option<String>, &str, &Value),
    ) -> Counted {
        let (place, is_new) = place_in(&mut self.counts, asked);
        if is_new {
            for (namespace, pod) in &self.staying {
                self.counts[place].see(cluster, namespace, &pod.value);
            }
        }
        Counted(place)
    }

    /// How many of them are where the label has this value.
    pub(super) fn in_domain(&self, Counted(place): Counted, domain: &str) -> usize {
        let count = self.counts.get(place);
        count.and_then(|count| count.by_domain.get(domain)).copied().unwrap_or(0)
    }

    /// Whether a pod that is there suffers this one not on this node.
    pub(super) fn is_unwelcome(
        &self,
        namespace: &Option<String>,
        pod: &Value,
        node: &Value,
    ) -> bool {
        let mut theirs = self.enmities.iter().filter(|one| one.namespace == *namespace);
        theirs.any(|one| {
            domain(node, &one.label).is_some_and(|domain| one.by_domain.contains_key(domain))
                && selects(&one.selector, pod)
        })
    }
}

/// The place of a count, and whether it is a new one.
fn place_in(
    counts: &mut Vec<Count>,
    (namespace, label, selector): (&Option<String>, &str, &Value),
) -> (usize, bool) {
    let found = counts.iter().position(|one| {
        one.namespace == *namespace && one.label == label && one.selector == *selector
    });
    let place = found.unwrap_or(counts.len());
    if found.is_none() {
        let (namespace, label, selector) = (namespace.clone(), label.to_owned(), selector.clone());
        counts.push(Count { namespace, label, selector, by_domain: BTreeMap::new() });
    }
    (place, found.is_none())
}

impl Count {
    /// Counts a pod that is on a node, if it is one of those that are meant.
    fn see(&mut self, cluster: &Cluster, namespace: &Option<String>, pod: &Value) {
        if self.namespace == *namespace && selects(&self.selector, pod) {
            self.note(cluster, text(pod, "/spec/nodeName"));
        }
    }

    /// One more, on this node.
    fn note(&mut self, cluster: &Cluster, node: &str) {
        let node = cluster.get(&ObjectKey::global(Kind::Node, node));
        if let Some(domain) = node.and_then(|node| domain(node, &self.label)) {
            *self.by_domain.entry(domain.to_owned()).or_default() += 1;
        }
    }
}

/// What a pod asks for, in thousandths: its containers together, or its greediest init container if that is
/// more.
pub(super) fn requests(pod: &Value, resource: &str) -> i128 {
    let pointer = format!("/resources/requests/{resource}");
    let each = |containers: &str| -> Vec<i128> {
        let containers = list(pod, containers).iter();
        containers.map(|one| milli(text(one, &pointer)).unwrap_or_default()).collect()
    };
    let together: i128 = each("/spec/containers").iter().sum();
    each("/spec/initContainers").into_iter().max().unwrap_or_default().max(together)
}
