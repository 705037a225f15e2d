//! `tsinfra destroy`.

use super::apply::{Manner, json_needs_approval, with_approval};
use super::args::{DestroyOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, source};
use crate::plan::Purpose;

/// Takes a stack down after its name was typed.
pub(super) fn run(
    options: &DestroyOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    json_needs_approval(options.json, options.auto_approve)?;
    let source = source::stack(&options.stack.stack, target)?;
    let world = worlds::of(&source.stack, worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let consents = &options.consent.addresses;
    let plan = runtime.block_on(planning::plan(
        &world,
        &source,
        Purpose::Destroy,
        consents,
        &options.selection.all(),
    ))?;
    let DestroyOptions { auto_approve, json, lock, .. } = *options;
    let manner = Manner { auto_approve, full: false, json, patience: lock.patience };
    with_approval(&world, &runtime, &plan, manner, screen)
}
