//! The real binary while it runs: it can be killed by whoever holds its handle, and is waited for.

use std::fs;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::stage::Run;

/// Longer than any run here takes; one that hangs is a failure and not a test without end.
const LIMIT: Duration = Duration::from_secs(150);

/// A process that may be killed from anywhere. It is killed by its handle, never by a number that
/// could be another's by then.
#[derive(Default)]
pub(crate) struct Victim {
    child: Mutex<Option<Child>>,
}

impl Victim {
    /// `kill -9`; without effect once the process has ended.
    pub(crate) fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            child.kill().expect("a process of ours can be killed");
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process and what it says.
pub(crate) struct Process {
    victim: Arc<Victim>,
    said: NamedTempFile,
    begun: Instant,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(mut command: Command, victim: &Arc<Victim>) -> Self {
        let said = NamedTempFile::new().expect("a file");
        // One open file for both streams, so that neither writes over the other.
        let out = said.reopen().expect("a handle to write");
        let err = out.try_clone().expect("a second handle");
        let child = command.stdout(out).stderr(err).spawn().expect("the program starts");
        *victim.child() = Some(child);
        Self { victim: Arc::clone(victim), said, begun: Instant::now() }
    }

    /// Waits until it has said this.
    pub(crate) fn wait_until_it_says(&self, words: &str) {
        while !self.text().contains(words) {
            assert!(self.begun.elapsed() < LIMIT, "it never said `{words}`: {}", self.text());
            pause(Duration::from_millis(50));
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Run {
        let code = loop {
            let ended = self.victim.child().as_mut().expect("it was started").try_wait();
            if let Some(status) = ended.expect("its state can be read") {
                break status.code();
            }
            if self.begun.elapsed() > LIMIT {
                self.victim.kill();
                panic!("it had not ended after {LIMIT:?}: {}", self.text());
            }
            pause(Duration::from_millis(5));
        };
        Run { code, text: self.text() }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.said.path()).expect("text")
    }
}

/// Lets time pass.
pub(crate) fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a test watches another process by the clock")]
    std::thread::sleep(time);
}
