//! Placement side by side with what it has to beat, and with the least there can be: `cargo bench -p db-engine`.
//! Reported, never judged: machines differ. Time is that of the process on a CPU.
#![expect(clippy::print_stdout, reason = "a bench reports")]

use std::collections::BTreeSet;

use db_engine::placement::Move;
use db_engine::placement::rounds::{Limits, rounds};

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

fn main() {
    println!("Rounds, one transfer at a time for each member; rounds / bound and CPU milliseconds");
    println!("{:<36} {:>9} {:>8} {:>9} {:>8}", "instance", "ours", "ms", "greedy", "ms");
    for (name, old, new, count) in TO_NEW {
        let mut random = Random(u64::from(count));
        row(name, old + new, &random.moves(count, 0..old, old..old + new));
    }
    for (name, members, count) in BETWEEN {
        let mut random = Random(u64::from(count));
        row(name, members, &random.moves(count, 0..members, 0..members));
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

/// Runs something, and says how many milliseconds of a CPU it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = on_cpu();
    let done = work();
    (done, (on_cpu() - before) / 1e6)
}

/// Nanoseconds this process was on a CPU.
fn on_cpu() -> f64 {
    let all = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    all.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0)
}

/// The same numbers each time (splitmix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One of those left, all of them again once none is.
    fn draw(&mut self, left: &mut Vec<u32>, all: &std::ops::Range<u32>) -> u32 {
        if left.is_empty() {
            left.extend(all.clone());
        }
        let place = self.next() % left.len() as u64;
        left.swap_remove(usize::try_from(place).unwrap_or_default())
    }

    fn moves(
        &mut self,
        count: u32,
        from: std::ops::Range<u32>,
        to: std::ops::Range<u32>,
    ) -> Vec<Move> {
        let mut moves = Vec::new();
        // Members give and take as many as others, as where they are evened out.
        let (mut givers, mut takers) = (Vec::new(), Vec::new());
        while moves.len() < count as usize {
            let (one, other) = (self.draw(&mut givers, &from), self.draw(&mut takers, &to));
            if one != other {
                let group = u32::try_from(moves.len()).unwrap_or_default();
                moves.push(Move { group, from: one, to: other, bytes: 1 });
            }
        }
        moves
    }
}
