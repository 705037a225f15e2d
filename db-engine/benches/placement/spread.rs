//! New groups on members that hold none, beside the least loaded members first and beside IoTDB's
//! greedy copysets.

mod rivals;

use db_engine::placement::apart::Apart;
use db_engine::placement::layout::{Layout, Member};
use db_engine::placement::spread::{Figures, NewGroups, Width, judge, spread};

use crate::meter::{forget_peak, peak, timed};

/// Instances: members, groups, zones; one zone is none.
const INSTANCES: [(u32, u32, u32); 12] = [
    (10, 1_000, 1),
    (100, 1_000, 1),
    (100, 10_000, 1),
    (100, 10_000, 3),
    (100, 10_000, 10),
    (1_000, 10_000, 1),
    (1_000, 10_000, 3),
    (1_000, 100_000, 1),
    (1_000, 100_000, 3),
    (10_000, 1_000_000, 1),
    (10_000, 1_000_000, 3),
    (10_000, 1_000_000, 10),
];
/// What a rival may take, in milliseconds of a CPU.
const LONGEST: f64 = 60_000.0;
const SCATTER_WIDTH: u32 = 10;
const RIVALS: [(&str, rivals::Rival); 2] =
    [("greedy", rivals::least_loaded), ("IoTDB", rivals::copysets)];

pub(super) fn report() {
    println!(
        "New groups of three replicas on empty members; repeated is a pair's groups beyond one"
    );
    println!(
        "{:<32} {:<10} {:>8} {:>6} {:>7} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "members x groups",
        "by",
        "ms",
        "MB",
        "max-min",
        "repeated",
        "forced",
        "sets",
        "partners",
        "recovery"
    );
    for (members, groups, zones) in INSTANCES {
        let plain = |place: u32| Member { zone: place % zones, ..Member::plain(place) };
        let layout = Layout::of((0..members).map(plain).collect());
        let apart = if zones > 1 { Apart::Zones } else { Apart::Members };
        let name = match zones {
            1 => format!("{members} x {groups}"),
            _ => format!("{members} x {groups}, {zones} zones"),
        };
        let copysets = Width::Copysets { scatter_width: SCATTER_WIDTH };
        for (by, width) in [("scatter", Width::Scatter), ("copysets", copysets)] {
            let wanted = NewGroups { groups, replicas: 3, apart, width };
            forget_peak();
            let before = peak();
            let (found, took) = timed(|| spread(&layout, &wanted));
            let memory = peak() - before;
            let figures = found.expect("there are members enough").figures;
            row(&name, by, took, memory, &figures);
        }
        let wanted = NewGroups { groups, replicas: 3, apart, width: Width::Scatter };
        for (by, place) in RIVALS {
            forget_peak();
            let before = peak();
            let (placed, took) = timed(|| place(&layout, &wanted, LONGEST));
            let memory = peak() - before;
            match placed {
                Ok(holders) => {
                    let figures = judge(&layout, &wanted, &holders);
                    row(&name, by, took, memory, &figures.expect("there are members enough"));
                }
                Err(why) => println!("{name:<32} {by:<10} {:>8} {why}", "—"),
            }
        }
    }
}

fn row(name: &str, by: &str, took: f64, memory: f64, figures: &Figures) {
    let most = figures.counts.iter().max().copied().unwrap_or(0);
    let least = figures.counts.iter().min().copied().unwrap_or(0);
    let partners = format!("{}-{}", figures.partners[0], figures.partners[1]);
    let recovery = figures.recovery.map_or(1.0, |it| it.most as f64 / it.least as f64);
    println!(
        "{name:<32} {by:<10} {took:>8.0} {memory:>6.0} {:>7} {:>9} {:>9} {:>9} {partners:>9} \
         {recovery:>8.2}",
        most - least,
        figures.repeated,
        figures.repeated_least,
        figures.sets,
    );
}
