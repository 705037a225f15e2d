//! Members evened out with as little moved as can be: the `migrate` choice, where new members are filled.
//!
//! Source: the shares are levels found by bisection, what is given up is chosen largest first, and packed largest first
//! onto who lacks most (Graham 1969). Measured in research G §2.2. The least that has to move is known in advance, so
//! that each outcome says how far it is from it at most.

use super::Move;
use super::apart::{Apart, Rule};
use super::certificate::{Certificate, NoRoom, Proof};
use super::draft::Draft;
use super::exact::holders::hold;
use super::exact::is_ruled_out;
use super::hindrance::Hindrance;
use super::layout::{Layout, Part};
use super::levels::Levels;
use super::repair::{Repair, arrive};
use super::residents::Residents;
use super::search::{MOST_REPLICAS, search};
use super::shares::{Lack, Shares};
use super::shed::shed;
use super::takers::Takers;

/// How often a layout is filled again where members stay outside.
const ROUNDS: usize = 16;

/// What a layout is to become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How far apart the replicas of a group are to be.
    pub apart: Apart,
    /// How far from its share a member may be, in thousandths of it. Less than one replica never counts.
    pub tolerance: u32,
}

/// Moves, and the proof of how good they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The moves, by group.
    pub moves: Vec<Move>,
    /// What they are worth.
    pub certificate: Certificate,
}

/// Moves after which each member holds its share, within the tolerance, where that can be.
///
/// Time: that of sorting the replicas of members that give, and `moves × log members`. With zones that is once for each
/// zone. What moves is at least [`Certificate::bound`]; how much more it is at most stands in the certificate. Up to some
/// 20,000 replicas better placements are searched for, and in small clusters the best one is found, or it is proven that
/// nothing brings all members inside ([`Certificate::proof`]). Nothing moves that brings them no nearer to that, and what
/// is carried out needs no more moves: planned again, members that stayed outside may come nearer still where the
/// replicas of a group differ in size, and nothing else moves.
///
/// # Errors
/// [`NoRoom`]: all members together have less room than there are bytes.
pub fn fill(layout: &Layout, wanted: Wanted) -> Result<Outcome, NoRoom> {
    let limits = Limits::of(layout, wanted)?;
    let (mut draft, mut proof) = once(layout, wanted, &limits);
    if limits.shares.distance(&draft.held) > 0 || !Limits::stay(layout) {
        let moved = draft.moved;
        draft = again(layout, draft, wanted, &limits);
        let is_inside = limits.shares.distance(&draft.held) == 0;
        if proof == Proof::Optimal && (draft.moved != moved || !is_inside) {
            proof = Proof::Within;
        }
    }
    let certificate = Certificate::of(&draft, &limits.shares, limits.levels.bound);
    let bound = limits.levels.bound;
    let hindrance = Hindrance::of(&draft, &limits.rule, &limits.shares, (bound, proof));
    let certificate = Certificate { proof, hindrance, ..certificate };
    Ok(Outcome { moves: draft.moves(), certificate })
}

/// What members are to hold, and to give and to take for that.
struct Limits {
    rule: Rule,
    shares: Shares,
    levels: Levels,
}

impl Limits {
    fn of(layout: &Layout, wanted: Wanted) -> Result<Self, NoRoom> {
        let held = layout.held();
        let shares = Shares::of(layout, &held, wanted.apart, wanted.tolerance);
        let shares = shares.map_err(|Lack { needed, there }| NoRoom { needed, there })?;
        let levels = Levels::of(&held, &shares, layout.grain());
        Ok(Self { rule: Rule::of(layout, wanted.apart), shares, levels })
    }

    /// Whether they are the same after any moves. What a read-only member has given is not its share any more.
    fn stay(layout: &Layout) -> bool {
        layout.members().iter().all(|member| member.part != Part::Gives)
    }
}

