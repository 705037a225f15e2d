//! Engines, roles, pools and members: the words every database here has in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A database engine tsinfra can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Apache IoTDB.
    Iotdb,
}

impl EngineKind {
    /// Every engine, in the order messages list them.
    pub const ALL: [Self; 1] = [Self::Iotdb];

    /// The word a stack uses for the engine.
    pub fn word(self) -> &'static str {
        match self {
            Self::Iotdb => "iotdb",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the members of a pool do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds the cluster's metadata and votes on it (IoTDB: ConfigNode).
    Control,
    /// Stores data and serves clients (IoTDB: DataNode).
    Mixed,
    /// Serves clients, stores nothing.
    Compute,
    /// Stores data, is not in the client Service.
    Storage,
}

impl Role {
    /// Every role, in the order messages list them.
    pub const ALL: [Self; 4] = [Self::Control, Self::Mixed, Self::Compute, Self::Storage];

    /// The word a stack uses for the role.
    pub fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Mixed => "mixed",
            Self::Compute => "compute",
            Self::Storage => "storage",
        }
    }

    /// Whether a member of this role holds replicas of data.
    pub fn stores(self) -> bool {
        matches!(self, Self::Mixed | Self::Storage)
    }

    /// Whether clients are sent to a member of this role.
    pub fn serves(self) -> bool {
        matches!(self, Self::Mixed | Self::Compute)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is on one of a member's volumes. What has no volume of its own is with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// What it stores, and all else that has no volume of its own.
    Data,
    /// Its write-ahead log: what was written and is not in the data files yet.
    Wal,
}

impl Content {
    /// All there are, the data first.
    pub const ALL: [Self; 2] = [Self::Data, Self::Wal];

    /// What may have a volume of its own, beside the data.
    pub const APART: [Self; 1] = [Self::Wal];

    /// The word a stack uses for it, and the name of its volume in a pod.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Wal => "wal",
        }
    }

    /// What has that word.
    pub fn by_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|content| content.word() == word)
    }

    /// What an operator calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Wal => "write-ahead log",
        }
    }
}

/// What new members of a pool get of the data that is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScaleOut {
    /// No history moves; new members take part in what comes.
    #[default]
    None,
    /// Region groups are split and a share lands on the new members.
    Split,
    /// History and new data move until the load is even.
    Migrate,
}

impl ScaleOut {
    /// Every choice, in the order messages list them.
    pub const ALL: [Self; 3] = [Self::None, Self::Split, Self::Migrate];

    /// The word a stack uses for the choice.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Split => "split",
            Self::Migrate => "migrate",
        }
    }
}

/// One cluster as an engine needs to know it to say what each member runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// The cluster's name in the stack.
    pub name: String,
    /// The engine's version, e.g. `2.0.5`.
    pub version: String,
    /// Replicas of schema (IoTDB: `schema_replication_factor`).
    pub schema_replication: u32,
    /// Replicas of data (IoTDB: `data_replication_factor`).
    pub data_replication: u32,
    /// Settings passed on in the engine's own names and units.
    pub settings: BTreeMap<String, String>,
    /// The stable address of the first control member, which newcomers ask to let them in.
    pub seed_host: String,
}

/// One pool as an engine needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// What its members do.
    pub role: Role,
    /// The DNS suffix of a member: `<service>.<namespace>.svc.<cluster domain>`.
    pub domain: String,
    /// Memory of one member in bytes: its limit, which heap and direct memory are cut from.
    pub memory_bytes: u64,
    /// CPUs of one member, in thousandths.
    pub cpu_milli: u64,
    /// Settings of this pool only; they win over the cluster's.
    pub settings: BTreeMap<String, String>,
    /// What each member keeps on a volume of its own, beside that of its data.
    pub apart: BTreeSet<Content>,
}

/// The numbers of a version, to compare it by: `2.0.5` and `2.0.5-beta` are `[2, 0, 5]`.
pub fn version_numbers(version: &str) -> Vec<u64> {
    let plain = version.split('-').next().unwrap_or(version);
    plain.split('.').map_while(|part| part.parse().ok()).collect()
}
