//! Lives of a stack with something going wrong at each of the program's writes: the program is the
//! real one, the control plane too, and between them is the proxy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use crate::bench::{Bench, Phase};
use crate::live;
use crate::lives::{live_all, tell};
use crate::proxy::Fault;
use crate::stage::Run;

/// Of all pairs of a write and a kind of fault each so-manieth is tried, so that every kind meets
/// writes all over a life, and neighbouring writes meet different kinds.
const EACH: usize = 5;

/// Another number than that: 1 tries every pair, in half an hour.
const EACH_VARIABLE: &str = "TSINFRA_FAULTS_EACH";

/// Longer than the program waits for an answer: what it gave up is carried out behind its back.
const TOO_LATE: Fault = Fault::HeldUp(33);

/// Writes that are carried out too late, in one life each; they take long, so that they are few.
const TOO_LATE_AT: [(usize, usize); 3] = [(4, 7), (12, 15), (25, 30)];

/// What goes wrong in one life: at most one fault in each of its parts.
type Fate = BTreeMap<Phase, (usize, Fault)>;

/// What is counted.
#[derive(Default)]
struct Tally {
    lives: usize,
    runs: usize,
    faults: BTreeMap<String, usize>,
    codes: BTreeMap<String, usize>,
    plain_runs: BTreeMap<usize, usize>,
}

#[test]
fn a_fault_at_any_write_is_survived() {
    if !live() {
        return;
    }
    let writes = writes_of_a_plain_life();
    let each = std::env::var(EACH_VARIABLE).map_or(EACH, |each| each.parse().expect("a number"));
    let fates = Mutex::new(fates(&writes, each).into_iter().enumerate());
    let tally = &Mutex::new(Tally::default());
    let failures = live_all(|| {
        let (number, fate) = fates.lock().expect("the fates").next()?;
        let name = format!("life {number}, {fate:?}");
        Some((name, Box::new(move || live_one(number, &fate, tally))))
    });
    let tally = tally.lock().expect("the tally");
    tell(&format!("{tally}; each {each}th pair of a write and a kind"));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let sprung: usize = tally.faults.values().sum();
    assert!(sprung * 10 >= tally.runs * 8, "too many faults came too late to be met");
    let kinds = Fault::ALL.iter().chain([&TOO_LATE]);
    for kind in kinds.map(|kind| format!("{kind:?}")) {
        assert!(tally.faults.contains_key(&kind), "{kind} was not met");
    }
}

/// How many writes each part of a life without a fault has.
fn writes_of_a_plain_life() -> BTreeMap<Phase, usize> {
    let mut bench = Bench::new("fault-free");
    let mut writes = BTreeMap::new();
    for phase in Phase::LIFE {
        let (run, ended) = bench.live(phase, None);
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        writes.insert(phase, bench.record.writes_of(run));
    }
    bench.check_rules();
    writes
}

/// The pairs that are tried, dealt out to lives. What takes longest comes first.
fn fates(writes: &BTreeMap<Phase, usize>, each: usize) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::new();
    for (&phase, &count) in writes {
        let places = (0..count).flat_map(|at| {
            Fault::ALL.into_iter().enumerate().map(move |(kind, fault)| (at, kind, fault))
        });
        let chosen = places.filter(|(at, kind, _)| (at + kind).is_multiple_of(each));
        for (number, (at, _, fault)) in chosen.enumerate() {
            if number == fates.len() {
                fates.push(Fate::new());
            }
            fates[number].insert(phase, (at, fault));
        }
    }
    let too_late = TOO_LATE_AT.map(|(making, ending)| {
        Fate::from([(Phase::Create, (making, TOO_LATE)), (Phase::Destroy, (ending, TOO_LATE))])
    });
    too_late.into_iter().chain(fates).collect()
}

/// One life; a part in which nothing goes wrong is lived only if it has to be.
fn live_one(number: usize, fate: &Fate, tally: &Mutex<Tally>) {
    let mut bench = Bench::new(&format!("fault-{number}"));
    for phase in Phase::LIFE {
        let Some(&(at, fault)) = fate.get(&phase) else {
            if phase != Phase::Grow {
                bench.recover(phase, "nothing yet");
            }
            continue;
        };
        let (_, run) = bench.live(phase, Some((at, fault)));
        let sprung = !bench.proxy.is_armed();
        let what = format!("{phase:?} with {fault:?} at write {at}");
        check(&run, sprung && fault.kills(), &what);
        let was_locked = bench.unlock();
        // Only who is dead, or does not know what came of a request, leaves the lock to run out.
        let may_stay = run.code.is_none() || run.unfolded().contains(": unknown: ");
        assert!(may_stay || !was_locked, "{what}: it kept the lock: {}", run.text);
        let plain_runs = bench.recover(phase, &what);
        tally.lock().expect("the tally").count(fault, sprung, &run, plain_runs);
    }
    bench.check_rules();
    tally.lock().expect("the tally").lives += 1;
}

/// How a run with a fault may end: killed if it was; else in a documented way, with the way on.
fn check(run: &Run, killed: bool, what: &str) {
    let Run { code, text } = run;
    let documented = if killed { code.is_none() } else { matches!(code, Some(0 | 1 | 3 | 5)) };
    assert!(documented, "{what}: {code:?} {text}");
    if code.is_some_and(|code| code != 0) {
        let ways = ["Run `tsinfra", "make a new plan"];
        assert!(ways.iter().any(|way| run.unfolded().contains(way)), "{what}: {text}");
    }
    let mut closing = text.lines().skip_while(|line| !line.starts_with("Halted"));
    let long = closing.find(|line| line.chars().count() > 100);
    assert_eq!(long, None, "{what}");
}

impl Tally {
    fn count(&mut self, fault: Fault, sprung: bool, run: &Run, plain_runs: usize) {
        self.runs += 1;
        if sprung {
            *self.faults.entry(format!("{fault:?}")).or_default() += 1;
        }
        let code = run.code.map_or("killed".to_owned(), |code| code.to_string());
        *self.codes.entry(code).or_default() += 1;
        *self.plain_runs.entry(plain_runs).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lives, runs, faults, codes, plain_runs } = self;
        let met: usize = faults.values().sum();
        writeln!(f, "faults: {met} met in {runs} runs of {lives} lives")?;
        writeln!(f, "  kinds: {faults:?}")?;
        write!(f, "  exit codes of these runs: {codes:?}; plain runs each took: {plain_runs:?}")
    }
}
