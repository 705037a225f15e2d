//! Ours, what a loop over replicas would do, and the most even there can be.

use db_engine::placement::Move;
use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::evacuate::evacuate;
use db_engine::placement::fill::Wanted;
use db_engine::placement::layout::{Layout, Part};

use crate::fill::contest::Stop;
use crate::fill::flow::Ways;
use crate::fill::judge::{TOLERANCE, zones};

/// How many replicas more than an even share of those that leave a member can get in the flow.
const MORE: usize = 20;

/// The members that do something about replicas.
pub(super) fn of_part(layout: &Layout, part: Part) -> Vec<u32> {
    let all = (0..).zip(layout.members()).filter(|(_, member)| member.part == part);
    all.map(|(place, _)| place).collect()
}

pub(super) fn ours(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let found = evacuate(layout, Wanted { apart, tolerance: TOLERANCE });
    found.map(|it| it.moves).map_err(|why| Stop::Never(format!("{why:?}")))
}

/// Each replica as it comes, to the member with the fewest bytes of those it may go to.
pub(super) fn naive(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let rule = Rule::of(layout, apart);
    let (mut held, mut at) = (layout.held(), layout.all_holders().to_vec());
    let mut moves = Vec::new();
    for (replica, from) in layout.all_holders().iter().enumerate() {
        if layout.member(*from).part != Part::Empties {
            continue;
        }
        let group = layout.group_of(replica);
        let mut least: Option<u32> = None;
        for to in 0..u32::try_from(held.len()).unwrap_or(u32::MAX) {
            let is_less = least.is_none_or(|least| held[to as usize] < held[least as usize]);
            if is_less && rule.bar(layout, &at, group, replica, to).is_none() {
                least = Some(to);
            }
        }
        let to = least.ok_or_else(|| Stop::Never(format!("no place for group {group}")))?;
        let bytes = layout.all_bytes()[replica];
        held[to as usize] += bytes;
        at[replica] = to;
        moves.push(Move { group, from: *from, to, bytes });
    }
    Ok(moves)
}

/// The least sum of squares of what members hold: the nth replica of a member costs 2n - 1.
pub(super) fn most_even(layout: &Layout, apart: Apart) -> Result<Vec<Move>, Stop> {
    let takers = of_part(layout, Part::Shares);
    let leaves = |member: u32| layout.member(member).part == Part::Empties;
    let mut ways = Ways::of(layout, apart, leaves, &takers)?;
    for (_, node) in ways.movers.clone() {
        ways.graph.edge(ways.source, node, 0);
    }
    let count = ways.movers.len();
    let zones = if apart == Apart::Zones { zones(layout).len() } else { 1 };
    let most = count.div_ceil(takers.len() / zones) + MORE;
    let held = layout.held();
    for taker in takers {
        let there = held[taker as usize] / layout.all_bytes()[0];
        for nth in (there + 1..=there + most as u64).rev() {
            let cost = 2 * i64::try_from(nth).unwrap_or(i64::MAX / 4) - 1;
            ways.graph.edge(taker, ways.end, cost);
        }
    }
    let moves = ways.solve(i64::MAX)?;
    if moves.len() < count {
        return Err(Stop::Never(format!("no place for {} replicas", count - moves.len())));
    }
    Ok(moves)
}
