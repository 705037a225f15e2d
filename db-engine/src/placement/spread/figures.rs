//! What a spread is worth: counts, repeated pairs, sets, and what the loss of a host leaves to do
//! for each of the rest.
//!
//! `O(replicas · (replicas of a group + log replicas of a member))` time, and memory for each
//! replica's group mates.

use super::{Layout, Terms};
use crate::placement::small;

/// What a spread is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How many replicas each member has, old and new, by its place.
    pub counts: Vec<u32>,
    /// How often two members of a new group share a group already, an old one or another new one:
    /// each further shared group counts once.
    pub repeated: u64,
    /// How often that cannot be avoided: members share more groups than there are others they may
    /// share them with. A bound; it is not said that it can be reached.
    pub repeated_least: u64,
    /// How many different sets of members the new groups have.
    pub sets: u64,
    /// With how many others a member that takes replicas shares groups: the least of all, and the
    /// most.
    pub partners: [u32; 2],
    /// What the loss of a host leaves to do, for the host for which that is least even; none where
    /// no two members share a group.
    pub recovery: Option<Recovery>,
}

/// What the loss of a host leaves to do: each group it has a replica of is to be made whole from,
/// or by, one of the members that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The host.
    pub host: u32,
    /// How many replicas a single other member shares with it, at most.
    pub most: u64,
    /// How many it would be at least, for the one with the most: all of them over all members that
    /// may share any. Members with unequal shares may not be able to reach it.
    pub least: u64,
}

/// The figures of new groups whose members are sorted.
pub(super) fn figures(layout: &Layout, terms: &Terms, holders: &[u32]) -> Figures {
    let members = layout.members().len();
    let mut count = Count {
        terms,
        counts: vec![0; members],
        shared: Shared::of(layout, terms.replicas as usize, holders),
        is_taker: vec![false; members],
        with_member: Tally::of(members),
        with_host: Tally::of(members),
        free: vec![0; members],
    };
    for holder in layout.all_holders().iter().chain(holders) {
        count.counts[*holder as usize] += 1;
    }
    for (taker, partners) in terms.takers.iter().zip(terms.partners()) {
        count.is_taker[*taker as usize] = true;
        count.free[*taker as usize] = partners;
    }
    let mut figures = count.figures();
    if terms.replicas == 1 {
        let mut alone = holders.to_vec();
        alone.sort_unstable();
        figures.sets = alone.chunk_by(|one, next| one == next).count() as u64;
    }
    figures
}

/// With whom each member shares groups, one group after another.
struct Shared {
    /// Where the others of each member begin, those in new groups of them, and where the last ones
    /// end.
    starts: Vec<[usize; 2]>,
    others: Vec<u32>,
}

impl Shared {
    fn of(layout: &Layout, size: usize, holders: &[u32]) -> Self {
        let groups = || {
            let old = layout.groups().map(|it| (0, layout.holders(it)));
            old.chain(holders.chunks_exact(size).map(|it| (1, it)))
        };
        let mut next = vec![[0_usize; 2]; layout.members().len()];
        for (age, group) in groups() {
            for holder in group {
                next[*holder as usize][age] += group.len() - 1;
            }
        }
        let mut end = 0;
        for [old, new] in &mut next {
            let (olds, news) = (*old, *new);
            (*old, *new) = (end, end + olds);
            end += olds + news;
        }
        let mut starts = next.clone();
        starts.push([end; 2]);
        let mut others = vec![0; end];
        for (age, group) in groups() {
            for (at, holder) in group.iter().enumerate() {
                let next = &mut next[*holder as usize][age];
                for other in group[..at].iter().chain(&group[at + 1..]) {
                    others[*next] = *other;
                    *next += 1;
                }
            }
        }
        Self { starts, others }
    }

    /// The others in a member's old groups, and in its new ones.
    fn of_member(&self, member: u32) -> (&[u32], &[u32]) {
        let [old, new] = self.starts[member as usize];
        let [end, _] = self.starts[member as usize + 1];
        (&self.others[old..new], &self.others[new..end])
    }
}

/// How often each member was met, and who was.
struct Tally {
    times: Vec<u32>,
    met: Vec<u32>,
}

impl Tally {
    fn of(members: usize) -> Self {
        Self { times: vec![0; members], met: Vec::new() }
    }

    /// How often a member was met before.
    fn meet(&mut self, member: u32) -> u32 {
        let times = &mut self.times[member as usize];
        if *times == 0 {
            self.met.push(member);
        }
        *times += 1;
        *times - 1
    }

    fn clear(&mut self) {
        for member in self.met.drain(..) {
            self.times[member as usize] = 0;
        }
    }
}

struct Count<'a> {
    terms: &'a Terms,
    counts: Vec<u32>,
    shared: Shared,
    is_taker: Vec<bool>,
    with_member: Tally,
    with_host: Tally,
    /// How many others each member may share its first group with.
    free: Vec<u32>,
}

