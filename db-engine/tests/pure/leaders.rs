//! Laws of the leaders chosen, and what they are against all leaders there could be.

use db_engine::placement::layout::{Group, Kind, Layout, Member, Part, Replica};
use db_engine::placement::leaders::{Leaders, balance};
use proptest::prelude::*;

/// A member's part, and its weight as a leader.
type Kept = (Part, u64);

/// A group's holders, which of them leads, if one does, and its database.
type Held = (Vec<u32>, Option<usize>, u32);

fn layout(members: &[Kept], groups: &[Held]) -> Layout {
    let member = |(place, (part, lead_weight)): (u32, &Kept)| {
        let (part, lead_weight) = (*part, *lead_weight);
        Member { part, lead_weight, ..Member::plain(place) }
    };
    let mut layout = Layout::of((0..).zip(members).map(member).collect());
    for (holders, leads, database) in groups {
        let replica = |member: &u32| Replica { member: *member, bytes: 1 };
        let replicas: Vec<Replica> = holders.iter().map(replica).collect();
        let leader = leads.map(|at| holders[at % holders.len()]);
        let group = Group { kind: Kind::Data, database: *database, load: 1, leader };
        layout.push(group, &replicas).unwrap();
    }
    layout
}

/// The same members and replicas, led as was said.
fn led(layout: &Layout, found: &Leaders) -> Layout {
    let mut next = Layout::of(layout.members().to_vec());
    for group in groups(layout) {
        let change = found.changes.iter().find(|it| it.group == group);
        let leader = change.map(|it| it.to).or(layout.leader(group));
        let replica = |member: &u32| Replica { member: *member, bytes: 1 };
        let replicas: Vec<Replica> = layout.holders(group).iter().map(replica).collect();
        next.push(Group { leader, ..layout.group(group) }, &replicas).unwrap();
    }
    next
}

fn groups(layout: &Layout) -> std::ops::Range<u32> {
    0..u32::try_from(layout.group_count()).unwrap()
}

fn places(layout: &Layout) -> std::ops::Range<u32> {
    0..u32::try_from(layout.members().len()).unwrap()
}

/// Members that are to lead a group, by the words of the description.
fn candidates(layout: &Layout, group: u32) -> Vec<u32> {
    let holders = layout.holders(group).iter().copied();
    let runs = |it: &u32| matches!(layout.member(*it).part, Part::Shares | Part::Gives);
    let wanted = |it: &u32| runs(it) && layout.member(*it).lead_weight > 0;
    let leaves = |it: &u32| layout.member(*it).part == Part::Empties;
    let tiers: [Vec<u32>; 3] = [
        holders.clone().filter(wanted).collect(),
        holders.clone().filter(runs).collect(),
        holders.filter(leaves).collect(),
    ];
    tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or_default()
}

fn is_wanted(layout: &Layout, member: u32) -> bool {
    let it = layout.member(member);
    matches!(it.part, Part::Shares | Part::Gives) && it.lead_weight > 0
}

/// What is to be least: of the cluster, of databases, of changes.
type Cost = (i64, i64, usize);

/// Twice the middle of what each member is due of some groups, from fractions of no more than the
/// sizes of these tests.
fn middles(layout: &Layout, of: &[u32]) -> Vec<i64> {
    let all: Vec<Vec<u32>> = of.iter().map(|group| candidates(layout, *group)).collect();
    let most = |it: u32| all.iter().filter(|them| them.contains(&it)).count();
    let weight = |it: u32| if is_wanted(layout, it) { layout.member(it).lead_weight } else { 0 };
    let led = all.iter().filter(|them| them.iter().any(|it| is_wanted(layout, *it))).count();
    // Whoever is due more than it could lead leads that much, and the others share the rest.
    let mut open: Vec<u32> = places(layout).filter(|it| weight(*it) > 0).collect();
    let mut left = led as u64;
    loop {
        let weights: u64 = open.iter().map(|it| weight(*it)).sum();
        let full = open.iter().position(|it| (most(*it) as u64) * weights < left * weight(*it));
        let Some(full) = full else {
            let due = |it: u32| (left * weight(it), weights.max(1));
            let floor = |it: u32| (due(it).0 / due(it).1).min(led as u64);
            let rest = |it: u32| due(it).0 % due(it).1 > 0 && floor(it) < led as u64;
            let twice = |it: u32| 2 * floor(it) + u64::from(rest(it));
            return places(layout).map(|it| i64::try_from(twice(it)).unwrap()).collect();
        };
        left -= most(open.remove(full)) as u64;
    }
}

