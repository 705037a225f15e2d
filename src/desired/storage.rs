//! A storage tier as a StorageClass and, for local tiers, its PersistentVolumes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{DesiredObject, labels};
use crate::fields::hex;
use crate::object::{ANNOTATION_CALLED, Kind, LABEL_HOSTNAME, NO_PROVISIONER, ObjectKey};
use crate::observed::{LiveObject, Observed};
use crate::stack::{Binding, LocalVolume, Reclaim, Stack, Tier, TierKind};

/// What a tier needs to be there.
pub fn objects(
    stack: &Stack,
    tier: &Tier,
    observed: &Observed,
) -> BTreeMap<ObjectKey, DesiredObject> {
    let mut objects = BTreeMap::new();
    objects.extend(class(stack, tier));
    for volume in volumes(tier, observed) {
        let (key, object) = persistent_volume(stack, tier, &volume);
        objects.insert(key, object);
    }
    objects
}

/// The class a tier uses but does not make: its name, what the stack counts on, and the tier.
pub fn foreign_class(tier: &Tier) -> Option<(String, (Reclaim, String))> {
    match &tier.kind {
        TierKind::CsiClass { class } => Some((class.clone(), (tier.reclaim, tier.name.clone()))),
        _ => None,
    }
}

/// The directories of a local tier, on the nodes there are.
pub fn volumes(tier: &Tier, observed: &Observed) -> Vec<LocalVolume> {
    match &tier.kind {
        TierKind::Local(volumes) => volumes.clone(),
        TierKind::LocalOnNodes { labels, path, per_node, capacity } => observed
            .of_kind(Kind::Node)
            .filter(|(_, node)| labels.iter().all(|(k, v)| node.label(k) == Some(v)))
            .map(|(key, node)| hostname(key, node))
            .flat_map(|node| {
                (0..*per_node).map(move |index| LocalVolume {
                    node: node.clone(),
                    path: path.replace("{index}", &index.to_string()),
                    capacity: *capacity,
                })
            })
            .collect(),
        TierKind::Csi { .. } | TierKind::CsiClass { .. } => Vec::new(),
    }
}

/// The nodes a local tier has directories on, by host name.
pub fn hosts(tier: &Tier, observed: &Observed) -> BTreeSet<String> {
    volumes(tier, observed).into_iter().map(|volume| volume.node).collect()
}

/// The nodes that all of these tiers have directories on; `None`: there are no tiers.
pub fn hosts_in_common<'a>(
    tiers: impl Iterator<Item = &'a Tier>,
    observed: &Observed,
) -> Option<BTreeSet<String>> {
    tiers.map(|tier| hosts(tier, observed)).reduce(|all, more| &all & &more)
}

/// The name volumes know a node by.
pub fn hostname(key: &ObjectKey, node: &LiveObject) -> String {
    node.label(LABEL_HOSTNAME).unwrap_or(&key.name).to_owned()
}

/// The word Kubernetes has for a reclaim policy.
pub fn policy(reclaim: Reclaim) -> &'static str {
    match reclaim {
        Reclaim::Retain => "Retain",
        Reclaim::Delete => "Delete",
    }
}

fn class(stack: &Stack, tier: &Tier) -> Option<(ObjectKey, DesiredObject)> {
    // A claim binds when its pod is placed, so that volume and pod agree on the node.
    let wait = Binding::WaitForFirstConsumer;
    let (provisioner, parameters, expandable, binding, what) = match &tier.kind {
        TierKind::CsiClass { .. } => return None,
        TierKind::Local(_) | TierKind::LocalOnNodes { .. } => {
            (NO_PROVISIONER, &BTreeMap::new(), false, wait, "local volumes")
        }
        TierKind::Csi { provisioner, parameters, expandable, binding } => {
            (provisioner.as_str(), parameters, *expandable, *binding, provisioner.as_str())
        }
    };
    let name = stack.storage_class(tier);
    let mut manifest = json!({
        "apiVersion": Kind::StorageClass.api_version(),
        "kind": Kind::StorageClass.word(),
        "metadata": { "name": name, "labels": labels::of_tier(stack, &tier.name) },
        "provisioner": provisioner,
        "reclaimPolicy": policy(tier.reclaim),
        "volumeBindingMode": match binding {
            Binding::WaitForFirstConsumer => "WaitForFirstConsumer",
            Binding::Immediate => "Immediate",
        },
        "allowVolumeExpansion": expandable,
    });
    if !parameters.is_empty() {
        manifest["parameters"] = json!(parameters);
    }
    let called = stack.tier_address(&tier.name);
    if called.name() != tier.name {
        manifest["metadata"]["annotations"] = json!({ ANNOTATION_CALLED: called });
    }
    let summary = format!("tier `{}`: {what}, {}", called.name(), policy(tier.reclaim));
    let object = DesiredObject { manifest, summary, exposes: false };
    Some((ObjectKey::global(Kind::StorageClass, name), object))
}

/// The name of a volume: the node is in it for people, the path's hash to tell two apart.
fn volume_name(stack: &Stack, tier: &Tier, volume: &LocalVolume) -> String {
    let hash = hex(&Sha256::digest(volume.path.as_bytes()));
    format!("{}-{}-{}-{}", stack.name, tier.name, volume.node, &hash[..8])
}

fn persistent_volume(
    stack: &Stack,
    tier: &Tier,
    volume: &LocalVolume,
) -> (ObjectKey, DesiredObject) {
    let name = volume_name(stack, tier, volume);
    let manifest = json!({
        "apiVersion": Kind::PersistentVolume.api_version(),
        "kind": Kind::PersistentVolume.word(),
        "metadata": { "name": name, "labels": labels::of_tier(stack, &tier.name) },
        "spec": {
            "capacity": { "storage": volume.capacity.to_string() },
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": policy(tier.reclaim),
            "storageClassName": stack.storage_class(tier),
            "local": { "path": volume.path },
            "nodeAffinity": node_affinity(&volume.node),
        },
    });
    let summary = format!("{} of {} on {}", volume.path, volume.capacity, volume.node);
    let object = DesiredObject { manifest, summary, exposes: false };
    (ObjectKey::global(Kind::PersistentVolume, name), object)
}

fn node_affinity(node: &str) -> Value {
    json!({ "required": { "nodeSelectorTerms": [{
        "matchExpressions": [{ "key": LABEL_HOSTNAME, "operator": "In", "values": [node] }],
    }] } })
}
