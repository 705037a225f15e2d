//! What a plan tells of regions, from who holds what: of few members and of ten thousand.

use db_engine::holdings::{Holdings, Partitions, Told};
use db_engine::placement::layout::{Kind as Holds, Part};
use tsinfra::rehearsal::forecast::{self, Play};
use tsinfra::rehearsal::told;
use tsinfra::render::plan::Style;

use super::*;

const THREE: &str = include_str!("../cases/scale-in/before.toml");
const TWO: &str = include_str!("../cases/scale-in/stack.toml");
const FOUR: &str = include_str!("../cases/raise-nodes-with-data/stack.toml");

/// Groups of as many replicas on members next to each other, a GiB each, written over a year of weeks.
fn holdings(
    (members, address): (u32, fn(u32) -> String),
    groups: u32,
    replicas: u32,
    part: fn(u32) -> Part,
) -> Holdings {
    let told = |group: u32| {
        (0..replicas).map(move |at| Told {
            group: i64::from(group),
            kind: Holds::Data,
            database: format!("root.load{}", group % 4),
            member: address((group * 7 + at) % members),
            bytes: Some(1 << 30),
            leads: at == 0,
        })
    };
    let all = (0..members).map(|place| (address(place), part(place))).collect();
    let held = Holdings::of(all, (0..groups).flat_map(told).collect()).unwrap();
    Holdings { partitions: Some(Partitions { interval: 604_800, written: 52 }), ..held }
}

/// A stack with pools of a thousand, a pool's name for each: ten of them have ten thousand members.
fn crowd(pools: u32) -> Stack {
    pools_of(pools, 1000)
}

fn pools_of(pools: u32, nodes: u32) -> Stack {
    let (head, _) = FOUR.split_once("[cluster.history.pool.data]").unwrap();
    let pool = |place| {
        format!(
            "[cluster.history.pool.data{place}]\nrole = \"mixed\"\nnodes = {nodes}\n\
             storage = {{ tier = \"cloud\", size = \"20Gi\" }}\n"
        )
    };
    stack(&(head.to_owned() + &(0..pools).map(pool).collect::<String>()))
}

/// The name of a member of that stack.
fn of_crowd(place: u32) -> String {
    let (pool, ordinal) = (place / 1000, place % 1000);
    format!("history-data{pool}-{ordinal}.history-data{pool}.tsdb.svc.cluster.local")
}

fn of_three(place: u32) -> String {
    format!("history-data-{place}.history-data.tsdb.svc.cluster.local")
}

fn world() -> Sandbox {
    let world = sandbox();
    apply_all(&world, &stack(THREE));
    world
}

fn with(seen: &mut Observed, held: Holdings) {
    seen.holdings.insert("history".to_owned(), held.into());
}

fn ten_thousand(seen: &mut Observed) {
    with(seen, holdings((10_000, of_crowd), 100_000, 3, |_| Part::Shares));
}

