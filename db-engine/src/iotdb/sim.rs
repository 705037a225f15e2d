//! A simulated IoTDB cluster: who has joined, and what it answers. Plain data, no clock inside.
//!
//! It serves the embedded sandbox and, behind a REST door, the protocol twin of the live tests.
//! Everything is as recorded from 2.0.1-beta unless a comment says otherwise; a later version string
//! given by the caller is only shown, since the documentation of 2.0.5 describes the same answers.
//! Rows are not simulated: there are as many regions as it is loaded with, and at first none.

mod member;
mod refusals;
mod regions;
mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use member::{END_MS, LEAVE_MS, Node, RUNNING, UNKNOWN, status};
pub use member::{MemberKind, Ports};
use refusals::{no_quorum, refused, unparsed, wrong_door};
pub use regions::Load;
use regions::Regions;

use crate::engine::{self, MemberState, Topology};
use crate::statement::{Answer, Mode, Statement};

/// What a cluster is founded with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// `cluster_name`.
    pub cluster_name: String,
    /// The id the founder gives the cluster; real ones are random UUIDs.
    pub cluster_id: String,
    /// The release every node says it is.
    pub version: String,
    /// The build every node says it is.
    pub build_info: String,
    /// The address every newcomer asks to be let in: only the ConfigNode there founds the cluster.
    pub seed: String,
    /// `schema_replication_factor`.
    pub schema_replication: u32,
    /// `data_replication_factor`.
    pub data_replication: u32,
}

/// A process that runs but has not been let in yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Newcomer {
    kind: MemberKind,
    address: String,
    ports: Ports,
}

/// A simulated cluster. Times are milliseconds on any clock of the caller's that does not go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IotdbSim {
    founding: Founding,
    /// One counter for both kinds; ids are never given twice.
    next_id: i64,
    nodes: BTreeMap<i64, Node>,
    /// In order of arrival, which is the order ids are given in.
    newcomers: Vec<Newcomer>,
    databases: Vec<String>,
    #[serde(default)]
    regions: Regions,
    /// Addresses whose DataNode has left and whose process still runs, with when it ends.
    #[serde(default)]
    ending: BTreeMap<String, u64>,
}

impl IotdbSim {
    /// A cluster nobody has founded yet.
    pub fn new(founding: Founding) -> Self {
        Self {
            founding,
            next_id: 0,
            nodes: BTreeMap::new(),
            newcomers: Vec::new(),
            databases: Vec::new(),
            regions: Regions::default(),
            ending: BTreeMap::new(),
        }
    }

    /// Goes on as a cluster that was seen elsewhere: under its id, its members under theirs, and those that
    /// were leaving leave from now on.
    pub fn goes_on_as(&mut self, seen: &Topology, now_ms: u64) {
        self.founding.cluster_id.clone_from(&seen.cluster_id);
        let highest = seen.members.values().map(|member| member.id).max().unwrap_or(-1);
        self.next_id = self.next_id.max(highest + 1);
        for (_, mut node) in std::mem::take(&mut self.nodes) {
            let member = seen.members.get(&node.address);
            if member.is_some_and(|member| member.state == MemberState::Leaving) {
                node.leaving_ms = Some(now_ms);
            }
            let id = member.map_or(self.next_id, |member| member.id);
            self.next_id = self.next_id.max(id + 1);
            self.nodes.insert(id, node);
        }
    }

    /// The process at this address started. A registered one comes back under its old id (its data
    /// directory is still there); a new one is let in as soon as the rules allow it: the seed's
    /// ConfigNode founds, other ConfigNodes need the seed up, DataNodes a majority of ConfigNodes.
    pub fn member_up(&mut self, kind: MemberKind, address: &str, ports: Ports, now_ms: u64) {
        self.see_off(now_ms);
        if self.ending.contains_key(address) {
            return;
        }
        let known = self.nodes.values_mut().find(|node| node.address == address);
        if let Some(node) = known {
            if !node.up {
                node.up = true;
                node.turned_ms = now_ms;
            }
        } else if !self.newcomers.iter().any(|newcomer| newcomer.address == address) {
            self.newcomers.push(Newcomer { kind, address: address.to_owned(), ports });
        }
        self.let_in(now_ms);
    }

