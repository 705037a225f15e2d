//! The narrow spread: few different sets of members (Cidon et al., "Copysets", USENIX ATC 2013).
//!
//! As there, the members are put in an order that looks drawn, as often as the scatter width asks
//! for, and each order is cut into sets. Other than there, each member takes exactly its quota: an
//! order is cut where a block of members has as many replicas as whole groups need, and within a
//! block members are wound around its groups. Where members take as many as others a block is one
//! set; of what does not come out even, a block has up to as many sets as members.
//!
//! `O(replicas + orders · members · log members)` time.

use crate::placement::small;
use std::cmp::Reverse;
use std::ops::Range;

use super::seats::{Seats, wind};
use super::{Terms, mix};

/// Blocks up to so many sets' members are tried to be closed at every member, longer ones as they
/// double.
const EVERY: usize = 8;

/// The members of groups, one group after another.
pub(super) fn copysets(terms: &Terms, groups: u32, quotas: &[u32], scatter_width: u32) -> Vec<u32> {
    let laps = u64::from(groups) * u64::from(terms.replicas) / terms.takers.len() as u64;
    let most = small(usize::try_from(laps).unwrap_or(usize::MAX)).max(1);
    let orders = orders(terms, groups, quotas, scatter_width, most);
    let mut seats = Seats::empty(terms, groups);
    for order in 0..orders {
        let quotas = part(quotas, u64::from(groups), u64::from(order), u64::from(orders));
        let mut first = order as usize;
        for block in blocks(terms, &quotas, order) {
            let taken: u64 = block.iter().map(|it| u64::from(quotas[*it])).sum();
            let groups = (taken / u64::from(terms.replicas)) as usize;
            let row = block.iter().map(|it| (terms.takers[*it], quotas[*it]));
            wind(&mut seats, row, groups, |at| first + at * orders as usize);
            first += groups * orders as usize;
        }
    }
    seats.holders
}

/// How many orders reach a scatter width. A member of a block that is one set meets one less than a
/// set has; one of a longer block, in which its run ends amid that of each other, up to twice as
/// many.
fn orders(terms: &Terms, groups: u32, quotas: &[u32], scatter_width: u32, most: u32) -> u32 {
    let others = u64::from(terms.replicas - 1).max(1);
    let at_most = scatter_width.div_ceil(small(others as usize)).clamp(1, most);
    let quotas = part(quotas, u64::from(groups), 0, u64::from(at_most));
    let (mut members, mut met) = (0_u64, 0_u64);
    for block in blocks(terms, &quotas, 0) {
        let length = block.len() as u64;
        members += length;
        met += length * (length - 1).min(2 * others);
    }
    let reach = u64::from(scatter_width) * members;
    small(usize::try_from(reach.div_ceil(met.max(1))).unwrap_or(usize::MAX)).clamp(1, at_most)
}

/// The part of the quotas an order has: that of each so-manieth group, were all wound around all
/// groups. So the rule can be kept in each part.
fn part(quotas: &[u32], groups: u64, order: u64, orders: u64) -> Vec<u32> {
    let before = |end: u64| {
        let (laps, at) = (end / groups, end % groups);
        let of_lap = |end: u64| (end + orders - 1 - order) / orders;
        laps * of_lap(groups) + of_lap(at)
    };
    let mut start = 0;
    let share = |quota: &u32| {
        let end = start + u64::from(*quota);
        let share = before(end) - before(start);
        start = end;
        small(share as usize)
    };
    quotas.iter().map(share).collect()
}

/// Takers with their turns, zones and hosts by turns and in each those that take most first.
fn ordered(terms: &Terms, quotas: &[u32], order: u32) -> Vec<usize> {
    let mut turns = vec![(0, 0); terms.takers.len()];
    for (zone, hosts) in terms.by_zone.iter().enumerate() {
        let mut of_zone: Vec<(u64, Reverse<u32>, u64, usize)> = Vec::new();
        for host in hosts {
            let mut of_host: Vec<usize> = host.clone().collect();
            of_host.sort_unstable_by_key(|it| (Reverse(quotas[*it]), drawn(order, 1, *it), *it));
            let turn = |(at, it): (usize, usize)| {
                let first = if hosts.len() == 1 { 0 } else { evenly(at, host) };
                (first, Reverse(quotas[it]), drawn(order, 2, it), it)
            };
            of_zone.extend(of_host.into_iter().enumerate().map(turn));
        }
        of_zone.sort_unstable();
        let all = 0..of_zone.len();
        for (at, (.., it)) in of_zone.into_iter().enumerate() {
            turns[it] = (evenly(at, &all), drawn(order, 3, zone));
        }
    }
    let mut ordered: Vec<usize> = (0..quotas.len()).filter(|it| quotas[*it] > 0).collect();
    ordered.sort_unstable_by_key(|it| (turns[*it], *it));
    ordered
}

