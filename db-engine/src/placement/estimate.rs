//! How much moves carry and how long they take, from what is known of the speed.
//!
//! Every time is a range. Its lower end is what nobody can beat at the fastest: the busiest member,
//! the longest move or the limit for all, or in rounds the longest move of each. Its upper end is
//! how long it takes at the slowest, where all that is under way shares the limit for all. It holds
//! where moves keep their order: each that is done sooner lets the next one begin sooner.
//! `O(moves · log moves)` beside the timeline.

use std::num::NonZeroU64;
use std::time::Duration;

use super::Move;
use super::rounds::{Limits, Rounds, Stuck};
use super::timeline::{By, NANOS, Pace, Timeline, at_once_in_all, bound, timeline};

/// Where figures are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Moves of this cluster were measured.
    Measured,
    /// The user told them, or a setting of the engine limits them.
    Told,
    /// Nobody knows them here: they are what is usual elsewhere.
    Assumed,
}

/// How fast moves are, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    basis: Basis,
    slowest: NonZeroU64,
    fastest: NonZeroU64,
    overall: Option<NonZeroU64>,
    each: (Duration, Duration),
}

/// Why figures are not a speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSpeed {
    /// A speed is zero.
    #[error("at 0 bytes a second nothing arrives: give the speed of one transfer, and of all")]
    Zero,
    /// The slowest transfer is faster than the fastest.
    #[error(
        "the slowest transfer, {slowest} bytes a second, is faster than the fastest, {fastest}"
    )]
    Speeds {
        /// Bytes a second of the slowest transfer.
        slowest: u64,
        /// Bytes a second of the fastest one.
        fastest: u64,
    },
    /// The least time besides is longer than the most.
    #[error("each move takes at least {least:?} besides, and at most {most:?}: exchange them")]
    Besides {
        /// The least time.
        least: Duration,
        /// The most.
        most: Duration,
    },
}

impl Speed {
    /// A speed: bytes a second of the slowest and of the fastest transfer, and of all that are
    /// under way together where that is limited; what each move takes besides, at least and at
    /// most.
    ///
    /// # Errors
    /// [`NoSpeed`]: a speed is zero, or a range goes downwards.
    pub fn of(
        basis: Basis,
        (slowest, fastest): (u64, u64),
        overall: Option<u64>,
        each: (Duration, Duration),
    ) -> Result<Self, NoSpeed> {
        if slowest > fastest {
            return Err(NoSpeed::Speeds { slowest, fastest });
        }
        if each.0 > each.1 {
            return Err(NoSpeed::Besides { least: each.0, most: each.1 });
        }
        let speed = |it: u64| NonZeroU64::new(it).ok_or(NoSpeed::Zero);
        let overall = overall.map(speed).transpose()?;
        let (slowest, fastest) = (speed(slowest)?, speed(fastest)?);
        Ok(Self { basis, slowest, fastest, overall, each })
    }

    /// Where this is from.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Bytes a second of the slowest and of the fastest transfer.
    pub fn of_one(&self) -> (u64, u64) {
        (self.slowest.get(), self.fastest.get())
    }

    /// Bytes a second of all transfers together, where that is limited.
    pub fn of_all(&self) -> Option<u64> {
        self.overall.map(NonZeroU64::get)
    }

    /// What each move takes besides, at least and at most.
    pub fn each(&self) -> (Duration, Duration) {
        self.each
    }

    /// The slowest pace of so many transfers at once.
    pub fn slow(&self, at_once: u64) -> Pace {
        let share = self.overall.map_or(u64::MAX, |all| all.get() / at_once.max(1));
        let share = NonZeroU64::new(share).unwrap_or(NonZeroU64::MIN);
        Pace { bytes_a_second: self.slowest.min(share), each: self.each.1 }
    }

    /// The fewest nanoseconds of a move.
    fn fast(&self, bytes: u64) -> u128 {
        let fastest = self.overall.map_or(self.fastest, |all| self.fastest.min(all));
        u128::from(bytes) * NANOS / u128::from(fastest.get()) + self.each.0.as_nanos()
    }

    /// Nanoseconds that bytes take at the limit for all, rounded down and up.
    fn at_limit(&self, bytes: u128) -> (u128, u128) {
        let nanos = bytes * NANOS;
        let of = |all: NonZeroU64| u128::from(all.get());
        self.overall.map_or((0, 0), |all| (nanos / of(all), nanos.div_ceil(of(all))))
    }
}

