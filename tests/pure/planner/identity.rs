//! Who a database is: pinned the moment it is first seen, compared at every look of a run. An emptied
//! first member that founds a cluster of its own must never be taken for the old one (rule 10).

use tsinfra::apply::event::What;
use tsinfra::apply::step::End;
use tsinfra::desired::{self, scope};
use tsinfra::inventory::Inventory;
use tsinfra::plan::step::Until;

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");
const SECOND: &str = "a-second-cluster";

/// More of everything, and a restart of all members.
fn changed() -> Stack {
    let text = STACK
        .replacen("nodes   = 3\nstorage = { tier = \"cloud\", size = \"20Gi\" }", "nodes = 4", 1)
        .replacen("data_replication   = 2", "data_replication = 2\nsettings = { a = 1 }", 1)
        .replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1);
    stack(&text)
}

/// An emptied first member has founded another cluster, which answers from now on.
fn found_another(world: &Sandbox) {
    world.disturb(|cluster| {
        for database in cluster.databases.values_mut() {
            let mut value = serde_json::to_value(&*database).unwrap();
            value["founding"]["cluster_id"] = SECOND.into();
            *database = serde_json::from_value(value).unwrap();
        }
    });
}

/// The id the record has.
fn on_record(world: &Sandbox) -> String {
    let map = world.snapshot().get(&Inventory::key("tsdb", "plant")).cloned();
    let record = map.map(|map| Inventory::from_config_map(&map).unwrap());
    record.map(|record| record.clusters["history"].cluster_id.clone()).unwrap_or_default()
}

fn own_id(world: &Sandbox) -> String {
    let database = world.snapshot().databases.values().next().cloned();
    let value = serde_json::to_value(database).unwrap();
    value["founding"]["cluster_id"].as_str().unwrap_or_default().to_owned()
}

/// A run that is killed after the bootstrap leaves the id pinned: no end of an apply is needed.
#[test]
fn the_id_is_on_record_before_anything_goes_on() {
    let (world, stack) = (sandbox(), stack(STACK));
    let made = plan(&world, &stack);
    let joins =
        |id: &tsinfra::plan::step::StepId| matches!(made.steps[id].until, Until::Joined { .. });
    let mut looked = 0;
    let outcome = run_until(&world, &made, |event| {
        let is_past = matches!(event.what, What::Waiting { .. } | What::Done { .. });
        if joins(&event.step) && is_past && !own_id(&world).is_empty() {
            looked += 1;
            assert_eq!(on_record(&world), own_id(&world), "{event:?}");
        }
        false
    });
    assert!(outcome.is_complete(&made) && looked > 0, "{looked}: {outcome:#?}");
}

/// In whichever wait of whichever step it happens: the run ends and says both ids, no step that acts
/// begins after the next look at the database, and the record keeps the first id.
#[test]
fn a_second_cluster_ends_the_run_in_every_wait() {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    let (before, first) = (world.snapshot(), own_id(&world));
    let change = plan(&world, &changed());
    let waits: Vec<_> = change.steps.iter().filter(|(_, step)| step.until.waits()).collect();
    assert!(waits.len() >= 4, "{waits:#?}");
    for (id, step) in waits {
        for done in [false, true] {
            world.disturb(|cluster| *cluster = before.clone());
            let mut happened = false;
            let outcome = run_until(&world, &change, |event| {
                let moment = match event.what {
                    What::Done { .. } => done,
                    What::Begun => !done,
                    What::Waiting { .. } | What::Ended { .. } => false,
                };
                if event.step == *id && moment {
                    found_another(&world);
                    happened = true;
                }
                false
            });
            assert!(happened && !outcome.is_complete(&change), "{id}: {outcome:#?}");
            let ends = outcome.ended.values().filter_map(|end| match end {
                End::Stranger(why) => Some(why.clone()),
                _ => None,
            });
            let told: Vec<String> = ends.chain(outcome.stranger.clone()).collect();
            assert!(!told.is_empty(), "{id}: {outcome:#?}");
            assert!(
                told.iter().all(|why| why.contains(&first) && why.contains(SECOND)),
                "{told:?}"
            );
            assert_eq!(on_record(&world), first, "{id}");
            // A wait for the database itself ends there and then.
            if matches!(step.until, Until::Joined { .. }) && !done {
                assert!(matches!(outcome.ended[id], End::Stranger(_)), "{id}: {outcome:#?}");
            }
            let shown = render::outcome::halted(&change, &outcome, render::paint::Paint::default());
            assert!(shown.contains("another database"), "{shown}");
            assert!(shown.contains("look at the first member"), "{shown}");
            // And planning refuses from then on.
            let again = plan(&world, &changed());
            assert!(again.blocked.iter().any(|entry| entry.rule == "identity"), "{again:#?}");
        }
    }
}

/// Somebody else's apply pinned an id after a plan was made: it counts for that plan too.
#[test]
fn an_id_that_was_put_on_record_since_counts() {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    let first = own_id(&world);
    let mut made = plan(&world, &changed());
    // As if it had been made before the database first answered.
    made.basis.ids.clear();
    made.basis.databases.clear();
    made.inventory.clusters.get_mut("history").unwrap().cluster_id.clear();
    found_another(&world);
    let outcome = run(&world, &made);
    assert!(!outcome.is_complete(&made), "{outcome:#?}");
    let why = outcome.ended.values().map(|end| end.tell().1).collect::<String>();
    assert!(why.contains(&first) && why.contains(SECOND), "{outcome:#?}");
    assert_eq!(on_record(&world), first);
}

#[test]
fn the_status_says_that_another_database_answers() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    let first = own_id(&world);
    let shown = || {
        let seen = block_on(world.look(&scope::scope(&stack))).unwrap();
        let desired = desired::lower(&stack, &seen);
        let json = render::status::json(&stack, &desired, &seen);
        (render::status::text(&stack, &desired, &seen), json)
    };
    assert!(!shown().0.contains("another database"), "{}", shown().0);
    found_another(&world);
    let (text, json) = shown();
    let text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    let line = format!("id {SECOND}, but it was {first}: another database answers in its place");
    assert!(text.contains(&line), "{text}");
    assert_eq!(json["clusters"]["history"]["id_on_record"], first.as_str());
}
