//! Which member holds which region replica, as a database tells, ready for placement.

use std::collections::BTreeMap;

use crate::placement::layout::{Group, Kind, Layout, Member, Odd, Part, Replica};

/// Who holds what in one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// The members that can hold regions, by their internal address, in the order of their ids.
    pub members: Vec<String>,
    /// The ids of region groups, in ascending order: a group's place in the layout is its place here.
    pub groups: Vec<i64>,
    /// The databases groups are of, in alphabetical order.
    pub databases: Vec<String>,
    /// Whether the database tells how large replicas are; else each counts as one byte.
    pub is_sized: bool,
    /// How time is cut into partitions, if it is told.
    pub partitions: Option<Partitions>,
    /// The members and the replicas on them.
    pub layout: Layout,
}

/// How a database cuts time into partitions: what is written in one of them goes to one region group each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Seconds from one to the next.
    pub interval: u64,
    /// How many there are by now: those of the group with the most.
    pub written: u64,
}

/// One region replica, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its region group's id.
    pub group: i64,
    /// What it holds.
    pub kind: Kind,
    /// The database it is of.
    pub database: String,
    /// The internal address of the member that has it.
    pub member: String,
    /// Its size in bytes, if it is told.
    pub bytes: Option<u64>,
    /// Whether it leads its group.
    pub leads: bool,
}

impl Holdings {
    /// What is held, from every replica that is told, and the members that can hold some, with what each does.
    ///
    /// # Errors
    /// [`Odd`]: a replica is on a member that is not listed, or twice on one.
    pub fn of(members: Vec<(String, Part)>, told: Vec<Told>) -> Result<Self, Odd> {
        let (names, parts): (Vec<String>, Vec<Part>) = members.into_iter().unzip();
        let places: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let plain = |(place, part)| Member { part, ..Member::plain(place) };
        let mut layout = Layout::of((0..).zip(parts).map(plain).collect());
        let mut databases: Vec<String> = told.iter().map(|it| it.database.clone()).collect();
        databases.sort();
        databases.dedup();
        let is_sized = told.iter().any(|it| it.bytes.is_some_and(|bytes| bytes > 0));
        let mut groups: BTreeMap<i64, Vec<Told>> = BTreeMap::new();
        for one in told {
            groups.entry(one.group).or_default().push(one);
        }
        layout.reserve(groups.len(), groups.values().map(Vec::len).sum());
        for of_group in groups.values() {
            let place = |it: &Told| places.get(it.member.as_str()).copied().unwrap_or(u32::MAX);
            let bytes = |it: &Told| if is_sized { it.bytes.unwrap_or(0) } else { 1 };
            let replica = |it: &Told| Replica { member: place(it), bytes: bytes(it) };
            let replicas: Vec<Replica> = of_group.iter().map(replica).collect();
            let database = databases.binary_search(&of_group[0].database).unwrap_or(0);
            let leader = of_group.iter().find(|it| it.leads).map(place);
            let group = Group {
                kind: of_group[0].kind,
                database: u32::try_from(database).unwrap_or(u32::MAX),
                load: 1,
                leader,
            };
            layout.push(group, &replicas)?;
        }
        let groups = groups.into_keys().collect();
        Ok(Self { members: names, groups, databases, is_sized, partitions: None, layout })
    }
}
