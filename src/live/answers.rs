//! What a server's answers are read into, without a server: the door for whoever tests the reading.

use serde_json::Value;

use crate::live::errors::{Asked, Failure, Trouble};
use crate::live::listing::live_object;
use crate::live::ownership::{Keep, settled};
use crate::live::{database, look, write};
use crate::object::{Kind, ObjectKey};
use crate::observed::{EventNote, LiveObject};

/// An object under its name, from what a GET answers or a list holds.
pub fn object(kind: Kind, value: Value) -> (ObjectKey, LiveObject) {
    live_object(kind, value)
}

/// The newest warnings, from the items of a list of events.
pub fn events(items: Vec<Value>) -> Vec<EventNote> {
    look::newest(items)
}

/// A refusal in words, with what to ask an administrator for.
pub fn refusal(code: u16, body: &Value) -> String {
    let ask = Asked { verb: "get", resource: "pods", group: "", namespace: Some("tsdb") };
    Trouble::Failed(Failure::read(code, body)).explain(&ask)
}

/// The fields that a refusal says belong to others: manager and path.
pub fn conflicts(code: u16, body: &Value) -> Option<Vec<(String, String)>> {
    write::conflicts(&Failure::read(code, body))
}

/// A field's path as this program writes it, from one as the server does.
pub fn path(text: &str) -> String {
    write::our_path(text)
}

/// `managedFields` after our creation has become our apply; `None`: nothing is to be done.
pub fn ownership(managed: &Value, manifest: &Value) -> Option<Value> {
    settled(managed, Keep::Manifest(manifest))
}

/// Why a Secret gives no login; `None`: it does.
pub fn no_login(secret: &Value) -> Option<String> {
    database::read_login(secret).err()
}
