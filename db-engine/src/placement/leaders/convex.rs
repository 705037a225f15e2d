//! Costs that rise with each lead, and how many leads cost least.

use super::network::Cost;

/// What the nth lead adds to the square of the distance from the middle, but for a quarter.
pub(super) fn marginal(nth: u32, twice_the_middle: i64) -> i64 {
    2 * i64::from(nth) - 1 - twice_the_middle
}

/// The nearest number of which so many last bits are none.
pub(super) fn rounded(cost: i64, bits: u32) -> i64 {
    let half = (1_i64 << bits) >> 1;
    ((cost + half) >> bits) << bits
}

/// How many leads go on where that costs least: as many as come, if that is as good.
pub(super) fn cheapest_count(most: u32, comes: i64, gap: impl Fn(u32) -> Cost) -> u32 {
    let comes = u32::try_from(comes).unwrap_or(0).min(most);
    if comes < most && gap(comes + 1) < 0 {
        return comes + first(most - comes, |more| gap(comes + more + 1) >= 0);
    }
    if comes > 0 && gap(comes) > 0 {
        return comes - first(comes, |fewer| gap(comes - fewer) <= 0);
    }
    comes
}

/// The first number for which something holds that holds for all greater ones, or the limit.
fn first(limit: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut from, mut to) = (0, limit);
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle) { to = middle } else { from = middle + 1 }
    }
    from
}

/// What could be saved by another number of leads than goes on.
pub(super) fn excess_cost(goes: u32, most: u32, gap: impl Fn(u32) -> Cost) -> Cost {
    let missing = (goes + 1..=most).map(&gap).take_while(|it| *it < 0).map(|it| -it);
    let needless = (1..=goes).rev().map(&gap).take_while(|it| *it > 0);
    missing.sum::<Cost>() + needless.sum::<Cost>()
}
