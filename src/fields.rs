//! An object's fields one by one: which a manifest sets, who owns which, how two objects differ.
//!
//! A field is named as server-side apply names it (structured-merge-diff): elements of a list with
//! keys are named by their keys, not by their place, so that an element another tool adds in front
//! changes no name.

pub mod merge;
pub mod path;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use path::{Element, Path, Shape, shape_of};

/// Fields the server writes itself: never compared, never shown.
const SERVER_FIELDS: [&str; 8] = [
    ".metadata.creationTimestamp",
    ".metadata.deletionGracePeriodSeconds",
    ".metadata.deletionTimestamp",
    ".metadata.generation",
    ".metadata.managedFields",
    ".metadata.resourceVersion",
    ".metadata.uid",
    ".status",
];

/// Every field an object sets, down to values and to the lists and maps that are owned as a whole.
/// `apiVersion`, `kind`, and what only the server writes are left out.
pub fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    collect(&mut Path::default(), object, &mut found);
    found
}

fn collect(path: &mut Path, value: &Value, found: &mut BTreeMap<Path, Value>) {
    if is_the_servers(path) {
        return;
    }
    match (value, shape_of(path)) {
        (Value::Object(map), Shape::Granular) if !map.is_empty() => {
            for (name, child) in map {
                path.0.push(Element::Field(name.clone()));
                collect(path, child, found);
                path.0.pop();
            }
        }
        (Value::Array(list), Shape::Keyed(keys)) => {
            for child in list {
                path.0.push(Element::keyed(keys, child));
                collect(path, child, found);
                path.0.pop();
            }
        }
        _ => {
            found.insert(path.clone(), value.clone());
        }
    }
}

/// Whether a path names what an object is, or what only the server writes.
fn is_the_servers(path: &Path) -> bool {
    match path.0.as_slice() {
        [Element::Field(first)] => matches!(first.as_str(), "apiVersion" | "kind" | "status"),
        [Element::Field(first), Element::Field(second)] if first == "metadata" => {
            let in_metadata = SERVER_FIELDS.iter().filter_map(|it| it.strip_prefix(".metadata."));
            in_metadata.into_iter().any(|field| field == second)
        }
        _ => false,
    }
}

/// The value of a field, if the object has it.
pub fn value_at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    let mut value = object;
    for element in &path.0 {
        value = element.step_into(value)?;
    }
    Some(value)
}

/// Whether a live value is what a manifest asks for: defaults the server filled in inside lists
/// owned as a whole do not count, anything else does.
pub fn satisfied(path: &Path, asked: &Value, live: &Value) -> bool {
    match shape_of(path) {
        Shape::AtomicMap => asked == live,
        Shape::Granular | Shape::Keyed(_) => contains(live, asked),
    }
}

fn contains(live: &Value, asked: &Value) -> bool {
    match (live, asked) {
        (Value::Object(live), Value::Object(asked)) => asked
            .iter()
            .all(|(name, asked)| live.get(name).is_some_and(|live| contains(live, asked))),
        (Value::Array(live), Value::Array(asked)) => {
            live.len() == asked.len()
                && live.iter().zip(asked).all(|(live, asked)| contains(live, asked))
        }
        _ => live == asked,
    }
}

/// The fields in which a live object is not what the manifest asks for: those it sets otherwise,
/// and those we own there but ask for no more.
pub fn departures(manifest: &Value, live: &Value, owned: &BTreeSet<String>) -> Vec<String> {
    let asked = leaves(manifest);
    let mut found: Vec<String> = asked
        .iter()
        .filter(|(path, value)| {
            !value_at(live, path).is_some_and(|live| satisfied(path, value, live))
        })
        .map(|(path, _)| path.to_string())
        .collect();
    let asked = Asked::of(&asked);
    let dropped = owned.iter().filter(|own| {
        !SERVER_FIELDS.iter().any(|field| path::covers(field, own)) && !asked.touches(own)
    });
    found.extend(dropped.cloned());
    found.sort();
    found.dedup();
    found
}

/// The names of the fields a manifest sets, to be asked what they have to do with other fields.
struct Asked(Vec<(String, bool)>);

impl Asked {
    fn of(fields: &BTreeMap<Path, Value>) -> Self {
        let is_open =
            |path: &Path, value: &Value| value.is_object() && shape_of(path) == Shape::Granular;
        Self(fields.iter().map(|(path, value)| (path.to_string(), is_open(path, value))).collect())
    }

    /// Whether a field is one of them, holds one of them or is inside one. An empty map asks for
    /// itself, not for what is inside the live one.
    fn touches(&self, name: &str) -> bool {
        self.0.iter().any(|(field, is_open)| {
            path::covers(name, field) || !is_open && path::covers(field, name)
        })
    }
}

/// SHA-256, in hex, of what a live object holds in the fields a manifest sets.
pub fn digest(manifest: &Value, live: &Value) -> String {
    let mut hash = Sha256::new();
    for path in leaves(manifest).keys() {
        let value = value_at(live, path).unwrap_or(&Value::Null);
        hash.update(format!("{path}={value}\n").as_bytes());
    }
    hex(&hash.finalize())
}

/// SHA-256, in hex, of what a live object holds in the fields somebody owns there. A field that is
/// taken over by another manager changes it, also if its value stays.
pub fn digest_owned(owned: &BTreeSet<String>, live: &Value) -> String {
    let mut hash = Sha256::new();
    for (path, value) in leaves(live) {
        let path = path.to_string();
        if path::touches(owned, &path) {
            hash.update(format!("{path}={value}\n").as_bytes());
        }
    }
    hex(&hash.finalize())
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Field paths from a `managedFields[].fieldsV1` set; see structured-merge-diff, `fieldpath`.
pub fn owned_paths(fields_v1: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_owned(&mut Path::default(), fields_v1, &mut found);
    found
}

fn collect_owned(path: &mut Path, set: &Value, found: &mut BTreeSet<String>) {
    let Some(map) = set.as_object() else { return };
    if map.keys().all(|key| key == ".") {
        if !path.0.is_empty() {
            found.insert(path.to_string());
        }
        return;
    }
    for (key, child) in map {
        let Some(element) = Element::from_fields_v1(key) else { continue };
        path.0.push(element);
        collect_owned(path, child, found);
        path.0.pop();
    }
}