/// A range of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seconds {
    /// At least so many, rounded down.
    pub low: u64,
    /// At most so many, rounded up.
    pub high: u64,
}

impl Seconds {
    fn of((low, high): (u128, u128)) -> Self {
        let whole = |seconds: u128| u64::try_from(seconds).unwrap_or(u64::MAX);
        Self { low: whole(low / NANOS), high: whole(high.div_ceil(NANOS)) }
    }
}

/// One step: a round, or a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many moves it has.
    pub moves: usize,
    /// What they carry.
    pub bytes: u128,
    /// How long it takes.
    pub seconds: Seconds,
}

/// What moves carry and how long they take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Rounds in their order, or, where there are none, moves by their places in the caller's list.
    pub steps: Vec<Step>,
    /// How many moves there are.
    pub moves: usize,
    /// What they carry.
    pub bytes: u128,
    /// How many rounds there are; none where each move begins as soon as it can.
    pub rounds: Option<usize>,
    /// How long all of it takes.
    pub seconds: Seconds,
    /// What the lower end is from, where each move begins as soon as it can; none also where it is
    /// from the bytes a second of all.
    pub by: Option<By>,
    /// What this is reckoned from.
    pub speed: Speed,
}

/// An estimate of moves in rounds, each of which begins when the one before is done.
///
/// ```
/// use std::time::Duration;
/// use db_engine::placement::Move;
/// use db_engine::placement::estimate::{Basis, Seconds, Speed, of_rounds};
/// use db_engine::placement::rounds::Rounds;
/// let speed = Speed::of(Basis::Told, (10, 20), None, (Duration::ZERO, Duration::from_secs(3)));
/// let moves = [Move { group: 0, from: 0, to: 1, bytes: 100 }];
/// let all = of_rounds(&moves, &Rounds { rounds: vec![vec![0]], bound: 1 }, &speed.unwrap());
/// assert_eq!(all.seconds, Seconds { low: 5, high: 13 });
/// ```
pub fn of_rounds(moves: &[Move], rounds: &Rounds, speed: &Speed) -> Estimate {
    let (mut low, mut high) = (0, 0);
    let step = |round: &Vec<usize>| {
        let bytes = || round.iter().map(|place| moves[*place].bytes);
        let all = bytes().map(u128::from).sum();
        let (least, most) = speed.at_limit(all);
        let pace = speed.slow(round.len() as u64);
        let least = bytes().map(|it| speed.fast(it)).max().unwrap_or(0).max(least);
        let most = bytes().map(|it| pace.nanos(it)).max().unwrap_or(0).max(most);
        (low, high) = (low + least, high + most);
        Step { moves: round.len(), bytes: all, seconds: Seconds::of((least, most)) }
    };
    let steps: Vec<Step> = rounds.rounds.iter().map(step).collect();
    Estimate {
        moves: steps.iter().map(|step| step.moves).sum(),
        bytes: steps.iter().map(|step| step.bytes).sum(),
        rounds: Some(steps.len()),
        steps,
        seconds: Seconds::of((low, high)),
        by: None,
        speed: *speed,
    }
}

/// An estimate of moves that begin as soon as each can, and when they do at the slowest.
///
/// # Errors
/// [`Stuck`]: what is left fits nowhere before some of it has gone elsewhere.
pub fn of_timeline(
    moves: &[Move],
    limits: &Limits<'_>,
    speed: &Speed,
) -> Result<(Timeline, Estimate), Stuck> {
    let pace = speed.slow(at_once_in_all(moves, limits));
    let slow = timeline(moves, limits, &pace)?;
    let fast: Vec<u128> = moves.iter().map(|one| speed.fast(one.bytes)).collect();
    let bound = bound(moves, &fast, limits);
    let bytes = moves.iter().map(|one| u128::from(one.bytes)).sum();
    let (least, most) = speed.at_limit(bytes);
    let step = |(one, low): (&Move, &u128)| Step {
        moves: 1,
        bytes: one.bytes.into(),
        seconds: Seconds::of((*low, pace.nanos(one.bytes))),
    };
    let estimate = Estimate {
        steps: moves.iter().zip(&fast).map(step).collect(),
        moves: moves.len(),
        bytes,
        rounds: None,
        seconds: Seconds::of((bound.nanos.max(least), slow.makespan.max(most))),
        by: (bound.nanos >= least).then_some(bound.by),
        speed: *speed,
    };
    Ok((slow, estimate))
}
