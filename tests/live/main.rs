//! Journeys of a user through the real binary, word for word the same on the sandbox and on a real
//! Kubernetes control plane.
//!
//! The sandbox is always used; the control plane with `TSINFRA_LIVE=1`. Without the variable the
//! `on_kubernetes` tests say so and return: they are listed, compiled and never forgotten.

mod alone;
mod audited;
mod bed;
mod bench;
mod faults;
mod journeys;
mod kills;
mod kubernetes;
mod lives;
mod process;
mod proxy;
mod record;
mod sandbox;
mod stage;
mod state;
mod together;
mod transcript;
mod twin;

/// Whether the tests on a real control plane were asked for.
fn live() -> bool {
    let asked = std::env::var_os("TSINFRA_LIVE").is_some_and(|value| value == "1");
    if !asked {
        #[expect(clippy::print_stderr, reason = "a test that does not run says so")]
        {
            eprintln!("not run: set TSINFRA_LIVE=1 for the tests on a real control plane");
        }
    }
    asked
}