/// A number for a member, host or zone in an order, that looks drawn.
fn drawn(order: u32, kind: u64, it: usize) -> u64 {
    mix(u64::from(order) << 8 ^ kind ^ mix(it as u64 + 1))
}

/// Where one of so many is if they are spaced evenly over all numbers.
fn evenly(at: usize, of: &Range<usize>) -> u64 {
    ((((2 * at + 1) as u128) << 63) / of.len().max(1) as u128) as u64
}

/// Cuts an order into blocks that can be wound around groups of their own: in each, zones, their
/// hosts and their members are in orders that look drawn.
fn blocks(terms: &Terms, quotas: &[u32], order: u32) -> Vec<Vec<usize>> {
    let mut keys = vec![(0, 0, 0); quotas.len()];
    for (zone, hosts) in terms.by_zone.iter().enumerate() {
        for host in hosts {
            let (zone, of_host) = (drawn(order, 4, zone), drawn(order, 5, host.start));
            for it in host.clone() {
                keys[it] = (zone, of_host, drawn(order, 6, it));
            }
        }
    }
    let ordered = ordered(terms, quotas, order);
    let starts = starts(terms, &ordered, quotas);
    let ends = starts.iter().skip(1).copied().chain([ordered.len()]);
    let block = |(start, end): (&usize, usize)| {
        let mut block = ordered[*start..end].to_vec();
        block.sort_unstable_by_key(|it| (keys[*it], *it));
        block
    };
    starts.iter().zip(ends).map(block).collect()
}

/// Where blocks begin: as soon as one before is whole, and the last ones are one if what is left is
/// not.
fn starts(terms: &Terms, ordered: &[usize], quotas: &[u32]) -> Vec<usize> {
    let size = terms.replicas as usize;
    let (mut starts, mut start) = (Vec::new(), 0);
    for end in 1..=ordered.len() {
        let length = end - start;
        let is_time = length >= size && (length <= EVERY * size || length.is_power_of_two());
        if is_time && closes(terms, &ordered[start..end], quotas) {
            starts.push(start);
            start = end;
        }
    }
    let mut more = 1;
    while start < ordered.len() && !closes(terms, &ordered[start..], quotas) && start > 0 {
        let kept = starts.len().saturating_sub(more);
        start = starts.get(kept).copied().unwrap_or(0);
        starts.truncate(kept);
        more *= 2;
    }
    starts.extend((start < ordered.len()).then_some(start));
    starts
}

/// Whether some takers can be wound around groups of their own.
fn closes(terms: &Terms, block: &[usize], quotas: &[u32]) -> bool {
    let replicas = u64::from(terms.replicas);
    let sum: u64 = block.iter().map(|it| u64::from(quotas[*it])).sum();
    let groups = sum / replicas;
    let fits = |of: &[u32], most: u32| {
        if most >= terms.replicas {
            return true;
        }
        let node = |it: &usize| (of[terms.takers[*it] as usize], u64::from(quotas[*it]));
        let mut nodes: Vec<(u32, u64)> = block.iter().map(node).collect();
        nodes.sort_unstable();
        let mut nodes = nodes.chunk_by(|one, next| one.0 == next.0);
        nodes.all(|it| it.iter().map(|it| it.1).sum::<u64>() <= u64::from(most) * groups)
    };
    sum.is_multiple_of(replicas)
        && block.iter().all(|it| u64::from(quotas[*it]) <= groups)
        && fits(&terms.hosts, terms.per_host)
        && fits(&terms.zones, terms.per_zone)
}
