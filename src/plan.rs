//! A plan as a value: what will change, in which steps, why, and when each step is done.

pub mod change;
pub mod drift;
pub mod growth;
pub mod identity;
pub mod job;
pub mod labels;
pub mod outlook;
pub mod saved;
pub mod scale;
pub mod seen;
pub mod selection;
pub mod step;
pub mod volume;

use std::collections::{BTreeMap, BTreeSet};

use db_engine::engine::{MemberState, Topology, TopologyMember, host};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::observed::DatabaseScope;
use crate::sealed::Format;
use crate::stack::Move;
use crate::stack::parts::{Names, PartAddress};
use drift::{Drift, Learned};
use outlook::Outlook;
use seen::Seen;
use selection::Selected;
use step::{Step, StepId, Until};

/// The version of saved plans. One of another major number is refused. Of a later minor number,
/// members that are not known are passed over, so those may only be what is shown; but a step that
/// is half understood must not run, nor a check be left out: in [`Step`] and [`Basis`], and in what
/// they hold, any member, action, expectation or wait that is not known refuses the whole file.
pub const PLAN_FORMAT: Format = Format { major: 1, minor: 7 };

/// Everything an apply does, decided beforehand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format.
    pub format: Format,
    /// The stack it is for.
    pub stack: String,
    /// The stack's namespace.
    pub namespace: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it was made from; an apply of anything else is refused.
    pub basis: Basis,
    /// What others did to what the stack owns since tsinfra last applied, by object.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// What the record learns, if the plan is to bring it up to date and nothing else.
    #[serde(default)]
    pub learns: Vec<Learned>,
    /// The member it replaces, by its pod, if it does.
    #[serde(default)]
    pub replaces: Option<String>,
    /// What it is only a part by, if it is one.
    #[serde(default)]
    pub selection: Option<Selected>,
    /// Parts that are called otherwise from now on: their objects keep their names.
    #[serde(default)]
    pub moved: Vec<Move>,
    /// What parts are called whose objects were made under other names.
    #[serde(default)]
    pub names: Names,
    /// What changes, by object.
    pub changes: BTreeMap<ObjectKey, Change>,
    /// How, in what order. Acyclic: [`Plan::order`] says so.
    pub steps: BTreeMap<StepId, Step>,
    /// What a safety rule or Kubernetes refuses: as long as there is one, nothing is applied.
    pub blocked: Vec<Blocked>,
    /// Fields others have set that the stack also sets.
    pub conflicts: Vec<Conflict>,
    /// What a change of members means for region replicas, by cluster.
    #[serde(default)]
    pub outlooks: Vec<Outlook>,
    /// What the reader should know, and is no change.
    pub notes: Vec<String>,
    /// The record to keep once everything is done; the intent is kept before the first step.
    pub inventory: Inventory,
    /// Whether the record that is there says otherwise, so that it has to be kept even if nothing
    /// else is to be done.
    #[serde(default)]
    pub is_record_due: bool,
    /// How to reach each database.
    pub databases: Vec<DatabaseScope>,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Make the world as the stack says.
    Apply,
    /// Take down what the stack owns.
    Destroy,
    /// Bring the record up to date, and touch nothing else.
    Refresh,
    /// Take over what is there and is nobody's; of the objects nothing changes but their labels.
    Adopt,
    /// Let go of what the stack does not declare; of the objects nothing changes but their labels.
    Forget,
}

/// What a plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// Which Kubernetes: `sandbox`, or the API server's address.
    pub target: String,
    /// How it was reached.
    pub connection: Connection,
    /// SHA-256 of the stack's text, in hex.
    pub stack_digest: String,
    /// The stack's file, as it was named; absent where it is not known.
    #[serde(default)]
    pub stack_file: Option<String>,
    /// Version of tsinfra.
    pub tsinfra: String,
    /// What each database that answered said of itself, by cluster.
    #[serde(default)]
    pub databases: BTreeMap<String, Membership>,
    /// The ids that were on record, by cluster; one of a cluster that is gone may be forgotten.
    #[serde(default)]
    pub ids: BTreeMap<String, String>,
    /// Every object that matters to it, as it was seen.
    #[serde(default)]
    pub objects: BTreeMap<ObjectKey, Seen>,
}

