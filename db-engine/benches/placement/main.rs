//! Placement side by side with what it has to beat, and with the least there can be: `cargo bench -p db-engine`.
//! Reported, never judged: machines differ. Time is that of the process on a CPU.
#![expect(clippy::print_stdout, reason = "a bench reports")]

mod evacuate;
mod fill;
mod instance;
mod leaders;
mod meter;
mod rounds;
mod spread;
mod timeline;

/// A part of the report.
type Part = (&'static str, fn());

/// What is reported, in this order; all of it, or what is named on the command line.
const PARTS: [Part; 6] = [
    ("fill", fill::report),
    ("evacuate", evacuate::report),
    ("rounds", rounds::report),
    ("leaders", leaders::report),
    ("spread", spread::report),
    ("timeline", timeline::report),
];

fn main() {
    // Cargo itself passes `--bench`.
    let named: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    for (name, report) in PARTS {
        if named.is_empty() || named.iter().any(|it| it == name) {
            report();
        }
    }
}
