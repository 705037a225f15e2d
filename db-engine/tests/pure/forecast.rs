//! Laws of what new members take over, and the same partition by partition.

use db_engine::placement::forecast::{Flow, Forecast, Holder, Never, ROWS_MAX, forecast};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Members whose partition has a whole number of bytes for each: a unit of weight is 7 bytes.
fn members() -> impl Strategy<Value = Vec<Holder>> {
    let member = (0..2_000_u64, 1..4_u64, any::<bool>());
    prop::collection::vec(
        member.prop_map(|(bytes, weight, is_new)| Holder { bytes, weight, is_new }),
        1..7,
    )
}

fn flow(members: &[Holder], kept: Option<u32>, tolerance: u32) -> Flow {
    let weights: u64 = members.iter().map(|it| it.weight).sum();
    Flow { partition_bytes: weights * 7, kept, interval: 60, tolerance }
}

/// What members hold, one partition after another: old bytes in k-ths of a byte, new ones as a list
/// of partitions.
struct Simulated {
    old: Vec<u128>,
    kept: Option<u32>,
    new: Vec<std::collections::VecDeque<u64>>,
    sums: Vec<u128>,
}

impl Simulated {
    fn of(members: &[Holder], kept: Option<u32>) -> Self {
        let scale = u128::from(kept.unwrap_or(1));
        let old = members.iter().map(|it| u128::from(it.bytes) * scale).collect();
        let (new, sums) = (vec![Default::default(); members.len()], vec![0; members.len()]);
        Self { old, kept, new, sums }
    }

    fn step(&mut self, members: &[Holder]) {
        for (place, member) in members.iter().enumerate() {
            if self.kept.is_some() {
                self.old[place] -= u128::from(member.bytes).min(self.old[place]);
            }
            self.new[place].push_back(member.weight * 7);
            self.sums[place] += u128::from(member.weight * 7);
            if self.kept.is_some_and(|kept| self.new[place].len() > kept as usize) {
                self.sums[place] -= u128::from(self.new[place].pop_front().unwrap());
            }
        }
    }

    /// What each holds, in k-ths of a byte.
    fn loads(&self) -> Vec<u128> {
        let scale = u128::from(self.kept.unwrap_or(1));
        self.old.iter().zip(&self.sums).map(|(old, new)| old + new * scale).collect()
    }

    /// Each load in thousandths of its share, as a fraction.
    fn ratios(&self, members: &[Holder]) -> Vec<(u128, u128)> {
        let loads = self.loads();
        let (all, weights) =
            (loads.iter().sum::<u128>(), members.iter().map(|it| it.weight).sum::<u64>());
        let of = |(load, it): (&u128, &Holder)| {
            (load * u128::from(weights) * 1000, all * u128::from(it.weight))
        };
        loads.iter().zip(members).map(of).collect()
    }

    fn is_balanced(&self, members: &[Holder], tolerance: u32) -> bool {
        let within = |(load, share): &(u128, u128)| {
            load.abs_diff(1000 * share) <= u128::from(tolerance) * share
        };
        self.ratios(members).iter().all(within)
    }
}

