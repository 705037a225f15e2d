//! Visiting an object's fields one by one, each with its name and with what another object has in its
//! place, without building any of it up: worlds and plans ask for this more often than for anything.

use std::fmt::Write as _;

use serde_json::Value;

use super::is_the_servers;
use super::path::{Shape, is_same_element, plain, shape};

/// A field of an object.
pub struct Field<'a> {
    /// Its name, as [`super::path::Path`] writes it.
    pub name: &'a str,
    /// How the list or map it is, if it is one, is owned.
    pub shape: Shape,
    /// What it is.
    pub value: &'a Value,
    /// What the other object has there.
    pub beside: Option<&'a Value>,
}

/// Visits what [`super::leaves`] names, in the same order.
pub fn walk(object: &Value, beside: Option<&Value>, visit: &mut impl FnMut(&Field<'_>)) {
    let mut walk = Walk { name: String::new(), containers: 0, visit };
    walk.go(Place { depth: 0, in_metadata: false, field: None }, object, beside);
}

struct Walk<'v, V: FnMut(&Field<'_>)> {
    name: String,
    /// How many of the fields around are called `containers`.
    containers: usize,
    visit: &'v mut V,
}

/// Where a walk is, as far as it matters.
#[derive(Clone, Copy)]
struct Place<'a> {
    depth: usize,
    in_metadata: bool,
    /// The last field's name; none in an element of a list.
    field: Option<&'a str>,
}

impl<V: FnMut(&Field<'_>)> Walk<'_, V> {
    fn go(&mut self, place: Place<'_>, value: &Value, beside: Option<&Value>) {
        let inside = self.containers > 0;
        let shape = place.field.map_or(Shape::Granular, |field| shape(field, || inside));
        match (value, shape) {
            (Value::Object(map), Shape::Granular) if !map.is_empty() => {
                for (field, child) in map {
                    self.field(place, field, child, beside.and_then(|it| it.get(field)));
                }
            }
            (Value::Array(list), Shape::Keyed(keys)) => {
                for child in in_order(keys, list) {
                    let beside = beside.and_then(Value::as_array);
                    let is_it = |other: &&Value| is_same_element(keys, other, child);
                    let beside = beside.and_then(|list| list.iter().find(is_it));
                    let end = self.name.len();
                    push_keyed(&mut self.name, keys, child);
                    self.go(
                        Place { depth: place.depth + 1, in_metadata: false, field: None },
                        child,
                        beside,
                    );
                    self.name.truncate(end);
                }
            }
            _ => (self.visit)(&Field { name: &self.name, shape, value, beside }),
        }
    }

    fn field(&mut self, place: Place<'_>, field: &str, child: &Value, beside: Option<&Value>) {
        let depth = place.depth + 1;
        if is_the_servers(depth, place.in_metadata, field) {
            return;
        }
        let end = self.name.len();
        push_field(&mut self.name, field);
        let is_containers = field == "containers";
        self.containers += usize::from(is_containers);
        let in_metadata = depth == 1 && field == "metadata";
        self.go(Place { depth, in_metadata, field: Some(field) }, child, beside);
        self.containers -= usize::from(is_containers);
        self.name.truncate(end);
    }
}

/// The elements of a list in the order of their keys.
fn in_order<'a>(keys: &[&str], list: &'a [Value]) -> Vec<&'a Value> {
    let mut all: Vec<&Value> = list.iter().collect();
    if all.len() < 2 {
        return all;
    }
    if let [key] = keys
        && let Some(mut named) = all
            .iter()
            .map(|one| Some((one.get(*key)?.as_str().filter(|name| plain(name))?, *one)))
            .collect::<Option<Vec<_>>>()
    {
        // Plain texts are in the order of their JSON texts.
        named.sort_by_key(|(name, _)| *name);
        return named.into_iter().map(|(_, one)| one).collect();
    }
    let text = |value: &&Value| -> Vec<String> {
        keys.iter().map(|key| value.get(*key).unwrap_or(&Value::Null).to_string()).collect()
    };
    all.sort_by_cached_key(text);
    all
}

/// Writes a field of a map after a name.
pub(super) fn push_field(name: &mut String, field: &str) {
    if plain(field) {
        name.push('.');
        name.push_str(field);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(name, "[{}]", Value::from(field));
    }
}

/// Writes an element of a list after a name.
fn push_keyed(name: &mut String, keys: &[&str], element: &Value) {
    for (index, key) in keys.iter().enumerate() {
        name.push(if index == 0 { '[' } else { ',' });
        name.push_str(key);
        name.push('=');
        match element.get(*key).unwrap_or(&Value::Null) {
            Value::String(text) if plain(text) => name.push_str(text),
            value => drop(write!(name, "{value}")),
        }
    }
    name.push(']');
}
