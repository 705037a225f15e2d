//! The least there can be where replicas are of one size: a general flow of least cost, from
//! replicas that may move to members that take, by way of what a group may have in a zone.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::placement::Move;
use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::layout::Layout;

use super::contest::{Stop, by_and_by};
use super::judge::{Shares, zones};
use crate::leaders::general::{Graph, dijkstra, use_up};

/// More edges than that have no room: with what is beside them, each takes some 40 bytes.
const MOST_EDGES: usize = 100_000_000;

/// Ways from replicas to members. The nodes of members come first, by their places.
pub(crate) struct Ways<'a> {
    layout: &'a Layout,
    pub(crate) graph: Graph,
    pub(crate) source: u32,
    pub(crate) end: u32,
    /// The replicas that may move, and the node of each.
    pub(crate) movers: Vec<(usize, u32)>,
}

impl<'a> Ways<'a> {
    /// All ways of replicas on some members to other members. What goes into the replicas, and what
    /// goes on from the members, is the caller's. A zone may have one of a group's replicas.
    pub(crate) fn of(
        layout: &'a Layout,
        apart: Apart,
        gives: impl Fn(u32) -> bool,
        takers: &[u32],
    ) -> Result<Self, Stop> {
        let bytes = layout.all_bytes();
        if bytes.iter().any(|it| *it != bytes[0]) {
            return Err(Stop::Never("sizes differ".to_owned()));
        }
        let groups = 0..u32::try_from(layout.group_count()).unwrap_or(u32::MAX);
        let moves = |group: &u32| layout.holders(*group).iter().any(|it| gives(*it));
        let edges = groups.clone().filter(moves).count() * takers.len();
        if edges > MOST_EDGES {
            return Err(Stop::Never(format!("it has {} million edges", edges / 1_000_000)));
        }
        let members = u32::try_from(layout.members().len()).unwrap_or(u32::MAX);
        let graph = Graph::of(members as usize + 2);
        let (source, end, movers) = (members, members + 1, Vec::new());
        let mut ways = Self { layout, graph, source, end, movers };
        let is_by_zone = apart == Apart::Zones;
        let zone = |member: u32| if is_by_zone { layout.member(member).zone } else { 0 };
        let mut of_zone: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        takers.iter().for_each(|it| of_zone.entry(zone(*it)).or_default().push(*it));
        let per_zone = Rule::of(layout, apart).per_zone(3);
        let all = if is_by_zone { zones(layout) } else { BTreeSet::from([0]) };
        for group in groups.filter(moves) {
            ways.group(group, &gives, &zone, &of_zone, per_zone, &all);
        }
        Ok(ways)
    }

    /// The ways of one group's replicas: each may stay in its zone, or go to one without any.
    fn group(
        &mut self,
        group: u32,
        gives: &impl Fn(u32) -> bool,
        zone: &impl Fn(u32) -> u32,
        takers: &BTreeMap<u32, Vec<u32>>,
        per_zone: u32,
        all: &BTreeSet<u32>,
    ) {
        let holders = self.layout.holders(group);
        let of_holders: BTreeSet<u32> = holders.iter().map(|it| zone(*it)).collect();
        let mut slots: BTreeMap<u32, u32> = BTreeMap::new();
        for (replica, holder) in self.layout.replicas(group).zip(holders) {
            if !gives(*holder) {
                continue;
            }
            let node = self.node();
            self.movers.push((replica, node));
            let free = all.iter().filter(|it| !of_holders.contains(it));
            for to in free.chain([&zone(*holder)]) {
                let slot = *slots.entry(*to).or_insert_with(|| self.node());
                self.graph.edge(node, slot, 0);
            }
        }
        for (zone, slot) in slots {
            let out = self.node();
            (0..per_zone).for_each(|_| self.graph.edge(slot, out, 0));
            let takers = takers.get(&zone).into_iter().flatten();
            takers.filter(|to| !holders.contains(to)).for_each(|to| self.graph.edge(out, *to, 0));
        }
    }

    pub(crate) fn node(&mut self) -> u32 {
        self.graph.first.push(u32::MAX);
        u32::try_from(self.graph.first.len() - 1).unwrap_or(u32::MAX)
    }

