//! `tsinfra graph`.

use super::args::{GraphOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::source::Input;
use super::worlds;
use super::{planning, source};
use crate::plan::Purpose;
use crate::render;

/// Prints the steps of a plan in DOT.
pub(super) fn run(
    options: &GraphOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let plan = match source::either(&options.file, target)? {
        Input::Plan(_) if !options.selection.all().is_all() => {
            return Err(Failure::new(
                "a saved plan has its selection in it",
                "leave out --target and --exclude, or draw the stack's own file",
            ));
        }
        Input::Plan(plan) => *plan,
        Input::Stack(source) => {
            let stack = &source.stack;
            let purpose = if options.destroy { Purpose::Destroy } else { Purpose::Apply };
            let world = worlds::of(stack, worlds::Purpose::Look)?;
            planning::runtime()?.block_on(planning::plan(
                &world,
                &source,
                purpose,
                &[],
                &options.selection.all(),
            ))?
        }
    };
    screen.print(&render::graph::dot(&plan));
    Ok(Exit::Done)
}
