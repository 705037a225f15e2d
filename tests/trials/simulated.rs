//! Plans under fire: trials of every example stack, a sample of all places and of drawn faults, always
//! the same; in the live half 20,000 instead, every place among them (`examples/soak.rs` tries as many
//! as asked).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tsinfra::apply;
use tsinfra::apply::hold::Claim;
use tsinfra::object::Kind;
use tsinfra::plan::Purpose;
use tsinfra::rehearsal::fault::Fault;
use tsinfra::rehearsal::matrix::{self, Operation, operations};
use tsinfra::rehearsal::soak::{Place, drawn, every_place, try_all};
use tsinfra::rehearsal::trial::Ours;
use tsinfra::sandbox::Sandbox;
use tsinfra::survey::{self, Request};

const STACKS: [(&str, &str); 3] = [
    ("iotdb-cloud", include_str!("../../stacks/iotdb-cloud.toml")),
    ("iotdb-local", include_str!("../../stacks/iotdb-local.toml")),
    ("quickstart", include_str!("../../stacks/quickstart.toml")),
];

const NVME: (&str, &str) = ("iotdb-nvme", include_str!("../../stacks/iotdb-nvme.toml"));

/// One place in so many is tried in the fast tests; a prime, so that each fault meets each effect of
/// some operation.
const SAMPLE: usize = 23;

/// Trials with faults drawn from seeds.
const SEEDS: u64 = 120;

/// Trials of the live half: every place, and as many drawn ones as are left.
const LIVE_TRIALS: u64 = 20_000;

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The operations of every example stack, lived once.
pub(crate) fn all() -> &'static [Operation] {
    static ALL: OnceLock<Vec<Operation>> = OnceLock::new();
    ALL.get_or_init(|| {
        let of_stack = |(name, text): (&str, &str)| {
            let stack = tsinfra::stack::read(name, text);
            let stack = stack.unwrap_or_else(|wrong| panic!("{}", wrong.render(false, 100)));
            block_on(operations(name, &stack))
        };
        let local =
            STACKS[1].1.replace("kind    = \"local\"", "kind = \"local\"\nprepare = \"create\"");
        // Once they are there, prepared directories are as any.
        let comes = |operation: &Operation| {
            [": create", ": scale out"].iter().any(|end| operation.name.ends_with(end))
        };
        let prepared = of_stack(("iotdb-local, prepared", &local)).into_iter().filter(comes);
        // Where members come, go and are lost with two volumes each; the rest is as with one.
        let several = of_stack(NVME).into_iter().filter(|operation| {
            let ends = [": create", ": scale out", ": scale in", ": replace"];
            ends.iter().any(|end| operation.name.ends_with(end))
        });
        let all = STACKS.into_iter().flat_map(of_stack).chain(prepared).chain([recycled()]);
        all.chain(several).collect()
    })
}

/// A cluster is made anew on the directories of one that is gone: each is cleared.
fn recycled() -> Operation {
    let text = STACKS[1].1.replace("kind    = \"local\"", "kind = \"local\"\nrecycle = \"scrub\"");
    let text = text.replace("protect = true", "");
    let stack = tsinfra::stack::read("iotdb-local", &text).unwrap();
    block_on(async {
        let created = matrix::lived(&matrix::furnished(&stack), &stack).await;
        let sandbox = Sandbox::resumed(created);
        let purpose = Purpose::Destroy;
        let request = Request { stack: &stack, digest: "", purpose, consents: &[] };
        let plan = survey::plan(&sandbox, &request).await.unwrap();
        let holder = "before".to_owned();
        let claim = Claim { holder, purpose: "destroy".to_owned(), patience: Duration::ZERO };
        let stop = AtomicBool::new(false);
        let ended = apply::run(&sandbox, &plan, &claim, &stop, |_| (), |_| ()).await;
        assert!(ended.is_complete(&plan), "{ended:#?}");
        sandbox.disturb(|cluster| {
            for claim in cluster.keys_of(Kind::PersistentVolumeClaim) {
                cluster.delete(&claim);
            }
            cluster.advance(Duration::from_secs(60));
        });
        let base = sandbox.snapshot();
        let volumes = base.keys_of(Kind::PersistentVolume);
        let consents = volumes.iter().map(ToString::to_string).collect();
        let name = "iotdb-local, used again: create".to_owned();
        Operation::new(name, base, stack.clone(), Purpose::Apply, consents).await
    })
}

/// Tries all of them and fails with the smallest journal of the first that failed.
fn all_go_well(what: &str, places: &[Place]) {
    let begun = std::time::Instant::now();
    let (tally, failures) = try_all(all(), places);
    if let Some(failure) = failures.first() {
        panic!(
            "{} of {} failed; {} under {:?}:\n{}\n\n{}",
            failures.len(),
            places.len(),
            failure.operation,
            failure.faults,
            failure.report.wrong.join("\n"),
            failure.report.journal.join("\n")
        );
    }
    #[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
    {
        println!(
            "{what}: {} trials of {} operations, {} plain runs after them, no rule broken, {:.0} s",
            tally.trials,
            all().len(),
            tally.reruns,
            begun.elapsed().as_secs_f32()
        );
    }
}

