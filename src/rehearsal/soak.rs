//! Many trials: every place for every fault, or faults drawn from a seed; what fails is made small.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fault::Fault;
use super::matrix::Operation;
use super::trial::Report;

/// A trial that failed, as small as it could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The operation's name.
    pub operation: String,
    /// The faults it takes, by effect.
    pub faults: BTreeMap<usize, Fault>,
    /// How it ended.
    pub report: Report,
}

/// Each fault at each effect of each operation, one at a time: operation and faults.
pub fn every_place(operations: &[Operation]) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        for effect in 0..operation.straight.effects.max(1) {
            for fault in Fault::ALL {
                places.push((index, BTreeMap::from([(effect, fault)])));
            }
        }
    }
    places
}

/// One to three faults in one operation, from a seed.
pub fn drawn(operations: &[Operation], seed: u64) -> Place {
    let mut state = seed;
    let mut draw = |below: usize| {
        // splitmix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let below = below.max(1) as u64;
        usize::try_from((mixed ^ (mixed >> 31)) % below).unwrap_or(0)
    };
    let index = draw(operations.len());
    let effects = operations[index].straight.effects.max(1);
    let faults = (0..=draw(3)).map(|_| (draw(effects), Fault::ALL[draw(Fault::ALL.len())]));
    (index, faults.collect())
}

/// A place for each trial: the operation's number, and what goes wrong at which of its effects.
pub type Place = (usize, BTreeMap<usize, Fault>);

/// How many trials went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Trials.
    pub trials: usize,
    /// Plain runs after all of them.
    pub reruns: usize,
    /// Plain runs after one of them, at most.
    pub reruns_max: usize,
}

/// Tries all of them, on every core. Failures come in the order of their places.
pub fn try_all(operations: &[Operation], places: &[Place]) -> (Tally, Vec<Failure>) {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some((index, faults)) = places.get(number) else { return };
            let result = runtime.block_on(attempt(&operations[*index], faults.clone()));
            if let Ok(mut results) = results.lock() {
                results.insert(number, result);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for result in results.into_inner().unwrap_or_default().into_values() {
        tally.trials += 1;
        match result {
            Ok(report) => {
                tally.reruns += report.reruns;
                tally.reruns_max = tally.reruns_max.max(report.reruns);
            }
            Err(failure) => failures.push(*failure),
        }
    }
    (tally, failures)
}

/// Tries it; a failure is made smaller by leaving out faults it does not need.
pub async fn attempt(
    operation: &Operation,
    faults: BTreeMap<usize, Fault>,
) -> Result<Report, Box<Failure>> {
    let report = operation.under(faults.clone()).await;
    if report.wrong.is_empty() {
        return Ok(report);
    }
    let mut smallest = (faults, report);
    for effect in smallest.0.keys().copied().collect::<Vec<usize>>() {
        let mut fewer = smallest.0.clone();
        fewer.remove(&effect);
        let report = operation.under(fewer.clone()).await;
        if !report.wrong.is_empty() {
            smallest = (fewer, report);
        }
    }
    let (faults, report) = smallest;
    Err(Box::new(Failure { operation: operation.name.clone(), faults, report }))
}
