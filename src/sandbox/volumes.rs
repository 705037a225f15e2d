//! Claims and volumes: which fit, binding, provisioning, release, reclaim, growth.

use serde_json::{Value, json};

use super::api::claims_of;
use super::cluster::{Cluster, leaving, uid};
use super::quantities::milli;
use super::selectors::selects_node;
use super::stateful_sets::CONTROLLER;
use super::values::{at, list, put, text};
use crate::object::{Kind, NO_PROVISIONER, ObjectKey};

const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// What becomes of an unbound claim if its pod goes to a node.
pub(super) struct Binding {
    claim: ObjectKey,
    /// `None`: the class's provisioner makes one.
    volume: Option<ObjectKey>,
}

/// How a pod's claims can be met on a node, or why not in the scheduler's words.
pub(super) fn fit(
    cluster: &Cluster,
    free: &[ObjectKey],
    (pod_key, pod): (&ObjectKey, &Value),
    node: &Value,
) -> Result<Vec<Binding>, &'static str> {
    let mut bindings: Vec<Binding> = Vec::new();
    for claim_key in claims_of(pod_key, pod) {
        let Some(claim) = cluster.get(&claim_key) else { continue };
        let bound_to = text(claim, "/spec/volumeName");
        if !bound_to.is_empty() {
            let volume = cluster.get(&ObjectKey::global(Kind::PersistentVolume, bound_to));
            if !volume.is_some_and(|volume| reaches(volume, node)) {
                return Err("node(s) didn't match PersistentVolume's node affinity");
            }
            continue;
        }
        let provisioned = class_of(cluster, claim)
            .is_some_and(|class| text(class, "/provisioner") != NO_PROVISIONER);
        let taken: Vec<&ObjectKey> =
            bindings.iter().filter_map(|one| one.volume.as_ref()).collect();
        let volume = find_volume(cluster, free, (&claim_key, claim), Some(node), &taken);
        if volume.is_none() && provisioned && cluster.trouble.storage_stalls(cluster.clock_ms) {
            return Err("node(s) did not have enough free storage");
        }
        if volume.is_none() && !provisioned {
            return Err("node(s) didn't find available persistent volumes to bind");
        }
        bindings.push(Binding { claim: claim_key, volume });
    }
    Ok(bindings)
}

/// Why no node at all can take a pod with these claims, in the scheduler's words.
pub(super) fn hopeless(cluster: &Cluster, pod_key: &ObjectKey, pod: &Value) -> Option<String> {
    for key in claims_of(pod_key, pod) {
        let Some(claim) = cluster.get(&key) else {
            return Some(format!("persistentvolumeclaim \"{}\" not found.", key.name));
        };
        if leaving(claim) {
            return Some(format!("persistentvolumeclaim \"{}\" is being deleted.", key.name));
        }
        if !text(claim, "/spec/volumeName").is_empty() {
            continue;
        }
        let name = text(claim, "/spec/storageClassName");
        match class_of(cluster, claim) {
            None if !name.is_empty() => {
                return Some(format!("storageclass.storage.k8s.io \"{name}\" not found."));
            }
            Some(class) if text(class, "/volumeBindingMode") == "WaitForFirstConsumer" => {}
            _ => return Some("pod has unbound immediate PersistentVolumeClaims.".to_owned()),
        }
    }
    None
}

/// Binds what [`fit`] found, for a pod that goes to this node.
pub(super) fn bind_all(cluster: &mut Cluster, bindings: Vec<Binding>, node: &str) {
    for Binding { claim, volume } in bindings {
        cluster.change("kube-scheduler", &claim, |claim| {
            let place = ["metadata", "annotations", "volume.kubernetes.io/selected-node"];
            put(claim, &place, json!(node));
        });
        let volume = volume.or_else(|| provision(cluster, &claim));
        if let Some(volume) = volume {
            bind(cluster, &claim, &volume);
        }
    }
}

fn class_of<'a>(cluster: &'a Cluster, claim: &Value) -> Option<&'a Value> {
    let name = text(claim, "/spec/storageClassName");
    cluster.get(&ObjectKey::global(Kind::StorageClass, name))
}

fn reaches(volume: &Value, node: &Value) -> bool {
    let required = at(volume, "/spec/nodeAffinity/required");
    required.is_null() || selects_node(required, node)
}

fn capacity(volume: &Value) -> Option<i128> {
    milli(text(volume, "/spec/capacity/storage"))
}