#[test]
fn no_operation_breaks_a_rule_without_a_fault() {
    for operation in all() {
        assert_eq!(operation.straight.wrong, Vec::<String>::new(), "{}", operation.name);
        assert_eq!(operation.straight.reruns, 0, "{}", operation.name);
    }
    // What creates and destroys has effects, what has nothing to do has none.
    let effects = |end: &str| {
        let of_kind = all().iter().filter(|operation| operation.name.ends_with(end));
        of_kind.map(|operation| operation.straight.effects).collect::<Vec<_>>()
    };
    assert!(effects(": create").into_iter().all(|effects| effects > 15));
    assert!(effects(": destroy").into_iter().all(|effects| effects > 15));
    assert_eq!(effects(": nothing to do"), [0, 0, 0]);
}

/// Whether the live half is asked for, which tries all that the samples do and more.
fn is_live() -> bool {
    std::env::var_os("TSINFRA_LIVE").is_some_and(|value| value == "1")
}

#[test]
fn no_fault_at_any_place_breaks_a_rule() {
    if is_live() {
        return;
    }
    let places: Vec<Place> = every_place(all()).into_iter().step_by(SAMPLE).collect();
    all_go_well("one fault at one effect", &places);
}

#[test]
fn no_drawn_faults_break_a_rule() {
    if is_live() {
        return;
    }
    let places: Vec<Place> = (1..=SEEDS).map(|seed| drawn(all(), seed)).collect();
    all_go_well("drawn faults", &places);
}

/// The live half.
#[test]
fn no_fault_at_every_place_and_no_drawn_faults_by_the_thousand_break_a_rule() {
    if !is_live() {
        return;
    }
    let mut places = every_place(all());
    let left = LIVE_TRIALS.saturating_sub(u64::try_from(places.len()).unwrap());
    places.extend((1..=left).map(|seed| drawn(all(), seed)));
    all_go_well("one fault at every effect, and drawn faults", &places);
}

/// What drawn seeds have found: plans that only keep a record, a silent database at planning, effects
/// side by side of one who was paused; and where the monitors were wrong.
#[test]
fn what_seeds_have_found_stays_mended() {
    use Fault::*;
    let found = [
        ("quickstart: upgrade", vec![(9, Rival), (14, Autoscaled)]),
        ("quickstart: restart", vec![(1, DatabaseEmpty), (3, CrashBefore), (10, Rival)]),
        ("iotdb-local: destroy", vec![(16, Paused), (20, Paused)]),
        ("iotdb-cloud: create", vec![(4, Rival), (17, LockDeleted)]),
        ("iotdb-cloud: rename", vec![(6, Late), (8, LockDeleted)]),
        ("iotdb-cloud: upgrade", vec![(0, FieldEdited), (1, AnotherDatabase), (11, Paused)]),
    ];
    for (name, faults) in found {
        let operation = all().iter().find(|operation| operation.name == name).unwrap();
        let report = block_on(operation.under(faults.into_iter().collect()));
        assert_eq!(report.wrong, Vec::<String>::new(), "{name}:\n{}", report.journal.join("\n"));
    }
}

/// A process that was paused, or whose request was held up, comes to a world in which members live on the
/// directories it was about to clear: it clears nothing. Trials have found that it did, as long as a Job
/// that clears began with its creation.
#[test]
fn whoever_comes_late_clears_nothing() {
    let operation = all().iter().find(|it| it.name == "iotdb-local, used again: create").unwrap();
    for effect in 0..operation.straight.effects {
        for fault in [Fault::Paused, Fault::Late] {
            let report = block_on(operation.under(BTreeMap::from([(effect, fault)])));
            let journal = report.journal.join("\n");
            assert_eq!(report.wrong, Vec::<String>::new(), "{effect}, {fault}:\n{journal}");
        }
    }
}

/// A trial that goes the known way up to its first fault is the one that goes it itself, to the letter.
#[test]
fn a_known_way_leads_to_the_same_trial() {
    let alone: Vec<Place> = every_place(all()).into_iter().step_by(10 * SAMPLE).collect();
    let drawn = (1..=20).map(|seed| drawn(all(), seed));
    for (index, faults) in alone.into_iter().chain(drawn) {
        let operation = &all()[index];
        let known = block_on(operation.under(faults.clone()));
        let afresh = block_on(operation.by(&Ours, faults.clone()));
        assert_eq!(known, afresh, "{} under {faults:?}", operation.name);
    }
}

/// The same trial gives the same journal, to the letter.
#[test]
fn a_trial_is_deterministic() {
    let operation = all().iter().find(|operation| operation.name == "quickstart: create").unwrap();
    for fault in [Fault::AnswerLost, Fault::Paused, Fault::NodeLost] {
        let once = || block_on(operation.under(BTreeMap::from([(7, fault)])));
        assert_eq!(once(), once(), "{fault}");
    }
}