fn lawful(members: &[Holder], flow: &Flow, found: &Forecast) {
    assert!(!found.rows.is_empty() && found.rows.len() <= ROWS_MAX);
    assert_eq!(found.rows[0].partitions, 0);
    for (one, next) in found.rows.iter().zip(&found.rows[1..]) {
        assert!(one.partitions < next.partitions);
        assert!(
            one.most >= next.most && one.least <= next.least,
            "towards balance: {one:?} {next:?}"
        );
    }
    let mut simulated = Simulated::of(members, flow.kept);
    let mut at = 0;
    for row in &found.rows {
        while at < row.partitions {
            simulated.step(members);
            at += 1;
        }
        let scale = u128::from(flow.kept.unwrap_or(1));
        let bytes: Vec<u128> = simulated.loads().iter().map(|it| it.div_ceil(scale)).collect();
        let sum: u128 = bytes.iter().sum();
        assert_eq!(row.bytes, sum, "held at first, and written, less expired");
        let new =
            bytes.iter().zip(members).filter(|(_, it)| it.is_new).map(|(it, _)| it).sum::<u128>();
        assert_eq!(u128::from(row.share_of_new), new * 1000 / sum.max(1));
        let ratios = simulated.ratios(members);
        if ratios.iter().all(|(_, share)| *share > 0) {
            let most = ratios.iter().map(|(load, share)| load.div_ceil(*share)).max();
            let least = ratios.iter().map(|(load, share)| load / share).min();
            assert_eq!((Some(u128::from(row.most)), Some(u128::from(row.least))), (most, least));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn it_is_what_happens_partition_by_partition(
        members in members(),
        kept in 1..100_u32,
        tolerance in 0..200_u32,
    ) {
        let flow = flow(&members, Some(kept), tolerance);
        let found = forecast(&members, &flow);
        lawful(&members, &flow, &found);
        let mut simulated = Simulated::of(&members, flow.kept);
        let mut first = 0;
        while !simulated.is_balanced(&members, tolerance) {
            simulated.step(&members);
            first += 1;
        }
        prop_assert_eq!(found.balanced_after, Ok(first));
        prop_assert_eq!(found.balanced_seconds, Some(first * 60));
        prop_assert_eq!(found.rows.last().map(|it| it.partitions), Some(first));
        for _ in 0..kept {
            simulated.step(&members);
            prop_assert!(simulated.is_balanced(&members, tolerance), "it stays");
        }
    }

    #[test]
    fn for_ever_is_outweighed(members in members(), tolerance in 100..200_u32) {
        let flow = flow(&members, None, tolerance);
        let found = forecast(&members, &flow);
        lawful(&members, &flow, &found);
        let mut simulated = Simulated::of(&members, None);
        let mut first = 0;
        while !simulated.is_balanced(&members, tolerance) {
            simulated.step(&members);
            first += 1;
        }
        prop_assert_eq!(found.balanced_after, Ok(first));
    }

    #[test]
    fn large_numbers_do_not_overflow(
        bytes in prop::collection::vec(0..1_u64 << 59, 1..8),
        weight in 1..u64::MAX,
        written in 0..1_u64 << 62,
        kept in any::<Option<u32>>(),
        tolerance in any::<u32>(),
    ) {
        let is_even = |it: &u64| it.is_multiple_of(2);
        let member = |it: &u64| Holder { bytes: *it, weight, is_new: is_even(it) };
        let members: Vec<Holder> = bytes.iter().map(member).collect();
        let flow = Flow { partition_bytes: written, kept, interval: u64::MAX, tolerance };
        let found = forecast(&members, &flow);
        prop_assert!(found.rows.len() <= ROWS_MAX && !found.rows.is_empty());
        let pairs = found.rows.iter().zip(&found.rows[1..]);
        for (one, next) in pairs {
            prop_assert!(one.most >= next.most && one.least <= next.least);
        }
    }
}

#[test]
fn what_never_balances_says_why() {
    let holder = |bytes, weight| Holder { bytes, weight, is_new: false };
    let flow = Flow { partition_bytes: 10, kept: None, interval: 60, tolerance: 0 };
    let why = |members: &[Holder], flow: &Flow| forecast(members, flow).balanced_after;
    let uneven = [holder(100, 1), holder(0, 1)];
    assert_eq!(why(&uneven, &flow), Err(Never::Exact));
    assert_eq!(why(&[], &flow), Err(Never::NobodyTakes));
    assert_eq!(why(&[holder(100, 0)], &flow), Err(Never::NobodyTakes));
    let nothing = Flow { partition_bytes: 0, kept: Some(4), ..flow };
    assert_eq!(why(&uneven, &nothing), Err(Never::NothingWritten));
    assert_eq!(forecast(&uneven, &nothing).rows.len(), 5);
    let far = [holder(1 << 61, 1), holder(0, 1)];
    assert_eq!(why(&far, &Flow { partition_bytes: 2, tolerance: 0, ..flow }), Err(Never::Exact));
    assert_eq!(why(&[holder(u64::MAX, 1)], &flow), Err(Never::TooMuch));
    assert_eq!(why(&[holder(7, 1), holder(7, 1)], &flow), Ok(0));
}

/// A member that takes nothing any more holds its old bytes until they expire, and is in no
/// comparison.
#[test]
fn who_takes_nothing_is_in_the_sum_only() {
    let holder = |bytes, weight, is_new| Holder { bytes, weight, is_new };
    let members = [holder(90, 0, false), holder(30, 1, false), holder(0, 1, true)];
    let flow = Flow { partition_bytes: 20, kept: Some(3), interval: 1, tolerance: 0 };
    let found = forecast(&members, &flow);
    assert_eq!(found.balanced_after, Ok(3));
    let bytes: Vec<u128> = found.rows.iter().map(|it| it.bytes).collect();
    assert_eq!(bytes, [120, 100, 80, 60]);
    let most: Vec<u64> = found.rows.iter().map(|it| it.most).collect();
    assert_eq!(most, [2000, 1500, 1200, 1000]);
}
