//! What new groups are placed by elsewhere, restated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::layout::Layout;
use db_engine::placement::spread::NewGroups;

use crate::meter::{Random, timed};

/// Places groups, or says why it did not end.
pub(super) type Rival = fn(&Layout, &NewGroups, f64) -> Result<Vec<u32>, String>;

/// As many best plans are kept by IoTDB, of which one is drawn.
const PLANS: usize = 10;
/// Groups placed between two looks at the clock.
const AT_ONCE: usize = 8;

/// The least loaded members first, ties to the first: what a loop would do.
pub(super) fn least_loaded(
    layout: &Layout,
    wanted: &NewGroups,
    _: f64,
) -> Result<Vec<u32>, String> {
    let per_zone = Rule::of(layout, wanted.apart).per_zone(wanted.replicas);
    let mut heap: BinaryHeap<Reverse<(u32, u32)>> =
        (0..).zip(layout.members()).map(|(place, _)| Reverse((0, place))).collect();
    let mut holders = Vec::with_capacity((wanted.groups * wanted.replicas) as usize);
    for _ in 0..wanted.groups {
        let start = holders.len();
        let mut passed = Vec::new();
        while holders.len() < start + wanted.replicas as usize {
            let Some(Reverse((count, member))) = heap.pop() else { break };
            let zone = layout.member(member).zone;
            let beside = holders[start..].iter().filter(|it| layout.member(**it).zone == zone);
            if beside.count() < per_zone as usize {
                holders.push(member);
                passed.push(Reverse((count + 1, member)));
            } else {
                passed.push(Reverse((count, member)));
            }
        }
        heap.extend(passed);
    }
    Ok(holders)
}

/// IoTDB's `GreedyCopySetRegionGroupAllocator`, from its description: members in the order of
/// (groups, groups of this database, scatter width, chance); all sets of so many members are
/// searched in depth for the least (sum of groups, sum of groups of the database, sum of shared
/// groups), and one of at most ten best ones is drawn. The pairs are counted up rather than anew
/// for each group, which is kinder than the original. It knows no zones.
pub(super) fn copysets(
    layout: &Layout,
    wanted: &NewGroups,
    longest: f64,
) -> Result<Vec<u32>, String> {
    if wanted.apart == Apart::Zones {
        return Err("knows no zones".to_owned());
    }
    let members = layout.members().len();
    let mut search = Search {
        counts: vec![0; members],
        shared: vec![0; members * members],
        width: vec![0; members],
        order: (0..).zip(layout.members()).map(|(place, _)| place).collect(),
        size: wanted.replicas as usize,
        chosen: Vec::new(),
        best: (u64::MAX, u64::MAX),
        plans: Vec::new(),
    };
    let mut random = Random(u64::from(wanted.groups));
    let mut holders = Vec::with_capacity((wanted.groups * wanted.replicas) as usize);
    let mut took = 0.0;
    while holders.len() < wanted.groups as usize * search.size {
        if took > longest {
            return Err(format!("{} groups in {:.0} s", holders.len() / search.size, took / 1e3));
        }
        let left = wanted.groups as usize - holders.len() / search.size;
        let some = || (0..left.min(AT_ONCE)).flat_map(|_| search.next(&mut random)).collect();
        let (more, more_took): (Vec<u32>, f64) = timed(some);
        holders.extend(more);
        took += more_took;
    }
    Ok(holders)
}

/// What the search knows. All groups are of one database, so that its count is that of all.
struct Search {
    counts: Vec<u64>,
    /// How many groups each two members share, row by row.
    shared: Vec<u32>,
    /// With how many others each member shares some.
    width: Vec<u32>,
    order: Vec<u32>,
    size: usize,
    chosen: Vec<u32>,
    best: (u64, u64),
    plans: Vec<Vec<u32>>,
}

impl Search {
    fn next(&mut self, random: &mut Random) -> Vec<u32> {
        let mut keyed: Vec<(u64, u32, u64, u32)> = (0..)
            .zip(&self.counts)
            .map(|(place, count)| (*count, self.width[place as usize], random.next(), place))
            .collect();
        keyed.sort_unstable();
        self.order = keyed.into_iter().map(|it| it.3).collect();
        self.best = (u64::MAX, u64::MAX);
        self.plans.clear();
        self.deeper(0, 0, 0);
        let plan = self.plans.swap_remove((random.next() % self.plans.len() as u64) as usize);
        self.note(&plan);
        plan
    }

    /// Tries all members from one on, in order; true where enough plans are found.
    fn deeper(&mut self, from: usize, sum: u64, pairs: u64) -> bool {
        if self.chosen.len() == self.size {
            if (sum, pairs) < self.best {
                self.best = (sum, pairs);
                self.plans.clear();
            }
            self.plans.push(self.chosen.clone());
            return self.plans.len() >= PLANS && self.best.1 == 0;
        }
        for at in from..self.order.len() {
            let member = self.order[at];
            let count = self.counts[member as usize];
            let left = (self.size - self.chosen.len()) as u64;
            if sum + left * count > self.best.0 {
                break;
            }
            let row = member as usize * self.counts.len();
            let more: u64 =
                self.chosen.iter().map(|it| u64::from(self.shared[row + *it as usize])).sum();
            let found = (sum + count, pairs + more);
            let is_worse =
                left == 1 && (found > self.best || found == self.best && self.plans.len() >= PLANS);
            if is_worse {
                continue;
            }
            self.chosen.push(member);
            let is_enough = self.deeper(at + 1, found.0, found.1);
            self.chosen.pop();
            if is_enough {
                return true;
            }
        }
        false
    }

    fn note(&mut self, plan: &[u32]) {
        for one in plan {
            self.counts[*one as usize] += 1;
            for other in plan.iter().filter(|it| *it != one) {
                let shared = &mut self.shared[*one as usize * self.counts.len() + *other as usize];
                self.width[*one as usize] += u32::from(*shared == 0);
                *shared += 1;
            }
        }
    }
}
