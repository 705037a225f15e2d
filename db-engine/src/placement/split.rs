//! Region groups cut in two so that what is written from now on is even: the `split` choice.
//!
//! What members are to have their share of is the load, and what moves are bytes. A group is a piece at first, a cut
//! makes two halves of the largest piece in the way, and pieces are placed as [`fill`](super::fill::fill) places
//! replicas: those first of which a unit of load takes the fewest bytes along. Cuts are made only where pieces as they
//! are do not come to an even load; one for each member outside of its limits at a time. One cut for each of these is
//! always enough where a group can be cut anywhere, as what is over is then cut off one piece; halves take some more.
//!
//! Where cutting a group leaves its history where it is, as where engines give only new series to new groups, bytes are
//! none, and where new groups go is for [`spread`](super::spread::spread) to say.

use super::certificate::NoRoom;
use super::fill::{Outcome, Wanted, fill};
use super::layout::{Group, Layout, MOST, Replica};
use super::levels::Levels;
use super::shares::Shares;
use crate::placement::small;

/// What is cut, and where the pieces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Groups that are cut, by their places in ascending order.
    pub cuts: Vec<Cut>,
    /// Pieces whose replicas move, by group and piece.
    pub moves: Vec<PieceMove>,
    /// Bytes that move.
    pub moved: u64,
    /// Bytes that have to move at least, however groups are cut: the load each member has too much of, or others too
    /// little, at the fewest bytes for a unit of load there are.
    pub bound: u64,
    /// Members outside of their limits afterwards, by their places: no more cuts were allowed, or none help.
    pub outside: Vec<u32>,
}

/// A group that is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which, by its place.
    pub group: u32,
    /// The load of each piece; they are as many as the group becomes.
    pub pieces: Vec<u64>,
}

/// A replica of a piece that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PieceMove {
    /// Its group, by its place.
    pub group: u32,
    /// Which piece of that, from 0; the only one where it is not cut.
    pub piece: u32,
    /// The member that has it.
    pub from: u32,
    /// The member that gets it.
    pub to: u32,
    /// The load that goes with it.
    pub load: u64,
    /// Its size.
    pub bytes: u64,
}

/// A piece of a group.
#[derive(Clone, Copy, Debug)]
struct Piece {
    group: u32,
    load: u64,
}

/// What to cut, at most `most` times, and where the pieces go, so that each member has its share of the load.
///
/// Time: that of a [`fill`] for each time cuts are made.
///
/// # Errors
/// [`NoRoom`]: never where members have room without end; room is counted in load here, and not asked for.
pub fn split(layout: &Layout, wanted: Wanted, most: usize) -> Result<Split, NoRoom> {
    let mut pieces = whole(layout);
    let mut loads = of_pieces(layout, &pieces);
    let bound = bound(&loads, wanted);
    let mut found = fill(&loads, wanted)?;
    let mut left = most;
    while left > 0 && !found.certificate.outside.is_empty() {
        let due = in_the_way(loads, &found, wanted, left);
        if due.is_empty() {
            break;
        }
        left -= due.len();
        cut(&mut pieces, &due);
        loads = of_pieces(layout, &pieces);
        found = fill(&loads, wanted)?;
    }
    Ok(told(layout, &pieces, &found, bound))
}

/// The cuts that make it possible to [`fill`] members whose replicas are too large for that: what is even then is what
/// each holds, and not the load.
///
/// # Errors
/// Those of [`split`].
pub fn cuts_to_fill(layout: &Layout, wanted: Wanted, most: usize) -> Result<Split, NoRoom> {
    let mut by_size = Layout::of(layout.members().to_vec());
    let sizes = |group: u32| &layout.all_bytes()[layout.replicas(group)];
    let largest = |group: u32| sizes(group).iter().max().copied().unwrap_or(0);
    let mean = |group: u32| sizes(group).iter().sum::<u64>() / sizes(group).len().max(1) as u64;
    let all = layout.groups().map(|it| u128::from(largest(it)) * sizes(it).len() as u128);
    // A layout of loads has the limit of one of bytes.
    let is_too_much = all.sum::<u128>() > u128::from(MOST);
    for Piece { group, .. } in whole(layout) {
        let replicas = layout.replicas(group).zip(layout.holders(group));
        let replicas: Vec<Replica> = replicas
            .map(|(place, member)| Replica { member: *member, bytes: layout.all_bytes()[place] })
            .collect();
        let load = if is_too_much { mean(group) } else { largest(group) };
        let pushed = by_size.push(Group { load, ..layout.group(group) }, &replicas);
        debug_assert!(pushed.is_ok());
    }
    split(&by_size, wanted, most)
}

/// All groups, none of them cut.
fn whole(layout: &Layout) -> Vec<Piece> {
    let groups = layout.groups();
    groups.map(|group| Piece { group, load: layout.group(group).load }).collect()
}

/// The pieces as a layout of their own, of which members have their share of the load.
fn of_pieces(layout: &Layout, pieces: &[Piece]) -> Layout {
    let mut members = layout.members().to_vec();
    members.iter_mut().for_each(|member| member.room = u64::MAX);
    let mut of_pieces = Layout::of(members);
    let mut prices = Vec::new();
    for piece in pieces {
        let whole = layout.group(piece.group);
        let replica = |member: &u32| Replica { member: *member, bytes: piece.load };
        let replicas: Vec<Replica> = layout.holders(piece.group).iter().map(replica).collect();
        let places = layout.replicas(piece.group);
        prices.extend(places.map(|place| part(layout.all_bytes()[place], piece.load, whole.load)));
        // A piece has the holders of its group, which are lawful.
        let pushed = of_pieces.push(Group { load: piece.load, ..whole }, &replicas);
        debug_assert!(pushed.is_ok());
    }
    of_pieces.set_prices(prices);
    of_pieces
}

