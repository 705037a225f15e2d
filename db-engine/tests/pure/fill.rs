//! Laws of evening out, and what it is against the exact optimum of small instances.

use db_engine::placement::apart::{Apart, Rule};
use db_engine::placement::certificate::Proof;
use db_engine::placement::fill::{Outcome, Wanted, fill};
use db_engine::placement::hindrance::Stuck;
use db_engine::placement::layout::{Group, Kind, Layout, Member, Part, Replica};
use proptest::prelude::*;

/// An instance of `coarse`, whose optimum is known.
struct Coarse {
    name: String,
    layout: Layout,
    wanted: Wanted,
    /// Bytes that move at best; none where nothing brings all members inside.
    optimum: Option<u64>,
    /// Whether zones are so different in size that members have other shares than in the corpus, where all are alike.
    is_uneven: bool,
}

fn coarse() -> Vec<Coarse> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pure/coarse");
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "txt")).collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &std::path::Path) -> Coarse {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<(&str, Vec<u64>)> = lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let word = words.next().unwrap();
            (word, words.map(|it| it.parse().unwrap()).collect())
        })
        .collect();
    let first = |word: &str| lines.iter().find(|line| line.0 == word).map(|line| &line.1);
    let zones = u32::try_from(first("zones").unwrap()[0]).unwrap();
    let members = u32::try_from(first("members").unwrap().iter().sum::<u64>()).unwrap();
    let plain = |place| Member { zone: place % zones, ..Member::plain(place) };
    let mut layout = Layout::of((0..members).map(plain).collect());
    for (_, numbers) in lines.iter().filter(|line| line.0 == "group") {
        let bytes = numbers[0];
        let member = |it: &u64| u32::try_from(*it).unwrap();
        let replicas: Vec<Replica> =
            numbers[1..].iter().map(|it| Replica { member: member(it), bytes }).collect();
        let group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };
        layout.push(group, &replicas).unwrap();
    }
    let tolerance = u32::try_from(first("tolerance").unwrap()[0]).unwrap();
    let apart = if zones > 1 { Apart::Zones } else { Apart::Members };
    let optimum = first("optimum").map(|it| it[0]);
    let is_uneven = is_uneven(&layout, zones);
    Coarse { name, layout, wanted: Wanted { apart, tolerance }, optimum, is_uneven }
}

/// Whether the largest zone's members cannot have as much as others, by the zone rule.
fn is_uneven(layout: &Layout, zones: u32) -> bool {
    let members = u64::try_from(layout.members().len()).unwrap();
    let groups = 0..u32::try_from(layout.group_count()).unwrap();
    let most = groups.map(|group| {
        let places = layout.replicas(group);
        layout.all_bytes()[places.start]
            * u64::try_from(places.len()).unwrap().div_ceil(zones.into())
    });
    let total: u64 = layout.all_bytes().iter().sum();
    total * members.div_ceil(zones.into()) > most.sum::<u64>() * members
}

fn after(layout: &Layout, found: &Outcome) -> Layout {
    let mut after = layout.clone();
    after.carry_out(&found.moves);
    after
}

fn groups(layout: &Layout) -> std::ops::Range<u32> {
    0..u32::try_from(layout.group_count()).unwrap()
}

/// Holders are different members, and no host or zone has more of a group than it may or had.
fn lawful(layout: &Layout, apart: Apart, found: &Outcome) {
    let (rule, after) = (Rule::of(layout, apart), after(layout, found));
    for group in groups(layout) {
        let (before, now) = (layout.holders(group), after.holders(group));
        let size = u32::try_from(now.len()).unwrap();
        for (at, member) in now.iter().enumerate() {
            assert!(!now[..at].contains(member), "group {group} is twice on {member}");
            let zone = |it: &u32| layout.member(*it).zone;
            let host = |it: &u32| layout.member(*it).host;
            let count = |of: &[u32], lane: &dyn Fn(&u32) -> u32| {
                let same = of.iter().filter(|it| lane(it) == lane(member)).count();
                u32::try_from(same).unwrap()
            };
            assert!(count(now, &zone) <= rule.per_zone(size).max(count(before, &zone)));
            assert!(count(now, &host) <= rule.per_host(size).max(count(before, &host)));
        }
    }
    let bytes: u64 = found.moves.iter().map(|it| it.bytes).sum();
    assert_eq!(bytes, found.certificate.moved);
    for one in &found.moves {
        assert_ne!(layout.member(one.from).part, Part::Keeps, "{one:?}");
        assert_eq!(layout.member(one.to).part, Part::Shares, "{one:?}");
    }
}

/// Planning again moves nothing. Where members stay outside and the replicas of a group differ in size, what two plans
/// come to is not always one plan's to do.
fn at_rest(layout: &Layout, wanted: Wanted, found: &Outcome) {
    let again = fill(&after(layout, found), wanted).unwrap();
    let differ = |group| {
        let sizes = &layout.all_bytes()[layout.replicas(group)];
        sizes.iter().any(|size| *size != sizes[0])
    };
    if !found.certificate.outside.is_empty() && groups(layout).any(differ) {
        return;
    }
    assert_eq!(again.moves, [], "{layout:?} {found:?} {:?}", again.certificate);
}

