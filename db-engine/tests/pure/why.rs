//! Why a replica moves, in a line.

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::fill::{Wanted, fill};
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

/// What the certificate of a fill says stands in the way.
fn hindrance(layout: &Layout, apart: Apart, tolerance: u32) -> String {
    let found = fill(layout, Wanted { apart, tolerance }).unwrap();
    let hindrance = found.certificate.hindrance;
    hindrance.map_or_else(String::new, |it| it.line(|place| format!("d{place}")))
}

#[test]
fn nothing_stands_in_the_way_of_the_bound() {
    let layout = layout(2, &[(&[0], 5), (&[0], 5)]);
    assert_eq!(hindrance(&layout, Apart::Members, 0), "");
}

/// Of 11, 5 and 3 bytes on one of two members 7 have to go at least, and there are 8.
#[test]
fn replicas_move_whole() {
    let layout = layout(2, &[(&[0], 11), (&[0], 5), (&[0], 3)]);
    assert_eq!(
        hindrance(&layout, Apart::Members, 200),
        "Replicas move whole: nothing that evens them out moves less."
    );
}

#[test]
fn a_replica_that_is_too_large_is_told() {
    let layout = layout(3, &[(&[0], 20), (&[1], 4), (&[2], 4)]);
    assert_eq!(
        hindrance(&layout, Apart::Members, 100),
        "No moves bring all members within their limits: 3 members stay outside. d0 has 222.2 % of its share; \
         of 2 ways to take one replica off it, 2 put others as far outside."
    );
}

/// Two groups are on all that take some, one is too large, and d3 takes none.
#[test]
fn what_bars_each_way_is_told() {
    let mut layout = layout(4, &[(&[0, 1, 2], 9), (&[0, 1, 2], 9), (&[0, 1], 20)]);
    layout.set_part(3, Part::Keeps);
    assert_eq!(
        hindrance(&layout, Apart::Members, 10),
        "No moves bring all members within their limits: 3 members stay outside. d2 has 58.0 % of its share; of 6 \
         ways to give it one replica more, 2 put others as far outside, 4 lead to a member with the same region."
    );
}
