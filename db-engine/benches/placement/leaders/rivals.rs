//! What a loop over all groups would do.

use db_engine::placement::layout::Layout;

/// The leader each group has.
pub(super) fn current(layout: &Layout) -> Vec<u32> {
    let groups = 0..u32::try_from(layout.group_count()).unwrap_or(u32::MAX);
    groups.filter_map(|group| layout.leader(group)).collect()
}

/// Each group, one after the other, to the holder that leads fewest so far.
pub(super) fn greedy(layout: &Layout) -> Vec<u32> {
    let mut leads = vec![0_u32; layout.members().len()];
    let mut choose = |group: u32| {
        let holders = layout.holders(group).iter().copied();
        let leader = holders.min_by_key(|it| (leads[*it as usize], *it)).unwrap_or_default();
        leads[leader as usize] += 1;
        leader
    };
    (0..u32::try_from(layout.group_count()).unwrap_or(u32::MAX)).map(&mut choose).collect()
}
