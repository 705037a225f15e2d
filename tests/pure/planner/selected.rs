//! Parts of plans: closed, in order, never more than the whole, and no other way to its end.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tsinfra::inventory::Inventory;
use tsinfra::plan::selection::{Address, Selection, Unknown};
use tsinfra::plan::step::{Action, StepId};
use tsinfra::survey::NoPlan;

use super::sketch::{sketches, wishes};
use super::*;

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn target(text: &str) -> Selection {
    Selection { targets: vec![address(text)], excludes: Vec::new() }
}

fn exclude(text: &str) -> Selection {
    Selection { targets: Vec::new(), excludes: vec![address(text)] }
}

fn consents() -> Vec<String> {
    ["cluster.alpha", "cluster.beta"].map(str::to_owned).into()
}

fn try_part<W: World>(
    world: &W,
    stack: &Stack,
    purpose: Purpose,
    selection: &Selection,
) -> Result<Plan, NoPlan> {
    let consents = consents();
    let request = Request { stack, digest: "of-a-test", purpose, consents: &consents };
    block_on(survey::part(world, &request, selection))
}

fn part<W: World>(world: &W, stack: &Stack, purpose: Purpose, selection: &Selection) -> Plan {
    try_part(world, stack, purpose, selection).unwrap()
}

/// Addresses of everything a plan does.
fn addresses(plan: &Plan, stack: &Stack) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = plan
        .steps
        .values()
        .filter_map(|step| step.action.object())
        .filter(|object| object.kind != Kind::Pod)
        .map(ObjectKey::to_string)
        .collect();
    for cluster in stack.clusters.values() {
        found.insert(format!("cluster.{}", cluster.name));
        found.extend(cluster.pools.keys().map(|p| format!("cluster.{}.pool.{p}", cluster.name)));
    }
    found
}

/// All that comes after some steps, and they themselves.
fn and_later(plan: &Plan, of: &BTreeSet<StepId>) -> BTreeSet<StepId> {
    let mut all = of.clone();
    loop {
        let later = plan.steps.iter().filter(|(_, step)| !step.after.is_disjoint(&all));
        let before = all.len();
        all.extend(later.map(|(id, _)| id.clone()).collect::<Vec<StepId>>());
        if all.len() == before {
            return all;
        }
    }
}

/// A part is a part: its steps are those of the whole, with all they come after.
fn assert_part(part: &Plan, whole: &Plan) {
    part.order().unwrap();
    for (id, step) in &part.steps {
        assert_eq!(Some(step), whole.steps.get(id), "{id}");
        assert!(step.after.iter().all(|before| part.steps.contains_key(before)), "{id}");
    }
    assert!(part.blocked.iter().all(|entry| whole.blocked.contains(entry)));
    let made = |plan: &Plan, object: &ObjectKey| {
        plan.steps.values().any(|step| step.action.object() == Some(object))
    };
    for (key, change) in &part.changes {
        assert_eq!(whole.changes.get(key), Some(change));
        assert_eq!(made(part, key), made(whole, key), "{key}");
    }
    for step in part.steps.values() {
        if let Action::Create { object, .. } | Action::Delete { object, .. } = &step.action {
            assert!(part.changes.contains_key(object) || object.kind == Kind::Pod, "{object}");
        }
    }
    for (key, item) in &part.inventory.items {
        assert!(!item.uid.is_empty() || made(part, key), "{key} is on record and not made");
        assert!(!item.going || made(part, key), "{key} is said to go");
    }
}

/// The steps that act on what an address names, as their objects say.
fn of_object(plan: &Plan, address: &str) -> BTreeSet<StepId> {
    let is_it = |object: &ObjectKey| object.to_string() == address;
    let steps = plan.steps.iter().filter(|(_, step)| step.action.object().is_some_and(is_it));
    steps.map(|(id, _)| id.clone()).collect()
}

