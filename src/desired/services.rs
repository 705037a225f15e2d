//! A cluster's Services and disruption budgets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DesiredObject, labels, members};
use crate::object::{Kind, ObjectKey};
use crate::stack::{Cluster, ExposeKind, Pool, Stack};

/// One governing Service a pool, one client Service, one budget a quorum domain.
pub fn objects(stack: &Stack, cluster: &Cluster) -> BTreeMap<ObjectKey, DesiredObject> {
    let mut objects = BTreeMap::new();
    for pool in cluster.pools.values() {
        objects.extend([governing_service(stack, cluster, pool)]);
    }
    objects.extend(client_service(stack, cluster));
    for domain in ["control", "storing"] {
        objects.extend(budget(stack, cluster, domain));
    }
    objects
}

/// Gives each member a name of its own in DNS, from before it is ready: members find each other
/// by these names in order to become ready.
fn governing_service(stack: &Stack, cluster: &Cluster, pool: &Pool) -> (ObjectKey, DesiredObject) {
    let name = Stack::pool_name(&cluster.name, &pool.name);
    let workload = members::workload(stack, cluster, pool);
    let ports: Vec<Value> = workload
        .ports
        .iter()
        .map(|port| {
            json!({
                "name": port.name, "port": port.number, "protocol": "TCP", "targetPort": port.name,
            })
        })
        .collect();
    let manifest = json!({
        "apiVersion": Kind::Service.api_version(),
        "kind": Kind::Service.word(),
        "metadata": {
            "name": name,
            "namespace": stack.namespace,
            "labels": labels::of_pool(stack, cluster, pool),
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": labels::of_members(stack, cluster, pool),
            "ports": ports,
        },
    });
    let summary = format!("names of the {}s in DNS", workload.title);
    let key = ObjectKey::within(Kind::Service, &stack.namespace, name);
    (key, DesiredObject { manifest, summary, exposes: false })
}

fn client_service(stack: &Stack, cluster: &Cluster) -> Option<(ObjectKey, DesiredObject)> {
    let port = members::client_port(stack, cluster)?;
    let mut client = json!({
        "name": "client", "port": port, "protocol": "TCP", "targetPort": "client",
    });
    let (kind, summary, exposes) = match cluster.expose.kind {
        ExposeKind::ClusterIp => ("ClusterIP", format!("clients, inside only: {port}"), false),
        ExposeKind::NodePort(None) => {
            ("NodePort", format!("clients, every node: a port Kubernetes picks -> {port}"), true)
        }
        ExposeKind::NodePort(Some(node_port)) => {
            client["nodePort"] = json!(node_port);
            ("NodePort", format!("clients, every node: {node_port} -> {port}"), true)
        }
        ExposeKind::LoadBalancer => {
            ("LoadBalancer", format!("clients, load balancer: {port}"), true)
        }
    };
    let mut manifest = json!({
        "apiVersion": Kind::Service.api_version(),
        "kind": Kind::Service.word(),
        "metadata": {
            "name": cluster.name,
            "namespace": stack.namespace,
            "labels": labels::of_cluster(stack, cluster),
        },
        "spec": {
            "type": kind,
            "selector": labels::of_serving(stack, cluster),
            "ports": [client],
        },
    });
    if !cluster.expose.annotations.is_empty() {
        manifest["metadata"]["annotations"] = json!(cluster.expose.annotations);
    }
    let key = ObjectKey::within(Kind::Service, &stack.namespace, &cluster.name);
    Some((key, DesiredObject { manifest, summary, exposes }))
}

/// One budget for all pools of a domain, because they vote together; never two on one pod,
/// because eviction is refused then.
fn budget(stack: &Stack, cluster: &Cluster, domain: &str) -> Option<(ObjectKey, DesiredObject)> {
    let members: u32 = cluster
        .pools
        .values()
        .filter(|pool| labels::quorum_domain(pool) == domain)
        .map(|pool| pool.nodes)
        .sum();
    if members == 0 {
        return None;
    }
    let name = format!("{}-{domain}", cluster.name);
    let manifest = json!({
        "apiVersion": Kind::PodDisruptionBudget.api_version(),
        "kind": Kind::PodDisruptionBudget.word(),
        "metadata": {
            "name": name,
            "namespace": stack.namespace,
            "labels": labels::of_cluster(stack, cluster),
        },
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": labels::of_domain(stack, cluster, domain) },
        },
    });
    let summary = format!("at most 1 of {members} {domain} members away");
    let key = ObjectKey::within(Kind::PodDisruptionBudget, &stack.namespace, name);
    Some((key, DesiredObject { manifest, summary, exposes: false }))
}
