//! The steps a lead can take from a node of the network.

use super::network::{Network, Step};
use crate::placement::small;

/// Tells of all steps there are from a node.
pub(super) fn each_step(network: &Network<'_>, node: u32, tell: impl FnMut(u32, Step) -> bool) {
    each_step_from(network, node, 0, tell);
}

/// Tells of the steps there are from a node, from some place on and until that is enough, and where
/// each leads to. Returns the place it came to.
pub(super) fn each_step_from(
    network: &Network<'_>,
    node: u32,
    from: u32,
    mut tell: impl FnMut(u32, Step) -> bool,
) -> u32 {
    let (first_member, end) = (network.node(0), network.end());
    if node == end {
        for member in from..end - first_member {
            let has_some = network.from_member[member as usize] > 0;
            if has_some && tell(network.node(member), Step::Up(member)) {
                return member;
            }
        }
        return end;
    }
    if node >= first_member {
        return each_of_member(network, node - first_member, from, tell);
    }
    each_of_pair(network, node, from, tell)
}

fn each_of_pair(
    network: &Network<'_>,
    pair: u32,
    from: u32,
    mut tell: impl FnMut(u32, Step) -> bool,
) -> u32 {
    let member = network.node(network.able.members[pair as usize]);
    if from == 0 && network.has_more(pair) && tell(member, Step::In(pair)) {
        return 0;
    }
    let rows = network.led.of(pair);
    for place in from.max(1)..=small(rows.len()) {
        let row = rows[place as usize - 1];
        for to in network.able.row(row).iter().copied().filter(|to| *to != pair) {
            if tell(to, Step::Over { row, to }) {
                return place;
            }
        }
    }
    small(rows.len()) + 1
}

fn each_of_member(
    network: &Network<'_>,
    member: u32,
    from: u32,
    mut tell: impl FnMut(u32, Step) -> bool,
) -> u32 {
    let has_more = network.member_has_more(member);
    if from == 0 && has_more && tell(network.end(), Step::Down(member)) {
        return 0;
    }
    let pairs = network.able.pairs(member);
    for place in from.max(1)..=small(pairs.len()) {
        let pair = pairs[place as usize - 1];
        if network.from_pair[pair as usize] > 0 && tell(pair, Step::Out(pair)) {
            return place;
        }
    }
    small(pairs.len()) + 1
}
