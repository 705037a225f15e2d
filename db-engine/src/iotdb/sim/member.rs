//! The nodes of a simulated cluster, and how the others see each.

use serde::{Deserialize, Serialize};

use crate::iotdb::workload::{CLIENT_PORT, CONFIG_NODE_PORT, DATA_NODE_PORT};

/// The two kinds of nodes a cluster registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberKind {
    /// Holds the metadata.
    ConfigNode,
    /// Serves clients.
    DataNode,
}

impl MemberKind {
    /// The word the cluster's answers use.
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigNode => "ConfigNode",
            Self::DataNode => "DataNode",
        }
    }
}

/// The ports a node registers with. Those its kind does not have are shown nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// `cn_internal_port` or `dn_internal_port`.
    pub internal: u16,
    /// ConfigNode: `cn_consensus_port`.
    pub consensus: u16,
    /// DataNode: `dn_rpc_port`.
    pub rpc: u16,
    /// DataNode: `dn_mpp_data_exchange_port`.
    pub exchange: u16,
    /// DataNode: `dn_schema_region_consensus_port`.
    pub schema: u16,
    /// DataNode: `dn_data_region_consensus_port`.
    pub data: u16,
}

impl Ports {
    /// The vendor's default ports.
    pub fn default_of(kind: MemberKind) -> Self {
        let internal = match kind {
            MemberKind::ConfigNode => CONFIG_NODE_PORT,
            MemberKind::DataNode => DATA_NODE_PORT,
        };
        let rpc = CLIENT_PORT;
        Self { internal, consensus: 10720, rpc, exchange: 10740, schema: 10750, data: 10760 }
    }
}

/// A node as the ConfigNodes have it on their list, and whether its process runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) kind: MemberKind,
    pub(super) address: String,
    pub(super) ports: Ports,
    pub(super) up: bool,
    /// When its process last came up or went down, in the caller's milliseconds.
    pub(super) turned_ms: u64,
    /// When it was told to leave.
    #[serde(default)]
    pub(super) leaving_ms: Option<u64>,
}

impl Node {
    /// Whether it has handed over what it stored, and is on the list no more.
    pub(super) fn has_left(&self, now_ms: u64) -> bool {
        self.leaving_ms.is_some_and(|since| now_ms >= since + LEAVE_MS)
    }
}

/// How long it takes a DataNode to leave: as recorded for one with two regions.
pub(super) const LEAVE_MS: u64 = 25_000;

/// How long the process of a DataNode that has left runs on. Recorded.
pub(super) const END_MS: u64 = 19_000;

/// The status of a node that takes part in everything.
pub(super) const RUNNING: &str = "Running";
pub(super) const UNKNOWN: &str = "Unknown";
const REMOVING: &str = "Removing";

/// A node's status as the others see it: one that came up is `Unknown` for 2 to 5 s, one that went
/// down stays `Running` for 1.5 to 2 s. The founder is there before anyone could ask.
/// Recorded for DataNodes; that further ConfigNodes are seen in the same way is assumed.
pub(super) fn status(id: i64, node: &Node, now_ms: u64) -> &'static str {
    let spread = id.unsigned_abs();
    let elapsed = now_ms.saturating_sub(node.turned_ms);
    let seen_running = if node.up {
        id == 0 || elapsed >= 2000 + spread * 977 % 3001
    } else {
        elapsed < 1500 + spread * 131 % 401
    };
    match (seen_running, node.leaving_ms) {
        (true, Some(_)) => REMOVING,
        (true, None) => RUNNING,
        // A node that is down while it is removed never shows as `Removing`. Recorded.
        (false, _) => UNKNOWN,
    }
}
