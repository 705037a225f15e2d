//! Laws of when moves of different size run, and what it takes against the least there can be.

use std::num::NonZeroU64;
use std::time::Duration;

use db_engine::placement::Move;
use db_engine::placement::rounds::{Limits, Stuck};
use db_engine::placement::timeline::{By, Pace, Run, Timeline, timeline};
use proptest::prelude::*;

const MEMBERS: u32 = 6;
const ROOM: [u64; MEMBERS as usize] = [u64::MAX / 2; MEMBERS as usize];
/// A byte takes a nanosecond, and a move two besides.
const PACE: Pace =
    Pace { bytes_a_second: NonZeroU64::new(1_000_000_000).unwrap(), each: Duration::from_nanos(2) };

fn moves(ends: Vec<(u32, u32, u64)>, groups: u32) -> Vec<Move> {
    let all = (0..).zip(ends).filter(|(_, (from, to, _))| from != to);
    all.map(|(place, (from, to, bytes))| Move { group: place % groups, from, to, bytes }).collect()
}

fn some(count: usize, groups: u32) -> impl Strategy<Value = Vec<Move>> {
    let one = (0..MEMBERS, 0..MEMBERS, prop_oneof![1..9_u64, 1..90_u64]);
    prop::collection::vec(one, 0..count).prop_map(move |ends| moves(ends, groups))
}

fn at_once() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..4_u32, MEMBERS as usize)
}

fn overall() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(0..6_u32)
}

/// What is under way from a moment on, beginning with it.
fn under_way(runs: &[Run], moment: u128) -> impl Iterator<Item = usize> {
    let is = move |(place, run): (usize, &Run)| {
        (run.start <= moment && moment < run.end).then_some(place)
    };
    runs.iter().enumerate().filter_map(is)
}

/// What keeps a move from being under way, beside others, from a moment on.
fn held(moves: &[Move], limits: &Limits<'_>, runs: &[Run], moment: u128, place: usize) -> bool {
    let one = &moves[place];
    let others: Vec<&Move> =
        under_way(runs, moment).filter(|it| *it != place).map(|it| &moves[it]).collect();
    let full = |member: u32| {
        let its = others.iter().filter(|it| it.from == member || it.to == member);
        its.count() >= limits.at_once[member as usize].max(1) as usize
    };
    let mut room = i128::from(limits.room[one.to as usize]);
    for (it, run) in moves.iter().zip(runs).enumerate().filter(|it| it.0 != place).map(|it| it.1) {
        let bytes = i128::from(it.bytes);
        room -= if it.to == one.to && run.start <= moment { bytes } else { 0 };
        room += if it.from == one.to && run.end <= moment { bytes } else { 0 };
    }
    limits.overall.is_some_and(|most| others.len() >= most.max(1) as usize)
        || full(one.from)
        || full(one.to)
        || others.iter().any(|it| it.group == one.group)
        || room < i128::from(one.bytes)
}

/// Each move runs as long as it takes, nothing holds it up while it runs, and, unless all are
/// equal, something does all the time before.
fn lawful(moves: &[Move], limits: &Limits<'_>, found: &Timeline) {
    assert_eq!(found.runs.len(), moves.len());
    let moments: Vec<u128> =
        found.runs.iter().flat_map(|run| [run.start, run.end]).chain([0]).collect();
    let equal = moves.iter().all(|it| it.bytes == moves[0].bytes);
    for (place, run) in found.runs.iter().enumerate() {
        assert_eq!(run.end - run.start, PACE.nanos(moves[place].bytes));
        assert!(!held(moves, limits, &found.runs, run.start, place), "{place} has no place");
        for moment in moments.iter().filter(|it| !equal && **it < run.start) {
            assert!(held(moves, limits, &found.runs, *moment, place), "{place} waits for nothing");
        }
    }
    assert_eq!(found.makespan, found.runs.iter().map(|run| run.end).max().unwrap_or(0));
    assert!(found.makespan >= found.bound.nanos);
}

