//! How long moves take at least, whoever orders them.

use super::super::Move;
use super::super::rounds::Limits;

/// How long moves take at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// In nanoseconds.
    pub nanos: u128,
    /// What it is that takes as long.
    pub by: By,
}

/// What moves take as long as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All of a member's moves, by its place, as many at once as it may have.
    Member(u32),
    /// All of a group's moves, by its place, one after the other.
    Group(u32),
    /// One move, by its place in the caller's list.
    Move(usize),
    /// All moves, as many at once as there may be.
    All,
    /// Nothing: there is no move.
    Nothing,
}

/// The longest of what each member, each group, each move and all of them take, by how long each
/// move takes. `O(moves · log moves)`.
pub(in super::super) fn bound(moves: &[Move], nanos: &[u128], limits: &Limits<'_>) -> Bound {
    let mut most = Bound { nanos: 0, by: By::Nothing };
    let mut see = |nanos: u128, by: By| {
        if nanos > most.nanos {
            most = Bound { nanos, by };
        }
    };
    for ((member, work), at_once) in (0..).zip(work(moves, nanos, limits)).zip(limits.at_once) {
        see(work.div_ceil(u128::from(*at_once.max(&1))), By::Member(member));
    }
    let mut by_group: Vec<(u32, u128)> =
        moves.iter().zip(nanos).map(|(one, nanos)| (one.group, *nanos)).collect();
    by_group.sort_unstable();
    for of_group in by_group.chunk_by(|(one, _), (next, _)| one == next) {
        see(of_group.iter().map(|(_, nanos)| nanos).sum(), By::Group(of_group[0].0));
    }
    for (place, nanos) in nanos.iter().enumerate() {
        see(*nanos, By::Move(place));
    }
    let all = nanos.iter().sum::<u128>();
    see(all.div_ceil(u128::from(at_once_in_all(moves, limits).max(1))), By::All);
    most
}

/// How long all moves of each member take together.
pub(super) fn work(moves: &[Move], nanos: &[u128], limits: &Limits<'_>) -> Vec<u128> {
    let mut work = vec![0; limits.at_once.len()];
    for (one, nanos) in moves.iter().zip(nanos) {
        work[one.from as usize] += nanos;
        work[one.to as usize] += nanos;
    }
    work
}

/// How many moves can be under way at once at most: what is allowed in all, what those that give
/// and those that take may have, and half of what all may have, as each move has two ends.
pub(in super::super) fn at_once_in_all(moves: &[Move], limits: &Limits<'_>) -> u64 {
    let mut gives = vec![0_u64; limits.at_once.len()];
    let mut takes = gives.clone();
    for one in moves {
        gives[one.from as usize] += 1;
        takes[one.to as usize] += 1;
    }
    let (mut giving, mut taking, mut both) = (0, 0, 0);
    for ((gives, takes), at_once) in gives.iter().zip(&takes).zip(limits.at_once) {
        let at_once = u64::from(*at_once.max(&1));
        giving += at_once.min(*gives);
        taking += at_once.min(*takes);
        both += at_once.min(gives + takes);
    }
    let overall = limits.overall.map_or(u64::MAX, |most| u64::from(most.max(1)));
    giving.min(taking).min(both / 2).min(overall)
}
