//! What somebody else did to what a stack owns, apart from what the stack asks for anew; and what a
//! record learns of it. Values only.

use serde::{Deserialize, Serialize};

use super::FieldChange;
use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::stack::parts::PartAddress;

/// An object that is not as tsinfra left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The object.
    pub object: ObjectKey,
    /// What was done to it.
    pub what: What,
    /// Fields that were changed: `before` is what the stack says, `after` is what is there.
    pub fields: Vec<FieldChange>,
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Fields were set otherwise.
    Changed,
    /// It is there no more, or bears the stack's labels no more.
    Deleted,
    /// Another object has its name.
    Replaced,
}

/// One thing that a record learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// What it is about: an object's address, or `cluster.NAME`.
    pub address: String,
    /// What is learned.
    pub lesson: Lesson,
}

/// What is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lesson {
    /// It is there, and was not on the record.
    Comes,
    /// It is gone.
    Leaves,
    /// Its uid, or the id of its database.
    Identity,
    /// That it is wholly as the stack's text says.
    Settled,
}

/// What is on one record and not on an earlier one, in the order of addresses.
pub fn learned(before: &Inventory, after: &Inventory) -> Vec<Learned> {
    let mut learned = Vec::new();
    let mut learn = |address: String, lesson| learned.push(Learned { address, lesson });
    for (key, item) in &after.items {
        match before.items.get(key) {
            None => learn(key.to_string(), Lesson::Comes),
            // It was only meant to be made or touched, and nobody had seen it.
            Some(old) if old.uid.is_empty() && !item.uid.is_empty() => {
                learn(key.to_string(), Lesson::Comes);
            }
            Some(old) if old.uid != item.uid => learn(key.to_string(), Lesson::Identity),
            Some(old) if old != item => learn(key.to_string(), Lesson::Settled),
            Some(_) => {}
        }
    }
    // What was only meant, and seen by nobody, is not gone.
    let leaves = before.items.iter().filter(|(key, _)| !after.items.contains_key(*key));
    for (key, _) in leaves.filter(|(_, item)| !item.uid.is_empty()) {
        learn(key.to_string(), Lesson::Leaves);
    }
    for (name, cluster) in &before.clusters {
        let address = after.names.now(&PartAddress::cluster(name)).to_string();
        match after.clusters.get(name) {
            None => learn(address, Lesson::Leaves),
            Some(new) if new != cluster => learn(address, Lesson::Identity),
            Some(_) => {}
        }
    }
    learned.sort_by(|one, other| one.address.cmp(&other.address));
    learned
}
