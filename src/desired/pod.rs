//! The pod template of a pool: what the engine says runs, where and how the user says.

use db_engine::workload::{Check, EnvValue, KeptDir, Probe, Workload};
use serde_json::{Map, Value, json};

use super::labels;
use crate::stack::{Cluster, Pool, Stack, Toleration};

/// The image a cluster runs: the user's, or the vendor's for the version.
pub fn image(cluster: &Cluster, workload: &Workload) -> String {
    let repository = cluster.image.repository.as_deref().unwrap_or(workload.image.repository);
    let tag = cluster.image.tag.as_deref().unwrap_or(&workload.image.tag);
    format!("{repository}:{tag}")
}

/// The template; `spread` is what a pod does that cannot be spread (`whenUnsatisfiable`).
pub fn template(
    stack: &Stack,
    cluster: &Cluster,
    pool: &Pool,
    workload: &Workload,
    spread: &str,
) -> Value {
    let mut metadata = json!({ "labels": labels::of_pod(stack, cluster, pool) });
    if !pool.pod.annotations.is_empty() {
        metadata["annotations"] = json!(pool.pod.annotations);
    }
    let mut spec = json!({
        "automountServiceAccountToken": false,
        // Variables named after Services would be one more way into the engine's configuration.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": pool.grace_seconds.max(workload.grace_seconds),
        "securityContext": pod_security(workload),
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": spread,
            "nodeTaintsPolicy": "Honor",
            "labelSelector": { "matchLabels": labels::of_members(stack, cluster, pool) },
        }],
        "containers": [container(cluster, pool, workload)],
        "volumes": volumes(workload),
    });
    if let Some(init) = init_container(cluster, pool, workload) {
        spec["initContainers"] = json!([init]);
    }
    place(&mut spec, cluster, pool);
    json!({ "metadata": metadata, "spec": spec })
}

fn place(spec: &mut Value, cluster: &Cluster, pool: &Pool) {
    if !cluster.image.pull_secrets.is_empty() {
        let secrets: Vec<Value> =
            cluster.image.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
        spec["imagePullSecrets"] = json!(secrets);
    }
    if !pool.pod.node_selector.is_empty() {
        spec["nodeSelector"] = json!(pool.pod.node_selector);
    }
    if !pool.pod.tolerations.is_empty() {
        spec["tolerations"] = pool.pod.tolerations.iter().map(toleration).collect();
    }
    if let Some(class) = &pool.pod.priority_class {
        spec["priorityClassName"] = json!(class);
    }
}

fn toleration(toleration: &Toleration) -> Value {
    let Toleration { key, operator, value, effect, toleration_seconds } = toleration;
    let texts = [("key", key), ("operator", operator), ("value", value), ("effect", effect)];
    let mut map: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
        .collect();
    if let Some(seconds) = toleration_seconds {
        map.insert("tolerationSeconds".to_owned(), json!(seconds));
    }
    Value::Object(map)
}

fn pod_security(workload: &Workload) -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": workload.user_id,
        "runAsGroup": workload.user_id,
        "fsGroup": workload.user_id,
        // Large volumes: change ownership only when it is wrong.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

fn with_image(mut container: Value, cluster: &Cluster, workload: &Workload) -> Value {
    container["image"] = json!(image(cluster, workload));
    if let Some(policy) = &cluster.image.pull_policy {
        container["imagePullPolicy"] = json!(policy);
    }
    container
}

fn resources(pool: &Pool) -> Value {
    let amount = json!({ "cpu": pool.cpu.to_string(), "memory": pool.memory.to_string() });
    json!({ "requests": amount, "limits": amount })
}

fn container(cluster: &Cluster, pool: &Pool, workload: &Workload) -> Value {
    let ports: Vec<Value> = workload
        .ports
        .iter()
        .map(|port| {
            json!({
                "name": port.name, "containerPort": port.number, "protocol": "TCP",
            })
        })
        .collect();
    let claim_mounts = workload.kept_dirs.iter().map(|KeptDir { content, sub_path, place }| {
        json!({ "name": content.word(), "mountPath": place, "subPath": sub_path })
    });
    let scratch_mounts = workload
        .scratch_dirs
        .iter()
        .map(|(name, place)| json!({ "name": name, "mountPath": place }));
    let container = json!({
        "name": workload.container,
        "command": workload.command,
        "env": env(workload),
        "ports": ports,
        "resources": resources(pool),
        "startupProbe": probe(&workload.startup),
        "readinessProbe": probe(&workload.readiness),
        "livenessProbe": probe(&workload.liveness),
        "securityContext": container_security(),
        "volumeMounts": claim_mounts.chain(scratch_mounts).collect::<Vec<Value>>(),
    });
    with_image(container, cluster, workload)
}

fn init_container(cluster: &Cluster, pool: &Pool, workload: &Workload) -> Option<Value> {
    let prepare = workload.prepare.as_ref()?;
    let (volume, place) = prepare.fills;
    let container = json!({
        "name": prepare.container,
        "command": prepare.command,
        "resources": resources(pool),
        "securityContext": container_security(),
        "volumeMounts": [{ "name": volume, "mountPath": place }],
    });
    Some(with_image(container, cluster, workload))
}

fn env(workload: &Workload) -> Vec<Value> {
    let value = |(name, value): &(String, EnvValue)| match value {
        EnvValue::Text(text) => json!({ "name": name, "value": text }),
        EnvValue::PodName => json!({
            "name": name,
            "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } },
        }),
    };
    workload.env.iter().map(value).collect()
}

fn volumes(workload: &Workload) -> Vec<Value> {
    workload.scratch_dirs.iter().map(|(name, _)| json!({ "name": name, "emptyDir": {} })).collect()
}

fn probe(probe: &Probe) -> Value {
    let mut value = match &probe.check {
        Check::Tcp(port) => json!({ "tcpSocket": { "port": port } }),
        Check::Http { port, path } => json!({ "httpGet": { "port": port, "path": path } }),
    };
    value["periodSeconds"] = json!(probe.period_seconds);
    value["timeoutSeconds"] = json!(probe.timeout_seconds);
    value["failureThreshold"] = json!(probe.failures);
    value
}