/// The bytes that go with a part of a load, rounded up.
fn part(bytes: u64, load: u64, whole: u64) -> u64 {
    let part = (u128::from(bytes) * u128::from(load)).div_ceil(u128::from(whole.max(1)));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// The largest piece on each member that has too much afterwards, or, where only others have too little, on who has most
/// to give; at most so many.
fn in_the_way(mut after: Layout, found: &Outcome, wanted: Wanted, most: usize) -> Vec<usize> {
    after.carry_out(&found.moves);
    let held = after.held();
    let Ok(shares) = Shares::of(&after, &held, wanted.apart, wanted.tolerance) else {
        return Vec::new();
    };
    let over = |member: &&u32| shares.over(**member as usize, held[**member as usize]) > 0;
    let outside = &found.certificate.outside;
    let mut members: Vec<u32> = outside.iter().filter(over).copied().collect();
    if members.is_empty() {
        let spare =
            |member: &u32| held[*member as usize].saturating_sub(shares.lo[*member as usize]);
        let all = after.places();
        let mut all: Vec<u32> = all.filter(|member| spare(member) > 0).collect();
        all.sort_by_key(|member| (std::cmp::Reverse(spare(member)), *member));
        members = all.into_iter().take(outside.len()).collect();
    }
    let mut largest: Vec<Option<(u64, usize)>> = vec![None; held.len()];
    for place in after.groups() {
        let load = after.group(place).load;
        for holder in after.holders(place).iter().filter(|_| load > 1) {
            let largest = &mut largest[*holder as usize];
            if largest.is_none_or(|(other, _)| load > other) {
                *largest = Some((load, place as usize));
            }
        }
    }
    let due = members.iter().filter_map(|member| Some(largest[*member as usize]?.1));
    let mut due: Vec<usize> = due.collect();
    due.sort_unstable();
    due.dedup();
    due.truncate(most);
    due
}

/// Makes two halves of some pieces, which stay beside each other.
fn cut(pieces: &mut Vec<Piece>, due: &[usize]) {
    let mut next = Vec::with_capacity(pieces.len() + due.len());
    for (place, piece) in pieces.iter().enumerate() {
        let half = piece.load / 2;
        if due.binary_search(&place).is_ok() {
            next.push(Piece { load: piece.load - half, ..*piece });
            next.push(Piece { load: half, ..*piece });
        } else {
            next.push(*piece);
        }
    }
    *pieces = next;
}

fn told(layout: &Layout, pieces: &[Piece], found: &Outcome, bound: u64) -> Split {
    let cuts = pieces.chunk_by(|one, next| one.group == next.group).filter(|of| of.len() > 1);
    let cut = |of: &[Piece]| Cut {
        group: of[0].group,
        pieces: of.iter().map(|piece| piece.load).collect(),
    };
    let mut first = vec![0_usize; layout.group_count()];
    for (place, piece) in pieces.iter().enumerate().rev() {
        first[piece.group as usize] = place;
    }
    let piece_move = |one: &super::Move| {
        let Piece { group, load } = pieces[one.group as usize];
        let holder = layout.holders(group).iter().position(|holder| *holder == one.from);
        let replica = layout.replicas(group).start + holder.unwrap_or(0);
        let bytes = part(layout.all_bytes()[replica], load, layout.group(group).load);
        let piece = one.group as usize - first[group as usize];
        let piece = small(piece);
        PieceMove { group, piece, from: one.from, to: one.to, load, bytes }
    };
    let mut moves: Vec<PieceMove> = found.moves.iter().map(piece_move).collect();
    moves.sort_unstable();
    Split {
        cuts: cuts.map(cut).collect(),
        moved: moves.iter().fold(0, |sum: u64, one| sum.saturating_add(one.bytes)),
        moves,
        bound,
        outside: found.certificate.outside.clone(),
    }
}

/// The fewest bytes that can go with the load that has to move.
fn bound(loads: &Layout, wanted: Wanted) -> u64 {
    let held = loads.held();
    let Ok(shares) = Shares::of(loads, &held, wanted.apart, wanted.tolerance) else { return 0 };
    let levels = Levels::of(&held, &shares, 1);
    let mut of_members: Vec<Vec<usize>> = vec![Vec::new(); held.len()];
    for (place, holder) in loads.all_holders().iter().enumerate() {
        of_members[*holder as usize].push(place);
    }
    let over = |place: usize| shares.over(place, held[place]);
    let of_members = of_members.into_iter().enumerate();
    let excess =
        of_members.map(|(place, replicas)| cheapest(loads, replicas.into_iter(), over(place)));
    let excess = excess.fold(0, u64::saturating_add);
    excess.max(cheapest(loads, 0..loads.replica_count(), levels.bound))
}

/// The fewest bytes that go with so much load of some replicas, any part of the last one.
fn cheapest(loads: &Layout, replicas: impl Iterator<Item = usize>, load: u64) -> u64 {
    let (mut left, mut bytes) = (u128::from(load), 0_u128);
    for replica in loads.cheapest_first(replicas, |it| it) {
        let (price, here) = (loads.price(replica), loads.all_bytes()[replica]);
        let taken = left.min(here.into());
        bytes += taken * u128::from(price) / u128::from(here);
        left -= taken;
        if left == 0 {
            break;
        }
    }
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
