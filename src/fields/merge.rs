//! Server-side apply on plain values: what an object becomes when a manifest is applied to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::path::{Element, Path, Shape, is_covered, is_same_element, shape};
use super::walk::walk;
use super::{Asked, leaves, satisfies, value_at};

/// What a live object becomes when its owner applies a manifest: fields it sets are set, fields
/// it owned and sets no more are removed, everything else stays.
pub fn applied(live: &Value, manifest: &Value, owned: &BTreeSet<String>) -> Value {
    let mut result = live.clone();
    let asked = Asked::of(manifest);
    let is_dropped = |name: &str| is_covered(owned, name) && !asked.touches(name);
    let mut drops = false;
    walk(live, None, &mut |field| drops = drops || is_dropped(field.name));
    if drops {
        take_out_dropped(&mut result, live, is_dropped);
    }
    overlay(Place { field: None, in_containers: false }, &mut result, manifest);
    result
}

fn take_out_dropped(result: &mut Value, live: &Value, is_dropped: impl Fn(&str) -> bool) {
    let held: BTreeSet<Path> = leaves(live).into_keys().collect();
    let dropped = held.iter().filter(|path| is_dropped(&path.to_string()));
    let dropped: BTreeSet<Path> = dropped.cloned().collect();
    for path in &dropped {
        match whole_element(path, &held, &dropped) {
            Some(element) => remove(result, &element),
            // Without its keys an element of a list is nobody.
            None if is_key(path) => {}
            None => remove(result, path),
        }
    }
}

/// The outermost list element around a field of which everything is dropped.
fn whole_element(path: &Path, held: &BTreeSet<Path>, dropped: &BTreeSet<Path>) -> Option<Path> {
    let ends = (1..=path.0.len()).filter(|end| matches!(path.0[end - 1], Element::Keyed(_)));
    let elements = ends.map(|end| &path.0[..end]);
    let mut gone = elements.filter(|element| {
        held.iter().filter(|one| one.0.starts_with(element)).all(|one| dropped.contains(one))
    });
    gone.next().map(|element| Path(element.to_vec()))
}

/// Whether a field is one of the keys of the list element it stands in.
fn is_key(path: &Path) -> bool {
    match path.0.as_slice() {
        [.., Element::Keyed(keys), Element::Field(name)] => keys.iter().any(|(key, _)| key == name),
        _ => false,
    }
}

/// Where a value stands, as far as it matters for how it is owned.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The last field's name; none in an element of a list.
    field: Option<&'a str>,
    /// Whether that is somewhere inside `containers`.
    in_containers: bool,
}

fn overlay(place: Place<'_>, live: &mut Value, asked: &Value) {
    let in_containers = place.in_containers || place.field == Some("containers");
    let shape = place.field.map_or(Shape::Granular, |field| shape(field, || in_containers));
    match (&mut *live, asked, shape) {
        (Value::Object(live), Value::Object(asked), Shape::Granular) => {
            for (name, asked) in asked {
                let place = Place { field: Some(name), in_containers };
                overlay(place, live.entry(name.clone()).or_insert(Value::Null), asked);
            }
        }
        (Value::Array(list), Value::Array(asked), Shape::Keyed(keys)) => {
            for asked in asked {
                let place = list.iter().position(|one| is_same_element(keys, one, asked));
                let index = place.unwrap_or_else(|| {
                    list.push(Value::Object(Map::new()));
                    list.len() - 1
                });
                overlay(Place { field: None, in_containers }, &mut list[index], asked);
            }
        }
        _ => {
            if !satisfies(shape, asked, live) {
                *live = asked.clone();
            }
        }
    }
}

/// Takes a field out of an object, and the maps and list elements that are empty without it.
pub fn remove(object: &mut Value, path: &Path) {
    if value_at(object, path).is_some() {
        take_out(object, &path.0);
    }
}

fn take_out(value: &mut Value, rest: &[Element]) -> bool {
    let Some((first, rest)) = rest.split_first() else { return true };
    match (value, first) {
        (Value::Object(map), Element::Field(name)) => {
            if map.get_mut(name).is_some_and(|child| take_out(child, rest)) {
                map.remove(name);
            }
            map.is_empty()
        }
        (Value::Array(list), Element::Keyed(_) | Element::Member(_)) => {
            let Some(place) = list.iter().position(|candidate| first.names(candidate)) else {
                return list.is_empty();
            };
            let only_keys_left = take_out(&mut list[place], rest) || bare(&list[place], first);
            if only_keys_left {
                list.remove(place);
            }
            list.is_empty()
        }
        _ => false,
    }
}

fn bare(value: &Value, element: &Element) -> bool {
    match (value, element) {
        (Value::Object(map), Element::Keyed(keys)) => {
            map.keys().all(|name| keys.iter().any(|(key, _)| key == name))
        }
        _ => false,
    }
}
