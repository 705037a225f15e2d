//! Better placements around one: a few members at a time are settled exactly, all others stay as they are.
//!
//! Source: large neighbourhood search (Shaw 1998). Each try takes members of which some are outside of their limits or
//! get something, and draws some of their groups where there are many.

use super::super::apart::Rule;
use super::super::draft::Draft;
use super::super::layout::Part;
use super::super::shares::Shares;
use super::draws::Draws;
use super::problem::{Problem, one_size};
use super::work::Work;
use super::{Known, better};

/// Members settled together.
const SEATS: [usize; 5] = [3, 4, 6, 5, 2];

/// Groups settled together at most.
const GROUPS: usize = 26;

/// What one try may cost.
const STEPS: u64 = 150_000;
const SETS: u64 = 20_000;

/// What it counts as at least.
const AT_LEAST: u64 = 8_000;

/// Improves a draft until so many steps are gone, or no more than so much moves.
///
/// Guarantee: the draft is never worse than before. Time: that of the steps.
pub(in super::super) fn improve(
    draft: &mut Draft<'_>,
    rule: &Rule,
    shares: &Shares,
    enough: u64,
    steps: u64,
) {
    let may = |member: &u32| draft.layout.member(*member).part != Part::Keeps;
    let all: Vec<u32> = draft.layout.places().filter(may).collect();
    let mut draws = Draws::default();
    let mut left = steps;
    let mut outside = shares.distance(&draft.held);
    for tried in 0.. {
        if left == 0 || outside == 0 && draft.moved <= enough {
            return;
        }
        let members = choose(draft, shares, &all, SEATS[tried % SEATS.len()], &mut draws);
        let groups = groups_on(draft, &members, &mut draws);
        let mut work = Work::of(STEPS, SETS);
        work.spend(draft.at.len());
        if let Some(problem) = Problem::of(draft, rule, shares, &members, &groups) {
            let known = match members.iter().all(|it| is_inside(draft, shares, *it)) {
                false => Known::Outside,
                true if tried % 2 == 0 => Known::Inside,
                true => Known::Level,
            };
            if better(draft, rule, &problem, known, &mut work).0 {
                outside = shares.distance(&draft.held);
            }
        }
        left = left.saturating_sub((STEPS - work.left()).max(AT_LEAST));
    }
}

fn is_inside(draft: &Draft<'_>, shares: &Shares, member: u32) -> bool {
    shares.outside(member as usize, draft.held[member as usize]) == 0
}

/// Members to settle: up to half of them outside, or else getting something, and any others.
fn choose(
    draft: &Draft<'_>,
    shares: &Shares,
    all: &[u32],
    count: usize,
    draws: &mut Draws,
) -> Vec<u32> {
    let mut first: Vec<u32> =
        all.iter().filter(|it| !is_inside(draft, shares, **it)).copied().collect();
    if first.is_empty() {
        let moved = (0..draft.at.len()).filter(|place| draft.is_moved(*place));
        first = moved.map(|place| draft.at[place]).collect();
    }
    let mut members = draws.some(&first, count / 2);
    members.sort_unstable();
    members.dedup();
    let others: Vec<u32> = all.iter().filter(|it| !members.contains(it)).copied().collect();
    members.extend(draws.some(&others, count - members.len()));
    members.sort_unstable();
    members
}

/// Groups that some of these members hold and not all of them, or that are not where they were.
fn groups_on(draft: &Draft<'_>, members: &[u32], draws: &mut Draws) -> Vec<u32> {
    let is_free = |group: &u32| {
        let mut places = draft.layout.replicas(*group);
        let here = places.clone().filter(|place| members.contains(&draft.at[*place])).count();
        let is_moved = |place: usize| draft.is_moved(place) && members.contains(&draft.home(place));
        here > 0
            && (here < members.len() || places.any(is_moved))
            && one_size(draft, *group).is_some_and(|bytes| bytes > 0)
    };
    let all: Vec<u32> = draft.layout.groups().filter(is_free).collect();
    draws.some(&all, GROUPS)
}
