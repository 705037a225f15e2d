//! Lives of a stack in which the real binary is killed (`kill -9`) at moments drawn by chance; each
//! time one plain run more has to bring the stack to where it should be.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Phase};
use crate::live;
use crate::lives::{live_all, tell};
use crate::process::pause;
use crate::proxy::Fault;

/// What the moments are drawn from.
const SEED: u64 = 26;
/// How many processes are killed.
const KILLS: usize = 50;
/// More lives than these do not come: a process that has ended before its moment is no kill.
const LIVES_MAX: usize = 40;
/// A killed holder's lock runs out after 60 s; it was last written some moments before.
const RUNS_OUT_AFTER: Duration = Duration::from_secs(55);

#[derive(Default)]
struct Tally {
    lives: usize,
    kills: usize,
    /// Of those, processes that held the lock.
    holders: usize,
    /// Processes that had ended before.
    missed: usize,
    plain_runs: usize,
}

#[test]
fn fifty_killed_processes_are_made_up_for_by_plain_runs() {
    if !live() {
        return;
    }
    let tally = &Mutex::new(Tally::default());
    let failures = live_all(|| {
        let number = next(tally)?;
        let name = format!("kill-{number}");
        Some((name.clone(), Box::new(move || live_one(&name, number, tally))))
    });
    let Tally { lives, kills, holders, missed, plain_runs } = &*tally.lock().expect("the tally");
    tell(&format!(
        "kills: {kills} processes killed in {lives} lives (seed {SEED}), {holders} while they held the \
         lock; {missed} had ended before; {plain_runs} plain runs"
    ));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(*kills >= KILLS && *holders > 0, "too few");
}

/// A life's number, while there are kills to come.
fn next(tally: &Mutex<Tally>) -> Option<u64> {
    let mut tally = tally.lock().expect("the tally");
    let to_come = tally.lives * Phase::LIFE.len() - tally.missed;
    let more = to_come < KILLS && tally.lives < LIVES_MAX;
    more.then(|| {
        tally.lives += 1;
        tally.lives as u64
    })
}

/// One process is killed in each part of a life.
fn live_one(name: &str, number: u64, tally: &Mutex<Tally>) {
    let mut bench = Bench::new(name);
    for (part, phase) in (0..).zip(Phase::LIFE) {
        let moment = moment(phase, SEED ^ (number << 8 | part));
        let (_, process) = bench.start(phase, None);
        pause(moment);
        bench.kill();
        let run = process.wait();
        let killed = run.code.is_none();
        assert!(killed || run.code == Some(0), "{name}: {phase:?}: {}", run.text);
        let held = bench.unlock();
        let plain_runs = bench.recover(phase, &format!("{phase:?} killed after {moment:?}"));
        let mut tally = tally.lock().expect("the tally");
        tally.plain_runs += plain_runs;
        tally.kills += usize::from(killed);
        tally.holders += usize::from(killed && held);
        tally.missed += usize::from(!killed);
    }
    bench.check_rules();
}

/// A moment within the time a part of a life takes on a machine with much to do.
fn moment(phase: Phase, seed: u64) -> Duration {
    let longest = match phase {
        Phase::Create | Phase::Grow => Duration::from_secs(6),
        Phase::Destroy => Duration::from_millis(2500),
    };
    // Steele, Lea and Flood's splitmix64.
    let mut mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let part = u32::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(0);
    longest * part / (1 << 16)
}

/// Nobody has to unlock: the lock of a dead holder runs out, and who waits for it goes on.
#[test]
fn a_killed_holders_lock_runs_out() {
    if !live() {
        return;
    }
    let mut bench = Bench::new("runs-out");
    // The writes before: the namespace, its ownership, the lock.
    let (_, run) = bench.live(Phase::Create, Some((3, Fault::KilledAfter)));
    assert_eq!(run.code, None, "{}", run.text);
    let begun = Instant::now();
    let (_, run) = bench.live(Phase::Create, None);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert!(run.text.contains("Waiting for it to let go."), "{}", run.text);
    assert!(run.text.contains("The lock was taken over from "), "{}", run.text);
    assert!(begun.elapsed() > RUNS_OUT_AFTER, "it was taken over after {:?}", begun.elapsed());
    bench.recover(Phase::Destroy, "its lock ran out");
    bench.check_rules();
}
