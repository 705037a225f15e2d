//! What a namespace and a stack's volumes look like, in lines that are the same in both places.

use tsinfra::object::{Kind, LABEL_STACK, Labels, ObjectKey};
use tsinfra::observed::{List, LiveObject, Observed, Scope};

use crate::stage::Stage;

/// What is looked at: everything of the namespace, and what the stack has outside of it.
fn scope(stack: &str, namespace: &str) -> Scope {
    let inside = [
        Kind::ConfigMap,
        Kind::Lease,
        Kind::Service,
        Kind::PodDisruptionBudget,
        Kind::Job,
        Kind::StatefulSet,
        Kind::PersistentVolumeClaim,
        Kind::Pod,
    ];
    let ours: Labels = [(LABEL_STACK.to_owned(), stack.to_owned())].into();
    let outside = [Kind::StorageClass, Kind::PersistentVolume];
    let inside = inside.into_iter().map(|kind| List {
        kind,
        namespace: Some(namespace.to_owned()),
        labels: Labels::new(),
    });
    let outside =
        outside.into_iter().map(|kind| List { kind, namespace: None, labels: ours.clone() });
    Scope {
        lists: inside.chain(outside).collect(),
        gets: vec![ObjectKey::global(Kind::Namespace, namespace)],
        ..Scope::default()
    }
}

/// The objects that are there, a line each, as an operator would check them.
pub(crate) fn lines(stage: &dyn Stage, stack: &str, namespace: &str) -> String {
    let seen: Observed = stage.look(&scope(stack, namespace));
    let ours = |key: &&ObjectKey| key.name != "kube-root-ca.crt";
    let lines = seen.objects.keys().filter(ours).map(|key| {
        let facts = facts(key, &seen.objects[key]);
        format!("{key}  {facts}").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn facts(key: &ObjectKey, live: &LiveObject) -> String {
    let number = |pointer: &str| live.number(pointer).unwrap_or(0);
    let text = |pointer: &str| live.text(pointer).unwrap_or("-");
    match key.kind {
        Kind::StatefulSet => format!(
            "{}/{} ready, {} updated",
            number("/status/readyReplicas"),
            number("/spec/replicas"),
            number("/status/updatedReplicas")
        ),
        Kind::PersistentVolumeClaim => {
            format!("{} {}", text("/status/phase"), text("/spec/resources/requests/storage"))
        }
        Kind::PersistentVolume => format!(
            "{} {} {}",
            text("/status/phase"),
            text("/spec/capacity/storage"),
            text("/spec/persistentVolumeReclaimPolicy")
        ),
        Kind::Service => format!(
            "{}{} {}",
            text("/spec/type"),
            if text("/spec/clusterIP") == "None" { " headless" } else { "" },
            ports(live)
        ),
        Kind::PodDisruptionBudget => format!(
            "at most {} away, {} of {} healthy",
            number("/spec/maxUnavailable"),
            number("/status/currentHealthy"),
            number("/status/expectedPods")
        ),
        Kind::Pod => format!(
            "{} {} memory {}",
            text("/status/phase"),
            text("/spec/containers/0/image"),
            text("/spec/containers/0/resources/limits/memory")
        ),
        Kind::StorageClass => format!("{} {}", text("/provisioner"), text("/reclaimPolicy")),
        Kind::Job => format!("{} done", number("/status/succeeded")),
        Kind::Namespace | Kind::ConfigMap | Kind::Lease | Kind::Node => String::new(),
    }
}

fn ports(service: &LiveObject) -> String {
    let ports = service.value.pointer("/spec/ports").and_then(|ports| ports.as_array());
    let shown = ports.into_iter().flatten().map(|port| match port["nodePort"].as_u64() {
        Some(node_port) => format!("{}:{node_port}", port["port"]),
        None => port["port"].to_string(),
    });
    shown.collect::<Vec<String>>().join(" ")
}
