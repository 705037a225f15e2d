//! Which members can lead which groups, by database, and how many leads each of them is due.

use crate::placement::layout::{Layout, Part};
use crate::placement::small;

/// The pair of a replica that may not lead, and of a group that nobody leads.
pub(super) const NONE: u32 = u32::MAX;

/// Pairs of a database and a member that can lead groups of it, in that order.
pub(super) struct Able {
    /// Groups in the order of the pairs that lead them now, so that what is looked at one after the
    /// other lies side by side. Their places in this order are called rows.
    pub(super) groups: Vec<u32>,
    /// The pair that leads each row now, or [`NONE`] if none that may does.
    pub(super) leading: Vec<u32>,
    /// Where the pairs of each row begin, and where the last ones end.
    row_starts: Vec<u32>,
    row_pairs: Vec<u32>,
    /// The member of each pair.
    pub(super) members: Vec<u32>,
    /// How many replicas pairs before each pair have, and all have.
    pub(super) starts: Vec<u32>,
    /// Where the pairs of each member begin, and where the last ones end.
    member_starts: Vec<u32>,
    member_pairs: Vec<u32>,
    /// The first pair of each database that has some, and the end.
    pub(super) database_starts: Vec<u32>,
}

impl Able {
    pub(super) fn of(layout: &Layout) -> Self {
        let members = layout.places();
        let wanted: Vec<Option<u8>> = members.map(|it| reluctance(layout, it)).collect();
        let mut able = Self {
            groups: Vec::new(),
            leading: Vec::new(),
            row_starts: vec![0],
            row_pairs: Vec::new(),
            members: Vec::new(),
            starts: vec![0],
            member_starts: Vec::new(),
            member_pairs: Vec::new(),
            database_starts: Vec::new(),
        };
        let mut counts = vec![0; wanted.len()];
        let mut pair_of = vec![NONE; layout.replica_count()];
        for groups in by_database(layout).chunk_by(|one, next| one.0 == next.0) {
            able.add(layout, &wanted, groups, &mut counts, &mut pair_of);
        }
        able.database_starts.push(small(able.members.len()));
        able.index_members(layout.members().len());
        able.index_groups(layout, &pair_of);
        able
    }

    /// Adds the pairs of a database, of which there are these groups. Counts are none for each
    /// member, before and after.
    fn add(
        &mut self,
        layout: &Layout,
        wanted: &[Option<u8>],
        groups: &[(u32, u32)],
        counts: &mut [u32],
        pair_of: &mut [u32],
    ) {
        let first = self.members.len();
        for (_, group) in groups {
            for replica in able_replicas(layout, wanted, *group) {
                let member = layout.all_holders()[replica];
                if counts[member as usize] == 0 {
                    self.members.push(member);
                }
                counts[member as usize] += 1;
            }
        }
        if first == self.members.len() {
            return;
        }
        self.database_starts.push(small(first));
        self.members[first..].sort_unstable();
        let mut end = self.starts.last().copied().unwrap_or(0);
        for (pair, member) in (small(first)..).zip(&self.members[first..]) {
            // From here on it says which pair that is.
            end += std::mem::replace(&mut counts[*member as usize], pair);
            self.starts.push(end);
        }
        for (_, group) in groups {
            for replica in able_replicas(layout, wanted, *group) {
                pair_of[replica] = counts[layout.all_holders()[replica] as usize];
            }
        }
        for member in &self.members[first..] {
            counts[*member as usize] = 0;
        }
    }

    fn index_members(&mut self, members: usize) {
        let pairs: Vec<u32> = (0..small(self.members.len())).collect();
        self.member_pairs = sorted(&pairs, members, |pair| self.members[pair as usize]);
        self.member_starts = vec![0; members + 1];
        for member in &self.members {
            self.member_starts[*member as usize + 1] += 1;
        }
        for place in 0..members {
            self.member_starts[place + 1] += self.member_starts[place];
        }
    }

