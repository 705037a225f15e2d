//! How much each member is to hold: its share by weight, no more than it has room for, and no more in a zone than the
//! spread of replicas allows.

use crate::placement::small;
use std::collections::{BTreeMap, BTreeSet};

use super::apart::{Apart, Rule};
use super::layout::{Layout, Member, Part};
use super::level::{Claim, Level};

/// A thousand times its share: farther out is as far out.
const TOLERANCE_MAX: u32 = 1_000_000;

/// What members are to hold, in bytes, by their places.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// The exact share, rounded down.
    pub(super) even: Vec<u64>,
    /// The least a member is to hold.
    pub(super) lo: Vec<u64>,
    /// The most a member is to hold.
    pub(super) hi: Vec<u64>,
    /// Zones between which nothing can move: each evens out by itself. One for all where zones do not matter so.
    pub(super) worlds: Vec<Vec<u32>>,
}

/// More bytes than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) needed: u128,
    pub(super) there: u128,
}

impl Shares {
    /// The shares of bytes held, within a tolerance in thousandths of each share. One replica more or less than the
    /// exact share is not told apart from it here: `lo` is rounded down and `hi` up.
    pub(super) fn of(
        layout: &Layout,
        held: &[u64],
        apart: Apart,
        tolerance: u32,
    ) -> Result<Self, Lack> {
        let members = layout.members();
        let tolerance = tolerance.min(TOLERANCE_MAX);
        let zones = Zones::of(layout, held, apart);
        let levels = zones.levels(layout, held)?;
        let count = members.len();
        let (mut even, mut lo, mut hi) = (vec![0; count], vec![0; count], vec![u64::MAX; count]);
        for (place, member) in members.iter().enumerate() {
            let most = cap(layout, held, place);
            match member.part {
                Part::Keeps => {}
                Part::Empties => hi[place] = 0,
                Part::Shares | Part::Gives => {
                    let level = levels[place];
                    even[place] = level.share(member.weight, 1000).min(most);
                    let least = level.share(member.weight, 1000 - tolerance.min(1000)).min(most);
                    lo[place] = if member.part == Part::Shares { least } else { even[place] };
                    hi[place] = level.share_up(member.weight, 1000 + tolerance).min(member.room);
                }
            }
        }
        Ok(Self { even, lo, hi, worlds: zones.worlds(layout) })
    }

    /// The shares where nothing moves but what is on members that are to be empty: whoever stays keeps what it has, and
    /// takes as much as there is room for.
    pub(super) fn of_rest(layout: &Layout, held: &[u64], apart: Apart) -> Result<Self, Lack> {
        let members = layout.members();
        let of =
            |part: Part| members.iter().zip(held).filter(move |(member, _)| member.part == part);
        let bytes = |(_, held): (&Member, &u64)| u128::from(*held);
        let needed: u128 = of(Part::Empties).map(bytes).sum();
        let room = |(member, held): (&Member, &u64)| u128::from(member.room.saturating_sub(*held));
        let there: u128 = of(Part::Shares).map(room).sum();
        if needed > there {
            return Err(Lack { needed, there });
        }
        let weights = of(Part::Shares).map(|(member, _)| u128::from(member.weight)).sum();
        let level = Level { whole: needed + of(Part::Shares).map(bytes).sum::<u128>(), weights };
        let (mut even, mut hi) = (vec![0; held.len()], held.to_vec());
        for (place, member) in members.iter().enumerate() {
            if member.part == Part::Shares {
                even[place] = level.share(member.weight, 1000);
                hi[place] = member.room.max(held[place]);
            }
        }
        let leaves = |place: usize| members[place].part == Part::Empties;
        let lo = (0..held.len()).map(|place| if leaves(place) { 0 } else { held[place] }).collect();
        (0..held.len()).filter(|place| leaves(*place)).for_each(|place| hi[place] = 0);
        Ok(Self { even, lo, hi, worlds: Zones::of(layout, held, apart).worlds(layout) })
    }
}

