//! A plan that has gone stale writes nothing: as the API server's own audit log tells it.

use std::fs;

use serde_json::Value;
use tsinfra::object::{Kind, ObjectKey};

use crate::bed::bed;
use crate::bench::small;
use crate::kubernetes::KubernetesStage;
use crate::live;
use crate::lives::tell;
use crate::stage::Stage;

#[test]
fn a_stale_plan_writes_nothing_but_the_lock_says_the_audit_log() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter().audited();
    stage.write("stack.toml", &small("audited", 1));
    assert_eq!(stage.tsinfra(&["apply", "--auto-approve"]).code, Some(0));
    let first = resources(&audit());
    assert!(first.iter().any(|name| name == "statefulsets"), "the log is blind: {first:?}");

    stage.write("stack.toml", &small("audited", 1).replacen("\"4Gi\"", "\"5Gi\"", 1));
    let planned = stage.tsinfra(&["plan", "--out", "saved.json"]);
    assert_eq!(planned.code, Some(0), "{}", planned.text);
    stage.scale_as("kubectl", &ObjectKey::within(Kind::StatefulSet, "audited", "db-data"), 2);

    let before = audit().len();
    let run = stage.tsinfra(&["apply", "saved.json"]);
    assert_eq!(run.code, Some(3), "{}", run.text);
    for part in ["stale: StatefulSet/audited/db-data was changed", "make a new plan"] {
        assert!(run.unfolded().contains(part), "no `{part}`: {}", run.text);
    }
    let stale = resources(&audit()[before..]);
    assert!(stale.iter().all(|name| name == "leases"), "it wrote {stale:?}");

    let before = audit().len();
    stage.write("stack.toml", &small("audited", 2).replacen("\"4Gi\"", "\"5Gi\"", 1));
    let run = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    let after = resources(&audit()[before..]);
    assert!(after.iter().any(|name| name == "statefulsets"), "the log is blind: {after:?}");
    tell(&format!(
        "audited: the apply before wrote {} times, the stale one {} times (only the Lease, if \
             anything), the one after {} times",
        first.len(),
        stale.len(),
        after.len()
    ));
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

/// What the audited user has asked for that may change something, an event each.
fn audit() -> Vec<Value> {
    let text = fs::read_to_string(&bed().audit_log).expect("the audit log");
    // The last line may be half written; it is of somebody's request that has no answer yet.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn resources(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| event["objectRef"]["resource"].as_str().unwrap_or("?").to_owned();
    let dry =
        |event: &&Value| event["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun=All"));
    events.iter().filter(|event| !dry(event)).map(name).collect()
}
