//! What new members take over by themselves: no history is moved, old partitions expire and new
//! ones are spread.
//!
//! Assumed are that partitions are equal, that each is written as a whole at its interval, that new
//! ones are spread evenly by weight over all members that take, and that what is held now was
//! written evenly over the retention, so that it expires evenly.
//!
//! Closed form, no simulation: by these assumptions every member's distance from its share,
//! relative to that, shrinks by the same factor, so that the one furthest above and the one
//! furthest below stay that, and the first partition after which both are near enough is found by
//! bisection. Exact integers: products of 256 bits are compared where 128 are not enough. Where
//! only old bytes expire by a fraction of a byte, that is rounded in what is shown and not in what
//! is compared.
//!
//! `O(members + log partitions)` time, and `O(members)` for each row that is shown.

use std::cmp::Ordering;

/// Rows that are shown at most, the first and the last one with them.
pub const ROWS_MAX: usize = 64;
/// Bytes there may be at one time and in one partition, and partitions that are looked at.
const MOST: u64 = 1 << 62;

/// A member at the time it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Bytes it holds.
    pub bytes: u64,
    /// How large a share of each new partition it takes, in any unit all have; 0 if it takes none.
    pub weight: u64,
    /// Whether it is new, for [`Row::share_of_new`].
    pub is_new: bool,
}

/// What is written, and for how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of one partition, all replicas together.
    pub partition_bytes: u64,
    /// How many partitions are kept, at least one; none if all are for ever.
    pub kept: Option<u32>,
    /// Seconds from one partition to the next.
    pub interval: u64,
    /// How far from its share a member in balance may be, in thousandths of the share.
    pub tolerance: u32,
}

/// What is held after some partitions. Shares are those of the members that take, of what these
/// hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// How many partitions were written by then.
    pub partitions: u64,
    /// Bytes on all members, also those that take none.
    pub bytes: u128,
    /// What new members have of these, in thousandths, rounded down.
    pub share_of_new: u32,
    /// What the member furthest above its share has, in thousandths of the share, rounded up. With
    /// equal weights that is the largest load over the mean.
    pub most: u64,
    /// What the member furthest below its share has, in thousandths of the share, rounded down.
    pub least: u64,
}

/// What comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// From now to the balance, at most [`ROWS_MAX`]: each partition, or some at nearly equal
    /// distances. Where there is never a balance, to when all that is held now has expired, or the
    /// first ones if nothing does. None where [`Never::TooMuch`] or [`Never::NobodyTakes`] holds.
    pub rows: Vec<Row>,
    /// After how many partitions all members that take have their shares, and go on having them; or
    /// why they never have.
    pub balanced_after: Result<u64, Never>,
    /// The same in seconds; none if never, or if it is more than can be counted.
    pub balanced_seconds: Option<u64>,
}

/// Why members never have their shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Never {
    /// Nobody takes any.
    #[error("no member takes new partitions")]
    NobodyTakes,
    /// Nothing is written.
    #[error("nothing is written: only moving regions changes which part of all a member holds")]
    NothingWritten,
    /// All is kept for ever, and no tolerance is left for old bytes to be outweighed.
    #[error(
        "nothing expires and an exact balance is asked for: new bytes outweigh old ones and never \
         undo them"
    )]
    Exact,
    /// It takes more partitions than are looked at.
    #[error("nothing expires, and to outweigh what is held takes more than {MOST} partitions")]
    TooLong,
    /// There are more bytes than are reckoned with.
    #[error("more than {MOST} bytes are held, or written at a time")]
    TooMuch,
}

