//! Laws of emptying members, and what it is against every other way on small instances.

use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::evacuate::{NoWay, evacuate};
use db_engine::placement::fill::Wanted;
use db_engine::placement::layout::{Group, Kind, Layout, Member, Part, Replica};
use proptest::prelude::*;

const PLAIN: Group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };

/// Members with as much room, in zones by turns; groups as the holders and the size of each.
fn layout(members: u32, zones: u32, room: u64, groups: &[(Vec<u32>, u64)]) -> Layout {
    let plain = |place| Member { zone: place % zones, room, ..Member::plain(place) };
    let mut layout = Layout::of((0..members).map(plain).collect());
    for (holders, bytes) in groups {
        let replica = |member: &u32| Replica { member: *member, bytes: *bytes };
        layout.push(PLAIN, &holders.iter().map(replica).collect::<Vec<_>>()).unwrap();
    }
    layout
}

/// Groups of up to `most` replicas each on different members.
fn groups(
    members: u32,
    most: usize,
    count: usize,
    sizes: std::ops::Range<u64>,
) -> impl Strategy<Value = Vec<(Vec<u32>, u64)>> {
    let holders = Just((0..members).collect::<Vec<u32>>()).prop_shuffle();
    let group = (holders, 1..=most, sizes).prop_map(|(mut holders, count, bytes)| {
        holders.truncate(count);
        (holders, bytes)
    });
    prop::collection::vec(group, 0..=count)
}

fn with_empties(mut layout: Layout, leaving: &[u32]) -> Layout {
    leaving.iter().for_each(|member| layout.set_part(*member, Part::Empties));
    layout
}

/// All ways to place what is on leaving members, as the loads of members afterwards.
fn every_way(layout: &Layout, apart: Apart) -> Vec<Vec<u64>> {
    let rule = Rule::of(layout, apart);
    let leaves =
        |replica: &usize| layout.member(layout.all_holders()[*replica]).part == Part::Empties;
    let leaving: Vec<usize> = (0..layout.replica_count()).filter(leaves).collect();
    let mut found = Vec::new();
    let mut at = layout.all_holders().to_vec();
    place(layout, &rule, &leaving, &mut at, &mut layout.held(), &mut found);
    found
}

fn place(
    layout: &Layout,
    rule: &Rule,
    leaving: &[usize],
    at: &mut Vec<u32>,
    held: &mut Vec<u64>,
    found: &mut Vec<Vec<u64>>,
) {
    let Some((replica, left)) = leaving.split_first() else {
        found.push(held.clone());
        return;
    };
    let bytes = layout.all_bytes()[*replica];
    let home = at[*replica];
    for to in 0..u32::try_from(layout.members().len()).unwrap() {
        let bar = rule.bar(layout, at, layout.group_of(*replica), *replica, to);
        if bar.is_some() || held[to as usize] + bytes > layout.member(to).room {
            continue;
        }
        at[*replica] = to;
        held[home as usize] -= bytes;
        held[to as usize] += bytes;
        place(layout, rule, left, at, held, found);
        held[to as usize] -= bytes;
        held[home as usize] += bytes;
        at[*replica] = home;
    }
}

fn squares(held: &[u64]) -> u64 {
    held.iter().map(|held| held * held).sum()
}

/// What is so of every way found: the leaving ones are empty, nothing else moved, each replica has a lawful place.
fn lawful(before: &Layout, apart: Apart) -> Option<Layout> {
    let wanted = Wanted { apart, tolerance: 10 };
    let found = evacuate(before, wanted).ok()?;
    let mut after = before.clone();
    after.carry_out(&found.moves);
    let held = after.held();
    let rule = Rule::of(before, apart);
    for (place, member) in before.members().iter().enumerate() {
        if member.part == Part::Empties {
            assert_eq!(held[place], 0);
        }
        assert!(held[place] <= member.room.max(before.held()[place]));
    }
    for one in &found.moves {
        assert_eq!(before.member(one.from).part, Part::Empties, "only what has to moves");
        let mut places = before.replicas(one.group);
        let replica = places.find(|it| before.all_holders()[*it] == one.from).unwrap();
        let at = after.all_holders();
        assert_eq!(rule.bar(before, at, one.group, replica, one.to), None, "{one:?}");
    }
    let moved: u64 = found.moves.iter().map(|it| it.bytes).sum();
    assert_eq!((moved, moved), (found.certificate.moved, found.certificate.bound));
    assert_eq!(evacuate(&after, wanted).unwrap().moves, [], "nothing is left to do");
    assert_eq!(evacuate(before, wanted).unwrap(), found, "the same each time");
    Some(after)
}