/// What a plan relies on of a database: who it is, and who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The engine's own id of the cluster.
    pub cluster_id: String,
    /// Members by address, and whether each was running.
    pub members: BTreeMap<String, bool>,
}

impl Membership {
    /// What a database says now.
    pub fn of(topology: &Topology) -> Self {
        let running = |member: &TopologyMember| member.state == MemberState::Running;
        let members = topology.members.iter();
        Self {
            cluster_id: topology.cluster_id.clone(),
            members: members.map(|(address, one)| (address.clone(), running(one))).collect(),
        }
    }

    /// What has become otherwise, as a clause: another id, a member that came, went or fell. One
    /// that has come back since is no harm, nor one that was to come.
    pub fn departs(&self, now: &Self, to_come: &BTreeSet<String>) -> Option<String> {
        if self.cluster_id != now.cluster_id {
            let (was, is) = (&self.cluster_id, &now.cluster_id);
            return Some(format!("answers under id {is}, it was {was}"));
        }
        let mut new = now.members.keys().filter(|address| !self.members.contains_key(*address));
        let new = new.find(|address| !to_come.contains(*address));
        if let Some(address) = new {
            return Some(format!("lists {}, which it did not", host(address)));
        }
        self.members.iter().find_map(|(address, was)| match now.members.get(address) {
            None => Some(format!("lists {} no more", host(address))),
            Some(false) if *was => Some(format!("lists {} as not running, it was", host(address))),
            Some(_) => None,
        })
    }
}

/// How a Kubernetes is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Connection {
    /// The simulated one.
    #[default]
    Sandbox,
    /// A real one, through a kubeconfig.
    Kubernetes {
        /// The file; absent: the usual places.
        kubeconfig: Option<String>,
        /// Its context; absent: the current one.
        context: Option<String>,
    },
}

/// What happens to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Created, updated, deleted, or kept though the stack goes.
    pub operation: Operation,
    /// Why, as a clause after "because".
    pub because: String,
    /// What the object is to a reader, e.g. `3 ConfigNodes, 10Gi each`.
    pub summary: String,
    /// Fields that change, by path in path order; for a creation every field of the manifest.
    pub fields: Vec<FieldChange>,
}

/// Why an object is created, where nothing more is to be said of it.
pub const NOT_THERE: &str = "the stack declares it and it is not there";

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Made.
    Create,
    /// Changed in place.
    Update,
    /// Removed.
    Delete,
    /// Made anew around the members and the data there are, which stay as they are.
    Replace,
    /// Removed with what it holds, and made anew.
    Recycle,
    /// Left as it is by a destroy, because it holds data to keep.
    Keep,
    /// Taken over as it is.
    Adopt,
    /// Let go as it is.
    Forget,
}

/// One field's value before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// e.g. `.spec.template.spec.containers[name=datanode].image`.
    pub path: String,
    /// `None`: was not set.
    pub before: Option<Value>,
    /// `None`: will not be set.
    pub after: Option<Value>,
    /// Set by hand, by this manager, away from what the stack says.
    pub drifted_by: Option<String>,
}

impl FieldChange {
    /// The way back.
    pub fn reversed(&self) -> Self {
        Self { before: self.after.clone(), after: self.before.clone(), ..self.clone() }
    }
}

/// Something that must not or cannot be done, and the way on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blocked {
    /// What it is about: an object's address, or `cluster.pool`.
    pub address: String,
    /// Which rule, one word or two with dashes, e.g. `scale-in`, `immutable`, `conflict`.
    pub rule: String,
    /// Why not.
    pub reason: String,
    /// The way on.
    pub help: String,
}

/// A field that another manager has set too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// The object.
    pub object: ObjectKey,
    /// The field's path.
    pub field: String,
    /// The other manager's name.
    pub manager: String,
    /// Whether this plan takes the field back.
    pub taken: bool,
}

