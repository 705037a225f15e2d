//! How many new replicas each member takes: as near to its share, by weight, as the rule allows.
//!
//! The method of Webster and Sainte-Laguë: the next replica goes to the member for which (2 · what
//! it has + 1) / weight is least, ties to the first. What a member, host or zone may take is
//! limited, and these limits are nested, so that this greedy order gives the least sum of count² /
//! weight there can be (Federgruen and Groenevelt 1986). No replica is given singly: the level up
//! to which all is given is found by bisection, and a host or zone that would get more than it may
//! is filled by itself to its limit.
//!
//! `O(members · LEVEL_BITS)` time for each of the three depths.

use crate::placement::small;
use std::ops::Range;

use super::{Layout, Terms};

/// Weights are as exact as this many bits.
const WEIGHT_BITS: u32 = 31;
/// Binary places of a level. Two different levels at which replicas are given differ by at least
/// the inverse of the product of two weights, so that between two neighbours there is one such
/// level at most.
const LEVEL_SHIFT: u32 = 2 * WEIGHT_BITS;
/// The bits of the highest level: 2³² replicas on a member of the least weight.
const LEVEL_BITS: u32 = LEVEL_SHIFT + 34;

/// Takers by host, by zone.
type Zones = [Vec<Range<usize>>];

/// How many new replicas each taker gets, by its place in the list of takers.
pub(super) fn quotas(layout: &Layout, terms: &Terms, groups: u32, held: &[u32]) -> Vec<u32> {
    let weights: Vec<u64> = terms.takers.iter().map(|it| layout.member(*it).weight).collect();
    let mut quotas = Quotas {
        terms,
        weights: scaled(&weights),
        held: terms.takers.iter().map(|it| u64::from(held[*it as usize])).collect(),
        groups: u64::from(groups),
        given: vec![0; terms.takers.len()],
    };
    let limits = Limits {
        host: u64::from(terms.per_host) * quotas.groups,
        zone: u64::from(terms.per_zone) * quotas.groups,
    };
    quotas.give(&terms.by_zone, limits, u64::from(terms.replicas) * u64::from(groups));
    quotas.given.iter().map(|it| small(*it as usize)).collect()
}

/// Weights whose largest has all bits there are. One of zero is the least there can be: it takes
/// what nobody else may.
fn scaled(weights: &[u64]) -> Vec<u64> {
    let largest = weights.iter().copied().max().unwrap_or(0).max(1);
    let unused = largest.leading_zeros();
    weights.iter().map(|it| ((it << unused) >> (u64::BITS - WEIGHT_BITS)).max(1)).collect()
}

/// What one host, and one zone, may take in all.
#[derive(Clone, Copy)]
struct Limits {
    host: u64,
    zone: u64,
}

struct Quotas<'a> {
    terms: &'a Terms,
    /// Of each taker, as the next two.
    weights: Vec<u64>,
    held: Vec<u64>,
    given: Vec<u64>,
    groups: u64,
}

impl Quotas<'_> {
    /// Gives so many replicas to the members of these zones, which can take them.
    fn give(&mut self, zones: &Zones, limits: Limits, total: u64) {
        let (mut low, mut high) = (0_u128, 1_u128 << LEVEL_BITS);
        while high - low > 1 {
            let middle = low.midpoint(high);
            let fits = self.amount(zones, limits, middle) <= total;
            (low, high) = if fits { (middle, high) } else { (low, middle) };
        }
        let mut next = Vec::new();
        let mut given = 0;
        for zone in zones {
            given += self.give_zone(zone, limits, low, &mut next);
        }
        self.give_next(zones, limits, next, total - given);
    }

    /// Gives a zone what there is up to a level; those that would be next are added.
    fn give_zone(
        &mut self,
        zone: &[Range<usize>],
        limits: Limits,
        level: u128,
        next: &mut Vec<usize>,
    ) -> u64 {
        if self.in_zone(zone, limits, level) > limits.zone {
            let of_itself = Limits { zone: u64::MAX, ..limits };
            self.give(&[zone.to_vec()], of_itself, limits.zone);
            return limits.zone;
        }
        let mut given = 0;
        for host in zone {
            if self.on_host(host, level) > limits.host {
                let of_itself = Limits { host: u64::MAX, zone: u64::MAX };
                self.give(&[vec![host.clone()]], of_itself, limits.host);
                given += limits.host;
                continue;
            }
            for taker in host.clone() {
                self.given[taker] = self.up_to(taker, level);
                given += self.given[taker];
                let is_next = self.up_to(taker, level + 1) > self.given[taker];
                next.extend(is_next.then_some(taker));
            }
        }
        given
    }

    /// One more for as many of those that are next, all at one level, as there is left for. The
    /// first ones get it.
    fn give_next(&mut self, zones: &Zones, limits: Limits, mut next: Vec<usize>, mut left: u64) {
        let sum = |given: &[u64], host: &Range<usize>| given[host.clone()].iter().sum::<u64>();
        let mut of_zone = Vec::with_capacity(zones.len());
        let mut of_host = Vec::new();
        let mut nodes = vec![(0, 0); self.given.len()];
        for (zone, hosts) in zones.iter().enumerate() {
            of_zone.push(hosts.iter().map(|host| sum(&self.given, host)).sum::<u64>());
            for host in hosts {
                nodes[host.clone()].fill((zone, of_host.len()));
                of_host.push(sum(&self.given, host));
            }
        }
        next.sort_unstable_by_key(|taker| self.terms.takers[*taker]);
        for taker in next {
            let (zone, host) = nodes[taker];
            if left > 0 && of_zone[zone] < limits.zone && of_host[host] < limits.host {
                self.given[taker] += 1;
                of_zone[zone] += 1;
                of_host[host] += 1;
                left -= 1;
            }
        }
    }

    fn amount(&self, zones: &Zones, limits: Limits, level: u128) -> u64 {
        zones.iter().map(|zone| self.in_zone(zone, limits, level).min(limits.zone)).sum()
    }

    fn in_zone(&self, zone: &[Range<usize>], limits: Limits, level: u128) -> u64 {
        zone.iter().map(|host| self.on_host(host, level).min(limits.host)).sum()
    }

    fn on_host(&self, host: &Range<usize>, level: u128) -> u64 {
        host.clone().map(|taker| self.up_to(taker, level)).sum()
    }

    /// What a taker gets up to a level: all its (2 · count + 1) / weight that are not above.
    fn up_to(&self, taker: usize, level: u128) -> u64 {
        let odd = (level * u128::from(self.weights[taker])) >> LEVEL_SHIFT;
        let count = u64::try_from(odd.div_ceil(2)).unwrap_or(u64::MAX);
        count.saturating_sub(self.held[taker]).min(self.groups)
    }
}
