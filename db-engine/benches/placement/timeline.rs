//! Moves of different size, each as soon as it can, beside rounds and beside a strict queue.

use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use db_engine::placement::Move;
use db_engine::placement::rounds::{Limits, rounds};
use db_engine::placement::timeline::{Pace, timeline};

use crate::meter::{Random, timed};

/// Instances: what they are called, members that give, members that take, moves.
const INSTANCES: [(&str, Range<u32>, Range<u32>, u32); 6] = [
    ("100 + 10, 2,700 moves", 0..100, 100..110, 2_700),
    ("1,000 + 100, 27,000 moves", 0..1_000, 1_000..1_100, 27_000),
    ("10,000 + 1,000, 270,000 moves", 0..10_000, 10_000..11_000, 270_000),
    ("100, between any, 2,700 moves", 0..100, 0..100, 2_700),
    ("1,000, between any, 27,000 moves", 0..1_000, 0..1_000, 27_000),
    ("10,000, between any, 270,000", 0..10_000, 0..10_000, 270_000),
];
/// Bytes of a move: their median, where their logarithms are normal with a deviation of one.
const MEDIAN: f64 = 4e9;
/// IoTDB's limit, and what it takes for each region besides (measured, 1 replica).
const BYTES_A_SECOND: u64 = 48 << 20;
const EACH: Duration = Duration::from_millis(14_900);

pub(super) fn report() {
    println!("Moves of different size (lognormal, deviation 1): makespan / bound and CPU ms");
    println!(
        "{:<34} {:>8} {:>9} {:>6} {:>9} {:>6} {:>9} {:>6}",
        "instance", "at once", "ours", "ms", "rounds", "ms", "in order", "ms"
    );
    for at_once in [1, 2] {
        for (name, from, to, count) in INSTANCES {
            let members = from.end.max(to.end) as usize;
            row(name, &vec![at_once; members], &moves(count, &from, &to));
        }
    }
}

fn row(name: &str, at_once: &[u32], moves: &[Move]) {
    let room = vec![u64::MAX / 2; at_once.len()];
    let limits = Limits { at_once, overall: None, room: &room };
    let bytes_a_second = NonZeroU64::new(BYTES_A_SECOND).unwrap_or(NonZeroU64::MIN);
    let pace = Pace { bytes_a_second, each: EACH };
    let (ours, took) = timed(|| timeline(moves, &limits, &pace));
    let Ok(ours) = ours else { return };
    let (by_rounds, rounds_took) = timed(|| in_rounds(moves, &limits, &pace));
    let (in_order, order_took) = timed(|| in_order(moves, &limits, &pace));
    let ratio = |nanos: u128| nanos as f64 / ours.bound.nanos as f64;
    println!(
        "{name:<34} {:>8} {:>9.4} {took:>6.0} {:>9.4} {rounds_took:>6.0} {:>9.4} {order_took:>6.0}",
        at_once[0],
        ratio(ours.makespan),
        ratio(by_rounds),
        ratio(in_order),
    );
}

/// Rounds, each as long as its longest move.
fn in_rounds(moves: &[Move], limits: &Limits<'_>, pace: &Pace) -> u128 {
    let Ok(found) = rounds(moves, limits) else { return 0 };
    let longest = |round: &Vec<usize>| round.iter().map(|it| pace.nanos(moves[*it].bytes)).max();
    found.rounds.iter().filter_map(longest).sum()
}

/// In the order given: each begins as soon as both its ends are done with those before it.
fn in_order(moves: &[Move], limits: &Limits<'_>, pace: &Pace) -> u128 {
    let slots = |most: &u32| vec![0_u128; *most as usize];
    let mut free: Vec<Vec<u128>> = limits.at_once.iter().map(slots).collect();
    let mut done = 0;
    for one in moves {
        let ends = [one.from as usize, one.to as usize];
        ends.into_iter().for_each(|it| free[it].sort_unstable());
        let begin = free[ends[0]][0].max(free[ends[1]][0]);
        let end = begin + pace.nanos(one.bytes);
        ends.into_iter().for_each(|it| free[it][0] = end);
        done = end.max(done);
    }
    done
}

/// Members give and take as many as others, as where they are evened out.
fn moves(count: u32, from: &Range<u32>, to: &Range<u32>) -> Vec<Move> {
    let mut random = Random(u64::from(count));
    let (mut givers, mut takers, mut moves) = (Vec::new(), Vec::new(), Vec::new());
    while moves.len() < count as usize {
        let one = random.draw(&mut givers, || from.clone().collect());
        let other = random.draw(&mut takers, || to.clone().collect());
        if one != other {
            let group = u32::try_from(moves.len()).unwrap_or_default();
            moves.push(Move { group, from: one, to: other, bytes: lognormal(&mut random) });
        }
    }
    moves
}

/// A size whose logarithm is normal (Box and Muller 1958).
fn lognormal(random: &mut Random) -> u64 {
    let mut unit = || (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let (one, other) = (1.0 - unit(), unit());
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    (MEDIAN * normal.exp()) as u64
}
