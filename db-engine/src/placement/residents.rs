//! The replicas of each member, largest first.

use super::layout::Layout;
use crate::placement::small;

/// The replicas of each member, by its place: one list, cut where each member's begin.
#[derive(Clone, Debug)]
pub(super) struct Residents {
    starts: Vec<u32>,
    replicas: Vec<u32>,
}

impl Residents {
    /// The replicas of those members that are asked for. Time: that of sorting them.
    pub(super) fn of(layout: &Layout, asked: impl Fn(u32) -> bool) -> Self {
        let members = layout.members().len();
        let mut starts = vec![0_u32; members + 1];
        let all = || layout.all_holders().iter().enumerate().filter(|(_, holder)| asked(**holder));
        for (_, holder) in all() {
            starts[*holder as usize + 1] += 1;
        }
        for member in 0..members {
            starts[member + 1] += starts[member];
        }
        let mut next = starts.clone();
        let mut replicas = vec![0_u32; starts[members] as usize];
        for (place, holder) in all() {
            let next = &mut next[*holder as usize];
            replicas[*next as usize] = small(place);
            *next += 1;
        }
        let mut sized: Vec<(std::cmp::Reverse<u64>, u32)> = Vec::new();
        for member in 0..members {
            let here = &mut replicas[starts[member] as usize..starts[member + 1] as usize];
            let bytes = |replica: &u32| layout.all_bytes()[*replica as usize];
            sized.clear();
            sized.extend(here.iter().map(|it| (std::cmp::Reverse(bytes(it)), *it)));
            sized.sort_unstable();
            for (replica, (_, sorted)) in here.iter_mut().zip(&sized) {
                *replica = *sorted;
            }
        }
        Self { starts, replicas }
    }

    /// A member's replicas, the largest first.
    pub(super) fn on(&self, member: u32) -> &[u32] {
        let member = member as usize;
        &self.replicas[self.starts[member] as usize..self.starts[member + 1] as usize]
    }
}
