//! Laws of cutting groups: nothing is lost by a cut, loads come to be even, and no more is cut than helps.

use db_engine::placement::apart::Apart;
use db_engine::placement::fill::{Wanted, fill};
use db_engine::placement::layout::{Group, Kind, Layout, Member, Replica};
use db_engine::placement::split::{Split, cuts_to_fill, split};
use proptest::prelude::*;

const WANTED: Wanted = Wanted { apart: Apart::Members, tolerance: 100 };

/// Old members that hold groups of two replicas, with loads and bytes, and new ones.
fn layout(old: u32, new: u32, groups: &[(u32, u64, u64)]) -> Layout {
    let mut layout = Layout::of((0..old + new).map(Member::plain).collect());
    for (first, load, bytes) in groups {
        let replica = |member| Replica { member, bytes: *bytes };
        let replicas = [replica(first % old), replica((first + 1) % old)];
        let group = Group { kind: Kind::Data, database: 0, load: *load, leader: None };
        layout.push(group, &replicas).unwrap();
    }
    layout
}

/// What is written to each member after a split.
fn loads(layout: &Layout, split: &Split) -> Vec<u64> {
    let mut loads = vec![0; layout.members().len()];
    for group in 0..u32::try_from(layout.group_count()).unwrap() {
        let load = layout.group(group).load;
        layout.holders(group).iter().for_each(|holder| loads[*holder as usize] += load);
    }
    for one in &split.moves {
        loads[one.from as usize] -= one.load;
        loads[one.to as usize] += one.load;
    }
    loads
}

/// A cluster of three with two groups of each load can never fill a fourth member: until one is cut.
#[test]
fn one_group_on_all_is_cut_for_one_who_joins() {
    let layout = layout(2, 1, &[(0, 1200, 600)]);
    let found = split(&layout, WANTED, 8).unwrap();
    let loads = loads(&layout, &found);
    assert!(loads.iter().all(|load| (720..=880).contains(load)), "{loads:?}");
    assert_eq!(found.cuts.len(), 1);
    assert_eq!(found.cuts[0].pieces.iter().sum::<u64>(), 1200);
}

#[test]
fn nothing_is_cut_where_whole_groups_will_do_and_the_lightest_data_move() {
    // Loads are alike, and so are their halves of the bytes but for those of group 1.
    let groups =
        [(0, 100, 900), (0, 100, 10), (0, 100, 900), (0, 100, 900), (0, 100, 900), (0, 100, 20)];
    let layout = layout(2, 1, &groups);
    let found = split(&layout, WANTED, 8).unwrap();
    assert!(found.cuts.is_empty());
    assert_eq!(loads(&layout, &found), [400, 400, 400]);
    assert!(found.moves.iter().filter(|one| [1, 5].contains(&one.group)).count() >= 2);
    assert!(found.moved >= found.bound);
}

/// What cannot be filled as it is can be once it is cut.
#[test]
fn replicas_that_are_too_large_to_fill_members_with_are_cut() {
    let layout = layout(2, 1, &[(0, 1, 1 << 30)]);
    assert!(!fill(&layout, WANTED).unwrap().certificate.outside.is_empty());
    let found = cuts_to_fill(&layout, WANTED, 8).unwrap();
    assert!(found.outside.is_empty());
    assert!(!found.cuts.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn cuts_lose_nothing_and_bring_loads_inside(
        groups in prop::collection::vec((0..4_u32, 64..5_000_u64, 1..9_000_u64), 1..10),
        new in 1..3_u32,
    ) {
        let layout = layout(4, new, &groups);
        let found = split(&layout, WANTED, 64).unwrap();
        for cut in &found.cuts {
            prop_assert_eq!(cut.pieces.iter().sum::<u64>(), layout.group(cut.group).load);
            prop_assert!(cut.pieces.len() > 1);
        }
        prop_assert!(found.moved >= found.bound, "{} < {}", found.moved, found.bound);
        let loads = loads(&layout, &found);
        let total: u64 = loads.iter().sum();
        prop_assert_eq!(total, groups.iter().map(|it| 2 * it.1).sum::<u64>());
        if found.outside.is_empty() {
            let share = total / loads.len() as u64;
            for load in &loads {
                prop_assert!(*load + 1 >= share * 9 / 10 && *load <= share * 11 / 10 + 2);
            }
        }
        prop_assert_eq!(split(&layout, WANTED, 64).unwrap(), found);
    }
}
