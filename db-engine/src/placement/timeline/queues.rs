//! Moves that wait, each at what holds it up, and what begins when that is released.

use crate::placement::small;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::Move;
use super::super::rounds::{Limits, Stuck};
use super::{Run, bound};

/// A move that waits at a member: its rank, and its other end.
type Waiting = (u32, u32);

/// How many of the moves that wait at a member and could begin are looked at for the best one:
/// enough for all of them but at a few members that take nearly everything, where it is them that
/// everything waits for.
const LOOK_MAX: usize = 16;

/// A move, with its place in the caller's list. They are kept by rank: the shortest first, and
/// among equal ones the last.
struct Ranked {
    nanos: u128,
    bytes: u64,
    from: u32,
    to: u32,
    /// Its group, numbered without gaps.
    group: u32,
    place: usize,
}

/// What is looked at most often of a member.
#[derive(Clone, Copy)]
struct Member {
    /// How long it goes on at least with what has not begun.
    urgency: u64,
    /// Transfers it may begin.
    free: u32,
    /// Transfers it may have at once.
    at_once: u32,
}

/// All that is known at one moment.
pub(super) struct Queues {
    by_rank: Vec<Ranked>,
    members: Vec<Member>,
    /// Transfers all may begin.
    free_in_all: u32,
    room: Vec<u64>,
    /// How long the moves of each member take that have not begun.
    left: Vec<u128>,
    /// How many bits of that are left out of urgencies.
    unit: u32,
    /// Whether a group is under way.
    busy: Vec<bool>,
    /// Ranks of moves that wait at a member, at a group, or, by bytes, for room at a member.
    at_member: Vec<Vec<Waiting>>,
    at_group: Vec<Vec<u32>>,
    at_room: Vec<BinaryHeap<(Reverse<u64>, u32)>>,
    /// Members that may begin a transfer and have moves waiting, by the work left, each once.
    ready: BinaryHeap<(u64, Reverse<usize>)>,
    is_ready: Vec<bool>,
    /// When what is under way ends.
    ends: BinaryHeap<Reverse<(u128, u32)>>,
    runs: Vec<Option<Run>>,
}

impl Member {
    fn of(at_once: &u32) -> Self {
        let at_once = *at_once.max(&1);
        Self { urgency: 0, free: at_once, at_once }
    }
}

impl Queues {
    /// All moves wait, each at that of its ends that has more work.
    pub(super) fn of(moves: &[Move], nanos: &[u128], limits: &Limits<'_>) -> Self {
        let count = limits.at_once.len();
        let (by_rank, groups) = ranked(moves, nanos);
        let left = bound::work(moves, nanos, limits);
        let most = left.iter().max().map_or(0, |most| u128::BITS - most.leading_zeros());
        let mut queues = Self {
            by_rank,
            members: limits.at_once.iter().map(Member::of).collect(),
            free_in_all: limits.overall.map_or(u32::MAX, |most| most.max(1)),
            room: limits.room.to_vec(),
            left,
            unit: most.saturating_sub(u64::BITS),
            busy: vec![false; groups],
            at_member: vec![Vec::new(); count],
            at_group: vec![Vec::new(); groups],
            at_room: vec![BinaryHeap::new(); count],
            ready: BinaryHeap::with_capacity(count),
            is_ready: vec![false; count],
            ends: BinaryHeap::new(),
            runs: vec![None; moves.len()],
        };
        (0..count).for_each(|member| queues.weigh(member));
        for (rank, one) in (0..).zip(&queues.by_rank) {
            let urgency = |member: u32| queues.members[member as usize].urgency;
            let is_from = urgency(one.from) > urgency(one.to);
            let (here, other) = if is_from { (one.from, one.to) } else { (one.to, one.from) };
            queues.at_member[here as usize].push((rank, other));
        }
        for member in 0..count {
            let urgency = |it: u32| queues.members[it as usize].urgency;
            queues.at_member[member].sort_unstable_by_key(|(rank, other)| (urgency(*other), *rank));
            queues.make_ready(member);
        }
        queues
    }

    /// Runs all moves.
    pub(super) fn run(mut self) -> Result<Vec<Run>, Stuck> {
        self.begin_all(0);
        while let Some(Reverse((now, rank))) = self.ends.pop() {
            self.end(rank);
            if self.ends.peek().is_none_or(|Reverse((next, _))| *next > now) {
                self.begin_all(now);
            }
        }
        let waits = |(place, run): (usize, &Option<Run>)| run.is_none().then_some(place);
        let moves: Vec<usize> = self.runs.iter().enumerate().filter_map(waits).collect();
        if !moves.is_empty() {
            return Err(Stuck { moves });
        }
        Ok(self.runs.into_iter().flatten().collect())
    }

