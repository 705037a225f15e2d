//! Why a replica moves, in a line.

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::fill::Wanted;
use db_engine::placement::layout::{Group, Kind, Layout, Member, Part, Replica};
use db_engine::placement::why::Reasons;

const GROUP: Group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };
const GIB: u64 = 1 << 30;

/// Members in three zones by turns, each group's holders and its size.
fn layout(members: u32, groups: &[(&[u32], u64)]) -> Layout {
    let plain = |place| Member { zone: place % 3, ..Member::plain(place) };
    let mut layout = Layout::of((0..members).map(plain).collect());
    for (holders, bytes) in groups {
        let replica = |member: &u32| Replica { member: *member, bytes: *bytes };
        layout.push(GROUP, &holders.iter().map(replica).collect::<Vec<_>>()).unwrap();
    }
    layout
}

fn line(layout: &Layout, apart: Apart, one: Move) -> String {
    let reasons = Reasons::of(layout, Wanted { apart, tolerance: 100 });
    reasons.why(one).line(|it| format!("d{it}"), |it| format!("region {it}"))
}

#[test]
fn a_line_says_what_is_over_and_who_was_passed_over() {
    let mut layout = layout(6, &[(&[0, 1], 10 * GIB), (&[0, 2], 10 * GIB), (&[0], 10 * GIB)]);
    layout.set_part(5, Part::Keeps);
    let one = Move { group: 0, from: 0, to: 2, bytes: 10 * GIB };
    assert_eq!(
        line(&layout, Apart::Members, one),
        "d0 holds 19.0 GiB more than it may; d2 has 100.0 % of its share, passing over with less: 1 that take \
         none, 2 given others"
    );
    let other = Move { group: 1, from: 0, to: 3, bytes: 10 * GIB };
    layout.set_part(0, Part::Empties);
    assert_eq!(
        line(&layout, Apart::Members, other),
        "d0 is to hold nothing; d3 has 0.0 % of its share"
    );
}

/// Counted by the rule for each member where zones matter, and from sorted lists where they do not.
#[test]
fn who_is_in_a_zone_with_the_group_is_told() {
    let layout = layout(6, &[(&[0, 1], 10 * GIB), (&[0, 2], 10 * GIB), (&[0, 4], 4 * GIB)]);
    let one = Move { group: 0, from: 0, to: 2, bytes: 10 * GIB };
    let told = line(&layout, Apart::Zones, one);
    assert!(told.contains("1 in a zone with region 0"), "{told}");
    assert!(!line(&layout, Apart::Members, one).contains("zone"));
}