/// Those members' leads and middles whose sums of squares are to be least.
struct Judge<'a> {
    layout: &'a Layout,
    cluster: Vec<i64>,
    databases: Vec<(u32, Vec<i64>)>,
}

impl<'a> Judge<'a> {
    fn of(layout: &'a Layout) -> Self {
        let all: Vec<u32> = groups(layout).collect();
        let mut names: Vec<u32> = all.iter().map(|it| layout.group(*it).database).collect();
        names.sort_unstable();
        names.dedup();
        let of_database = |name: u32| {
            let its = all.iter().copied().filter(|it| layout.group(*it).database == name);
            (name, middles(layout, &its.collect::<Vec<_>>()))
        };
        let cluster = middles(layout, &all);
        Self { layout, cluster, databases: names.into_iter().map(of_database).collect() }
    }

    fn cost(&self, leaders: &[Option<u32>]) -> Cost {
        let square = |middles: &[i64], database: Option<u32>| -> i64 {
            let is_its = |group: u32| {
                let has = !candidates(self.layout, group).is_empty();
                has && database.is_none_or(|it| self.layout.group(group).database == it)
            };
            let leads = |member: u32| {
                let all = (0..)
                    .zip(leaders)
                    .filter(|(it, leader)| **leader == Some(member) && is_its(*it));
                i64::try_from(all.count()).unwrap()
            };
            let middles = (0..).zip(middles);
            middles.map(|(it, middle)| (2 * leads(it) - middle).pow(2)).sum()
        };
        let databases = self.databases.iter();
        let changes = (0..).zip(leaders).filter(|(it, to)| self.layout.leader(*it) != **to);
        (
            square(&self.cluster, None),
            databases.map(|(name, middles)| square(middles, Some(*name))).sum(),
            changes.count(),
        )
    }

    /// The least there can be, by trying all.
    fn best(&self, leaders: &mut Vec<Option<u32>>) -> Cost {
        let group = u32::try_from(leaders.len()).unwrap();
        if leaders.len() == self.layout.group_count() {
            return self.cost(leaders);
        }
        let all: Vec<Option<u32>> = match candidates(self.layout, group) {
            none if none.is_empty() => vec![self.layout.leader(group)],
            some => some.into_iter().map(Some).collect(),
        };
        let mut tried = all.into_iter().map(|leader| {
            leaders.push(leader);
            let cost = self.best(leaders);
            leaders.pop();
            cost
        });
        let first = tried.next().unwrap();
        tried.fold(first, Cost::min)
    }
}

fn lawful(layout: &Layout, found: &Leaders) {
    let after = led(layout, found);
    let mut leads = vec![0; layout.members().len()];
    for group in groups(layout) {
        let able = candidates(layout, group);
        let leader = after.leader(group);
        if able.is_empty() {
            assert_eq!(leader, layout.leader(group), "nobody may lead it, so it is left alone");
        } else {
            assert!(able.contains(&leader.unwrap()), "{leader:?} of {able:?}");
        }
        leads[leader.map_or(0, |it| it as usize)] += u32::from(leader.is_some());
    }
    assert_eq!(leads, found.leads);
    assert!(found.changes.is_sorted_by(|one, next| one.group < next.group));
    for change in &found.changes {
        assert_eq!(change.from, layout.leader(change.group));
        assert_ne!(change.from, Some(change.to));
    }
    assert_eq!(found.bound, found.changes.len(), "prices prove that fewer are not enough");
    assert_eq!(found.unlevel.is_some(), found.spread > 1);
    proven(layout, &after, found);
    let again = balance(&after);
    assert_eq!(again.changes, [], "what is balanced stays as it is");
    assert_eq!((again.spread, again.database_spread), (found.spread, found.database_spread));
    assert_eq!(*found, balance(layout), "the same layout has the same leaders");
}

