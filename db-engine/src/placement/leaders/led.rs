//! Which pair leads each group, and the groups each pair leads, side by side.

use super::able::{Able, NONE};

/// The groups of each pair, those it leads first.
pub(super) struct Led<'a> {
    able: &'a Able,
    /// The pair that leads each group, or [`NONE`].
    leading: Vec<u32>,
    rows: Vec<u32>,
    /// Where the row of each place of a row stands in `rows`.
    places: Vec<u32>,
    /// How many groups each pair leads.
    counts: Vec<u32>,
}

impl<'a> Led<'a> {
    /// Led as they are now.
    pub(super) fn now(able: &'a Able) -> Self {
        let all = able.starts.last().map_or(0, |end| *end as usize);
        let (mut rows, mut places) = (vec![0; all], vec![0; all]);
        let mut counts = vec![0; able.members.len()];
        // What they lead goes to the front of what they hold, and the rest from the end on.
        let mut ends: Vec<u32> = able.starts.iter().skip(1).copied().collect();
        for (row, leader) in (0..).zip(&able.leading) {
            for (at, pair) in able.places(row).zip(able.row(row)) {
                let place = if pair == leader {
                    counts[*pair as usize] += 1;
                    able.starts[*pair as usize] + counts[*pair as usize] - 1
                } else {
                    ends[*pair as usize] -= 1;
                    ends[*pair as usize]
                };
                rows[place as usize] = row;
                places[at] = place;
            }
        }
        Self { able, leading: able.leading.clone(), rows, places, counts }
    }

    /// The groups a pair could lead.
    pub(super) fn could(&self, pair: u32) -> &[u32] {
        let (from, to) = (self.able.starts[pair as usize], self.able.starts[pair as usize + 1]);
        &self.rows[from as usize..to as usize]
    }

    /// The pair that leads a group, or [`NONE`].
    pub(super) fn leader(&self, row: u32) -> u32 {
        self.leading[row as usize]
    }

    /// The groups a pair leads.
    pub(super) fn of(&self, pair: u32) -> &[u32] {
        let start = self.able.starts[pair as usize] as usize;
        &self.rows[start..start + self.counts[pair as usize] as usize]
    }

    /// Has a pair lead a group of its own.
    pub(super) fn set(&mut self, row: u32, to: u32) {
        let from = self.leading[row as usize];
        if from == to {
            return;
        }
        if from != NONE {
            self.counts[from as usize] -= 1;
            self.put(row, from);
        }
        self.put(row, to);
        self.counts[to as usize] += 1;
        self.leading[row as usize] = to;
    }

    /// Puts a group next to those its pair leads.
    fn put(&mut self, row: u32, pair: u32) {
        let target = self.able.starts[pair as usize] + self.counts[pair as usize];
        let other = self.rows[target as usize];
        let Some(of_one) = self.at(row, pair) else { return };
        let Some(of_other) = self.at(other, pair) else { return };
        let place = self.places[of_one];
        self.rows.swap(place as usize, target as usize);
        self.places[of_other] = place;
        self.places[of_one] = target;
    }

    fn at(&self, row: u32, pair: u32) -> Option<usize> {
        self.able.places(row).zip(self.able.row(row)).find(|(_, it)| **it == pair).map(|(at, _)| at)
    }
}
