//! One look at Kubernetes and each database, as data.

mod memo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use db_engine::cluster::EngineKind;
use db_engine::engine::Topology;
use db_engine::holdings::Holdings;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use memo::Memo;

use crate::inventory::{Inventory, apply_set_id};
use crate::object;
use crate::object::{Kind, LABEL_JOB, LABEL_PART_OF, LABEL_STACK, Labels, ObjectKey};

/// What to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Whole lists, each one request (or one a page).
    pub lists: Vec<List>,
    /// Single objects.
    pub gets: Vec<ObjectKey>,
    /// Whether to read the namespace's warning events, and of which namespace.
    pub events_in: Option<String>,
    /// Databases to ask.
    pub databases: Vec<DatabaseScope>,
    /// Whether to ask the databases who holds which region replica, too.
    pub holdings: bool,
    /// The inventory to read: namespace and stack.
    pub inventory: Option<(String, String)>,
}

/// All objects of a kind, in one namespace, with these labels (none: all).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What.
    pub kind: Kind,
    /// Where; `None` for kinds outside namespaces.
    pub namespace: Option<String>,
    /// Which.
    pub labels: Labels,
}

/// How to reach one cluster's own view of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseScope {
    /// The cluster's name in the stack.
    pub cluster: String,
    /// Which database it is.
    pub engine: EngineKind,
    /// Where its pods are.
    pub namespace: String,
    /// Which pods may be asked.
    pub labels: Labels,
    /// The port they answer at.
    pub port: u16,
    /// Secret with `user` and `password`; absent: the engine's default.
    pub credentials: Option<String>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Every object that was asked for and is there.
    pub objects: BTreeMap<ObjectKey, LiveObject>,
    /// Warning events, newest first.
    pub events: Vec<EventNote>,
    /// Each database that was asked for, by cluster.
    pub databases: BTreeMap<String, DatabaseView>,
    /// Who holds what in each database that was asked and told, by cluster. Looked at for plans alone.
    #[serde(skip)]
    pub holdings: BTreeMap<String, Arc<Holdings>>,
    /// What the stack owns by its own record.
    pub inventory: Option<Inventory>,
}

/// An object as the API server holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveObject {
    /// The object without `metadata.managedFields`. Shared: looks are many, and objects large.
    pub value: Arc<Value>,
    /// Who owns which fields, by manager; paths as [`crate::fields`] writes them.
    /// Ownership of the status sub-resource is left out.
    pub managers: Arc<Managers>,
    /// What was worked out of the two.
    #[serde(skip)]
    digest: Memo,
}

/// The fields each manager owns.
pub type Managers = BTreeMap<String, BTreeSet<String>>;

/// What nobody owns.
static NO_FIELDS: BTreeSet<String> = BTreeSet::new();

impl LiveObject {
    /// An object of which nobody owns a field.
    pub fn of(value: Value) -> Self {
        Self { value: Arc::new(value), ..Self::default() }
    }

    /// An object and who owns its fields.
    pub fn owned(value: Value, managers: Managers) -> Self {
        Self { value: Arc::new(value), managers: Arc::new(managers), digest: Memo::default() }
    }

    /// A digest of it, worked out only if no copy of it was asked before. There is one: whoever asks
    /// must always mean the same.
    pub(crate) fn digest_once(&self, work_out: impl FnOnce() -> String) -> String {
        self.digest.digest(&self.value, &self.managers, work_out)
    }

    /// Its value, to be changed; whoever shares it keeps it as it was.
    pub fn value_mut(&mut self) -> &mut Value {
        self.digest = Memo::default();
        Arc::make_mut(&mut self.value)
    }

    /// The fields a manager owns.
    pub fn owned_by(&self, manager: &str) -> &BTreeSet<String> {
        self.managers.get(manager).unwrap_or(&NO_FIELDS)
    }

    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        object::at(&self.value, "/metadata/uid").and_then(Value::as_str).unwrap_or_default()
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// Whether its labels say that it is of this stack. Outside namespaces the stack's name is not
    /// enough: a stack of that name may live in another namespace.
    pub fn bears_the_name_of(&self, stack: &str, namespace: &str, key: &ObjectKey) -> bool {
        self.label(LABEL_STACK) == Some(stack)
            && match &key.namespace {
                Some(of_object) => of_object == namespace,
                None => self.label(LABEL_PART_OF) == Some(&apply_set_id(namespace, stack)),
            }
    }

    /// Whether its deletion has begun.
    pub fn is_leaving(&self) -> bool {
        object::at(&self.value, "/metadata/deletionTimestamp").is_some()
    }

    /// Whether a pod says it is ready.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|ready| ready.get("status") == Some(&"True".into()))
    }

    /// Whether a StatefulSet has so many members, all ready and of its newest form.
    pub fn has_rolled(&self, replicas: i64) -> bool {
        let counts = ["/status/readyReplicas", "/status/updatedReplicas"];
        counts.iter().all(|count| self.number(count).unwrap_or(0) == replicas)
            && self.number("/status/observedGeneration") == self.number("/metadata/generation")
    }

    /// Whether a StatefulSet is in the midst of a rollout: members of its old form restart once the others are ready.
    pub fn is_rolling(&self) -> bool {
        let newest = self.text("/status/updateRevision");
        newest.is_some() && newest != self.text("/status/currentRevision")
    }

    /// A condition of its status, by type.
    pub fn condition(&self, name: &str) -> Option<&Value> {
        let conditions = object::at(&self.value, "/status/conditions")?.as_array()?;
        conditions.iter().find(|condition| condition.get("type") == Some(&name.into()))
    }

    /// A whole number anywhere in it, by JSON pointer; absent counts as none.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        object::at(&self.value, pointer).and_then(Value::as_i64)
    }

    /// A text anywhere in it, by JSON pointer.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        object::at(&self.value, pointer).and_then(Value::as_str)
    }
}

/// A warning Kubernetes gave about an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventNote {
    /// Kind of the object it is about, as written by Kubernetes.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// One word, e.g. `FailedScheduling`.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

/// What a database said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseView {
    /// No pod of it can be asked: there is none, or none is ready.
    Absent,
    /// A pod is there but gave no usable answer. Never read as "nobody there".
    Unreachable {
        /// What happened.
        why: String,
    },
    /// It answered.
    Seen(Topology),
}

impl Observed {
    /// The pods of a StatefulSet, by their names: `<set>-N`; those of a Job, by their label.
    pub fn pods_of(&self, set: &ObjectKey) -> impl Iterator<Item = (&ObjectKey, &LiveObject)> {
        self.of_kind(Kind::Pod).filter(move |(key, pod)| {
            if set.kind == Kind::Job {
                return key.namespace == set.namespace && pod.label(LABEL_JOB) == Some(&set.name);
            }
            let rest = key.name.strip_prefix(&set.name).and_then(|rest| rest.strip_prefix('-'));
            key.namespace == set.namespace && rest.is_some_and(|rest| rest.parse::<u32>().is_ok())
        })
    }

    /// The objects of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &LiveObject)> {
        self.objects.iter().filter(move |(key, _)| key.kind == kind)
    }
}
