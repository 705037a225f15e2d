//! The name of a field inside an object, and which lists and maps are owned as a whole.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Bound;

use serde_json::Value;

/// A field's place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Element>);

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A map's field.
    Field(String),
    /// An element of a list with keys: each key and its value, as JSON text.
    Keyed(Vec<(String, String)>),
    /// A value of a list that is a set, as JSON text.
    Member(String),
    /// Anything in a list by its place; only seen in what other tools own.
    Index(usize),
}

/// How a list or map is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Field by field; a list of this shape is owned as a whole.
    Granular,
    /// A map owned as a whole.
    AtomicMap,
    /// A list whose elements are told apart by these keys.
    Keyed(&'static [&'static str]),
}

/// How the list or map at a path is owned, after the `x-kubernetes-list-type`, `-list-map-keys`
/// and `-map-type` marks of the API's OpenAPI schema (v1.36) for the kinds tsinfra writes.
pub fn shape_of(path: &Path) -> Shape {
    let Some(Element::Field(name)) = path.0.last() else { return Shape::Granular };
    let is_containers = |it: &Element| matches!(it, Element::Field(name) if name == "containers");
    shape(name, || path.0.iter().any(is_containers))
}

/// The same by the last field's name, and whether it is somewhere inside `containers`.
pub(super) fn shape(name: &str, in_containers: impl FnOnce() -> bool) -> Shape {
    match name {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => {
            Shape::Keyed(&["name"])
        }
        "ports" if in_containers() => Shape::Keyed(&["containerPort", "protocol"]),
        "ports" => Shape::Keyed(&["port", "protocol"]),
        "volumeMounts" => Shape::Keyed(&["mountPath"]),
        "topologySpreadConstraints" => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
        "conditions" => Shape::Keyed(&["type"]),
        "ownerReferences" => Shape::Keyed(&["uid"]),
        "selector" | "labelSelector" | "nodeSelector" | "fieldRef" | "required" => Shape::AtomicMap,
        _ => Shape::Granular,
    }
}

/// Whether one path text names another field or something that field is inside of.
pub fn covers(outer: &str, inner: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

/// Whether a path text names one of these fields, something inside one, or what one is inside of:
/// whether one of them [`covers`] it or it covers one of them. Not every one of them is looked at.
pub fn touches(fields: &BTreeSet<String>, path: &str) -> bool {
    is_covered(fields, path) || inside(fields, path).next().is_some()
}

/// Whether one of these fields [`covers`] a path text. Not every one of them is looked at.
pub fn is_covered(fields: &BTreeSet<String>, path: &str) -> bool {
    let ends = path.match_indices(['.', '[']).map(|(end, _)| end).chain([path.len()]);
    ends.filter_map(|end| path.get(..end)).any(|outer| fields.contains(outer))
}

/// Those of these fields that a path text [`covers`]. Not every one of them is looked at.
pub fn inside<'a>(
    fields: &'a BTreeSet<String>,
    path: &'a str,
) -> impl Iterator<Item = &'a String> + use<'a> {
    let from = (Bound::Included(path), Bound::Unbounded);
    let beginning = fields.range::<str, _>(from).take_while(move |it| it.starts_with(path));
    beginning.filter(move |field| covers(path, field))
}

/// Whether two elements of a list with these keys are one and the same.
pub(super) fn is_same_element(keys: &[&str], one: &Value, other: &Value) -> bool {
    keys.iter().all(|key| one.get(*key) == other.get(*key))
}

impl Element {
    /// The element of a keyed list that a value stands for.
    pub fn keyed(keys: &[&str], value: &Value) -> Self {
        let part = |key: &&str| {
            let value = value.get(*key).unwrap_or(&Value::Null);
            ((*key).to_owned(), value.to_string())
        };
        Self::Keyed(keys.iter().map(part).collect())
    }

    /// The element a key of a `fieldsV1` map stands for: `f:name`, `k:{…}`, `v:…`, `i:n`.
    pub fn from_fields_v1(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "v" => Some(Self::Member(rest.to_owned())),
            "i" => rest.parse().ok().map(Self::Index),
            "k" => {
                let keys: serde_json::Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Keyed(keys.into_iter().map(|(key, v)| (key, v.to_string())).collect()))
            }
            _ => None,
        }
    }

    /// The part of a value this element names.
    pub fn step_into<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            Self::Keyed(_) | Self::Member(_) => {
                value.as_array()?.iter().find(|candidate| self.names(candidate))
            }
            Self::Index(index) => value.get(index),
        }
    }

    /// Whether this element names that value of a list.
    pub fn names(&self, candidate: &Value) -> bool {
        match self {
            Self::Keyed(keys) => keys.iter().all(|(key, wanted)| {
                let found = candidate.get(key).unwrap_or(&Value::Null).to_string();
                found == *wanted
            }),
            Self::Member(text) => {
                let found = candidate.to_string();
                found == *text
            }
            Self::Field(_) | Self::Index(_) => false,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}

/// Whether a text stands in a path as it is, without quotes.
pub(super) fn plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) if plain(name) => write!(f, ".{name}"),
            Self::Field(name) => write!(f, "[{}]", Value::from(name.as_str())),
            Self::Keyed(keys) => {
                let parts: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| match value.trim_matches('"') {
                        bare if plain(bare) => format!("{key}={bare}"),
                        _ => format!("{key}={value}"),
                    })
                    .collect();
                write!(f, "[{}]", parts.join(","))
            }
            Self::Member(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
