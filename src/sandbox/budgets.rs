//! Disruption budgets: what each allows now.

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::selectors::selects;
use super::stateful_sets::is_ready;
use super::values::at;
use crate::object::Kind;

/// Writes what each disruption budget allows now into its status.
pub(super) fn run(cluster: &mut Cluster) {
    for key in cluster.keys_of(Kind::PodDisruptionBudget) {
        let Some(budget) = cluster.get(&key) else { continue };
        let selector = at(budget, "/spec/selector");
        let pods: Vec<&Value> = cluster
            .of_kind(Kind::Pod)
            .filter(|(pod, value)| pod.namespace == key.namespace && selects(selector, value))
            .map(|(_, pod)| pod)
            .collect();
        let expected = pods.len() as i64;
        let healthy = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
        let desired = match at(budget, "/spec/maxUnavailable").as_i64() {
            Some(unavailable) => (expected - unavailable).max(0),
            None => at(budget, "/spec/minAvailable").as_i64().unwrap_or(0),
        };
        let status = json!({
            "observedGeneration": at(budget, "/metadata/generation"),
            "expectedPods": expected,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": if expected == 0 { 0 } else { (healthy - desired).max(0) },
        });
        cluster.set_status(&key, &[], status);
    }
}
