//! What can go wrong in the simulated world, each for a while on the virtual clock: members that crash
//! again and again, machines that are away, storage that gives nothing, databases that do not answer.

use std::collections::BTreeMap;
use std::time::Duration;

use db_engine::statement::{Answer, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;
use super::values::text;
use super::{databases, nodes};
use crate::object::{Kind, ObjectKey};

/// What goes wrong at present; times are ends on the virtual clock, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Pods whose containers crash as soon as they start.
    crashing: BTreeMap<ObjectKey, u64>,
    /// Machines nobody can reach.
    away: BTreeMap<String, u64>,
    /// Storage makes no volumes until then.
    storage_stalls: u64,
    /// Volumes their driver does not delete yet, and why it says it cannot, if it says so.
    #[serde(default)]
    undeletable: BTreeMap<ObjectKey, (Option<String>, u64)>,
    /// Databases, by `namespace/cluster`, that do not answer as they should.
    databases: BTreeMap<String, (Mood, u64)>,
}

/// How a database in trouble answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Not at all.
    Silent,
    /// With an error.
    Refusing,
    /// With tables that have no rows.
    Empty,
}

impl Trouble {
    /// What a database answers instead; `None`: what it is asked for.
    pub(super) fn mood(&self, database: &str, now: u64) -> Option<Mood> {
        let (mood, until) = self.databases.get(database)?;
        (now < *until).then_some(*mood)
    }

    /// Whether nothing is wrong any more.
    pub(super) fn is_over(&self, now: u64) -> bool {
        let mut ends = self.crashing.values().chain(self.away.values());
        let mut moods = self.databases.values();
        ends.all(|until| *until <= now)
            && moods.all(|(_, until)| *until <= now)
            && self.undeletable.values().all(|(_, until)| *until <= now)
            && self.storage_stalls <= now
    }

    /// Whether storage makes no volumes at present.
    pub(super) fn storage_stalls(&self, now: u64) -> bool {
        now < self.storage_stalls
    }

    /// Whether a volume is not deleted at present, and what its driver says of it.
    pub(super) fn keeps(&self, volume: &ObjectKey, now: u64) -> Option<Option<&str>> {
        let (why, until) = self.undeletable.get(volume)?;
        (now < *until).then_some(why.as_deref())
    }

    /// Whether a machine cannot be reached.
    pub(super) fn is_away(&self, node: &str, now: u64) -> bool {
        self.away.get(node).is_some_and(|until| now < *until)
    }

    /// Machines that can be reached again, which are forgotten.
    pub(super) fn take_back(&mut self, now: u64) -> Vec<String> {
        self.away.extract_if(.., |_, until| *until <= now).map(|(node, _)| node).collect()
    }

    /// Whether a pod cannot come up at present.
    pub(super) fn keeps_down(&self, key: &ObjectKey, pod: &Value, now: u64) -> bool {
        self.crashing.get(key).is_some_and(|until| now < *until)
            || self.is_away(text(pod, "/spec/nodeName"), now)
    }
}

impl Mood {
    /// An answer as a database of this mood gives it.
    pub(super) fn turn(self, answer: Answer) -> Option<Answer> {
        match self {
            Self::Silent => None,
            Self::Refusing => Some(Answer::Refused {
                code: 301,
                message: "internal server error (this database is in trouble)".to_owned(),
            }),
            Self::Empty => Some(match answer {
                Answer::Table(table) => Answer::Table(Table { rows: Vec::new(), ..table }),
                other => other,
            }),
        }
    }
}

impl Cluster {
    fn until(&self, time: Duration) -> u64 {
        self.clock_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// A pod's containers crash, and crash again as often as they start, for a while.
    pub fn crash(&mut self, pod: &ObjectKey, time: Duration) {
        let until = self.until(time);
        self.trouble.crashing.insert(pod.clone(), until);
        self.bring_down(pod);
    }

    /// A machine cannot be reached for a while, and nothing on it answers.
    pub fn lose_node(&mut self, node: &str, time: Duration) {
        let until = self.until(time);
        self.trouble.away.insert(node.to_owned(), until);
        nodes::say_whether_ready(self, node, false);
        for pod in self.keys_of(Kind::Pod) {
            if self.get(&pod).is_some_and(|pod| text(pod, "/spec/nodeName") == node) {
                self.bring_down(&pod);
            }
        }
    }

    /// Storage makes no volumes for a while.
    pub fn stall_storage(&mut self, time: Duration) {
        self.trouble.storage_stalls = self.until(time);
    }

    /// A volume's driver does not delete it for a while, and may say why it cannot.
    pub fn keep_volume(&mut self, volume: &ObjectKey, why: Option<&str>, time: Duration) {
        let until = self.until(time);
        self.trouble.undeletable.insert(volume.clone(), (why.map(str::to_owned), until));
    }

    /// A database (`namespace/cluster`) does not answer as it should for a while.
    pub fn trouble_database(&mut self, database: &str, mood: Mood, time: Duration) {
        let until = self.until(time);
        self.trouble.databases.insert(database.to_owned(), (mood, until));
        self.revision += 1;
    }

    /// Ends every trouble.
    pub fn heal(&mut self) {
        nodes::back(self, u64::MAX);
        self.trouble = Trouble::default();
        self.idleness.wake_all();
        self.revision += 1;
    }

    fn bring_down(&mut self, pod: &ObjectKey) {
        let Some(held) = self.shared(pod) else { return };
        if nodes::crashed(self, pod) {
            databases::ended(self, pod, &held.value);
        }
    }
}
