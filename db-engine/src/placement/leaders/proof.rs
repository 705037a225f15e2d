//! How far apart leads are, and why they cannot be closer.

use crate::placement::layout::Layout;

use super::Unlevel;
use super::able::NONE;
use super::network::Network;
use super::shares::Shares;

/// How far the most and the fewest leads, over what is due in whole ones, are apart among members
/// that could lead some: in the cluster, and in the database where that is most.
pub(super) fn spreads(layout: &Layout, network: &Network<'_>, shares: &Shares) -> (u32, u32) {
    let cluster = spread(over_shares(layout, network, shares).map(|(_, over)| over));
    let able = network.able;
    let of_pair = |pair: u32| {
        let share = shares.of_pair[pair as usize];
        let over = i64::from(network.from_pair[pair as usize]) - i64::from(share.floor);
        let is_due = super::able::weight(layout, able.members[pair as usize]) > 0;
        is_due.then_some(over)
    };
    let ends = able.database_starts.windows(2);
    let databases = ends.map(|ends| spread((ends[0]..ends[1]).filter_map(of_pair)));
    (cluster, databases.max().unwrap_or(0))
}

/// Leads over what is due in whole ones, of each member that is due some and could lead some.
fn over_shares(
    layout: &Layout,
    network: &Network<'_>,
    shares: &Shares,
) -> impl Iterator<Item = (u32, i64)> {
    let over = |member: u32| {
        let share = shares.of_member[member as usize];
        i64::from(network.from_member[member as usize]) - i64::from(share.floor)
    };
    layout
        .places()
        .filter(|it| super::able::weight(layout, *it) > 0 && !network.able.pairs(*it).is_empty())
        .map(move |member| (member, over(member)))
}

fn spread(over: impl Iterator<Item = i64>) -> u32 {
    let ends = over.fold(None, |ends, one| match ends {
        None => Some((one, one)),
        Some((least, most)) => Some((one.min(least), one.max(most))),
    });
    ends.map_or(0, |(least, most)| u32::try_from(most - least).unwrap_or(u32::MAX))
}

/// Why the members' leads are farther apart than one.
pub(super) fn unlevel(layout: &Layout, network: &Network<'_>, shares: &Shares) -> Option<Unlevel> {
    let over: Vec<(u32, i64)> = over_shares(layout, network, shares).collect();
    let most = over.iter().map(|(_, over)| *over).max()?;
    let least = over.iter().map(|(_, over)| *over).min()?;
    if most - least <= 1 {
        return None;
    }
    let at = |this: i64| over.iter().filter(move |(_, over)| *over == this).map(|(it, _)| *it);
    let members = layout.members().len();
    let takers = |member: u32| reached_from(network, member);
    let givers = |member: u32| reaching(network, member);
    let crowded = closed(members, at(most).collect(), takers);
    Some(Unlevel { crowded, starved: closed(members, at(least).collect(), givers) })
}

/// Members from which some are reached by steps, with those.
fn closed(members: usize, mut ahead: Vec<u32>, step: impl Fn(u32) -> Vec<u32>) -> Vec<u32> {
    let mut seen = vec![false; members];
    for member in &ahead {
        seen[*member as usize] = true;
    }
    while let Some(member) = ahead.pop() {
        for next in step(member) {
            if !std::mem::replace(&mut seen[next as usize], true) {
                ahead.push(next);
            }
        }
    }
    (0..).zip(seen).filter_map(|(member, is_in)| is_in.then_some(member)).collect()
}

/// Members that could lead a group that a member leads.
fn reached_from(network: &Network<'_>, member: u32) -> Vec<u32> {
    let able = network.able;
    let rows = able.pairs(member).iter().flat_map(|pair| network.led.of(*pair));
    let pairs = rows.flat_map(|row| able.row(*row));
    pairs.map(|pair| able.members[*pair as usize]).collect()
}

/// Members that lead a group that a member could lead.
fn reaching(network: &Network<'_>, member: u32) -> Vec<u32> {
    let able = network.able;
    let rows = able.pairs(member).iter().flat_map(|pair| network.led.could(*pair));
    let leading = rows.map(|row| network.led.leader(*row));
    leading.filter(|pair| *pair != NONE).map(|pair| able.members[pair as usize]).collect()
}
