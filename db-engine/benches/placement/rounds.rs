//! Rounds of moves, beside what a loop over all moves would do.

use std::collections::BTreeSet;

use db_engine::placement::Move;
use db_engine::placement::rounds::{Limits, rounds};

use crate::meter::{Random, timed};

/// Instances: what they are called, old members, new members, moves.
const TO_NEW: [(&str, u32, u32, u32); 3] = [
    ("100 + 10, 2,700 moves", 100, 10, 2_700),
    ("1,000 + 100, 27,000 moves", 1_000, 100, 27_000),
    ("10,000 + 1,000, 270,000 moves", 10_000, 1_000, 270_000),
];
const BETWEEN: [(&str, u32, u32); 2] = [
    ("1,000, between any, 27,000 moves", 1_000, 27_000),
    ("10,000, between any, 270,000", 10_000, 270_000),
];

pub(super) fn report() {
    println!("Rounds, one transfer at a time for each member; rounds / bound and CPU milliseconds");
    println!("{:<36} {:>9} {:>8} {:>9} {:>8}", "instance", "ours", "ms", "greedy", "ms");
    for (name, old, new, count) in TO_NEW {
        let mut random = Random(u64::from(count));
        row(name, old + new, &moves(&mut random, count, 0..old, old..old + new));
    }
    for (name, members, count) in BETWEEN {
        let mut random = Random(u64::from(count));
        row(name, members, &moves(&mut random, count, 0..members, 0..members));
    }
}

fn row(name: &str, members: u32, moves: &[Move]) {
    let (at_once, room) = (vec![1; members as usize], vec![u64::MAX / 2; members as usize]);
    let limits = Limits { at_once: &at_once, overall: None, room: &room };
    let (found, took) = timed(|| rounds(moves, &limits));
    let Ok(found) = found else { return };
    let (naive, naive_took) = timed(|| first_round_that_is_free(moves));
    let ratio = |rounds: usize| rounds as f64 / found.bound as f64;
    println!(
        "{name:<36} {:>9.4} {took:>8.0} {:>9.4} {naive_took:>8.0}",
        ratio(found.rounds.len()),
        ratio(naive)
    );
}

/// What a loop over all moves would do: each in the first round in which both its members are free.
fn first_round_that_is_free(moves: &[Move]) -> usize {
    let mut busy: BTreeSet<(u32, usize)> = BTreeSet::new();
    let mut most = 0;
    for one in moves {
        let free = |round: &usize| {
            !busy.contains(&(one.from, *round)) && !busy.contains(&(one.to, *round))
        };
        let round = (0..).find(free).unwrap_or_default();
        busy.extend([(one.from, round), (one.to, round)]);
        most = most.max(round + 1);
    }
    most
}

fn moves(
    random: &mut Random,
    count: u32,
    from: std::ops::Range<u32>,
    to: std::ops::Range<u32>,
) -> Vec<Move> {
    let mut moves = Vec::new();
    // Members give and take as many as others, as where they are evened out.
    let (mut givers, mut takers) = (Vec::new(), Vec::new());
    while moves.len() < count as usize {
        let (one, other) = (
            random.draw(&mut givers, || from.clone().collect()),
            random.draw(&mut takers, || to.clone().collect()),
        );
        if one != other {
            let group = u32::try_from(moves.len()).unwrap_or_default();
            moves.push(Move { group, from: one, to: other, bytes: 1 });
        }
    }
    moves
}
