//! The network leads flow through: from groups to pairs of a database and a member, to members, to
//! the end of all; what each lead costs there, and what is left to be changed.

use crate::placement::layout::Layout;
use crate::placement::small;

use super::able::Able;
use super::convex::{cheapest_count, excess_cost, marginal, rounded};
use super::led::Led;
use super::shares::Shares;

/// A cost, or a price: of the cluster's balance, of databases' balance and of changes, each worth
/// more than all there can be of the next. Numbers of 46, 46 and 36 bits.
pub(super) type Cost = i128;

/// The bits below the cost of a database's balance, and of the cluster's.
const DATABASE_BITS: u32 = 36;
const CLUSTER_BITS: u32 = 82;

/// The least cost that is more than that of changes.
pub(super) const BALANCE: Cost = 1 << (DATABASE_BITS - 1);

/// What is asked for: all, or a rough part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    /// How many bits of the cost of the cluster's balance are rounded off.
    pub(super) cluster: u32,
    /// How many of those of databases' balance, if that counts.
    pub(super) database: Option<u32>,
    /// Whether changes count.
    pub(super) changes: bool,
}

/// A step of a way that one lead goes.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// A group goes to another pair.
    Over { row: u32, to: u32 },
    /// One more of a pair's leads goes to its member.
    In(u32),
    /// One fewer does.
    Out(u32),
    /// One more of a member's leads goes to the end.
    Down(u32),
    /// One fewer does.
    Up(u32),
}

/// Leads on their way. Nodes are pairs, then members, then the end.
pub(super) struct Network<'a> {
    pub(super) able: &'a Able,
    shares: &'a Shares,
    /// The pair that leads each group.
    pub(super) led: Led<'a>,
    /// How many leads go from each pair to its member.
    pub(super) from_pair: Vec<u32>,
    /// How many go from each member to the end.
    pub(super) from_member: Vec<u32>,
    most: Vec<u32>,
    /// How many leads each node gets more than go on from it.
    pub(super) excess: Vec<i64>,
    pub(super) prices: Vec<Cost>,
    stage: Stage,
}

