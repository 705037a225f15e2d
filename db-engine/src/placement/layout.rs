//! Who holds what: members, region groups and their replicas, in columns, a million groups in some 60 MB.

use std::collections::BTreeSet;

use crate::placement::{gcd, small};

/// A member, as far as placement asks. Members are known by their place in the list, which is in the order of their
/// ids: ties go to the one that comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The machine it is on: equal numbers are one machine.
    pub host: u32,
    /// The zone that is in: equal numbers are one zone.
    pub zone: u32,
    /// What it does about replicas.
    pub part: Part,
    /// How large a share of them it is to have, in any unit all members have: bytes of disk, CPUs, or 1 for each.
    pub weight: u64,
    /// Bytes of replicas it may have at most: its disk, less what else is on it and what is to stay free.
    pub room: u64,
    /// How many leaders it is to have, relative to others: CPUs, memory, or 1 for each.
    pub lead_weight: u64,
}

impl Member {
    /// A member like any other: alone on its machine, in one zone with all, room without end.
    pub fn plain(place: u32) -> Self {
        let (weight, lead_weight) = (1, 1);
        Self { host: place, zone: 0, part: Part::Shares, weight, room: u64::MAX, lead_weight }
    }
}

/// What a member does about replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Has its share, and takes and gives for that: it runs, and its role is to store.
    Shares,
    /// Gives what is over its share and takes nothing: it is read-only.
    Gives,
    /// Keeps what it has and takes nothing: it does not answer.
    Keeps,
    /// Gives all it has: it is to leave, or its role is not to store.
    Empties,
}

/// What regions hold. Engines with one kind have data only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What was written.
    Data,
    /// What there is to be written to.
    Schema,
}

/// A region group, without its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// What its regions hold.
    pub kind: Kind,
    /// The database it is of, by its place in the caller's list.
    pub database: u32,
    /// What it serves, in any unit all groups have: points a second, say. Each of its replicas is written to as much.
    pub load: u64,
    /// The member that leads it, if there is one.
    pub leader: Option<u32>,
}

/// A replica of a region group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The member that has it, by its place.
    pub member: u32,
    /// Its size.
    pub bytes: u64,
}

/// Why a group cannot be: what was told of it contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// It has no replica.
    #[error("region group at place {group} has no replica")]
    Empty {
        /// Its place.
        group: u32,
    },
    /// A replica of it is on a member that is not in the list.
    #[error("region group at place {group} has a replica on member {member}, which is not listed")]
    Stranger {
        /// Its place.
        group: u32,
        /// The place that is none.
        member: u32,
    },
    /// Two replicas of it are on one member.
    #[error("region group at place {group} has two replicas on member {member}")]
    Twice {
        /// Its place.
        group: u32,
        /// The member's place.
        member: u32,
    },
    /// With it all replicas have more bytes, or are to serve more, than [`MOST`].
    #[error("with region group at place {group} there is more of all than 4 EiB")]
    TooMuch {
        /// Its place.
        group: u32,
    },
    /// Its leader holds no replica of it.
    #[error(
        "region group at place {group} is led by member {member}, which holds no replica of it"
    )]
    Leaderless {
        /// Its place.
        group: u32,
        /// The leader's place.
        member: u32,
    },
}

/// The most bytes of all replicas together, and the most that they serve: sums of them are exact, and so are products with
/// weights and tolerances.
pub const MOST: u64 = 1 << 62;

/// The most that the weights of all members come to; larger ones are told in a larger unit.
const WEIGHTS: u128 = 1 << 38;

/// The leader of a group that has none, and of one with as many replicas as a byte can tell.
const NO_LEADER: u8 = u8::MAX;

/// Members, and the replicas on them. Groups are known by their place, which is in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    members: Vec<Member>,
    /// Where the replicas of each group begin, and where the last ones end.
    starts: Vec<u32>,
    holders: Vec<u32>,
    bytes: Vec<u64>,
    kinds: Vec<Kind>,
    databases: Vec<u32>,
    loads: Vec<u64>,
    /// Which replica of each group leads, by its place in the group.
    leaders: Vec<u8>,
    /// What it costs to move each replica; empty: as many bytes as it has.
    prices: Vec<u64>,
    /// Bytes of all replicas together.
    total_bytes: u64,
    /// What they serve together.
    total_load: u64,
}

