//! Laws of plan and apply, each for any stack and any allowed change of it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tsinfra::apply::event::What;
use tsinfra::plan::Operation;
use tsinfra::plan::step::{Action, StepId};

use super::sketch::{sketches, wishes};
use super::*;

/// Steps began only after all they come after were done.
fn assert_in_order(plan: &Plan, begun_and_done: &[(StepId, bool)]) {
    let mut done: BTreeSet<&StepId> = BTreeSet::new();
    for (id, is_done) in begun_and_done {
        if *is_done {
            done.insert(id);
        } else {
            let missing = plan.steps[id].after.iter().find(|before| !done.contains(before));
            assert_eq!(missing, None, "{id} began before it");
        }
    }
    assert_eq!(done.len(), plan.steps.len());
}

/// A plan has no step for what is as asked already: what it makes is not there, what it changes
/// differs in every field it names.
fn assert_needed(plan: &Plan, world: &Watched) {
    let before = world.sandbox.snapshot();
    for step in plan.steps.values() {
        match &step.action {
            // Made anew around its members.
            Action::Create { object, .. } | Action::Orphan { object, .. }
                if plan.changes[object].operation == Operation::Replace => {}
            Action::Orphan { object, .. } => panic!("{object} is taken away"),
            Action::Create { object, .. } => assert_eq!(before.get(object), None, "{object}"),
            Action::Update { object, .. } | Action::Expand { claim: object, .. } => {
                let fields = &plan.changes[object].fields;
                assert!(!fields.is_empty(), "{object}");
                assert!(fields.iter().all(|field| field.before != field.after), "{fields:#?}");
            }
            Action::Delete { object, .. }
            | Action::Dissolve { object, .. }
            | Action::Hold { volume: object, .. }
            | Action::Purge { volume: object, .. } => panic!("{object} is deleted"),
            Action::Start { .. } | Action::Retire { .. } => {}
            Action::Relabel { object, .. } => panic!("{object} changes hands"),
            Action::Say { member, .. } => panic!("{member} is told something"),
            Action::Abandon { pod, .. } => panic!("{pod} is given up"),
            Action::Scale { object, .. } => panic!("{object} shrinks"),
            Action::Identify { .. } | Action::Await => {}
        }
    }
}

proptest! {
    #![proptest_config(config(3))]

    /// Fixpoint.
    #[test]
    fn a_complete_apply_leaves_nothing_to_do_and_keeps_the_order(sketch in sketches()) {
        let stack = sketch.stack();
        let world = Watched::over(sandbox(), &stack);
        let first = plan(&world, &stack);
        let mut log: Vec<(StepId, bool)> = Vec::new();
        let outcome = run_until(&world, &first, |event| {
            match event.what {
                What::Begun => log.push((event.step.clone(), false)),
                What::Done { .. } => log.push((event.step.clone(), true)),
                What::Waiting { .. } | What::Ended { .. } => {}
            }
            false
        });
        prop_assert!(outcome.is_complete(&first), "{outcome:#?}");
        assert_in_order(&first, &log);
        assert_settled(&world, &stack);
        assert_safe(&world);
    }

    /// Convergence, and least work.
    #[test]
    fn any_allowed_change_converges_and_touches_only_what_differs(
        sketch in sketches(), wishes in wishes(),
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = Watched::over(sandbox(), &before);
        apply_all(&world, &before);
        let change = plan(&world, &after);
        assert_needed(&change, &world);
        prop_assert!(run(&world, &change).is_complete(&change));
        assert_settled(&world, &after);
        assert_safe(&world);
    }

    /// Determinism.
    #[test]
    fn planning_writes_nothing_and_says_the_same_again(sketch in sketches(), wishes in wishes()) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = sandbox();
        let text = |plan: &Plan| serde_json::to_string(plan).unwrap();
        for (stack, goes_on) in [(&before, true), (&after, false)] {
            let untouched = bytes(&world);
            let first = plan(&world, stack);
            prop_assert_eq!(text(&first), text(&plan(&world, stack)));
            prop_assert_eq!(text(&destruction(&world, stack)), text(&destruction(&world, stack)));
            prop_assert!(bytes(&world) == untouched, "planning changed the world");
            if goes_on {
                prop_assert!(run(&world, &first).is_complete(&first));
            }
        }
    }
}
