//! One step: an action, why, what must be so before it, and when it is done.

use std::collections::BTreeSet;
use std::fmt;

use db_engine::statement::Statement;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::Members;
use super::labels::Relabeling;
use crate::object::{Kind, Labels, ObjectKey};
use crate::observed::DatabaseScope;

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
#[serde(deny_unknown_fields)]
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

impl Step {
    /// A step that is done once it was said, and does nothing to data.
    pub fn said(
        action: Action,
        title: String,
        because: impl Into<String>,
        after: BTreeSet<StepId>,
        limit_seconds: u64,
    ) -> Self {
        Self { action, ..Self::waiting(title, because, after, Until::Said, limit_seconds) }
    }

    /// The same step for the pod that came in the place of the one it deletes.
    #[must_use]
    pub fn of_pod(&self, new: &str) -> Self {
        let mut step = self.clone();
        let mut uids: Vec<&mut String> = Vec::new();
        if let Action::Delete { uid, .. } = &mut step.action {
            uids.push(uid);
        }
        if let Until::Remade { uid, .. } = &mut step.until {
            uids.push(uid);
        }
        uids.extend(step.expects.iter_mut().filter_map(|expect| match expect {
            Expect::Away { uid, .. } => Some(uid),
            _ => None,
        }));
        uids.into_iter().for_each(|uid| new.clone_into(uid));
        step
    }

    /// A step that does nothing but wait.
    pub fn waiting(
        title: String,
        because: impl Into<String>,
        after: BTreeSet<StepId>,
        until: Until,
        limit_seconds: u64,
    ) -> Self {
        Self {
            action: Action::Await,
            title,
            because: because.into(),
            expects: Vec::new(),
            after,
            until,
            limit_seconds,
            risk: Risk::None,
            bytes: 0,
        }
    }
}

