//! The steps of a plan as a graph in DOT, for Graphviz.

use std::fmt::Write as _;

use super::text::harmless;
use crate::plan::Plan;
use crate::plan::step::{Action, Step};

/// The graph; arrows point from a step to those that wait for it.
pub fn dot(plan: &Plan) -> String {
    let mut text = String::from(
        "digraph plan {\n  rankdir = \"LR\";\n  node [shape = \"box\", style = \"rounded\"];\n",
    );
    for (id, step) in &plan.steps {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {} [label = {}, color = {}];",
            quoted(&id.0),
            quoted(&step.title),
            quoted(colour(step))
        );
    }
    for (id, step) in &plan.steps {
        for before in &step.after {
            let _ = writeln!(text, "  {} -> {};", quoted(&before.0), quoted(&id.0));
        }
    }
    text.push_str("}\n");
    text
}

fn colour(step: &Step) -> &'static str {
    match step.action {
        Action::Create { .. } => "darkgreen",
        Action::Update { .. }
        | Action::Hold { .. }
        | Action::Relabel { .. }
        | Action::Say { .. }
        | Action::Expand { .. }
        | Action::Orphan { .. }
        | Action::Identify { .. }
        | Action::Scale { .. } => "goldenrod",
        Action::Delete { .. }
        | Action::Dissolve { .. }
        | Action::Abandon { .. }
        | Action::Purge { .. }
        | Action::Start { .. }
        | Action::Retire { .. } => "firebrick",
        Action::Await => "gray40",
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", harmless(text).replace('\\', "\\\\").replace('"', "\\\""))
}
