//! The fuzz targets, each over a bounded run of inputs drawn from one seed; see `fuzz/README.md`.
#![allow(clippy::print_stdout, reason = "the counts are there to be read")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../fuzz/mutation.rs"]
mod mutation;
#[path = "../fuzz/targets.rs"]
pub(crate) mod targets;

mod damage;
mod limits;
pub(crate) mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mutation::{Dice, mutated};
use targets::{TARGETS, Target};

/// More of a processor than this may no input take: nobody waits for a file to be read. Parsers are
/// not optimised for the tests; what runs beside this one does not count.
const SLOW: Duration = Duration::from_secs(10);

/// Inputs each target is given in the fast tests: what it can take in half a second. Always the same
/// ones, so that a change is to blame for what it breaks.
const INPUTS: [(&str, usize); 10] = [
    ("stack", 1_000),
    ("plan_file", 500),
    ("record", 10_000),
    ("lease", 20_000),
    ("database", 10_000),
    ("object", 600),
    ("world", 600),
    ("paths", 20_000),
    ("amounts", 50_000),
    ("shown", 300),
];

/// How long each target is given inputs with `TSINFRA_LIVE=1`; `FUZZ_SECONDS` says otherwise.
const LIVE_SECONDS: u64 = 3;

/// How long to go on; `None`: for its share of [`INPUTS`].
fn patience() -> Option<Duration> {
    let asked = std::env::var("FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let live = std::env::var_os("TSINFRA_LIVE").map(|_| LIVE_SECONDS);
    asked.or(live).map(Duration::from_secs)
}

/// What a run came to.
struct Run {
    inputs: usize,
    took: Duration,
    slowest: Duration,
    /// What broke it.
    end: Option<String>,
}

#[test]
fn no_input_breaks_a_promise() {
    if let Some(folder) = std::env::var_os("FUZZ_CORPUS") {
        seeds::write(&PathBuf::from(folder));
    }
    let (mut all, mut broken) = (0, Vec::new());
    for target in TARGETS {
        let Run { inputs, took, slowest, end } = fuzz(target);
        broken.extend(end);
        let rate = (inputs as f64 / took.as_secs_f64()) as u64;
        println!("  {:<10} {inputs:>9} inputs, {rate:>6} a second, slowest {slowest:?}", target.0);
        all += inputs;
    }
    println!("fuzzed: {} targets, {all} inputs, {} panics", TARGETS.len(), broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Gives a target its seeds as they are, then changed ones.
fn fuzz((name, body): Target) -> Run {
    let seeds = seeds::of(name);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let (patience, begun) = (patience(), Instant::now());
    let share = INPUTS.into_iter().find(|(target, _)| *target == name);
    let (_, most) = share.unwrap_or_else(|| panic!("{name} has no share of the inputs"));
    let mut dice = Dice(0x7453_1f4a);
    let mut run = Run { inputs: 0, took: Duration::ZERO, slowest: Duration::ZERO, end: None };
    loop {
        let input = match seeds.get(run.inputs) {
            Some(seed) => seed.clone(),
            None => mutated(&seeds, &mut dice),
        };
        match survive(name, body, &input) {
            Ok(took) => run.slowest = run.slowest.max(took),
            Err(broken) => run.end = Some(broken),
        }
        run.inputs += 1;
        run.took = begun.elapsed();
        let enough = match patience {
            Some(patience) => run.took >= patience,
            None => run.inputs >= most,
        };
        if enough || run.end.is_some() {
            return run;
        }
    }
}

/// How long this thread has had a processor.
#[cfg(target_os = "linux")]
fn busy() -> Duration {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap()))
        .into_iter()
        .sum()
}

/// How long this program has run: elsewhere a thread's own share cannot be asked for.
#[cfg(not(target_os = "linux"))]
fn busy() -> Duration {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed()
}

/// Runs a target on an input. One that breaks it is kept in a file, to be looked at and, once the
/// defect is mended, to go into the corpus.
pub(crate) fn survive(name: &str, body: fn(&[u8]), input: &[u8]) -> Result<Duration, String> {
    let begun = busy();
    let result = catch_unwind(AssertUnwindSafe(|| body(input)));
    let took = busy().saturating_sub(begun);
    if result.is_ok() && took <= SLOW {
        return Ok(took);
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-broken"));
    std::fs::write(&file, input).unwrap();
    let how = if result.is_ok() { format!("takes {took:?}") } else { "breaks".to_owned() };
    Err(format!("target `{name}` {how} on {} ({} bytes)", file.display(), input.len()))
}