    /// The process at this address ended, however it did. Its registration stays.
    pub fn member_down(&mut self, address: &str, now_ms: u64) {
        self.see_off(now_ms);
        self.ending.remove(address);
        self.newcomers.retain(|newcomer| newcomer.address != address);
        for node in self.nodes.values_mut() {
            if node.address == address && node.up {
                node.up = false;
                node.turned_ms = now_ms;
            }
        }
    }

    /// Whether the cluster has this address on its list.
    pub fn joined(&self, address: &str, now_ms: u64) -> bool {
        self.nodes.values().any(|node| node.address == address && !node.has_left(now_ms))
    }

    /// Whether the cluster has a member on this host on its list; the host's own name is enough.
    pub fn lists_host(&self, host: &str, now_ms: u64) -> bool {
        let is_on = |node: &Node| engine::host(&node.address) == host;
        self.nodes.values().any(|node| is_on(node) && !node.has_left(now_ms))
    }

    /// Whether the process at this address ends by itself now, because its DataNode has left. Started
    /// again it is a new one.
    pub fn ends(&self, address: &str, now_ms: u64) -> bool {
        let told = self.ending.get(address).is_some_and(|at| now_ms >= *at);
        let leaving = self.nodes.values().find(|node| node.address == address && node.up);
        told || leaving
            .and_then(|node| node.leaving_ms)
            .is_some_and(|since| now_ms >= since + LEAVE_MS + END_MS)
    }

    /// Whether the DataNode of this address has left while its process still runs.
    pub fn has_left(&self, address: &str, now_ms: u64) -> bool {
        self.ending.contains_key(address)
            || self.nodes.values().any(|node| node.address == address && node.has_left(now_ms))
    }

    /// Whether somebody leaves or ends, which only time brings to its end.
    pub fn is_parting(&self) -> bool {
        !self.ending.is_empty() || self.nodes.values().any(|node| node.leaving_ms.is_some())
    }

    /// Takes those off the list who have left by now.
    pub fn see_off(&mut self, now_ms: u64) {
        let gone: Vec<i64> =
            self.nodes.iter().filter(|(_, it)| it.has_left(now_ms)).map(|(id, _)| *id).collect();
        if !gone.is_empty() {
            self.hand_over(&gone);
        }
        let ending = &mut self.ending;
        self.nodes.retain(|_, node| {
            let since = node.leaving_ms.filter(|_| node.has_left(now_ms));
            if let Some(since) = since.filter(|_| node.up) {
                ending.insert(node.address.clone(), since + LEAVE_MS + END_MS);
            }
            since.is_none()
        });
    }

    /// Whether the DataNode at this address takes clients, and so answers statements and `/ping`.
    pub fn serves(&self, address: &str, now_ms: u64) -> bool {
        self.nodes.iter().any(|(&id, node)| {
            node.address == address
                && node.kind == MemberKind::DataNode
                && node.up
                && !node.has_left(now_ms)
                && status(id, node, now_ms) != UNKNOWN
        })
    }

    /// What the DataNode at `asked` answers; `None` if nobody listens there.
    pub fn answer(&mut self, asked: &str, statement: &Statement, now_ms: u64) -> Option<Answer> {
        self.see_off(now_ms);
        if !self.serves(asked, now_ms) {
            return None;
        }
        let text = statement.text.trim().trim_end_matches(';').trim_end();
        let words: Vec<&str> = text.split_whitespace().collect();
        let upper = words.join(" ").to_uppercase();
        let reading = tables::answers(&upper);
        let changing = is_change(&upper);
        Some(match statement.mode {
            Mode::Read if changing => wrong_door(),
            Mode::Change if reading => wrong_door(),
            // Assumed, not recorded: a node knows its own version, whatever became of the others.
            _ if !self.has_quorum() && upper != "SHOW VERSION" => no_quorum(),
            Mode::Read => match tables::table(self, &upper, now_ms) {
                Some(table) => Answer::Table(table),
                None => unparsed(text, &words),
            },
            Mode::Change if changing && upper.starts_with("REMOVE ") => self.remove(&words, now_ms),
            Mode::Change if changing => self.change(&words),
            Mode::Change => unparsed(text, &words),
        })
    }

