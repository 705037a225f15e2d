//! `tsinfra rehearse`.

use super::aloud::aloud;
use super::args::{RehearseOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{plan_verb, planning, source};
use crate::plan::Purpose;
use crate::plan::selection::Selection;
use crate::rehearsal::forecast::{self, Play};
use crate::rehearsal::told;
use crate::survey;

/// Runs a plan on a copy of the world, and says what it would be like.
pub(super) fn run(
    options: &RehearseOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let stack = &source.stack;
    let purpose = if options.destroy { Purpose::Destroy } else { Purpose::Apply };
    let world = worlds::of(stack, worlds::Purpose::Look)?;
    let runtime = planning::runtime()?;
    let consents = &options.consent.addresses;
    let whole = Selection::default();
    let plan = runtime.block_on(planning::plan(&world, &source, purpose, consents, &whole))?;
    if !plan.blocked.is_empty() {
        plan_verb::page(&plan, false, options.json, screen);
        return Ok(Exit::Blocked);
    }
    if plan.steps.is_empty() && !options.json {
        plan_verb::show(&plan, false, screen);
        return Ok(Exit::Done);
    }
    let sight = aloud(&world, survey::sight(&world, stack, forecast::see_more), Screen::aside);
    let seen = runtime.block_on(sight)?.observed;
    let is_quick = options.quick;
    let play = Play { stack, purpose, consents, plan: &plan, is_quick };
    let forecast = runtime.block_on(forecast::rehearse(&seen, &play));
    let forecast = forecast.map_err(|unlike| {
        Failure::new(
            unlike.to_string(),
            "what is simulated is told in ARCHITECTURE.md; plan instead",
        )
    })?;
    if options.json {
        screen.json_page(&told::json(&plan, &forecast));
    } else {
        screen.print(&told::text(&plan, &forecast));
    }
    Ok(if forecast.is_sound() { Exit::Done } else { Exit::Blocked })
}