    /// Sends as much as there are ways for that cost no more than so much, and says which moves
    /// that makes.
    pub(crate) fn solve(mut self, dearest: i64) -> Result<Vec<Move>, Stop> {
        let mut prices = vec![0; self.graph.first.len()];
        let mut goes_on = false;
        let done = by_and_by(|| {
            if goes_on {
                goes_on = use_up(&mut self.graph, self.source, self.end, &prices);
                return false;
            }
            goes_on = true;
            let found = dijkstra(&self.graph, self.source, self.end, &mut prices);
            found.is_none() || prices[self.end as usize] > dearest
        });
        let moves = self.moves();
        done.map(|()| moves.clone()).ok_or_else(|| Stop::Slow(format!("{} moves", moves.len())))
    }

    fn moves(&mut self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (replica, node) in std::mem::take(&mut self.movers) {
            let slot = self.follow(node);
            let out = slot.and_then(|slot| self.follow(slot));
            if let Some(to) = out.and_then(|out| self.follow(out)) {
                let group = self.layout.group_of(replica);
                let from = self.layout.all_holders()[replica];
                moves.push(Move { group, from, to, bytes: self.layout.all_bytes()[replica] });
            }
        }
        moves
    }

    /// Where a unit goes from a node; it is taken off.
    fn follow(&mut self, node: u32) -> Option<u32> {
        let is_used = |edge: &u32| edge.is_multiple_of(2) && !self.graph.is_free[*edge as usize];
        let edge = self.graph.edges(node).find(is_used)? as usize;
        self.graph.is_free[edge] = true;
        Some(self.graph.to[edge])
    }
}

/// The fewest moves that bring all members inside of their limits. What a member may give or take
/// but need not costs one each, so that a way at two is a move nobody needs.
pub(crate) fn fewest(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let shares = Shares::of(layout, apart);
    let (held, size) = (layout.held(), layout.all_bytes()[0]);
    let units: Vec<Units> = (0..held.len())
        .map(|it| (held[it] / size, shares.lo[it].div_ceil(size), shares.hi[it] / size))
        .collect();
    let (givers, takers) = sides(&shares, &units);
    let mut ways = Ways::of(layout, apart, |member| givers.contains(&member), &takers)?;
    let mut nodes: BTreeMap<u32, u32> = BTreeMap::new();
    for giver in &givers {
        let node = ways.node();
        nodes.insert(*giver, node);
        let (held, lo, hi) = units[*giver as usize];
        (lo..held).for_each(|left| ways.graph.edge(ways.source, node, i64::from(left < hi)));
    }
    for (replica, node) in ways.movers.clone() {
        ways.graph.edge(nodes[&layout.all_holders()[replica]], node, 0);
    }
    for taker in takers {
        let (held, lo, hi) = units[taker as usize];
        (held..hi).for_each(|there| ways.graph.edge(taker, ways.end, i64::from(there >= lo)));
    }
    ways.solve(1)
}

/// How many replicas a member holds, and is to hold at least and at most.
type Units = (u64, u64, u64);

/// Who gives and who takes. Where there is more over the most than below the least, those above
/// the most give, and all below it take; else those below the least take, and all above it give.
/// What that moves is the more of both, and nothing less brings all members inside.
fn sides(shares: &Shares, units: &[Units]) -> (BTreeSet<u32>, Vec<u32>) {
    let (mut givers, mut takers) = (BTreeSet::new(), Vec::new());
    for world in &shares.worlds {
        let all = || world.iter().map(|it| (*it, units[*it as usize]));
        let over: u64 = all().map(|(_, (held, _, hi))| held.saturating_sub(hi)).sum();
        let under: u64 = all().map(|(_, (held, lo, _))| lo.saturating_sub(held)).sum();
        for (member, (held, lo, hi)) in all().filter(|_| over.max(under) > 0) {
            let limit = if over >= under { hi } else { lo };
            if held > limit {
                givers.insert(member);
            } else if held < limit {
                takers.push(member);
            }
        }
    }
    (givers, takers)
}