/// Crowded members lead nothing anybody else could, starved ones all they could; nobody is both.
fn proven(layout: &Layout, after: &Layout, found: &Leaders) {
    let Some(why) = &found.unlevel else { return };
    assert!(why.crowded.iter().all(|it| !why.starved.contains(it)));
    for group in groups(layout) {
        let able = candidates(layout, group);
        let Some(leader) = after.leader(group).filter(|it| able.contains(it)) else { continue };
        if why.crowded.contains(&leader) {
            assert!(able.iter().all(|it| why.crowded.contains(it)));
        }
        if able.iter().any(|it| why.starved.contains(it)) {
            assert!(why.starved.contains(&leader));
        }
    }
}

const MEMBERS: u32 = 6;

fn held(members: u32, databases: u32) -> impl Strategy<Value = Held> {
    let holders = prop::collection::btree_set(0..members, 1..=3);
    let leads = prop_oneof![4 => (0..3_usize).prop_map(Some), 1 => Just(None)];
    (holders, leads, 0..databases)
        .prop_map(|(holders, leads, database)| (holders.into_iter().collect(), leads, database))
}

fn all(members: u32, most: usize) -> impl Strategy<Value = Vec<Held>> {
    prop::collection::vec(held(members, 3), 0..most)
}

fn any_member() -> impl Strategy<Value = Kept> {
    let part = prop_oneof![
        4 => Just(Part::Shares),
        1 => Just(Part::Gives),
        1 => Just(Part::Keeps),
        1 => Just(Part::Empties),
    ];
    (part, 0..4_u64)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

const EQUAL: [Kept; MEMBERS as usize] = [(Part::Shares, 1); MEMBERS as usize];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn equal_members_are_led_lawfully(groups in all(MEMBERS, 60)) {
        let layout = layout(&EQUAL, &groups);
        lawful(&layout, &balance(&layout));
    }

    #[test]
    fn any_members_are_led_lawfully(
        members in prop::collection::vec(any_member(), MEMBERS as usize),
        groups in all(MEMBERS, 60),
    ) {
        let layout = layout(&members, &groups);
        lawful(&layout, &balance(&layout));
    }

    /// Against all leaders there could be: the cluster, then databases, then changes.
    #[test]
    fn nothing_is_better_with_equal_members(groups in all(4, 8)) {
        let layout = layout(&EQUAL[..4], &groups);
        is_best(&layout)?;
    }

    #[test]
    fn nothing_is_better_with_any_members(
        members in prop::collection::vec(any_member(), 4),
        groups in all(4, 8),
    ) {
        let layout = layout(&members, &groups);
        is_best(&layout)?;
    }

    /// With a replica of each group everywhere there is nothing that hinders.
    #[test]
    fn where_all_can_lead_all_leads_are_within_one_of_the_share(
        weights in prop::collection::vec(1..9_u64, 3),
        led in prop::collection::vec((0..3_usize, 0..3_u32), 1..60),
    ) {
        let held = |(leads, database)| (vec![0, 1, 2], Some(leads), database);
        let groups: Vec<Held> = led.into_iter().map(held).collect();
        let members: Vec<Kept> = weights.iter().map(|it| (Part::Shares, *it)).collect();
        let found = balance(&layout(&members, &groups));
        let whole: u64 = weights.iter().sum();
        for (leads, weight) in found.leads.iter().zip(&weights) {
            let due = groups.len() as u64 * weight;
            let leads = u64::from(*leads);
            prop_assert!((due / whole..=due.div_ceil(whole)).contains(&leads));
        }
        prop_assert!(found.spread <= 1);
    }

    #[test]
    fn the_lost_lead_nothing_and_the_others_share_it(
        groups in all(MEMBERS, 60),
        lost in 0..MEMBERS,
    ) {
        let mut members = EQUAL;
        members[lost as usize].0 = Part::Keeps;
        let layout = layout(&members, &groups);
        let found = balance(&layout);
        lawful(&layout, &found);
        let has_leader = |group: &u32| layout.leader(*group).is_some();
        let alone = |group: &u32| layout.holders(*group) == [lost] && has_leader(group);
        let left = self::groups(&layout).filter(alone).count();
        prop_assert_eq!(found.leads[lost as usize] as usize, left);
    }
}

