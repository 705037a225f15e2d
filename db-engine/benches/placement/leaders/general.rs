//! A general flow of least cost, with an edge for each unit: what IoTDB's balancer solves, and the
//! least there can be.
//!
//! IoTDB (`CostFlowSelectionLeaderBalancer`): from the source to each group, capacity 1, cost 0; to
//! each pair of a database and a member, cost 0 for the leader there is, else 1; from there to the
//! member, the xth edge at cost 2x - 1; from there to the end likewise. All edges of one phase are
//! those of cheapest ways by Bellman and Ford's method with a queue, used up by a search in depth.
//! The least there can be is the same with costs one after the other, and cheapest ways by
//! Dijkstra's method beside prices.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use db_engine::placement::layout::Layout;

use super::rivals::current;
use crate::meter::timed;

/// How many milliseconds of a CPU a method may take.
pub(crate) const MS_MAX: f64 = 60_000.0;

/// How costs are told from each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Costs {
    /// They are not: cluster, database and changes are added up.
    Added,
    /// The cluster's balance before databases', and that before changes.
    Lexicographic,
}

const NONE: u32 = u32::MAX;
const FAR: i64 = i64::MAX;

/// Edges by turns with their reverses; each node's are a chain.
pub(crate) struct Graph {
    pub(crate) to: Vec<u32>,
    pub(crate) is_free: Vec<bool>,
    cost: Vec<i64>,
    after: Vec<u32>,
    pub(crate) first: Vec<u32>,
}