/// A layout filled. It is left as it is where what was found brings members no nearer to their limits.
fn once<'a>(layout: &'a Layout, wanted: Wanted, limits: &Limits) -> (Draft<'a>, Proof) {
    let Limits { rule, shares, levels } = limits;
    let mut draft = Draft::of(layout);
    if levels.bound == 0 {
        return (draft, Proof::Optimal);
    }
    let before = shares.distance(&draft.held);
    let may_give = |member: u32| layout.member(member).part != Part::Keeps;
    let residents = Residents::of(layout, may_give);
    let mut arrived = vec![Vec::new(); layout.members().len()];
    pour(&mut draft, rule, wanted.apart, shares, levels, &residents, &mut arrived);
    Repair {
        rule,
        shares,
        residents: &residents,
        is_by_zone: wanted.apart == Apart::Zones,
        is_closed: shares.worlds.len() > 1,
    }
    .settle(&mut draft, &mut arrived);
    let is_inside = |draft: &Draft<'_>| shares.distance(&draft.held) == 0;
    let proof = if layout.replica_count() <= MOST_REPLICAS {
        search(&mut draft, rule, shares, levels.bound)
    } else if is_inside(&draft) && draft.moved == levels.bound {
        Proof::Optimal
    } else if !is_inside(&draft) && is_ruled_out(layout, shares) {
        Proof::Impossible
    } else {
        Proof::Within
    };
    let is_nearer = shares.distance(&draft.held) < before;
    (if is_nearer { draft } else { Draft::of(layout) }, proof)
}

/// A draft filled again and again as what it makes would be, until that moves nothing: so planning again on what was
/// carried out does not, either.
fn again<'a>(
    layout: &'a Layout,
    mut draft: Draft<'a>,
    wanted: Wanted,
    limits: &Limits,
) -> Draft<'a> {
    for _ in 0..ROUNDS {
        let mut made = layout.clone();
        made.carry_out(&draft.moves());
        let Ok(next) = Limits::of(&made, wanted) else { break };
        let (further, _) = once(&made, wanted, &next);
        let Some(whole) = joined(layout, &further, &limits.rule) else { break };
        let (now, then) =
            (limits.shares.distance(&draft.held), limits.shares.distance(&whole.held));
        if further.moved == 0 || Limits::stay(layout) && then >= now {
            break;
        }
        draft = whole;
    }
    draft
}

/// One draft for two after each other; none if that may not be in one.
fn joined<'a>(layout: &'a Layout, second: &Draft<'_>, rule: &Rule) -> Option<Draft<'a>> {
    let mut draft = Draft::of(layout);
    for group in layout.groups() {
        let places = layout.replicas(group);
        if second.at[places.clone()] == *layout.holders(group) {
            continue;
        }
        hold(&mut draft, group, &second.at[places]);
        if !draft.is_lawful(rule, group) {
            return None;
        }
    }
    Some(draft)
}

/// What members give is packed onto those that take.
fn pour(
    draft: &mut Draft<'_>,
    rule: &Rule,
    apart: Apart,
    shares: &Shares,
    levels: &Levels,
    residents: &Residents,
    arrived: &mut [Vec<u32>],
) {
    let mut given: Vec<u32> = Vec::new();
    for world in &shares.worlds {
        // What is left over, as no replica was small enough, is for the next one to give.
        let mut over = 0;
        for member in world.iter().filter(|member| levels.give[**member as usize] > 0) {
            let (here, place) = (residents.on(*member), *member as usize);
            let least = shares.over(place, draft.held[place]);
            let most = draft.held[place].saturating_sub(shares.lo[place]);
            let give = levels.give[place].saturating_add(over).min(most);
            let chosen = shed(draft, here, give, least);
            let bytes: u64 = chosen.iter().map(|at| draft.bytes(here[*at] as usize)).sum();
            over = levels.give[place].saturating_add(over).saturating_sub(bytes);
            given.extend(chosen.iter().map(|at| here[*at]));
        }
    }
    given.sort_unstable_by_key(|it| (std::cmp::Reverse(draft.bytes(*it as usize)), *it));
    let lack: Vec<Option<i128>> =
        levels.take.iter().map(|take| (*take > 0).then_some(i128::from(*take))).collect();
    let mut takers = Takers::of(draft, rule, apart, &lack, &shares.hi);
    for replica in given {
        let replica = replica as usize;
        if let Some(to) = takers.neediest(draft, replica) {
            takers.give(to, draft.bytes(replica));
            draft.send(replica, to);
            arrive(draft, replica, &mut arrived[to as usize]);
        }
    }
}
