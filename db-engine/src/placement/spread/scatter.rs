//! The wide spread: any two members share as few groups as can be.
//!
//! Groups are settled one after another. A seat whose member already shares groups with those
//! before it, more than all pairs do by then, takes a member from a seat of a later group for it,
//! within reach, so that what is looked at stays in the cache. What is left over at the end, where
//! no later groups are, is mended by exchanges between any two seats that make the sum of squares
//! of shared groups smaller, or leave it: the second lets the search leave a place where no single
//! exchange helps. Of few seats, all of which are looked at, it may also grow by one, and the best
//! is kept.

use super::pairs::Pairs;
use super::seats::{Seats, wind};
use super::{Layout, Mixed, Terms};

/// Seats of later groups that are looked at for one seat.
const SETTLE_TRIES: usize = 48;
/// Exchanges tried for one seat before the next one's turn.
const SEAT_TRIES: usize = 96;
/// Exchanges tried in all: so many a group, and these bound it.
const MEND_TRIES_EACH: usize = 16;
const MEND_TRIES: std::ops::RangeInclusive<usize> = 1 << 15..=1 << 21;
/// By how much an exchange may make it worse where all seats were looked at.
const WORSE: i64 = 1;
/// Where the numbers that look drawn begin.
const SEED: u64 = 0x5ca7_7e12;

/// The members of groups, one group after another.
pub(super) fn scatter(layout: &Layout, terms: &Terms, groups: u32, quotas: &[u32]) -> Vec<u32> {
    let mut seats = Seats::empty(terms, groups);
    let groups = groups as usize;
    let stride = stride(groups as u64);
    let row = terms.takers.iter().copied().zip(quotas.iter().copied());
    wind(&mut seats, row, groups, |at| (at as u64 * stride % groups as u64) as usize);
    if terms.replicas > 1 && groups > 1 {
        let mut scatter = Scatter::of(layout, terms, seats);
        for group in 0..groups {
            scatter.settle(group, groups);
        }
        scatter.mend(groups);
        seats = scatter.seats;
    }
    seats.holders
}

/// How far apart in the list two groups are that are wound one after another: near the golden ratio
/// of all, and with no divisor in common, so that any stretch of groups has nearly its share of
/// every member.
fn stride(groups: u64) -> u64 {
    let golden = groups * 618_034 / 1_000_000;
    let coprime = |it: &u64| {
        let (mut a, mut b) = (*it, groups);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a == 1
    };
    (golden.max(1)..groups).find(coprime).unwrap_or(1)
}

struct Scatter<'a> {
    seats: Seats<'a>,
    size: usize,
    pairs: Pairs,
    /// How many pairs of members may share a group, and how often any did so far.
    allowed: u64,
    placed: u64,
    /// How many groups a pair shares at most before its groups are worth mending.
    fair: u32,
    /// The sum over all pairs of shared · (shared − 1) / 2, and the least it can be.
    crowd: u64,
    crowd_least: u64,
    /// Groups worth mending.
    crowded: Vec<usize>,
    mixed: Mixed,
    /// How many later groups are within reach.
    reach: usize,
    /// The least crowded seats so far, where there are so few that exchanges may make it worse.
    best: Option<(u64, Vec<u32>)>,
}

impl<'a> Scatter<'a> {
    fn of(layout: &Layout, terms: &Terms, seats: Seats<'a>) -> Self {
        let size = terms.replicas as usize;
        let allowed = terms.partners().iter().map(|it| u64::from(*it)).sum::<u64>() / 2;
        let of_size = |size: usize| size as u64 * (size as u64 - 1) / 2;
        let group_sizes = layout.groups().map(|it| layout.replicas(it).len());
        let old: u64 = group_sizes.map(of_size).sum();
        let in_all = old + (seats.holders.len() / size) as u64 * of_size(size);
        let (each, rest) = (in_all / allowed.max(1), in_all % allowed.max(1));
        let mut scatter = Self {
            seats,
            size,
            pairs: Pairs::of(terms.hosts.len(), usize::try_from(in_all.min(allowed)).unwrap_or(0)),
            allowed: allowed.max(1),
            placed: 0,
            fair: u32::try_from(each).unwrap_or(u32::MAX).max(1),
            crowd: 0,
            crowd_least: allowed * (each * each.saturating_sub(1) / 2) + rest * each,
            crowded: Vec::new(),
            mixed: Mixed(SEED),
            reach: (terms.takers.len() * 4 / size).max(256),
            best: None,
        };
        for group in layout.groups() {
            scatter.enter(layout.holders(group));
        }
        scatter
    }

    /// Notes that members share a group, and whether any two do so too often.
    fn enter(&mut self, group: &[u32]) -> bool {
        let mut is_crowded = false;
        for (at, one) in group.iter().enumerate() {
            for other in &group[..at] {
                let shared = self.pairs.add(*one, *other);
                self.crowd += u64::from(shared - 1);
                self.placed += 1;
                is_crowded |= shared > self.fair;
            }
        }
        is_crowded
    }

    /// Settles who is in a group, with the help of later ones.
    fn settle(&mut self, group: usize, groups: usize) {
        let fair = u32::try_from(self.placed / self.allowed).unwrap_or(u32::MAX);
        let later = (groups - 1 - group).min(self.reach);
        for seat in 1..self.size {
            let mut least = self.beyond(group, seat, self.seats.group(group)[seat], fair);
            let mut best = None;
            let tries = if later == 0 { 0 } else { SETTLE_TRIES };
            for _ in 0..tries {
                if least == 0 {
                    break;
                }
                let place = self.mixed.below(later * self.size);
                let other = (group + 1 + place / self.size, place % self.size);
                if self.seats.may_exchange((group, seat), other) {
                    let member = self.seats.group(other.0)[other.1];
                    let beyond = self.beyond(group, seat, member, fair);
                    if beyond < least {
                        (least, best) = (beyond, Some(other));
                    }
                }
            }
            if let Some(other) = best {
                self.seats.exchange((group, seat), other);
            }
        }
        let size = self.size;
        let holders = std::mem::take(&mut self.seats.holders);
        let is_crowded = self.enter(&holders[group * size..(group + 1) * size]);
        self.seats.holders = holders;
        self.crowded.extend(is_crowded.then_some(group));
    }

