//! Many lives of stacks at a time, each in a thread of its own: one that fails ends no other.

use std::sync::Mutex;
use std::thread;

/// How many: they wait for members more than they do anything.
const AT_A_TIME: usize = 8;

/// A life to be lived, and what it is called if it fails.
pub(crate) type Life<'a> = (String, Box<dyn FnOnce() + Send + 'a>);

/// Lives all there are, and gives why some failed.
pub(crate) fn live_all<'a>(next: impl Fn() -> Option<Life<'a>> + Sync) -> Vec<String> {
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((name, life)) = next() {
                    if let Err(panic) = thread::scope(|scope| scope.spawn(life).join()) {
                        let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                        failures.lock().expect("the failures").push(format!("{name}: {why}"));
                    }
                }
            });
        }
    });
    failures.into_inner().expect("the failures")
}

/// Says what a test has counted, also where its output is held back because it passed.
pub(crate) fn tell(counts: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{counts}");
}
