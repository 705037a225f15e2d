//! Trials by the thousand: `cargo run --release --example soak -- --seeds 100000`, or `--matrix` for
//! every fault at every effect. Ends with 1 if a trial failed.
#![expect(clippy::print_stdout, reason = "a program for developers says what it found")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use clap::Parser;
use tsinfra::rehearsal::matrix::{Operation, operations};
use tsinfra::rehearsal::soak::{Place, drawn, every_place, try_all};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Try plans under faults, on every stack of the folder `stacks`.
#[derive(Parser)]
struct Arguments {
    /// Trials drawn from seeds.
    #[arg(long, default_value_t = 0)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Every fault at every effect of every operation.
    #[arg(long)]
    matrix: bool,
    /// Only operations whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only faults whose name contains this.
    #[arg(long, default_value = "")]
    fault: String,
    /// Failures that are shown with their journal.
    #[arg(long, default_value_t = 3)]
    show: usize,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn all_operations() -> Vec<Operation> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/stacks");
    let files = std::fs::read_dir(folder).expect("the folder of stacks");
    let paths: BTreeSet<_> = files.map(|file| file.expect("a file").path()).collect();
    let of_stack = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a stack");
        let stack = tsinfra::stack::read(&name, &text);
        let stack = stack.unwrap_or_else(|wrong| panic!("{}", wrong.render(false, 100)));
        runtime().block_on(operations(&name, &stack))
    };
    paths.iter().flat_map(of_stack).collect()
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let mut operations = all_operations();
    operations.retain(|operation| operation.name.contains(&arguments.only));
    let mut places: Vec<Place> =
        if arguments.matrix { every_place(&operations) } else { Vec::new() };
    let seeds = arguments.first..arguments.first + arguments.seeds;
    places.extend(seeds.map(|seed| drawn(&operations, seed)));
    places.retain(|(_, faults)| {
        faults.values().any(|fault| fault.to_string().contains(&arguments.fault))
    });
    let begun = Instant::now();
    let (tally, failures) = try_all(&operations, &places);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for failure in &failures {
        let faults: Vec<String> = failure.faults.values().map(ToString::to_string).collect();
        let wrong = failure.report.wrong.first().map_or("", String::as_str);
        let wrong: String = wrong.chars().take(160).collect();
        *kinds
            .entry(format!("{} [{}] {wrong}", failure.operation, faults.join(" ")))
            .or_default() += 1;
    }
    for (kind, count) in &kinds {
        println!("{count:6} x {kind}");
    }
    for failure in failures.iter().take(arguments.show) {
        println!("\n{} {:?}", failure.operation, failure.faults);
        failure.report.wrong.iter().for_each(|wrong| println!("  wrong: {wrong}"));
        failure.report.journal.iter().for_each(|line| println!("  {line}"));
    }
    println!(
        "{} operations, {} trials, {} plain runs after them, {} failed, {:.1} s",
        operations.len(),
        tally.trials,
        tally.reruns,
        failures.len(),
        begun.elapsed().as_secs_f32()
    );
    std::process::ExitCode::from(u8::from(!failures.is_empty()))
}
