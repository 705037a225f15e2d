//! Where IoTDB sends what is on members that are removed (`removeNodeReplicaSelect` of its greedy
//! copysets), from its description: replicas with the fewest candidates first, twelve at a time,
//! all assignments of these searched in depth for the least (most replicas of a member, most of one
//! database on a member, groups shared with the members that keep the others), and passed over only
//! where what is assigned so far is no better than the best. It knows neither sizes nor zones.

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::layout::{Layout, Part};

use crate::fill::contest::{Stop, by_and_by};
use crate::meter::Random;

/// Replicas assigned together.
const BATCH: usize = 12;
/// Assignments looked at between two looks at the clock.
const AT_ONCE: usize = 1 << 20;

/// Most replicas, most of a database, pairs shared.
type Key = (u32, u32, u64);

pub(super) fn search(layout: &Layout, _: Apart) -> Result<Vec<Move>, Stop> {
    let mut state = State::of(layout);
    let order = state.order();
    let batches = order.len().div_ceil(BATCH);
    let (mut left, mut done, mut seen) = (order.chunks(BATCH), 0, 0_usize);
    let mut batch = left.next().map(|some| Batch::of(&state, some));
    let ended = by_and_by(|| {
        let Some(one) = &mut batch else { return true };
        seen += AT_ONCE;
        if one.some(&mut state) {
            state.carry_out(one);
            done += 1;
            batch = left.next().map(|some| Batch::of(&state, some));
        }
        batch.is_none()
    });
    let how_far = || format!("{done} of {batches} batches, {} M steps", seen / 1_000_000);
    ended.map(|()| state.moves()).ok_or_else(|| Stop::SlowForAll(how_far()))
}

struct State<'a> {
    layout: &'a Layout,
    at: Vec<u32>,
    counts: Vec<u32>,
    /// Replicas of each database on each member, by databases.
    of_database: Vec<Vec<u32>>,
    /// How many groups each two members share, row by row.
    shared: Vec<u32>,
    random: Random,
}

impl<'a> State<'a> {
    fn of(layout: &'a Layout) -> Self {
        let members = layout.members().len();
        let groups = 0..u32::try_from(layout.group_count()).unwrap_or(u32::MAX);
        let databases = groups.clone().map(|it| layout.group(it).database as usize + 1).max();
        let mut of_database = vec![vec![0; members]; databases.unwrap_or(0)];
        let (mut counts, mut shared) = (vec![0; members], vec![0; members * members]);
        let stays = |it: &&u32| layout.member(**it).part == Part::Shares;
        for group in groups {
            for one in layout.holders(group).iter().filter(stays) {
                counts[*one as usize] += 1;
                of_database[layout.group(group).database as usize][*one as usize] += 1;
                for other in layout.holders(group).iter().filter(|it| *it != one) {
                    shared[*one as usize * members + *other as usize] += 1;
                }
            }
        }
        let at = layout.all_holders().to_vec();
        Self { layout, at, counts, of_database, shared, random: Random(1) }
    }

    /// The replicas that leave, those with the fewest candidates first.
    fn order(&mut self) -> Vec<usize> {
        let leaves = |it: &usize| self.layout.member(self.at[*it]).part == Part::Empties;
        let mut all: Vec<usize> = (0..self.at.len()).filter(leaves).collect();
        all.sort_by_cached_key(|it| self.candidates(*it).len());
        all
    }

    fn candidates(&self, replica: usize) -> Vec<u32> {
        let of_group = self.layout.replicas(self.layout.group_of(replica));
        let holders = &self.at[of_group];
        let all = (0..).zip(self.layout.members());
        let takes = all.filter(|(place, it)| it.part == Part::Shares && !holders.contains(place));
        takes.map(|(place, _)| place).collect()
    }

    fn add(&mut self, replica: &Leaver, to: u32) {
        self.counts[to as usize] += 1;
        self.of_database[replica.database][to as usize] += 1;
    }

    fn take_off(&mut self, replica: &Leaver, to: u32) {
        self.counts[to as usize] -= 1;
        self.of_database[replica.database][to as usize] -= 1;
    }

