//! One step: an action, why, what must be so before it, and when it is done.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::{Kind, ObjectKey};

/// A step's name, built from what it does, e.g. `create/StatefulSet/tsdb/history-hot`:
/// the same in two plannings of the same thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What it is to a reader: verb first.
    pub title: String,
    /// Why, as a clause after "because".
    pub because: String,
    /// What must still be so just before it is done.
    pub expects: Vec<Expect>,
    /// Steps that must be done before.
    pub after: BTreeSet<StepId>,
    /// When it is done.
    pub until: Until,
    /// How long that may take, in seconds.
    pub limit_seconds: u64,
    /// What it may do to data.
    pub risk: Risk,
    /// Bytes of storage it deletes, by the size of the claim; 0 where it deletes none.
    pub bytes: u64,
}

/// What is done to the world. Each is safe to say twice: creating what is there with the same
/// uid, or deleting what is gone, is told apart from doing it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make an object that is not there (POST: never an upsert).
    Create {
        /// Its name.
        object: ObjectKey,
        /// Its manifest.
        manifest: Value,
    },
    /// Change an object in place (server-side apply that carries the uid: never a creation).
    Update {
        /// Its name.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// Its whole manifest.
        manifest: Value,
        /// Whether fields others have set are taken; only ever with entries in the plan's conflicts.
        force: bool,
    },
    /// Remove an object (with a uid precondition).
    Delete {
        /// Its name.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
    },
    /// Do nothing but wait.
    Await,
}

impl Action {
    /// The object it acts on.
    pub fn object(&self) -> Option<&ObjectKey> {
        match self {
            Self::Create { object, .. }
            | Self::Update { object, .. }
            | Self::Delete { object, .. } => Some(object),
            Self::Await => None,
        }
    }

    /// Where it stands among steps that could start at the same time: makers in the order kinds
    /// come to be, then waits, then removals in the opposite order.
    pub fn rank(&self) -> i32 {
        let place = |kind: Kind| kind as i32;
        match self {
            Self::Create { object, .. } | Self::Update { object, .. } => place(object.kind),
            Self::Await => 100,
            Self::Delete { object, .. } => 200 - place(object.kind),
        }
    }
}

/// What must still be so just before a step acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// No such object.
    Absent {
        /// Its name.
        object: ObjectKey,
    },
    /// The object, with this uid, and its fields as the plan saw them.
    Unchanged {
        /// Its name.
        object: ObjectKey,
        /// The uid seen.
        uid: String,
        /// Digest of the fields the plan looked at; see [`crate::fields::digest`].
        digest: String,
    },
    /// All members of the StatefulSet are ready. Steps before this one may have to bring that
    /// about, so it is asked only when the step's turn comes.
    Ready {
        /// Its name.
        object: ObjectKey,
    },
    /// The pod with this uid is not ready, if it is still there.
    Away {
        /// Its name.
        object: ObjectKey,
        /// The uid seen.
        uid: String,
    },
}

impl Expect {
    /// The object it is about.
    pub fn object(&self) -> &ObjectKey {
        match self {
            Self::Absent { object }
            | Self::Unchanged { object, .. }
            | Self::Ready { object }
            | Self::Away { object, .. } => object,
        }
    }
}

/// When a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// As soon as it was said.
    Said,
    /// The StatefulSet has these members, all of the newest revision, all ready, and no other.
    Rolled {
        /// The StatefulSet.
        object: ObjectKey,
        /// How many members.
        replicas: u32,
    },
    /// The controller of the StatefulSet works by its newest form: what it makes from now on is
    /// of that one.
    Heard {
        /// The StatefulSet.
        object: ObjectKey,
    },
    /// The object is gone.
    Gone {
        /// Its name.
        object: ObjectKey,
    },
    /// No pod of the StatefulSet is left.
    PodsGone {
        /// The StatefulSet.
        object: ObjectKey,
    },
    /// The claim is gone and so is the volume it was bound to.
    Freed {
        /// The claim.
        claim: ObjectKey,
        /// The volume it was bound to, if it was.
        volume: Option<ObjectKey>,
    },
    /// The database lists each of these members as running.
    Joined {
        /// The cluster.
        cluster: String,
        /// Members by the address they register with.
        addresses: BTreeSet<String>,
    },
}

impl Until {
    /// Whether there is anything to wait for.
    pub fn waits(&self) -> bool {
        !matches!(self, Self::Said)
    }
}

/// What a step may do to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing.
    None,
    /// Members restart one after the other.
    Restarts,
    /// Data is deleted for good.
    Deletes,
    /// The database becomes reachable from elsewhere.
    Exposes,
}