/// Members with weights that can be reckoned with.
fn weighed(mut members: Vec<Member>) -> Vec<Member> {
    let shift = |sum: u128| (0..=64).find(|shift| sum >> shift <= WEIGHTS).unwrap_or(64);
    let weights = shift(members.iter().map(|it| u128::from(it.weight)).sum());
    let leads = shift(members.iter().map(|it| u128::from(it.lead_weight)).sum());
    let told =
        |weight: u64, shift: u32| (weight.checked_shr(shift).unwrap_or(0)).max(weight.min(1));
    for member in &mut members {
        member.weight = told(member.weight, weights);
        member.lead_weight = told(member.lead_weight, leads);
    }
    members
}

impl Layout {
    /// Members without groups. Weights that come to more than 2³⁸ together are told in a larger unit; none becomes 0 by
    /// that.
    pub fn of(members: Vec<Member>) -> Self {
        Self {
            members: weighed(members),
            starts: vec![0],
            holders: Vec::new(),
            bytes: Vec::new(),
            kinds: Vec::new(),
            databases: Vec::new(),
            loads: Vec::new(),
            leaders: Vec::new(),
            prices: Vec::new(),
            total_bytes: 0,
            total_load: 0,
        }
    }

    /// Makes room for as many groups and replicas, so that no more than that is taken.
    pub fn reserve(&mut self, groups: usize, replicas: usize) {
        self.starts.reserve_exact(groups);
        self.kinds.reserve_exact(groups);
        self.databases.reserve_exact(groups);
        self.loads.reserve_exact(groups);
        self.leaders.reserve_exact(groups);
        self.holders.reserve_exact(replicas);
        self.bytes.reserve_exact(replicas);
    }

    /// One more group, at the next place. It has fewer than 255 replicas that can lead.
    ///
    /// # Errors
    /// [`Odd`], and nothing is added.
    pub fn push(&mut self, group: Group, replicas: &[Replica]) -> Result<(), Odd> {
        let place = small(self.group_count());
        if replicas.is_empty() {
            return Err(Odd::Empty { group: place });
        }
        for (at, replica) in replicas.iter().enumerate() {
            let member = replica.member;
            if member as usize >= self.members.len() {
                return Err(Odd::Stranger { group: place, member });
            }
            if replicas[..at].iter().any(|other| other.member == member) {
                return Err(Odd::Twice { group: place, member });
            }
        }
        let reckoned =
            |sum: Option<u64>| sum.filter(|sum| *sum <= MOST).ok_or(Odd::TooMuch { group: place });
        let bytes = replicas.iter().try_fold(self.total_bytes, |sum, it| sum.checked_add(it.bytes));
        let served = group.load.checked_mul(replicas.len() as u64);
        let served = served.and_then(|it| self.total_load.checked_add(it));
        let (total_bytes, total_load) = (reckoned(bytes)?, reckoned(served)?);
        let leader = match group.leader {
            None => NO_LEADER,
            Some(member) => {
                let at = replicas.iter().position(|replica| replica.member == member);
                let at = at.and_then(|at| u8::try_from(at).ok()).filter(|at| *at != NO_LEADER);
                at.ok_or(Odd::Leaderless { group: place, member })?
            }
        };
        self.total_bytes = total_bytes;
        self.total_load = total_load;
        self.holders.extend(replicas.iter().map(|replica| replica.member));
        self.bytes.extend(replicas.iter().map(|replica| replica.bytes));
        self.starts.push(small(self.holders.len()));
        self.kinds.push(group.kind);
        self.databases.push(group.database);
        self.loads.push(group.load);
        self.leaders.push(leader);
        Ok(())
    }

    /// Has the sizes of replicas stand for what members are to have their share of, and not for what moves: that is `prices`,
    /// one for each replica, by its place.
    pub(super) fn set_prices(&mut self, prices: Vec<u64>) {
        self.prices = prices;
    }

    /// Whether what moves is another thing than what members have their share of.
    pub(super) fn is_priced(&self) -> bool {
        !self.prices.is_empty()
    }

    /// What it costs to move a replica, by its place.
    pub(super) fn price(&self, replica: usize) -> u64 {
        self.prices.get(replica).copied().unwrap_or_else(|| self.bytes[replica])
    }

