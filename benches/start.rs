//! How long the program takes from start to end, and how much memory, beside the cost of starting
//! any process at all: `cargo bench`. Reported, never judged: machines differ.
#![expect(clippy::print_stdout, reason = "a bench reports")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// Runs counted of each command, after one that is not.
const RUNS: usize = 21;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stack = |name: &str| root.join("stacks").join(name).display().to_string();
    let (quickstart, local) = (stack("quickstart.toml"), stack("iotdb-local.toml"));
    let floor = median(folder.path(), "/bin/true", &[]);
    let program = env!("CARGO_BIN_EXE_tsinfra");
    let rows: [(&str, &[&str], &str); 6] = [
        ("--version", &["--version"], "10 ms"),
        ("validate", &["validate", &local], "100 ms"),
        ("plan, sandbox, all new", &["plan", &quickstart], "100 ms"),
        ("plan, sandbox, local volumes", &["plan", &local, "--sandbox"], "100 ms"),
        ("apply, sandbox", &["apply", &quickstart, "--auto-approve"], "-"),
        ("plan, sandbox, nothing to do", &["plan", &quickstart], "100 ms"),
    ];
    println!("{:<30} {:>10} {:>14} {:>8}", "command", "median", "x empty process", "goal");
    println!("{:<30} {:>8.1}ms {:>14} {:>8}", "an empty process", ms(floor), "1.0", "-");
    for (name, arguments, goal) in rows {
        let took = median(folder.path(), program, arguments);
        let ratio = took.as_secs_f64() / floor.as_secs_f64();
        println!("{name:<30} {:>8.1}ms {ratio:>14.1} {goal:>8}", ms(took));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("resource usage");
    println!("largest process of all: {:.1} MiB (goal: 64 MiB)", usage.max_rss() as f64 / 1024.0);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(folder: &Path, program: &str, arguments: &[&str]) -> Duration {
    let mut times: Vec<Duration> =
        (0..=RUNS).map(|_| once(folder, program, arguments)).skip(1).collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn once(folder: &Path, program: &str, arguments: &[&str]) -> Duration {
    let begun = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it starts");
    assert!(status.success(), "{program} {arguments:?} ended with {status}");
    begun.elapsed()
}