/// What is done to the world. Each is safe to say twice: creating what is there with the same
/// uid, or deleting what is gone, is told apart from doing it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Make an object that is not there (POST: never an upsert).
    Create {
        /// Its name.
        object: ObjectKey,
        /// Its manifest.
        manifest: Value,
    },
    /// Change an object in place (server-side apply that carries the uid and the version of the
    /// state it is meant for: never a creation, and never over somebody else's change).
    Update {
        /// Its name.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// Digest of its fields as the plan saw them; see [`crate::fields::digest`].
        #[serde(default)]
        digest: String,
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
    /// Remove a pod whose machine is gone, without waiting for anybody there to say that it has stopped (a
    /// deletion with the uid as precondition and no grace period).
    Abandon {
        /// The pod.
        pod: ObjectKey,
        /// The uid it must have.
        uid: String,
    },
    /// Keep a volume with its data when its claim goes, and mark it as condemned with that claim,
    /// so that an apply that is stopped in between is taken up (a merge patch that carries uid and
    /// version). The claim may then be deleted: nothing is lost by it yet.
    Hold {
        /// The volume.
        volume: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// The uid of the claim it must be bound to.
        claim: String,
        /// Labels it gets: whose data it holds.
        labels: Labels,
    },
    /// Have a volume's driver delete it, with its data. Carried out only while the volume is
    /// released by the very claim it was held for: all of that stands in the one object, so that
    /// a change by its version is safe against everybody else, as deleting a claim never is
    /// (research E §0, findings 3 and 4).
    Purge {
        /// The volume.
        volume: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// The uid of the claim that released it.
        claim: String,
    },
    /// Set and remove labels, and touch nothing else (a merge patch that carries uid and version).
    Relabel {
        /// The object.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// Labels to set and, without a value, to remove.
        labels: Relabeling,
    },
    /// Say something to a database, about a member of it. Never said twice: what came of it is seen in
    /// the database's own view.
    Say {
        /// The pod of the member it is about.
        member: ObjectKey,
        /// The database; asked through any pod but that one.
        database: DatabaseScope,
        /// What is said.
        statement: Statement,
    },
    /// Let a helper Job that was made suspended begin (a merge patch that carries uid and version, held
    /// against [`crate::plan::job::start`]). What destroys data is never begun by a creation: one that a
    /// paused process sends late would come to a world that has gone on, and nothing could tell.
    Start {
        /// The Job.
        job: ObjectKey,
        /// Labels it must bear.
        labels: Labels,
    },
    /// Remove a helper Job this plan has made, once it has done its work. Its uid is not known before:
    /// it is read, held against [`crate::plan::job::done`], and removed by the uid that was read.
    Retire {
        /// The Job.
        job: ObjectKey,
        /// Labels it must bear.
        labels: Labels,
    },
    /// Ask for a larger volume behind a claim (a merge patch that carries uid and version). Carried out
    /// only while less is asked for, of the very volume the plan has seen.
    Expand {
        /// The claim.
        claim: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// The name of the volume it must be bound to.
        volume: String,
        /// The size it asked for when the plan was made, as Kubernetes writes sizes.
        from: String,
        /// The size it shall ask for.
        to: String,
    },
    /// Have a StatefulSet have fewer members, and change nothing else of it (a merge patch that carries uid
    /// and version). Carried out only while it has as many as the plan expects at this step.
    Scale {
        /// The StatefulSet.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// How many members it has.
        from: u32,
        /// How many it shall have.
        to: u32,
    },
    /// Remove a StatefulSet that has no members (a deletion with the uid and the version that was read as
    /// preconditions: one that somebody has given members since stays).
    Dissolve {
        /// The StatefulSet.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
    },
    /// Take a StatefulSet away from around its members, which stay as they are, so that one with other
    /// claims can be made around them (a deletion that orphans what belongs to it, with the uid and the
    /// version that was read as preconditions).
    Orphan {
        /// The StatefulSet.
        object: ObjectKey,
        /// The uid it must have.
        uid: String,
        /// How often its specification was changed, as the plan saw it.
        generation: i64,
    },
    /// Write on claims whose they are, as far as the database lists their members as running: what it does
    /// not say now is written by a later plan (merge patches that carry uid and version).
    Identify {
        /// The StatefulSet of the members.
        set: ObjectKey,
        /// The stack the claims must belong to.
        stack: String,
        /// The database.
        database: DatabaseScope,
        /// The id it had when the plan was made, if it was asked; under another one it says nothing.
        known: String,
        /// The claims, and the addresses their members register with.
        claims: Members,
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
            | Self::Delete { object, .. }
            | Self::Relabel { object, .. }
            | Self::Say { member: object, .. }
            | Self::Orphan { object, .. }
            | Self::Scale { object, .. }
            | Self::Dissolve { object, .. }
            | Self::Identify { set: object, .. }
            | Self::Abandon { pod: object, .. }
            | Self::Expand { claim: object, .. }
            | Self::Hold { volume: object, .. }
            | Self::Purge { volume: object, .. }
            | Self::Start { job: object, .. }
            | Self::Retire { job: object, .. } => Some(object),
            Self::Await => None,
        }
    }

    /// Where it stands among steps that could start at the same time: makers in the order kinds
    /// come to be, then waits, then removals in the opposite order, and data last.
    pub fn rank(&self) -> i32 {
        let place = |kind: Kind| kind as i32;
        match self {
            Self::Create { object, .. }
            | Self::Update { object, .. }
            | Self::Relabel { object, .. }
            | Self::Orphan { object, .. }
            | Self::Scale { object, .. }
            | Self::Expand { claim: object, .. } => place(object.kind),
            Self::Await => 100,
            Self::Identify { .. } => 110,
            Self::Say { .. } => 120,
            Self::Hold { .. } => 150,
            // Helpers go as soon as they have done their work.
            Self::Start { job, .. } | Self::Retire { job, .. } => place(job.kind),
            Self::Delete { object, .. } if object.kind == Kind::Job => place(object.kind),
            Self::Delete { object, .. }
            | Self::Dissolve { object, .. }
            | Self::Abandon { pod: object, .. } => 200 - place(object.kind),
            Self::Purge { .. } => 300,
        }
    }
}

