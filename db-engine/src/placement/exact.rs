//! The least that can move where replicas are few and large, or the proof that nothing brings all members inside.
//!
//! Each member's possible sets of groups are listed ([`patterns`]); prices of groups tell what has to move at least and
//! which sets are too dear to be in any better placement ([`prices`]); branching settles the rest ([`branch`]). That is
//! set partitioning with a Lagrangian bound, as crews and vehicles are planned (Balas and Padberg 1976). Around a
//! placement the same is done for a few members at a time ([`nearby`]).

mod branch;
pub(super) mod draws;
pub(super) mod holders;
pub(super) mod nearby;
mod patterns;
mod prices;
mod problem;
mod work;

use super::apart::Rule;
use super::certificate::Proof;
use super::draft::Draft;
use super::layout::{Layout, Part};
use super::shares::Shares;
use crate::placement::gcd;
use branch::Aim;
use problem::Problem;
use work::Work;

/// Steps and sets after which the whole is given up.
const STEPS: u64 = 16_000_000;
const SETS: u64 = 250_000;

/// Replicas with which it is not tried.
const MOST_REPLICAS: usize = 400;

/// The best placement there is, found or proven not to be: [`Proof::Optimal`], [`Proof::Impossible`], or
/// [`Proof::Within`] if that is too much work. The draft is better then, or as it was.
///
/// Guarantee: the least moved of all that bring all members inside of their limits, of those that [`Rule::bar`] allows.
/// Time: exponential at worst, and no more than a fixed number of steps.
pub(super) fn whole(draft: &mut Draft<'_>, rule: &Rule, shares: &Shares) -> Proof {
    let counts = |member: &u32| draft.layout.member(*member).part != Part::Keeps;
    let members: Vec<u32> = draft.layout.places().filter(counts).collect();
    let has = |place: usize| draft.bytes(place) > 0 && counts(&draft.home(place));
    let groups: Vec<u32> =
        draft.layout.groups().filter(|group| draft.layout.replicas(*group).any(has)).collect();
    if draft.at.len() > MOST_REPLICAS {
        return Proof::Within;
    }
    let Some(problem) = Problem::of(draft, rule, shares, &members, &groups) else {
        return Proof::Within;
    };
    let is_inside = shares.distance(&draft.held) == 0;
    let mut work = Work::of(STEPS, SETS);
    let known = if is_inside { Known::Inside } else { Known::Outside };
    match better(draft, rule, &problem, known, &mut work) {
        (_, false) => Proof::Within,
        (is_better, true) if is_inside || is_better => Proof::Optimal,
        (_, true) => Proof::Impossible,
    }
}

/// What is known of a draft, and what is to be taken instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Some member is outside: anything that is inside.
    Outside,
    /// All are inside: what moves less.
    Inside,
    /// All are inside: what moves less, or as much.
    Level,
}

/// Takes what is better than the draft, and says whether there was any, and whether that is proven to be the best.
fn better(
    draft: &mut Draft<'_>,
    rule: &Rule,
    problem: &Problem,
    known: Known,
    work: &mut Work,
) -> (bool, bool) {
    let now: Vec<u64> = problem.seats.iter().map(|seat| seat.now).collect();
    let moved = problem.moved(&now);
    let (sets, is_proven) = match known {
        Known::Outside => any(problem, work),
        Known::Inside => least_of(problem, moved, work),
        Known::Level => least_of(problem, moved + problem.grain, work),
    };
    let Some(sets) = sets else { return (false, is_proven) };
    let before = draft.at.clone();
    holders::settle(draft, problem, &sets);
    if problem.groups.iter().all(|group| draft.is_lawful(rule, *group)) {
        return (true, is_proven);
    }
    for (place, member) in before.into_iter().enumerate() {
        draft.send(place, member);
    }
    (false, false)
}

/// Sets with which less moves than so much, and whether they are proven to be the best, or not to be.
fn least_of(problem: &Problem, less_than: u64, work: &mut Work) -> (Option<Vec<u64>>, bool) {
    let less_than = Some(less_than);
    let Some(lists) = patterns::list(problem, less_than, work) else { return (None, false) };
    let (best, is_proven) = branch::solve(problem, Aim::Least, lists, less_than, work);
    (best.sets, is_proven)
}

/// The best sets where none are known: any at first.
fn any(problem: &Problem, work: &mut Work) -> (Option<Vec<u64>>, bool) {
    let Some(lists) = patterns::list(problem, None, work) else { return (None, false) };
    let (found, is_proven) = branch::solve(problem, Aim::Any, lists, None, work);
    let Some(known) = found.sets else { return (None, is_proven) };
    let (less, is_proven) = least_of(problem, problem.moved(&known), work);
    (Some(less.unwrap_or(known)), is_proven)
}

/// Whether sizes alone rule out that all members come inside: one replica is more than any member may hold, or all sizes
/// are multiples of a number that has none within a member's limits, or too few or too many within all limits together.
/// Time: once over all replicas.
pub(super) fn is_ruled_out(layout: &Layout, shares: &Shares) -> bool {
    let part = |member: u32| layout.member(member).part;
    let members = || (0..shares.hi.len()).filter(|it| layout.members()[*it].part != Part::Keeps);
    let most = members().map(|member| shares.hi[member]).max().unwrap_or(0);
    let (mut grain, mut total) = (0, 0_u128);
    for (holder, bytes) in layout.all_holders().iter().zip(layout.all_bytes()) {
        if part(*holder) == Part::Keeps {
            continue;
        }
        if *bytes > most {
            return true;
        }
        grain = gcd(grain, *bytes);
        total += u128::from(*bytes);
    }
    if grain == 0 {
        return false;
    }
    let least = |member: usize| shares.lo[member].div_ceil(grain);
    let largest = |member: usize| shares.hi[member] / grain;
    let (mut lower, mut upper) = (0_u128, 0_u128);
    for member in members() {
        if least(member) > largest(member) {
            return true;
        }
        lower += u128::from(least(member));
        upper += u128::from(largest(member));
    }
    let pieces = total / u128::from(grain);
    pieces < lower || pieces > upper
}
