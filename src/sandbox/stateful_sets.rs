//! The StatefulSet controller: members in order, one change at a time, as
//! `pkg/controller/statefulset/stateful_set_control.go` of Kubernetes decides it.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::api;
use super::cluster::{Cluster, leaving, uid};
use super::values::{at, list, map_of, put, take, text};
use crate::fields::hex;
use crate::object::{Kind, ObjectKey};

/// The manager the built-in controllers write as.
pub(super) const CONTROLLER: &str = "kube-controller-manager";
/// The manager that removes what belongs to nobody any more.
const COLLECTOR: &str = "kube-controller-manager";
const REVISION: &str = "controller-revision-hash";

/// One pass over every StatefulSet.
pub(super) fn run(cluster: &mut Cluster) {
    for key in cluster.keys_of(Kind::StatefulSet) {
        if let Some(held) = cluster.shared(&key).filter(|held| !leaving(&held.value)) {
            let set = &held.value;
            adopt(cluster, &key, set);
            Sync { key: &key, set, revision: revision_of(&key, set) }.step(cluster);
        }
    }
}

/// Whether a pod runs, answers, and is not on its way out.
pub(super) fn is_ready(pod: &Value) -> bool {
    !leaving(pod) && has_ready_condition(pod)
}

/// Whether a pod's last report says it answers; a pod that is being stopped may still say so.
fn has_ready_condition(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
}

/// The name of the revision a template makes; claims are no part of it.
fn revision_of(key: &ObjectKey, set: &Value) -> String {
    // The status says it already, unless the set has changed since.
    let told = text(set, "/status/updateRevision");
    let is_told = at(set, "/status/observedGeneration") == at(set, "/metadata/generation");
    if is_told && !told.is_empty() {
        return told.to_owned();
    }
    let digest = Sha256::digest(at(set, "/spec/template").to_string().as_bytes());
    let hash = hex(&digest);
    format!("{}-{}", key.name, hash.get(..10).unwrap_or(&hash))
}

/// A set's pods by ordinal, lowest first.
fn members(cluster: &Cluster, set: &Value, key: &ObjectKey) -> Vec<(u64, ObjectKey)> {
    let ordinal = |pod: &ObjectKey| {
        let number = pod.name.strip_prefix(&key.name)?.strip_prefix('-')?;
        number.parse::<u64>().ok()
    };
    let mut found: Vec<(u64, ObjectKey)> = cluster
        .of_kind(Kind::Pod)
        .filter(|(pod, value)| pod.namespace == key.namespace && owner_uid(value) == uid(set))
        .filter_map(|(pod, _)| Some((ordinal(pod)?, pod.clone())))
        .collect();
    found.sort();
    found
}

fn with_ordinal(members: &[(u64, ObjectKey)], ordinal: u64) -> Option<&(u64, ObjectKey)> {
    let place = members.binary_search_by_key(&ordinal, |(number, _)| *number).ok()?;
    members.get(place)
}

/// Takes in pods of a set's name and labels that belong to nobody: those of a set that was deleted from
/// around them.
fn adopt(cluster: &mut Cluster, key: &ObjectKey, set: &Value) {
    let wanted = at(set, "/spec/selector/matchLabels");
    let is_of = |pod: &ObjectKey, value: &Value| {
        let labels = at(value, "/metadata/labels");
        let mut asked = wanted.as_object().into_iter().flatten();
        let rest = pod.name.strip_prefix(&key.name).and_then(|rest| rest.strip_prefix('-'));
        pod.namespace == key.namespace
            && rest.is_some_and(|rest| rest.parse::<u64>().is_ok())
            && owner_uid(value).is_empty()
            && !leaving(value)
            && asked.all(|(name, wanted)| labels.get(name) == Some(wanted))
    };
    for pod in cluster.keys_where(Kind::Pod, is_of) {
        cluster.change(CONTROLLER, &pod, |pod| {
            put(pod, &["metadata", "ownerReferences"], ownership(key, set));
        });
    }
}

/// What a member says of the set it belongs to.
fn ownership(key: &ObjectKey, set: &Value) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": key.name,
        "uid": uid(set), "controller": true, "blockOwnerDeletion": true,
    }])
}

/// The uid of the controller that made an object.
pub(super) fn owner_uid(value: &Value) -> &str {
    text(value, "/metadata/ownerReferences/0/uid")
}

/// One pass over one set.
struct Sync<'a> {
    key: &'a ObjectKey,
    set: &'a Value,
    revision: String,
}

