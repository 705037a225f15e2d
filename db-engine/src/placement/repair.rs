//! Members outside of their limits once all was packed: they pull or push one replica after another.

use crate::placement::small;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::apart::Rule;
use super::draft::Draft;
use super::layout::{Member, Part};
use super::residents::Residents;
use super::shares::Shares;

/// Members looked at for one replica, those with most to spare first: more of them find little better.
const LOOKED_AT: usize = 96;

/// Replicas tried of each of them: where the first so many may not go, the others of that member hardly may.
const TRIED: usize = 24;

/// What is where while members are brought inside of their limits.
pub(super) struct Repair<'a> {
    pub(super) rule: &'a Rule,
    pub(super) shares: &'a Shares,
    pub(super) residents: &'a Residents,
    /// Whether the replicas of a group are to be in different zones.
    pub(super) is_by_zone: bool,
    /// Whether they cannot leave the zone they are in.
    pub(super) is_closed: bool,
}

/// Members by what they can give, those that can give most first.
type Spare = BTreeSet<(Reverse<u64>, u32)>;

/// A replica that could go to a member: bytes that move for it beyond those that do already, how far the member is
/// from what it lacks then, and which.
type Offer = (i128, u128, usize);

impl Repair<'_> {
    /// Brings members inside of their limits as far as single replicas do: those with too little pull the cheapest one
    /// that is enough, or the largest there is; those with too much send one to where there is room.
    pub(super) fn settle(&self, draft: &mut Draft<'_>, arrived: &mut [Vec<u32>]) {
        let mut spare: BTreeMap<u32, Spare> = BTreeMap::new();
        for (place, member) in draft.layout.members().iter().enumerate() {
            let of_zone = spare.entry(self.lane(member)).or_default();
            of_zone.insert((Reverse(self.spare(draft, place)), small(place)));
        }
        let under: Vec<usize> =
            (0..draft.held.len()).filter(|it| self.lacks(draft, *it) > 0).collect();
        for place in under {
            while self.lacks(draft, place) > 0 && self.pull(draft, place, arrived, &mut spare) {}
        }
        let over: Vec<usize> =
            (0..draft.held.len()).filter(|it| self.excess(draft, *it) > 0).collect();
        for place in over {
            while self.excess(draft, place) > 0 && self.push(draft, place, arrived) {}
        }
    }

    /// The zone members are in, where it matters.
    fn lane(&self, member: &Member) -> u32 {
        if self.is_by_zone { member.zone } else { 0 }
    }

    fn lacks(&self, draft: &Draft<'_>, place: usize) -> u64 {
        self.shares.under(place, draft.held[place])
    }

    fn excess(&self, draft: &Draft<'_>, place: usize) -> u64 {
        self.shares.over(place, draft.held[place])
    }

    /// Bytes a member can give without coming to lack any.
    fn spare(&self, draft: &Draft<'_>, place: usize) -> u64 {
        match draft.layout.members()[place].part {
            Part::Keeps => 0,
            _ => draft.held[place].saturating_sub(self.shares.lo[place]),
        }
    }

    fn pull(
        &self,
        draft: &mut Draft<'_>,
        place: usize,
        arrived: &mut [Vec<u32>],
        spare: &mut BTreeMap<u32, Spare>,
    ) -> bool {
        let lack = self.lacks(draft, place);
        let of_each = LOOKED_AT.div_ceil(spare.len());
        let own = self.lane(&draft.layout.members()[place]);
        // Those of its own zone are always allowed to give, so that enough of them are asked.
        let of_lane = |(lane, spare): (&u32, &'_ Spare)| {
            let most = if *lane == own { LOOKED_AT } else { of_each };
            spare.iter().take(most).copied().collect::<Vec<_>>()
        };
        let is_open = |(lane, _): &(&u32, &Spare)| !self.is_closed || **lane == own;
        let looked_at = spare
            .iter()
            .filter(is_open)
            .flat_map(of_lane)
            .filter(|(_, donor)| *donor as usize != place);
        let offers = looked_at.filter_map(|(spare, donor)| {
            let own = self.offer(draft, self.residents.on(donor), donor, place, lack, spare.0);
            let come = self.offer(draft, &arrived[donor as usize], donor, place, lack, spare.0);
            own.into_iter().chain(come).min()
        });
        let Some((_, _, replica)) = offers.min() else { return false };
        let from = draft.at[replica] as usize;
        let before = [from, place].map(|it| (Reverse(self.spare(draft, it)), small(it)));
        move_over(draft, replica, small(place), arrived);
        let after = [from, place].map(|it| (Reverse(self.spare(draft, it)), small(it)));
        for (before, after) in before.iter().zip(after) {
            let lane = self.lane(draft.layout.member(after.1));
            let of_zone = spare.entry(lane).or_default();
            of_zone.remove(before);
            of_zone.insert(after);
        }
        true
    }

    /// The best of a donor's replicas, sorted by size, for a member that lacks so much: the smallest that is enough, or
    /// else the largest there is. `spare` is what the donor can give.
    fn offer(
        &self,
        draft: &Draft<'_>,
        replicas: &[u32],
        donor: u32,
        place: usize,
        lack: u64,
        spare: u64,
    ) -> Option<Offer> {
        let most = spare.min(self.shares.hi[place].saturating_sub(draft.held[place]));
        let bytes = |it: &u32| draft.bytes(*it as usize);
        let is_there = |it: &&u32| draft.at[**it as usize] == donor;
        let fits = |it: &&u32| {
            (1..=most).contains(&bytes(it)) && draft.may_go(self.rule, **it as usize, small(place))
        };
        let enough = replicas.partition_point(|it| bytes(it) >= lack);
        let after = replicas.partition_point(|it| bytes(it) > most);
        let large = replicas[after.min(enough)..enough]
            .iter()
            .rev()
            .filter(is_there)
            .take(TRIED)
            .find(fits);
        let best =
            large.or_else(|| replicas[enough..].iter().filter(is_there).take(TRIED).find(fits))?;
        let (replica, bytes) = (*best as usize, i128::from(bytes(best)));
        let more = if draft.home(replica) == small(place) {
            -bytes
        } else if draft.is_moved(replica) {
            0
        } else {
            bytes
        };
        // What is still missing then has to come from elsewhere, at no less than its size.
        let missing = (i128::from(lack) - bytes).max(0);
        Some((more + 4 * missing, (i128::from(lack) - bytes).unsigned_abs(), replica))
    }

    fn push(&self, draft: &mut Draft<'_>, place: usize, arrived: &mut [Vec<u32>]) -> bool {
        let excess = self.excess(draft, place);
        let own = self.residents.on(small(place)).iter().chain(&arrived[place]);
        let here = own.map(|it| *it as usize).filter(|it| draft.at[*it] as usize == place);
        let mut replicas: Vec<usize> = here.collect();
        let spare = self.spare(draft, place);
        replicas.retain(|it| draft.bytes(*it) <= spare && draft.bytes(*it) > 0);
        replicas.sort_unstable_by_key(|it| {
            let bytes = draft.bytes(*it);
            (bytes < excess, excess.abs_diff(bytes), *it)
        });
        let mut takers: Vec<(Reverse<u64>, usize)> = (0..draft.held.len())
            .filter(|it| *it != place)
            .map(|it| (Reverse(self.shares.hi[it].saturating_sub(draft.held[it])), it))
            .filter(|(room, it)| room.0 > 0 && draft.layout.members()[*it].part == Part::Shares)
            .collect();
        takers.sort_unstable();
        for replica in replicas {
            let fits = |room: u64| room >= draft.bytes(replica);
            let mut all = takers.iter().take(LOOKED_AT).filter(|(room, _)| fits(room.0));
            let to = all.find(|(_, to)| draft.may_go(self.rule, replica, small(*to)));
            if let Some((_, to)) = to {
                move_over(draft, replica, small(*to), arrived);
                return true;
            }
        }
        false
    }
}

/// Sends a replica on, and keeps the lists of what arrived.
fn move_over(draft: &mut Draft<'_>, replica: usize, to: u32, arrived: &mut [Vec<u32>]) {
    let (from, own) = (draft.at[replica] as usize, small(replica));
    arrived[from].retain(|it| *it != own);
    draft.send(replica, to);
    if draft.is_moved(replica) {
        arrive(draft, replica, &mut arrived[to as usize]);
    }
}

/// Adds a replica to those that are to come to a member, the largest first.
pub(super) fn arrive(draft: &Draft<'_>, replica: usize, arrived: &mut Vec<u32>) {
    let bytes = draft.bytes(replica);
    let place = arrived.partition_point(|it| draft.bytes(*it as usize) >= bytes);
    arrived.insert(place, small(replica));
}
