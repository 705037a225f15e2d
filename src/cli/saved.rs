//! Saved plans: written whole or not at all, over nothing but another plan, read with care.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::exit::Failure;
use crate::plan::saved::{self, BadPlan};
use crate::plan::{PLAN_FORMAT, Plan};

/// The way on from a file that is no usable plan.
const AGAIN: &str = "make it again with `tsinfra plan STACK --out FILE`";

/// Saves a plan. An older plan is replaced at once or stays as it is; anything else is left alone.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::plain(format!("the plan cannot be saved to {}: {error}", path.display()))
    };
    let target = target(path)?;
    let text = saved::text(plan).map_err(|e| failed(&e))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(|e| failed(&e))?;
    let written = file.write_all(text.as_bytes());
    written.and_then(|()| file.as_file().sync_all()).map_err(|e| failed(&e))?;
    file.persist(&target).map_err(|e| failed(&e.error))?;
    Ok(())
}

/// Where a plan goes: through links, and over nothing but a plan.
fn target(path: &Path) -> Result<PathBuf, Failure> {
    let Ok(target) = fs::canonicalize(path) else { return Ok(path.to_owned()) };
    let is_plan = || {
        let text = fs::read(&target).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
        Some(value.get("format").is_some() && value.get("steps").is_some())
    };
    if fs::metadata(&target).is_ok_and(|metadata| metadata.is_file()) && is_plan() == Some(true) {
        return Ok(target);
    }
    Err(Failure::new(
        format!("{} is there and is no plan of tsinfra; it is left alone", path.display()),
        "name a new file, or remove that one first",
    ))
}

/// Reads a saved plan.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Plan, Failure> {
    saved::read(bytes).map_err(|bad| {
        let way_on = match &bad {
            BadPlan::Other(format) if *format > PLAN_FORMAT => {
                format!("apply it with the tsinfra that saved it, or {AGAIN} and this one")
            }
            BadPlan::Strange { .. } => {
                format!("apply it with the tsinfra that saved it, or {AGAIN} and this one")
            }
            _ => AGAIN.to_owned(),
        };
        Failure::new(format!("{} {bad}", path.display()), way_on)
    })
}
