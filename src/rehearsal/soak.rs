//! Many trials: every place for every fault, or faults drawn from a seed; what fails is made small.

use std::collections::BTreeMap;

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
pub fn every_place(operations: &[Operation]) -> Vec<(usize, BTreeMap<usize, Fault>)> {
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
pub fn drawn(operations: &[Operation], seed: u64) -> (usize, BTreeMap<usize, Fault>) {
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
