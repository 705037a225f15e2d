//! `tsinfra load`: data for a simulated database, so that plans have regions to tell of.

use super::args::{LoadOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds::{self, AnyWorld};
use super::{planning, source};
use crate::sandbox::Load;
use crate::stack::Stack;
use crate::survey;
use crate::wording::count;

/// Writes to one of a stack's databases in the sandbox.
pub(super) fn run(
    options: &LoadOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let world = worlds::of(&source.stack, worlds::Purpose::Act)?;
    let AnyWorld::Sandbox(sandbox) = &world else {
        return Err(Failure::new(
            "tsinfra writes data to simulated databases only".to_owned(),
            "with --sandbox this stack's clusters are simulated",
        ));
    };
    let stack = planning::runtime()?.block_on(survey::sight(&world, &source.stack, |_| ()))?.stack;
    let cluster = chosen(&stack, options.cluster.as_deref())?;
    let address = stack.cluster_address(&cluster);
    let load = Load {
        databases: options.databases,
        groups: options.groups,
        bytes: options.size.bytes(),
        partitions: options.partitions,
    };
    let name = format!("{}/{cluster}", stack.namespace);
    if !sandbox.disturb(|world| world.load_database(&name, load)) {
        return Err(Failure::new(
            format!(
                "the database of {address} takes no data: it does not run, has fewer DataNodes than \
                 replicas, or has some already"
            ),
            "apply the stack first; a database with data begins anew after `tsinfra destroy`",
        ));
    }
    screen.line(&format!(
        "{address} has {} of data now: {} a replica, of {}.",
        count(options.groups as usize, "region group"),
        options.size,
        count(usize::try_from(options.partitions).unwrap_or(usize::MAX), "time partition"),
    ));
    Ok(Exit::Done)
}

/// The cluster that is meant, by the name it was made with: the stack's only one unless it is named.
fn chosen(stack: &Stack, named: Option<&str>) -> Result<String, Failure> {
    let mut names = stack.clusters.keys();
    let of = |made: &String| stack.cluster_address(made).name().to_owned();
    let found = match named {
        Some(named) => names.find(|made| of(made) == named),
        None => names.next().filter(|_| stack.clusters.len() == 1),
    };
    found.cloned().ok_or_else(|| {
        let all: Vec<String> = stack.clusters.keys().map(of).collect();
        Failure::new(
            match named {
                Some(named) => format!("the stack has no cluster `{named}`"),
                None => format!("the stack has {} clusters", all.len()),
            },
            format!("name one with --cluster: {}", all.join(", ")),
        )
    })
}
