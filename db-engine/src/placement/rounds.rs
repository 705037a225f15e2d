//! In which rounds moves run, so that no member has more transfers at once than it may, and the busiest one is never
//! idle.
//!
//! Each member is as many vertices as it may have transfers at once, and each move an edge; a round is a colour. Where
//! members either give or take, as when new ones are filled or old ones emptied, the graph is bipartite and, with one move
//! for each group, as many rounds as the busiest member needs are enough, which is the least there can be (Kőnig 1916).
//! Else it may be some more: the problem is NP-hard (Holyer 1981), and [`Rounds::bound`] says how far off at most.

use std::collections::{BTreeMap, BTreeSet};

use super::Move;
use super::colouring::Colouring;

/// What moves have to respect.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Transfers each member may have at once, given and taken together, by its place; none counts as one.
    pub at_once: &'a [u32],
    /// Transfers there may be at once in all.
    pub overall: Option<u32>,
    /// Bytes each member, by its place, can take, beside what it has and what is to stay free.
    pub room: &'a [u64],
}

/// Moves by rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// In each, moves by their places in the caller's list. One begins when the one before is done.
    pub rounds: Vec<Vec<usize>>,
    /// How many rounds there are at least: those of the busiest member, of the busiest group, or of all moves, by
    /// their limits.
    pub bound: usize,
}

/// Moves of which none can begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} moves wait for room that each of them would have to make", .moves.len())]
pub struct Stuck {
    /// Which, by their places in the caller's list.
    pub moves: Vec<usize>,
}

/// The rounds of moves. The same moves in the same order have the same rounds.
///
/// Time: that of the colouring, where all transfers together are limited or room is short also the square of the number
/// of rounds. Where a group has two moves it may take a round more, and where room is short it may be stuck though another
/// order is not.
///
/// # Errors
/// [`Stuck`]: what is left fits nowhere before some of it has gone elsewhere.
///
/// # Panics
/// An end of a move that is no place in the limits.
pub fn rounds(moves: &[Move], limits: &Limits<'_>) -> Result<Rounds, Stuck> {
    let bound = bound(moves, limits);
    let mut slots = Slots::of(moves, limits.at_once);
    let edges: Vec<(u32, u32)> =
        moves.iter().map(|it| (slots.next(it.from), slots.next(it.to))).collect();
    let mut colouring = Colouring::of(slots.count, edges, u32::try_from(bound).unwrap_or(u32::MAX));
    if limits.overall.is_some() {
        colouring.even_out();
    }
    let mut rounds = vec![Vec::new(); colouring.count() as usize];
    for (place, colour) in colouring.colours().iter().enumerate() {
        rounds[*colour as usize].push(place);
    }
    rounds.retain(|round| !round.is_empty());
    part_groups(moves, limits, &mut rounds);
    Ok(Rounds { rounds: in_room(moves, limits, rounds)?, bound })
}

/// How many rounds there are at least.
fn bound(moves: &[Move], limits: &Limits<'_>) -> usize {
    let mut of_member = vec![0_usize; limits.at_once.len()];
    for one in moves {
        of_member[one.from as usize] += 1;
        of_member[one.to as usize] += 1;
    }
    let mut groups: Vec<u32> = moves.iter().map(|it| it.group).collect();
    groups.sort_unstable();
    let of_group = groups.chunk_by(|one, next| one == next).map(<[u32]>::len);
    let members = (0..).zip(&of_member).map(|(it, moves)| moves.div_ceil(at_once(limits, it)));
    let overall = limits.overall.map(|most| moves.len().div_ceil(most.max(1) as usize));
    members.chain(of_group).chain(overall).max().unwrap_or(0)
}

fn at_once(limits: &Limits<'_>, member: u32) -> usize {
    limits.at_once[member as usize].max(1) as usize
}

/// The vertices of members: one for each transfer it may have at once, used by turns.
struct Slots {
    /// The first one of each member, and how many there are.
    of_member: Vec<(u32, u32)>,
    /// How many of its moves have one.
    used: Vec<u32>,
    count: usize,
}

