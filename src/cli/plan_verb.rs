//! `tsinfra plan`.

use super::args::{PlanOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::worlds;
use super::{planning, saved, source};
use crate::plan::{Plan, Purpose};
use crate::render;
use crate::wording::harmless;

/// Shows what would be done.
pub(super) fn run(
    options: &PlanOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, target)?;
    let purpose = match (options.destroy, options.refresh_only) {
        (true, _) => Purpose::Destroy,
        (_, true) => Purpose::Refresh,
        _ => Purpose::Apply,
    };
    let world = worlds::of(&source.stack, worlds::Purpose::Look)?;
    let consents = &options.consent.addresses;
    let plan = planning::runtime()?.block_on(planning::plan(
        &world,
        &source,
        purpose,
        consents,
        &options.selection.all(),
    ))?;
    page(&plan, options.full, options.json, screen);
    if let Some(path) = &options.out {
        saved::write(path, &plan)?;
        if !options.json {
            let path = harmless(&path.display().to_string());
            screen.line(&format!("\nSaved to {path}; `tsinfra apply {path}` does exactly this."));
        }
    }
    Ok(verdict(&plan, options.detailed_exitcode))
}

/// Prints a plan, for people or for programs.
pub(super) fn page(plan: &Plan, full: bool, json: bool, screen: &Screen) {
    if json {
        screen.json_page(&render::json::plan(plan));
    } else {
        show(plan, full, screen);
    }
}

/// Prints a plan as text.
pub(super) fn show(plan: &Plan, full: bool, screen: &Screen) {
    let style = render::plan::Style { paint: screen.paint, full };
    screen.print(&render::plan::plan(plan, style));
}

/// Whether a plan has what it was made for: drift, or changes.
fn is_notable(plan: &Plan) -> bool {
    match plan.purpose {
        Purpose::Refresh => !plan.drift.is_empty(),
        Purpose::Apply | Purpose::Destroy | Purpose::Adopt | Purpose::Forget => {
            !plan.steps.is_empty()
        }
    }
}

/// The exit code a plan leads to.
pub(super) fn verdict(plan: &Plan, detailed: bool) -> Exit {
    if !plan.blocked.is_empty() {
        Exit::Blocked
    } else if detailed && is_notable(plan) {
        Exit::Changes
    } else {
        Exit::Done
    }
}