    /// `REMOVE DATANODE id`, by the checks of `RemoveDataNodeHandler`. Its texts in SQL were not recorded:
    /// codes and words are those of its source and of the removal tool (research B §1.3).
    fn remove(&mut self, words: &[&str], now_ms: u64) -> Answer {
        let id = words.get(2).and_then(|id| id.parse::<i64>().ok());
        let is_data = |node: &Node| node.kind == MemberKind::DataNode;
        let Some(id) = id.filter(|id| self.nodes.get(id).is_some_and(is_data)) else {
            return refused(1004, "Invalid node-id".to_owned());
        };
        if let Some(other) = self.nodes.values().find(|node| node.leaving_ms.is_some()) {
            return refused(1006, format!("the removal of {} is still going on", other.address));
        }
        let min = self.founding.schema_replication.min(self.founding.data_replication);
        let runs = self.nodes.get(&id).is_some_and(|node| status(id, node, now_ms) == RUNNING);
        if min < 2 && !runs {
            return refused(1003, "Failed to remove all requested data nodes".to_owned());
        }
        let stays = |(other, node): &(&i64, &Node)| {
            **other != id && is_data(node) && status(**other, node, now_ms) == RUNNING
        };
        let stay = self.nodes.iter().filter(stays).count();
        let replicas = self.founding.schema_replication.max(self.founding.data_replication);
        if stay < usize::try_from(replicas).unwrap_or(usize::MAX) {
            return refused(
                1001,
                format!(
                    "Can't remove datanode due to the limit of replication factor, \
                 availableDataNodeSize: {stay}, maxReplicaFactor: {replicas}"
                ),
            );
        }
        if let Some(node) = self.nodes.get_mut(&id) {
            node.leaving_ms = Some(now_ms);
        }
        Answer::Accepted
    }

    /// `FLUSH`, `CREATE DATABASE root.x` or `DELETE DATABASE root.x`.
    fn change(&mut self, words: &[&str]) -> Answer {
        let Some(&path) = words.get(2) else {
            return Answer::Accepted;
        };
        if !path.starts_with("root.") {
            return refused(700, format!("line 1:16 mismatched input '{path}' expecting ROOT"));
        }
        let at = self.databases.iter().position(|database| database == path);
        let creates = words.first().is_some_and(|word| word.eq_ignore_ascii_case("CREATE"));
        match (creates, at) {
            (true, None) => self.databases.push(path.to_owned()),
            (true, Some(_)) => {
                return refused(501, format!("{path} has already been created as database"));
            }
            (false, None) => return refused(508, format!("Path [{path}] does not exist")),
            (false, Some(at)) => {
                self.databases.remove(at);
            }
        }
        Answer::Accepted
    }

    fn let_in(&mut self, now_ms: u64) {
        while let Some(at) = self.newcomers.iter().position(|newcomer| self.admits(newcomer)) {
            let Newcomer { kind, address, ports } = self.newcomers.remove(at);
            let node = Node { kind, address, ports, up: true, turned_ms: now_ms, leaving_ms: None };
            self.nodes.insert(self.next_id, node);
            self.next_id += 1;
        }
    }

    fn admits(&self, newcomer: &Newcomer) -> bool {
        match newcomer.kind {
            MemberKind::DataNode => self.has_quorum(),
            MemberKind::ConfigNode if self.nodes.is_empty() => {
                newcomer.address == self.founding.seed
            }
            MemberKind::ConfigNode => {
                self.config_nodes().any(|(_, node)| node.up && node.address == self.founding.seed)
            }
        }
    }

    fn config_nodes(&self) -> impl Iterator<Item = (i64, &Node)> {
        let all = self.nodes.iter().map(|(&id, node)| (id, node));
        all.filter(|(_, node)| node.kind == MemberKind::ConfigNode)
    }

    /// Whether more than half of the registered ConfigNodes run.
    fn has_quorum(&self) -> bool {
        let up = self.config_nodes().filter(|(_, node)| node.up).count();
        up * 2 > self.config_nodes().count()
    }
}

fn is_change(upper: &str) -> bool {
    let mut words = upper.split(' ');
    let first_four = [words.next(), words.next(), words.next(), words.next()];
    matches!(
        first_four,
        [Some("FLUSH"), None, ..]
            | [Some("CREATE" | "DELETE"), Some("DATABASE"), Some(_), None]
            | [Some("REMOVE"), Some("DATANODE"), Some(_), None]
    )
}
