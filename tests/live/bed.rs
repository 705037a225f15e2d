//! The real control plane of the live tests: one for the whole test process,
//! started on first use and gone with the process, however that ends.
//!
//! It runs in a network namespace of its own that leads nowhere. A thread joins
//! it with [`Bed::enter`]; from then on the sockets it opens, the threads and the
//! processes it starts live there too, where the API server is at 127.0.0.1:6443
//! and every pod's address is local: whoever listens on 0.0.0.0 stands in for all
//! pods and learns from the local address of a connection which one was meant.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

/// Longer than the supervisor's own limit, so that it is the one to explain.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How much of a log is worth showing when the control plane does not come up.
const LOG_TAIL_LINES: usize = 40;

/// A running control plane.
pub(crate) struct Bed {
    /// Access as an administrator.
    pub(crate) kubeconfig: PathBuf,
    /// Access as the user `operator`, who may do nothing unless a test allows it.
    pub(crate) operator_kubeconfig: PathBuf,
    /// Access as the administrator whose writes stand in the audit log.
    pub(crate) audited_kubeconfig: PathBuf,
    /// Where the API server writes them down.
    pub(crate) audit_log: PathBuf,
    namespace: File,
    /// Held for its standard input: the supervisor stops when that closes.
    _supervisor: Child,
}

/// The control plane of this test process.
///
/// Panics with one line that says what is missing where it cannot run: a live
/// test that was asked for never passes by being skipped.
pub(crate) fn bed() -> &'static Bed {
    static BED: OnceLock<Result<Bed, String>> = OnceLock::new();
    match BED.get_or_init(Bed::start) {
        Ok(bed) => bed,
        Err(reason) => panic!("the live tests cannot run: {reason}"),
    }
}

impl Bed {
    /// Moves the calling thread into the control plane's network namespace.
    ///
    /// For a multi-threaded runtime call this in its thread-start hook as well:
    /// only threads started by this one afterwards are there of themselves.
    pub(crate) fn enter(&self) {
        if let Err(error) = setns(&self.namespace, CloneFlags::CLONE_NEWNET) {
            panic!("cannot enter the network namespace of the control plane: {error}");
        }
    }

    fn start() -> Result<Self, String> {
        check_machine()?;
        let program = build()?;
        // Only an earlier process of our own number can have left one behind.
        let directory = std::env::temp_dir().join(format!("tsinfra-bed-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let log = directory.join("up.log");

        let mut supervisor = spawn(&program, &directory, &log)
            .map_err(|error| format!("the control plane does not start: {error}"))?;
        if let Err(reason) = wait_until_ready(&mut supervisor) {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
            return Err(format!("{reason}; the end of {}:\n{}", log.display(), tail(&log)));
        }
        // `unshare` became the supervisor, so its number is the supervisor's.
        let namespace = format!("/proc/{}/ns/net", supervisor.id());
        let namespace = File::open(&namespace).map_err(|error| format!("{namespace}: {error}"))?;
        Ok(Self {
            kubeconfig: directory.join("kubeconfig"),
            operator_kubeconfig: directory.join("kubeconfig-operator"),
            audited_kubeconfig: directory.join("kubeconfig-applier"),
            audit_log: directory.join("audit.log"),
            namespace,
            _supervisor: supervisor,
        })
    }
}

/// Says in one line what this machine lacks.
fn check_machine() -> Result<(), String> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return Err("they need root, to make a network namespace".to_owned());
    }
    for program in ["bash", "flock", "go", "sha256sum", "unshare"] {
        if !on_path(program) {
            return Err(format!("the program `{program}` is missing"));
        }
    }
    let namespaces = Command::new("unshare").args(["-n", "--", "true"]).output();
    match namespaces {
        Ok(output) if output.status.success() => Ok(()),
        _ => {
            Err("this machine does not let root make a network namespace (`unshare -n`)".to_owned())
        }
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Builds the program, or finds it built, and gives its path.
fn build() -> Result<PathBuf, String> {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/build-bed"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("build-bed does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("build-bed failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
}

fn spawn(program: &Path, directory: &Path, log: &Path) -> std::io::Result<Child> {
    Command::new("unshare")
        .args(["-n", "--"])
        .arg(program)
        .args(["up", "--dir"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .spawn()
}

/// The supervisor says READY once pods can be created; its output ends if it dies.
fn wait_until_ready(supervisor: &mut Child) -> Result<(), String> {
    let output = supervisor.stdout.take().ok_or("the supervisor has no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let ready =
            BufReader::new(output).lines().map_while(Result::ok).any(|line| line == "READY");
        let _ = sender.send(ready);
    });
    match receiver.recv_timeout(START_LIMIT) {
        Ok(true) => Ok(()),
        Ok(false) => Err("the control plane ended while starting".to_owned()),
        Err(_) => Err(format!("the control plane was not ready within {START_LIMIT:?}")),
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
