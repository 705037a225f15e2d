//! Water levels: down to which members give, and up to which others take, so that no more moves than has to.

use super::shares::Shares;

/// What each member is to give and to take, in bytes, by its place.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    pub(super) give: Vec<u64>,
    pub(super) take: Vec<u64>,
    /// The level others are filled up to: what each would hold at it.
    pub(super) level: Vec<u64>,
    /// Bytes that have to move at least: what is over the most that members are to hold, or what others lack of the
    /// least, whichever is more, of each member in whole multiples of what all sizes are multiples of; the sum over zones
    /// between which nothing can move.
    pub(super) bound: u64,
}

/// Parts of a share a level is told in.
const PARTS: u128 = 1 << 32;

impl Levels {
    /// The levels for bytes held, where what moves comes in multiples of a grain.
    ///
    /// Where members hold more than they may, they give just that, and it is poured onto the members with the least
    /// for their share, up to one level. Where others lack more, they take just what they lack, and it is skimmed from
    /// the members with the most for their share, down to one level. Either level is found by bisection.
    pub(super) fn of(held: &[u64], shares: &Shares, grain: u64) -> Self {
        let (mut give, mut take) = (vec![0; held.len()], vec![0; held.len()]);
        let mut at_level = vec![0; held.len()];
        let mut bound = 0_u128;
        for world in &shares.worlds {
            let places = || world.iter().map(|member| *member as usize);
            let over = |place: usize| shares.over(place, held[place]);
            let under = |place: usize| shares.under(place, held[place]);
            let sum = |of: &dyn Fn(usize) -> u64| places().map(|place| u128::from(of(place))).sum();
            let (excess, lack): (u128, u128) = (sum(&over), sum(&under));
            let whole = |of: &dyn Fn(usize) -> u64| {
                sum(&|place| of(place).div_ceil(grain)).saturating_mul(u128::from(grain))
            };
            bound += whole(&over).max(whole(&under));
            let part = |place: usize, level: u128| {
                let bytes = u128::from(shares.even[place]).saturating_mul(level) / PARTS;
                u64::try_from(bytes).unwrap_or(u64::MAX)
            };
            let within = |place: usize, level: u128| {
                part(place, level).max(shares.lo[place]).min(shares.hi[place])
            };
            let poured =
                |place: usize, level: u128| within(place, level).saturating_sub(held[place]);
            let skimmed =
                |place: usize, level: u128| held[place].saturating_sub(within(place, level));
            let up = lowest(|level| sum(&|place| poured(place, level)) >= excess);
            let down = lowest(|level| sum(&|place| skimmed(place, level)) <= lack);
            for place in places() {
                at_level[place] = part(place, up);
                give[place] = if excess >= lack { over(place) } else { skimmed(place, down) };
                take[place] = if excess >= lack { poured(place, up) } else { under(place) };
            }
        }
        Self { give, take, level: at_level, bound: u64::try_from(bound).unwrap_or(u64::MAX) }
    }
}

/// The lowest level at which something holds that holds at all higher ones.
fn lowest(holds: impl Fn(u128) -> bool) -> u128 {
    let (mut no, mut yes) = (0, PARTS);
    // Room may end far above an even share; a level of 2⁶³ shares is above any.
    while !holds(yes) && yes < 1 << 95 {
        yes *= 2;
    }
    while yes - no > 1 {
        let middle = u128::midpoint(no, yes);
        if holds(middle) { yes = middle } else { no = middle }
    }
    yes
}
