//! What the rules read of the simulated world's objects and databases.

use serde_json::Value;

use crate::object::{Kind, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_GIVEN_UP, ObjectKey, at};
use crate::sandbox::Cluster;

/// What restarts members when it differs and the server fills in nothing: images, resources, and
/// variables with a value.
pub(super) fn pod_parts(set: &Value) -> Vec<Value> {
    let containers = at(set, "/spec/template/spec/containers").and_then(Value::as_array);
    let mut parts = Vec::new();
    for container in containers.into_iter().flatten() {
        parts.extend(["image", "resources"].map(|part| container[part].clone()));
        let env = container["env"].as_array().into_iter().flatten();
        parts.extend(env.filter(|one| one.get("value").is_some()).cloned());
    }
    parts
}

/// Whether the database of a StatefulSet lists its member of that ordinal.
pub(super) fn is_member(cluster: &Cluster, set: &ObjectKey, ordinal: u64) -> bool {
    let of = cluster.get(set).map(|set| label(set, LABEL_CLUSTER)).unwrap_or_default();
    is_listed(cluster, of, set, ordinal)
}

/// Whether the database of a cluster of this name lists that member of a StatefulSet.
fn is_listed(cluster: &Cluster, of: &str, set: &ObjectKey, ordinal: u64) -> bool {
    let namespace = set.namespace.as_deref().unwrap_or_default();
    let database = cluster.databases.get(&format!("{namespace}/{of}"));
    let host = format!("{}-{ordinal}", set.name);
    database.is_some_and(|sim| sim.lists_host(&host, cluster.clock_ms))
}

/// Whether a claim is above all members its StatefulSet is to have, and its database lists none of it.
pub(super) fn has_left(cluster: &Cluster, claim: &ObjectKey) -> bool {
    let Some((set, ordinal)) = claim.set_of_claim().zip(claim.ordinal()) else { return false };
    let Some(live) = cluster.get(&set) else { return false };
    let (replicas, ordinal) = (live["spec"]["replicas"].as_u64().unwrap_or(1), u64::from(ordinal));
    ordinal >= replicas && !is_member(cluster, &set, ordinal)
}

/// Whether a pod belongs to nobody.
pub(super) fn is_left_alone(pod: &Value) -> bool {
    at(pod, "/metadata/ownerReferences").is_none()
}

/// Whether the database of a pod's cluster lists no such member.
pub(super) fn is_no_member(cluster: &Cluster, pod: &ObjectKey, live: &Value) -> bool {
    let place = pod.set_of_pod().zip(pod.ordinal());
    let of = label(live, LABEL_CLUSTER);
    place.is_some_and(|(set, ordinal)| !is_listed(cluster, of, &set, u64::from(ordinal)))
}

/// Whether a claim is marked as that of a member which is gone for good, and its database lists no such one.
pub(super) fn is_given_up(cluster: &Cluster, claim: &ObjectKey) -> bool {
    let Some((set, ordinal)) = claim.set_of_claim().zip(claim.ordinal()) else { return false };
    let marked = cluster.get(claim).is_some_and(|live| !label(live, LABEL_GIVEN_UP).is_empty());
    marked && !is_member(cluster, &set, u64::from(ordinal))
}

/// Whether a claim's StatefulSet is not there, and its database lists no such member.
pub(super) fn is_nobodys(cluster: &Cluster, claim: &ObjectKey) -> bool {
    let Some((set, ordinal)) = claim.set_of_claim().zip(claim.ordinal()) else { return false };
    let of = cluster.get(claim).map(|claim| label(claim, LABEL_CLUSTER)).unwrap_or_default();
    cluster.get(&set).is_none() && !is_listed(cluster, of, &set, u64::from(ordinal))
}

/// The claim a volume was bound to.
pub(super) fn claim_of(volume: &Value) -> Option<ObjectKey> {
    let part = |name: &str| at(volume, &format!("/spec/claimRef/{name}"))?.as_str();
    Some(ObjectKey::within(Kind::PersistentVolumeClaim, part("namespace")?, part("name")?))
}

pub(super) fn holds_data(volume: &Value) -> bool {
    matches!(text(volume, "/status/phase"), "Bound" | "Released" | "Failed")
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn label<'a>(value: &'a Value, name: &str) -> &'a str {
    let labels = at(value, "/metadata/labels");
    labels.and_then(|labels| labels.get(name)?.as_str()).unwrap_or_default()
}

/// The quorum domain of a StatefulSet's members.
pub(super) fn domain(set: &Value) -> &str {
    let labels = at(set, "/spec/template/metadata/labels");
    labels.and_then(|labels| labels.get(LABEL_DOMAIN)?.as_str()).unwrap_or_default()
}

pub(super) fn pods_of<'a>(
    cluster: &'a Cluster,
    set: &'a ObjectKey,
) -> impl Iterator<Item = &'a Value> {
    let of_set = |key: &ObjectKey| {
        let rest = key.name.strip_prefix(&set.name).and_then(|rest| rest.strip_prefix('-'));
        key.namespace == set.namespace && rest.is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    cluster.of_kind(Kind::Pod).filter(move |(key, _)| of_set(key)).map(|(_, pod)| pod)
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = at(pod, "/status/conditions").and_then(Value::as_array);
    let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    at(pod, "/metadata/deletionTimestamp").is_none()
        && conditions.is_some_and(|all| all.iter().any(ready))
}

/// How many members a StatefulSet is to have.
pub(super) fn replicas(set: &Value) -> u64 {
    set["spec"]["replicas"].as_u64().unwrap_or(1)
}