impl<'a> Network<'a> {
    pub(super) fn of(layout: &'a Layout, able: &'a Able, shares: &'a Shares) -> Self {
        let (pairs, members) = (able.members.len(), layout.members().len());
        Self {
            able,
            shares,
            led: Led::now(able),
            from_pair: vec![0; pairs],
            from_member: vec![0; members],
            most: (0..small(members)).map(|it| able.most_of_member(it)).collect(),
            excess: vec![0; pairs + members + 1],
            prices: vec![0; pairs + members + 1],
            stage: Stage { cluster: 0, database: Some(0), changes: true },
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.prices.len()
    }

    /// The node of a member.
    pub(super) fn node(&self, member: u32) -> u32 {
        small(self.from_pair.len()) + member
    }

    /// The node all leads go to.
    pub(super) fn end(&self) -> u32 {
        small(self.nodes() - 1)
    }

    fn price(&self, node: u32) -> Cost {
        self.prices[node as usize]
    }

    /// What it costs that a pair leads a group.
    fn change(&self, row: u32, pair: u32) -> Cost {
        Cost::from(self.stage.changes && self.able.leading[row as usize] != pair)
    }

    /// What the nth lead of a pair costs.
    pub(super) fn pair_cost(&self, pair: u32, nth: u32) -> Cost {
        let Some(bits) = self.stage.database else { return 0 };
        let middle = self.shares.of_pair[pair as usize].twice_the_middle();
        Cost::from(rounded(marginal(nth, middle), bits)) << DATABASE_BITS
    }

    /// What the nth lead of a member costs.
    pub(super) fn member_cost(&self, member: u32, nth: u32) -> Cost {
        let middle = self.shares.of_member[member as usize].twice_the_middle();
        Cost::from(rounded(marginal(nth, middle), self.stage.cluster)) << CLUSTER_BITS
    }

    /// What a step from one node to another costs beside the prices.
    pub(super) fn gap(&self, from: u32, step: Step) -> Cost {
        match step {
            Step::Over { row, to } => self.over_gap(row, from, to),
            Step::In(pair) => self.pair_gap(pair, self.from_pair[pair as usize] + 1),
            Step::Out(pair) => -self.pair_gap(pair, self.from_pair[pair as usize]),
            Step::Down(member) => self.member_gap(member, self.from_member[member as usize] + 1),
            Step::Up(member) => -self.member_gap(member, self.from_member[member as usize]),
        }
    }

    /// What one more way from a pair to its member costs beside the prices.
    pub(super) fn pair_gap(&self, pair: u32, nth: u32) -> Cost {
        let member = self.node(self.able.members[pair as usize]);
        self.pair_cost(pair, nth) + self.price(pair) - self.price(member)
    }

    /// What one more way from a member to the end costs beside the prices.
    pub(super) fn member_gap(&self, member: u32, nth: u32) -> Cost {
        let (from, to) = (self.price(self.node(member)), self.price(self.end()));
        self.member_cost(member, nth) + from - to
    }

    /// What it costs beside the prices that a group goes from one pair to another.
    pub(super) fn over_gap(&self, row: u32, from: u32, to: u32) -> Cost {
        let change = self.change(row, to) - self.change(row, from);
        change + self.price(from) - self.price(to)
    }

    /// Whether one more lead can go from a pair, and from a member.
    pub(super) fn has_more(&self, pair: u32) -> bool {
        self.from_pair[pair as usize] < self.able.most(pair)
    }

    pub(super) fn member_has_more(&self, member: u32) -> bool {
        self.from_member[member as usize] < self.most[member as usize]
    }

    /// With how many bits rounded off no lead costs anything.
    pub(super) fn bits(&self) -> u32 {
        u64::BITS + 1 - self.most_off().leading_zeros()
    }

    /// How far leads are off the middle of a share at most, as they are or as they could be.
    fn most_off(&self) -> u64 {
        let most = |member: u32| {
            let middle = self.shares.of_member[member as usize].twice_the_middle();
            middle.unsigned_abs().max(2 * u64::from(self.most[member as usize]))
        };
        (0..small(self.most.len())).map(most).max().unwrap_or(0)
    }

    /// Begins a stage: with the prices there are, everything is where it costs least, and as it is
    /// or was if that is as good. What does not go on from where it came to is excess.
    pub(super) fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.excess.fill(0);
        let end = self.end() as usize;
        for row in 0..small(self.able.groups.len()) {
            if let Some(pair) = self.cheapest(row) {
                self.led.set(row, pair);
                self.excess[pair as usize] += 1;
                self.excess[end] -= 1;
            }
        }
        for pair in 0..small(self.from_pair.len()) {
            let member = self.node(self.able.members[pair as usize]);
            let most = self.able.most(pair);
            let gap = |nth| self.pair_gap(pair, nth);
            let goes = cheapest_count(most, self.excess[pair as usize], gap);
            self.from_pair[pair as usize] = goes;
            self.excess[pair as usize] -= i64::from(goes);
            self.excess[member as usize] += i64::from(goes);
        }
        for member in 0..small(self.from_member.len()) {
            let node = self.node(member) as usize;
            let gap = |nth| self.member_gap(member, nth);
            let goes = cheapest_count(self.most[member as usize], self.excess[node], gap);
            self.from_member[member as usize] = goes;
            self.excess[node] -= i64::from(goes);
            self.excess[end] += i64::from(goes);
        }
    }

    /// The pair that a group costs least at: the one it has, if that is as good as any.
    fn cheapest(&self, row: u32) -> Option<u32> {
        let has = self.led.leader(row);
        let cost = |pair: &u32| (self.change(row, *pair) - self.price(*pair), *pair != has);
        self.able.row(row).iter().copied().min_by_key(cost)
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u32 {
        small(self.able.groups.len())
    }

    /// Takes a step.
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Over { row, to } => self.led.set(row, to),
            Step::In(pair) => self.from_pair[pair as usize] += 1,
            Step::Out(pair) => self.from_pair[pair as usize] -= 1,
            Step::Down(member) => self.from_member[member as usize] += 1,
            Step::Up(member) => self.from_member[member as usize] -= 1,
        }
    }

    /// How much more all costs than the prices prove it has to.
    pub(super) fn unproven(&self) -> Cost {
        let over = |row: u32| {
            let has = self.led.leader(row);
            let gaps = self.able.row(row).iter().map(|pair| -self.over_gap(row, has, *pair));
            gaps.max().unwrap_or(0)
        };
        let groups: Cost = (0..small(self.able.groups.len())).map(over).sum();
        let pair = |pair: u32| {
            let gap = |nth| self.pair_gap(pair, nth);
            excess_cost(self.from_pair[pair as usize], self.able.most(pair), gap)
        };
        let pairs: Cost = (0..small(self.from_pair.len())).map(pair).sum();
        let member = |member: u32| {
            let gap = |nth| self.member_gap(member, nth);
            excess_cost(self.from_member[member as usize], self.most[member as usize], gap)
        };
        let members: Cost = (0..small(self.from_member.len())).map(member).sum();
        groups + pairs + members
    }
}