#[test]
fn ten_thousand_members_are_told_in_a_few_lines() {
    let plan = plan_of(&world(), &crowd(11), Purpose::Apply, ten_thousand);
    let outlook = &plan.outlooks[0];
    assert_eq!((outlook.members, outlook.joining, outlook.replicas), (10_000, 1_000, 300_000));
    let moving = outlook.moving.as_ref().unwrap();
    assert!(moving.moves.len() > 20_000, "{}", moving.moves.len());
    assert!(moving.moves.iter().all(|it| it.to.starts_with("new member ")));
    assert_eq!((moving.moved, moving.outside), (moving.bound.max(moving.moved), 0));
    let shown = render::plan::plan(&plan, Style::default());
    let regions: Vec<&str> = shown.lines().skip_while(|it| !it.starts_with("Regions")).collect();
    let told = regions.iter().take_while(|it| !it.is_empty()).count();
    assert!(told < 20, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    let json = render::json::plan(&plan);
    let moves = json["regions"][0]["moving"]["moves"].as_array().unwrap();
    assert_eq!(moves.len(), moving.moves.len(), "a program gets them all");
}

/// Of ten thousand some hundred leave: what they hold goes to others, and each is told why.
#[test]
fn a_hundred_of_ten_thousand_leave() {
    let ninety_nine_hundred = {
        let mut stack = crowd(10);
        stack.clusters.get_mut("history").unwrap().pools.get_mut("data9").unwrap().nodes = 900;
        stack
    };
    let plan = plan_of(&world(), &ninety_nine_hundred, Purpose::Apply, ten_thousand);
    let outlook = &plan.outlooks[0];
    assert_eq!(outlook.leaving.len(), 100);
    let moving = outlook.moving.as_ref().unwrap();
    assert_eq!((moving.moved, moving.moves.len()), (moving.bound, 3_000));
    assert!(moving.moves.iter().all(|it| it.because.contains("is to hold nothing; ")));
}

#[test]
fn members_whose_regions_have_nowhere_to_go_do_not_leave() {
    let plan = plan_of(&world(), &stack(TWO), Purpose::Apply, |seen| {
        let part = |place| if place == 1 { Part::Gives } else { Part::Shares };
        with(seen, holdings((3, of_three), 3, 2, part));
    });
    let refused = plan.blocked.iter().find(|it| it.reason.contains("may go to no other member"));
    let refused = refused.unwrap_or_else(|| panic!("{:#?}", plan.blocked));
    assert_eq!(refused.rule, "scale-in");
    assert!(refused.reason.contains("1 hold it, and 1 take none"), "{refused:#?}");
}

/// A database that does not tell, or holds nothing, has a plan all the same.
#[test]
fn a_plan_needs_nobody_to_tell() {
    let plan = plan_of(&world(), &stack(TWO), Purpose::Apply, |seen| seen.holdings.clear());
    assert_eq!((plan.outlooks.len(), plan.blocked.len()), (0, 0));
    assert!(!plan.steps.is_empty());
}

/// Four regions of three replicas each cannot be even on five members, and the plan says why.
#[test]
fn what_stands_in_the_way_is_told() {
    let more = THREE.replacen("nodes     = 3", "nodes = 5", 1);
    let plan = plan_of(&world(), &stack(&more), Purpose::Apply, |seen| {
        with(seen, holdings((3, of_three), 4, 3, |_| Part::Shares));
    });
    let moving = plan.outlooks[0].moving.as_ref().unwrap();
    assert_eq!((moving.outside, moving.is_least), (5, false), "{moving:#?}");
    let hindrance = moving.hindrance.as_ref().unwrap();
    assert!(hindrance.starts_with("No moves bring all members within their limits"), "{hindrance}");
    let shown = render::plan::plan(&plan, Style::default());
    assert!(shown.contains("\n  No moves bring all members within their limits"), "{shown}");
}

/// A world with some hundred members comes up, and what they grow by is rehearsed.
#[test]
fn a_crowd_is_rehearsed() {
    let (small, large) = (pools_of(3, 60), pools_of(3, 66));
    let world = Sandbox::in_memory();
    world.furnish(&Furniture::of(&large));
    apply_all(&world, &small);
    let plan = plan(&world, &large);
    let seen = block_on(survey::sight(&world, &large, forecast::see_more)).unwrap().observed;
    let consents = &[];
    let play =
        Play { stack: &large, purpose: Purpose::Apply, consents, plan: &plan, is_quick: true };
    let forecast = block_on(forecast::rehearse(&seen, &play)).unwrap();
    assert!(forecast.is_sound(), "{:?} {:?}", forecast.wrong, forecast.failures.len());
    let told = told::text(&plan, &forecast);
    assert!(told.lines().count() < 60, "{told}");
}

/// A pool takes the place of another: who comes takes what is on those that go.
#[test]
fn who_comes_takes_from_who_goes() {
    let other = THREE.replacen("pool.data]", "pool.fast]", 1);
    let plan = plan_of(&world(), &stack(&other), Purpose::Apply, |seen| {
        with(seen, holdings((3, of_three), 30, 2, |_| Part::Shares));
    });
    assert!(plan.blocked.is_empty(), "{:#?}", plan.blocked);
    let outlook = &plan.outlooks[0];
    assert_eq!((outlook.joining, outlook.leaving.len()), (3, 3));
    let moving = outlook.moving.as_ref().unwrap();
    assert_eq!((moving.moves.len(), moving.rounds), (60, 60), "drained one after the other");
    assert!(moving.moves.iter().all(|it| it.to.starts_with("new member ")));
}