    /// How many groups beyond what is fair a member shares with those in the seats before one.
    fn beyond(&self, group: usize, seat: usize, member: u32, fair: u32) -> u64 {
        let before = &self.seats.group(group)[..seat];
        before.iter().map(|it| u64::from(self.pairs.shared(*it, member).saturating_sub(fair))).sum()
    }

    /// Exchanges seats of crowded groups with any others: first where pairs share one group more
    /// than all can, unless all share two anyway so that this would even out what nobody sees;
    /// then, with a quarter of the tries at least, where they share two more.
    fn mend(&mut self, groups: usize) {
        let (least, most) = MEND_TRIES.into_inner();
        let tries = (groups * MEND_TRIES_EACH).clamp(least, most);
        let mut met = self.crowded.clone();
        let is_small = self.seats.holders.len() <= SEAT_TRIES;
        self.best = is_small.then(|| (self.crowd, self.seats.holders.clone()));
        let mut left = tries - tries / 4;
        if self.fair == 1 || is_small {
            self.mend_all(groups, &mut left, &mut met);
            met.sort_unstable();
            met.dedup();
        }
        self.fair += 1;
        self.crowded = met;
        self.mend_all(groups, &mut (left + tries / 4), &mut Vec::new());
        if let Some((_, best)) = self.best.take() {
            self.seats.holders = best;
        }
    }

    /// Exchanges seats of crowded groups while any is left, and notes the groups these were
    /// exchanged with.
    fn mend_all(&mut self, groups: usize, left: &mut usize, met: &mut Vec<usize>) {
        while *left > 0 && self.crowd > self.crowd_least && !self.crowded.is_empty() {
            let mut again = Vec::new();
            for group in std::mem::take(&mut self.crowded) {
                for seat in 0..self.size {
                    if self.is_crowded(group, seat) && *left > 0 {
                        let tries = (*left).min(SEAT_TRIES);
                        *left -= tries;
                        let other = self.mend_seat((group, seat), groups, tries);
                        met.extend(other);
                        again.extend(other.filter(|it| self.is_any_crowded(*it)));
                    }
                }
                again.extend(self.is_any_crowded(group).then_some(group));
            }
            again.sort_unstable();
            again.dedup();
            self.crowded = again;
        }
    }

    fn is_any_crowded(&self, group: usize) -> bool {
        (0..self.size).any(|seat| self.is_crowded(group, seat))
    }

    /// Tries exchanges for a seat until one makes it less crowded, and names the other group.
    fn mend_seat(&mut self, one: (usize, usize), groups: usize, tries: usize) -> Option<usize> {
        let bearable = if self.best.is_some() { WORSE } else { 0 };
        let mut least = None;
        for _ in 0..tries {
            let place = self.mixed.below(groups * self.size);
            let other = (place / self.size, place % self.size);
            if other.0 == one.0 || !self.seats.may_exchange(one, other) {
                continue;
            }
            let change = self.change(one, other);
            if change < 0 {
                self.exchange(one, other, change);
                return Some(other.0);
            }
            if change <= bearable && least.is_none_or(|(it, _)| change <= it) {
                least = Some((change, other));
            }
        }
        let (change, other) = least?;
        self.exchange(one, other, change);
        Some(other.0)
    }

    fn is_crowded(&self, group: usize, seat: usize) -> bool {
        let members = self.seats.group(group);
        let mut others = members.iter().filter(|it| **it != members[seat]);
        others.any(|it| self.pairs.shared(*it, members[seat]) > self.fair)
    }

    /// By how much the crowd would grow. Members of both groups share as much with either as
    /// before.
    fn change(&self, one: (usize, usize), other: (usize, usize)) -> i64 {
        let (here, there) = (self.seats.group(one.0), self.seats.group(other.0));
        let half = |stay: &[u32], elsewhere: &[u32], leaves: u32, comes: u32| {
            let stay = stay.iter().filter(|it| **it != leaves && !elsewhere.contains(it));
            let of = |it: &u32| {
                let (more, less) = (self.pairs.shared(*it, comes), self.pairs.shared(*it, leaves));
                i64::from(more) - i64::from(less) + 1
            };
            stay.map(of).sum::<i64>()
        };
        let (leaves, comes) = (here[one.1], there[other.1]);
        half(here, there, leaves, comes) + half(there, here, comes, leaves)
    }

    /// Exchanges two seats of groups that are settled.
    fn exchange(&mut self, one: (usize, usize), other: (usize, usize), change: i64) {
        for (from, to) in [(one, other), (other, one)] {
            let comes = self.seats.group(to.0)[to.1];
            let members = self.seats.group(from.0);
            let leaves = members[from.1];
            for it in members.iter().filter(|it| **it != leaves) {
                self.pairs.remove(*it, leaves);
                self.pairs.add(*it, comes);
            }
        }
        self.crowd = self.crowd.saturating_add_signed(change);
        self.seats.exchange(one, other);
        if let Some((crowd, best)) = &mut self.best
            && self.crowd < *crowd
        {
            *crowd = self.crowd;
            best.copy_from_slice(&self.seats.holders);
        }
    }
}