/// How a plan weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Objects created.
    pub add: usize,
    /// Objects changed in place.
    pub change: usize,
    /// Objects deleted.
    pub destroy: usize,
    /// Objects made anew around what they hold together.
    pub replace: usize,
    /// Objects taken over.
    pub adopt: usize,
    /// Objects let go.
    pub forget: usize,
    /// Steps.
    pub steps: usize,
    /// Steps that wait for something after acting.
    pub waits: usize,
    /// Bytes of region replicas that members which leave hand to others, as far as databases tell.
    pub bytes_moved: u64,
    /// Bytes of claimed storage that are deleted.
    pub bytes_deleted: u64,
}

/// Steps that wait for each other in a circle: a defect of the planner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "step `{0}` waits for itself through others; this is a defect of tsinfra, please report it"
)]
pub struct Circle(pub StepId);

impl Purpose {
    /// The verb that carries out a plan for it.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => "destroy",
            Self::Refresh => "apply --refresh-only",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
        }
    }
}

impl Plan {
    /// How it is asked for again.
    pub fn command(&self) -> String {
        match &self.replaces {
            Some(member) => format!("replace STACK {member}"),
            None => self.purpose.verb().to_owned(),
        }
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.blocked.is_empty()
    }

    /// Whether an apply of it would write anything.
    pub fn has_work(&self) -> bool {
        !self.steps.is_empty() || !self.learns.is_empty() || self.is_record_due
    }

    /// Whether the record is all that is written, though nobody asked for that.
    pub fn only_keeps_the_record(&self) -> bool {
        self.steps.is_empty() && self.learns.is_empty() && self.is_record_due
    }

    /// What users call a cluster, from the name it was made with.
    pub fn called(&self, cluster: &str) -> String {
        self.names.now(&PartAddress::cluster(cluster)).name().to_owned()
    }

    /// Addresses whose coming the plan waits for.
    pub fn members_to_come(&self) -> BTreeSet<String> {
        let waits = self.steps.values().filter_map(|step| match &step.until {
            Until::Joined { addresses, .. } => Some(addresses),
            _ => None,
        });
        waits.flatten().cloned().collect()
    }

    /// Adds it up.
    pub fn summary(&self) -> Summary {
        let count = |operation| {
            self.changes.values().filter(|change| change.operation == operation).count()
        };
        Summary {
            add: count(Operation::Create) + count(Operation::Recycle),
            change: count(Operation::Update),
            destroy: count(Operation::Delete) + count(Operation::Recycle),
            replace: count(Operation::Replace),
            adopt: count(Operation::Adopt),
            forget: count(Operation::Forget),
            steps: self.steps.len(),
            waits: self.steps.values().filter(|step| step.until.waits()).count(),
            bytes_moved: self
                .outlooks
                .iter()
                .map(Outlook::bytes_moved)
                .fold(0, u64::saturating_add),
            bytes_deleted: self.steps.values().map(|step| step.bytes).sum(),
        }
    }

    /// The steps in the order they are shown and may be run: each after all it waits for, ties by
    /// wave and id. A circle is named by one of its steps.
    pub fn order(&self) -> Result<Vec<&StepId>, Circle> {
        let mut done: BTreeSet<&StepId> = BTreeSet::new();
        let mut order = Vec::with_capacity(self.steps.len());
        while order.len() < self.steps.len() {
            let next = ready(&self.steps, &done);
            let Some(first) = next.first() else {
                let stuck = self.steps.keys().find(|id| !done.contains(id)).cloned();
                return Err(Circle(stuck.unwrap_or_default()));
            };
            done.insert(first);
            order.push(*first);
        }
        Ok(order)
    }
}

/// Steps not done yet whose predecessors all are, in the order they should start.
pub fn ready<'a>(steps: &'a BTreeMap<StepId, Step>, done: &BTreeSet<&StepId>) -> Vec<&'a StepId> {
    let mut ready: Vec<(&StepId, &Step)> = steps
        .iter()
        .filter(|(id, step)| {
            !done.contains(id) && step.after.iter().all(|before| done.contains(before))
        })
        .collect();
    ready.sort_by_key(|(id, step)| (step.action.rank(), (*id).clone()));
    ready.into_iter().map(|(id, _)| id).collect()
}