/// What is proven of schedules that never let a move wait that may begin.
fn proven(moves: &[Move], limits: &Limits<'_>) -> f64 {
    let nanos = |one: &Move| PACE.nanos(one.bytes) as f64;
    let sum = |of: &dyn Fn(&Move) -> bool| moves.iter().filter(|it| of(it)).map(nanos).sum::<f64>();
    let of_one = |one: &Move| {
        let at = |member: u32| {
            let work = sum(&|it| it.from == member || it.to == member);
            (work - nanos(one)) / f64::from(limits.at_once[member as usize].max(1))
        };
        let of_all = |most: u32| (sum(&|_| true) - nanos(one)) / f64::from(most.max(1));
        sum(&|it| it.group == one.group)
            + at(one.from)
            + at(one.to)
            + limits.overall.map_or(0.0, of_all)
    };
    moves.iter().map(of_one).fold(0.0, f64::max)
}

/// The shortest there is without regard to room: the best of all orders, each move as early as
/// those before it in the order let it.
fn best(moves: &[Move], limits: &Limits<'_>, placed: &mut Vec<(Move, Run)>) -> u128 {
    let Some(_) = moves.first() else {
        return placed.iter().map(|(_, run)| run.end).max().unwrap_or(0);
    };
    let mut least = u128::MAX;
    for next in 0..moves.len() {
        let mut rest = moves.to_vec();
        let one = rest.remove(next);
        let starts = placed.iter().map(|(_, run)| run.end).chain([0]);
        let fits = |start: &u128| {
            let end = start + PACE.nanos(one.bytes);
            let inside =
                placed.iter().map(|(_, run)| run.start).filter(|it| start < it && *it < end);
            inside.chain([*start]).all(|moment| {
                let (mut all, mut runs): (Vec<Move>, Vec<Run>) = placed.iter().copied().unzip();
                all.push(one);
                runs.push(Run { start: *start, end });
                !held(&all, &Limits { room: &ROOM, ..*limits }, &runs, moment, all.len() - 1)
            })
        };
        let start = starts.filter(fits).min().unwrap();
        placed.push((one, Run { start, end: start + PACE.nanos(one.bytes) }));
        least = least.min(best(&rest, limits, placed));
        placed.pop();
    }
    least
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_transfer_each_takes_less_than_twice_the_bound(moves in some(40, u32::MAX)) {
        let limits = Limits { at_once: &[1; MEMBERS as usize], overall: None, room: &ROOM };
        let found = timeline(&moves, &limits, &PACE).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert!(found.makespan < 2 * found.bound.nanos.max(1));
        prop_assert!(found.makespan as f64 <= proven(&moves, &limits) + 1e-6);
    }

    #[test]
    fn limits_for_members_and_groups_take_less_than_three_times(
        moves in some(40, 9), at_once in at_once(),
    ) {
        let limits = Limits { at_once: &at_once, overall: None, room: &ROOM };
        let found = timeline(&moves, &limits, &PACE).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert!(found.makespan < 3 * found.bound.nanos.max(1));
        prop_assert!(found.makespan as f64 <= proven(&moves, &limits) + 1e-6);
    }

    #[test]
    fn a_limit_for_all_takes_less_than_four_times(
        moves in some(40, 9), at_once in at_once(), most in 0..6_u32,
    ) {
        let limits = Limits { at_once: &at_once, overall: Some(most), room: &ROOM };
        let found = timeline(&moves, &limits, &PACE).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert!(found.makespan < 4 * found.bound.nanos.max(1));
        prop_assert!(found.makespan as f64 <= proven(&moves, &limits) + 1e-6);
        if most <= 1 {
            prop_assert_eq!(found.makespan, found.bound.nanos, "nothing to choose");
        }
    }

    #[test]
    fn room_is_never_overdrawn_and_never_waited_for_in_vain(
        moves in some(40, 9), at_once in at_once(), overall in overall(),
        room in prop::collection::vec(0..300_u64, MEMBERS as usize),
    ) {
        let limits = Limits { at_once: &at_once, overall, room: &room };
        match timeline(&moves, &limits, &PACE) {
            Ok(found) => lawful(&moves, &limits, &found),
            Err(Stuck { moves: stuck }) => {
                let mut room: Vec<i128> = room.iter().map(|it| i128::from(*it)).collect();
                for (_, one) in moves.iter().enumerate().filter(|it| !stuck.contains(&it.0)) {
                    room[one.to as usize] -= i128::from(one.bytes);
                    room[one.from as usize] += i128::from(one.bytes);
                }
                let fits = |one: &Move| room[one.to as usize] >= i128::from(one.bytes);
                prop_assert!(!stuck.is_empty() && !stuck.iter().any(|it| fits(&moves[*it])));
            }
        }
    }

    /// Against all orders there are.
    #[test]
    fn the_bound_is_never_above_the_best_nor_the_best_above_what_is_found(
        moves in some(6, 4), at_once in at_once(), overall in overall(),
    ) {
        let limits = Limits { at_once: &at_once, overall, room: &ROOM };
        let found = timeline(&moves, &limits, &PACE).unwrap();
        let best = best(&moves, &limits, &mut Vec::new());
        prop_assert!(found.bound.nanos <= best, "{} is above {best}", found.bound.nanos);
        prop_assert!(best <= found.makespan);
    }
}

