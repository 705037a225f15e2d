//! `tsinfra destroy`.

use super::apply::{carry_out, json_needs_approval, present};
use super::args::{DestroyOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{confirm, planning, source};
use crate::plan::Purpose;
use crate::render;
use crate::survey::connection;

/// Takes a stack down after its name was typed.
pub(super) fn run(
    options: &DestroyOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    json_needs_approval(options.json, options.auto_approve)?;
    let source = source::stack(&options.stack.stack, target)?;
    let world =
        worlds::open(&connection(&source.stack), Some(&source.stack), worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let consents = &options.consent.addresses;
    let plan = runtime.block_on(planning::plan(
        &world,
        &source,
        Purpose::Destroy,
        consents,
        &options.selection.all(),
    ))?;
    present(&plan, false, options.json, screen);
    if !plan.blocked.is_empty() {
        return Ok(Exit::Blocked);
    }
    if !plan.has_work() {
        return Ok(Exit::Done);
    }
    if !options.auto_approve && !plan.only_keeps_the_record() {
        let place = render::plan::place(&plan);
        let question = format!("Destroy stack `{}` {place}? Type its name to confirm.", plan.stack);
        confirm::ask(&question, &plan.stack, "--auto-approve", screen)?;
    }
    runtime.block_on(carry_out(&world, &plan, options.lock.patience, options.json, screen))
}