impl Slots {
    /// No more for a member than it has moves.
    fn of(moves: &[Move], at_once: &[u32]) -> Self {
        let mut first = 0;
        let slot = |(most, moves): (&u32, &u32)| {
            let (here, most) = (first, (*most).min(*moves).max(1));
            first += most;
            (here, most)
        };
        let mut of_each = vec![0; at_once.len()];
        for end in moves.iter().flat_map(|one| [one.from, one.to]) {
            of_each[end as usize] += 1;
        }
        let of_member: Vec<(u32, u32)> = at_once.iter().zip(&of_each).map(slot).collect();
        Self { used: vec![0; of_member.len()], of_member, count: first as usize }
    }

    fn next(&mut self, member: u32) -> u32 {
        let member = member as usize;
        let (first, most) = self.of_member[member];
        let turn = self.used[member];
        self.used[member] += 1;
        first + turn % most
    }
}

/// Two replicas of one group never move at once: the later one goes to a round that has a place for it, or to one of
/// its own.
fn part_groups(moves: &[Move], limits: &Limits<'_>, rounds: &mut Vec<Vec<usize>>) {
    let mut late = Vec::new();
    for round in rounds.iter_mut() {
        let mut seen = BTreeSet::new();
        round.retain(|place| {
            let is_first = seen.insert(moves[*place].group);
            late.extend((!is_first).then_some(*place));
            is_first
        });
    }
    for place in late {
        let takes = |round: &&mut Vec<usize>| has_place(moves, limits, round, &moves[place]);
        match rounds.iter_mut().find(takes) {
            Some(round) => round.push(place),
            None => rounds.push(vec![place]),
        }
    }
}

/// Whether a round can have one more move.
fn has_place(moves: &[Move], limits: &Limits<'_>, round: &[usize], one: &Move) -> bool {
    let of = |member: u32| {
        let is_its = |place: &&usize| moves[**place].from == member || moves[**place].to == member;
        round.iter().filter(is_its).count() < at_once(limits, member)
    };
    limits.overall.is_none_or(|most| round.len() < most.max(1) as usize)
        && round.iter().all(|place| moves[*place].group != one.group)
        && of(one.from)
        && of(one.to)
}

/// Orders rounds so that each has room for what comes, where what goes makes room only afterwards. A round that never
/// has room for all is parted.
fn in_room(
    moves: &[Move],
    limits: &Limits<'_>,
    mut rounds: Vec<Vec<usize>>,
) -> Result<Vec<Vec<usize>>, Stuck> {
    if fits_at_once(moves, limits.room) {
        return Ok(rounds);
    }
    let mut room = limits.room.to_vec();
    let mut ordered = Vec::with_capacity(rounds.len());
    while !rounds.is_empty() {
        let whole =
            rounds.iter().position(|round| fitting(moves, &room, round).len() == round.len());
        let next = match whole {
            Some(place) => rounds.remove(place),
            None => {
                let of_round = |place: usize| (fitting(moves, &room, &rounds[place]), place);
                let best = (0..rounds.len())
                    .map(of_round)
                    .min_by_key(|(fit, place)| (std::cmp::Reverse(fit.len()), *place));
                let (fit, place) = best.unwrap_or_default();
                if fit.is_empty() {
                    return Err(Stuck { moves: rounds.concat() });
                }
                let begun: BTreeSet<usize> = fit.iter().copied().collect();
                rounds[place].retain(|it| !begun.contains(it));
                fit
            }
        };
        for place in &next {
            let one = &moves[*place];
            room[one.to as usize] -= one.bytes;
            room[one.from as usize] = room[one.from as usize].saturating_add(one.bytes);
        }
        ordered.push(next);
    }
    Ok(ordered)
}

/// Whether all that comes has room before anything has gone.
fn fits_at_once(moves: &[Move], room: &[u64]) -> bool {
    let mut left = room.to_vec();
    moves.iter().all(|one| {
        let room = left[one.to as usize].checked_sub(one.bytes);
        left[one.to as usize] = room.unwrap_or(0);
        room.is_some()
    })
}

/// Those moves of a round that have room, the first ones first.
fn fitting(moves: &[Move], room: &[u64], round: &[usize]) -> Vec<usize> {
    let mut comes: BTreeMap<u32, u64> = BTreeMap::new();
    let fits = |place: &usize| {
        let one = &moves[*place];
        let comes = comes.entry(one.to).or_default();
        let more = comes.checked_add(one.bytes).filter(|more| *more <= room[one.to as usize]);
        *comes = more.unwrap_or(*comes);
        more.is_some()
    };
    round.iter().copied().filter(fits).collect()
}