/// The smallest free volume that serves a claim.
fn find_volume(
    cluster: &Cluster,
    free: &[ObjectKey],
    (claim_key, claim): (&ObjectKey, &Value),
    node: Option<&Value>,
    taken: &[&ObjectKey],
) -> Option<ObjectKey> {
    let wanted = milli(text(claim, "/spec/resources/requests/storage"));
    let same = |volume: &Value, field: &str| {
        let pointer = format!("/spec/{field}");
        text(volume, &pointer) == text(claim, &pointer)
    };
    let modes = list(claim, "/spec/accessModes");
    let volumes = free.iter().filter_map(|key| Some((key, cluster.get(key)?)));
    let candidates = volumes.filter(|(key, volume)| {
        !taken.contains(key)
            && !leaving(volume)
            && is_free_for(volume, claim_key)
            && same(volume, "storageClassName")
            && same(volume, "volumeMode")
            && capacity(volume) >= wanted
            && modes.iter().all(|mode| list(volume, "/spec/accessModes").contains(mode))
            && node.is_none_or(|node| reaches(volume, node))
    });
    let best = candidates.min_by_key(|(key, volume)| (capacity(volume), *key));
    best.map(|(key, _)| key.clone())
}

/// The volumes no claim has, in order.
pub(super) fn free(cluster: &Cluster) -> Vec<ObjectKey> {
    cluster.keys_where(Kind::PersistentVolume, |_, volume| is_free(volume))
}

fn is_free(volume: &Value) -> bool {
    matches!(text(volume, "/status/phase"), "Available" | "Pending")
}

/// Whether a volume is nobody's, or was set aside for this claim.
fn is_free_for(volume: &Value, claim: &ObjectKey) -> bool {
    let owner = at(volume, "/spec/claimRef");
    is_free(volume)
        && (owner.is_null()
            || text(owner, "/uid").is_empty()
                && text(owner, "/name") == claim.name
                && Some(text(owner, "/namespace")) == claim.namespace.as_deref())
}

fn provision(cluster: &mut Cluster, claim_key: &ObjectKey) -> Option<ObjectKey> {
    let claim = cluster.get(claim_key)?.clone();
    let class = class_of(cluster, &claim)?;
    let provisioner = text(class, "/provisioner").to_owned();
    let name = format!("pvc-{}", uid(&claim));
    let value = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "annotations": { PROVISIONED_BY: provisioner },
            "finalizers": ["kubernetes.io/pv-protection"],
        },
        "spec": {
            "accessModes": at(&claim, "/spec/accessModes"),
            "capacity": { "storage": at(&claim, "/spec/resources/requests/storage") },
            "csi": { "driver": provisioner, "volumeHandle": name },
            "persistentVolumeReclaimPolicy": at(class, "/reclaimPolicy"),
            "storageClassName": at(&claim, "/spec/storageClassName"),
            "volumeMode": at(&claim, "/spec/volumeMode"),
        },
        "status": { "phase": "Pending" },
    });
    let key = ObjectKey::global(Kind::PersistentVolume, name);
    cluster.insert(&key, value, "csi-provisioner");
    Some(key)
}

fn bind(cluster: &mut Cluster, claim_key: &ObjectKey, volume_key: &ObjectKey) {
    let Some(claim) = cluster.get(claim_key).cloned() else { return };
    let Some(volume) = cluster.get(volume_key).cloned() else { return };
    cluster.change(CONTROLLER, volume_key, |volume| {
        let owner = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim_key.name,
            "namespace": claim_key.namespace, "uid": uid(&claim),
            "resourceVersion": at(&claim, "/metadata/resourceVersion"),
        });
        put(volume, &["spec", "claimRef"], owner);
        put(
            volume,
            &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"],
            json!("yes"),
        );
        put(volume, &["status", "phase"], json!("Bound"));
    });
    cluster.change(CONTROLLER, claim_key, |claim| {
        put(claim, &["spec", "volumeName"], json!(volume_key.name));
        put(claim, &["metadata", "annotations", "pv.kubernetes.io/bind-completed"], json!("yes"));
        put(
            claim,
            &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"],
            json!("yes"),
        );
        let status = json!({
            "phase": "Bound",
            "accessModes": at(&volume, "/spec/accessModes"),
            "capacity": at(&volume, "/spec/capacity"),
        });
        put(claim, &["status"], status);
    });
}

/// One pass over every claim and volume.
pub(super) fn run(cluster: &mut Cluster) {
    for key in cluster.keys_of(Kind::PersistentVolume) {
        settle_volume(cluster, &key);
    }
    for key in cluster.keys_of(Kind::PersistentVolumeClaim) {
        settle_claim(cluster, &key);
    }
}

