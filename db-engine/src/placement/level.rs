//! Shares in proportion to weight, where nobody gets more than it can have.

/// What is shared out among those that are not full: so much for each unit of weight, as a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) whole: u128,
    pub(super) weights: u128,
}

/// One that something is shared out to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// How large its share is, beside the others'.
    pub(super) weight: u64,
    /// The most it can have.
    pub(super) most: u64,
}

impl Level {
    /// The level at which these have all of `whole`: what is beyond the most that one can have goes to the others.
    /// Without weight, nothing is had. Where all are full, no weight is left.
    pub(super) fn of(claims: impl Iterator<Item = Claim>, whole: u128) -> Self {
        let mut order: Vec<Claim> = claims.filter(|claim| claim.weight > 0).collect();
        // By the level at which each is full: the most over the weight, compared crosswise.
        order.sort_by(|one, other| {
            let scaled = |it: &Claim, by: &Claim| u128::from(it.most) * u128::from(by.weight);
            scaled(one, other).cmp(&scaled(other, one))
        });
        let weights = order.iter().map(|claim| u128::from(claim.weight)).sum();
        let mut level = Self { whole, weights };
        for claim in order {
            let (most, weight) = (u128::from(claim.most), u128::from(claim.weight));
            if most * level.weights >= level.whole * weight {
                break;
            }
            level.whole -= most;
            level.weights -= weight;
        }
        level
    }
}
