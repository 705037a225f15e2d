//! A placement in the making: where each replica is to be, and what each member is to hold then.

use super::Move;
use super::layout::Layout;

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
        let places = 0..u32::try_from(self.layout.group_count()).unwrap_or(u32::MAX);
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