/// How well an instance is solved; what is wrong with it, if anything.
fn fault(one: &Coarse, found: &Outcome) -> Option<String> {
    let certificate = &found.certificate;
    let (is_inside, moved) = (certificate.outside.is_empty(), certificate.moved);
    if one.is_uneven {
        return (!is_inside).then(|| "not inside of its own limits".to_owned());
    }
    let Some(optimum) = one.optimum else {
        return (certificate.proof != Proof::Impossible).then(|| "not proven".to_owned());
    };
    if !is_inside || certificate.proof == Proof::Impossible {
        return Some(format!("not inside: {:?}", certificate.outside));
    }
    let is_exact = certificate.proof != Proof::Optimal || moved == optimum;
    let is_near = moved >= optimum && moved * 100 <= optimum * 101;
    (!is_near || !is_exact).then(|| format!("{moved} of {optimum}, {:?}", certificate.proof))
}

#[test]
fn coarse_clusters_move_hardly_more_than_the_exact_optimum() {
    let (all, mut faults, mut optimal, mut impossible) = (coarse(), Vec::new(), 0, 0);
    for one in &all {
        let found = fill(&one.layout, one.wanted).unwrap();
        lawful(&one.layout, one.wanted.apart, &found);
        faults.extend(fault(one, &found).map(|fault| format!("{}: {fault}", one.name)));
        optimal += usize::from(found.certificate.proof == Proof::Optimal);
        impossible += usize::from(found.certificate.proof == Proof::Impossible);
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let uneven = all.iter().filter(|it| it.is_uneven).count();
    assert_eq!((all.len(), uneven, impossible), (177, 10, 17));
    assert!(optimal >= 110, "{optimal}");
}

#[test]
fn planning_again_moves_nothing_and_comes_to_the_same() {
    let of_each = |at: &usize| at.is_multiple_of(12);
    let all = coarse();
    for one in (0..all.len()).filter(of_each).map(|at| &all[at]) {
        let found = fill(&one.layout, one.wanted).unwrap();
        at_rest(&one.layout, one.wanted, &found);
        assert_eq!(found, fill(&one.layout, one.wanted).unwrap(), "{}", one.name);
    }
    for one in all.iter().filter(|it| it.optimum.is_none()) {
        at_rest(&one.layout, one.wanted, &fill(&one.layout, one.wanted).unwrap());
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Members in zones, with so many groups of up to three replicas; sizes differ among the replicas of few groups.
fn layouts(members: u32, most: usize) -> impl Strategy<Value = Layout> {
    let member = (0..12_u32, 1..4_u64);
    let members = prop::collection::vec(member, 2..members as usize);
    let holders = prop::collection::btree_set(0..24_u32, 1..4);
    let group = (holders, 1..400_u64, 0..8_u64);
    (members, prop::collection::vec(group, 1..most), 1..4_u32, 0..3_u32).prop_map(
        |(members, groups, zones, hosts)| {
            let count = u32::try_from(members.len()).unwrap();
            let member = |(place, (part, weight)): (u32, (u32, u64))| Member {
                host: if hosts == 0 { place % count.div_ceil(2) } else { place },
                zone: (if hosts == 0 { place % count.div_ceil(2) } else { place }) % zones,
                weight: if hosts == 2 { weight } else { 1 },
                part: match part {
                    0 => Part::Gives,
                    1 => Part::Keeps,
                    2 => Part::Empties,
                    _ => Part::Shares,
                },
                room: if part > 9 { 150 * weight } else { u64::MAX },
                ..Member::plain(place)
            };
            let mut layout = Layout::of((0..).zip(members).map(member).collect());
            for (holders, bytes, odd) in groups {
                let group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };
                let holders = holders.into_iter().map(|it| it % count);
                let holders: std::collections::BTreeSet<u32> = holders.collect();
                let bytes_of = |at: u64| if odd == 0 { bytes + at } else { bytes };
                let replicas: Vec<Replica> = (0..)
                    .zip(holders)
                    .map(|(at, member)| Replica { member, bytes: bytes_of(at) })
                    .collect();
                layout.push(group, &replicas).unwrap();
            }
            layout
        },
    )
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let apart = prop_oneof![Just(Apart::Members), Just(Apart::Hosts), Just(Apart::Zones)];
    (apart, 0..300_u32).prop_map(|(apart, tolerance)| Wanted { apart, tolerance })
}

/// What holds for any outcome.
fn laws(layout: &Layout, wanted: Wanted) {
    let Ok(found) = fill(layout, wanted) else { return };
    let certificate = &found.certificate;
    lawful(layout, wanted.apart, &found);
    at_rest(layout, wanted, &found);
    match certificate.proof {
        Proof::Optimal => assert!(certificate.outside.is_empty(), "{certificate:?}"),
        Proof::Impossible => assert!(!certificate.outside.is_empty(), "{certificate:?}"),
        Proof::Within => {}
    }
    if certificate.outside.is_empty() {
        assert!(certificate.moved >= certificate.bound, "{certificate:?}");
    }
    if certificate.bound == 0 {
        assert_eq!(found.moves, []);
    }
    let (before, after) = (layout.held(), after(layout, &found).held());
    for (member, (had, has)) in layout.members().iter().zip(before.iter().zip(&after)) {
        assert!(
            has <= had || *has <= member.room,
            "{had} to {has}, room {}: {found:?}",
            member.room
        );
    }
    let is_perfect = certificate.outside.is_empty() && certificate.moved == certificate.bound;
    assert_eq!(certificate.hindrance.is_none(), is_perfect, "{certificate:?}");
    if let Some(hindrance) = &certificate.hindrance {
        assert_eq!(hindrance.outside, certificate.outside.len());
        let worst = hindrance.worst.as_ref();
        assert_eq!(worst.is_none(), certificate.outside.is_empty());
        let is_outside = |it: &Stuck| certificate.outside.contains(&it.member) && it.open == 0;
        assert!(worst.is_none_or(is_outside), "{hindrance:?}");
    }
}

/// The least that moves so that each member holds from `lo` to `hi`: all there is tried.
fn least(layout: &Layout, lo: u64, hi: u64) -> Option<u64> {
    let members = u32::try_from(layout.members().len()).unwrap();
    let mut all: Vec<(Vec<u64>, u64)> = vec![(vec![0; members as usize], 0)];
    for group in groups(layout) {
        let holders = layout.holders(group);
        let bytes = layout.all_bytes()[layout.replicas(group).start];
        let sets = (0_u32..1 << members).filter(|set| set.count_ones() as usize == holders.len());
        let mut next = Vec::new();
        for set in sets {
            let chosen: Vec<u32> = (0..members).filter(|it| set >> it & 1 == 1).collect();
            let moved = chosen.iter().filter(|it| !holders.contains(it)).count() as u64 * bytes;
            for (held, before) in &all {
                let mut held = held.clone();
                chosen.iter().for_each(|member| held[*member as usize] += bytes);
                next.push((held, before + moved));
            }
        }
        next.sort_unstable();
        next.dedup_by(|later, first| later.0 == first.0);
        all = next;
    }
    let is_inside = |held: &Vec<u64>| held.iter().all(|held| (lo..=hi).contains(held));
    all.into_iter().filter(|it| is_inside(&it.0)).map(|it| it.1).min()
}

/// Members alike, with a few groups.
fn tiny() -> impl Strategy<Value = Layout> {
    let group = (prop::collection::btree_set(0..12_u32, 1..4), 1..40_u64);
    (3..5_u32, 1..4_u32, prop::collection::vec(group, 1..6)).prop_map(|(members, old, groups)| {
        let mut layout = Layout::of((0..members).map(Member::plain).collect());
        for (holders, bytes) in groups {
            let holders = holders.into_iter().map(|it| it % old.min(members));
            let holders: std::collections::BTreeSet<u32> = holders.collect();
            let replicas: Vec<Replica> =
                holders.into_iter().map(|member| Replica { member, bytes }).collect();
            let group = Group { kind: Kind::Data, database: 0, load: 1, leader: None };
            layout.push(group, &replicas).unwrap();
        }
        layout
    })
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn small_layouts_are_filled_lawfully(layout in layouts(8, 14), wanted in any_wanted()) {
        laws(&layout, wanted);
    }

    #[test]
    fn the_exact_search_finds_what_trying_all_finds(layout in tiny(), tolerance in 0..600_u32) {
        let total: u64 = layout.all_bytes().iter().sum();
        let members = layout.members().len() as u64;
        let lo = total * (1000 - u64::from(tolerance)) / (1000 * members);
        let hi = (total * (1000 + u64::from(tolerance))).div_ceil(1000 * members);
        let found = fill(&layout, Wanted { apart: Apart::Members, tolerance }).unwrap();
        match least(&layout, lo, hi) {
            Some(least) => {
                prop_assert_eq!(found.certificate.moved, least);
                prop_assert_eq!(found.certificate.proof, Proof::Optimal);
            }
            None => prop_assert_eq!(found.certificate.proof, Proof::Impossible),
        }
        at_rest(&layout, Wanted { apart: Apart::Members, tolerance }, &found);
    }

    #[test]
    fn who_is_to_leave_is_emptied(layout in tiny(), leaves in 0..3_u32) {
        let mut layout = layout;
        layout.set_part(leaves, Part::Empties);
        // Within so much of the share any one replica more is inside.
        let wanted = Wanted { apart: Apart::Members, tolerance: 100_000 };
        let found = fill(&layout, wanted).unwrap();
        let after = after(&layout, &found);
        let members = layout.members().len();
        for group in groups(&layout).filter(|it| layout.holders(*it).len() < members) {
            prop_assert!(!after.holders(group).contains(&leaves), "{:?}", found);
        }
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn medium_layouts_are_filled_lawfully(layout in layouts(16, 60), wanted in any_wanted()) {
        laws(&layout, wanted);
    }
}
