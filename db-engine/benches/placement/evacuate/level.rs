//! How even members are that were given something, whatever the others held before.

use std::collections::BTreeSet;

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::layout::Layout;

use crate::fill::judge::Shares;

/// The most a member holds that was given something, in parts of the level up to which what leaves
/// would fill members if it were water. Where it could not run where it would, as zones or holders
/// bar it, it would stand higher.
pub(super) fn taker(layout: &Layout, apart: Apart, moves: &[Move]) -> f64 {
    let mut after = layout.clone();
    after.carry_out(moves);
    let (before, after) = (layout.held(), after.held());
    let takers: BTreeSet<u32> = moves.iter().map(|it| it.to).collect();
    let mut most = 0.0_f64;
    for world in &Shares::of(layout, apart).worlds {
        let sum = |held: &[u64]| world.iter().map(|it| held[*it as usize]).sum::<u64>();
        let held: Vec<u64> = world.iter().map(|it| before[*it as usize]).collect();
        let level = level(held, sum(&after).saturating_sub(sum(&before)));
        let of_world = world.iter().filter(|it| takers.contains(it));
        let fullest = of_world.map(|it| after[*it as usize]).max().unwrap_or(0);
        most = most.max(fullest as f64 / level);
    }
    most
}

/// The level up to which so much fills what is held.
fn level(mut held: Vec<u64>, bytes: u64) -> f64 {
    held.sort_unstable();
    let (mut below, mut level) = (0.0, f64::MAX);
    for (count, held) in (1_u32..).zip(held) {
        if held as f64 >= level {
            break;
        }
        below += held as f64;
        level = (below + bytes as f64) / f64::from(count);
    }
    level
}
