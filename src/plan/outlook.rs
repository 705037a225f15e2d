//! What a change of members means for the region replicas of a database: what moves, or what comes by itself.

use serde::{Deserialize, Serialize};

/// The outlook for one cluster whose storing members change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// The cluster, as it is called.
    pub cluster: String,
    /// Region groups it has.
    pub groups: u64,
    /// Replicas of these.
    pub replicas: u64,
    /// Bytes of all replicas; `None`: the database does not tell.
    pub bytes: Option<u64>,
    /// Members that hold regions now.
    pub members: u64,
    /// Members that come.
    pub joining: u64,
    /// Members that go, by their pods' names.
    pub leaving: Vec<String>,
    /// What new members come to hold while nothing is moved.
    pub comes: Option<Comes>,
    /// What moves as members go; or what would have to, for new members to have their share at once.
    pub moving: Option<Moving>,
}

impl Outlook {
    /// Bytes that the plan itself moves: those of members that leave, as far as the database tells.
    pub fn bytes_moved(&self) -> u64 {
        let leaves = !self.leaving.is_empty() && self.bytes.is_some();
        self.moving.as_ref().filter(|_| leaves).map_or(0, |moving| moving.moved)
    }
}

/// What new members come to hold by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comes {
    /// What new members take of what is written from now on, in thousandths.
    pub of_new: u32,
    /// Seconds from one time partition to the next.
    pub interval: u64,
    /// Bytes written in one, all replicas together.
    pub partition_bytes: u64,
    /// How things are after some of them.
    pub after: Vec<After>,
    /// After how many members are even within [`Comes::tolerance`]; `None`: never, or not in any foreseeable time.
    pub even_after: Option<u64>,
    /// Thousandths of its share.
    pub tolerance: u32,
}

/// How things are after some time partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// How many.
    pub partitions: u64,
    /// What new members hold of all, in thousandths.
    pub of_new: u32,
    /// What the fullest member holds, in thousandths of its share.
    pub fullest: u64,
    /// What the emptiest member holds, in thousandths of its share.
    pub emptiest: u64,
}

/// What moves, and how good that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// The moves, by region group.
    pub moves: Vec<RegionMove>,
    /// Bytes that move; replicas where the database does not tell sizes.
    pub moved: u64,
    /// The least that has to move for it: no moves that come to the same move less.
    pub bound: u64,
    /// What the fullest member holds afterwards, in thousandths of its share.
    pub fullest: u64,
    /// What the emptiest member holds afterwards, in thousandths of its share.
    pub emptiest: u64,
    /// Members outside of their limits afterwards.
    pub outside: u64,
    /// Whether it is proven that nothing that brings all members within their limits moves less.
    #[serde(default)]
    pub is_least: bool,
    /// What stands in the way where members stay outside, or more moves than the bound.
    #[serde(default)]
    pub hindrance: Option<String>,
    /// Rounds the moves take with one transfer at a time for each member, and the least there can be.
    pub rounds: u64,
    /// The rounds of the busiest member.
    pub rounds_bound: u64,
    /// Seconds at least and at most; `None`: the database does not tell sizes.
    pub seconds: Option<(u64, u64)>,
    /// Bytes a second of one transfer these are reckoned with, from the slowest to the fastest.
    pub speed: (u64, u64),
}

/// One region replica that moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionMove {
    /// The region group's id.
    pub region: i64,
    /// The member that has it, by its pod's name.
    pub from: String,
    /// The member that gets it.
    pub to: String,
    /// Its size; 0 if that is not told.
    pub bytes: u64,
    /// The round it is in, from 0.
    pub round: u64,
    /// Why, in one line.
    pub because: String,
}
