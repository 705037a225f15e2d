//! Numbers as if drawn, the same each time.

/// Splitmix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Draws(u64);

impl Draws {
    /// A number below another; none for none.
    pub(in super::super) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % most.max(1) as u64).unwrap_or(0)
    }

    /// So many of a list, or all of them, in no order.
    pub(super) fn some<T: Copy>(&mut self, of: &[T], count: usize) -> Vec<T> {
        let mut all = of.to_vec();
        for at in 0..count.min(all.len()) {
            let other = at + self.below(all.len() - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}
