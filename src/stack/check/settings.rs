//! Settings passed on to the engine: not those tsinfra writes itself, and only what reaches its configuration.

use std::collections::BTreeMap;

use db_engine::drivers::driver;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{Cluster, Stack};

/// A value longer than this is no setting; all of a pod's together must fit its manifest.
const VALUE_BYTES_MAX: usize = 4096;

/// Checks the settings of every cluster and pool.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for cluster in stack.clusters.values() {
        let engine = cluster.engine.word();
        let path = ["cluster", &cluster.name, engine, "settings"];
        check_settings(cluster, &cluster.settings, &path, found);
        for pool in cluster.pools.values() {
            let path = ["cluster", &cluster.name, "pool", &pool.name, "settings"];
            check_settings(cluster, &pool.settings, &path, found);
        }
    }
}

fn check_settings(
    cluster: &Cluster,
    settings: &BTreeMap<String, String>,
    path: &[&str],
    found: &mut Findings,
) {
    let reserved = driver(cluster.engine).reserved_settings();
    for (name, value) in settings {
        let mut path = path.to_vec();
        path.push(name);
        let taken = reserved.iter().find(|(word, _)| word.eq_ignore_ascii_case(name));
        if let Some((word, way_on)) = taken {
            let way_on = way_on.trim_end_matches('.');
            let mistake = Mistake::new(format!("tsinfra sets `{word}` itself"))
                .label(found.key(&path), "not yours to set")
                .help(format!("leave it out: {way_on}"));
            found.unfit(mistake);
        } else if let Some(help) = bad_name(name) {
            let mistake = Mistake::new(format!("{} is no name of a setting", quoted(name)))
                .label(found.key(&path), "would not arrive")
                .help(help);
            found.unfit(mistake);
        }
        if let Some(reason) = bad_value(value) {
            let mistake = Mistake::new(format!("the value of setting {} {reason}", quoted(name)))
                .label(found.value(&path), "cannot be passed on")
                .help("a setting is one line of the engine's configuration");
            found.unfit(mistake);
        }
    }
}

/// What to do about a name that the image would not pass on to the engine.
fn bad_name(name: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let fits =
        |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(inner);
    if fits(name) {
        return None;
    }
    let rule = "the image passes on names of `a` to `z`, `0` to `9` and `_` only";
    let meant = name.to_lowercase().replace(['-', '.', ' '], "_");
    if fits(&meant) {
        Some(format!("{rule}; did you mean {}?", quoted(&meant)))
    } else {
        Some(rule.to_owned())
    }
}

fn bad_value(value: &str) -> Option<&'static str> {
    if value.chars().any(|c| matches!(c, '\n' | '\r')) {
        return Some("has more than one line");
    }
    if value.chars().any(char::is_control) {
        return Some("has control characters");
    }
    (value.len() > VALUE_BYTES_MAX).then_some("is longer than 4096 bytes")
}
