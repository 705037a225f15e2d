//! `tsinfra status`.

use super::aloud::aloud;
use super::args::{StatusOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, source};
use crate::lock::Lock;
use crate::observed::Scope;
use crate::render;
use crate::survey::{self, Survey};

/// Shows a stack's members from both sides.
pub(super) fn run(
    options: &StatusOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let stack = &source.stack;
    let world = worlds::of(stack, worlds::Purpose::Look)?;
    let more = |scope: &mut Scope| {
        scope.events_in = Some(stack.namespace.clone());
        scope.gets.push(Lock::key(&stack.namespace, &stack.name));
    };
    let look = aloud(&world, survey::sight(&world, stack, more), Screen::aside);
    let Survey { stack, desired, observed, .. } = planning::runtime()?.block_on(look)?;
    if options.json {
        screen.json_page(&render::status::json(&stack, &desired, &observed));
    } else {
        screen.print(&render::status::text(&stack, &desired, &observed));
    }
    Ok(Exit::Done)
}
