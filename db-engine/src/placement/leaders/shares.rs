//! How many leads each member is due, of the whole cluster and of each database.

use crate::placement::layout::Layout;
use crate::placement::level::{Claim, Level};
use crate::placement::small;

use super::able::{Able, weight};

/// What leads are due: whole ones at least, and one more where the share is not whole.
pub(super) struct Shares {
    /// Of each pair.
    pub(super) of_pair: Vec<Share>,
    /// Of each member.
    pub(super) of_member: Vec<Share>,
}

/// A share between two whole numbers that are neighbours, or at one.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    /// Whole leads in it.
    pub(super) floor: u32,
    /// Whether it is more than that.
    pub(super) has_rest: bool,
}

impl Share {
    /// The sum of the whole numbers it is between.
    pub(super) fn twice_the_middle(self) -> i64 {
        2 * i64::from(self.floor) + i64::from(self.has_rest)
    }
}

impl Shares {
    pub(super) fn of(layout: &Layout, able: &Able) -> Self {
        let members = layout.places();
        let claim =
            |member: u32, most: u32| Claim { weight: weight(layout, member), most: most.into() };
        let claims: Vec<Claim> = members.map(|it| claim(it, able.most_of_member(it))).collect();
        let wanted: Vec<bool> = claims.iter().map(|it| it.weight > 0).collect();
        let per_database = led_per_database(able, &wanted);
        let of_member = shared_out(&claims, per_database.iter().sum());
        let mut of_pair = Vec::with_capacity(able.members.len());
        for (ends, leads) in able.database_starts.windows(2).zip(per_database) {
            let pairs = ends[0]..ends[1];
            let of = |pair: u32| claim(able.members[pair as usize], able.most(pair));
            of_pair.extend(shared_out(&pairs.map(of).collect::<Vec<_>>(), leads));
        }
        Self { of_pair, of_member }
    }
}

/// How many groups of each database with pairs members of some weight can lead.
fn led_per_database(able: &Able, wanted: &[bool]) -> Vec<u64> {
    let mut leads = vec![0; able.database_starts.len() - 1];
    for row in 0..small(able.groups.len()) {
        let is_wanted = |pair: &&u32| wanted[able.members[**pair as usize] as usize];
        if let Some(pair) = able.row(row).iter().find(is_wanted) {
            leads[able.database_starts.partition_point(|start| start <= pair) - 1] += 1;
        }
    }
    leads
}

/// Shares in proportion to weight. What is beyond the most that one can have goes to the others.
fn shared_out(claims: &[Claim], leads: u64) -> Vec<Share> {
    let level = Level::of(claims.iter().copied(), leads.into());
    let weights = level.weights.max(1);
    let share = |claim: &Claim| {
        let due = level.whole * u128::from(claim.weight);
        let floor = due / weights;
        let has_rest = !due.is_multiple_of(weights) && floor < u128::from(leads);
        let floor = u32::try_from(floor.min(u128::from(leads))).unwrap_or(u32::MAX);
        Share { floor, has_rest }
    };
    claims.iter().map(share).collect()
}