fn aparts() -> impl Strategy<Value = Apart> {
    prop_oneof![Just(Apart::Members), Just(Apart::Hosts), Just(Apart::Zones)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    /// One member leaves, all sizes equal: as even as any way, and a way is found if there is one.
    #[test]
    fn one_member_with_replicas_of_one_size_is_emptied_as_evenly_as_can_be(
        groups in groups(5, 3, 7, 1..2),
        room in 3..12_u64,
        zones in 1..4_u32,
        apart in aparts(),
    ) {
        let layout = with_empties(layout(5, zones, room, &groups), &[2]);
        let best = every_way(&layout, apart).iter().map(|held| squares(held)).min();
        let found = lawful(&layout, apart).map(|after| squares(&after.held()));
        prop_assert_eq!(found, best);
    }

    /// Several leave, sizes differ: what is found is lawful; what is not, is told of a replica that has none.
    #[test]
    fn any_members_are_emptied_lawfully(
        groups in groups(6, 3, 8, 1..9),
        room in 8..60_u64,
        zones in 1..4_u32,
        apart in aparts(),
        leaving in prop::sample::subsequence((0..6_u32).collect::<Vec<_>>(), 1..4),
    ) {
        let layout = with_empties(layout(6, zones, room, &groups), &leaving);
        if lawful(&layout, apart).is_some() {
            prop_assert!(!every_way(&layout, apart).is_empty());
        }
    }

    /// Where there is room for all, a place is found whenever there is one, whatever leaves.
    #[test]
    fn with_room_for_all_a_place_is_found_if_there_is_one(
        groups in groups(6, 3, 6, 1..9),
        zones in 1..4_u32,
        apart in aparts(),
        leaving in prop::sample::subsequence((0..6_u32).collect::<Vec<_>>(), 1..4),
    ) {
        let layout = with_empties(layout(6, zones, u64::MAX, &groups), &leaving);
        let is_there = !every_way(&layout, apart).is_empty();
        let found = evacuate(&layout, Wanted { apart, tolerance: 10 });
        prop_assert_eq!(lawful(&layout, apart).is_some(), is_there, "{:?} {:?}", found, &layout);
    }
}

#[test]
fn a_replica_that_may_go_nowhere_is_named_with_what_bars_each_member() {
    let groups = [(vec![0, 1, 2], 5)];
    let layout = with_empties(layout(4, 4, 100, &groups), &[0]);
    let mut layout = layout;
    layout.set_part(3, Part::Keeps);
    let found = evacuate(&layout, Wanted::default()).unwrap_err();
    let NoWay::Barred { group: 0, from: 0, bars } = found else { panic!("{found:?}") };
    assert_eq!((bars.holders, bars.closed), (2, 1));
}

#[test]
fn what_fits_nowhere_is_named_with_the_most_room_there_is() {
    let groups = [(vec![0], 50), (vec![1], 70), (vec![2], 80)];
    let layout = with_empties(layout(3, 1, 100, &groups), &[0]);
    let found = evacuate(&layout, Wanted::default()).unwrap_err();
    let NoWay::Full { group: 0, from: 0, bytes: 50, full, most_room: 30, .. } = found else {
        panic!("{found:?}")
    };
    assert_eq!(full, [1, 2]);
}

#[test]
fn replicas_make_way_for_each_other() {
    // The large one is placed first, on 1, which is emptier; the small one then fits nowhere unless that goes on.
    let groups = [(vec![0], 20), (vec![0, 2], 12), (vec![1], 5)];
    let layout = with_empties(layout(3, 1, 32, &groups), &[0]);
    let after = lawful(&layout, Apart::Members).unwrap();
    assert_eq!(after.held(), [0, 17, 32]);
}
