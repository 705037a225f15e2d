//! What the API server refuses: bad names and labels, and changes of what cannot change.

use serde_json::Value;

use super::cluster::Cluster;
use super::denial::Denial;
use super::quantities::milli;
use super::selectors::selects;
use super::values::{at, take, text};
use crate::object::{Kind, ObjectKey};

/// Whether an object may be stored at all.
pub(super) fn check(key: &ObjectKey, value: &Value) -> Result<(), Denial> {
    let limit = if key.kind == Kind::Service || key.kind == Kind::Namespace { 63 } else { 253 };
    let dotted = !matches!(key.kind, Kind::Service | Kind::Namespace);
    if !is_dns_name(&key.name, limit, dotted) {
        return Err(invalid(
            key,
            &format!(
                "metadata.name: Invalid value: \"{}\": a lowercase RFC 1123 subdomain must consist of \
             lower case alphanumeric characters, '-' or '.', and must start and end with an \
             alphanumeric character",
                key.name
            ),
        ));
    }
    check_labels(key, value, "/metadata/labels")?;
    match key.kind {
        Kind::StatefulSet => {
            let replicas = at(value, "/spec/replicas");
            if replicas.as_i64().and_then(|count| u32::try_from(count).ok()).is_none() {
                let why = "must be greater than or equal to 0";
                let why = format!("spec.replicas: Invalid value: {replicas}: {why}");
                return Err(invalid(key, &why));
            }
            check_labels(key, value, "/spec/template/metadata/labels")?;
            let template = at(value, "/spec/template");
            if !selects(at(value, "/spec/selector"), template) {
                return Err(invalid(
                    key,
                    &format!(
                        "spec.template.metadata.labels: Invalid value: {}: `selector` does not match \
                     template `labels`",
                        at(template, "/metadata/labels")
                    ),
                ));
            }
            if at(template, "/spec/containers").as_array().is_none_or(Vec::is_empty) {
                return Err(invalid(key, "spec.template.spec.containers: Required value"));
            }
        }
        Kind::StorageClass if text(value, "/provisioner").is_empty() => {
            return Err(invalid(key, "provisioner: Required value"));
        }
        Kind::PersistentVolume if milli(text(value, "/spec/capacity/storage")).is_none() => {
            return Err(invalid(key, "spec.capacity: Required value"));
        }
        _ => {}
    }
    Ok(())
}

fn check_labels(key: &ObjectKey, value: &Value, pointer: &str) -> Result<(), Denial> {
    let Some(labels) = at(value, pointer).as_object() else { return Ok(()) };
    let word = |text: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
        text.len() <= 63
            && text.bytes().all(inner)
            && edge(text.bytes().next())
            && edge(text.bytes().next_back())
    };
    for (name, value) in labels {
        let (prefix, bare) = name.rsplit_once('/').unwrap_or(("a", name));
        if bare.is_empty() || !word(bare) || !is_dns_name(prefix, 253, true) {
            return Err(invalid(key, &format!("metadata.labels: Invalid value: \"{name}\"")));
        }
        if !value.as_str().is_some_and(word) {
            return Err(invalid(key, &format!("metadata.labels: Invalid value: {value}")));
        }
    }
    Ok(())
}

fn is_dns_name(name: &str, limit: usize, dotted: bool) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= limit && if dotted { name.split('.').all(label) } else { label(name) }
}

/// Whether an object may be changed in this way.
pub(super) fn check_change(
    cluster: &Cluster,
    key: &ObjectKey,
    old: &Value,
    new: &Value,
) -> Result<(), Denial> {
    match key.kind {
        Kind::StatefulSet => stateful_set(key, old, new),
        Kind::StorageClass => storage_class(key, old, new),
        Kind::PersistentVolume => volume(key, old, new),
        Kind::PersistentVolumeClaim => claim(cluster, key, old, new),
        Kind::Service => {
            let (had, wants) = (text(old, "/spec/clusterIP"), text(new, "/spec/clusterIP"));
            if had != wants && (had == "None" || wants == "None" || !wants.is_empty()) {
                return Err(invalid(
                    key,
                    &format!(
                        "spec.clusterIPs[0]: Invalid value: [\"{wants}\"]: may not change once set"
                    ),
                ));
            }
            Ok(())
        }
        Kind::Node
        | Kind::Namespace
        | Kind::ConfigMap
        | Kind::Lease
        | Kind::PodDisruptionBudget
        | Kind::Job
        | Kind::Pod => Ok(()),
    }
}

/// `spec` of a value, but for these fields.
fn spec_without(value: &Value, fields: &[&str]) -> Value {
    let mut spec = at(value, "/spec").clone();
    for field in fields {
        take(&mut spec, &[field]);
    }
    spec
}

fn stateful_set(key: &ObjectKey, old: &Value, new: &Value) -> Result<(), Denial> {
    const MUTABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    if spec_without(old, &MUTABLE) == spec_without(new, &MUTABLE) {
        return Ok(());
    }
    Err(invalid(
        key,
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', \
         'template', 'updateStrategy', 'revisionHistoryLimit', \
         'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ))
}

fn storage_class(key: &ObjectKey, old: &Value, new: &Value) -> Result<(), Denial> {
    for field in ["provisioner", "parameters", "reclaimPolicy"] {
        if old.get(field) != new.get(field) {
            let why = format!("{field}: Forbidden: updates to {field} are forbidden.");
            return Err(invalid(key, &why));
        }
    }
    if old.get("volumeBindingMode") != new.get("volumeBindingMode") {
        let mode = at(new, "/volumeBindingMode");
        let why = format!("volumeBindingMode: Invalid value: {mode}: field is immutable");
        return Err(invalid(key, &why));
    }
    Ok(())
}

fn volume(key: &ObjectKey, old: &Value, new: &Value) -> Result<(), Denial> {
    for source in ["local", "csi", "hostPath", "nfs"] {
        if at(old, "/spec").get(source) != at(new, "/spec").get(source) {
            return Err(invalid(
                key,
                "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable \
                 after creation",
            ));
        }
    }
    let affinity = at(old, "/spec/nodeAffinity");
    if !affinity.is_null() && affinity != at(new, "/spec/nodeAffinity") {
        return Err(invalid(key, "spec.nodeAffinity: Invalid value: field is immutable"));
    }
    Ok(())
}

fn claim(cluster: &Cluster, key: &ObjectKey, old: &Value, new: &Value) -> Result<(), Denial> {
    if spec_without(old, &["resources"]) != spec_without(new, &["resources"]) {
        return Err(invalid(
            key,
            "spec: Forbidden: spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        ));
    }
    let asked = |value: &Value| milli(text(value, "/spec/resources/requests/storage"));
    if asked(new) < asked(old) && asked(new) < milli(text(old, "/status/capacity/storage")) {
        return Err(invalid(
            key,
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        ));
    }
    let class = ObjectKey::global(Kind::StorageClass, text(new, "/spec/storageClassName"));
    let grows = cluster.get(&class).is_some_and(|class| at(class, "/allowVolumeExpansion") == true);
    if asked(new) > asked(old) && !grows {
        return Err(Denial::Invalid(format!(
            "persistentvolumeclaims \"{}\" is forbidden: only dynamically provisioned pvc can be \
             resized and the storageclass that provisions the pvc must support resize",
            key.name
        )));
    }
    Ok(())
}

/// The API server's sentence for a rule broken.
pub(super) fn invalid(key: &ObjectKey, why: &str) -> Denial {
    let api = key.kind.api_version();
    let group = api.split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    Denial::Invalid(format!("{}{group} \"{}\" is invalid: {why}", key.kind, key.name))
}
