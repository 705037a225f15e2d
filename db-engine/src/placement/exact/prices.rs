//! What has to move at least, by prices: the Lagrangian bound.
//!
//! Source: Held and Karp 1971; the step is Polyak's 1969. Any prices of groups give a bound: each seat takes the set
//! that is cheapest by them, and what is asked of groups all together pays for it. All is integers, so that the bound is
//! no estimate.

use super::problem::{Problem, bits};
use super::work::Work;

/// Parts of a byte prices are told in.
pub(super) const FINE: i64 = 16;

/// The largest price: 64 of four of them are still a number.
const MOST: i128 = 1 << 54;

/// Steps without a better bound after which they become half as long; lengths are in 1024ths.
const PATIENCE: usize = 6;
const LENGTH: i128 = 1024;

/// Prices of groups, and of a place for each in each lane.
#[derive(Clone, Debug)]
pub(super) struct Prices {
    groups: Vec<i64>,
    lanes: Vec<Vec<i64>>,
}

/// The best sets known, and what moves then: only less is of interest.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) less_than: Option<u64>,
    pub(super) sets: Option<Vec<u64>>,
}

impl Best {
    /// The most a better placement moves, in parts of a byte.
    pub(super) fn most(&self, problem: &Problem) -> i128 {
        let most = |less: u64| i128::from(less) - i128::from(problem.grain);
        let total = || i128::from(problem.total());
        self.less_than.map_or_else(total, most) * i128::from(FINE)
    }

    /// Takes sets that are lawful together, if less moves.
    pub(super) fn take(&mut self, problem: &Problem, sets: Vec<u64>) {
        let moved = problem.moved(&sets);
        if self.less_than.is_none_or(|less| moved < less) {
            *self = Self { less_than: Some(moved), sets: Some(sets) };
        }
    }
}

/// What prices say: the bound, and the cheapest set of each seat with its price.
struct Said {
    bound: i128,
    cheapest: Vec<(i64, u64)>,
}

impl Prices {
    pub(super) fn of(problem: &Problem) -> Self {
        let none = vec![0; problem.groups.len()];
        Self { lanes: vec![none.clone(); problem.lanes.len()], groups: none }
    }

    /// What it costs a seat to hold each group, in parts of a byte.
    pub(super) fn costs(&self, problem: &Problem, seat: usize) -> [i64; 64] {
        let mut costs = [0; 64];
        let home = problem.seats[seat].home;
        for (at, size) in problem.sizes.iter().enumerate() {
            let way = if home >> at & 1 == 1 { 0 } else { i64::try_from(*size).unwrap_or(0) };
            let lanes = problem.lanes_of[seat].iter().map(|lane| self.lanes[*lane][at]);
            costs[at] = way * FINE - self.groups[at] + lanes.sum::<i64>();
        }
        costs
    }

    /// Leaves out sets that are in no placement better than the best one, with prices that get better on the way.
    /// False if no placement is left.
    pub(super) fn cut(
        &mut self,
        problem: &Problem,
        live: &mut [Vec<u64>],
        best: &mut Best,
        steps: usize,
        work: &mut Work,
    ) -> bool {
        let (mut length, mut waited) = (LENGTH, 0);
        let mut kept = (i128::MIN, self.clone());
        for _ in 0..steps {
            let Some(said) = self.say(problem, live, work) else { return false };
            if said.bound > best.most(problem) {
                return false;
            }
            waited += 1;
            if said.bound > kept.0 {
                (kept, waited) = ((said.bound, self.clone()), 0);
            } else if waited > PATIENCE {
                (length, waited) = (length / 2, 0);
            }
            let is_over = !self.step(problem, &said, best, length);
            if is_over || length == 0 || work.left() == 0 {
                break;
            }
        }
        if kept.0 > best.most(problem) {
            return false;
        }
        *self = kept.1;
        self.drop_dear(problem, live, best)
    }

    fn say(&self, problem: &Problem, live: &[Vec<u64>], work: &mut Work) -> Option<Said> {
        let mut bound = 0;
        for at in 0..problem.groups.len() {
            bound += i128::from(self.groups[at]) * i128::from(problem.wanted[at]);
            for (lane, prices) in problem.lanes.iter().zip(&self.lanes) {
                bound -= i128::from(prices[at]) * i128::from(lane.most[at]);
            }
        }
        let mut cheapest = Vec::with_capacity(live.len());
        for (seat, sets) in live.iter().enumerate() {
            work.spend(sets.len() + problem.groups.len());
            let costs = self.costs(problem, seat);
            let least = sets.iter().map(|set| (cost(&costs, *set), *set)).min()?;
            bound += i128::from(least.0);
            cheapest.push(least);
        }
        Some(Said { bound, cheapest })
    }

    /// Prices rise of what too few took, and fall of what too many did. False if just enough did.
    fn step(&mut self, problem: &Problem, said: &Said, best: &mut Best, length: i128) -> bool {
        let took = |seats: &mut dyn Iterator<Item = usize>, at: usize| {
            seats.map(|seat| i128::from(said.cheapest[seat].1 >> at & 1)).sum::<i128>()
        };
        let mut short: Vec<i128> = Vec::with_capacity(problem.groups.len());
        for at in 0..problem.groups.len() {
            let all = took(&mut (0..problem.seats.len()), at);
            short.push(i128::from(problem.wanted[at]) - all);
        }
        let mut over: Vec<Vec<i128>> = Vec::with_capacity(problem.lanes.len());
        let mut is_lawful = short.iter().all(|short| *short == 0);
        for (lane, prices) in problem.lanes.iter().zip(&self.lanes) {
            let over_in =
                |at: usize| took(&mut lane.seats.iter().copied(), at) - i128::from(lane.most[at]);
            let all: Vec<i128> = (0..problem.groups.len()).map(over_in).collect();
            is_lawful &= all.iter().all(|over| *over <= 0);
            let counts = |(over, price): (i128, &i64)| if *price == 0 { over.max(0) } else { over };
            over.push(all.into_iter().zip(prices).map(counts).collect());
        }
        if is_lawful {
            best.take(problem, said.cheapest.iter().map(|it| it.1).collect());
        }
        let norm: i128 = short.iter().chain(over.iter().flatten()).map(|it| it * it).sum();
        if norm == 0 {
            return false;
        }
        let step = ((best.most(problem) - said.bound) * length / (LENGTH * norm)).max(1);
        let next = |price: i64, by: i128, least: i128| {
            let next = (i128::from(price) + step.saturating_mul(by)).clamp(least, MOST);
            i64::try_from(next).unwrap_or(0)
        };
        for (price, by) in self.groups.iter_mut().zip(short) {
            *price = next(*price, by, -MOST);
        }
        for (price, by) in self.lanes.iter_mut().flatten().zip(over.into_iter().flatten()) {
            *price = next(*price, by, 0);
        }
        true
    }

    /// Leaves out sets with which the bound alone is too much.
    fn drop_dear(&self, problem: &Problem, live: &mut [Vec<u64>], best: &Best) -> bool {
        let mut unlimited = Work::of(u64::MAX, 0);
        let Some(said) = self.say(problem, live, &mut unlimited) else { return false };
        let slack = best.most(problem) - said.bound;
        for (seat, sets) in live.iter_mut().enumerate() {
            let costs = self.costs(problem, seat);
            let least = i128::from(said.cheapest[seat].0);
            sets.retain(|set| i128::from(cost(&costs, *set)) - least <= slack);
        }
        slack >= 0
    }
}

/// What a set costs.
pub(super) fn cost(costs: &[i64; 64], set: u64) -> i64 {
    bits(set).map(|at| costs[at]).sum()
}
