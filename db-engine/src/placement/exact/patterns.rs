//! The sets of groups a member can hold: all those whose bytes are within its limits.

use super::problem::{Problem, bits};
use super::work::Work;

/// The sets each seat can hold, those left out in which more moves than `less_than` allows. None once the work is more
/// than there is to be.
///
/// Depth-first over groups, largest first, cut where what is chosen is too much or what is left too little. Time: in the
/// worst case all subsets.
pub(super) fn list(
    problem: &Problem,
    less_than: Option<u64>,
    work: &mut Work,
) -> Option<Vec<Vec<u64>>> {
    let seats = 0..problem.seats.len();
    let home = |seat: usize| i128::from(problem.bytes(problem.seats[seat].home));
    let lack = |seat: usize| (i128::from(problem.seats[seat].lo) - home(seat)).max(0);
    let excess = |seat: usize| (home(seat) - i128::from(problem.seats[seat].hi)).max(0);
    let lacks: i128 = seats.clone().map(lack).sum();
    let excesses: i128 = seats.clone().map(excess).sum();
    let shrink: i128 = seats.clone().map(home).sum::<i128>() - i128::from(problem.total());
    let mut lists = Vec::with_capacity(problem.seats.len());
    for seat in seats {
        // What others have to get, or to give, at least, is not for this one.
        let most = less_than.map(|less| i128::from(less) - i128::from(problem.grain));
        let come = most.map_or(i128::MAX, |most| most - (lacks - lack(seat)));
        let go = most.map_or(i128::MAX, |most| most + shrink - (excesses - excess(seat)));
        lists.push(of_seat(problem, seat, come, go, work)?);
    }
    Some(lists)
}

fn of_seat(
    problem: &Problem,
    seat: usize,
    come: i128,
    go: i128,
    work: &mut Work,
) -> Option<Vec<u64>> {
    let seat = &problem.seats[seat];
    let mut order: Vec<usize> = bits(seat.open).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(problem.sizes[*at]), *at));
    let mut rest = vec![0; order.len() + 1];
    for at in (0..order.len()).rev() {
        rest[at] = rest[at + 1] + problem.sizes[order[at]];
    }
    let closed = i128::from(problem.bytes(seat.home & !seat.open));
    let mut found = Vec::new();
    let mut dive = Dive { problem, lo: seat.lo, hi: seat.hi, home: seat.home, order, rest, work };
    let is_whole =
        come < 0 || go < closed || dive.down(0, 0, 0, clamp(come), clamp(go - closed), &mut found);
    found.sort_unstable();
    is_whole.then_some(found)
}

fn clamp(bytes: i128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

struct Dive<'a> {
    problem: &'a Problem,
    lo: u64,
    hi: u64,
    home: u64,
    order: Vec<usize>,
    /// Bytes of all groups from one on.
    rest: Vec<u64>,
    work: &'a mut Work,
}

impl Dive<'_> {
    /// All sets that go on from here; `come` and `go` are bytes that still may. False once the work is too much.
    fn down(
        &mut self,
        at: usize,
        set: u64,
        sum: u64,
        come: u64,
        go: u64,
        found: &mut Vec<u64>,
    ) -> bool {
        if !self.work.spend(1) {
            return false;
        }
        if sum + self.rest[at] < self.lo || sum > self.hi {
            return true;
        }
        let Some(group) = self.order.get(at).copied() else {
            found.push(set);
            return self.work.keep(1);
        };
        let size = self.problem.sizes[group];
        let is_home = self.home >> group & 1 == 1;
        let (with, without) = if is_home {
            (Some(come), go.checked_sub(size))
        } else {
            (come.checked_sub(size), Some(go))
        };
        let with = with.filter(|_| size <= self.hi - sum);
        with.is_none_or(|come| self.down(at + 1, set | 1 << group, sum + size, come, go, found))
            && without.is_none_or(|go| self.down(at + 1, set, sum, come, go, found))
    }
}
