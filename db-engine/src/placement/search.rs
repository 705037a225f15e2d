//! Better placements where replicas are few and large: a search around the one that was packed.
//!
//! Source: threshold accepting (Dueck and Scheuer 1990), which is annealing without a logarithm: a change is taken if it
//! is worse by no more than a threshold that falls to nothing. All is integers and the numbers drawn are the same each
//! time, so that the result is.

use super::apart::Rule;
use super::certificate::Proof;
use super::draft::Draft;
use super::exact::draws::Draws;
use super::exact::{is_ruled_out, nearby, whole};
use super::layout::Part;
use super::shares::Shares;

/// Replicas up to which it is tried: with more, what is packed is within a thousandth of the bound.
pub(super) const MOST_REPLICAS: usize = 20_000;

/// Changes tried in one run for each replica, within limits.
const TRIED_FOR_EACH: usize = 600;
const TRIED: std::ops::RangeInclusive<usize> = 100_000..=2_000_000;

/// Runs, each from where the best one so far ended: the first one warm, the next ones colder, and so again.
const RUNS: usize = 8;
const COLDER: usize = 4;

/// What being outside of the limits by a byte is worth in bytes moved, in sixteenths: it rises while members are
/// outside, and falls while none is, so that the walk keeps to where it matters (Glover 1989, strategic oscillation).
const PENALTY: std::ops::RangeInclusive<i128> = 20..=320;
const PENALTY_AT_FIRST: i128 = 40;

/// Changes after which the penalty is looked at.
const PENALTY_EVERY: usize = 200;

/// Runs before the exact search is tried, so that it knows what is worth looking for.
const RUNS_AT_FIRST: usize = 2;

/// Replicas up to which walks after that find nothing.
const FEW: usize = 300;

/// How near the bound is near enough not to search on, as a part of it.
const NEAR: u64 = 1000;

/// The same where replicas are many, and walks are long.
const NEAR_IF_MANY: u64 = 200;

/// Steps in which a few members at a time are settled exactly.
const NEARBY: u64 = 40_000_000;

/// Steps so spent before the exact search to have members inside: what is known then leaves less to look for.
const INSIDE: u64 = 3_000_000;

/// Searches for less to move, with members inside of their limits, or nearer to them where that cannot be: walks, then
/// the exact search, and where that is too much work, settles a few members at a time, and walks on. What is priced is
/// walked alone. Less than the bound cannot move.
pub(super) fn search(draft: &mut Draft<'_>, rule: &Rule, shares: &Shares, bound: u64) -> Proof {
    if draft.layout.is_priced() {
        walk(draft, rule, shares, 0, 0..RUNS_AT_FIRST);
        return Proof::Within;
    }
    let is_ruled_out = is_ruled_out(draft.layout, shares);
    let enough = bound.saturating_add(bound / NEAR);
    let is_done =
        |draft: &Draft<'_>, most| draft.moved <= most && shares.distance(&draft.held) == 0;
    let is_few = draft.at.len() <= FEW;
    let walked = if is_few { enough } else { bound.saturating_add(bound / NEAR_IF_MANY) };
    walk(draft, rule, shares, walked, 0..RUNS_AT_FIRST);
    if is_done(draft, bound) {
        return Proof::Optimal;
    }
    if shares.distance(&draft.held) > 0 && !is_ruled_out {
        nearby::improve(draft, rule, shares, u64::MAX, INSIDE);
    }
    let proof = if is_ruled_out { Proof::Impossible } else { whole(draft, rule, shares) };
    if proof == Proof::Within && !is_done(draft, enough) {
        nearby::improve(draft, rule, shares, enough, NEARBY);
        if !is_few {
            walk(draft, rule, shares, walked, RUNS_AT_FIRST..RUNS);
        }
    }
    if is_done(draft, bound) { Proof::Optimal } else { proof }
}

/// Walks so many runs from a draft, until no more than so much moves.
fn walk(
    draft: &mut Draft<'_>,
    rule: &Rule,
    shares: &Shares,
    enough: u64,
    runs: std::ops::Range<usize>,
) {
    let takers: Vec<u32> = draft
        .layout
        .places()
        .filter(|place| draft.layout.member(*place).part == Part::Shares)
        .collect();
    let may_move = |replica: &usize| {
        draft.layout.member(draft.home(*replica)).part != Part::Keeps && draft.bytes(*replica) > 0
    };
    let replicas: Vec<usize> = (0..draft.at.len()).filter(may_move).collect();
    if takers.is_empty() || replicas.is_empty() {
        return;
    }
    let mean = replicas.iter().map(|it| u128::from(draft.bytes(*it))).sum::<u128>()
        / replicas.len() as u128;
    let best = (shares.distance(&draft.held), draft.moved);
    let (at, draws, penalty) = (draft.at.clone(), Draws::default(), PENALTY_AT_FIRST);
    let tried = (replicas.len() * TRIED_FOR_EACH).clamp(*TRIED.start(), *TRIED.end());
    let mut walk = Walk { draft, rule, shares, takers, replicas, draws, penalty, best, at };
    for run in runs {
        if walk.best.0 == 0 && walk.best.1 <= enough {
            break;
        }
        walk.run(tried, i128::try_from(mean).unwrap_or(i128::MAX) / (1 << (run % COLDER)));
    }
}