    fn weigh(&mut self, member: usize) {
        let longest = self.left[member] / u128::from(self.members[member].at_once);
        self.members[member].urgency = u64::try_from(longest >> self.unit).unwrap_or(u64::MAX);
    }

    fn make_ready(&mut self, member: usize) {
        let can = self.members[member].free > 0 && !self.at_member[member].is_empty();
        if can && !self.is_ready[member] {
            self.is_ready[member] = true;
            self.ready.push((self.members[member].urgency, Reverse(member)));
        }
    }

    /// Begins all that can, those members first that have the most left.
    fn begin_all(&mut self, now: u128) {
        while self.free_in_all > 0 {
            let Some((urgency, Reverse(member))) = self.ready.pop() else { return };
            let is_now = self.members[member].urgency;
            if is_now < urgency {
                self.ready.push((is_now, Reverse(member)));
                continue;
            }
            self.is_ready[member] = false;
            self.begin_one(member, now);
            self.make_ready(member);
        }
    }

    /// Begins the best move that waits at a member; those that are held up go to wait there.
    fn begin_one(&mut self, member: usize, now: u128) {
        while self.members[member].free > 0 {
            let Some(rank) = self.next_at(member) else { return };
            let one = &self.by_rank[rank as usize];
            let (group, to) = (one.group as usize, one.to as usize);
            if self.busy[group] {
                self.at_group[group].push(rank);
            } else if self.room[to] < one.bytes {
                self.at_room[to].push((Reverse(one.bytes), rank));
            } else {
                return self.begin(rank, now);
            }
        }
    }

    /// Takes the best move that waits at a member and whose other end is free. Those met whose
    /// other end is not go to wait there.
    fn next_at(&mut self, member: usize) -> Option<u32> {
        let mut waiting = std::mem::take(&mut self.at_member[member]);
        let (mut best, mut best_place) = (None, 0);
        let (mut place, mut looks) = (waiting.len(), LOOK_MAX);
        while place > 0 && looks > 0 {
            place -= 1;
            let (rank, other) = waiting[place];
            let end = self.members[other as usize];
            if end.free > 0 {
                looks -= 1;
                let here = (end.urgency, rank);
                if best.is_none_or(|best| here > best) {
                    (best, best_place) = (Some(here), place);
                }
                continue;
            }
            self.at_member[other as usize].push((rank, small(member)));
            waiting.swap_remove(place);
            if best_place == waiting.len() {
                best_place = place;
            }
        }
        let taken = best.map(|_| waiting.swap_remove(best_place).0);
        self.at_member[member] = waiting;
        taken
    }

    fn begin(&mut self, rank: u32, now: u128) {
        let one = &self.by_rank[rank as usize];
        let run = Run { start: now, end: now + one.nanos };
        let ends = [one.from as usize, one.to as usize];
        self.free_in_all -= 1;
        self.busy[one.group as usize] = true;
        self.room[ends[1]] -= one.bytes;
        self.runs[one.place] = Some(run);
        self.ends.push(Reverse((run.end, rank)));
        for member in ends {
            self.members[member].free -= 1;
            self.left[member] -= run.end - run.start;
            self.weigh(member);
        }
    }

    /// Ends a move and takes to its ends what it held up.
    fn end(&mut self, rank: u32) {
        let one = &self.by_rank[rank as usize];
        let (from, to, group) = (one.from as usize, one.to as usize, one.group as usize);
        self.room[from] = self.room[from].saturating_add(one.bytes);
        self.free_in_all += 1;
        self.busy[group] = false;
        self.members[from].free += 1;
        self.members[to].free += 1;
        for waits in std::mem::take(&mut self.at_group[group]) {
            let one = &self.by_rank[waits as usize];
            let (here, other) = (one.from as usize, one.to);
            self.at_member[here].push((waits, other));
            self.make_ready(here);
        }
        while let Some((Reverse(bytes), waits)) = self.at_room[from].pop() {
            if bytes > self.room[from] {
                self.at_room[from].push((Reverse(bytes), waits));
                break;
            }
            self.at_member[from].push((waits, self.by_rank[waits as usize].from));
        }
        self.make_ready(from);
        self.make_ready(to);
    }
}

/// Moves by rank, and how many groups they are of.
fn ranked(moves: &[Move], nanos: &[u128]) -> (Vec<Ranked>, usize) {
    let mut groups: Vec<u32> = moves.iter().map(|one| one.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let with_place = moves.iter().zip(nanos).enumerate();
    let mut ranked: Vec<Ranked> = with_place
        .map(|(place, (one, nanos))| {
            let Move { from, to, bytes, group } = *one;
            let group = small(groups.binary_search(&group).unwrap_or_else(|it| it));
            Ranked { nanos: *nanos, bytes, from, to, group, place }
        })
        .collect();
    ranked.sort_unstable_by_key(|one| (one.nanos, Reverse(one.place)));
    (ranked, groups.len())
}
