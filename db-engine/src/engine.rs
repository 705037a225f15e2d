//! The trait every database implements, and the state of a cluster as its own members tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cluster::{ClusterSpec, Content, PoolSpec, Role};
use crate::holdings::Holdings;
use crate::statement::{Answer, Statement};
use crate::workload::Workload;

/// A database, sans I/O: it says what to send and reads what came back.
pub trait Engine: Sync {
    /// The roles the engine has, with what each one is called there.
    fn roles(&self) -> &'static [(Role, &'static str)];

    /// Whether members of a role can keep this on a volume of its own, under these settings: the cluster's,
    /// with the pool's on top.
    ///
    /// # Errors
    /// [`Unfit`]: why they cannot.
    fn keeps_apart(
        &self,
        role: Role,
        content: Content,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), Unfit>;

    /// What a member of this pool runs.
    fn workload(&self, cluster: &ClusterSpec, pool: &PoolSpec) -> Workload;

    /// What to ask any one serving member to learn the cluster's state.
    fn survey(&self) -> Vec<Statement>;

    /// What the answers to [`Engine::survey`], in its order, say. An empty or refused answer is
    /// never read as "nobody there": it is [`Unreadable`].
    fn read(&self, answers: &[Answer]) -> Result<Topology, Unreadable>;

    /// What to ask any one serving member to learn who holds which region replica. The answers may be long: it is asked
    /// for plans that bring or take members, and never while something is waited for.
    fn holdings(&self) -> Vec<Statement>;

    /// What the answers to [`Engine::holdings`], in its order, say, beside the members that are listed.
    ///
    /// # Errors
    /// [`Unreadable`]: an answer is refused or odd, or tells of members that are not listed.
    fn read_holdings(
        &self,
        answers: &[Answer],
        topology: &Topology,
    ) -> Result<Holdings, Unreadable>;

    /// How the member at this address is told to hand what it stores to the others and to leave. That
    /// it was told is no proof that it left: the [`Topology`] says so once it lists it no more.
    ///
    /// # Errors
    /// [`Unfit`]: why it cannot be told, or must not be told now.
    fn leave(
        &self,
        cluster: &ClusterSpec,
        topology: &Topology,
        address: &str,
    ) -> Result<Statement, Unfit>;

    /// How the member at this address, which is gone for good with all it stored, is taken off the list, so
    /// that the others make new replicas of that, and an empty one can join in its place.
    ///
    /// # Errors
    /// [`Unfit`]: why it cannot be, or must not be: it lives, or the last replica of something would go.
    fn give_up(
        &self,
        cluster: &ClusterSpec,
        topology: &Topology,
        address: &str,
    ) -> Result<Statement, Unfit>;

    /// Settings the engine fixes at a cluster's first start, by name: changing them later has no
    /// effect or stops the restart. Each with the reason.
    fn fixed_settings(&self) -> &'static [(&'static str, &'static str)];

    /// Settings tsinfra itself writes, which a stack may not set: name and the way on.
    fn reserved_settings(&self) -> &'static [(&'static str, &'static str)];

    /// User and password a fresh cluster lets in, until its owner changes them.
    fn default_login(&self) -> (&'static str, &'static str);

    /// The smallest memory limit, in bytes, a member of this role is worth starting with.
    fn least_memory(&self, role: Role) -> u64;
}

/// A cluster's own view of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// The id the engine gave the cluster at its first start.
    pub cluster_id: String,
    /// The engine's version, as it says it.
    pub version: String,
    /// Members by their internal address (host name as registered).
    pub members: BTreeMap<String, TopologyMember>,
}

impl Topology {
    /// Whether a member is listed on this host, by the host's own name.
    pub fn lists(&self, name: &str) -> bool {
        self.members.keys().any(|address| host(address) == name)
    }
}

/// The host's own name in the address a member registered with; in Kubernetes its pod's.
pub fn host(address: &str) -> &str {
    address.split('.').next().unwrap_or(address)
}

/// One member as the database lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyMember {
    /// The engine's own id: shown, never computed with.
    pub id: i64,
    /// The engine's word for the kind of member, e.g. `DataNode`.
    pub kind: String,
    /// Whether it is well, in our words.
    pub state: MemberState,
    /// The engine's own word for its state, e.g. `Running`.
    pub status: String,
    /// Region replicas it holds.
    pub regions: u64,
}

/// Whether a member is well, in words all engines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Takes part in everything.
    Running,
    /// Answers, takes no writes of its own.
    ReadOnly,
    /// On its way out.
    Leaving,
    /// The cluster has not heard of it lately.
    Unknown,
}

/// Why a database cannot be asked for something, and the way on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// A clause.
    pub reason: String,
    /// What the user can do.
    pub help: String,
}

impl Unfit {
    /// A reason with the way on.
    pub fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: help.into() }
    }
}

/// An answer that does not say what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The engine refused the statement.
    #[error("`{statement}` was refused with code {code}: {message}")]
    Refused {
        /// What was asked.
        statement: String,
        /// The engine's code.
        code: i64,
        /// The engine's words.
        message: String,
    },
    /// The table lacks a column, or a value is not of its type.
    #[error("`{statement}` answered no usable `{column}`")]
    Column {
        /// What was asked.
        statement: String,
        /// The column.
        column: &'static str,
    },
    /// The table has no rows where there must be some.
    #[error("`{statement}` answered no rows")]
    Empty {
        /// What was asked.
        statement: String,
    },
}
