//! `tsinfra unlock`.

use super::args::{TargetOptions, UnlockOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds::{self, AnyWorld};
use super::{confirm, planning, source};
use crate::lock::{self, Lock};
use crate::observed::Scope;
use crate::render::outcome;
use crate::stack::Stack;
use crate::world::World;

/// Takes the lock away from whoever has it, after asking.
pub(super) fn run(
    options: &UnlockOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let stack = &source.stack;
    let world = worlds::of(stack, worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let Some((lock, version)) = runtime.block_on(look(&world, stack))? else {
        screen.line(&format!("Stack `{}` is not locked.", stack.name));
        return Ok(Exit::Done);
    };
    screen.print(&outcome::held_by(&lock));
    if !options.auto_approve {
        let question = "Take the lock away? Whoever has it halts before its next write.";
        confirm::ask(question, "yes", "--auto-approve", screen)?;
    }
    let key = Lock::key(&stack.namespace, &stack.name);
    let free = lock::free(&stack.namespace, &stack.name, lock::next_epoch(lock.epoch));
    let swapped = runtime.block_on(world.swap(&key, &free, Some(&version)));
    swapped.map_err(|refused| Failure::new(refused.to_string(), "look again: it has changed"))?;
    screen.line(&format!("Stack `{}` is unlocked.", stack.name));
    Ok(Exit::Done)
}

/// Who holds a stack, and the version of the Lease that says so.
async fn look(world: &AnyWorld, stack: &Stack) -> Result<Option<(Lock, String)>, Failure> {
    let key = Lock::key(&stack.namespace, &stack.name);
    let seen = world.look(&Scope { gets: vec![key.clone()], ..Scope::default() }).await?;
    let Some(lease) = seen.objects.get(&key) else { return Ok(None) };
    let version = lease.text("/metadata/resourceVersion").unwrap_or_default().to_owned();
    Ok(Lock::from_lease(lease).map(|lock| (lock, version)))
}
