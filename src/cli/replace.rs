//! `tsinfra replace`: a member whose machine or disk is gone for good.

use super::apply::{Manner, json_needs_approval, with_approval};
use super::args::{ReplaceOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, source};

/// Shows by which steps it is replaced, and carries them out once that was approved.
pub(super) fn run(
    options: &ReplaceOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    json_needs_approval(options.run.json, options.run.auto_approve)?;
    let source = source::stack(&options.stack, target)?;
    let world = worlds::of(&source.stack, worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let plan = runtime.block_on(planning::replacement(&world, &source, &options.member))?;
    with_approval(&world, &runtime, &plan, Manner::from(&options.run), screen)
}
