//! Growing a claim, and taking a StatefulSet away from around its members: whether the object is the
//! one that was meant, and what has to be changed of it. Pure; every world carries it out on the very
//! version it has read.

use serde_json::{Value, json};

use crate::object::ObjectKey;
use crate::stack::quantity::Quantity;

/// The merge patch that asks for a larger volume; `None`: as much is asked for already. An error says
/// how the claim is not the one that was meant.
pub fn expand(
    key: &ObjectKey,
    live: &Value,
    uid: &str,
    volume: &str,
    to: &str,
) -> Result<Option<Value>, String> {
    same(key, live, uid)?;
    if text(live, "/spec/volumeName") != volume {
        return Err(format!("{key} is bound to another volume by now"));
    }
    if bytes(text(live, "/spec/resources/requests/storage")) >= bytes(to) {
        return Ok(None);
    }
    Ok(Some(json!({ "spec": { "resources": { "requests": { "storage": to } } } })))
}

/// Whether a StatefulSet may be taken away from around its members: it is the one that was seen, and
/// nobody has changed what it asks for, its number of members above all. The next one would be made with
/// what the plan saw.
pub fn orphan(key: &ObjectKey, live: &Value, uid: &str, generation: i64) -> Result<(), String> {
    same(key, live, uid)?;
    if live.pointer("/metadata/generation").and_then(Value::as_i64) != Some(generation) {
        return Err(format!("{key} was changed since the plan was made"));
    }
    Ok(())
}

/// A size in bytes; what cannot be read is none.
pub fn bytes(size: &str) -> u64 {
    size.parse::<Quantity>().map_or(0, |size| size.bytes())
}

/// Whether an object is the one that was meant.
pub(super) fn same(key: &ObjectKey, live: &Value, uid: &str) -> Result<(), String> {
    match text(live, "/metadata/uid") == uid {
        true => Ok(()),
        false => Err(format!("{key} is another object of that name by now")),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
