//! `tsinfra validate`.

use serde_json::{Value, json};

use super::args::{TargetOptions, ValidateOptions};
use super::exit::{Exit, Failure};
use super::screen::Screen;
use super::source;
use crate::render::text::count;
use crate::stack::{Mistake, Mistakes};

/// Checks a stack.
pub(super) fn run(options: &ValidateOptions, screen: &Screen) -> Result<Exit, Failure> {
    let source = source::stack(&options.stack.stack, &TargetOptions::default())?;
    if options.json {
        screen.json_page(&json!({
            "format_version": "1.0", "valid": true, "error_count": 0, "diagnostics": [],
        }));
        return Ok(Exit::Done);
    }
    let stack = &source.stack;
    let pools = stack.clusters.values().map(|cluster| cluster.pools.len()).sum();
    screen.line(&format!(
        "Stack `{}` is valid: {}, {}, {}.",
        stack.name,
        count(stack.clusters.len(), "cluster"),
        count(pools, "pool"),
        count(stack.storage.len(), "storage tier"),
    ));
    Ok(Exit::Done)
}

/// Mistakes in the shape of `terraform validate -json`; places are bytes of the file.
pub(super) fn as_json(mistakes: &Mistakes) -> Value {
    let diagnostic = |mistake: &Mistake| {
        let labels = mistake.labels.iter().map(
            |label| json!({ "start": label.span.start, "end": label.span.end, "text": label.text }),
        );
        json!({
            "severity": "error",
            "summary": mistake.message,
            "detail": mistake.help,
            "labels": labels.collect::<Vec<Value>>(),
        })
    };
    let diagnostics: Vec<Value> = mistakes.all().iter().map(diagnostic).collect();
    json!({
        "format_version": "1.0",
        "valid": false,
        "error_count": diagnostics.len(),
        "diagnostics": diagnostics,
    })
}
