//! Numbers as large as they can be: nothing overflows, and what is too much is refused.

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::evacuate::evacuate;
use db_engine::placement::fill::{Wanted, fill};
use db_engine::placement::layout::{Group, Kind, Layout, MOST, Member, Odd, Part, Replica};
use db_engine::placement::leaders::balance;
use db_engine::placement::rounds::{Limits, rounds};
use db_engine::placement::split::{cuts_to_fill, split};

const GROUP: Group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };

/// Members, each with this weight and room; each group on the first members, with as many bytes on each.
fn layout(members: u32, (weight, room): (u64, u64), groups: &[(u32, u64)]) -> Layout {
    let member = |place| Member { weight, lead_weight: weight, room, ..Member::plain(place) };
    let mut layout = Layout::of((0..members).map(member).collect());
    for (holders, bytes) in groups {
        let replicas: Vec<Replica> =
            (0..*holders).map(|member| Replica { member, bytes: *bytes }).collect();
        layout.push(GROUP, &replicas).unwrap();
    }
    layout
}

/// All that decides, with any spread and tolerance, and with a member that leaves.
fn decide(layout: &Layout) {
    let mut leaves = layout.clone();
    leaves.set_part(0, Part::Empties);
    for apart in [Apart::Members, Apart::Hosts, Apart::Zones] {
        for tolerance in [0, 100, 1_000, u32::MAX] {
            let wanted = Wanted { apart, tolerance };
            for layout in [layout, &leaves] {
                let found = [fill(layout, wanted).ok(), evacuate(layout, wanted).ok()];
                for certificate in found.into_iter().flatten().map(|it| it.certificate) {
                    let is_inside = certificate.outside.is_empty();
                    assert!(!is_inside || certificate.moved >= certificate.bound);
                }
                drop((split(layout, wanted, 3), cuts_to_fill(layout, wanted, 3)));
                drop(balance(layout));
            }
        }
    }
}

#[test]
fn sizes_weights_and_tolerances_as_large_as_they_can_be() {
    let (half, quarter) = (MOST / 2, MOST / 4);
    for weight in [0, 1, u64::MAX] {
        for room in [0, MOST, u64::MAX] {
            decide(&layout(3, (weight, room), &[(1, half), (1, half)]));
            decide(&layout(4, (weight, room), &[(2, quarter), (2, quarter)]));
            decide(&layout(3, (weight, room), &[(2, 0), (1, 0)]));
            decide(&layout(2, (weight, room), &[]));
        }
    }
}

#[test]
fn more_than_can_be_reckoned_with_is_refused() {
    let mut layout = layout(2, (1, u64::MAX), &[(1, MOST)]);
    let push =
        |layout: &mut Layout, group, bytes| layout.push(group, &[Replica { member: 1, bytes }]);
    assert_eq!(push(&mut layout, GROUP, 1), Err(Odd::TooMuch { group: 1 }));
    let busy = Group { load: u64::MAX, ..GROUP };
    assert_eq!(push(&mut layout, busy, 0), Err(Odd::TooMuch { group: 1 }));
    assert_eq!((layout.group_count(), push(&mut layout, GROUP, 0)), (1, Ok(())));
}

/// Weights of all members in bytes, those of large disks: in a larger unit, and in the same proportion.
#[test]
fn large_weights_keep_their_proportion() {
    let weighs = |place: u32, weight| Member { weight, ..Member::plain(place) };
    let layout = Layout::of(vec![weighs(0, 3 << 60), weighs(1, 1 << 60), weighs(2, 1)]);
    let weights: Vec<u64> = layout.members().iter().map(|it| it.weight).collect();
    assert_eq!((weights[0], weights[2]), (3 * weights[1], 1));
    assert!(weights[1] > 1 << 30, "{weights:?}");
}

#[test]
fn new_members_have_machines_of_their_own() {
    let last = Member { host: u32::MAX, ..Member::plain(0) };
    let layout = Layout::of(vec![last, Member::plain(0), Member::plain(2)]).with_more(2);
    let hosts: Vec<u32> = layout.members().iter().map(|it| it.host).collect();
    assert_eq!(hosts, [u32::MAX, 0, 2, 1, 3]);
}

#[test]
fn a_member_without_a_limit_has_all_at_once() {
    let one = |group, from, to| Move { group, from, to, bytes: 1 };
    let moves = [one(0, 0, 1), one(1, 1, 0), one(2, 0, 1)];
    let limits = Limits { at_once: &[u32::MAX; 2], overall: Some(u32::MAX), room: &[9; 2] };
    let found = rounds(&moves, &limits).unwrap();
    assert_eq!((found.bound, found.rounds.len()), (1, 1));
}
