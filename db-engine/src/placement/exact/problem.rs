//! Members whose replicas of some groups are to be placed anew, all others where they are.

use super::super::apart::Rule;
use super::super::draft::Draft;
use super::super::layout::Part;
use super::super::shares::Shares;
use crate::placement::{gcd, small};

/// Groups, and seats, a problem has at most: a set of either is one number.
pub(super) const MOST: usize = 64;

/// Bytes a problem has at most, so that sums of prices stay far from overflow.
const MOST_BYTES: u128 = 1 << 50;

/// A member of a problem. Sets of groups are numbers with one bit for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) member: u32,
    /// The least and the most bytes of the problem's groups it is to hold.
    pub(super) lo: u64,
    pub(super) hi: u64,
    /// The groups it holds before all moves, those it holds in the draft, and those it may hold.
    pub(super) home: u64,
    pub(super) now: u64,
    pub(super) open: u64,
}

/// Seats that may hold so many replicas of each group together: those of one zone, or of one host.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) seats: Vec<usize>,
    pub(super) most: Vec<u32>,
}

/// What is to be placed, on which seats, within which limits.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) groups: Vec<u32>,
    pub(super) sizes: Vec<u64>,
    /// How many seats are to hold each group.
    pub(super) wanted: Vec<u32>,
    pub(super) seats: Vec<Seat>,
    pub(super) lanes: Vec<Lane>,
    /// The lanes of each seat.
    pub(super) lanes_of: Vec<Vec<usize>>,
    /// What all sizes are multiples of.
    pub(super) grain: u64,
}

impl Problem {
    /// The groups on these members placed anew. None where there are too many, or where replicas of a group differ in
    /// size.
    pub(super) fn of(
        draft: &Draft<'_>,
        rule: &Rule,
        shares: &Shares,
        members: &[u32],
        groups: &[u32],
    ) -> Option<Self> {
        if groups.len() > MOST || members.len() > MOST || groups.is_empty() {
            return None;
        }
        let sizes: Option<Vec<u64>> = groups.iter().map(|it| one_size(draft, *it)).collect();
        let sizes = sizes?;
        let seats: Vec<Seat> =
            members.iter().map(|it| seat(draft, shares, *it, groups, &sizes)).collect();
        let has = |of: u64, at: usize| of >> at & 1 == 1;
        let wanted = |at| seats.iter().filter(|seat| has(seat.now, at)).count();
        let wanted: Vec<usize> = (0..groups.len()).map(wanted).collect();
        let all = sizes.iter().zip(&wanted).map(|(size, count)| u128::from(*size) * *count as u128);
        if all.sum::<u128>() > MOST_BYTES {
            return None;
        }
        let lanes = lanes(draft, rule, members, groups, &wanted);
        let is_in = |lane: &Lane, seat: &usize| lane.seats.contains(seat);
        let lanes_of = (0..seats.len())
            .map(|seat| (0..lanes.len()).filter(|it| is_in(&lanes[*it], &seat)).collect())
            .collect();
        let grain = sizes.iter().copied().fold(0, gcd).max(1);
        let wanted = wanted.into_iter().map(small).collect();
        Some(Self { groups: groups.to_vec(), sizes, wanted, seats, lanes, lanes_of, grain })
    }

    /// Bytes of a set of groups.
    pub(super) fn bytes(&self, set: u64) -> u64 {
        bits(set).map(|at| self.sizes[at]).sum()
    }

    /// Bytes that move when each seat holds its set.
    pub(super) fn moved(&self, sets: &[u64]) -> u64 {
        self.seats.iter().zip(sets).map(|(seat, set)| self.bytes(set & !seat.home)).sum()
    }

    /// Bytes of all replicas.
    pub(super) fn total(&self) -> u64 {
        self.sizes.iter().zip(&self.wanted).map(|(size, count)| size * u64::from(*count)).sum()
    }

