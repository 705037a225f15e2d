//! A run that is stopped anywhere is taken up by the next one, and comes to the same end.

use proptest::prelude::*;

use super::sketch::{sketches, wishes};
use super::*;

/// Runs that may be needed after an interruption.
const ROUNDS_MAX: usize = 6;

/// Plans and runs until nothing is left to do. A refusal because members are away is no end: the
/// interrupted restart comes back by itself.
pub(super) fn go_on(world: &Watched, stack: &Stack, purpose: Purpose) {
    for _ in 0..ROUNDS_MAX {
        let next = plan_for(world, stack, purpose, &[]);
        if next.steps.is_empty() {
            break;
        }
        if next.blocked.iter().any(|entry| entry.rule == "quorum") {
            pass(world, 60);
            continue;
        }
        let outcome = run(world, &next);
        assert!(outcome.is_complete(&next), "{outcome:#?}");
    }
    for _ in 0..ROUNDS_MAX {
        if plan_for(world, stack, purpose, &[]).notes.is_empty() {
            break;
        }
        pass(world, 60);
    }
    assert!(plan_for(world, stack, purpose, &[]).is_empty());
}

/// Lets time pass under guard.
pub(super) fn pass(world: &Watched, seconds: u64) {
    let end = world.elapsed() + Duration::from_secs(seconds);
    while world.elapsed() < end {
        let scope = tsinfra::observed::Scope::default();
        block_on(world.stir(&scope, end - world.elapsed()));
    }
}

/// Runs a plan and stops after so many events.
pub(super) fn interrupt(world: &Watched, plan: &Plan, events: usize) {
    let mut seen = 0;
    run_until(world, plan, |_| {
        seen += 1;
        seen > events
    });
}

/// It came to its end, no rule was broken on the way, and it is as if the stack had been applied at once.
fn assert_as_if_never_stopped(world: &Watched, stack: &Stack) {
    assert_settled(world, stack);
    assert_safe(world);
    let straight = Watched::over(sandbox(), stack);
    apply_all(&straight, stack);
    assert_eq!(shape(&world.sandbox), shape(&straight.sandbox));
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn an_apply_stopped_anywhere_ends_the_same(
        sketch in sketches(), wishes in wishes(), first in 0_usize..60, second in 0_usize..40,
        away in 0_u64..20,
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = Watched::over(sandbox(), &before);
        interrupt(&world, &plan(&world, &before), first);
        pass(&world, away);
        go_on(&world, &before, Purpose::Apply);
        interrupt(&world, &plan(&world, &after), second);
        pass(&world, away);
        go_on(&world, &after, Purpose::Apply);
        assert_as_if_never_stopped(&world, &after);
    }

    /// One pool takes over from another.
    #[test]
    fn an_exchange_of_pools_stopped_anywhere_ends_the_same(
        first in 0_usize..60, second in 0_usize..40, away in 0_u64..20,
    ) {
        let before = stack(include_str!("cases/pool-exchanged/before.toml"));
        let after = stack(include_str!("cases/pool-exchanged/stack.toml"));
        let world = Watched::over(sandbox(), &before);
        apply_all(&world, &before);
        for stop in [first, second] {
            interrupt(&world, &plan(&world, &after), stop);
            pass(&world, away);
        }
        go_on(&world, &after, Purpose::Apply);
        assert_as_if_never_stopped(&world, &after);
    }

    /// An answer that is lost, before or after the request was carried out, is like a halt there.
    #[test]
    fn an_apply_whose_answer_is_lost_ends_the_same(
        sketch in sketches(), wishes in wishes(), lost in 0_usize..16, carried_out in any::<bool>(),
    ) {
        let (before, after) = (sketch.stack(), sketch.after(&wishes).stack());
        let world = Watched::over(sandbox(), &before);
        for stack in [&before, &after] {
            world.lose_answer(lost, carried_out);
            let first = plan(&world, stack);
            let outcome = run(&world, &first);
            prop_assert!(outcome.is_complete(&first) == outcome.ended.is_empty(), "{:#?}", outcome);
            go_on(&world, stack, Purpose::Apply);
            assert_settled(&world, stack);
        }
        assert_safe(&world);
    }

    #[test]
    fn a_destroy_stopped_anywhere_ends_the_same(
        sketch in sketches(), stop in 0_usize..40, away in 0_u64..4,
    ) {
        let stack = sketch.stack();
        let [world, straight] = [(); 2].map(|()| Watched::over(sandbox(), &stack));
        for world in [&world, &straight] {
            apply_all(world, &stack);
        }
        interrupt(&world, &destruction(&world, &stack), stop);
        pass(&world, away);
        go_on(&world, &stack, Purpose::Destroy);
        assert_safe(&world);
        destroy_all(&straight, &stack);
        prop_assert_eq!(shape(&world.sandbox), shape(&straight.sandbox));
    }
}
