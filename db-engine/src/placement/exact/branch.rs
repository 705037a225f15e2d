//! The best sets for all seats together: branch and bound.
//!
//! Source: Land and Doig 1960; the bound is that of [`super::prices`], and between branchings what follows from counts
//! alone is drawn, as in constraint programming. Depth-first. Time: exponential at worst, so that it may give up.

use super::prices::{Best, Prices, cost};
use super::problem::{MOST, Problem, bits};
use super::work::Work;

/// Steps of prices at first, and after each branching.
const AT_FIRST: usize = 240;
const LATER: usize = 14;

/// Steps where no placement is known, so that prices say little.
const BLIND: usize = 1;

/// Sets that are still possible for each seat, and prices that were good above.
struct Node {
    live: Vec<Vec<u64>>,
    prices: Prices,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The least that moves.
    Least,
    /// Any placement, whatever moves: who holds what now makes no difference between seats then.
    Any,
}

/// The best sets there are, or any, and whether they are proven to be: the work was enough.
pub(super) fn solve(
    problem: &Problem,
    aim: Aim,
    lists: Vec<Vec<u64>>,
    less_than: Option<u64>,
    work: &mut Work,
) -> (Best, bool) {
    let mut best = Best { less_than, sets: None };
    let mut open = vec![Node { live: lists, prices: Prices::of(problem) }];
    let twins = twins(problem, aim);
    let mut steps = AT_FIRST;
    while let Some(mut node) = open.pop() {
        let is_open = deduce(problem, &twins, &mut node.live, work)
            && node.prices.cut(problem, &mut node.live, &mut best, steps, work)
            && deduce(problem, &twins, &mut node.live, work);
        if aim == Aim::Any && best.sets.is_some() {
            return (best, true);
        }
        if work.left() == 0 {
            return (best, false);
        }
        steps = if aim == Aim::Least { LATER } else { BLIND };
        if !is_open {
            continue;
        }
        if node.live.iter().all(|sets| sets.len() == 1) {
            best.take(problem, node.live.iter().map(|sets| sets[0]).collect());
        } else {
            split(problem, node, &mut open);
        }
    }
    (best, true)
}

/// Pairs of seats that can be told apart by nothing but their names.
fn twins(problem: &Problem, aim: Aim) -> Vec<(usize, usize)> {
    let before = |seat: usize| {
        let mut earlier = (0..seat).rev();
        earlier.find(|it| problem.are_alike(*it, seat, aim == Aim::Any)).map(|it| (it, seat))
    };
    (0..problem.seats.len()).filter_map(before).collect()
}

/// Two nodes for one: a seat holds a group, or not. The likelier one is looked at first.
fn split(problem: &Problem, node: Node, open: &mut Vec<Node>) {
    let choice = node.live.iter().enumerate().filter(|(_, sets)| sets.len() > 1);
    let Some((seat, sets)) = choice.min_by_key(|(seat, sets)| (sets.len(), *seat)) else { return };
    let all = sets.iter().fold(u64::MAX, |all, set| all & set);
    let any = sets.iter().fold(0, |any, set| any | set);
    let uneven = |at: &usize| {
        let with = sets.iter().filter(|set| **set >> at & 1 == 1).count();
        (with.abs_diff(sets.len() - with), std::cmp::Reverse(problem.sizes[*at]), *at)
    };
    let Some(group) = bits(any & !all).min_by_key(uneven) else { return };
    let costs = node.prices.costs(problem, seat);
    let cheapest = sets.iter().map(|set| (cost(&costs, *set), *set)).min();
    let likely = cheapest.map_or(0, |(_, set)| set >> group & 1);
    let side = |bit: u64| {
        let mut live = node.live.clone();
        live[seat].retain(|set| set >> group & 1 == bit);
        Node { live, prices: node.prices.clone() }
    };
    open.push(side(1 - likely));
    open.push(side(likely));
}

/// Leaves out sets that cannot be together with any of the other seats' by counts. False if a seat has none left.
fn deduce(
    problem: &Problem,
    twins: &[(usize, usize)],
    live: &mut [Vec<u64>],
    work: &mut Work,
) -> bool {
    loop {
        let all = |sets: &Vec<u64>| sets.iter().fold(u64::MAX, |all, set| all & set);
        let any = |sets: &Vec<u64>| sets.iter().fold(0, |any, set| any | set);
        let all: Vec<u64> = live.iter().map(all).collect();
        let any: Vec<u64> = live.iter().map(any).collect();
        work.spend(live.iter().map(Vec::len).sum());
        let Some((with, without)) = follow(problem, &all, &any) else { return false };
        let mut is_same = true;
        for (seat, sets) in live.iter_mut().enumerate() {
            let count = sets.len();
            if (with[seat] & !all[seat]) | (without[seat] & any[seat]) != 0 {
                sets.retain(|set| with[seat] & !set == 0 && without[seat] & set == 0);
            }
            if sets.is_empty() {
                return false;
            }
            is_same &= sets.len() == count;
        }
        is_same &= order(twins, live);
        if live.iter().any(Vec::is_empty) {
            return false;
        }
        if is_same {
            return true;
        }
    }
}

/// What each seat has to hold, and must not, given what all, and any, of its sets have. None if it cannot be.
fn follow(problem: &Problem, all: &[u64], any: &[u64]) -> Option<(Vec<u64>, Vec<u64>)> {
    let mut with = vec![0; all.len()];
    let mut without = vec![0; all.len()];
    for at in 0..problem.groups.len().min(MOST) {
        let count = |of: &[u64]| of.iter().map(|set| set >> at & 1).sum::<u64>();
        let (wanted, sure, possible) = (u64::from(problem.wanted[at]), count(all), count(any));
        if sure > wanted || possible < wanted {
            return None;
        }
        for seat in 0..all.len() {
            let is_sure = all[seat] >> at & 1 == 1;
            without[seat] |= u64::from(sure == wanted && !is_sure) << at;
            with[seat] |= if possible == wanted { any[seat] & 1 << at } else { 0 };
        }
        for lane in &problem.lanes {
            let sure: u64 = lane.seats.iter().map(|seat| all[*seat] >> at & 1).sum();
            let most = u64::from(lane.most[at]);
            if sure > most {
                return None;
            }
            for seat in lane.seats.iter().filter(|_| sure == most) {
                without[*seat] |= !all[*seat] & 1 << at;
            }
        }
    }
    Some((with, without))
}

/// Of seats that are alike, the later one holds the set with the larger number. True if that left nothing out.
fn order(twins: &[(usize, usize)], live: &mut [Vec<u64>]) -> bool {
    let mut is_same = true;
    for (one, other) in twins.iter().copied() {
        let least = live[one].iter().min().copied().unwrap_or(0);
        let most = live[other].iter().max().copied().unwrap_or(u64::MAX);
        let counts = (live[one].len(), live[other].len());
        live[other].retain(|set| *set >= least);
        live[one].retain(|set| *set <= most);
        is_same &= counts == (live[one].len(), live[other].len());
    }
    is_same
}