/// Two rings of five equal moves each: two at a time at most, although each member has only four.
#[test]
fn equal_moves_take_no_more_than_rounds() {
    let ring = |place: u32| (place % 5, (place + 1) % 5, 8);
    let moves = moves((0..10).map(ring).collect(), u32::MAX);
    let limits = Limits { at_once: &[1; 5], overall: None, room: &[u64::MAX / 2; 5] };
    let found = timeline(&moves, &limits, &PACE).unwrap();
    lawful(&moves, &limits, &found);
    assert_eq!((found.makespan, found.bound.nanos), (50, 50));
}

#[test]
fn nothing_takes_no_time() {
    let found = timeline(&[], &Limits { at_once: &[], overall: None, room: &[] }, &PACE).unwrap();
    assert_eq!((found.makespan, found.bound.nanos, found.bound.by), (0, 0, By::Nothing));
}

/// Two that would each have to go first are told; with room for one, the other one follows.
#[test]
fn an_exchange_without_room_is_stuck() {
    let moves = moves(vec![(0, 1, 5), (1, 0, 5)], 9);
    let limits = |room| Limits { at_once: &[2, 2], overall: None, room };
    assert_eq!(timeline(&moves, &limits(&[4, 4]), &PACE), Err(Stuck { moves: vec![0, 1] }));
    let found = timeline(&moves, &limits(&[5, 0]), &PACE).unwrap();
    assert_eq!(found.runs, vec![Run { start: 7, end: 14 }, Run { start: 0, end: 7 }]);
}

/// Sizes beyond all disks at the slowest pace there is are added up as they are.
#[test]
fn nothing_overflows() {
    let all: Vec<Move> =
        (0..9).map(|group| Move { group, from: 0, to: 1, bytes: u64::MAX }).collect();
    let pace = Pace { bytes_a_second: NonZeroU64::MIN, each: Duration::MAX };
    let room = [u64::MAX; 2];
    let limits = Limits { at_once: &[9, 9], overall: None, room: &room };
    assert_eq!(timeline(&all, &limits, &pace).unwrap_err().moves.len(), 8, "no room for two");
    let empty: Vec<Move> = all.iter().map(|it| Move { bytes: 0, ..*it }).collect();
    let found = timeline(&empty, &Limits { at_once: &[1, 1], ..limits }, &pace).unwrap();
    assert_eq!(found.makespan, 9 * pace.nanos(0));
}

/// More moves wait at one member than are looked at for the best one.
#[test]
fn one_member_that_takes_all_is_never_idle() {
    let all: Vec<Move> = (0..2_000)
        .map(|place| Move { group: place, from: 1 + place % 70, to: 0, bytes: u64::from(place) })
        .collect();
    let limits = Limits { at_once: &[1; 71], overall: None, room: &[u64::MAX / 2; 71] };
    let found = timeline(&all, &limits, &PACE).unwrap();
    assert_eq!((found.makespan, found.bound.by), (found.bound.nanos, By::Member(0)));
}
