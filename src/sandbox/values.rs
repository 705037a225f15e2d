//! Places inside a manifest: read without fuss, written without panic.

use serde_json::{Map, Value};

use crate::object;

static NULL: Value = Value::Null;

/// What stands at a JSON pointer; null where nothing does.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    object::at(value, pointer).unwrap_or(&NULL)
}

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The list at a JSON pointer; empty where there is none.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Puts a value in its place, making the maps on the way.
pub(super) fn put(value: &mut Value, place: &[&str], new: Value) {
    let Some((first, rest)) = place.split_first() else {
        *value = new;
        return;
    };
    put(map_of(value).entry(*first).or_insert(Value::Null), rest, new);
}

/// Puts a value in its place unless something is there already.
pub(super) fn fill(value: &mut Value, place: &[&str], default: Value) {
    let taken = place.iter().try_fold(&*value, |value, name| value.get(*name));
    if taken.is_none_or(Value::is_null) {
        put(value, place, default);
    }
}

/// Takes a field out, if it is there.
pub(super) fn take(value: &mut Value, place: &[&str]) {
    let Some((last, way)) = place.split_last() else { return };
    let inner = way.iter().try_fold(value, |value, name| value.get_mut(*name));
    if let Some(Value::Object(map)) = inner {
        map.remove(*last);
    }
}

/// The elements of a list inside, to be changed.
pub(super) fn each_in<'a>(
    value: &'a mut Value,
    pointer: &str,
) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The map a value is, or is made into.
pub(super) fn map_of(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made a map above"),
    }
}