    fn carry_out(&mut self, batch: &Batch) {
        let members = self.counts.len();
        for (replica, to) in batch.replicas.iter().zip(&batch.best_to) {
            self.add(replica, *to);
            self.at[replica.place] = *to;
            for other in &replica.others {
                self.shared[*to as usize * members + *other as usize] += 1;
                self.shared[*other as usize * members + *to as usize] += 1;
            }
        }
    }

    fn moves(&self) -> Vec<Move> {
        let all = self.layout.all_holders().iter().zip(&self.at).enumerate();
        let moved = all.filter(|(_, (from, to))| from != to).map(|(replica, (from, to))| {
            let bytes = self.layout.all_bytes()[replica];
            Move { group: self.layout.group_of(replica), from: *from, to: *to, bytes }
        });
        moved.collect()
    }
}

/// A replica that leaves.
struct Leaver {
    place: usize,
    group: u32,
    database: usize,
    candidates: Vec<u32>,
    /// The members that keep the others of its group.
    others: Vec<u32>,
}

/// A search in depth, as far as it has come.
struct Batch {
    replicas: Vec<Leaver>,
    /// The candidate to try next for each replica assigned, and for the one that is to be.
    next: Vec<usize>,
    to: Vec<u32>,
    keys: Vec<Key>,
    best: Key,
    best_to: Vec<u32>,
}

impl Batch {
    fn of(state: &State<'_>, places: &[usize]) -> Self {
        let layout = state.layout;
        let mut random = Random(state.random.0 + places[0] as u64);
        let leaver = |place: &usize| {
            let group = layout.group_of(*place);
            let mut left = state.candidates(*place);
            let count = left.len();
            let candidates = (0..count).map(|_| random.draw(&mut left, Vec::new)).collect();
            let holders = state.at[layout.replicas(group)].iter().copied();
            let others = holders.filter(|it| layout.member(*it).part == Part::Shares).collect();
            let database = layout.group(group).database as usize;
            Leaver { place: *place, group, database, candidates, others }
        };
        let replicas = places.iter().map(leaver).collect();
        let most = state.counts.iter().max().copied().unwrap_or(0);
        let of_database = state.of_database.iter().flatten().max().copied().unwrap_or(0);
        Self {
            replicas,
            next: vec![0],
            to: Vec::new(),
            keys: vec![(most, of_database, 0)],
            best: (u32::MAX, 0, 0),
            best_to: Vec::new(),
        }
    }

    /// Looks at some assignments more. Says whether there are none left.
    fn some(&mut self, state: &mut State<'_>) -> bool {
        for _ in 0..AT_ONCE {
            let depth = self.to.len();
            let Some(next) = self.next.get_mut(depth) else { return true };
            let replica = &self.replicas[depth];
            let Some(to) = replica.candidates.get(*next).copied() else {
                self.next.pop();
                let Some(last) = self.to.pop() else { return true };
                self.keys.pop();
                state.take_off(&self.replicas[depth - 1], last);
                continue;
            };
            *next += 1;
            let key = self.key(state, to);
            if key >= self.best || self.is_taken(to) {
                continue;
            }
            if depth + 1 == self.replicas.len() {
                self.best = key;
                self.best_to.clone_from(&self.to);
                self.best_to.push(to);
                continue;
            }
            state.add(replica, to);
            self.to.push(to);
            self.keys.push(key);
            self.next.push(0);
        }
        false
    }

    /// The key with the next replica on a member.
    fn key(&self, state: &State<'_>, to: u32) -> Key {
        let (depth, members) = (self.to.len(), state.counts.len());
        let replica = &self.replicas[depth];
        let (most, of_database, pairs) = self.keys[depth];
        let shared = |it: &u32| u64::from(state.shared[to as usize * members + *it as usize]);
        (
            most.max(state.counts[to as usize] + 1),
            of_database.max(state.of_database[replica.database][to as usize] + 1),
            pairs + replica.others.iter().map(shared).sum::<u64>(),
        )
    }

    /// Whether another replica of the group was assigned to a member.
    fn is_taken(&self, to: u32) -> bool {
        let group = self.replicas[self.to.len()].group;
        let assigned = self.replicas.iter().zip(&self.to);
        assigned.into_iter().any(|(other, there)| other.group == group && *there == to)
    }
}
