//! What a stack owns, by its own record: kept in the cluster, beside what it describes.
//!
//! The record is a ConfigMap that is also a valid ApplySet parent (KEP-3659), so that other tools
//! can tell that these objects have an owner.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fields;
use crate::object::{FIELD_MANAGER, Kind, LABEL_MANAGED_BY, LABEL_STACK, ObjectKey};
use crate::sealed::{self, Format, Unsound};
use crate::stack::parts::Names;

/// The version of the record this program writes; it reads any record of the same major number. Of
/// a later minor number it passes over what it does not know, and drops it when it writes.
pub const INVENTORY_FORMAT: Format = Format { major: 1, minor: 3 };

/// What a stack owns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Version of the record.
    pub format: Format,
    /// The stack's name.
    pub stack: String,
    /// The namespace the stack (and this record) lives in.
    pub namespace: String,
    /// Objects made, or about to be made, for the stack.
    pub items: BTreeMap<ObjectKey, Item>,
    /// Clusters by the name they were made with.
    pub clusters: BTreeMap<String, ClusterRecord>,
    /// What parts are called whose objects were made under other names.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub names: Names,
}

/// One owned object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its uid; empty while it is only meant to be made.
    pub uid: String,
    /// Digest of the manifest that was last applied whole; empty where that is not known. What
    /// departs from that very manifest since is drift.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub applied: String,
    /// Whether a run has set out to delete it: that it is gone then is no drift.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub going: bool,
    /// Whether it was let go of: it is the stack's no more, whatever its labels still say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
}

impl Item {
    /// Notes who its object is, and whether it is on its way out. Of another one of that name nothing
    /// is known; one whose deletion was taken back, or was not begun after all, is going no more.
    pub fn meet(&mut self, uid: &str, is_leaving: bool) {
        if self.uid != uid {
            *self = Self { uid: uid.to_owned(), ..Self::default() };
        }
        self.going &= is_leaving;
    }

    /// Notes that a manifest was applied whole.
    pub fn note_applied(&mut self, manifest: &Value) {
        self.applied = fields::digest(manifest, manifest);
    }

    /// Whether this very manifest was the last one that was applied whole.
    pub fn is_as_applied(&self, manifest: &Value) -> bool {
        self.applied == fields::digest(manifest, manifest)
    }
}

/// What is remembered of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The id the engine gave itself; empty until it was first seen.
    pub cluster_id: String,
    /// Whether deleting its data is refused.
    pub protect: bool,
    /// The version that was applied last; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// By pool, what its members were started with of the settings that are fixed at a first start.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, BTreeMap<String, String>>,
}

impl Inventory {
    /// An empty record.
    pub fn new(stack: &str, namespace: &str) -> Self {
        Self {
            format: INVENTORY_FORMAT,
            stack: stack.to_owned(),
            namespace: namespace.to_owned(),
            items: BTreeMap::new(),
            clusters: BTreeMap::new(),
            names: Names::default(),
        }
    }

    /// Whether another record says the same of the same objects and clusters. None at all says the
    /// same as one without objects.
    pub fn says_the_same(&self, other: Option<&Self>) -> bool {
        match other {
            Some(other) => {
                self.items == other.items
                    && self.clusters == other.clusters
                    && self.names == other.names
            }
            None => self.items.is_empty(),
        }
    }

    /// The ConfigMap a stack's record is kept in.
    pub fn key(namespace: &str, stack: &str) -> ObjectKey {
        ObjectKey::within(Kind::ConfigMap, namespace, format!("tsinfra-{stack}"))
    }