fn is_best(layout: &Layout) -> Result<(), TestCaseError> {
    let found = balance(layout);
    let after = led(layout, &found);
    let leaders: Vec<Option<u32>> = groups(layout).map(|it| after.leader(it)).collect();
    let judge = Judge::of(layout);
    prop_assert_eq!(judge.cost(&leaders), judge.best(&mut Vec::new()));
    Ok(())
}

/// A database of its own for each half is even on all, though the cluster alone could do with none.
#[test]
fn databases_are_even_where_the_cluster_is_already() {
    let of = |database: u32, leads: usize| (vec![0, 1], Some(leads), database);
    let groups: Vec<Held> = (0..8).map(|it| of(it / 4, it as usize / 4)).collect();
    let found = balance(&layout(&EQUAL[..2], &groups));
    assert_eq!(found.leads, [4, 4]);
    assert_eq!((found.spread, found.database_spread), (0, 0));
    assert_eq!((found.changes.len(), found.bound), (4, 4));
}

/// What only one can lead keeps leads apart, and the two sets say so.
#[test]
fn what_hinders_is_told() {
    let groups: Vec<Held> = (0..6).map(|_| (vec![0], Some(0), 0)).collect();
    let more: Vec<Held> = (0..2).map(|_| (vec![1, 2], Some(0), 0)).collect();
    let found = balance(&layout(&EQUAL[..3], &[groups, more].concat()));
    assert_eq!(found.leads, [6, 1, 1]);
    let why = found.unlevel.unwrap();
    assert_eq!((why.crowded, why.starved), (vec![0], vec![1, 2]));
    assert_eq!(found.spread, 5);
}

/// Where leads cannot be even, by far, costs are rounded first; what comes out is proven as well.
#[test]
fn what_is_hard_is_proven_too() {
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for weights in [[1, 1, 1], [1, 2, 16]] {
        let members: Vec<Kept> = (0..40).map(|it| (Part::Shares, weights[it % 3])).collect();
        let mut held = |_: u32| {
            let mut holders = std::collections::BTreeSet::new();
            while holders.len() < 3 {
                let member = (0..3).map(|_| draw(40)).min().unwrap();
                holders.insert(u32::try_from(member).unwrap());
            }
            let database = u32::try_from(draw(9).min(draw(9))).unwrap();
            (holders.into_iter().collect(), Some(0), database)
        };
        let layout = layout(&members, &(0..3_000).map(&mut held).collect::<Vec<Held>>());
        let found = balance(&layout);
        assert!(found.spread > 1 && found.database_spread > 1);
        lawful(&layout, &found);
    }
}

#[test]
fn of_nothing_nothing_comes() {
    for members in [0, 3] {
        let found = balance(&layout(&EQUAL[..members], &[]));
        assert_eq!((found.changes.len(), found.bound, found.spread), (0, 0, 0));
    }
}
