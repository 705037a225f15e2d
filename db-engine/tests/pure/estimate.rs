//! Laws of what moves are said to carry and to take.

use std::time::Duration;

use db_engine::placement::Move;
use db_engine::placement::estimate::{
    Basis, Estimate, NoSpeed, Seconds, Speed, of_rounds, of_timeline,
};
use db_engine::placement::rounds::{Limits, Rounds, rounds};
use db_engine::placement::timeline::By;
use proptest::prelude::*;

const GIB: u64 = 1 << 30;
const MEMBERS: usize = 6;
const ROOM: [u64; MEMBERS] = [u64::MAX / 2; MEMBERS];

fn seconds(low: u64, high: u64) -> (Duration, Duration) {
    (Duration::from_secs(low), Duration::from_secs(high))
}

fn some() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec((0..3_u32, 3..6_u32, 0..90 * GIB), 0..40).prop_map(|ends| {
        let one = |(group, (from, to, bytes))| Move { group, from, to, bytes };
        (0..).zip(ends).map(one).collect()
    })
}

fn speed() -> impl Strategy<Value = Speed> {
    let figures = (1..GIB, 0..GIB, prop::option::of(1..GIB), 0..9_u64, 0..90_u64);
    figures.prop_map(|(slowest, more, overall, least, more_each)| {
        let each = seconds(least, least + more_each);
        Speed::of(Basis::Assumed, (slowest, slowest + more), overall, each).unwrap()
    })
}

/// Sums of steps are those of all, and ranges go upwards.
fn lawful(moves: &[Move], all: &Estimate) {
    assert_eq!(all.moves, moves.len());
    assert_eq!(all.bytes, moves.iter().map(|it| u128::from(it.bytes)).sum::<u128>());
    assert_eq!(all.steps.iter().map(|it| it.moves).sum::<usize>(), all.moves);
    assert_eq!(all.steps.iter().map(|it| it.bytes).sum::<u128>(), all.bytes);
    for range in all.steps.iter().map(|it| it.seconds).chain([all.seconds]) {
        assert!(range.low <= range.high, "{range:?}");
    }
    let longest = all.steps.iter().map(|it| it.seconds.low).max().unwrap_or(0);
    assert!(all.seconds.low >= longest);
    if let Some(bytes) = all.speed.of_all() {
        assert!(u128::from(all.seconds.high) * u128::from(bytes) >= all.bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranges_go_upwards_and_steps_add_up(
        moves in some(), speed in speed(), most in prop::option::of(1..4_u32),
    ) {
        let limits = Limits { at_once: &[1, 2, 3, 1, 2, 3], overall: most, room: &ROOM };
        let (found, by_time) = of_timeline(&moves, &limits, &speed).unwrap();
        lawful(&moves, &by_time);
        prop_assert!(u128::from(by_time.seconds.high) * 1_000_000_000 >= found.makespan);
        let found = rounds(&moves, &limits).unwrap();
        let by_rounds = of_rounds(&moves, &found, &speed);
        lawful(&moves, &by_rounds);
        prop_assert_eq!(by_rounds.rounds, Some(found.rounds.len()));
        prop_assert!(by_rounds.seconds.high >= by_time.seconds.low);
    }

    #[test]
    fn what_is_known_better_is_a_smaller_range(moves in some(), speed in speed()) {
        let limits = Limits { at_once: &[1; MEMBERS], overall: None, room: &ROOM };
        let found = rounds(&moves, &limits).unwrap();
        let wide = of_rounds(&moves, &found, &speed).seconds;
        let ((slowest, fastest), (least, most)) = (speed.of_one(), speed.each());
        let middle = slowest.midpoint(fastest);
        let each = (least, (least + most) / 2);
        let better =
            Speed::of(Basis::Measured, (middle, fastest), speed.of_all(), each).unwrap();
        let narrow = of_rounds(&moves, &found, &better).seconds;
        prop_assert_eq!(narrow.low, wide.low);
        prop_assert!(narrow.high <= wide.high);
    }
}

/// Two moves one after the other at 10 to 20 bytes a second, 1 to 4 seconds besides; then 5 bytes a
/// second for all.
#[test]
fn seconds_are_those_of_the_figures() {
    let moves =
        [(0, 2, 100), (1, 2, 200)].map(|(from, to, bytes)| Move { group: from, from, to, bytes });
    let limits = Limits { at_once: &[1; 3], overall: None, room: &[900; 3] };
    let speed = Speed::of(Basis::Measured, (10, 20), None, seconds(1, 4)).unwrap();
    let (_, all) = of_timeline(&moves, &limits, &speed).unwrap();
    assert_eq!(all.seconds, Seconds { low: 5 + 1 + 10 + 1, high: 10 + 4 + 20 + 4 });
    assert_eq!((all.by, all.speed.basis()), (Some(By::Member(2)), Basis::Measured));
    assert_eq!(all.steps[1].seconds, Seconds { low: 11, high: 24 });
    let speed = Speed::of(Basis::Told, (10, 20), Some(5), seconds(0, 0)).unwrap();
    let (_, all) = of_timeline(&moves, &limits, &speed).unwrap();
    assert_eq!(all.seconds, Seconds { low: 60, high: 60 });
    let together = Rounds { rounds: vec![vec![0, 1]], bound: 1 };
    assert_eq!(of_rounds(&moves, &together, &speed).seconds, Seconds { low: 60, high: 100 });
}

#[test]
fn nothing_is_nothing() {
    let speed = Speed::of(Basis::Told, (1, 1), Some(1), seconds(9, 9)).unwrap();
    let limits = Limits { at_once: &[], overall: None, room: &[] };
    let (_, all) = of_timeline(&[], &limits, &speed).unwrap();
    assert_eq!((all.moves, all.bytes, all.seconds), (0, 0, Seconds::default()));
    let none = of_rounds(&[], &Rounds { rounds: Vec::new(), bound: 0 }, &speed);
    assert_eq!((none.rounds, none.bytes, none.seconds), (Some(0), 0, Seconds::default()));
}

#[test]
fn what_is_no_speed_is_refused() {
    let of = |one, all, each| Speed::of(Basis::Told, one, all, each);
    assert_eq!(of((0, 5), None, seconds(0, 0)), Err(NoSpeed::Zero));
    assert_eq!(of((1, 5), Some(0), seconds(0, 0)), Err(NoSpeed::Zero));
    let downwards = NoSpeed::Speeds { slowest: 6, fastest: 5 };
    assert_eq!(of((6, 5), None, seconds(0, 0)), Err(downwards));
    assert!(matches!(of((1, 5), None, seconds(2, 1)), Err(NoSpeed::Besides { .. })));
    assert!(NoSpeed::Zero.to_string().contains("0 bytes a second"));
}

/// The most bytes at the slowest speed are more seconds than there are, and said to be as many.
#[test]
fn nothing_overflows() {
    let one = Move { group: 0, from: 0, to: 1, bytes: u64::MAX };
    let moves = vec![one; 100];
    let speed = Speed::of(Basis::Told, (1, 1), Some(1), (Duration::MAX, Duration::MAX)).unwrap();
    let each = Rounds { rounds: (0..100).map(|it| vec![it]).collect(), bound: 100 };
    let all = of_rounds(&moves, &each, &speed);
    assert_eq!(all.bytes, 100 * u128::from(u64::MAX));
    assert_eq!(all.seconds, Seconds { low: u64::MAX, high: u64::MAX });
}