impl Shares {
    /// Bytes a member that holds so many has over the most it is to hold.
    pub(super) fn over(&self, place: usize, held: u64) -> u64 {
        held.saturating_sub(self.hi[place])
    }

    /// Bytes it lacks of the least it is to hold.
    pub(super) fn under(&self, place: usize, held: u64) -> u64 {
        self.lo[place].saturating_sub(held)
    }

    /// What a member holds, in thousandths of its share.
    pub(super) fn fill(&self, place: usize, held: u64) -> u64 {
        let thousandths = u128::from(held) * 1000 / u128::from(self.even[place].max(1));
        u64::try_from(thousandths).unwrap_or(u64::MAX)
    }

    /// Bytes it is outside of its limits.
    pub(super) fn outside(&self, place: usize, held: u64) -> u64 {
        self.over(place, held).max(self.under(place, held))
    }

    /// Bytes all members are outside of their limits together.
    pub(super) fn distance(&self, held: &[u64]) -> u128 {
        let outside = |(place, held): (usize, &u64)| u128::from(self.outside(place, *held));
        held.iter().enumerate().map(outside).sum()
    }
}

/// The most a member can come to hold.
fn cap(layout: &Layout, held: &[u64], place: usize) -> u64 {
    let member = &layout.members()[place];
    match member.part {
        Part::Shares => member.room,
        Part::Gives => held[place].min(member.room),
        Part::Keeps | Part::Empties => 0,
    }
}

impl Level {
    /// Thousandths of the share of a weight, rounded down.
    fn share(self, weight: u64, thousandths: u32) -> u64 {
        let (whole, by) = self.product(weight, thousandths);
        u64::try_from(whole / by).unwrap_or(u64::MAX)
    }

    /// The same, rounded up.
    fn share_up(self, weight: u64, thousandths: u32) -> u64 {
        let (whole, by) = self.product(weight, thousandths);
        u64::try_from(whole.div_ceil(by)).unwrap_or(u64::MAX)
    }

    fn product(self, weight: u64, thousandths: u32) -> (u128, u128) {
        let parts = u128::from(weight).saturating_mul(u128::from(thousandths));
        // Weights are disks in bytes at most: what overflows here is larger than anything there is.
        let by = self.weights.saturating_mul(1000).max(1);
        match self.whole.checked_mul(parts) {
            Some(whole) => (whole, by),
            None => ((self.whole / by).saturating_mul(parts), 1),
        }
    }
}

/// Zones as far as they bound what their members can hold.
struct Zones {
    /// The zone of each member; all in one where zones do not matter.
    of: Vec<u32>,
    /// The most all members of a zone can hold, where the spread of replicas bounds it.
    most: Option<u128>,
    /// Whether each group has to have as many replicas in each zone as it may.
    is_closed: bool,
    total: u128,
}

impl Zones {
    fn of(layout: &Layout, held: &[u64], apart: Apart) -> Self {
        let members = layout.members();
        let counts = |part: Part| part != Part::Keeps;
        let all = members.iter().zip(held).filter(|(member, _)| counts(member.part));
        let total = all.map(|(_, held)| u128::from(*held)).sum();
        if apart != Apart::Zones {
            return Self { of: vec![0; members.len()], most: None, is_closed: false, total };
        }
        let rule = Rule::of(layout, apart);
        let of: Vec<u32> = members.iter().map(|member| member.zone).collect();
        let takes = members.iter().filter(|member| member.part == Part::Shares);
        let of_takers: BTreeSet<u32> = takes.map(|member| member.zone).collect();
        let zones = small(of_takers.len());
        let (mut most, mut is_closed) = (0_u128, layout.group_count() > 0);
        for group in layout.groups() {
            let places = layout.replicas(group);
            let size = small(places.len());
            let per_zone = rule.per_zone(size);
            is_closed &= u64::from(per_zone) * u64::from(zones) == u64::from(size)
                && fills_zones(layout, group, per_zone, &of_takers);
            let sizes = places.map(|place| layout.all_bytes()[place]);
            most += u128::from(sizes.max().unwrap_or(0)) * u128::from(per_zone);
        }
        Self { of, most: Some(most), is_closed, total }
    }