impl Count<'_> {
    fn figures(mut self) -> Figures {
        let beside = Beside::of(self.terms, &self.counts);
        let mut figures = Figures {
            counts: std::mem::take(&mut self.counts),
            repeated: 0,
            repeated_least: 0,
            sets: 0,
            partners: [u32::MAX, 0],
            recovery: None,
        };
        let host = |member: u32| self.terms.hosts[member as usize];
        let mut by_host: Vec<u32> = (0..small(self.is_taker.len())).collect();
        by_host.sort_by_key(|it| host(*it));
        let by_host: Vec<&[u32]> =
            by_host.chunk_by(|one, next| host(*one) == host(*next)).collect();
        let (mut crowd, mut most_crowded) = (0, 0);
        for on_host in by_host {
            for member in on_host {
                let beyond = self.count_member(*member, &mut figures);
                crowd += beyond;
                most_crowded = most_crowded.max(beyond);
            }
            self.count_host(on_host, &beside, &mut figures);
        }
        figures.repeated_least = crowd.div_ceil(2).max(most_crowded);
        figures.partners[0] = figures.partners[0].min(figures.partners[1]);
        figures
    }

    /// Adds a member to the figures, and says how many groups it shares beyond one with each other
    /// it may share one with. The tally is that of this member then.
    fn count_member(&mut self, member: u32, figures: &mut Figures) -> u64 {
        let (old, new) = self.shared.of_member(member);
        let (terms, tally) = (self.terms, &mut self.with_member);
        let mut free = u64::from(self.free[member as usize]);
        tally.clear();
        for other in old {
            let is_first = tally.meet(*other) == 0;
            let both_take = self.is_taker[*other as usize] && self.is_taker[member as usize];
            free -= u64::from(is_first && both_take && terms.may_share(member, *other));
        }
        for other in new {
            let is_again = tally.meet(*other) > 0;
            figures.repeated += u64::from(is_again && member < *other);
        }
        let others = (terms.replicas as usize - 1).max(1);
        let mut leads: Vec<&[u32]> =
            new.chunks_exact(others).filter(|others| others[0] > member).collect();
        leads.sort_unstable();
        figures.sets += leads.chunk_by(|one, next| one == next).count() as u64;
        if self.is_taker[member as usize] {
            let partners = small(tally.met.len());
            let [least, most] = figures.partners;
            figures.partners = [least.min(partners), most.max(partners)];
        }
        (new.len() as u64).saturating_sub(free)
    }

    /// Sees whether the loss of a host would be less even than any before. Where one member is on
    /// it, that is in the member's tally.
    fn count_host(&mut self, on_host: &[u32], beside: &Beside, figures: &mut Figures) {
        let host = self.terms.hosts[on_host[0] as usize];
        let tally = match on_host {
            [_] => &self.with_member,
            _ => {
                self.with_host.clear();
                for member in on_host {
                    let (old, new) = self.shared.of_member(*member);
                    let elsewhere = |it: &&u32| self.terms.hosts[**it as usize] != host;
                    for other in old.iter().chain(new).filter(elsewhere) {
                        self.with_host.meet(*other);
                    }
                }
                &self.with_host
            }
        };
        let times = || tally.met.iter().map(|it| u64::from(tally.times[*it as usize]));
        let Some(most) = times().max() else { return };
        let may = beside.may_share(self.terms, on_host, &tally.met);
        let here = Recovery { host, most, least: times().sum::<u64>().div_ceil(may) };
        let is_worse = |worst: Recovery| {
            u128::from(here.most) * u128::from(worst.least)
                > u128::from(worst.most) * u128::from(here.least)
        };
        if figures.recovery.is_none_or(is_worse) {
            figures.recovery = Some(here);
        }
    }
}

/// How many members have replicas, in all and in each zone.
struct Beside {
    has: Vec<bool>,
    in_all: u64,
    in_zone: std::collections::BTreeMap<u32, u64>,
}

impl Beside {
    fn of(terms: &Terms, counts: &[u32]) -> Self {
        let has: Vec<bool> = counts.iter().map(|count| *count > 0).collect();
        let mut in_zone = std::collections::BTreeMap::new();
        for (has, zone) in has.iter().zip(&terms.zones) {
            *in_zone.entry(*zone).or_default() += u64::from(*has);
        }
        Self { in_all: in_zone.values().sum(), in_zone, has }
    }

    /// How many members may share a group with a host: any elsewhere, those of its zone only if
    /// they may, or do.
    fn may_share(&self, terms: &Terms, on_host: &[u32], met: &[u32]) -> u64 {
        let zone = terms.zones[on_host[0] as usize];
        let own = on_host.iter().filter(|it| self.has[**it as usize]).count() as u64;
        if terms.per_zone > 1 {
            return (self.in_all - own).max(1);
        }
        let elsewhere = self.in_all - self.in_zone.get(&zone).copied().unwrap_or(0);
        let do_share = met.iter().filter(|it| terms.zones[**it as usize] == zone).count() as u64;
        (elsewhere + do_share).max(1)
    }
}
