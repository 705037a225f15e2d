//! When moves of different size begin and end, each as soon as its ends may have it.
//!
//! Moves take what their bytes take and some time besides, so that rounds would wait for the
//! longest of each. Here nothing waits for a round: list scheduling (Graham 1966), for transfers
//! between members Coffman, Garey, Johnson and LaPaugh, "Scheduling file transfers" (1985).
//! Whenever something ends, the member with the most work left is served first, and begins the move
//! whose other end has the most work left, then the longest one, then the first one. The same moves
//! in the same order have the same times.
//!
//! Each waiting move waits at one thing that holds it up: a member without a free transfer, a group
//! under way, or a member without room. Only when that is released is the move looked at again, as
//! clauses are in a solver that watches literals. Where very many wait at one member, the best is
//! looked for among the first 16 that may begin. `O(moves · log moves)` time beside the looks, at
//! most 16 for a move that begins and at most one for each move that waits at an end of one that
//! ends; `O(moves + members)` memory. Equal moves run in [`rounds`] where those take less time.
//!
//! # How long it takes at most
//!
//! Nothing that may begin ever waits, and from that alone follows (where room holds nothing up):
//! let the move that ends last take `t`, between members that may have `c` and `d` transfers at
//! once and have work of `U` and `V` in all, of a group that has `G`. Until it begins, at each
//! moment its one end has `c` others under way, which is for at most `(U - t) / c`; or its other
//! end has `d`, for at most `(V - t) / d`; or another one of its group is under way, for at most
//! `G - t`; or as many are under way as there may be in all, `k` of a work of `W`, for at most
//! `(W - t) / k`. So all is done by
//!
//! `t + (U - t) / c + (V - t) / d + (G - t) + (W - t) / k`,
//!
//! without the last term where there is no limit for all, and without the one before where each
//! group has one move. Each of `U / c`, `V / d`, `G`, `W / k` and `t` is at most
//! [`Timeline::bound`], so that it takes less than
//!
//! - 2 times the bound with one transfer at a time for each member, one move for each group, and
//!   no limit for all: `U + V - t`, as for dense schedules of open shops (Racsmány; Bárány and
//!   Fiala 1982);
//! - 3 times with any limits for members, `U / c + V / d + (1 - 1 / c - 1 / d) · t`, also where
//!   groups have several moves;
//! - 4 times with a limit for all.
//!
//! No schedule at all is always below 1.5 times that bound: two rings of three equal moves have a
//! bound of two moves and take three. What else is known: at equal sizes, 3/2 of the best with
//! direct moves and room as it is (Hall, Hartline, Karlin, Saia and Wilkes 2001), and nearly the
//! best with limits for each member (Kari, Kim and Russell 2011); at any sizes, for the mean of
//! the times at which members are done, Kim (2005). The best for sizes that differ is NP-hard to
//! find, also where members only give or only take (Gonzalez and Sahni 1976). Where room is short
//! nothing is proven, and a timeline may be stuck where another order would not be.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Move;
use super::rounds::{Limits, Stuck, rounds};

mod bound;
mod queues;

pub use bound::{Bound, By};
pub(super) use bound::{at_once_in_all, bound};

/// How long moves take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes of one transfer a second.
    pub bytes_a_second: NonZeroU64,
    /// What each move takes besides, however small it is.
    pub each: Duration,
}

impl Pace {
    /// Nanoseconds that so many bytes take, rounded up.
    pub fn nanos(&self, bytes: u64) -> u128 {
        let rate = u128::from(self.bytes_a_second.get());
        (u128::from(bytes) * NANOS).div_ceil(rate) + self.each.as_nanos()
    }
}

/// Nanoseconds of a second.
pub(super) const NANOS: u128 = 1_000_000_000;

/// From when to when a move runs, in nanoseconds from the beginning of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// When it begins: its bytes have room from now on.
    pub start: u128,
    /// When it ends: its bytes are gone where they were.
    pub end: u128,
}

/// When moves run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// For each move, by its place in the caller's list.
    pub runs: Vec<Run>,
    /// When all are done, in nanoseconds.
    pub makespan: u128,
    /// How long it takes at least, and why.
    pub bound: Bound,
}

/// When moves run, at a pace. Ends of moves are places in the limits, and no move has the same one
/// twice.
///
/// ```
/// use std::{num::NonZeroU64, time::Duration};
/// use db_engine::placement::Move;
/// use db_engine::placement::rounds::Limits;
/// use db_engine::placement::timeline::{Pace, timeline};
/// let moves = [(0, 2, 100), (1, 2, 200), (0, 3, 300)]
///     .map(|(from, to, bytes)| Move { group: from + 10 * to, from, to, bytes });
/// let limits = Limits { at_once: &[1; 4], overall: None, room: &[1_000; 4] };
/// let pace = Pace { bytes_a_second: NonZeroU64::MIN, each: Duration::from_secs(5) };
/// let found = timeline(&moves, &limits, &pace).unwrap();
/// assert_eq!(found.makespan, 410_000_000_000);
/// assert_eq!(found.makespan, found.bound.nanos);
/// ```
///
/// # Errors
/// [`Stuck`]: what is left fits nowhere before some of it has gone elsewhere.
///
/// # Panics
/// An end of a move that is no place in the limits, or twice the same.
pub fn timeline(moves: &[Move], limits: &Limits<'_>, pace: &Pace) -> Result<Timeline, Stuck> {
    let nanos: Vec<u128> = moves.iter().map(|one| pace.nanos(one.bytes)).collect();
    let bound = bound(moves, &nanos, limits);
    let in_rounds = match equal(moves, &nanos, limits) {
        Some(runs) if last(&runs) == bound.nanos => {
            return Ok(Timeline { makespan: bound.nanos, runs, bound });
        }
        other => other,
    };
    let queued = queues::Queues::of(moves, &nanos, limits).run()?;
    let runs = in_rounds.filter(|runs| last(runs) < last(&queued)).unwrap_or(queued);
    Ok(Timeline { makespan: last(&runs), runs, bound })
}

fn last(runs: &[Run]) -> u128 {
    runs.iter().map(|run| run.end).max().unwrap_or(0)
}

/// When moves run in rounds, if they all take as long.
fn equal(moves: &[Move], nanos: &[u128], limits: &Limits<'_>) -> Option<Vec<Run>> {
    let (each, rest) = nanos.split_first()?;
    if rest.iter().any(|it| it != each) {
        return None;
    }
    let mut runs = vec![Run::default(); moves.len()];
    for (round, places) in (0..).zip(rounds(moves, limits).ok()?.rounds) {
        for place in places {
            runs[place] = Run { start: each * round, end: each * (round + 1) };
        }
    }
    Some(runs)
}
