//! What moves are worth: what has to move at least, what does, and what stands in the way of less.

use super::draft::Draft;
use super::hindrance::Hindrance;
use super::shares::Shares;
use crate::placement::small;

/// What moves are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Bytes that have to move at least: what is over the most that members may hold, or what others lack of the least
    /// they are to hold, whichever is more. No moves that bring all members inside of their limits move less.
    pub bound: u64,
    /// Bytes that move.
    pub moved: u64,
    /// The most a member holds afterwards, in thousandths of its share.
    pub fullest: u64,
    /// The least a member holds afterwards, in thousandths of its share.
    pub emptiest: u64,
    /// Members outside of their limits afterwards, by their places.
    pub outside: Vec<u32>,
    /// What is proven of them.
    pub proof: Proof,
    /// What stands in the way where members stay outside, or more moves than the bound.
    pub hindrance: Option<Hindrance>,
}

/// What is proven of moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// No moves that bring all members inside of their limits move less, and these do bring them there: as much moves as
    /// has to, or all there is was searched.
    Optimal,
    /// Nothing but the bound: no moves that bring all members inside move less than that.
    Within,
    /// Nothing brings all members inside: some size does not fit, or all there is was searched. These bring them nearer.
    Impossible,
}

impl Certificate {
    pub(super) fn of(draft: &Draft<'_>, shares: &Shares, bound: u64) -> Self {
        let (mut fullest, mut emptiest, mut outside) = (0, u64::MAX, Vec::new());
        for (place, held) in draft.held.iter().enumerate() {
            let even = shares.even[place];
            if even > 0 {
                let thousandths = shares.fill(place, *held);
                fullest = fullest.max(thousandths);
                emptiest = emptiest.min(thousandths);
            }
            if shares.outside(place, *held) > 0 {
                outside.push(small(place));
            }
        }
        let is_least = outside.is_empty() && draft.moved == bound;
        let proof = if is_least { Proof::Optimal } else { Proof::Within };
        let emptiest = emptiest.min(fullest);
        Self { bound, moved: draft.moved, fullest, emptiest, outside, proof, hindrance: None }
    }

    /// Bytes moved for each million bytes that have to move; a million where none have to and none do.
    pub fn ratio_ppm(&self) -> u64 {
        let millions = u128::from(self.moved) * 1_000_000;
        match u128::from(self.bound) {
            0 if self.moved == 0 => 1_000_000,
            0 => u64::MAX,
            bound => u64::try_from(millions.div_ceil(bound)).unwrap_or(u64::MAX),
        }
    }
}

/// More bytes than members have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{needed} bytes of replicas are to be where there is room for {there}")]
pub struct NoRoom {
    /// Bytes of replicas.
    pub needed: u128,
    /// Bytes members have room for.
    pub there: u128,
}
