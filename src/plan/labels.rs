//! Setting and removing labels of an object and nothing else: how something comes to a stack, or is let
//! go. Pure; every world carries it out as a merge patch on the version it has read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::object::{LABEL_PART_OF, LABEL_STACK, ObjectKey};

/// Labels to set, and those to remove (`None`).
pub type Relabeling = BTreeMap<String, Option<String>>;

/// The labels that say whose an object is.
const WHOSE: [&str; 2] = [LABEL_STACK, LABEL_PART_OF];

/// The fields a relabeling is about, as a manifest: what a plan has seen of them is pinned by it.
pub fn manifest(labels: &Relabeling) -> Value {
    json!({ "metadata": { "labels": labels } })
}

/// The merge patch that is still to be made; `None`: there is nothing to change. An error says how the
/// object is not the one that was meant: it is another one, or somebody else's by now.
pub fn relabel(
    key: &ObjectKey,
    live: &Value,
    uid: &str,
    labels: &Relabeling,
) -> Result<Option<Value>, String> {
    if live.pointer("/metadata/uid").and_then(Value::as_str) != Some(uid) {
        return Err(format!("{key} is another object of that name by now"));
    }
    let has = |name: &str| live.get("metadata")?.get("labels")?.get(name)?.as_str();
    let taken = WHOSE.iter().find(|name| {
        let wanted = labels.get(**name).and_then(Option::as_deref);
        wanted.is_some() && has(name).is_some() && has(name) != wanted
    });
    if taken.is_some() {
        return Err(format!("{key} was taken by another stack"));
    }
    let pending: Relabeling = labels
        .iter()
        .filter(|(name, value)| has(name) != value.as_deref())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok((!pending.is_empty()).then(|| manifest(&pending)))
}
