//! What the API server fills in where a manifest says nothing, and the forms it stores values in.

use serde_json::{Value, json};

use super::quantities::canonical;
use super::values::{at, each_in, fill, put, text};
use crate::object::{Kind, ObjectKey};

/// Fills in what the sender left to the server.
pub(super) fn fill_in(key: &ObjectKey, value: &mut Value) {
    match key.kind {
        Kind::Node | Kind::ConfigMap | Kind::Lease | Kind::PodDisruptionBudget => {}
        Kind::Namespace => {
            put(value, &["metadata", "labels", "kubernetes.io/metadata.name"], json!(key.name));
            fill(value, &["spec", "finalizers"], json!(["kubernetes"]));
            fill(value, &["status", "phase"], json!("Active"));
        }
        Kind::StorageClass => {
            fill(value, &["reclaimPolicy"], json!("Delete"));
            fill(value, &["volumeBindingMode"], json!("Immediate"));
        }
        Kind::PersistentVolume => {
            store_quantity(value, "/spec/capacity/storage");
            fill(value, &["metadata", "finalizers"], json!(["kubernetes.io/pv-protection"]));
            fill(value, &["spec", "persistentVolumeReclaimPolicy"], json!("Retain"));
            fill(value, &["spec", "volumeMode"], json!("Filesystem"));
            fill(value, &["status", "phase"], json!("Pending"));
        }
        Kind::PersistentVolumeClaim => {
            fill(value, &["metadata", "finalizers"], json!(["kubernetes.io/pvc-protection"]));
            claim(value);
        }
        Kind::Service => service(value),
        Kind::StatefulSet => stateful_set(value),
        Kind::Job => {
            fill(value, &["spec", "backoffLimit"], json!(6));
            fill(value, &["spec", "completions"], json!(1));
            fill(value, &["spec", "parallelism"], json!(1));
            pod_spec(value, "/spec/template/spec");
        }
        Kind::Pod => {
            pod_spec(value, "/spec");
            fill(value, &["status", "phase"], json!("Pending"));
        }
    }
}

fn claim(value: &mut Value) {
    store_quantity(value, "/spec/resources/requests/storage");
    fill(value, &["spec", "volumeMode"], json!("Filesystem"));
    fill(value, &["status", "phase"], json!("Pending"));
}

fn service(value: &mut Value) {
    fill(value, &["spec", "type"], json!("ClusterIP"));
    fill(value, &["spec", "sessionAffinity"], json!("None"));
    fill(value, &["spec", "internalTrafficPolicy"], json!("Cluster"));
    fill(value, &["spec", "ipFamilies"], json!(["IPv4"]));
    fill(value, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    fill(value, &["status", "loadBalancer"], json!({}));
    let kind = text(value, "/spec/type").to_owned();
    if kind != "ClusterIP" {
        fill(value, &["spec", "externalTrafficPolicy"], json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        fill(value, &["spec", "allocateLoadBalancerNodePorts"], json!(true));
    }
    for port in each_in(value, "/spec/ports") {
        fill(port, &["protocol"], json!("TCP"));
        let number = at(port, "/port").clone();
        fill(port, &["targetPort"], number);
    }
}

fn stateful_set(value: &mut Value) {
    fill(value, &["spec", "replicas"], json!(1));
    fill(value, &["spec", "podManagementPolicy"], json!("OrderedReady"));
    fill(value, &["spec", "revisionHistoryLimit"], json!(10));
    let is_said = !text(value, "/spec/updateStrategy/type").is_empty();
    fill(value, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
    // A strategy that only says its type is left at that.
    let rolls = text(value, "/spec/updateStrategy/type") == "RollingUpdate";
    if rolls && !(is_said && at(value, "/spec/updateStrategy/rollingUpdate").is_null()) {
        fill(value, &["spec", "updateStrategy", "rollingUpdate", "partition"], json!(0));
    }
    for when in ["whenDeleted", "whenScaled"] {
        fill(value, &["spec", "persistentVolumeClaimRetentionPolicy", when], json!("Retain"));
    }
    for template in each_in(value, "/spec/volumeClaimTemplates") {
        fill(template, &["apiVersion"], json!("v1"));
        fill(template, &["kind"], json!("PersistentVolumeClaim"));
        claim(template);
    }
    pod_spec(value, "/spec/template/spec");
    fill(value, &["status", "replicas"], json!(0));
    fill(value, &["status", "availableReplicas"], json!(0));
}

fn pod_spec(value: &mut Value, pointer: &str) {
    let Some(spec) = value.pointer_mut(pointer) else { return };
    fill(spec, &["restartPolicy"], json!("Always"));
    fill(spec, &["dnsPolicy"], json!("ClusterFirst"));
    fill(spec, &["schedulerName"], json!("default-scheduler"));
    fill(spec, &["terminationGracePeriodSeconds"], json!(30));
    fill(spec, &["securityContext"], json!({}));
    for containers in ["/initContainers", "/containers"] {
        for one in each_in(spec, containers) {
            container(one);
        }
    }
    for volume in each_in(spec, "/volumes") {
        store_quantity(volume, "/emptyDir/sizeLimit");
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some() {
                fill(volume, &[source, "defaultMode"], json!(0o644));
            }
        }
    }
}

fn container(value: &mut Value) {
    let image = text(value, "/image");
    let (_, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let pull = if tag == "latest" || tag.contains('/') { "Always" } else { "IfNotPresent" };
    fill(value, &["imagePullPolicy"], json!(pull));
    fill(value, &["terminationMessagePath"], json!("/dev/termination-log"));
    fill(value, &["terminationMessagePolicy"], json!("File"));
    fill(value, &["resources"], json!({}));
    for resource in ["cpu", "memory", "ephemeral-storage"] {
        store_quantity(value, &format!("/resources/limits/{resource}"));
        store_quantity(value, &format!("/resources/requests/{resource}"));
        let limit = at(value, &format!("/resources/limits/{resource}")).clone();
        if !limit.is_null() {
            fill(value, &["resources", "requests", resource], limit);
        }
    }
    for port in each_in(value, "/ports") {
        fill(port, &["protocol"], json!("TCP"));
    }
    for variable in each_in(value, "/env") {
        if variable.pointer("/valueFrom/fieldRef").is_some() {
            fill(variable, &["valueFrom", "fieldRef", "apiVersion"], json!("v1"));
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let Some(probe) = value.get_mut(probe) else { continue };
        for (field, default) in [
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ] {
            fill(probe, &[field], json!(default));
        }
        if probe.get("httpGet").is_some() {
            fill(probe, &["httpGet", "scheme"], json!("HTTP"));
        }
    }
}

fn store_quantity(value: &mut Value, pointer: &str) {
    if let Some(quantity) = value.pointer_mut(pointer) {
        let written = quantity.as_str().map(str::to_owned);
        let written = written.or_else(|| quantity.as_i64().map(|number| number.to_string()));
        if let Some(written) = written {
            *quantity = json!(canonical(&written));
        }
    }
}
