//! Members emptied, beside what a loop over replicas does, beside what IoTDB does where members are
//! removed, and beside the most even there can be.

mod level;
mod rivals;
mod search;

use db_engine::placement::layout::{Layout, Part};

use crate::fill::contest::{Measured, Rival};
use crate::fill::judge::judge;
use crate::fill::{KINDS, apart, kind};
use crate::instance::Instance;

/// Members, how many of them leave, and groups.
const SIZES: [(u32, u32, u32); 7] = [
    (8, 1, 800),
    (100, 1, 10_000),
    (100, 10, 10_000),
    (1_000, 1, 100_000),
    (1_000, 10, 100_000),
    (10_000, 1, 1_000_000),
    (10_000, 10, 1_000_000),
];

pub(super) fn report() {
    println!("\nEvacuate: members leave; low is what is on them, fullest the most a member holds");
    println!("then of an even share, taker that of those that got some, of the level up to which");
    println!("what leaves would fill them as water, max-min of replicas, wrong what breaks rules");
    println!(
        "{:<28} {:>8} {:>8} {:>10} {:>9} {:>9} {:>8} {:>6}",
        "instance, and by whom",
        "CPU ms",
        "peak MB",
        "moved/low",
        "fullest",
        "taker",
        "max-min",
        "wrong"
    );
    let mut all = [
        Rival::of("ours", rivals::ours),
        Rival::of("fewest bytes first", rivals::naive),
        Rival::of("IoTDB's search, restated", search::search),
        Rival::of("min-cost flow", rivals::most_even),
    ];
    for (old, leaving, groups) in SIZES {
        for (sigma, zones) in KINDS {
            let instance = Instance { old, new: 0, groups, sigma, zones, databases: 4 };
            let kind = kind(sigma, zones);
            println!("{leaving} of {old} x {groups}, {kind}");
            let mut layout = instance.layout();
            (0..leaving).for_each(|member| layout.set_part(member, Part::Empties));
            for rival in &mut all {
                match rival.measure(&layout, apart(zones), &kind) {
                    Err(why) => println!("  {:<26} {:>8} {why}", rival.name, "—"),
                    Ok(measured) => row(rival.name, &layout, zones, &measured),
                }
            }
        }
    }
    println!("— : not done, and why");
}

fn row(name: &str, layout: &Layout, zones: u32, (ms, mb, moves): &Measured) {
    let verdict = judge(layout, apart(zones), moves);
    let held = layout.held();
    let leaving = rivals::of_part(layout, Part::Empties);
    let low: u64 = leaving.iter().map(|it| held[*it as usize]).sum();
    let sizes = layout.all_bytes();
    let is_equal = sizes.iter().all(|it| *it == sizes[0]);
    let spread = if is_equal { verdict.spread.to_string() } else { "—".to_owned() };
    println!(
        "  {name:<26} {ms:>8.0} {mb:>8.0} {:>10.5} {:>9.5} {:>9.5} {spread:>8} {:>6}",
        verdict.moved as f64 / low as f64,
        verdict.fullest,
        level::taker(layout, apart(zones), moves),
        verdict.wrongs,
    );
}
