//! Saved plans: written whole or not at all, over nothing but another plan, read with care.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::exit::Failure;
use crate::fields::hex;
use crate::plan::{PLAN_FORMAT, Plan};

/// The member that holds the digest of all others: a saved plan is its own approval, so that one
/// that was edited is another plan that nobody has approved.
const DIGEST: &str = "digest";

/// The way on from a file that is no usable plan.
const AGAIN: &str = "make it again with `tsinfra plan STACK --out FILE`";

/// Saves a plan. An older plan is replaced at once or stays as it is; anything else is left alone.
pub(super) fn write(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::plain(format!("the plan cannot be saved to {}: {error}", path.display()))
    };
    let target = target(path)?;
    let mut value = serde_json::to_value(plan).map_err(|e| failed(&e))?;
    value[DIGEST] = digest(&value).into();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(|e| failed(&e))?;
    let written = file.write_all(format!("{value:#}\n").as_bytes());
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

/// SHA-256, in hex, of a saved plan without its digest. Members are in order of their names, so
/// that spaces and order do not matter.
fn digest(plan: &Value) -> String {
    let mut plain = plan.clone();
    if let Some(members) = plain.as_object_mut() {
        members.remove(DIGEST);
    }
    hex(&Sha256::digest(plain.to_string().as_bytes()))
}

/// Reads a saved plan.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Plan, Failure> {
    let shown = path.display();
    let damaged = |error: serde_json::Error| {
        Failure::new(format!("{shown} is no plan of tsinfra, or is damaged: {error}"), AGAIN)
    };
    let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    match value.get("format").map(Value::as_u64) {
        Some(Some(format)) if format == u64::from(PLAN_FORMAT) => {}
        Some(Some(other)) => {
            let what = format!(
                "{shown} is a plan of format {other}; this tsinfra reads format {PLAN_FORMAT}"
            );
            return Err(Failure::new(what, AGAIN));
        }
        _ => return Err(Failure::new(format!("{shown} is JSON, but no plan of tsinfra"), AGAIN)),
    }
    if value.get(DIGEST).and_then(Value::as_str) != Some(&digest(&value)) {
        return Err(Failure::new(format!("{shown} was changed after it was saved"), AGAIN));
    }
    let plan: Plan = serde_json::from_value(value).map_err(damaged)?;
    plan.order().map_err(|circle| Failure::new(format!("{shown}: {circle}"), AGAIN))?;
    Ok(plan)
}