    /// What stands for replicas, in the order of what it costs to move a byte of these: the cheapest first, ties as they
    /// were. Those without bytes are left out.
    pub(super) fn cheapest_first(
        &self,
        all: impl Iterator<Item = usize>,
        replica: impl Fn(usize) -> usize,
    ) -> Vec<usize> {
        let of = |it: &usize| {
            let replica = replica(*it);
            (u128::from(self.price(replica)), u128::from(self.bytes[replica]))
        };
        let mut order: Vec<usize> = all.filter(|it| of(it).1 > 0).collect();
        order.sort_by(|one, other| {
            let ((price, bytes), (other_price, other_bytes)) = (of(one), of(other));
            (price * other_bytes).cmp(&(other_price * bytes))
        });
        order
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The places of all members.
    pub fn places(&self) -> std::ops::Range<u32> {
        0..small(self.members.len())
    }

    /// One member.
    pub fn member(&self, place: u32) -> &Member {
        &self.members[place as usize]
    }

    /// Another part for a member: it is to leave, say.
    pub fn set_part(&mut self, member: u32, part: Part) {
        self.members[member as usize].part = part;
    }

    /// The same with some more members, which hold nothing: each alone on its machine, in the zone of the first one, with
    /// as much weight as the lightest of the others, and room without end.
    #[must_use]
    pub fn with_more(&self, members: u32) -> Self {
        let mut more = self.clone();
        let taken: BTreeSet<u32> = self.members.iter().map(|it| it.host).collect();
        let free = (0..=u32::MAX).filter(|host| !taken.contains(host));
        let shares = || self.members.iter().filter(|it| it.part == Part::Shares);
        let weight = shares().map(|it| it.weight).min().unwrap_or(1);
        let zone = self.members.first().map_or(0, |it| it.zone);
        let new = |host| Member { zone, weight, ..Member::plain(host) };
        more.members.extend(free.take(members as usize).map(new));
        more
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The places of all groups.
    pub fn groups(&self) -> std::ops::Range<u32> {
        0..small(self.group_count())
    }

    /// Bytes of all replicas together.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// What all sizes are whole multiples of, in bytes; 1 where there are none. Time: once over all replicas where they are
    /// of one size, over the first few where they are not.
    pub(super) fn grain(&self) -> u64 {
        let mut grain = 0;
        for bytes in &self.bytes {
            grain = gcd(*bytes, grain);
            if grain == 1 {
                break;
            }
        }
        grain.max(1)
    }

    /// How many replicas there are in all.
    pub fn replica_count(&self) -> usize {
        self.holders.len()
    }

    /// The places of a group's replicas among all replicas.
    pub fn replicas(&self, group: u32) -> std::ops::Range<usize> {
        self.starts[group as usize] as usize..self.starts[group as usize + 1] as usize
    }

    /// The members that hold a group.
    pub fn holders(&self, group: u32) -> &[u32] {
        &self.holders[self.replicas(group)]
    }

    /// The holders of all replicas, by their places.
    pub fn all_holders(&self) -> &[u32] {
        &self.holders
    }

    /// The sizes of all replicas, by their places.
    pub fn all_bytes(&self) -> &[u64] {
        &self.bytes
    }

    /// The group a replica is of, by the replica's place. Time: none to speak of where groups have as many replicas as
    /// each other, and at most the logarithm of the number of groups.
    pub fn group_of(&self, replica: usize) -> u32 {
        let place = small(replica);
        let is_before = |start: &u32| *start <= place;
        let guess = replica as u64 * self.group_count() as u64 / self.holders.len() as u64;
        let guess = usize::try_from(guess).unwrap_or(0);
        let (mut low, mut step) = (guess, 1);
        while !is_before(&self.starts[low]) {
            low = low.saturating_sub(step);
            step *= 2;
        }
        let (mut high, mut step) = (low + 1, 1);
        while high < self.starts.len() && is_before(&self.starts[high]) {
            high += step;
            step *= 2;
        }
        let high = high.min(self.starts.len());
        let after = low + self.starts[low..high].partition_point(is_before);
        small(after - 1)
    }

    /// What a group is, without its replicas.
    pub fn group(&self, group: u32) -> Group {
        let place = group as usize;
        Group {
            kind: self.kinds[place],
            database: self.databases[place],
            load: self.loads[place],
            leader: self.leader(group),
        }
    }

    /// The member that leads a group, if one does.
    pub fn leader(&self, group: u32) -> Option<u32> {
        let at = self.leaders[group as usize];
        (at != NO_LEADER).then(|| self.holders(group)[at as usize])
    }

    /// Carries moves out: each replica is at its new member. A leader that moves goes on to lead.
    pub fn carry_out(&mut self, moves: &[super::Move]) {
        for one in moves {
            let mut replicas = self.replicas(one.group);
            let at = replicas.find(|at| self.holders[*at] == one.from);
            if let Some(at) = at {
                self.holders[at] = one.to;
            }
        }
    }

    /// Bytes on each member, by its place.
    pub fn held(&self) -> Vec<u64> {
        let mut held = vec![0_u64; self.members.len()];
        for (holder, bytes) in self.holders.iter().zip(&self.bytes) {
            let held = &mut held[*holder as usize];
            *held = held.saturating_add(*bytes);
        }
        held
    }
}