fn settle_claim(cluster: &mut Cluster, key: &ObjectKey) {
    let Some(held) = cluster.shared(key) else { return };
    let claim = &held.value;
    if leaving(claim) {
        // pvc-protection: a claim in use stays until its pod is gone. One that is on no node yet uses none.
        let uses = |(pod, value): (&ObjectKey, &Value)| {
            !text(value, "/spec/nodeName").is_empty() && claims_of(pod, value).contains(key)
        };
        let used = cluster.of_kind(Kind::Pod).any(uses);
        if !used {
            cluster.remove(key);
        }
        return;
    }
    let Some(class) = class_of(cluster, claim) else { return };
    let immediate = text(class, "/volumeBindingMode") == "Immediate";
    let by_hand = text(class, "/provisioner") == NO_PROVISIONER;
    if text(claim, "/spec/volumeName").is_empty() {
        if immediate {
            let found = find_volume(cluster, &free(cluster), (key, claim), None, &[]);
            let found = found.or_else(|| if by_hand { None } else { provision(cluster, key) });
            if let Some(volume) = found {
                bind(cluster, key, &volume);
            }
        }
        return;
    }
    // Nobody grows a volume made by hand, though the API takes the wish.
    if !by_hand {
        grow(cluster, key, claim);
    }
}

/// The driver grows the volume; then the node of the pod that has it mounted, the file system, as
/// external-resizer and kubelet do. Storage in trouble grows nothing.
fn grow(cluster: &mut Cluster, key: &ObjectKey, claim: &Value) {
    let wanted = at(claim, "/spec/resources/requests/storage").clone();
    let asked = milli(wanted.as_str().unwrap_or_default());
    if asked <= milli(text(claim, "/status/capacity/storage")) {
        return;
    }
    let name = ObjectKey::global(Kind::PersistentVolume, text(claim, "/spec/volumeName"));
    let Some(volume) = cluster.get(&name) else { return };
    if capacity(volume) < asked {
        if cluster.trouble.storage_stalls(cluster.clock_ms) {
            cluster.warn(key, "VolumeResizeFailed", "the storage has no room to grow a volume");
            return;
        }
        cluster.change("csi-resizer", &name, |volume| {
            put(volume, &["spec", "capacity", "storage"], wanted);
        });
        let pending = json!([{
            "type": "FileSystemResizePending", "status": "True",
            "message": "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
        }]);
        cluster.set_status(key, &["conditions"], pending);
    } else if is_mounted(cluster, key) {
        cluster.set_status(key, &["capacity", "storage"], wanted);
        cluster.set_status(key, &["conditions"], json!([]));
    }
}

/// Whether a pod that is on a machine which can be reached has a claim's volume.
fn is_mounted(cluster: &Cluster, claim: &ObjectKey) -> bool {
    cluster.of_kind(Kind::Pod).any(|(pod, value)| {
        let node = text(value, "/spec/nodeName");
        !node.is_empty()
            && !cluster.trouble.is_away(node, cluster.clock_ms)
            && claims_of(pod, value).contains(claim)
    })
}

fn settle_volume(cluster: &mut Cluster, key: &ObjectKey) {
    let Some(held) = cluster.shared(key) else { return };
    let volume = &held.value;
    let phase = text(volume, "/status/phase");
    let owner = text(volume, "/spec/claimRef/uid");
    let (namespace, name) =
        (text(volume, "/spec/claimRef/namespace"), text(volume, "/spec/claimRef/name"));
    let claim = cluster.get(&ObjectKey::within(Kind::PersistentVolumeClaim, namespace, name));
    let owner_lives = !owner.is_empty() && claim.is_some_and(|claim| uid(claim) == owner);
    if leaving(volume) && !owner_lives {
        // pv-protection: a volume stays as long as a claim is bound to it.
        cluster.remove(key);
        return;
    }
    match phase {
        "Pending" | "Released" | "Failed" if owner.is_empty() => {
            cluster.set_status(key, &[], json!({ "phase": "Available" }));
        }
        "Bound" if !owner_lives => cluster.set_status(key, &["phase"], json!("Released")),
        "Released" | "Failed"
            if text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete"
                && volume.pointer("/spec/csi").is_some() =>
        {
            let kept = cluster.trouble.keeps(key, cluster.clock_ms);
            match kept.map(|why| why.map(str::to_owned)) {
                None => cluster.remove(key),
                Some(Some(why)) if phase == "Released" => {
                    cluster.set_status(key, &[], json!({ "phase": "Failed", "message": why }));
                }
                Some(_) => {}
            }
        }
        "Released" if text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" => {
            let why = format!(
                "error getting deleter volume plugin for volume \"{}\": no deletable volume plugin matched",
                key.name
            );
            cluster.warn(key, "VolumeFailedDelete", &why);
            cluster.set_status(key, &[], json!({ "phase": "Failed", "message": why }));
        }
        _ => {}
    }
}