    /// Puts groups in the order of the pairs that lead them.
    fn index_groups(&mut self, layout: &Layout, pair_of: &[u32]) {
        let leading = |group: u32| {
            let leader = layout.leader(group);
            let mut places = layout.replicas(group);
            let place = places.find(|place| Some(layout.all_holders()[*place]) == leader);
            place.map_or(NONE, |place| pair_of[place])
        };
        let all: Vec<u32> = layout.groups().collect();
        let pairs: Vec<u32> = all.iter().map(|group| leading(*group)).collect();
        let last = self.members.len();
        let bucket = |group: u32| pairs[group as usize].min(small(last));
        self.groups = sorted(&all, last + 1, bucket);
        self.leading = self.groups.iter().map(|group| pairs[*group as usize]).collect();
        self.row_starts.reserve_exact(layout.group_count());
        self.row_pairs.reserve_exact(self.starts.last().map_or(0, |all| *all as usize));
        for group in &self.groups {
            let pairs = pair_of[layout.replicas(*group)].iter();
            self.row_pairs.extend(pairs.filter(|pair| **pair != NONE));
            self.row_starts.push(small(self.row_pairs.len()));
        }
    }

    /// The places of a row's pairs among those of all rows.
    pub(super) fn places(&self, row: u32) -> std::ops::Range<usize> {
        self.row_starts[row as usize] as usize..self.row_starts[row as usize + 1] as usize
    }

    /// The pairs that can lead a row's group.
    pub(super) fn row(&self, row: u32) -> &[u32] {
        &self.row_pairs[self.places(row)]
    }

    /// How many groups a pair has.
    pub(super) fn most(&self, pair: u32) -> u32 {
        self.starts[pair as usize + 1] - self.starts[pair as usize]
    }

    /// The pairs of a member.
    pub(super) fn pairs(&self, member: u32) -> &[u32] {
        let place = member as usize;
        let (from, to) = (self.member_starts[place], self.member_starts[place + 1]);
        &self.member_pairs[from as usize..to as usize]
    }

    /// How many groups a member can lead.
    pub(super) fn most_of_member(&self, member: u32) -> u32 {
        self.pairs(member).iter().map(|pair| self.most(*pair)).sum()
    }
}

/// How little a member is wanted as a leader; one that does not answer is none.
fn reluctance(layout: &Layout, member: u32) -> Option<u8> {
    let it = layout.member(member);
    match it.part {
        Part::Shares | Part::Gives if it.lead_weight > 0 => Some(0),
        Part::Shares | Part::Gives => Some(1),
        Part::Empties => Some(2),
        Part::Keeps => None,
    }
}

/// How much a member counts where leads are shared out.
pub(super) fn weight(layout: &Layout, member: u32) -> u64 {
    let is_wanted = reluctance(layout, member) == Some(0);
    if is_wanted { layout.member(member).lead_weight } else { 0 }
}

/// The replicas of a group whose members are wanted most.
fn able_replicas<'a>(
    layout: &'a Layout,
    wanted: &'a [Option<u8>],
    group: u32,
) -> impl Iterator<Item = usize> + 'a {
    let of = |place: usize| wanted[layout.all_holders()[place] as usize];
    let least = layout.replicas(group).filter_map(of).min();
    layout.replicas(group).filter(move |place| least.is_some() && of(*place) == least)
}

/// Databases and their groups, in this order.
fn by_database(layout: &Layout) -> Vec<(u32, u32)> {
    let groups = layout.groups();
    let mut all: Vec<(u32, u32)> = groups.map(|it| (layout.group(it).database, it)).collect();
    all.sort_unstable();
    all
}

/// Things by a number below a limit that each of them has; those of one number as they were.
fn sorted(things: &[u32], below: usize, number: impl Fn(u32) -> u32) -> Vec<u32> {
    let mut next = vec![0_u32; below + 1];
    for thing in things {
        next[number(*thing) as usize + 1] += 1;
    }
    for place in 0..below {
        next[place + 1] += next[place];
    }
    let mut all = vec![0; things.len()];
    for thing in things {
        let next = &mut next[number(*thing) as usize];
        all[*next as usize] = *thing;
        *next += 1;
    }
    all
}