impl Sync<'_> {
    /// Does the next thing there is to do; in order mode nothing happens before all earlier
    /// members are ready.
    fn step(&self, cluster: &mut Cluster) {
        let ordered = text(self.set, "/spec/podManagementPolicy") != "Parallel";
        let members = members(cluster, self.set, self.key);
        let start = at(self.set, "/spec/ordinals/start").as_u64().unwrap_or(0);
        let wanted = start..start + at(self.set, "/spec/replicas").as_u64().unwrap_or(1);
        for ordinal in wanted.clone() {
            let found = with_ordinal(&members, ordinal);
            let ready = match found {
                None => {
                    self.make_member(cluster, ordinal);
                    false
                }
                Some((_, pod)) => {
                    self.make_claims(cluster, ordinal);
                    cluster.get(pod).is_some_and(is_ready)
                }
            };
            if !ready && ordered {
                return;
            }
        }
        let condemned = members.iter().rev().filter(|(ordinal, _)| !wanted.contains(ordinal));
        for (_, pod) in condemned {
            if !cluster.is_leaving(pod) {
                api::begin_deletion(cluster, pod);
            }
            if ordered {
                return;
            }
        }
        self.roll(cluster, &members, &wanted);
    }

    /// Replaces the highest member that is not of the newest revision, unless one above it is down.
    fn roll(
        &self,
        cluster: &mut Cluster,
        members: &[(u64, ObjectKey)],
        wanted: &std::ops::Range<u64>,
    ) {
        if text(self.set, "/spec/updateStrategy/type") != "RollingUpdate" {
            return;
        }
        let partition = at(self.set, "/spec/updateStrategy/rollingUpdate/partition");
        let first = partition.as_u64().unwrap_or(0).max(wanted.start);
        for ordinal in (first..wanted.end).rev() {
            // A member made in this very pass is not listed yet: it is down.
            let found = with_ordinal(members, ordinal);
            let Some((_, pod)) = found else { return };
            let Some(value) = cluster.get(pod) else { return };
            if self.is_old(value) && !leaving(value) {
                api::begin_deletion(cluster, pod);
                return;
            }
            if !is_ready(value) {
                return;
            }
        }
    }

    fn is_old(&self, pod: &Value) -> bool {
        at(pod, "/metadata/labels").get(REVISION).and_then(Value::as_str) != Some(&self.revision)
    }

    fn make_member(&self, cluster: &mut Cluster, ordinal: u64) {
        if !self.make_claims(cluster, ordinal) {
            return;
        }
        let name = format!("{}-{ordinal}", self.key.name);
        let namespace = self.key.namespace.as_deref().unwrap_or_default();
        let pod = ObjectKey::within(Kind::Pod, namespace, name.as_str());
        let manifest = self.pod_manifest(&name, ordinal);
        if let Err(denial) = api::create(cluster, &pod, &manifest, CONTROLLER) {
            let why = crate::world::Refused::from(denial);
            let text =
                format!("create Pod {name} in StatefulSet {} failed error: {why}", self.key.name);
            cluster.warn(self.key, "FailedCreate", &text);
        }
    }

    fn pod_manifest(&self, name: &str, ordinal: u64) -> Value {
        let template = at(self.set, "/spec/template");
        let mut pod =
            json!({ "metadata": at(template, "/metadata"), "spec": at(template, "/spec") });
        let more = [
            ("apps.kubernetes.io/pod-index", ordinal.to_string()),
            (REVISION, self.revision.clone()),
            ("statefulset.kubernetes.io/pod-name", name.to_owned()),
        ];
        for (label, value) in more {
            put(&mut pod, &["metadata", "labels", label], json!(value));
        }
        put(&mut pod, &["metadata", "ownerReferences"], ownership(self.key, self.set));
        put(&mut pod, &["metadata", "generateName"], json!(format!("{}-", self.key.name)));
        put(&mut pod, &["spec", "hostname"], json!(name));
        put(&mut pod, &["spec", "subdomain"], at(self.set, "/spec/serviceName").clone());
        let mut volumes = list(&pod, "/spec/volumes").to_vec();
        for template in list(self.set, "/spec/volumeClaimTemplates") {
            let volume = text(template, "/metadata/name");
            volumes.retain(|other| text(other, "/name") != volume);
            let claim = format!("{volume}-{name}");
            let source = json!({ "name": volume, "persistentVolumeClaim": { "claimName": claim } });
            volumes.push(source);
        }
        put(&mut pod, &["spec", "volumes"], json!(volumes));
        pod
    }

    /// Makes the claims of a member that are not there; false while an old one is on its way out.
    fn make_claims(&self, cluster: &mut Cluster, ordinal: u64) -> bool {
        let namespace = self.key.namespace.as_deref().unwrap_or_default();
        for template in list(self.set, "/spec/volumeClaimTemplates") {
            let name = format!("{}-{}-{ordinal}", text(template, "/metadata/name"), self.key.name);
            let claim = ObjectKey::within(Kind::PersistentVolumeClaim, namespace, name);
            if cluster.is_leaving(&claim) {
                let why = format!("pvc {} is being deleted", claim.name);
                cluster.warn(self.key, "FailedCreate", &why);
                return false;
            }
            if cluster.get(&claim).is_some() {
                continue;
            }
            let mut manifest = json!({ "spec": at(template, "/spec") });
            let labels: Map<String, Value> =
                [at(template, "/metadata/labels"), at(self.set, "/spec/selector/matchLabels")]
                    .into_iter()
                    .filter_map(Value::as_object)
                    .flat_map(|labels| labels.clone())
                    .collect();
            put(&mut manifest, &["metadata", "labels"], Value::Object(labels));
            if let Some(annotations) = template.pointer("/metadata/annotations") {
                put(&mut manifest, &["metadata", "annotations"], annotations.clone());
            }
            if api::create(cluster, &claim, &manifest, CONTROLLER).is_err() {
                return false;
            }
        }
        true
    }
}

