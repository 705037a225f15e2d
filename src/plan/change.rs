//! Changing an object in place: whether there is anything to change, and whether the object is still
//! the one the change was meant for. Pure; every world asks it of the very state it then writes to.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fields;
use crate::object::ObjectKey;

/// A change, as a plan means it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The object.
    pub object: &'a ObjectKey,
    /// The uid it must have.
    pub uid: &'a str,
    /// What its fields must be now, as a digest; see [`fields::digest`].
    pub digest: &'a str,
    /// What it shall be.
    pub manifest: &'a Value,
}

impl Change<'_> {
    /// Whether it is still to be made; an error says how the object is not as it was meant. Who
    /// wakes up late and finds the change of somebody else must not undo it.
    pub fn is_due(&self, live: &Value, owned: &BTreeSet<String>) -> Result<bool, String> {
        let Self { object, uid, digest, manifest } = self;
        if live.pointer("/metadata/uid").and_then(Value::as_str) != Some(*uid) {
            return Err(format!("{object} is another object of that name by now"));
        }
        if fields::departures(manifest, live, owned).is_empty() {
            return Ok(false);
        }
        if fields::digest(manifest, live) != *digest {
            return Err(format!("{object} was changed in fields the plan changes"));
        }
        Ok(true)
    }
}
