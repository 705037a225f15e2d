//! Saved plans: written whole or not at all, read with care.

use std::io::Write;
use std::path::Path;

use serde::Deserialize;

use super::exit::Failure;
use crate::plan::{PLAN_FORMAT, Plan};

/// Just enough of a plan to know whether the rest can be read.
#[derive(Deserialize)]
struct Format {
    format: Option<u32>,
}

/// Saves a plan; an existing file is replaced at once or stays as it is.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::plain(format!("the plan cannot be saved to {}: {error}", path.display()))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(|e| failed(&e))?;
    serde_json::to_writer_pretty(&mut file, plan).map_err(|e| failed(&e))?;
    file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    file.persist(path).map_err(|e| failed(&e.error))?;
    Ok(())
}

/// Reads a saved plan.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Plan, Failure> {
    let shown = path.display();
    let again = "make it again with `tsinfra plan STACK --out FILE`";
    let damaged = |error: serde_json::Error| {
        Failure::new(format!("{shown} is no plan of tsinfra, or is damaged: {error}"), again)
    };
    let format: Format = serde_json::from_slice(bytes).map_err(damaged)?;
    match format.format {
        Some(PLAN_FORMAT) => {}
        Some(other) => {
            return Err(Failure::new(
                format!(
                    "{shown} is a plan of format {other}; this tsinfra reads format {PLAN_FORMAT}"
                ),
                again,
            ));
        }
        None => {
            return Err(Failure::new(format!("{shown} is JSON, but no plan of tsinfra"), again));
        }
    }
    let plan: Plan = serde_json::from_slice(bytes).map_err(damaged)?;
    plan.order().map_err(|circle| Failure::new(format!("{shown}: {circle}"), again))?;
    Ok(plan)
}
