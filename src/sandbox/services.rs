//! Addresses and node ports of Services, and their load balancers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::denial::Denial;
use super::rules::invalid;
use super::values::{at, each_in, list, put, take, text};
use crate::object::{Kind, ObjectKey};

/// Ports a Service may have on every node.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

/// Takes out what a Service has left from a type it was before.
pub(super) fn drop_what_the_type_has_not(key: &ObjectKey, value: &mut Value) {
    if key.kind != Kind::Service {
        return;
    }
    let kind = text(value, "/spec/type").to_owned();
    if kind != "LoadBalancer" {
        take(value, &["spec", "allocateLoadBalancerNodePorts"]);
        put(value, &["status", "loadBalancer"], json!({}));
    }
    if kind == "ClusterIP" {
        take(value, &["spec", "externalTrafficPolicy"]);
        for port in each_in(value, "/spec/ports") {
            take(port, &["nodePort"]);
        }
    }
}

/// Gives a Service the address and the node ports it has not chosen itself.
pub(super) fn allocate(
    cluster: &mut Cluster,
    key: &ObjectKey,
    value: &mut Value,
) -> Result<(), Denial> {
    if key.kind != Kind::Service {
        return Ok(());
    }
    if at(value, "/spec/clusterIP").is_null() {
        put(value, &["spec", "clusterIP"], json!(cluster.next_address("10.96")));
    }
    put(value, &["spec", "clusterIPs"], json!([at(value, "/spec/clusterIP")]));
    if text(value, "/spec/type") == "ClusterIP" {
        return Ok(());
    }
    let mut taken: BTreeSet<u64> = cluster
        .of_kind(Kind::Service)
        .filter(|(other, _)| *other != key)
        .flat_map(|(_, service)| list(service, "/spec/ports"))
        .filter_map(|port| port.get("nodePort")?.as_u64())
        .collect();
    for (place, port) in each_in(value, "/spec/ports").enumerate() {
        let number = match port.get("nodePort").and_then(Value::as_u64) {
            Some(number) => asked_for(key, place, number, &taken)?,
            // Not from the bottom, where people choose ports by hand.
            None => (31_820..=32_767)
                .chain(30_000..31_820)
                .find(|number| !taken.contains(number))
                .ok_or_else(|| invalid(key, "spec.ports: Internal error: range is full"))?,
        };
        taken.insert(number);
        put(port, &["nodePort"], json!(number));
    }
    Ok(())
}

fn asked_for(
    key: &ObjectKey,
    place: usize,
    number: u64,
    taken: &BTreeSet<u64>,
) -> Result<u64, Denial> {
    let field = format!("spec.ports[{place}].nodePort: Invalid value: {number}:");
    if !NODE_PORTS.contains(&number) {
        let range = "The range of valid ports is 30000-32767";
        let why = format!("{field} provided port is not in the valid range. {range}");
        return Err(invalid(key, &why));
    }
    if taken.contains(&number) {
        return Err(invalid(key, &format!("{field} provided port is already allocated")));
    }
    Ok(number)
}

/// Gives each load balancer that has none an address clients can reach.
pub(super) fn run(cluster: &mut Cluster) {
    for key in cluster.keys_of(Kind::Service) {
        let waiting = cluster.get(&key).is_some_and(|service| {
            text(service, "/spec/type") == "LoadBalancer"
                && list(service, "/status/loadBalancer/ingress").is_empty()
        });
        if waiting {
            let address = cluster.next_address("203.0");
            let ingress = json!([{ "ip": address, "ipMode": "VIP" }]);
            cluster.set_status(&key, &["loadBalancer", "ingress"], ingress);
        }
    }
}