/// A walk from placement to placement.
struct Walk<'a, 'b> {
    draft: &'a mut Draft<'b>,
    rule: &'a Rule,
    shares: &'a Shares,
    takers: Vec<u32>,
    replicas: Vec<usize>,
    draws: Draws,
    penalty: i128,
    /// How far outside, and how much moved, at best, and where all was then.
    best: (u128, u64),
    at: Vec<u32>,
}

impl Walk<'_, '_> {
    fn run(&mut self, tried: usize, warmest: i128) {
        let mut violation = self.shares.distance(&self.draft.held);
        for step in 0..tried {
            if step % PENALTY_EVERY == 0 {
                self.set_penalty(violation > 0);
            }
            let left = (tried - step) as i128;
            let threshold = warmest * left / tried as i128 * left / tried as i128;
            let change = if self.draws.below(2) == 0 { self.relocation() } else { self.exchange() };
            let Some(change) = change else { continue };
            let worse = self.attempt(&change, threshold);
            let Some(worse) = worse else { continue };
            violation = violation.saturating_add_signed(worse);
            let here = (violation, self.draft.moved);
            if here < self.best {
                self.best = here;
                self.at.clone_from(&self.draft.at);
            }
        }
        for replica in 0..self.at.len() {
            let to = self.at[replica];
            if self.draft.at[replica] != to {
                self.draft.send(replica, to);
            }
        }
    }

    fn set_penalty(&mut self, is_outside: bool) {
        let next = if is_outside { self.penalty * 9 / 8 + 1 } else { self.penalty * 7 / 8 };
        self.penalty = next.clamp(*PENALTY.start(), *PENALTY.end());
    }

    /// One replica to any member, or home.
    fn relocation(&mut self) -> Option<[(usize, u32); 2]> {
        let replica = self.any_replica();
        let home = self.draft.home(replica);
        let to = if self.draft.is_moved(replica) && self.draws.below(2) == 0 {
            home
        } else {
            let at = self.draws.below(self.takers.len());
            self.takers[at]
        };
        (self.draft.at[replica] != to).then_some([(replica, to); 2])
    }

    /// Two replicas for each other: any, or one that moves and one that is where that comes from.
    fn exchange(&mut self) -> Option<[(usize, u32); 2]> {
        let (one, other) = (self.any_replica(), self.any_replica());
        let there = self.draft.at[other];
        let to = if self.draft.is_moved(one) && self.draws.below(2) == 0 {
            self.draft.home(one)
        } else {
            there
        };
        let ends = (self.draft.at[one], to);
        (ends.0 != ends.1 && there != ends.0).then_some([(one, ends.1), (other, ends.0)])
    }

    /// Makes a change if it may be and is not worse than the threshold; says how much further outside it is then.
    fn attempt(&mut self, change: &[(usize, u32); 2], threshold: i128) -> Option<i128> {
        let [first, second] = *change;
        let back = [(first.0, self.draft.at[first.0]), (second.0, self.draft.at[second.0])];
        let moved = self.draft.moved;
        let places = [first.1, second.1, back[0].1, back[1].1];
        let before = self.outside(places);
        let held = change.map(|(_, to)| self.draft.held[to as usize]);
        let count = if first == second { 1 } else { 2 };
        for (done, (replica, to)) in change.iter().take(count).enumerate() {
            if !self.draft.may_go(self.rule, *replica, *to) {
                self.undo(&back[..done]);
                return None;
            }
            self.draft.send(*replica, *to);
        }
        let mut grown = change.iter().zip(held).take(count);
        if grown.any(|((_, to), before)| self.is_overfilled(*to, before)) {
            self.undo(&back[..count]);
            return None;
        }
        let worse = self.outside(places) - before;
        let cost = i128::from(self.draft.moved) - i128::from(moved) + self.penalty * worse / 16;
        if cost > threshold {
            self.undo(&back[..count]);
            return None;
        }
        Some(worse)
    }

    /// Whether a member holds more than before, and more than it has room for.
    fn is_overfilled(&self, member: u32, before: u64) -> bool {
        let held = self.draft.held[member as usize];
        held > before && held > self.draft.layout.member(member).room
    }

    fn undo(&mut self, back: &[(usize, u32)]) {
        for (replica, from) in back.iter().rev() {
            self.draft.send(*replica, *from);
        }
    }

    /// How far outside of their limits these members are together, each counted once.
    fn outside(&self, places: [u32; 4]) -> i128 {
        let is_first = |at: &usize| !places[..*at].contains(&places[*at]);
        let first = (0..places.len()).filter(is_first);
        let out = |place: usize| self.shares.outside(place, self.draft.held[place]);
        first.map(|at| i128::from(out(places[at] as usize))).sum()
    }

    fn any_replica(&mut self) -> usize {
        let at = self.draws.below(self.replicas.len());
        self.replicas[at]
    }
}
