//! Members emptied: each replica on a member that is to hold nothing gets a place with the others.
//!
//! What is largest goes first, each to who has the least for its share of those it may go to. Where all of these are
//! full, or one is much fuller than it has to be, replicas that were given a place already make way along a shortest
//! augmenting path, as in a min-cost flow of groups to members (Ford and Fulkerson 1956; for evenness the cost-reducing
//! paths of Harvey, Ladner, Lovász and Tamir 2006).

use std::cmp::Reverse;

use super::apart::{Bar, Rule};
use super::certificate::Certificate;
use super::chain::Chains;
use super::draft::Draft;
use super::fill::{Outcome, Wanted};
use super::layout::{Layout, Part};
use super::levels::Levels;
use super::shares::{Lack, Shares};
use super::takers::Takers;

/// Moves that empty the members whose part is [`Part::Empties`]; the others only take.
///
/// What moves is what is on these members, and nothing else: [`Certificate::bound`], exactly. Afterwards the others are
/// as even as they can be where all replicas are of one size, no group has more than one to move, and these times the
/// members are no more than 200,000; else as even as taking the largest first makes them.
///
/// Time: `replicas × log members` where there is room; where there is not, a search over members and what they were
/// given for each replica.
///
/// # Errors
/// [`NoWay`]: for which replica there is no place, and why. With replicas of one size, and one of each group to move,
/// there is none then; with sizes that differ, there is none that was found.
pub fn evacuate(layout: &Layout, wanted: Wanted) -> Result<Outcome, NoWay> {
    let rule = Rule::of(layout, wanted.apart);
    let mut draft = Draft::of(layout);
    let shares = Shares::of_rest(layout, &draft.held, wanted.apart);
    let shares = shares.map_err(|Lack { needed, there }| NoWay::Room { needed, there })?;
    let levels = Levels::of(&draft.held, &shares, 1);
    let lack = lacks(&draft, &levels);
    let mut takers = Takers::of(&draft, &rule, wanted.apart, &lack, &shares.hi);
    let mut chains = Chains::of(&rule, &shares);
    for replica in leaving(layout) {
        let sent = match takers.neediest(&draft, replica) {
            Some(to) => vec![(replica, draft.at[replica], to)],
            None => chains
                .make_way(&mut draft, replica)
                .or_else(|| chains.reseat(&mut draft, replica))
                .ok_or_else(|| no_way(&draft, &rule, &shares, replica))?,
        };
        for (replica, from, to) in sent {
            let bytes = draft.bytes(replica);
            if layout.member(from).part == Part::Shares {
                takers.take(from, bytes);
            }
            takers.give(to, bytes);
            if draft.at[replica] != to {
                draft.send(replica, to);
            }
            chains.note(replica, from, to);
        }
    }
    chains.even_out(&mut draft);
    let certificate = Certificate::of(&draft, &shares, levels.bound);
    Ok(Outcome { moves: draft.moves(), certificate })
}

/// The replicas on members that are to be empty, the largest first.
fn leaving(layout: &Layout) -> Vec<usize> {
    let is_leaving =
        |replica: &usize| layout.member(layout.all_holders()[*replica]).part == Part::Empties;
    let mut all: Vec<usize> = (0..layout.replica_count()).filter(is_leaving).collect();
    all.sort_unstable_by_key(|it| (Reverse(layout.all_bytes()[*it]), *it));
    all
}

/// What each member lacks of the level others are filled up to; for those above it, by how much they are, as less than
/// nothing.
fn lacks(draft: &Draft<'_>, levels: &Levels) -> Vec<Option<i128>> {
    let lack = |(level, held): (&u64, &u64)| Some(i128::from(*level) - i128::from(*held));
    levels.level.iter().zip(&draft.held).map(lack).collect()
}

/// Why a replica has no place.
fn no_way(draft: &Draft<'_>, rule: &Rule, shares: &Shares, replica: usize) -> NoWay {
    let (group, from) = (draft.layout.group_of(replica), draft.home(replica));
    let (mut bars, mut full, mut most_room) = (Bars::default(), Vec::new(), 0);
    for member in draft.layout.places() {
        if member == from {
            continue;
        }
        match draft.bar(rule, replica, member) {
            Some(bar) => bars.count(bar),
            None => {
                let held = draft.held[member as usize];
                most_room = most_room.max(shares.hi[member as usize].saturating_sub(held));
                full.push(member);
            }
        }
    }
    if full.is_empty() {
        NoWay::Barred { group, from, bars }
    } else {
        NoWay::Full { group, from, bytes: draft.bytes(replica), full, most_room, bars }
    }
}

/// How many members a replica may not go to, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bars {
    /// They take no replicas.
    pub closed: usize,
    /// They have one of the group, or are to get one.
    pub holders: usize,
    /// Their host has as many of the group as it may.
    pub hosts: usize,
    /// Their zone has as many of the group as it may.
    pub zones: usize,
}

impl Bars {
    /// One more.
    pub(super) fn count(&mut self, bar: Bar) {
        match bar {
            Bar::Closed => self.closed += 1,
            Bar::Holder => self.holders += 1,
            Bar::Host => self.hosts += 1,
            Bar::Zone => self.zones += 1,
        }
    }
}

/// Why members cannot be emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// The others have less room than there are bytes.
    Room {
        /// Bytes of replicas in all.
        needed: u128,
        /// Bytes there is room for.
        there: u128,
    },
    /// A replica may go to no other member.
    Barred {
        /// Its group.
        group: u32,
        /// The member it is on.
        from: u32,
        /// How many of the others may not take it, and why.
        bars: Bars,
    },
    /// Those a replica may go to have no room for it, and what they were given can go nowhere else.
    Full {
        /// Its group.
        group: u32,
        /// The member it is on.
        from: u32,
        /// Its size.
        bytes: u64,
        /// Those it may go to.
        full: Vec<u32>,
        /// The most room one of these has left.
        most_room: u64,
        /// How many others may not take it, and why.
        bars: Bars,
    },
}
