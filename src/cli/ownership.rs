//! `tsinfra adopt` and `tsinfra forget`: whose objects are, and nothing else of them.

use std::path::Path;

use super::apply::{Manner, json_needs_approval, with_approval};
use super::args::{AdoptOptions, ForgetOptions, RunOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, source};
use crate::plan::Purpose;
use crate::plan::selection::{Address, Selection};

/// Takes over what is there and the stack declares.
pub(super) fn adopt(
    options: &AdoptOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let AdoptOptions { stack, addresses, run } = options;
    relabel(&stack.stack, Purpose::Adopt, addresses, run, target, screen)
}

/// Lets go of what the stack owns and does not declare.
pub(super) fn forget(
    options: &ForgetOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let ForgetOptions { stack, addresses, run } = options;
    relabel(stack, Purpose::Forget, addresses, run, target, screen)
}

fn relabel(
    file: &Path,
    purpose: Purpose,
    addresses: &[Address],
    options: &RunOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    json_needs_approval(options.json, options.auto_approve)?;
    let source = source::stack(file, target)?;
    let world = worlds::of(&source.stack, worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let selection = Selection { targets: addresses.to_vec(), excludes: Vec::new() };
    let plan = runtime.block_on(planning::plan(&world, &source, purpose, &[], &selection))?;
    with_approval(&world, &runtime, &plan, Manner::from(options), screen)
}