fn assert_laws(world: &Sandbox, stack: &Stack, purpose: Purpose) {
    let whole = part(world, stack, purpose, &Selection::default());
    for name in addresses(&whole, stack) {
        let (with, without) = (target(&name), exclude(&name));
        let with = part(world, stack, purpose, &with);
        let without = part(world, stack, purpose, &without);
        assert_part(&with, &whole);
        assert_part(&without, &whole);
        let ids = |plan: &Plan| plan.steps.keys().cloned().collect::<BTreeSet<StepId>>();
        let own = of_object(&whole, &name);
        assert!(own.is_subset(&ids(&with)), "{name}");
        assert!(own.is_disjoint(&ids(&without)), "{name}");
        let covered: BTreeSet<StepId> =
            and_later(&whole, &ids(&with)).union(&ids(&without)).cloned().collect();
        assert_eq!(covered, ids(&whole), "{name}");
        if name.contains("StatefulSet") && purpose == Purpose::Destroy {
            let mut claims = without.steps.values().filter_map(|step| match &step.action {
                Action::Delete { object, .. } | Action::Purge { volume: object, .. } => {
                    Some(object)
                }
                _ => None,
            });
            let set: ObjectKey = name.parse().unwrap();
            let of_set = |key: &ObjectKey| {
                key.kind == Kind::PersistentVolumeClaim && key.name.contains(&set.name)
            };
            assert_eq!(claims.find(|key| of_set(key)), None, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(config(2))]

    /// A part is closed, in order and no more than the whole, whatever is named in whatever plan.
    #[test]
    fn every_part_of_every_plan_is_closed_and_covers(sketch in sketches(), wishes in wishes()) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = sandbox();
        assert_laws(&world, &before, Purpose::Apply);
        apply_all(&world, &before);
        assert_laws(&world, &after, Purpose::Apply);
        assert_laws(&world, &after, Purpose::Destroy);
    }

    /// A part and then the rest end as the whole does, and break no safety rule on the way.
    #[test]
    fn a_part_and_then_the_rest_end_as_the_whole(
        sketch in sketches(), wishes in wishes(), choice: prop::sample::Index, with: bool,
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let whole = sandbox();
        apply_all(&whole, &before);
        apply_all(&whole, &after);
        let world = Watched::over(sandbox(), &before);
        for stack in [&before, &after] {
            let plan = part(&world, stack, Purpose::Apply, &Selection::default());
            let names: Vec<String> = addresses(&plan, stack).into_iter().collect();
            let name = choice.get(&names);
            let selection = if with { target(name) } else { exclude(name) };
            let first = part(&world, stack, Purpose::Apply, &selection);
            prop_assert!(run(&world, &first).is_complete(&first));
            apply_all(&world, stack);
            assert_settled(&world, stack);
        }
        prop_assert_eq!(shape(&world.sandbox), shape(&whole));
        assert_safe(&world);
    }
}

const STACK: &str = include_str!("cases/first-apply/stack.toml");

fn record(world: &Sandbox) -> Inventory {
    let key = Inventory::key("tsdb", "plant");
    Inventory::from_config_map(world.snapshot().get(&key).unwrap()).unwrap()
}

/// What a part leaves out is neither made nor on record as made.
#[test]
fn what_is_left_out_is_not_on_record() {
    let (world, stack) = (sandbox(), stack(STACK));
    let first = part(&world, &stack, Purpose::Apply, &exclude("cluster.history.pool.data"));
    assert!(run(&world, &first).is_complete(&first));
    let record = record(&world);
    assert!(record.items.keys().any(|key| key.name == "history-config"), "{record:#?}");
    assert!(!record.items.keys().any(|key| key.name == "history-data"), "{record:#?}");
    apply_all(&world, &stack);
    assert_settled(&world, &stack);
}

/// To target a purge is to target all that makes it safe.
#[test]
fn a_purge_brings_all_that_comes_before_it() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    rest(&world, 60);
    let whole = part(&world, &stack, Purpose::Destroy, &Selection::default());
    let purged = whole.steps.values().find_map(|step| match &step.action {
        Action::Purge { volume, .. } => Some(volume.to_string()),
        _ => None,
    });
    let purge = part(&world, &stack, Purpose::Destroy, &target(&purged.expect("a purge")));
    let deletes = |kind: Kind| {
        purge.steps.values().any(
            |step| matches!(&step.action, Action::Delete { object, .. } if object.kind == kind),
        )
    };
    assert!(deletes(Kind::StatefulSet) && deletes(Kind::PersistentVolumeClaim), "{purge:#?}");
}

/// A slip of the pen is told, with what may be meant.
/// What comes before something is done for its sake: not at all, where that is left out.
#[test]
fn what_is_asked_for_and_left_out_asks_for_nothing() {
    let (world, stack) = (sandbox(), super::stack(include_str!("cases/first-apply/stack.toml")));
    apply_all(&world, &stack);
    for text in ["StatefulSet/tsdb/history-config", "cluster.history.pool.data", "storage.cloud"] {
        let both = Selection { targets: vec![address(text)], excludes: vec![address(text)] };
        let part = part(&world, &stack, Purpose::Destroy, &both);
        assert!(part.steps.is_empty(), "{text}: {:#?}", part.steps.keys());
    }
}

#[test]
fn an_address_that_names_nothing_is_an_error_with_near_ones() {
    let (world, stack) = (sandbox(), stack(STACK));
    let wrong = |selection: &Selection| match try_part(&world, &stack, Purpose::Apply, selection) {
        Err(NoPlan::Unknown(Unknown { near, .. })) => near,
        other => panic!("{other:#?}"),
    };
    assert_eq!(wrong(&target("cluster.histroy")), ["cluster.history"]);
    assert_eq!(wrong(&exclude("storage.clod")), ["storage.cloud"]);
    assert!(wrong(&target("cluster.x")).contains(&"cluster.history.pool.data".to_owned()));
    assert!("cluster".parse::<Address>().is_err());
}
