//! `tsinfra status`.

use super::aloud::aloud;
use super::args::{StatusOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, source};
use crate::desired::{self, scope};
use crate::lock::Lock;
use crate::render;
use crate::survey::connection;
use crate::world::World;

/// Shows a stack's members from both sides.
pub(super) fn run(
    options: &StatusOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let stack = &source.stack;
    let world = worlds::open(&connection(stack), Some(stack), worlds::Purpose::Look)?;
    let mut whole = scope::scope(stack);
    whole.events_in = Some(stack.namespace.clone());
    whole.gets.push(Lock::key(&stack.namespace, &stack.name));
    let look = aloud(&world, world.look(&whole), Screen::aside);
    let observed = planning::runtime()?.block_on(look)?;
    let desired = desired::lower(stack, &observed);
    if options.json {
        screen.json_page(&render::status::json(stack, &desired, &observed));
    } else {
        screen.print(&render::status::text(stack, &desired, &observed));
    }
    Ok(Exit::Done)
}
