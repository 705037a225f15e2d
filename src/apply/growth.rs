//! Whether a claim has grown, and what keeps it from growing, in the words of whoever has to do it.

use serde_json::Value;

use super::wait::{Progress, going};
use crate::object::ObjectKey;
use crate::observed::{LiveObject, Observed};
use crate::plan::growth::bytes;

/// Conditions of a claim that is being grown, and what each means, most telling first
/// (`k8s.io/api/core/v1`, `PersistentVolumeClaimConditionType`).
const CONDITIONS: [(&str, &str); 4] = [
    ("ControllerResizeError", "its driver cannot grow the volume"),
    ("NodeResizeError", "its node cannot grow the file system"),
    ("FileSystemResizePending", "its node has yet to grow the file system"),
    ("Resizing", "its driver is growing the volume"),
];

/// Events about a claim that say why it does not grow (external-resizer and kubelet).
const EVENTS: [&str; 3] = ["VolumeResizeFailed", "FileSystemResizeFailed", "ProvisioningFailed"];

/// How far a claim has grown: its volume and the file system on it have the size, and nothing of the
/// growth is left to do.
pub(super) fn expanded(claim: &ObjectKey, size: &str, seen: &Observed) -> Progress {
    let Some(live) = seen.objects.get(claim) else {
        return Progress::Failed(format!("{claim} is gone"));
    };
    let has = live.text("/status/capacity/storage").unwrap_or_default();
    if bytes(has) >= bytes(size) && !is_under_way(live) {
        return Progress::Done;
    }
    going(0, 1, why_not(claim, live, has, seen))
}

/// Whether something of an expansion is left to do for a claim.
fn is_under_way(live: &LiveObject) -> bool {
    ["Resizing", "FileSystemResizePending"].iter().any(|name| is_true(live, name))
}

fn is_true(live: &LiveObject, condition: &str) -> bool {
    live.condition(condition).is_some_and(|it| it.get("status") == Some(&"True".into()))
}

fn why_not(claim: &ObjectKey, live: &LiveObject, has: &str, seen: &Observed) -> Vec<String> {
    let mut why = Vec::new();
    for (name, meaning) in CONDITIONS.iter().filter(|(name, _)| is_true(live, name)) {
        let said = live.condition(name).and_then(|it| it.get("message")).and_then(Value::as_str);
        why.push(match said.unwrap_or_default() {
            "" => (*meaning).to_owned(),
            said => format!("{meaning}: {said}"),
        });
    }
    let stage = live.text("/status/allocatedResourceStatuses/storage");
    why.extend(stage.map(|stage| format!("its growth is said to be {stage}")));
    let told = seen.events.iter().find(|event| {
        event.kind == "PersistentVolumeClaim"
            && event.name == claim.name
            && EVENTS.contains(&event.reason.as_str())
    });
    why.extend(told.map(|event| event.message.clone()));
    if why.is_empty() {
        let has = if has.is_empty() { "no size yet" } else { has };
        why.push(format!("its volume has {has}"));
    }
    why
}