    /// Whether two seats can be told apart by nothing but their names, or by what they hold now where that is no matter.
    pub(super) fn are_alike(&self, one: usize, other: usize, whatever_moves: bool) -> bool {
        let (here, there) = (&self.seats[one], &self.seats[other]);
        (whatever_moves || here.home == 0 && there.home == 0)
            && (here.lo, here.hi, here.open) == (there.lo, there.hi, there.open)
            && self.lanes_of[one] == self.lanes_of[other]
    }
}

/// The numbers of the bits that are set.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (at < 64).then_some(at as usize)
    })
}

/// The size of a group's replicas, if they have one.
pub(super) fn one_size(draft: &Draft<'_>, group: u32) -> Option<u64> {
    let mut places = draft.layout.replicas(group);
    let first = draft.bytes(places.next()?);
    places.all(|place| draft.bytes(place) == first).then_some(first)
}

fn seat(draft: &Draft<'_>, shares: &Shares, member: u32, groups: &[u32], sizes: &[u64]) -> Seat {
    let (mut home, mut now, mut own) = (0_u64, 0_u64, 0_u64);
    for (at, group) in groups.iter().enumerate() {
        let mut places = draft.layout.replicas(*group);
        if places.clone().any(|place| draft.home(place) == member) {
            home |= 1 << at;
        }
        if places.any(|place| draft.at[place] == member) {
            now |= 1 << at;
            own = own.saturating_add(sizes[at]);
        }
    }
    let open = match draft.layout.member(member).part {
        Part::Shares => u64::MAX >> (MOST - groups.len()),
        Part::Gives | Part::Keeps => home,
        Part::Empties => 0,
    };
    let place = member as usize;
    let others = draft.held[place].saturating_sub(own);
    let lo = shares.lo[place].saturating_sub(others);
    // Where others alone are too much nothing is little enough.
    let (lo, hi) = shares.hi[place].checked_sub(others).map_or((1, 0), |hi| (lo, hi));
    Seat { member, lo, hi, home, now, open }
}

/// The zones and hosts that bound where replicas can be.
fn lanes(
    draft: &Draft<'_>,
    rule: &Rule,
    members: &[u32],
    groups: &[u32],
    wanted: &[usize],
) -> Vec<Lane> {
    let zone = |member: u32| draft.layout.member(member).zone;
    let host = |member: u32| draft.layout.member(member).host;
    let mut lanes = of_kind(draft, members, groups, &zone, &|size| rule.per_zone(size));
    lanes.extend(of_kind(draft, members, groups, &host, &|size| rule.per_host(size)));
    let binds = |lane: &Lane| {
        let most = lane.most.iter().zip(wanted);
        most.into_iter().any(|(most, wanted)| (*most as usize) < lane.seats.len().min(*wanted))
    };
    lanes.retain(binds);
    lanes
}

fn of_kind(
    draft: &Draft<'_>,
    members: &[u32],
    groups: &[u32],
    lane_of: &dyn Fn(u32) -> u32,
    most: &dyn Fn(u32) -> u32,
) -> Vec<Lane> {
    let mut kinds: Vec<u32> = members.iter().map(|member| lane_of(*member)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let most_of = |kind: u32, group: u32| {
        let places = draft.layout.replicas(group);
        let is_home = |place: &usize| lane_of(draft.home(*place)) == kind;
        let is_fixed = |place: &usize| {
            lane_of(draft.at[*place]) == kind && !members.contains(&draft.at[*place])
        };
        // Who is there already may stay there.
        let most = most(small(places.len())).max(small(places.clone().filter(is_home).count()));
        most.saturating_sub(small(places.filter(is_fixed).count()))
    };
    let lane = |kind: u32| Lane {
        seats: (0..members.len()).filter(|at| lane_of(members[*at]) == kind).collect(),
        most: groups.iter().map(|group| most_of(kind, *group)).collect(),
    };
    kinds.into_iter().map(lane).collect()
}
