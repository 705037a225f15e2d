//! Leaders, beside what a loop over all groups does, what IoTDB does, and the least there can be.

pub(crate) mod general;
mod rivals;

use db_engine::placement::layout::Layout;
use db_engine::placement::leaders::balance;

use crate::instance::Instance;
use crate::meter::{forget_peak, peak, timed};
use general::Costs;

/// Members and groups.
const SIZES: [(u32, u32); 3] = [(100, 10_000), (1_000, 100_000), (10_000, 1_000_000)];

/// How many databases the groups are of.
const DATABASES: u32 = 4;

/// Who chooses leaders: a name, and the leaders chosen, unless that takes too long.
type Rival = (&'static str, fn(&Layout) -> Option<Vec<u32>>);

const RIVALS: [Rival; 4] = [
    ("ours", ours),
    ("greedy, fewest leads first", |layout| Some(rivals::greedy(layout))),
    ("IoTDB's CFD, restated", |layout| general::solve(layout, Costs::Added)),
    ("min-cost flow, lexicographic", |layout| general::solve(layout, Costs::Lexicographic)),
];

pub(super) fn report() {
    println!("Leaders, 3 replicas, {DATABASES} databases, leaders drawn by chance; spread is most");
    println!(
        "leads less fewest, of the cluster, and of the worst database; optimum is that of the"
    );
    println!("min-cost flow, or else the bound that comes with our leaders");
    println!(
        "{:<20} {:<28} {:>8} {:>8} {:>7} {:>8} {:>8} {:>9}",
        "members x groups",
        "by",
        "CPU ms",
        "peak MB",
        "cluster",
        "database",
        "changes",
        "/ optimum"
    );
    let mut can_go_on = [true; RIVALS.len()];
    for (members, groups) in SIZES {
        size(members, groups, &mut can_go_on);
    }
    println!(
        "— : not done after {:.0} s of a CPU, or not begun, as a tenth of",
        general::MS_MAX / 1e3
    );
    println!("the groups took more than a tenth of that");
}

/// What was measured of a rival: milliseconds, MB, leaders.
type Measured = (f64, f64, Option<Vec<u32>>);

fn size(members: u32, groups: u32, can_go_on: &mut [bool]) {
    let instance =
        Instance { old: members, new: 0, groups, sigma: 0.0, zones: 1, databases: DATABASES };
    let layout = instance.layout();
    let measure = |((_, choose), can_go_on): (&Rival, &mut bool)| {
        let measured = if *can_go_on { measure(&layout, *choose) } else { (0.0, 0.0, None) };
        // The next size is ten times as large.
        *can_go_on = measured.2.is_some() && measured.0 < general::MS_MAX / 10.0;
        measured
    };
    let measured: Vec<Measured> = RIVALS.iter().zip(can_go_on).map(measure).collect();
    let exact = measured.last().and_then(|(_, _, chosen)| chosen.as_deref());
    let optimum = exact.map_or_else(|| balance(&layout).bound, |them| changes(&layout, them));
    for ((name, _), (ms, mb, chosen)) in RIVALS.iter().zip(&measured) {
        let what = format!("{members} x {groups}");
        match chosen {
            None => {
                println!("{what:<20} {name:<28} {0:>8} {0:>8} {0:>7} {0:>8} {0:>8} {0:>9}", "—")
            }
            Some(chosen) => {
                let (cluster, database) = spreads(&layout, chosen);
                let changes = changes(&layout, chosen);
                let ratio = changes as f64 / optimum.max(1) as f64;
                println!(
                    "{what:<20} {name:<28} {ms:>8.0} {mb:>8.0} {cluster:>7} {database:>8} \
                     {changes:>8} {ratio:>9.4}"
                );
            }
        }
    }
}

fn measure(layout: &Layout, choose: fn(&Layout) -> Option<Vec<u32>>) -> Measured {
    forget_peak();
    let (chosen, ms) = timed(|| choose(layout));
    (ms, peak(), chosen)
}

fn ours(layout: &Layout) -> Option<Vec<u32>> {
    let found = balance(layout);
    let mut leaders = rivals::current(layout);
    for change in &found.changes {
        leaders[change.group as usize] = change.to;
    }
    Some(leaders)
}

fn changes(layout: &Layout, chosen: &[u32]) -> usize {
    rivals::current(layout).iter().zip(chosen).filter(|(was, is)| was != is).count()
}

/// Most leads of a member less fewest: of all, and of the database where that is most.
fn spreads(layout: &Layout, chosen: &[u32]) -> (u32, u32) {
    let members = layout.members().len();
    let mut leads = vec![vec![0_u32; members]; DATABASES as usize + 1];
    for (group, leader) in (0..).zip(chosen) {
        let database = layout.group(group).database;
        leads[database as usize][*leader as usize] += 1;
        leads[DATABASES as usize][*leader as usize] += 1;
    }
    let ends = |leads: &Vec<u32>| {
        leads.iter().max().copied().unwrap_or(0) - leads.iter().min().copied().unwrap_or(0)
    };
    let spreads: Vec<u32> = leads.iter().map(ends).collect();
    let databases = spreads[..DATABASES as usize].iter().max();
    (spreads[DATABASES as usize], databases.copied().unwrap_or(0))
}