impl Graph {
    pub(crate) fn of(nodes: usize) -> Self {
        let (to, is_free, cost, after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { to, is_free, cost, after, first: vec![NONE; nodes] }
    }

    pub(crate) fn edge(&mut self, from: u32, to: u32, cost: i64) {
        for (from, to, cost, is_free) in [(from, to, cost, true), (to, from, -cost, false)] {
            let edge = u32::try_from(self.to.len()).unwrap_or(NONE);
            self.to.push(to);
            self.cost.push(cost);
            self.is_free.push(is_free);
            self.after.push(std::mem::replace(&mut self.first[from as usize], edge));
        }
    }

    pub(crate) fn edges(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let some = |edge: u32| (edge != NONE).then_some(edge);
        let first = some(self.first[node as usize]);
        std::iter::successors(first, move |edge| some(self.after[*edge as usize]))
    }
}

/// The leaders at least cost, unless that takes longer than it may.
pub(super) fn solve(layout: &Layout, costs: Costs) -> Option<Vec<u32>> {
    let (mut graph, source, end) = network(layout, costs);
    let mut prices = vec![0_i64; graph.first.len()];
    let mut spent = 0.0;
    loop {
        let (found, ms) = timed(|| match costs {
            Costs::Added => queued(&graph, source, end).map(|far| prices = far),
            Costs::Lexicographic => dijkstra(&graph, source, end, &mut prices),
        });
        if found.is_none() {
            return Some(leaders(layout, &graph));
        }
        spent += ms + timed(|| while use_up(&mut graph, source, end, &prices) {}).1;
        if spent > MS_MAX {
            return None;
        }
    }
}

/// The network, its source and its end. Groups come first, in their order.
fn network(layout: &Layout, costs: Costs) -> (Graph, u32, u32) {
    let (cluster, database) = match costs {
        Costs::Added => (1, 1),
        Costs::Lexicographic => (1 << 42, 1 << 21),
    };
    let groups = u32::try_from(layout.group_count()).unwrap_or(NONE);
    let mut held: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut of_member = vec![0; layout.members().len()];
    for group in 0..groups {
        for holder in layout.holders(group) {
            *held.entry((layout.group(group).database, *holder)).or_default() += 1;
            of_member[*holder as usize] += 1;
        }
    }
    let pairs: BTreeMap<(u32, u32), u32> = held.keys().copied().zip(groups..).collect();
    let first_member = groups + u32::try_from(pairs.len()).unwrap_or(NONE);
    let source = first_member + u32::try_from(of_member.len()).unwrap_or(NONE);
    let mut graph = Graph::of(source as usize + 2);
    for (group, leader) in (0..).zip(current(layout)) {
        graph.edge(source, group, 0);
        for holder in layout.holders(group) {
            let pair = pairs[&(layout.group(group).database, *holder)];
            graph.edge(group, pair, i64::from(leader != *holder));
        }
    }
    for ((pair, (_, member)), most) in (groups..).zip(held.keys()).zip(held.values()) {
        for nth in (1..=*most).rev() {
            graph.edge(pair, first_member + member, database * i64::from(2 * nth - 1));
        }
    }
    for (member, most) in (first_member..).zip(of_member) {
        for nth in (1..=most).rev() {
            graph.edge(member, source + 1, cluster * i64::from(2 * nth - 1));
        }
    }
    (graph, source, source + 1)
}

/// How far all is from the source, by Bellman and Ford's method with a queue.
fn queued(graph: &Graph, source: u32, end: u32) -> Option<Vec<i64>> {
    let mut far = vec![FAR; graph.first.len()];
    let mut waits = vec![false; graph.first.len()];
    let mut queue = VecDeque::from([source]);
    far[source as usize] = 0;
    while let Some(node) = queue.pop_front() {
        waits[node as usize] = false;
        for edge in graph.edges(node).map(|it| it as usize).filter(|it| graph.is_free[*it]) {
            let (to, cost) = (graph.to[edge], far[node as usize] + graph.cost[edge]);
            if cost < far[to as usize] {
                far[to as usize] = cost;
                if !std::mem::replace(&mut waits[to as usize], true) {
                    queue.push_back(to);
                }
            }
        }
    }
    (far[end as usize] < FAR).then_some(far)
}

/// Raises prices by how far all is from the source beside them, as far as the end is.
pub(crate) fn dijkstra(graph: &Graph, source: u32, end: u32, prices: &mut [i64]) -> Option<()> {
    let mut far = vec![FAR; graph.first.len()];
    let mut ahead = BinaryHeap::from([Reverse((0, source))]);
    far[source as usize] = 0;
    while let Some(Reverse((here, node))) = ahead.pop() {
        if node == end {
            break;
        }
        if far[node as usize] < here {
            continue;
        }
        for edge in graph.edges(node).map(|it| it as usize).filter(|it| graph.is_free[*it]) {
            let to = graph.to[edge];
            let gap = graph.cost[edge] + prices[node as usize] - prices[to as usize];
            if here + gap < far[to as usize] {
                far[to as usize] = here + gap;
                ahead.push(Reverse((here + gap, to)));
            }
        }
    }
    let most = far[end as usize];
    (most < FAR).then(|| {
        for (price, far) in prices.iter_mut().zip(far) {
            *price += far.min(most);
        }
    })
}

/// Sends units along edges of cheapest ways, level by level. Says whether there were any.
pub(crate) fn use_up(graph: &mut Graph, source: u32, end: u32, prices: &[i64]) -> bool {
    let levels = levels(graph, source, end, prices);
    if levels[end as usize] == NONE {
        return false;
    }
    let mut next = graph.first.clone();
    let mut way: Vec<u32> = Vec::new();
    let mut node = source;
    loop {
        if node == end {
            for edge in way.drain(..) {
                graph.is_free[edge as usize] = false;
                graph.is_free[edge as usize ^ 1] = true;
            }
            node = source;
        }
        let edge = next[node as usize];
        if edge == NONE {
            let Some(back) = way.pop() else { return true };
            node = graph.to[back as usize ^ 1];
            next[node as usize] = graph.after[next[node as usize] as usize];
        } else if leads_on(graph, node, edge, prices)
            && levels[graph.to[edge as usize] as usize] == levels[node as usize] + 1
        {
            way.push(edge);
            node = graph.to[edge as usize];
        } else {
            next[node as usize] = graph.after[edge as usize];
        }
    }
}

fn levels(graph: &Graph, source: u32, end: u32, prices: &[i64]) -> Vec<u32> {
    let mut levels = vec![NONE; graph.first.len()];
    levels[source as usize] = 0;
    let mut queue = VecDeque::from([source]);
    while let Some(node) = queue.pop_front().filter(|node| *node != end) {
        for edge in graph.edges(node).filter(|it| leads_on(graph, node, *it, prices)) {
            let to = graph.to[edge as usize];
            if levels[to as usize] == NONE {
                levels[to as usize] = levels[node as usize] + 1;
                queue.push_back(to);
            }
        }
    }
    levels
}

fn leads_on(graph: &Graph, node: u32, edge: u32, prices: &[i64]) -> bool {
    let (edge, to) = (edge as usize, graph.to[edge as usize] as usize);
    let is_reached = prices[node as usize] < FAR && prices[to] < FAR;
    graph.is_free[edge] && is_reached && graph.cost[edge] + prices[node as usize] == prices[to]
}

/// Whom each group's unit goes to.
fn leaders(layout: &Layout, graph: &Graph) -> Vec<u32> {
    let groups = 0..u32::try_from(layout.group_count()).unwrap_or(NONE);
    let leader = |group: u32| {
        // The edges to holders are the last but one to come, in their order; the chain is reversed.
        let own = graph.edges(group).filter(|edge| edge % 2 == 0);
        let used = own.zip(layout.holders(group).iter().rev());
        let mut used = used.filter(|(edge, _)| !graph.is_free[*edge as usize]);
        used.next().map_or(NONE, |(_, holder)| *holder)
    };
    groups.map(leader).collect()
}