/// What new partitions and expiry do to who holds what.
///
/// ```
/// use db_engine::placement::forecast::{Flow, Holder, forecast};
/// let old = Holder { bytes: 100, weight: 1, is_new: false };
/// let new = Holder { bytes: 0, weight: 1, is_new: true };
/// let flow = Flow { partition_bytes: 20, kept: Some(5), interval: 604_800, tolerance: 0 };
/// let comes = forecast(&[old, new], &flow);
/// assert_eq!(comes.balanced_after, Ok(5));
/// assert_eq!(comes.rows[1].share_of_new, 100);
/// ```
pub fn forecast(members: &[Holder], flow: &Flow) -> Forecast {
    let begin = match Begin::of(members, flow) {
        Ok(begin) => begin,
        Err(never) => {
            let (rows, balanced_seconds) = (Vec::new(), None);
            return Forecast { rows, balanced_after: Err(never), balanced_seconds };
        }
    };
    let balanced_after = begin.balanced_after(flow.tolerance);
    let for_ever = ROWS_MAX as u64 - 1;
    let end = balanced_after.unwrap_or_else(|_| flow.kept.map_or(for_ever, |it| it.max(1).into()));
    let last = end.min(for_ever);
    let place = |at: u64| u128::from(end) * u128::from(at) / u128::from(last.max(1));
    let rows = (0..=last).map(|at| begin.row(u64::try_from(place(at)).unwrap_or(end))).collect();
    let balanced_seconds = balanced_after.ok().and_then(|it| it.checked_mul(flow.interval));
    Forecast { rows, balanced_after, balanced_seconds }
}

/// How far a member is from its share at first: so many bytes times the whole, for its part of
/// that.
#[derive(Clone, Copy)]
struct Distance {
    bytes: u128,
    part: u128,
}

/// What is known at the time it begins.
struct Begin<'a> {
    members: &'a [Holder],
    kept: Option<u64>,
    partition: u128,
    /// What each member has of each partition.
    parts: Vec<u64>,
    /// What members that take hold at first.
    held: u128,
    above: Option<Distance>,
    below: Option<Distance>,
}

impl<'a> Begin<'a> {
    fn of(members: &'a [Holder], flow: &Flow) -> Result<Self, Never> {
        let all: u128 = members.iter().map(|it| u128::from(it.bytes)).sum();
        if all > u128::from(MOST) || flow.partition_bytes > MOST {
            return Err(Never::TooMuch);
        }
        let weights: u128 = members.iter().map(|it| u128::from(it.weight)).sum();
        if weights == 0 {
            return Err(Never::NobodyTakes);
        }
        let takes = || members.iter().filter(|it| it.weight > 0);
        let held = takes().map(|it| u128::from(it.bytes)).sum();
        let parts = parts(members, flow.partition_bytes);
        // Where nothing is written there still are shares: those anything would be parted by.
        let whole = if flow.partition_bytes == 0 { MOST } else { flow.partition_bytes };
        let shares =
            if flow.partition_bytes == 0 { self::parts(members, MOST) } else { parts.clone() };
        let (mut above, mut below) = (None, None);
        for (member, share) in members.iter().zip(shares).filter(|(_, share)| *share > 0) {
            let part = u128::from(share);
            let (has, due) = (u128::from(member.bytes) * u128::from(whole), held * part);
            let here = Distance { bytes: has.abs_diff(due), part };
            let furthest = if has > due { &mut above } else { &mut below };
            let is_further = |it: Distance| {
                cmp_products((here.bytes, it.part), (it.bytes, here.part)) == Ordering::Greater
            };
            if here.bytes > 0 && furthest.is_none_or(is_further) {
                *furthest = Some(here);
            }
        }
        let kept = flow.kept.map(|it| u64::from(it.max(1)));
        let partition = u128::from(flow.partition_bytes);
        Ok(Self { members, kept, partition, parts, held, above, below })
    }

    /// The first partition after which all are within a tolerance.
    fn balanced_after(&self, tolerance: u32) -> Result<u64, Never> {
        let holds = |partitions: u64| {
            let far = [self.above, self.below].into_iter().flatten();
            far.into_iter().all(|it| self.is_within(it, partitions, tolerance.into()))
        };
        if holds(0) {
            return Ok(0);
        }
        if self.partition == 0 {
            return Err(Never::NothingWritten);
        }
        if self.kept.is_none() && tolerance == 0 {
            return Err(Never::Exact);
        }
        let (mut low, mut high) = (0, self.kept.unwrap_or(MOST));
        if !holds(high) {
            return Err(Never::TooLong);
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            (low, high) = if holds(middle) { (low, middle) } else { (middle, high) };
        }
        Ok(high)
    }

