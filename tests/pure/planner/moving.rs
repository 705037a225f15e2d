//! The world moves between a look and what Kubernetes is asked of the drafts made from it, as it does
//! while somebody else applies.

use std::cell::RefCell;

use tsinfra::observed::{Observed, Scope};
use tsinfra::sandbox::Cluster;
use tsinfra::survey::NoPlan;
use tsinfra::world::Unseen;

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

/// After each look, the next of these states is there, the last one first.
struct Moving<'a> {
    world: &'a Sandbox,
    states: RefCell<Vec<Cluster>>,
    /// What a look does not show.
    hidden: Option<ObjectKey>,
}

impl World for Moving<'_> {
    tsinfra::pass_on!(me => me.world;
        target, preview, perform, keep, drop_record, swap, time_of_day, stir, elapsed);

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        let mut seen = self.world.look(scope).await?;
        seen.objects.retain(|key, _| Some(key) != self.hidden.as_ref());
        if let Some(state) = self.states.borrow_mut().pop() {
            self.world.disturb(|cluster| *cluster = state);
        }
        Ok(seen)
    }
}

/// The world before the stack was applied and after.
fn before_and_after() -> (Sandbox, Cluster) {
    let world = sandbox();
    apply_all(&world, &stack(STACK));
    let after = world.snapshot();
    (sandbox(), after)
}

fn replaced(mut cluster: Cluster, key: &ObjectKey, uid: &str) -> Cluster {
    let object = std::sync::Arc::make_mut(cluster.objects.get_mut(key).unwrap());
    object.value_mut()["metadata"]["uid"] = uid.into();
    cluster
}

fn try_plan(moving: &Moving<'_>, stack: &Stack) -> Result<Plan, NoPlan> {
    let request = Request { stack, digest: "of-a-test", purpose: Purpose::Apply, consents: &[] };
    block_on(survey::plan(moving, &request))
}

#[test]
fn what_another_made_meanwhile_is_seen_by_a_second_look() {
    let (world, after) = before_and_after();
    let moving = Moving { world: &world, states: RefCell::new(vec![after]), hidden: None };
    let plan = try_plan(&moving, &stack(STACK)).unwrap();
    assert!(plan.steps.is_empty() && plan.blocked.is_empty(), "{plan:#?}");
}

#[test]
fn what_is_replaced_all_the_time_gives_no_plan() {
    let (_, after) = before_and_after();
    let set = after.keys_of(Kind::StatefulSet).pop().unwrap();
    for (times, is_planned) in [(1, true), (3, true), (4, false)] {
        let states = (0..times).map(|n| replaced(after.clone(), &set, &format!("uid-{n}")));
        let world = sandbox();
        world.disturb(|cluster| *cluster = after.clone());
        let moving = Moving { world: &world, states: RefCell::new(states.collect()), hidden: None };
        let larger = stack(&STACK.replacen("memory = \"8Gi\"", "memory = \"10Gi\"", 1));
        match try_plan(&moving, &larger) {
            Ok(plan) => assert!(is_planned && !plan.steps.is_empty(), "{times}: {plan:#?}"),
            Err(NoPlan::Unseen(unseen)) => {
                assert!(!is_planned, "{times}: {unseen}");
                assert!(unseen.doing.contains(&set.to_string()), "{unseen}");
            }
            Err(other) => panic!("{times}: {other}"),
        }
    }
}

#[test]
fn what_no_look_shows_is_a_refusal() {
    let (world, after) = before_and_after();
    let class = after.keys_of(Kind::StorageClass).pop().unwrap();
    let hidden = Some(class.clone());
    let moving = Moving { world: &world, states: RefCell::new(vec![after]), hidden };
    let plan = try_plan(&moving, &stack(STACK)).unwrap();
    let why: Vec<&str> = plan.blocked.iter().map(|blocked| blocked.reason.as_str()).collect();
    assert_eq!(why.len(), 1, "{why:?}");
    assert!(why[0].ends_with(&format!("\"{}\" already exists", class.name)), "{why:?}");
}
