//! Fewer members of a StatefulSet, and no other change of it; and its end once it has none. Pure; every world carries it out on the very
//! version it has read.

use serde_json::{Value, json};

use super::growth::same;
use crate::object::ObjectKey;
use crate::wording::count;

/// The merge patch by which a StatefulSet has this many members; `None`: it has. An error says how it is
/// not the one that was meant, or that somebody has scaled it since.
pub fn scale(
    key: &ObjectKey,
    live: &Value,
    uid: &str,
    (from, to): (u32, u32),
) -> Result<Option<Value>, String> {
    same(key, live, uid)?;
    let has = live.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    match has {
        _ if has == u64::from(to) => Ok(None),
        _ if has == u64::from(from) => Ok(Some(json!({ "spec": { "replicas": to } }))),
        _ => Err(format!("{key} is to have {has} members by now, not {from}")),
    }
}

/// Whether a StatefulSet may be removed: it is the one that was seen, and nobody has given it members.
pub fn deserted(key: &ObjectKey, live: &Value, uid: &str) -> Result<(), String> {
    same(key, live, uid)?;
    match live.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1) {
        0 => Ok(()),
        has => Err(format!(
            "{key} is to have {} by now",
            count(usize::try_from(has).unwrap_or(usize::MAX), "member")
        )),
    }
}
