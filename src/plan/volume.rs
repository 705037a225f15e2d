//! Keeping a volume when its claim goes, and having it deleted for good: what has to be changed of
//! it, if anything. Pure; every world carries it out as a merge patch on the version it has read.
//!
//! A volume's phase, its claim's uid and its reclaim policy stand in one object, so that the change
//! is made to exactly what was looked at. A provisioner deletes a released volume as soon as its
//! policy says `Delete`, also if it was `Retain` when the claim went (`shouldDelete` of
//! sig-storage-lib-external-provisioner v13.1.0, read; the bed of the live tests plays one that does
//! so).

use serde_json::{Value, json};

use crate::object::{ANNOTATION_CONDEMNED, Labels, ObjectKey};

/// The merge patch that keeps a volume when its claim goes; `None`: it is kept already. An error
/// says how the volume is not the one that was meant.
pub fn hold(
    key: &ObjectKey,
    live: &Value,
    uid: &str,
    claim: &str,
    labels: &Labels,
) -> Result<Option<Value>, String> {
    belongs(key, live, uid, claim)?;
    if is_held(live, claim) {
        return Ok(None);
    }
    Ok(Some(json!({
        "metadata": { "labels": labels, "annotations": { ANNOTATION_CONDEMNED: claim } },
        "spec": { "persistentVolumeReclaimPolicy": "Retain" },
    })))
}

/// The merge patch that has a volume deleted with its data; `None`: its driver was told already.
pub fn purge(
    key: &ObjectKey,
    live: &Value,
    uid: &str,
    claim: &str,
) -> Result<Option<Value>, String> {
    belongs(key, live, uid, claim)?;
    if condemned_with(live) != Some(claim) {
        return Err(format!("{key} is not marked for deletion with that claim"));
    }
    if text(live, "/spec/persistentVolumeReclaimPolicy") == Some("Delete") {
        return Ok(None);
    }
    match text(live, "/status/phase") {
        Some("Released") => {
            Ok(Some(json!({ "spec": { "persistentVolumeReclaimPolicy": "Delete" } })))
        }
        phase => Err(format!("{key} is {}, not Released", phase.unwrap_or("in no phase"))),
    }
}

/// The claim a volume was held for.
pub fn condemned_with(volume: &Value) -> Option<&str> {
    volume.get("metadata")?.get("annotations")?.get(ANNOTATION_CONDEMNED)?.as_str()
}

/// Whether a volume is kept when this claim goes, by our own doing.
pub fn is_held(volume: &Value, claim: &str) -> bool {
    condemned_with(volume) == Some(claim)
        && text(volume, "/spec/persistentVolumeReclaimPolicy") == Some("Retain")
}

fn belongs(key: &ObjectKey, live: &Value, uid: &str, claim: &str) -> Result<(), String> {
    if text(live, "/metadata/uid") != Some(uid) {
        return Err(format!("{key} is another object of that name by now"));
    }
    if text(live, "/spec/claimRef/uid") != Some(claim) {
        return Err(format!("{key} belongs to another claim by now"));
    }
    Ok(())
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}