    /// The level of each member: one for all but those in zones that hold the most they can.
    fn levels(&self, layout: &Layout, held: &[u64]) -> Result<Vec<Level>, Lack> {
        let mut zones: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (place, zone) in self.of.iter().enumerate() {
            zones.entry(*zone).or_default().push(place);
        }
        let mut levels = vec![Level::default(); self.of.len()];
        if self.is_closed {
            let moves = |place: &&usize| layout.members()[**place].part != Part::Keeps;
            for of in zones.values() {
                let there = of.iter().filter(moves).map(|place| u128::from(held[*place])).sum();
                fill_up(layout, held, of, there, &mut levels)?;
            }
            return Ok(levels);
        }
        let mut left = self.total;
        loop {
            let members: Vec<usize> = zones.values().flatten().copied().collect();
            fill_up(layout, held, &members, left, &mut levels)?;
            let Some(most) = self.most.filter(|_| zones.len() > 1) else { return Ok(levels) };
            let share = |place: &usize| {
                let weight = layout.members()[*place].weight;
                u128::from(levels[*place].share(weight, 1000).min(cap(layout, held, *place)))
            };
            // A few bytes of rounding are no reason to treat a zone as full.
            let is_over = |of: &&Vec<usize>| of.iter().map(share).sum::<u128>() > most + 1;
            let full: Vec<u32> =
                zones.iter().filter(|(_, of)| is_over(of)).map(|it| *it.0).collect();
            if full.is_empty() {
                return Ok(levels);
            }
            for zone in full {
                let of = zones.remove(&zone).unwrap_or_default();
                fill_up(layout, held, &of, most, &mut levels)?;
                left = left.saturating_sub(most);
            }
        }
    }

    fn worlds(&self, layout: &Layout) -> Vec<Vec<u32>> {
        let mut worlds: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (place, zone) in (0..).zip(&self.of) {
            if layout.member(place).part != Part::Keeps {
                worlds.entry(if self.is_closed { *zone } else { 0 }).or_default().push(place);
            }
        }
        worlds.into_values().collect()
    }
}

/// Whether a group has as many replicas as it may in each zone it is in, all of them zones that take some.
fn fills_zones(layout: &Layout, group: u32, per_zone: u32, takers: &BTreeSet<u32>) -> bool {
    let holders = layout.holders(group);
    holders.iter().all(|holder| {
        let zone = layout.member(*holder).zone;
        let there = holders.iter().filter(|other| layout.member(**other).zone == zone).count();
        u32::try_from(there) == Ok(per_zone) && takers.contains(&zone)
    })
}

/// The level at which these members hold so many bytes, those that have no room for their share as much as they can.
fn fill_up(
    layout: &Layout,
    held: &[u64],
    members: &[usize],
    bytes: u128,
    levels: &mut [Level],
) -> Result<(), Lack> {
    let takes = |place: &&usize| {
        let member = &layout.members()[**place];
        matches!(member.part, Part::Shares | Part::Gives) && member.weight > 0
    };
    let order = || members.iter().filter(takes).copied();
    let most = |place: usize| cap(layout, held, place);
    let claim = |place: usize| Claim { weight: layout.members()[place].weight, most: most(place) };
    let level = Level::of(order().map(claim), bytes);
    if level.weights == 0 && level.whole > 0 {
        let there = order().map(|place| u128::from(most(place))).sum();
        return Err(Lack { needed: bytes, there });
    }
    for place in order() {
        levels[place] = level;
    }
    Ok(())
}
