//! Replicas that make way for each other: the shortest chain of moves at whose end somebody takes one more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::apart::Rule;
use super::draft::Draft;
use super::layout::Part;
use super::shares::Shares;

/// Members times replicas that were given a place, up to which they are evened out by chains: beyond, what comes from
/// taking the largest first is even enough, and a search of all chains would take longer than all else.
const MOST_EDGES: usize = 200_000;

/// A replica, where it was to be, and where it is to be instead.
type Sent = (usize, u32, u32);

/// What members that stay were given, and the chains through it.
pub(super) struct Chains<'a> {
    rule: &'a Rule,
    shares: &'a Shares,
    /// The replicas each member was given.
    given: BTreeMap<u32, Vec<usize>>,
}

impl<'a> Chains<'a> {
    pub(super) fn of(rule: &'a Rule, shares: &'a Shares) -> Self {
        Self { rule, shares, given: BTreeMap::new() }
    }

    /// Tells that a replica is to be elsewhere than it was.
    pub(super) fn note(&mut self, replica: usize, from: u32, to: u32) {
        if let Some(given) = self.given.get_mut(&from) {
            given.retain(|it| *it != replica);
        }
        self.given.entry(to).or_default().push(replica);
    }

    /// Sends a replica that fits nowhere somewhere, and what is there on, until the last one fits.
    pub(super) fn make_way(&self, draft: &mut Draft<'_>, replica: usize) -> Option<Vec<Sent>> {
        let fits = |draft: &Draft<'_>, bytes: u64, to: u32| {
            draft.held[to as usize].saturating_add(bytes) <= self.shares.hi[to as usize]
        };
        let chain = self.shortest(draft, &[replica], |one, next| next >= one, fits)?;
        carry_out(draft, self.rule, chain)
    }

    /// Gives all replicas of a group that leave other places, where those that had one bar the one that has none.
    pub(super) fn reseat(&self, draft: &mut Draft<'_>, replica: usize) -> Option<Vec<Sent>> {
        let leaves = |it: &usize| draft.layout.member(draft.home(*it)).part == Part::Empties;
        let group = draft.layout.group_of(replica);
        let all: Vec<usize> = draft.layout.replicas(group).filter(leaves).collect();
        let before: Vec<u32> = all.iter().map(|it| draft.at[*it]).collect();
        let candidates = self.candidates(draft, &all);
        all.iter().for_each(|it| draft.send(*it, draft.home(*it)));
        let is_seated = self.seat(draft, &all, &candidates);
        let after: Vec<u32> = all.iter().map(|it| draft.at[*it]).collect();
        if !is_seated {
            all.iter().zip(&before).for_each(|(it, at)| draft.send(*it, *at));
            return None;
        }
        let changed = all.into_iter().zip(before.into_iter().zip(after));
        Some(
            changed
                .filter(|(_, (from, to))| from != to)
                .map(|(it, (from, to))| (it, from, to))
                .collect(),
        )
    }

    /// As many members of each zone, on hosts of their own, as a group can have replicas, and who holds it besides:
    /// others in that zone are no other choice. Those with most room first.
    fn candidates(&self, draft: &Draft<'_>, all: &[usize]) -> Vec<u32> {
        let most = 2 * draft.layout.replicas(draft.layout.group_of(all[0])).len();
        let members = draft.layout.members();
        let mut takers: Vec<u32> =
            draft.layout.places().filter(|it| members[*it as usize].part == Part::Shares).collect();
        takers.sort_by_key(|it| {
            let place = *it as usize;
            (std::cmp::Reverse(self.shares.hi[place].saturating_sub(draft.held[place])), *it)
        });
        let mut hosts: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        takers.retain(|it| {
            let member = &members[*it as usize];
            let of_zone = hosts.entry(member.zone).or_default();
            let host = if self.rule.parts_hosts() { member.host } else { *it };
            of_zone.len() < most && of_zone.insert(host)
        });
        takers
    }

    /// Finds each of some replicas a place, if there is one for all.
    fn seat(&self, draft: &mut Draft<'_>, all: &[usize], candidates: &[u32]) -> bool {
        let Some((replica, others)) = all.split_first() else { return true };
        for to in candidates {
            let held = draft.held[*to as usize].saturating_add(draft.bytes(*replica));
            if held > self.shares.hi[*to as usize] || !draft.may_go(self.rule, *replica, *to) {
                continue;
            }
            draft.send(*replica, *to);
            if self.seat(draft, others, candidates) {
                return true;
            }
            draft.send(*replica, draft.home(*replica));
        }
        false
    }

    /// Brings members nearer to each other along chains, as long as that lessens the sum of squares of what they hold
    /// for their weight.
    pub(super) fn even_out(&mut self, draft: &mut Draft<'_>) {
        let count: usize = self.given.values().map(Vec::len).sum();
        if count * draft.held.len() > MOST_EDGES {
            return;
        }
        let mut is_better = true;
        while is_better {
            is_better = false;
            let mut givers: Vec<u32> = self.given.keys().copied().collect();
            givers.sort_by(|one, other| by_fill(draft, *other, *one).then(one.cmp(other)));
            for giver in givers {
                while let Some(chain) = self.relief(draft, giver) {
                    let Some(sent) = carry_out(draft, self.rule, chain) else { break };
                    for (replica, from, to) in sent {
                        self.note(replica, from, to);
                    }
                    is_better = true;
                }
            }
        }
    }

    /// A chain that takes one replica from a member, and ends where it is worth it. All of it are of one size, so that
    /// whoever is in between holds as much as before.
    fn relief(&self, draft: &Draft<'_>, giver: u32) -> Option<Vec<Sent>> {
        let relieves = |draft: &Draft<'_>, bytes: u64, to: u32| {
            let fits = draft.held[to as usize].saturating_add(bytes) <= self.shares.hi[to as usize];
            fits && is_worth_it(draft, bytes, giver, to)
        };
        let given = self.given.get(&giver)?;
        let least = given.iter().map(|replica| draft.bytes(*replica)).min()?;
        let members = draft.layout.places();
        let could = members.into_iter().any(|to| is_worth_it(draft, least, giver, to));
        if !could {
            return None;
        }
        self.shortest(draft, given, |one, next| one == next, relieves)
    }

    /// The shortest chain that begins with one of some replicas and ends at a member that is a goal for the last one,
    /// breadth first. A replica goes on from a member for another one if their sizes are `alike`.
    fn shortest(
        &self,
        draft: &Draft<'_>,
        first: &[usize],
        alike: impl Fn(u64, u64) -> bool,
        is_goal: impl Fn(&Draft<'_>, u64, u32) -> bool,
    ) -> Option<Vec<Sent>> {
        let start = draft.at[*first.first()?];
        // By which replica each member is reached.
        let mut by: BTreeMap<u32, usize> = BTreeMap::new();
        let mut next: VecDeque<usize> = first.iter().copied().collect();
        while let Some(replica) = next.pop_front() {
            let bytes = draft.bytes(replica);
            for to in draft.layout.places() {
                let is_elsewhere = to != start && to != draft.at[replica];
                if by.contains_key(&to) || !is_elsewhere || !draft.may_go(self.rule, replica, to) {
                    continue;
                }
                by.insert(to, replica);
                if is_goal(draft, bytes, to) {
                    return Some(trace(draft, &by, start, to));
                }
                let given = self.given.get(&to).into_iter().flatten();
                let goes_on = |it: &&usize| alike(bytes, draft.bytes(**it));
                next.extend(given.filter(goes_on).copied());
            }
        }
        None
    }
}

