//! The scheduler: which node takes a pod, or why none does, in the words of the real one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde_json::{Value, json};

use super::cluster::{Cluster, leaving};
use super::occupancy::{Counted, ENEMIES, Occupancy, requests};
use super::quantities::milli;
use super::selectors::{domain, has_all, selects_node, tolerates};
use super::stateful_sets::owner_uid;
use super::values::{at, list, put, text};
use super::volumes::{self, Binding};
use crate::object::{Kind, ObjectKey};

const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";

/// Why a node does not take a pod.
struct Why {
    text: String,
    /// Whether moving other pods away could help.
    others_in_the_way: bool,
}

impl Why {
    fn of_the_node(text: impl Into<String>) -> Self {
        Self { text: text.into(), others_in_the_way: false }
    }

    fn of_its_pods(text: impl Into<String>) -> Self {
        Self { text: text.into(), others_in_the_way: true }
    }
}

/// One pass over every pod that has no node.
pub(super) fn run(cluster: &mut Cluster) {
    let waits =
        |_: &ObjectKey, pod: &Value| text(pod, "/spec/nodeName").is_empty() && !leaving(pod);
    let waiting = cluster.keys_where(Kind::Pod, waits);
    if waiting.is_empty() {
        return;
    }
    let mut occupancy = Occupancy::of(cluster);
    let free = volumes::free(cluster);
    for key in waiting {
        let Some(held) = cluster.shared(&key) else { continue };
        let placing = Placing::new(cluster, &mut occupancy, &free, (&key, &held.value));
        match placing.choose() {
            Ok((node, bindings)) => {
                place(cluster, &key, &node, bindings);
                if let Some(placed) = cluster.shared(&key) {
                    occupancy.add(cluster, &key, placed);
                }
            }
            Err(message) => {
                let condition = json!([{
                    "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": message,
                }]);
                cluster.set_status(&key, &["conditions"], condition);
                cluster.warn(&key, "FailedScheduling", &message);
            }
        }
    }
}

fn place(cluster: &mut Cluster, key: &ObjectKey, node: &str, bindings: Vec<Binding>) {
    volumes::bind_all(cluster, bindings, node);
    cluster.change("kube-scheduler", key, |pod| {
        put(pod, &["spec", "nodeName"], json!(node));
    });
    let scheduled = json!([{ "type": "PodScheduled", "status": "True" }]);
    cluster.set_status(key, &["conditions"], scheduled);
}

/// `0/3 nodes are available: 1 …, 2 …. preemption: …`
fn sentence(total: usize, refusals: &[Why]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for why in refusals {
        *counts.entry(&why.text).or_default() += 1;
    }
    let mut parts: Vec<String> =
        counts.iter().map(|(text, count)| format!("{count} {text}")).collect();
    parts.sort();
    if parts.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let in_the_way = refusals.iter().filter(|why| why.others_in_the_way).count();
    let mut preemption: Vec<String> = Vec::new();
    if in_the_way > 0 {
        preemption.push(format!("{in_the_way} No preemption victims found for incoming pod"));
    }
    if in_the_way < total {
        let helpless = total.saturating_sub(in_the_way);
        preemption.push(format!("{helpless} Preemption is not helpful for scheduling"));
    }
    preemption.sort();
    format!(
        "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: {}.",
        parts.join(", "),
        preemption.join(", ")
    )
}

/// One pod that waits for a node.
struct Placing<'a> {
    cluster: &'a Cluster,
    occupancy: &'a Occupancy,
    free: &'a [ObjectKey],
    key: &'a ObjectKey,
    pod: &'a Value,
    spread: Vec<Spread>,
    /// For each kind of pod it does not suffer beside it, the label, and their count.
    enemies: Vec<(String, Counted)>,
}

/// A required spread: how many of its kind are where.
struct Spread {
    label: String,
    counted: Counted,
    /// The most there may be in a domain once the pod is there.
    at_most: u64,
}

impl<'a> Placing<'a> {
    fn new(
        cluster: &'a Cluster,
        occupancy: &'a mut Occupancy,
        free: &'a [ObjectKey],
        (key, pod): (&'a ObjectKey, &'a Value),
    ) -> Self {
        let spread = spreads(cluster, occupancy, key, pod);
        let enemies = list(pod, ENEMIES).iter().map(|term| {
            let label = text(term, "/topologyKey");
            let asked = (&key.namespace, label, at(term, "/labelSelector"));
            (label.to_owned(), occupancy.neighbours(cluster, asked))
        });
        let enemies = enemies.collect();
        Self { cluster, occupancy, free, key, pod, spread, enemies }
    }

    /// The node with the fewest of its kind, then of all pods, of those that take it.
    fn choose(&self) -> Result<(String, Vec<Binding>), String> {
        let total = self.cluster.of_kind(Kind::Node).count();
        if let Some(why) = volumes::hopeless(self.cluster, self.key, self.pod) {
            return Err(format!("0/{total} nodes are available: {why}"));
        }
        let owner = owner_uid(self.pod);
        let nodes = self.cluster.of_kind(Kind::Node).map(|(node, _)| {
            let taken = self.occupancy.on(&node.name);
            let load = taken.map_or((0, 0), |taken| (taken.of_owner(owner), taken.pods));
            Reverse((load, node))
        });
        let mut emptiest_first: BinaryHeap<_> = nodes.collect();
        let mut refusals: Vec<Why> = Vec::new();
        while let Some(Reverse((_, name))) = emptiest_first.pop() {
            let Some(node) = self.cluster.get(name) else { continue };
            match self.filter(node) {
                Ok(bindings) => return Ok((name.name.clone(), bindings)),
                Err(why) => refusals.extend(why),
            }
        }
        Err(sentence(total, &refusals))
    }

