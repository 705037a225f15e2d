//! The scheduler: which node takes a pod, or why none does, in the words of the real one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster::{Cluster, leaving};
use super::quantities::milli;
use super::selectors::{has_all, selects, selects_node, tolerates};
use super::stateful_sets::owner_uid;
use super::values::{at, list, put, text};
use super::volumes::{self, Binding};
use crate::object::{Kind, ObjectKey};

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
    for key in cluster.keys_where(Kind::Pod, waits) {
        let Some(held) = cluster.shared(&key) else { continue };
        let pod = &held.value;
        match choose(cluster, &key, pod) {
            Ok((node, bindings)) => {
                volumes::bind_all(cluster, bindings, &node);
                cluster.change("kube-scheduler", &key, |pod| {
                    put(pod, &["spec", "nodeName"], json!(node));
                });
                let scheduled = json!([{ "type": "PodScheduled", "status": "True" }]);
                cluster.set_status(&key, &["conditions"], scheduled);
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

fn choose(
    cluster: &Cluster,
    key: &ObjectKey,
    pod: &Value,
) -> Result<(String, Vec<Binding>), String> {
    let nodes: Vec<&Value> = cluster.of_kind(Kind::Node).map(|(_, node)| node).collect();
    let total = nodes.len();
    if let Some(why) = volumes::hopeless(cluster, key, pod) {
        return Err(format!("0/{total} nodes are available: {why}"));
    }
    let mut refusals: Vec<Why> = Vec::new();
    let mut fitting: Vec<(usize, usize, &str, Vec<Binding>)> = Vec::new();
    for node in nodes {
        match filter(cluster, key, pod, node) {
            Ok(bindings) => {
                let name = text(node, "/metadata/name");
                let siblings =
                    pods_on(cluster, name).filter(|other| owner_uid(other) == owner_uid(pod));
                let load = (siblings.count(), pods_on(cluster, name).count());
                fitting.push((load.0, load.1, name, bindings));
            }
            Err(why) => refusals.extend(why),
        }
    }
    let best =
        fitting.into_iter().min_by_key(|(siblings, pods, name, _)| (*siblings, *pods, *name));
    best.map(|(_, _, name, bindings)| (name.to_owned(), bindings))
        .ok_or_else(|| sentence(total, &refusals))
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

fn pods_on<'a>(cluster: &'a Cluster, node: &'a str) -> impl Iterator<Item = &'a Value> {
    let pods = cluster.of_kind(Kind::Pod).map(|(_, pod)| pod);
    pods.filter(move |pod| text(pod, "/spec/nodeName") == node)
}

/// The filters of the real scheduler in its order; the first that refuses speaks for the node.
fn filter(
    cluster: &Cluster,
    key: &ObjectKey,
    pod: &Value,
    node: &Value,
) -> Result<Vec<Binding>, Vec<Why>> {
    let no = |why: Why| Err(vec![why]);
    let cordon = json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" });
    if at(node, "/spec/unschedulable") == true && !tolerates(pod, &cordon) {
        return no(Why::of_the_node("node(s) were unschedulable"));
    }
    let unreachable = json!({ "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" });
    let is_away = cluster.trouble.is_away(text(node, "/metadata/name"), cluster.clock_ms);
    if is_away && !tolerates(pod, &unreachable) {
        let taint = "node(s) had untolerated taint {node.kubernetes.io/unreachable: }";
        return no(Why::of_the_node(taint));
    }
    if let Some(taint) = untolerated(pod, node) {
        let (key, value) = (text(taint, "/key"), text(taint, "/value"));
        return no(Why::of_the_node(format!("node(s) had untolerated taint {{{key}: {value}}}")));
    }
    if !is_asked_for(pod, node) {
        return no(Why::of_the_node("node(s) didn't match Pod's node affinity/selector"));
    }
    let short = shortages(cluster, pod, node);
    if !short.is_empty() {
        return Err(short);
    }
    let bindings =
        volumes::fit(cluster, key, pod, node).map_err(|why| vec![Why::of_the_node(why)])?;
    if let Some(why) = unevenness(cluster, key, pod, node) {
        return no(why);
    }
    if let Some(why) = enmity(cluster, key, pod, node) {
        return no(why);
    }
    Ok(bindings)
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

/// CPU and memory a pod asks for beyond what the node has left.
fn shortages(cluster: &Cluster, pod: &Value, node: &Value) -> Vec<Why> {
    let name = text(node, "/metadata/name");
    let has = |resource: &str| {
        milli(text(node, &format!("/status/allocatable/{resource}"))).unwrap_or_default()
    };
    let mut short = Vec::new();
    for resource in ["cpu", "memory"] {
        let used: i128 = pods_on(cluster, name).map(|pod| requests(pod, resource)).sum();
        let wanted = requests(pod, resource);
        if wanted > 0 && used + wanted > has(resource) {
            let why = format!("Insufficient {resource}");
            let alone = wanted > has(resource);
            short.push(if alone { Why::of_the_node(why) } else { Why::of_its_pods(why) });
        }
    }
    let count = i128::try_from(pods_on(cluster, name).count()).unwrap_or(i128::MAX);
    if (count + 1) * 1000 > has("pods") {
        short.push(Why::of_its_pods("Too many pods"));
    }
    short
}

/// What a pod asks for: its containers together, or its greediest init container if that is more.
fn requests(pod: &Value, resource: &str) -> i128 {
    let pointer = format!("/resources/requests/{resource}");
    let each = |containers: &str| -> Vec<i128> {
        let containers = list(pod, containers).iter();
        containers.map(|one| milli(text(one, &pointer)).unwrap_or_default()).collect()
    };
    let together: i128 = each("/spec/containers").iter().sum();
    each("/spec/initContainers").into_iter().max().unwrap_or_default().max(together)
}

/// Pods of a namespace in the topology domain (same value of a node label) a node is in.
fn neighbours<'a>(
    cluster: &'a Cluster,
    namespace: Option<&'a str>,
    label: &'a str,
    domain: &'a Value,
) -> impl Iterator<Item = &'a Value> {
    let node_label = move |pod: &Value| {
        let node = ObjectKey::global(Kind::Node, text(pod, "/spec/nodeName"));
        cluster.get(&node).and_then(|node| at(node, "/metadata/labels").get(label))
    };
    cluster
        .of_kind(Kind::Pod)
        .filter(move |(key, _)| key.namespace.as_deref() == namespace)
        .map(|(_, pod)| pod)
        .filter(move |pod| !leaving(pod) && node_label(pod) == Some(domain))
}

const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";

/// Required topology spread.
fn unevenness(cluster: &Cluster, key: &ObjectKey, pod: &Value, node: &Value) -> Option<Why> {
    let namespace = key.namespace.as_deref();
    let constraints = list(pod, "/spec/topologySpreadConstraints").iter();
    for constraint in constraints.filter(|one| text(one, "/whenUnsatisfiable") == "DoNotSchedule") {
        let label = text(constraint, "/topologyKey");
        let domain_of = |node: &'_ Value| at(node, "/metadata/labels").get(label).cloned();
        let Some(here) = domain_of(node) else {
            return Some(Why::of_the_node(format!("{UNEVEN} (missing required label)")));
        };
        let selector = at(constraint, "/labelSelector");
        let count = |domain: &Value| {
            let pods = neighbours(cluster, namespace, label, domain);
            pods.filter(|other| selects(selector, other)).count()
        };
        let honours = text(constraint, "/nodeTaintsPolicy") == "Honor";
        let eligible = cluster.of_kind(Kind::Node).filter(|(_, node)| {
            is_asked_for(pod, node) && !(honours && untolerated(pod, node).is_some())
        });
        let least = eligible.filter_map(|(_, node)| domain_of(node)).map(|one| count(&one)).min();
        let skew = (count(&here) + 1).saturating_sub(least.unwrap_or(0));
        let allowed = at(constraint, "/maxSkew").as_u64().unwrap_or(1);
        if skew as u64 > allowed {
            return Some(Why::of_its_pods(UNEVEN));
        }
    }
    None
}

/// Required pod anti-affinity, of the pod itself and of those already there.
fn enmity(cluster: &Cluster, key: &ObjectKey, pod: &Value, node: &Value) -> Option<Why> {
    const TERMS: &str =
        "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let namespace = key.namespace.as_deref();
    let labels = at(node, "/metadata/labels");
    let clash = |from: &Value, with: &dyn Fn(&str, &Value, &Value) -> bool| {
        list(from, TERMS).iter().any(|term| {
            let label = text(term, "/topologyKey");
            labels.get(label).is_some_and(|domain| with(label, domain, at(term, "/labelSelector")))
        })
    };
    let own = clash(pod, &|label, domain, selector| {
        neighbours(cluster, namespace, label, domain).any(|other| selects(selector, other))
    });
    if own {
        return Some(Why::of_its_pods("node(s) didn't match pod anti-affinity rules"));
    }
    let theirs = cluster.of_kind(Kind::Pod).filter(|(other, _)| other.namespace == key.namespace);
    let theirs = theirs.map(|(_, other)| other).any(|other| {
        clash(other, &|label, domain, selector| {
            selects(selector, pod)
                && neighbours(cluster, namespace, label, domain)
                    .any(|neighbour| std::ptr::eq(neighbour, other))
        })
    });
    theirs.then(|| Why::of_its_pods("node(s) didn't satisfy existing pods anti-affinity rules"))
}
