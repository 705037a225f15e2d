//! New members filled, beside what a loop would do that fills the emptiest from the fullest, and
//! beside the fewest moves there can be.

pub(crate) mod contest;
pub(crate) mod flow;
pub(crate) mod judge;
mod naive;

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::fill::{Wanted, fill};
use db_engine::placement::layout::Layout;

use crate::instance::Instance;
use contest::{Rival, Stop};
use judge::{Shares, TOLERANCE, judge};

/// Old and new members, groups.
const SIZES: [(u32, u32, u32); 4] =
    [(100, 10, 10_000), (1_000, 100, 100_000), (10_000, 1_000, 1_000_000), (10_000, 1, 1_000_000)];

/// Sizes and zones: σ, and how many zones.
pub(crate) const KINDS: [(f64, u32); 6] =
    [(0.0, 1), (0.0, 3), (0.0, 5), (1.0, 1), (1.0, 3), (1.0, 5)];

pub(super) fn report() {
    println!(
        "\nFill: new members get their share, ±1 %; low is the least that has to move, within"
    );
    println!("is the least and the most a member holds of its share, wrong what breaks the rules");
    println!(
        "{:<28} {:>8} {:>8} {:>10} {:>13} {:>8} {:>6}",
        "instance, and by whom", "CPU ms", "peak MB", "moved/low", "within", "outside", "wrong"
    );
    let mut rivals = [
        Rival::of("ours", ours),
        Rival::of("fullest to emptiest", naive::naive),
        Rival::of("min-cost flow", flow::fewest),
    ];
    for (old, new, groups) in SIZES {
        for (sigma, zones) in KINDS {
            let instance = Instance { old, new, groups, sigma, zones, databases: 4 };
            println!("{old} + {new} x {groups}, {}", kind(sigma, zones));
            let (layout, apart) = (instance.layout(), apart(zones));
            let kind = kind(sigma, zones);
            rivals.iter_mut().for_each(|rival| row(rival, &layout, apart, &kind));
        }
    }
    println!("— : not done, and why");
}

/// What sizes and zones are called.
pub(crate) fn kind(sigma: f64, zones: u32) -> String {
    let sizes = if sigma > 0.0 { format!("σ = {sigma}") } else { "equal".to_owned() };
    let zones = if zones > 1 { format!("{zones} zones") } else { "no zones".to_owned() };
    format!("{sizes}, {zones}")
}

pub(crate) fn apart(zones: u32) -> Apart {
    if zones > 1 { Apart::Zones } else { Apart::Members }
}

fn row(rival: &mut Rival, layout: &Layout, apart: Apart, kind: &str) {
    match rival.measure(layout, apart, kind) {
        Err(why) => println!("  {:<26} {:>8} {why}", rival.name, "—"),
        Ok((ms, mb, moves)) => {
            let verdict = judge(layout, apart, &moves);
            let bound = Shares::of(layout, apart).bound(layout);
            println!(
                "  {:<26} {ms:>8.0} {mb:>8.0} {:>10.5} {:>6.3}–{:<6.3} {:>8} {:>6}",
                rival.name,
                verdict.moved as f64 / bound.max(1) as f64,
                verdict.emptiest,
                verdict.fullest,
                verdict.outside,
                verdict.wrongs,
            );
        }
    }
}

fn ours(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let found = fill(layout, Wanted { apart, tolerance: TOLERANCE });
    found.map(|it| it.moves).map_err(|why| Stop::Never(why.to_string()))
}
