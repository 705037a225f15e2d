//! Every order the frontier allows is as safe as the one that is shown.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tsinfra::apply::expect;
use tsinfra::apply::wait::{self, Progress};
use tsinfra::plan;
use tsinfra::plan::step::StepId;

use super::sketch::{sketches, wishes};
use super::*;

/// Bound of an order that never ends.
const TURNS_MAX: usize = 3000;

/// Choices that never run out.
struct Choices<'a>(&'a [u8], usize);

impl Choices<'_> {
    fn next(&mut self, of: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % of
    }
}

/// Carries a plan out in an order of its own: at each turn either one of the steps that may start
/// starts, or time passes.
fn run_in_any_order(world: &Watched, made: &Plan, choices: &mut Choices<'_>) {
    assert!(made.blocked.is_empty(), "{:#?}", made.blocked);
    let mut done: BTreeSet<&StepId> = BTreeSet::new();
    let mut begun: BTreeSet<&StepId> = BTreeSet::new();
    for _ in 0..TURNS_MAX {
        if done.len() == made.steps.len() {
            block_on(world.keep(&made.inventory)).unwrap();
            return;
        }
        let mut ready = plan::ready(&made.steps, &done);
        ready.retain(|id| !begun.contains(id));
        if !ready.is_empty() && choices.next(3) > 0 {
            let id = ready[choices.next(ready.len())];
            let step = &made.steps[id];
            let seen = block_on(world.look(&expect::scope(step, made))).unwrap();
            assert_eq!(expect::broken(step, &seen), None);
            block_on(world.perform(&step.action)).unwrap();
            begun.insert(id);
        } else {
            block_on(world.stir(&Default::default(), Duration::from_secs(5)));
        }
        for id in begun.difference(&done.clone()) {
            let until = &made.steps[*id].until;
            let seen = block_on(world.look(&wait::scope(until, made))).unwrap();
            if wait::judge(until, &seen) == Progress::Done {
                done.insert(id);
            }
        }
    }
    panic!("not done after {TURNS_MAX} turns: {done:#?}");
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn any_order_the_plan_allows_is_as_safe(
        sketch in sketches(), wishes in wishes(), choices in prop::collection::vec(any::<u8>(), 97),
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = Watched::over(sandbox(), &before);
        let mut choices = Choices(&choices, 0);
        for stack in [&before, &after] {
            run_in_any_order(&world, &plan(&world, stack), &mut choices);
            assert_settled(&world, stack);
            assert_safe(&world);
        }
        run_in_any_order(&world, &destruction(&world, &after), &mut choices);
        prop_assert!(destruction(&world, &after).is_empty());
        assert_safe(&world);
    }
}
