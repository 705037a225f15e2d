//! How many groups each pair of members shares.
//!
//! A bit for each pair says whether it shares any, where that is less than a table of the pairs
//! that do; further ones are counted in an open table with linear probing, 12 bytes a place. So the
//! many pairs that share one group or none cost a bit each, and the bits of ten thousand members
//! fit a cache. Nothing iterates over it, so that its order reaches no output.

use super::mix;

/// The lower member of a pair, the higher one, and how many groups they share. A free place has no
/// two members.
type Place = [u32; 3];

/// Of 8 places so many may be taken.
const FULL_EIGHTHS: usize = 6;
/// Bits for each pair are kept up to so many for each pair that shares a group: what a place in the
/// table takes.
const BITS_MOST: usize = 96;

pub(super) struct Pairs {
    /// Whether a pair that has no place in the table shares one group. Empty where the table tells
    /// of all.
    bits: Vec<u64>,
    places: Vec<Place>,
    taken: usize,
}

impl Pairs {
    /// No pairs yet, of so many members, of which so many are to come.
    pub(super) fn of(members: usize, to_come: usize) -> Self {
        let all = members * members.saturating_sub(1) / 2;
        let words = if all / BITS_MOST <= to_come { all / 64 + 1 } else { 0 };
        Self { bits: vec![0; words], places: vec![[0; 3]; 16], taken: 0 }
    }

    /// How many groups two members share.
    pub(super) fn shared(&self, one: u32, other: u32) -> u32 {
        let (low, high) = (one.min(other), one.max(other));
        if self.is_free(low, high) {
            return 0;
        }
        let place = self.places[self.find(low, high)];
        if place[1] == 0 { u32::from(!self.bits.is_empty()) } else { place[2] }
    }

    /// One more group for two members, and how many they share now.
    pub(super) fn add(&mut self, one: u32, other: u32) -> u32 {
        let (low, high) = (one.min(other), one.max(other));
        if self.is_free(low, high) {
            let (word, bit) = bit(low, high);
            self.bits[word] |= bit;
            return 1;
        }
        let mut at = self.find(low, high);
        if self.places[at][1] == 0 {
            if (self.taken + 1) * 8 > self.places.len() * FULL_EIGHTHS {
                self.grow();
                at = self.find(low, high);
            }
            self.taken += 1;
            self.places[at] = [low, high, u32::from(!self.bits.is_empty())];
        }
        self.places[at][2] += 1;
        self.places[at][2]
    }

    /// One group less for two members that share some.
    pub(super) fn remove(&mut self, one: u32, other: u32) {
        let (low, high) = (one.min(other), one.max(other));
        let at = self.find(low, high);
        if self.places[at][1] == 0 {
            let (word, bit) = bit(low, high);
            self.bits[word] &= !bit;
        } else {
            self.places[at][2] -= 1;
        }
    }

    /// Whether two members are known to share no group from their bit. Once a pair has a place its
    /// bit stays.
    fn is_free(&self, low: u32, high: u32) -> bool {
        let (word, bit) = bit(low, high);
        self.bits.get(word).is_some_and(|bits| bits & bit == 0)
    }

    /// Where a pair is in the table, or would be. The higher one of two members is never at place
    /// 0.
    fn find(&self, low: u32, high: u32) -> usize {
        let mixed = mix((u64::from(low) << 32) | u64::from(high));
        let mut at = ((u128::from(mixed) * self.places.len() as u128) >> 64) as usize;
        while self.places[at][1] != 0 && (self.places[at][0], self.places[at][1]) != (low, high) {
            at = if at + 1 == self.places.len() { 0 } else { at + 1 };
        }
        at
    }

    fn grow(&mut self) {
        let more = vec![[0; 3]; self.places.len() * 2];
        let before = std::mem::replace(&mut self.places, more);
        for place in before.into_iter().filter(|place| place[1] != 0) {
            let at = self.find(place[0], place[1]);
            self.places[at] = place;
        }
    }
}

/// The word of a pair among all, row by row of the higher one, and its bit in there.
fn bit(low: u32, high: u32) -> (usize, u64) {
    let (low, high) = (low as usize, high as usize);
    let at = high * high.saturating_sub(1) / 2 + low;
    (at / 64, 1 << (at % 64))
}
