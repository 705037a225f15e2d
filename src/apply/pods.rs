//! Why the pods of a StatefulSet are not ready, in the words an operator looks for.

use serde_json::Value;

use crate::object::{Kind, ObjectKey};
use crate::observed::{EventNote, LiveObject, Observed};

/// Annotation Kubernetes puts on a claim once a driver is to make its volume.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";

/// Reasons told at once, at most.
const REASONS_MAX: usize = 3;

/// Whether a pod is ready and of the set's newest revision.
pub fn is_fresh(set: &LiveObject, pod: &LiveObject) -> bool {
    pod.is_ready() && !pod.is_leaving() && is_of_newest_form(set, pod)
}

/// Whether a pod is of its set's newest revision, as far as the set says which that is.
pub fn is_of_newest_form(set: &LiveObject, pod: &LiveObject) -> bool {
    let newest = set.text("/status/updateRevision");
    newest.is_none() || pod.label("controller-revision-hash") == newest
}

/// Why a set's pods are not all ready, most telling first.
pub fn why_not_ready(set: &ObjectKey, seen: &Observed) -> Vec<String> {
    let mut reasons: Vec<(u8, String)> = Vec::new();
    for (key, pod) in seen.pods_of(set) {
        reasons.extend(why_pod(key, pod, seen));
    }
    let not_made = |event: &&EventNote| {
        event.kind == "StatefulSet" && event.name == set.name && event.reason == "FailedCreate"
    };
    reasons.extend(seen.events.iter().find(not_made).map(|event| (0, event.message.clone())));
    reasons.sort();
    reasons.dedup();
    let mut reasons: Vec<String> = reasons.into_iter().map(|(_, reason)| reason).collect();
    reasons.truncate(REASONS_MAX);
    reasons
}

/// Why one pod is not ready, with how telling it is (0 most); `None`: it is ready.
pub fn why_pod(key: &ObjectKey, pod: &LiveObject, seen: &Observed) -> Option<(u8, String)> {
    let name = &key.name;
    if pod.is_leaving() {
        return Some((4, format!("{name} is stopping")));
    }
    if pod.is_ready() {
        return None;
    }
    if let Some(reason) = waiting_container(pod) {
        return Some((0, format!("{name}: {reason}")));
    }
    if let Some(claim) = unbound_claim(key, pod, seen) {
        return Some((1, format!("{name}: {claim}")));
    }
    let scheduled = pod.condition("PodScheduled");
    let placed = scheduled.is_none_or(|it| it.get("status") != Some(&"False".into()));
    if !placed {
        let message = scheduled.and_then(|it| it.get("message")).and_then(Value::as_str);
        return Some((
            1,
            format!("{name} is unschedulable: {}", message.unwrap_or("no node fits")),
        ));
    }
    let mounting = ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"];
    let event = seen.events.iter().find(|event| {
        event.kind == "Pod" && event.name == *name && mounting.contains(&event.reason.as_str())
    });
    Some(match event {
        Some(event) => (1, format!("{name}: {}: {}", event.reason, event.message)),
        None => (3, format!("{name} is starting")),
    })
}

/// The reason a container is kept from running, e.g. `ImagePullBackOff: …`.
fn waiting_container(pod: &LiveObject) -> Option<String> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = statuses.iter().filter_map(|place| pod.value.pointer(place)?.as_array());
    containers.flatten().find_map(|status| {
        let waiting = status.pointer("/state/waiting")?;
        let reason = waiting.get("reason").and_then(Value::as_str)?;
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let message = waiting.get("message").and_then(Value::as_str).unwrap_or_default();
        let last = status.pointer("/lastState/terminated/exitCode").and_then(Value::as_i64);
        let last = last.map_or(String::new(), |code| format!(" (last exit code {code})"));
        Some(match message {
            "" => format!("{reason}{last}"),
            message => format!("{reason}: {message}{last}"),
        })
    })
}

fn unbound_claim(key: &ObjectKey, pod: &LiveObject, seen: &Observed) -> Option<String> {
    let volumes = pod.value.pointer("/spec/volumes")?.as_array()?;
    let claims = volumes.iter().filter_map(|volume| {
        volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str)
    });
    for name in claims {
        let claim =
            ObjectKey { kind: Kind::PersistentVolumeClaim, name: name.to_owned(), ..key.clone() };
        let live = seen.objects.get(&claim)?;
        if live.text("/status/phase") == Some("Bound") {
            continue;
        }
        let told = ["ProvisioningFailed", "FailedBinding"];
        let event = seen.events.iter().find(|event| {
            event.kind == "PersistentVolumeClaim"
                && event.name == name
                && told.contains(&event.reason.as_str())
        });
        return match (event, live.annotation(PROVISIONER)) {
            (Some(event), _) => Some(format!("claim {name} is not bound: {}", event.message)),
            (None, Some(driver)) => {
                Some(format!("claim {name} is not bound: {driver} has not made its volume yet"))
            }
            // The scheduler's own words say more than "not bound" as long as no driver was asked.
            (None, None) => None,
        };
    }
    None
}
