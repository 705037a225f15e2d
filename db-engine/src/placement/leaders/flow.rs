//! Leads of least cost: excess goes the cheapest ways there are to where something is missing.

use crate::placement::small;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::able::NONE;
use super::network::{BALANCE, Cost, Network, Step};
use super::steps::{each_step, each_step_from};

/// The level of a node that no way leads to, or leads on from.
const NOWHERE: u32 = u32::MAX;

/// The dearest way, of which there is none.
const FAR: Cost = Cost::MAX;

/// What is remembered of nodes while ways are looked for.
pub(super) struct Search {
    far: Vec<Cost>,
    levels: Vec<u32>,
    /// Which of its steps a node tries next.
    next: Vec<u32>,
    near: Vec<u32>,
    later: BinaryHeap<Reverse<(Cost, u32)>>,
}

impl Search {
    pub(super) fn of(network: &Network<'_>) -> Self {
        let nodes = network.nodes();
        Self {
            far: vec![FAR; nodes],
            levels: vec![NOWHERE; nodes],
            next: vec![0; nodes],
            near: Vec::new(),
            later: BinaryHeap::new(),
        }
    }

    /// Sends all excess to where something is missing, so that no other way is cheaper. Gives up
    /// once ways of more than so many lengths cost balance, and says whether all was sent.
    pub(super) fn settle(&mut self, network: &mut Network<'_>, patience: u32) -> bool {
        let mut lengths = 0;
        while let Some(length) = self.reprice(network) {
            lengths += u32::from(length >= BALANCE);
            if lengths > patience {
                return false;
            }
            hand_over(network);
            while self.level(network) {
                self.send(network);
            }
        }
        true
    }

    /// Raises prices so that the cheapest ways from some excess to what is missing cost nothing
    /// beside them (Dijkstra 1959). Says by how much, if there is such a way.
    fn reprice(&mut self, network: &mut Network<'_>) -> Option<Cost> {
        self.far.fill(FAR);
        self.near.clear();
        self.later.clear();
        for (node, excess) in (0..).zip(&network.excess) {
            if *excess > 0 {
                self.far[node as usize] = 0;
                self.near.push(node);
            }
        }
        let nearest = self.nearest(network)?;
        if nearest > 0 {
            for (price, far) in network.prices.iter_mut().zip(&self.far) {
                *price += (*far).min(nearest);
            }
        }
        Some(nearest)
    }

    /// How far it is to the nearest node that something is missing at.
    fn nearest(&mut self, network: &Network<'_>) -> Option<Cost> {
        let Self { far, near, later, .. } = self;
        let mut here = 0;
        loop {
            let node = match near.pop() {
                Some(node) => node,
                None => {
                    let Reverse((cost, node)) = later.pop()?;
                    if far[node as usize] < cost {
                        continue;
                    }
                    here = cost;
                    node
                }
            };
            if network.excess[node as usize] < 0 {
                return Some(here);
            }
            each_step(network, node, |to, step| {
                let gap = network.gap(node, step);
                let cost = here + gap;
                if cost < far[to as usize] {
                    far[to as usize] = cost;
                    if gap == 0 {
                        near.push(to);
                    } else {
                        later.push(Reverse((cost, to)));
                    }
                }
                false
            });
        }
    }

    /// Numbers nodes by how many steps without cost they are from excess. Says whether there are
    /// some at which something is missing.
    fn level(&mut self, network: &Network<'_>) -> bool {
        self.levels.fill(NOWHERE);
        self.next.fill(0);
        self.near.clear();
        for (node, excess) in (0..).zip(&network.excess) {
            if *excess > 0 {
                self.levels[node as usize] = 0;
                self.near.push(node);
            }
        }
        let Self { levels, near, .. } = self;
        let (mut at, mut last) = (0, NOWHERE);
        while let Some(node) = near.get(at).copied() {
            at += 1;
            let level = levels[node as usize];
            if level >= last {
                break;
            }
            if network.excess[node as usize] < 0 {
                last = level;
                continue;
            }
            each_step(network, node, |to, step| {
                if levels[to as usize] == NOWHERE && network.gap(node, step) == 0 {
                    levels[to as usize] = level + 1;
                    near.push(to);
                }
                false
            });
        }
        last != NOWHERE
    }

    /// Sends excess on, from level to level, until no more gets through (Dinic 1970).
    fn send(&mut self, network: &mut Network<'_>) {
        let mut way: Vec<(u32, Step)> = Vec::new();
        for source in 0..small(network.nodes()) {
            while network.excess[source as usize] > 0 {
                let Some(target) = self.way(network, source, &mut way) else { break };
                for (_, step) in way.drain(..) {
                    network.take(step);
                }
                network.excess[source as usize] -= 1;
                network.excess[target as usize] += 1;
            }
        }
    }

    /// A way from a node to one at which something is missing, if there is one left.
    fn way(
        &mut self,
        network: &Network<'_>,
        source: u32,
        way: &mut Vec<(u32, Step)>,
    ) -> Option<u32> {
        let mut node = source;
        loop {
            if network.excess[node as usize] < 0 {
                return Some(node);
            }
            match self.step(network, node) {
                Some((to, step)) => {
                    way.push((node, step));
                    node = to;
                }
                None => {
                    self.levels[node as usize] = NOWHERE;
                    node = way.pop()?.0;
                }
            }
        }
    }

    /// The next step from a node to the next level that costs nothing.
    fn step(&mut self, network: &Network<'_>, node: u32) -> Option<(u32, Step)> {
        let level = self.levels[node as usize];
        if level == NOWHERE {
            return None;
        }
        let mut found = None;
        let levels = &self.levels;
        let from = self.next[node as usize];
        self.next[node as usize] = each_step_from(network, node, from, |to, step| {
            let is_next = levels[to as usize] == level + 1;
            let leads_on = is_next && network.gap(node, step) == 0;
            found = leads_on.then_some((to, step));
            leads_on
        });
        found
    }
}

/// Sends excess the ways of one step, which are the most, row by row.
fn hand_over(network: &mut Network<'_>) {
    for row in 0..network.rows() {
        let from = network.led.leader(row);
        if from == NONE || network.excess[from as usize] <= 0 {
            continue;
        }
        let is_good =
            |to: &u32| network.excess[*to as usize] < 0 && network.over_gap(row, from, *to) == 0;
        let taker = network.able.row(row).iter().copied().find(is_good);
        if let Some(to) = taker {
            network.take(Step::Over { row, to });
            network.excess[from as usize] -= 1;
            network.excess[to as usize] += 1;
        }
    }
}