/// The chain from one member to another, its last move first.
fn trace(draft: &Draft<'_>, by: &BTreeMap<u32, usize>, start: u32, end: u32) -> Vec<Sent> {
    let (mut chain, mut to) = (Vec::new(), end);
    while to != start {
        let replica = by[&to];
        chain.push((replica, draft.at[replica], to));
        to = draft.at[replica];
    }
    chain
}

/// Carries a chain out, unless one of its moves bars another: then nothing is.
fn carry_out(draft: &mut Draft<'_>, rule: &Rule, chain: Vec<Sent>) -> Option<Vec<Sent>> {
    for (done, (replica, _, to)) in chain.iter().enumerate() {
        if !draft.may_go(rule, *replica, *to) {
            for (replica, from, _) in chain[..done].iter().rev() {
                draft.send(*replica, *from);
            }
            return None;
        }
        draft.send(*replica, *to);
    }
    Some(chain)
}

/// Whether the sum of squares of what members hold for their weight is less once so many bytes are on one instead of
/// the other.
fn is_worth_it(draft: &Draft<'_>, bytes: u64, from: u32, to: u32) -> bool {
    let ((high, high_weight), (low, low_weight)) = (load(draft, from), load(draft, to));
    let bytes = u128::from(bytes);
    let after = (2 * low + bytes).saturating_mul(high_weight);
    draft.layout.member(to).part == Part::Shares
        && after < (2 * high).saturating_sub(bytes).saturating_mul(low_weight)
}

/// Members by what they hold for their weight.
fn by_fill(draft: &Draft<'_>, one: u32, other: u32) -> std::cmp::Ordering {
    let ((here, here_weight), (there, there_weight)) = (load(draft, one), load(draft, other));
    here.saturating_mul(there_weight).cmp(&there.saturating_mul(here_weight))
}

/// What a member is to hold, and for which weight.
fn load(draft: &Draft<'_>, member: u32) -> (u128, u128) {
    let weight = u128::from(draft.layout.member(member).weight.max(1));
    (u128::from(draft.held[member as usize]), weight)
}
