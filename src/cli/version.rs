//! `tsinfra version`.

use db_engine::cluster::EngineKind;
use serde_json::json;

use super::args::VersionOptions;
use super::exit::{Exit, Failure};
use super::screen::Screen;
use crate::inventory::INVENTORY_FORMAT;
use crate::plan::PLAN_FORMAT;

/// Prints the version.
pub(super) fn run(options: &VersionOptions, screen: &Screen) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if options.json {
        screen.json_page(&json!({
            "tsinfra": version,
            "plan_format": PLAN_FORMAT,
            "inventory_format": INVENTORY_FORMAT,
            "engines": EngineKind::ALL,
        }));
    } else {
        screen.line(&format!("tsinfra {version}"));
    }
    Ok(Exit::Done)
}
