//! An object's fields one by one: which a manifest sets, who owns which, how two objects differ.
//!
//! A field is named as server-side apply names it (structured-merge-diff): elements of a list with
//! keys are named by their keys, not by their place, so that an element another tool adds in front
//! changes no name.

pub mod merge;
pub mod path;
pub mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use path::{Element, Path, Shape, shape_of};
use walk::{Field, walk};

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
    collect(&mut Path::default(), object, None, &mut found);
    found
}

/// Those of the fields of [`leaves`] that another object has not, or has otherwise.
pub fn leaves_unlike(object: &Value, other: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    collect(&mut Path::default(), object, Some(other), &mut found);
    found
}

fn collect(
    path: &mut Path,
    value: &Value,
    beside: Option<&Value>,
    found: &mut BTreeMap<Path, Value>,
) {
    let is_the_servers = match path.0.as_slice() {
        [Element::Field(field)] => is_the_servers(1, false, field),
        [Element::Field(outer), Element::Field(field)] => {
            is_the_servers(2, outer == "metadata", field)
        }
        _ => false,
    };
    if is_the_servers || beside == Some(value) {
        return;
    }
    match (value, shape_of(path)) {
        (Value::Object(map), Shape::Granular) if !map.is_empty() => {
            for (name, child) in map {
                path.0.push(Element::Field(name.clone()));
                collect(path, child, beside.and_then(|it| it.get(name)), found);
                path.0.pop();
            }
        }
        (Value::Array(list), Shape::Keyed(keys)) => {
            for child in list {
                let element = match became_another(keys, list, beside) {
                    true => Element::Index(0),
                    false => Element::keyed(keys, child),
                };
                let beside = beside.and_then(|it| element.step_into(it));
                path.0.push(element);
                collect(path, child, beside, found);
                path.0.pop();
            }
        }
        _ => {
            found.insert(path.clone(), value.clone());
        }
    }
}

/// Whether the only element of a list is told apart from what stands beside it by all but the first of
/// its keys. To a reader that is one element that changed, not one that went and one that came.
fn became_another(keys: &[&str], list: &[Value], beside: Option<&Value>) -> bool {
    match (list, beside.and_then(Value::as_array).map(Vec::as_slice), keys) {
        ([one], Some([other]), [first, _, ..]) => {
            path::is_same_element(&[first], one, other) && !path::is_same_element(keys, one, other)
        }
        _ => false,
    }
}

/// Whether a field says what an object is, or is one that only the server writes; `depth` counts the
/// names in its path.
fn is_the_servers(depth: usize, in_metadata: bool, field: &str) -> bool {
    match depth {
        1 => matches!(field, "apiVersion" | "kind" | "status"),
        2 if in_metadata => {
            let of_the_server = SERVER_FIELDS.iter().filter_map(|it| it.strip_prefix(".metadata."));
            of_the_server.into_iter().any(|it| it == field)
        }
        _ => false,
    }
}

/// The names of the fields of [`leaves`].
pub fn names(object: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk(object, None, &mut |field| {
        names.insert(field.name.to_owned());
    });
    names
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
fn satisfies(shape: Shape, asked: &Value, live: &Value) -> bool {
    match shape {
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
    let (mut found, mut owned_and_set) = (BTreeSet::new(), 0);
    walk(manifest, Some(live), &mut |field| {
        owned_and_set += usize::from(owned.contains(field.name));
        if is_otherwise(field) {
            found.insert(field.name.to_owned());
        }
    });
    if owned_and_set == owned.len() {
        return found.into_iter().collect();
    }
    let asked = Asked::of(manifest);
    let dropped = owned.iter().filter(|own| {
        !asked.touches(own) && !SERVER_FIELDS.iter().any(|field| path::covers(field, own))
    });
    found.extend(dropped.cloned());
    found.into_iter().collect()
}

/// The fields a manifest sets otherwise than a live object has them.
pub fn otherwise(manifest: &Value, live: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(manifest, Some(live), &mut |field| {
        if is_otherwise(field) {
            found.insert(field.name.to_owned());
        }
    });
    found
}

fn is_otherwise(field: &Field<'_>) -> bool {
    !field.beside.is_some_and(|live| satisfies(field.shape, field.value, live))
}

/// The names of the fields a manifest sets, to be asked what they have to do with other fields.
struct Asked {
    all: BTreeSet<String>,
    /// Those that are more than an empty map: it asks for itself, not for what is inside the live one.
    closed: BTreeSet<String>,
}

impl Asked {
    fn of(manifest: &Value) -> Self {
        let mut asked = Self { all: BTreeSet::new(), closed: BTreeSet::new() };
        walk(manifest, None, &mut |field| {
            asked.all.insert(field.name.to_owned());
            if !(field.value.is_object() && field.shape == Shape::Granular) {
                asked.closed.insert(field.name.to_owned());
            }
        });
        asked
    }

    /// Whether a field is one of them, holds one of them or is inside one.
    fn touches(&self, name: &str) -> bool {
        path::inside(&self.all, name).next().is_some() || path::is_covered(&self.closed, name)
    }
}

/// SHA-256, in hex, of what a live object holds in the fields a manifest sets.
pub fn digest(manifest: &Value, live: &Value) -> String {
    let mut sum = Sum::default();
    walk(manifest, Some(live), &mut |field| {
        sum.add(field.name, field.beside.unwrap_or(&Value::Null));
    });
    sum.hex()
}

/// SHA-256, in hex, of what a live object holds in the fields somebody owns there. A field that is
/// taken over by another manager changes it, also if its value stays.
pub fn digest_owned(owned: &BTreeSet<String>, live: &Value) -> String {
    let mut sum = Sum::default();
    walk(live, None, &mut |field| {
        if path::touches(owned, field.name) {
            sum.add(field.name, field.value);
        }
    });
    sum.hex()
}

/// A digest over fields and their values.
#[derive(Default)]
struct Sum {
    hash: Sha256,
    line: String,
}

impl Sum {
    fn add(&mut self, name: &str, value: &Value) {
        self.hash.update(name.as_bytes());
        self.hash.update(b"=");
        match value {
            Value::String(text) if path::plain(text) => {
                [b"\"", text.as_bytes(), b"\""].iter().for_each(|part| self.hash.update(part));
            }
            value => {
                self.line.clear();
                // Writing to a String cannot fail.
                let _ = write!(self.line, "{value}");
                self.hash.update(self.line.as_bytes());
            }
        }
        self.hash.update(b"\n");
    }

    fn hex(self) -> String {
        hex(&self.hash.finalize())
    }
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
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