/// Writes what each set's members are now into its status.
pub(super) fn report(cluster: &mut Cluster) {
    for key in cluster.keys_of(Kind::StatefulSet) {
        let Some(held) = cluster.shared(&key) else { continue };
        let set = &held.value;
        let newest = revision_of(&key, set);
        let members = members(cluster, set, &key);
        let pods: Vec<&Value> = members.iter().filter_map(|(_, pod)| cluster.get(pod)).collect();
        let revision =
            |pod: &Value| text(pod, "/metadata/labels/controller-revision-hash").to_owned();
        let ready = pods.iter().filter(|pod| has_ready_condition(pod)).count();
        let updated = pods.iter().filter(|pod| revision(pod) == newest && !leaving(pod)).count();
        let wanted = at(set, "/spec/replicas").as_u64().unwrap_or(1);
        let rolled = pods.iter().all(|pod| revision(pod) == newest && is_ready(pod))
            && u64::try_from(pods.len()) == Ok(wanted);
        let before = text(set, "/status/currentRevision").to_owned();
        let current = if rolled || before.is_empty() { newest.clone() } else { before };
        let of_current =
            pods.iter().filter(|pod| revision(pod) == current && !leaving(pod)).count();
        let mut status = json!({
            "observedGeneration": at(set, "/metadata/generation"),
            "replicas": pods.len(),
            "availableReplicas": ready,
            "currentRevision": current,
            "updateRevision": newest,
            "collisionCount": 0,
        });
        let counts = [
            ("readyReplicas", ready),
            ("currentReplicas", of_current),
            ("updatedReplicas", updated),
        ];
        for (name, count) in counts {
            // Counts of none are left out, as the API's types have it.
            if count > 0 {
                map_of(&mut status).insert(name.to_owned(), json!(count));
            }
        }
        cluster.set_status(&key, &[], status);
    }
}

/// Lets the members go of sets that are deleted from around them, then the sets.
fn release(cluster: &mut Cluster) {
    for key in cluster.keys_where(Kind::StatefulSet, |_, set| leaving(set)) {
        let Some(held) = cluster.shared(&key) else { continue };
        for (_, pod) in members(cluster, &held.value, &key) {
            cluster.change(COLLECTOR, &pod, |pod| take(pod, &["metadata", "ownerReferences"]));
        }
        cluster.remove(&key);
    }
}

/// Removes pods whose StatefulSet is gone.
pub(super) fn collect_orphans(cluster: &mut Cluster) {
    release(cluster);
    let owners = [Kind::StatefulSet, Kind::Job].into_iter().flat_map(|kind| cluster.of_kind(kind));
    let alive: Vec<&str> = owners.map(|(_, owner)| uid(owner)).collect();
    let is_orphan = |_: &ObjectKey, pod: &Value| {
        let owner = owner_uid(pod);
        !owner.is_empty() && !alive.contains(&owner) && !leaving(pod)
    };
    for pod in cluster.keys_where(Kind::Pod, is_orphan) {
        api::begin_deletion(cluster, &pod);
    }
}