    /// The ConfigMap that holds this record: the same in every world.
    pub fn to_config_map(&self) -> Value {
        let group_kind = |kind: Kind| match kind.api_version().split_once('/') {
            Some((group, _)) => format!("{kind}.{group}"),
            None => kind.to_string(),
        };
        let kinds: BTreeSet<String> = self.items.keys().map(|key| group_kind(key.kind)).collect();
        let kinds: Vec<String> = kinds.into_iter().collect();
        let record = Self { format: INVENTORY_FORMAT, ..self.clone() };
        let record = sealed::seal(json!(record)).to_string();
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": Self::key(&self.namespace, &self.stack).name,
                "namespace": self.namespace,
                "labels": {
                    "applyset.kubernetes.io/id": apply_set_id(&self.namespace, &self.stack),
                    LABEL_MANAGED_BY: FIELD_MANAGER,
                    LABEL_STACK: self.stack,
                },
                "annotations": {
                    "applyset.kubernetes.io/tooling": concat!("tsinfra/v", env!("CARGO_PKG_VERSION")),
                    "applyset.kubernetes.io/contains-group-kinds": kinds.join(","),
                },
            },
            "data": { RECORD: record },
        })
    }

    /// The record a ConfigMap holds. What is damaged, or was changed by another hand, is an error
    /// and never an empty record; one without a seal is taken for what it says.
    pub fn from_config_map(config_map: &Value) -> Result<Self, BadRecord> {
        let text = config_map.get("data").and_then(|data| data.get(RECORD)?.as_str());
        let text = text.ok_or(BadRecord::Missing)?;
        let opened = sealed::open(text.as_bytes(), INVENTORY_FORMAT)?;
        let newer = opened.format > INVENTORY_FORMAT;
        let record: Self = serde_json::from_value(opened.value).map_err(|error| {
            if newer {
                BadRecord::Strange { format: opened.format, why: sealed::unknown(&error) }
            } else {
                BadRecord::Damaged(error.to_string())
            }
        })?;
        let stands_in = |field: &str| config_map.get("metadata")?.get(field)?.as_str();
        let key = Self::key(&record.namespace, &record.stack);
        if stands_in("name") != Some(&key.name) || stands_in("namespace") != Some(&record.namespace)
        {
            let Self { stack, namespace, .. } = record;
            return Err(BadRecord::Elsewhere { stack, namespace });
        }
        Ok(record)
    }
}

/// The key of the ConfigMap's data the record is kept under.
const RECORD: &str = "inventory.json";

/// A ConfigMap that holds no record this program can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// It has no record in it.
    #[error("it has no `{RECORD}`; if the stack is known to own nothing, delete the ConfigMap")]
    Missing,
    /// The record cannot be read.
    #[error("its `{RECORD}` is damaged ({0}); restore the ConfigMap from a backup")]
    Damaged(String),
    /// The record is not what tsinfra wrote.
    #[error(
        "its `{RECORD}` was changed by another hand, or is damaged; restore the ConfigMap from a \
         backup or, if it is known to be right, take the member `digest` out of it"
    )]
    Changed,
    /// A program of another major version wrote it.
    #[error(
        "its `{RECORD}` is of format {0}, and this tsinfra reads format {known}; use the tsinfra that \
         wrote it",
        known = INVENTORY_FORMAT.major
    )]
    Other(Format),
    /// A program of a later minor version wrote what cannot be passed over.
    #[error(
        "its `{RECORD}` (format {format}) holds what this tsinfra does not know ({why}); use the \
         tsinfra that wrote it"
    )]
    Strange {
        /// Its version.
        format: Format,
        /// What is not known.
        why: String,
    },
    /// It is another stack's.
    #[error(
        "its `{RECORD}` is that of stack `{stack}` in namespace `{namespace}`; restore the \
         ConfigMap from a backup"
    )]
    Elsewhere {
        /// Whose it is.
        stack: String,
        /// Where that stack is.
        namespace: String,
    },
}

impl From<Unsound> for BadRecord {
    fn from(unsound: Unsound) -> Self {
        match unsound {
            Unsound::Broken(why) => Self::Damaged(why),
            Unsound::Unversioned => Self::Damaged("it says no `format`".to_owned()),
            Unsound::Other(format) => Self::Other(format),
            Unsound::Changed => Self::Changed,
        }
    }
}

/// The ApplySet id of a stack's record: `applyset-<base64url(sha256(name.namespace.kind.group))>-v1`.
pub fn apply_set_id(namespace: &str, stack: &str) -> String {
    let parent = format!("{}.{namespace}.ConfigMap.", Inventory::key(namespace, stack).name);
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(Sha256::digest(parent.as_bytes())))
}