    /// The filters of the real scheduler in its order; the first that refuses speaks for the node.
    fn filter(&self, node: &Value) -> Result<Vec<Binding>, Vec<Why>> {
        let Self { cluster, key, pod, .. } = *self;
        let no = |why: Why| Err(vec![why]);
        let cordon = json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" });
        if at(node, "/spec/unschedulable") == true && !tolerates(pod, &cordon) {
            return no(Why::of_the_node("node(s) were unschedulable"));
        }
        let unreachable =
            json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" });
        let is_away = cluster.trouble.is_away(text(node, "/metadata/name"), cluster.clock_ms);
        if is_away && !tolerates(pod, &unreachable) {
            let taint = "node(s) had untolerated taint {node.kubernetes.io/unreachable: }";
            return no(Why::of_the_node(taint));
        }
        if let Some(taint) = untolerated(pod, node) {
            let (key, value) = (text(taint, "/key"), text(taint, "/value"));
            return no(Why::of_the_node(format!(
                "node(s) had untolerated taint {{{key}: {value}}}"
            )));
        }
        if !is_asked_for(pod, node) {
            return no(Why::of_the_node("node(s) didn't match Pod's node affinity/selector"));
        }
        let short = self.shortages(node);
        if !short.is_empty() {
            return Err(short);
        }
        let bindings = volumes::fit(cluster, self.free, (key, pod), node)
            .map_err(|why| vec![Why::of_the_node(why)])?;
        if let Some(why) = self.unevenness(node) {
            return no(why);
        }
        if let Some(why) = self.enmity(node) {
            return no(why);
        }
        Ok(bindings)
    }

    /// CPU and memory the pod asks for beyond what the node has left.
    fn shortages(&self, node: &Value) -> Vec<Why> {
        let has = |resource: &str| {
            milli(text(node, &format!("/status/allocatable/{resource}"))).unwrap_or_default()
        };
        let taken = self.occupancy.on(text(node, "/metadata/name"));
        let mut short = Vec::new();
        for resource in ["cpu", "memory"] {
            let used = taken.map_or(0, |taken| taken.requests(resource));
            let wanted = requests(self.pod, resource);
            if wanted > 0 && used + wanted > has(resource) {
                let why = format!("Insufficient {resource}");
                let alone = wanted > has(resource);
                short.push(if alone { Why::of_the_node(why) } else { Why::of_its_pods(why) });
            }
        }
        let count = taken.map_or(0, |taken| i128::try_from(taken.pods).unwrap_or(i128::MAX));
        if (count + 1) * 1000 > has("pods") {
            short.push(Why::of_its_pods("Too many pods"));
        }
        short
    }

    /// Required topology spread.
    fn unevenness(&self, node: &Value) -> Option<Why> {
        self.spread.iter().find_map(|spread| {
            let Some(here) = domain(node, &spread.label) else {
                return Some(Why::of_the_node(format!("{UNEVEN} (missing required label)")));
            };
            let there = self.occupancy.in_domain(spread.counted, here);
            (there as u64 + 1 > spread.at_most).then(|| Why::of_its_pods(UNEVEN))
        })
    }

    /// Required pod anti-affinity, of the pod itself and of those already there.
    fn enmity(&self, node: &Value) -> Option<Why> {
        let mut own = self.enemies.iter();
        let own = own.any(|(label, counted)| {
            domain(node, label).is_some_and(|here| self.occupancy.in_domain(*counted, here) > 0)
        });
        if own {
            return Some(Why::of_its_pods("node(s) didn't match pod anti-affinity rules"));
        }
        let theirs = self.occupancy.is_unwelcome(&self.key.namespace, self.pod, node);
        theirs.then(|| Why::of_its_pods("node(s) didn't satisfy existing pods anti-affinity rules"))
    }
}

/// The required spreads of a pod, each with how many there are where now.
fn spreads(
    cluster: &Cluster,
    occupancy: &mut Occupancy,
    key: &ObjectKey,
    pod: &Value,
) -> Vec<Spread> {
    let constraints = list(pod, "/spec/topologySpreadConstraints").iter();
    let required = constraints.filter(|one| text(one, "/whenUnsatisfiable") == "DoNotSchedule");
    let spread = required.map(|constraint| {
        let label = text(constraint, "/topologyKey");
        let asked = (&key.namespace, label, at(constraint, "/labelSelector"));
        let counted = occupancy.neighbours(cluster, asked);
        let honours = text(constraint, "/nodeTaintsPolicy") == "Honor";
        let eligible = cluster.of_kind(Kind::Node).filter(|(_, node)| {
            is_asked_for(pod, node) && !(honours && untolerated(pod, node).is_some())
        });
        let domains = eligible.filter_map(|(_, node)| domain(node, label));
        let least = domains.map(|domain| occupancy.in_domain(counted, domain)).min();
        let skew = at(constraint, "/maxSkew").as_u64().unwrap_or(1);
        let at_most = least.unwrap_or(0) as u64 + skew;
        Spread { label: label.to_owned(), counted, at_most }
    });
    spread.collect()
}

/// The first taint that keeps a pod off a node.
fn untolerated<'a>(pod: &Value, node: &'a Value) -> Option<&'a Value> {
    list(node, "/spec/taints").iter().find(|taint| {
        matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute") && !tolerates(pod, taint)
    })
}

/// Whether a pod's node selector and required node affinity mean this node.
fn is_asked_for(pod: &Value, node: &Value) -> bool {
    let affinity = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let required = at(pod, affinity);
    has_all(at(node, "/metadata/labels"), at(pod, "/spec/nodeSelector"))
        && (required.is_null() || selects_node(required, node))
}
