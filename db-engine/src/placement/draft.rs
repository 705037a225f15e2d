//! A placement in the making: where each replica is to be, and what each member is to hold then.

use super::Move;
use super::apart::{Bar, Rule};
use super::layout::{Layout, Part};

/// A layout with moves on top.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) layout: &'a Layout,
    /// The member each replica is to be on, by the replica's place.
    pub(super) at: Vec<u32>,
    /// Bytes each member is to hold, by its place.
    pub(super) held: Vec<u64>,
    /// What it costs to move those replicas that are to: their bytes, unless the layout says otherwise.
    pub(super) moved: u64,
}

impl<'a> Draft<'a> {
    /// The layout as it is.
    pub(super) fn of(layout: &'a Layout) -> Self {
        Self { layout, at: layout.all_holders().to_vec(), held: layout.held(), moved: 0 }
    }

    pub(super) fn bytes(&self, replica: usize) -> u64 {
        self.layout.all_bytes()[replica]
    }

    /// The member that has a replica now.
    pub(super) fn home(&self, replica: usize) -> u32 {
        self.layout.all_holders()[replica]
    }

    pub(super) fn is_moved(&self, replica: usize) -> bool {
        self.at[replica] != self.home(replica)
    }

    /// Whether a replica may go to a member, or home.
    pub(super) fn may_go(&self, rule: &Rule, replica: usize, to: u32) -> bool {
        if self.home(replica) == to {
            return self.layout.member(to).part != Part::Empties;
        }
        self.bar(rule, replica, to).is_none()
    }

    /// What bars a replica from going to a member.
    pub(super) fn bar(&self, rule: &Rule, replica: usize, to: u32) -> Option<Bar> {
        rule.bar(self.layout, &self.at, self.layout.group_of(replica), replica, to)
    }

    /// Whether each replica of a group may go where it is sent.
    pub(super) fn is_lawful(&self, rule: &Rule, group: u32) -> bool {
        let mut moved = self.layout.replicas(group).filter(|place| self.is_moved(*place));
        moved.all(|place| self.bar(rule, place, self.at[place]).is_none())
    }

    /// Sends a replica elsewhere than it was to be, or home.
    pub(super) fn send(&mut self, replica: usize, to: u32) {
        let (bytes, from) = (self.bytes(replica), self.at[replica]);
        let price = self.layout.price(replica);
        if self.is_moved(replica) {
            self.moved -= price;
        }
        self.held[from as usize] = self.held[from as usize].saturating_sub(bytes);
        self.held[to as usize] = self.held[to as usize].saturating_add(bytes);
        self.at[replica] = to;
        if self.is_moved(replica) {
            self.moved = self.moved.saturating_add(price);
        }
    }

    /// The moves, by the places of their replicas.
    pub(super) fn moves(&self) -> Vec<Move> {
        let places = self.layout.groups();
        let moved = || {
            places.clone().flat_map(|group| self.layout.replicas(group).map(move |it| (group, it)))
        };
        let count = (0..self.at.len()).filter(|it| self.is_moved(*it)).count();
        let mut moves = Vec::with_capacity(count);
        moves.extend(moved().filter(|(_, it)| self.is_moved(*it)).map(|(group, it)| Move {
            group,
            from: self.home(it),
            to: self.at[it],
            bytes: self.bytes(it),
        }));
        moves
    }
}
