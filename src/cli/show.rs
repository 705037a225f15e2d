//! `tsinfra show`.

use serde_json::{Value, json};

use super::args::{ShowOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::plan_verb;
use super::screen::Screen;
use super::source::{self, Input};
use crate::desired;
use crate::observed::Observed;
use crate::render;
use crate::stack::Stack;

/// Shows a stack as the objects it asks for, or a saved plan.
pub(super) fn run(
    options: &ShowOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    match source::either(&options.file, target)? {
        Input::Plan(plan) => plan_verb::page(&plan, options.full, options.json, screen),
        Input::Stack(source) if options.json => screen.json_page(&objects(&source.stack)),
        Input::Stack(source) => screen.print(&render::stack::text(&source.stack)),
    }
    Ok(Exit::Done)
}

/// The objects a stack asks for, as Kubernetes would be given them: a `List` kubectl understands.
fn objects(stack: &Stack) -> Value {
    let desired = desired::lower(stack, &Observed::default());
    let items: Vec<Value> = desired.objects.into_values().map(|object| object.manifest).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}