    /// Whether a distance is within so many thousandths of the share after some partitions.
    ///
    /// With `k` partitions kept, of which `t` are new, old bytes are `(k − t) / k` of what they
    /// were, and so is the distance; the share is the member's part of old bytes and `t`
    /// partitions. Both sides are multiplied by `k`.
    fn is_within(&self, far: Distance, partitions: u64, thousandths: u64) -> bool {
        let (left, kept, new) = match self.kept {
            None => (1, 1, u128::from(partitions)),
            Some(kept) => {
                let new = partitions.min(kept);
                (u128::from(kept - new), u128::from(kept), u128::from(new))
            }
        };
        let all = self.held * left + self.partition * new * kept;
        cmp_products((far.bytes, 1000 * left), (all, u128::from(thousandths) * far.part))
            != Ordering::Greater
    }

    /// The fewest thousandths a distance is within.
    fn thousandths(&self, far: Option<Distance>, partitions: u64) -> u64 {
        let Some(far) = far else { return 0 };
        let (mut low, mut high) = (0, MOST);
        while low < high {
            let middle = low.midpoint(high);
            let is_within = self.is_within(far, partitions, middle);
            (low, high) = if is_within { (low, middle) } else { (middle + 1, high) };
        }
        high
    }

    fn row(&self, partitions: u64) -> Row {
        let (mut bytes, mut new) = (0_u128, 0_u128);
        for (member, part) in self.members.iter().zip(&self.parts) {
            let holds = self.holds(member, *part, partitions);
            bytes += holds;
            new += if member.is_new { holds } else { 0 };
        }
        let share =
            new.checked_mul(1000).map_or(new / (bytes / 1000).max(1), |it| it / bytes.max(1));
        let below = self.thousandths(self.below, partitions);
        Row {
            partitions,
            bytes,
            share_of_new: u32::try_from(share.min(1000)).unwrap_or(1000),
            most: self.thousandths(self.above, partitions) + 1000,
            least: 1000_u64.saturating_sub(below),
        }
    }

    /// What a member holds after some partitions, a byte that expires in part not counted as gone.
    fn holds(&self, member: &Holder, part: u64, partitions: u64) -> u128 {
        let (old, part) = (u128::from(member.bytes), u128::from(part));
        let Some(kept) = self.kept else { return old + part * u128::from(partitions) };
        let new = u128::from(partitions.min(kept));
        old - old * new / u128::from(kept) + part * new
    }
}

/// What each member has of so many bytes, by weight, to a byte; all of them together.
fn parts(members: &[Holder], bytes: u64) -> Vec<u64> {
    let all: u128 = members.iter().map(|it| u128::from(it.weight)).sum();
    // Sums of weights that do not leave room for the product are shortened.
    let shift = (u128::BITS - all.leading_zeros()).saturating_sub(64);
    let whole = (all >> shift).max(1);
    let (mut weights, mut before) = (0_u128, 0);
    let part = |member: &Holder| {
        weights += u128::from(member.weight);
        let up_to = u64::try_from(u128::from(bytes) * (weights >> shift) / whole);
        let part = up_to.unwrap_or(bytes) - before;
        before += part;
        part
    };
    members.iter().map(part).collect()
}

/// Compares two products, exactly.
fn cmp_products(one: (u128, u128), other: (u128, u128)) -> Ordering {
    product(one.0, one.1).cmp(&product(other.0, other.1))
}

/// The upper and the lower half of a product.
fn product(one: u128, other: u128) -> (u128, u128) {
    let halves = |it: u128| (it >> 64, it & u128::from(u64::MAX));
    let ((a, b), (c, d)) = (halves(one), halves(other));
    let (low, high) = (b * d, a * c);
    let (middle, carried) = (a * d).overflowing_add(b * c);
    let (low, carry) = low.overflowing_add(middle << 64);
    (high + (middle >> 64) + (u128::from(carried) << 64) + u128::from(carry), low)
}
