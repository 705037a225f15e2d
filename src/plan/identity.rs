//! What a claim says of the member it is of, in the database's own words: the id of the database and of the
//! member in it. It can be known by that also where the database cannot be asked. Pure.

use std::collections::BTreeMap;

use db_engine::engine::{MemberState, Topology};
use serde_json::{Value, json};

use crate::object::{ANNOTATION_DATABASE, ANNOTATION_MEMBER, LABEL_STACK, ObjectKey, at};

/// Claims, and the addresses their members register with.
pub type Members = BTreeMap<ObjectKey, String>;

/// What claims are to say, by a database that was known under this id, if it was.
pub fn all<'a>(
    topology: &'a Topology,
    known: &str,
    claims: &'a Members,
) -> Vec<(&'a ObjectKey, Ids)> {
    let is_it = known.is_empty() || topology.cluster_id == known;
    // That of a member's data comes last: where it says whose it is, the others did.
    let found =
        claims.iter().rev().filter_map(|(claim, address)| Some((claim, of(topology, address)?)));
    found.filter(|_| is_it).collect()
}

/// The ids of a database and a member, by the annotations that say them.
pub type Ids = [(&'static str, String); 2];

/// What a claim is to say: the ids of its database and its member. `None`: the database does not list the
/// member as running, so that nobody knows.
pub fn of(topology: &Topology, address: &str) -> Option<Ids> {
    let member = topology.members.get(address)?;
    let is_known = member.state == MemberState::Running && !topology.cluster_id.is_empty();
    is_known.then(|| {
        [
            (ANNOTATION_DATABASE, topology.cluster_id.clone()),
            (ANNOTATION_MEMBER, member.id.to_string()),
        ]
    })
}

fn says<'a>(claim: &'a Value, name: &str) -> Option<&'a str> {
    claim.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

/// Whether a claim says all of that.
pub fn is_said(claim: &Value, ids: &[(&'static str, String)]) -> bool {
    ids.iter().all(|(name, id)| says(claim, name) == Some(id))
}

/// The database a claim says it is of, if it is not the one that is known.
pub fn another_database<'a>(claim: &'a Value, known: &str) -> Option<&'a str> {
    says(claim, ANNOTATION_DATABASE).filter(|id| *id != known)
}

/// The merge patch by which a claim of the stack says it; `None`: it does, or is on its way out. An error says
/// that it is another stack's.
pub fn mark(
    key: &ObjectKey,
    live: &Value,
    stack: &str,
    ids: &[(&'static str, String)],
) -> Result<Option<Value>, String> {
    let owner = live.get("metadata").and_then(|metadata| metadata.get("labels")?.get(LABEL_STACK));
    if owner.and_then(Value::as_str) != Some(stack) {
        return Err(format!("{key} is not this stack's by now"));
    }
    let database = ids.iter().find(|(name, _)| *name == ANNOTATION_DATABASE);
    if database.is_some_and(|(_, known)| another_database(live, known).is_some()) {
        return Err(format!("{key} says that it is of another database"));
    }
    if is_said(live, ids) || at(live, "/metadata/deletionTimestamp").is_some() {
        return Ok(None);
    }
    let annotations: BTreeMap<&str, &String> = ids.iter().map(|(name, id)| (*name, id)).collect();
    Ok(Some(json!({ "metadata": { "annotations": annotations } })))
}
