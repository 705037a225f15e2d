//! Which member leads each region group, so that leads are even over the members and, for each
//! database, over the members, at the cost of the fewest changes.

mod able;
mod convex;
mod flow;
mod led;
mod network;
mod proof;
mod shares;
mod steps;

use super::layout::Layout;
use able::{Able, NONE};
use flow::Search;
use network::{Network, Stage};
use shares::Shares;

/// Ways of how many lengths that cost balance are tried before costs are rounded off more. With
/// more, hard layouts take longer; with fewer, those that are nearly even.
const PATIENCE: u32 = 4;

/// How many bits more are rounded off then.
const BITS_STEP: u32 = 2;

/// A region group that gets another leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The group, by its place.
    pub group: u32,
    /// The member that leads it, by its place, if one does.
    pub from: Option<u32>,
    /// The member that is to lead it, by its place. It holds a replica.
    pub to: u32,
}

/// Who is to lead, and how good that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaders {
    /// Groups that get another leader, in their order.
    pub changes: Vec<Change>,
    /// How many groups each member leads then, by its place.
    pub leads: Vec<u32>,
    /// How many changes there are at least among all that are as even: `changes` are never fewer.
    pub bound: usize,
    /// The most leads of a member less the fewest, both less what its share has in whole leads.
    /// Members count that may lead, and hold a group that they could lead.
    pub spread: u32,
    /// The same of those groups alone that are of one database, for the database where it is most.
    pub database_spread: u32,
    /// Why `spread` is more than 1, if it is.
    pub unlevel: Option<Unlevel>,
}

/// Two sets of members, apart, that prove that leads cannot be closer together (Hall 1935).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlevel {
    /// Members, by their places: what they lead nobody else can, and it is so much that whoever
    /// leads it, one of them is as far over its share as the farthest is now.
    pub crowded: Vec<u32>,
    /// Members, by their places: they lead all that they could, and it is so little that whoever
    /// leads it, one of them is as far below its share as the farthest is now.
    pub starved: Vec<u32>,
}

/// Chooses leaders. What counts most is that leads are even over members, then that those of each
/// database are, then that few leaders change.
///
/// A group is led by one of its holders that runs and has a `lead_weight`; if there is none, by one
/// that runs; if there is none, by one that is to leave; else it keeps the leader it has. A
/// member's share is in proportion to its weight; what is beyond the groups it could lead is shared
/// out among the others. Leads are even if the sum of the squares of their distances from the
/// middle of the whole numbers next to the share is least; for equal weights, that is if the sum of
/// their own squares is. So no member is a whole lead off its share if that can be. Groups with
/// data and with schema count the same. The same layout has the same leaders, and one that is led
/// so has no changes.
///
/// The three are one flow of least cost whose costs are compared one after the other: from groups
/// to pairs of a database and a member (1 for a change), to members, to the end (convex costs
/// both). IoTDB's balancer has the same network, but adds the three costs up. It is solved by
/// successive cheapest ways (Ford and Fulkerson 1962; Edmonds and Karp 1972), many at a time
/// (Dinic 1970), from the leaders there are, as in semi-matchings of least cost (Harvey, Ladner,
/// Lovász and Tamir 2006). Where that takes long, as where leads cannot be even, prices come first
/// from the same problem with costs rounded less and less (cost scaling: Röck 1980), and the last
/// search is about changes alone.
///
/// What comes out is an optimum of all three, and the last prices prove it: `bound` is what is left
/// of the changes once everything is taken off that the prices do not prove.
///
/// Time: `O(s · r)` for `r` replicas and `s` searches from all excess at once: 10 to 20 where leads
/// can be even, some hundred where they cannot. Memory: some 20 bytes for each replica.
pub fn balance(layout: &Layout) -> Leaders {
    let able = Able::of(layout);
    let shares = Shares::of(layout, &able);
    let mut network = Network::of(layout, &able, &shares);
    let mut search = Search::of(&network);
    solve(&mut network, &mut search);
    drop(search);
    told(layout, &network, &shares)
}

/// All at once; where that takes long, the cluster's balance first, then databases', then all.
fn solve(network: &mut Network<'_>, search: &mut Search) {
    let all = Stage { cluster: 0, database: Some(0), changes: true };
    network.begin(all);
    if search.settle(network, PATIENCE) {
        return;
    }
    network.prices.fill(0);
    let changes = false;
    refine(network, search, 0, |cluster| Stage { cluster, database: None, changes });
    refine(network, search, 0, |bits| Stage { cluster: 0, database: Some(bits), changes });
    network.begin(all);
    search.settle(network, u32::MAX);
}

/// With so many bits rounded off; where that takes long, with more of them first.
fn refine(
    network: &mut Network<'_>,
    search: &mut Search,
    bits: u32,
    stage: impl Fn(u32) -> Stage + Copy,
) {
    network.begin(stage(bits));
    let patience = if bits < network.bits() { PATIENCE } else { u32::MAX };
    if !search.settle(network, patience) {
        refine(network, search, bits + BITS_STEP, stage);
        network.begin(stage(bits));
        search.settle(network, u32::MAX);
    }
}

fn told(layout: &Layout, network: &Network<'_>, shares: &Shares) -> Leaders {
    let mut leads = vec![0; layout.members().len()];
    let mut changes = Vec::new();
    for (row, group) in (0..).zip(network.able.groups.iter().copied()) {
        let from = layout.leader(group);
        let pair = network.led.leader(row);
        let to = if pair == NONE { from } else { Some(network.able.members[pair as usize]) };
        let Some(to) = to else { continue };
        leads[to as usize] += 1;
        if from != Some(to) {
            changes.push(Change { group, from, to });
        }
    }
    changes.sort_unstable();
    let unproven = usize::try_from(network.unproven()).unwrap_or(usize::MAX);
    let bound = changes.len().saturating_sub(unproven);
    let (spread, database_spread) = proof::spreads(layout, network, shares);
    let unlevel = proof::unlevel(layout, network, shares);
    Leaders { changes, leads, bound, spread, database_spread, unlevel }
}