/// What must still be so just before a step acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    /// All members of the StatefulSet are ready, or the pod is. Steps before this one may have to bring that
    /// about, so it is asked only when the step's turn comes.
    Ready {
        /// Its name.
        object: ObjectKey,
    },
    /// The volume with this uid belongs to the claim with this uid, bound or released.
    BelongsTo {
        /// The volume.
        object: ObjectKey,
        /// The uid seen.
        uid: String,
        /// The claim's uid.
        claim: String,
    },
    /// The object (a claim, the pod of a claim that goes, or a Job that failed) is gone, and nothing has
    /// made another of its name. Steps before this one bring that about, so it is asked only when the
    /// step's turn comes.
    LetGo {
        /// Its name.
        object: ObjectKey,
    },
    /// The database answers, lists the member under this id, and all its other members as running:
    /// a member is told to leave only then. Steps before this one may change who that is, so it is
    /// asked only when the step's turn comes.
    Whole {
        /// The member's pod.
        object: ObjectKey,
        /// The cluster.
        cluster: String,
        /// The address the member registered with.
        address: String,
        /// The engine's own id of it.
        id: i64,
    },
    /// The database answers, lists the member under this id as not running, and all others of its kind as
    /// running: only then nothing is lost by giving it up. Steps before this one may change who they are, so
    /// it is asked only when the step's turn comes.
    Lost {
        /// The member's pod.
        object: ObjectKey,
        /// The cluster.
        cluster: String,
        /// The address the member registered with.
        address: String,
        /// The engine's own id of it.
        id: i64,
    },
    /// The database answers, and lists no member of this address: it holds nothing there. Steps before
    /// this one bring that about, so it is asked only when the step's turn comes.
    Left {
        /// The member's pod.
        object: ObjectKey,
        /// The cluster.
        cluster: String,
        /// The address the member registered with.
        address: String,
    },
    /// The StatefulSet is there and asks for no more members than this. Steps before this one may have
    /// to bring that about, so it is asked only when the step's turn comes.
    AtMost {
        /// Its name.
        object: ObjectKey,
        /// How many members.
        replicas: u32,
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
            | Self::BelongsTo { object, .. }
            | Self::LetGo { object }
            | Self::AtMost { object, .. }
            | Self::Whole { object, .. }
            | Self::Lost { object, .. }
            | Self::Left { object, .. }
            | Self::Away { object, .. } => object,
        }
    }

    /// Whether steps before its own may have to bring it about: then it is asked only when the
    /// step's turn comes.
    pub fn is_brought_about(&self) -> bool {
        matches!(
            self,
            Self::Ready { .. }
                | Self::LetGo { .. }
                | Self::AtMost { .. }
                | Self::Whole { .. }
                | Self::Lost { .. }
                | Self::Left { .. }
        )
    }

    /// The cluster whose database has to be asked.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Whole { cluster, .. }
            | Self::Lost { cluster, .. }
            | Self::Left { cluster, .. } => Some(cluster),
            _ => None,
        }
    }
}

/// When a step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
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
    /// The object with this uid is gone; another of its name may be there.
    Renewed {
        /// Its name.
        object: ObjectKey,
        /// The uid that is to be gone.
        uid: String,
    },
    /// Another pod of this name is there than the one with this uid: of the StatefulSet's newest form, or one that is
    /// ready. A broken one of an older form, which its controller may make during a rollout, is deleted again.
    Remade {
        /// The pod.
        object: ObjectKey,
        /// The uid that is to be gone.
        uid: String,
        /// The StatefulSet it is of.
        set: ObjectKey,
    },
    /// The StatefulSet or Job is gone, and no pod of it is left.
    PodsGone {
        /// The StatefulSet or Job.
        object: ObjectKey,
    },
    /// The Job has done its work.
    Finished {
        /// The Job.
        object: ObjectKey,
    },
    /// The claim is gone, and its volume says that it is released: the data are still there.
    Released {
        /// The claim.
        claim: ObjectKey,
        /// The volume it was bound to.
        volume: ObjectKey,
    },
    /// The database answers, and lists the member of this address and id no more: it holds nothing.
    Left {
        /// The cluster.
        cluster: String,
        /// The address the member registered with.
        address: String,
        /// The engine's own id of it; started again, it is another one.
        id: i64,
    },
    /// The claim's volume has at least this size, and so has the file system on it.
    Expanded {
        /// The claim.
        claim: ObjectKey,
        /// The size, as Kubernetes writes sizes.
        size: String,
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
    /// A member hands what it stores to the others.
    Moves,
    /// Members restart one after the other.
    Restarts,
    /// Data is deleted for good.
    Deletes,
    /// The database becomes reachable from elsewhere.
    Exposes,
}
