//! What moves come to, worked out the same way for all, and apart from what is measured.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::placement::Move;
use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::layout::{Layout, Part};

/// How far from its share a member may be, in thousandths of it.
pub(crate) const TOLERANCE: u32 = 10;

/// What members are to hold, in bytes, by their places: all the same, or all of a zone where
/// nothing can move between zones, as each group has to have a replica in each of them.
pub(crate) struct Shares {
    pub(crate) even: Vec<u64>,
    pub(crate) lo: Vec<u64>,
    pub(crate) hi: Vec<u64>,
    /// The members that share with each other.
    pub(crate) worlds: Vec<Vec<u32>>,
}

impl Shares {
    /// Shares of groups of three replicas, for members of one weight.
    pub(crate) fn of(layout: &Layout, apart: Apart) -> Self {
        let is_closed = apart == Apart::Zones && zones(layout).len() == 3;
        let mut worlds: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (place, member) in (0..).zip(layout.members()) {
            worlds.entry(if is_closed { member.zone } else { 0 }).or_default().push(place);
        }
        let (held, none) = (layout.held(), vec![0; layout.members().len()]);
        let (mut even, mut lo, mut hi) = (none.clone(), none.clone(), none);
        for world in worlds.values_mut() {
            let bytes: u128 = world.iter().map(|it| u128::from(held[*it as usize])).sum();
            world.retain(|it| layout.member(*it).part == Part::Shares);
            let by = 1000 * world.len() as u128;
            let share = |parts: u32| u64::try_from(bytes * u128::from(parts) / by);
            for place in world.iter().map(|it| *it as usize) {
                even[place] = share(1000).unwrap_or(u64::MAX);
                lo[place] = share(1000 - TOLERANCE).unwrap_or(u64::MAX);
                hi[place] = share(1000 + TOLERANCE).unwrap_or(u64::MAX).saturating_add(1);
            }
        }
        Self { even, lo, hi, worlds: worlds.into_values().collect() }
    }

    /// The bytes that have to move at least for all to be inside of their limits: whole replicas where they are of one
    /// size.
    pub(crate) fn bound(&self, layout: &Layout) -> u64 {
        let (held, bytes) = (layout.held(), layout.all_bytes());
        let one = bytes.first().filter(|first| bytes.iter().all(|it| it == *first));
        let whole = |bytes: u64| one.map_or(bytes, |one| bytes.next_multiple_of(*one));
        let of = |world: &Vec<u32>| {
            let places = || world.iter().map(|it| *it as usize);
            let over: u64 = places().map(|it| whole(held[it].saturating_sub(self.hi[it]))).sum();
            let under: u64 = places().map(|it| whole(self.lo[it].saturating_sub(held[it]))).sum();
            over.max(under)
        };
        self.worlds.iter().map(of).sum()
    }
}

/// The zones of members that take replicas.
pub(crate) fn zones(layout: &Layout) -> BTreeSet<u32> {
    let takes = layout.members().iter().filter(|member| member.part == Part::Shares);
    takes.map(|member| member.zone).collect()
}

/// What moves come to.
pub(crate) struct Verdict {
    pub(crate) moved: u64,
    /// The least and the most a member holds, in parts of its share.
    pub(crate) emptiest: f64,
    pub(crate) fullest: f64,
    pub(crate) outside: usize,
    /// The most replicas of a member less the fewest, of those that share with each other.
    pub(crate) spread: u32,
    /// Groups with two replicas on one member, or with more in a zone than there may be, moves of
    /// what is not there, and replicas on members that are to be empty.
    pub(crate) wrongs: usize,
}

/// Judges moves.
pub(crate) fn judge(layout: &Layout, apart: Apart, moves: &[Move]) -> Verdict {
    let mut after = layout.clone();
    after.carry_out(moves);
    let moved = moves.iter().map(|it| it.bytes).sum();
    let there = |it: &&Move| !layout.holders(it.group).contains(&it.from);
    let strange = moves.iter().filter(there).count();
    let changed = after.all_holders().iter().zip(layout.all_holders());
    let lost = moves.len().abs_diff(changed.filter(|(is, was)| is != was).count());
    let (held, mut counts) = (after.held(), vec![0; layout.members().len()]);
    after.all_holders().iter().for_each(|it| counts[*it as usize] += 1);
    let shares = Shares::of(layout, apart);
    let mut verdict = Verdict {
        moved,
        emptiest: f64::MAX,
        fullest: 0.0,
        outside: 0,
        spread: 0,
        wrongs: strange + lost + broken(&after, apart) + stranded(&after),
    };
    for world in &shares.worlds {
        for place in world.iter().map(|it| *it as usize) {
            let part = held[place] as f64 / shares.even[place] as f64;
            verdict.emptiest = verdict.emptiest.min(part);
            verdict.fullest = verdict.fullest.max(part);
            let is_inside = (shares.lo[place]..=shares.hi[place]).contains(&held[place]);
            verdict.outside += usize::from(!is_inside);
        }
        let of_world = || world.iter().map(|it| counts[*it as usize]);
        let spread = of_world().max().unwrap_or(0) - of_world().min().unwrap_or(0);
        verdict.spread = verdict.spread.max(spread);
    }
    verdict
}

/// Groups that are not apart as they are to be.
fn broken(layout: &Layout, apart: Apart) -> usize {
    let rule = Rule::of(layout, apart);
    let is_broken = |group: &u32| {
        let holders = layout.holders(*group);
        let zone = |it: &u32| layout.member(*it).zone;
        let most = rule.per_zone(u32::try_from(holders.len()).unwrap_or(u32::MAX)) as usize;
        holders.iter().any(|one| {
            holders.iter().filter(|other| *other == one).count() > 1
                || holders.iter().filter(|other| zone(other) == zone(one)).count() > most
        })
    };
    (0..u32::try_from(layout.group_count()).unwrap_or(u32::MAX)).filter(is_broken).count()
}

/// Replicas on members that are to be empty.
fn stranded(layout: &Layout) -> usize {
    let is_stranded = |it: &&u32| layout.member(**it).part == Part::Empties;
    layout.all_holders().iter().filter(is_stranded).count()
}
