//! What a loop would do that fills the emptiest member from the fullest.

use std::collections::BTreeSet;

use db_engine::placement::Move;
use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::layout::Layout;

use super::contest::{Stop, by_and_by};
use super::judge::Shares;

/// Moves between two looks at the clock.
const AT_ONCE: usize = 1_000;

/// Again and again the largest replica of the fullest member to the emptiest one it may go to,
/// where that lifts that one no higher than its share and leaves the other no less than it may
/// have, until all members are inside of their limits or nothing helps.
pub(crate) fn naive(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let mut pass = Pass::of(layout, apart);
    let some = || (0..AT_ONCE).any(|_| !pass.step());
    let is_done = by_and_by(some);
    let moves = pass.moves;
    is_done.map(|()| moves.clone()).ok_or_else(|| Stop::Slow(format!("{} moves", moves.len())))
}

struct Pass<'a> {
    layout: &'a Layout,
    rule: Rule,
    shares: Shares,
    held: Vec<u64>,
    at: Vec<u32>,
    /// The replicas of each member that it may give, the smallest first.
    own: Vec<Vec<u32>>,
    /// Members by how much more than their share they hold, those that share with each other.
    order: Vec<BTreeSet<(i64, u32)>>,
    /// The place in that of each member.
    world: Vec<usize>,
    /// All of them in one, without those that can give nothing.
    givers: BTreeSet<(i64, u32)>,
    moves: Vec<Move>,
}

impl<'a> Pass<'a> {
    fn of(layout: &'a Layout, apart: Apart) -> Self {
        let mut own = vec![Vec::new(); layout.members().len()];
        for (replica, holder) in (0_u32..).zip(layout.all_holders()) {
            own[*holder as usize].push(replica);
        }
        let size = |it: &u32| (layout.all_bytes()[*it as usize], *it);
        own.iter_mut().for_each(|own| own.sort_unstable_by_key(size));
        let (shares, held) = (Shares::of(layout, apart), layout.held());
        let over = held.iter().zip(&shares.even).map(|(held, even)| more(*held, *even));
        let givers: BTreeSet<(i64, u32)> = over.zip(0..).collect();
        let mut world = vec![0; held.len()];
        for (nth, of) in shares.worlds.iter().enumerate() {
            of.iter().for_each(|it| world[*it as usize] = nth);
        }
        let mut order = vec![BTreeSet::new(); shares.worlds.len()];
        givers.iter().for_each(|it| {
            order[world[it.1 as usize]].insert(*it);
        });
        let (rule, at) = (Rule::of(layout, apart), layout.all_holders().to_vec());
        let moves = Vec::new();
        Self { layout, rule, shares, held, at, own, order, world, givers, moves }
    }

    /// Makes one move. Says whether there is more to do.
    fn step(&mut self) -> bool {
        let Some((_, from)) = self.givers.last().copied() else { return false };
        let lacks = |it: &(i64, u32)| self.held[it.1 as usize] < self.shares.lo[it.1 as usize];
        let is_full = !self.order.iter().filter_map(BTreeSet::first).any(lacks);
        if is_full && self.held[from as usize] <= self.shares.hi[from as usize] {
            return false;
        }
        match self.largest(from) {
            Some((nth, to)) => self.send(from, nth, to),
            None => {
                self.givers.pop_last();
            }
        }
        true
    }

    /// The largest replica that may go, and where to.
    fn largest(&self, from: u32) -> Option<(usize, u32)> {
        let own = &self.own[from as usize];
        let size = |it: &u32| self.layout.all_bytes()[*it as usize];
        let spare = self.held[from as usize].saturating_sub(self.shares.lo[from as usize]);
        let least = size(own.first()?);
        for (over, to) in &self.order[self.world[from as usize]] {
            let most = spare.min(u64::try_from(-over).unwrap_or(0));
            if most < least {
                return None;
            }
            let fit = own.partition_point(|it| size(it) <= most);
            let may_go = |nth: &usize| {
                let replica = own[*nth] as usize;
                let group = self.layout.group_of(replica);
                self.rule.bar(self.layout, &self.at, group, replica, *to).is_none()
            };
            if let Some(nth) = (0..fit).rev().find(may_go) {
                return Some((nth, *to));
            }
        }
        None
    }

    fn send(&mut self, from: u32, nth: usize, to: u32) {
        let replica = self.own[from as usize].remove(nth) as usize;
        let bytes = self.layout.all_bytes()[replica];
        self.at[replica] = to;
        let left = self.held[from as usize] - bytes;
        self.hold(from, left);
        self.hold(to, self.held[to as usize] + bytes);
        self.moves.push(Move { group: self.layout.group_of(replica), from, to, bytes });
    }

    fn hold(&mut self, member: u32, bytes: u64) {
        let place = member as usize;
        let was = (more(self.held[place], self.shares.even[place]), member);
        let is = (more(bytes, self.shares.even[place]), member);
        self.held[place] = bytes;
        for set in [&mut self.order[self.world[place]], &mut self.givers] {
            if set.remove(&was) {
                set.insert(is);
            }
        }
    }
}

/// How much more something is.
fn more(held: u64, even: u64) -> i64 {
    held as i64 - even as i64
}
