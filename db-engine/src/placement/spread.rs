//! Where new region groups go, so that every member has its share and the loss of any host is made
//! up for by many.
//!
//! Three steps. How many replicas each member takes is settled first (`quotas`): what it then has
//! is proportional to its weight, the old ones counted. Next the replicas are seated by
//! McNaughton's wrap-around rule (1959): all of them in one row by zone, host and member, wound
//! around the groups, so that nobody that takes at most one of each group ever meets itself, and no
//! host or zone is met more often than it may be (`seats`). So the rule is kept from the start,
//! and whatever is done later only ever exchanges two replicas where both groups stay lawful. The
//! last step is the choice that [`Width`] is: many exchanges for a wide spread, or blocks of
//! members for few sets.

mod copysets;
mod figures;
mod pairs;
mod quotas;
mod scatter;
mod seats;
mod terms;

use super::apart::Apart;
use super::layout::Layout;
pub use figures::{Figures, Recovery};
use terms::Terms;

/// The groups that are wanted. They are empty yet, so that the room members have is not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewGroups {
    /// How many.
    pub groups: u32,
    /// How many replicas each has.
    pub replicas: u32,
    /// How far apart these are to be.
    pub apart: Apart,
    /// With how many others a member is to share its groups.
    pub width: Width,
}

/// With how many others a member shares its groups. It cannot be had both ways (Cidon, Rumble,
/// Stutsman, Katti, Ousterhout and Rosenblum, "Copysets", USENIX ATC 2013): the more others help to
/// make up for a lost member, the more sets of members there are of which none may be lost at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// Any two members share as few groups as can be: a lost host is made up for from, and by, as
    /// many others as there are, each with as little to do as can be. Nearly every group is a set
    /// of its own, so that losing as many members at once as a group has replicas soon loses some
    /// group.
    #[default]
    Scatter,
    /// Few different sets of members. Losing members at once seldom meets a whole set, and then
    /// loses many groups; a lost member is made up for by no more than about `scatter_width`
    /// others.
    Copysets {
        /// With how many others each member shares groups: as many orders of the members are cut
        /// into sets as reach it, each of which adds one less than a group has replicas.
        scatter_width: u32,
    },
}

/// Where new groups go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    replicas: u32,
    /// The members of all groups, one group after another.
    holders: Vec<u32>,
    /// What that is worth.
    pub figures: Figures,
}

impl Spread {
    /// The members of each new group by their places, lowest first.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.holders.chunks_exact(self.replicas.max(1) as usize)
    }
}

/// Why groups cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWay {
    /// A group has no replica.
    #[error("a region group needs at least one replica")]
    Empty,
    /// There are more replicas than can be told apart, with those there are.
    #[error("{replicas} replicas in all are more than {} at once", u32::MAX)]
    TooMany {
        /// How many there would be.
        replicas: u64,
    },
    /// Too few members take replicas.
    #[error("{needed} replicas need {needed} members that take some, and there are {members}")]
    Members {
        /// How many take replicas.
        members: u32,
        /// How many replicas a group has.
        needed: u32,
    },
    /// Too few members are on different hosts.
    #[error(
        "{hosts} hosts with at most {per_host} replicas of a group each take {takes} of {needed}: \
         some have too few members"
    )]
    Hosts {
        /// How many hosts have members that take replicas.
        hosts: u32,
        /// How many replicas of a group one may have.
        per_host: u32,
        /// How many of a group all of them take.
        takes: u32,
        /// How many replicas a group has.
        needed: u32,
    },
    /// Too few members are in different zones.
    #[error(
        "{zones} zones with at most {per_zone} replicas of a group each take {takes} of {needed}: \
         some have too few members on different hosts"
    )]
    Zones {
        /// How many zones have members that take replicas.
        zones: u32,
        /// How many replicas of a group one may have.
        per_zone: u32,
        /// How many of a group all of them take.
        takes: u32,
        /// How many replicas a group has.
        needed: u32,
    },
    /// A host is said to be in two zones, and zones matter.
    #[error("host {host} has members in zones {zones:?}: a host is in one zone")]
    Torn {
        /// The host.
        host: u32,
        /// Two of its zones.
        zones: [u32; 2],
    },
}

/// Places new groups, beside those the layout has. The same input gives the same groups.
///
/// Each member ends with replicas in proportion to its weight, old ones counted, as near as the
/// rule of `apart` allows (the sum of count² / weight is the least there can be): where no rule
/// binds, members of one weight that take any end within one replica of each other. No two groups
/// are compared with all others: exchanges are tried a bounded number of times a group, and how
/// often a pair of members shares a group is in a table of its own. So repeated pairs are few and
/// not proven fewest; [`Figures::repeated_least`] says what cannot be gone below.
///
/// Time: `O(groups · replicas² + members · log weight)`, the memory of the pairs that share a
/// group.
///
/// # Errors
/// [`NoWay`], with what there is too little of.
pub fn spread(layout: &Layout, wanted: &NewGroups) -> Result<Spread, NoWay> {
    let terms = Terms::of(layout, wanted)?;
    let mut held = vec![0_u32; layout.members().len()];
    for holder in layout.all_holders() {
        held[*holder as usize] += 1;
    }
    let quotas = quotas::quotas(layout, &terms, wanted.groups, &held);
    let mut holders = match wanted.width {
        _ if wanted.groups == 0 => Vec::new(),
        Width::Scatter => scatter::scatter(layout, &terms, wanted.groups, &quotas),
        Width::Copysets { scatter_width } => {
            copysets::copysets(&terms, wanted.groups, &quotas, scatter_width)
        }
    };
    for group in holders.chunks_exact_mut(terms.replicas as usize) {
        group.sort_unstable();
    }
    let figures = figures::figures(layout, &terms, &holders);
    Ok(Spread { replicas: wanted.replicas, holders, figures })
}

/// What groups would be worth that were placed in any way: their members by place, one group after
/// another.
///
/// # Errors
/// [`NoWay`]: there is no way to place such groups.
pub fn judge(layout: &Layout, wanted: &NewGroups, holders: &[u32]) -> Result<Figures, NoWay> {
    let terms = Terms::of(layout, wanted)?;
    let mut sorted = holders.to_vec();
    for group in sorted.chunks_exact_mut(terms.replicas as usize) {
        group.sort_unstable();
    }
    Ok(figures::figures(layout, &terms, &sorted))
}

/// Numbers that look drawn and are the same each time (splitmix64; Steele, Lea and Flood 2014).
struct Mixed(u64);

impl Mixed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below another, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        let wide = u128::from(self.next()) * end as u128;
        (wide >> 64) as usize
    }
}

fn mix(mut mixed: u64) -> u64 {
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
