//! A plan that has gone stale writes nothing: as the API server's own audit log tells it.

use std::fs;
use std::sync::Arc;

use serde_json::Value;
use tsinfra::object::{Kind, ObjectKey};

use crate::bed::bed;
use crate::bench::small;
use crate::kubernetes::KubernetesStage;
use crate::live;
use crate::lives::tell;
use crate::process::Process;
use crate::stage::{Run, Stage};

/// Once it is stale before it begins, and once it goes stale while it waits for the lock.
#[test]
fn a_stale_plan_writes_nothing_but_the_lock_says_the_audit_log() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter().audited();
    let set = ObjectKey::within(Kind::StatefulSet, "audited", "db-data");
    let first = written(&|| applied(&stage, "4Gi", 1));
    assert!(first.iter().any(|name| name == "statefulsets"), "the log is blind: {first:?}");

    planned(&stage, "5Gi", 1);
    stage.scale_as("kubectl", &set, 2);
    let early = written(&|| refused(&stage.tsinfra(&["apply", "saved.json"])));
    assert!(early.iter().all(|name| name == "leases"), "it wrote {early:?}");

    planned(&stage, "5Gi", 2);
    stage.lock_as("anna@elsewhere, process 7", "audited", "audited");
    let late = written(&|| {
        let command = stage.program(&["apply", "saved.json"]);
        let apply = Process::start(command, &Arc::default());
        apply.wait_until_it_says("Waiting for it to let go.");
        stage.scale_as("kubectl", &set, 3);
        assert_eq!(stage.tsinfra(&["unlock", "--auto-approve"]).code, Some(0));
        refused(&apply.wait());
    });
    assert!(late.iter().all(|name| name == "leases"), "it wrote {late:?}");
    assert!(late.len() > 1, "it never had the lock: {late:?}");

    let last = written(&|| applied(&stage, "5Gi", 3));
    assert!(last.iter().any(|name| name == "statefulsets"), "the log is blind: {last:?}");
    tell(&format!(
        "audited: a first apply wrote {} times; a stale plan {} times, one that went stale while it \
         waited {} times, all of them the Lease; the apply after them {} times",
        first.len(),
        early.len(),
        late.len(),
        last.len()
    ));
    assert_eq!(stage.tsinfra(&["destroy", "--auto-approve"]).code, Some(0));
}

fn write(stage: &KubernetesStage, memory: &str, data_nodes: usize) {
    let stack = small("audited", data_nodes).replacen("\"4Gi\"", &format!("\"{memory}\""), 1);
    stage.write("stack.toml", &stack);
}

fn applied(stage: &KubernetesStage, memory: &str, data_nodes: usize) {
    write(stage, memory, data_nodes);
    let run = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

fn planned(stage: &KubernetesStage, memory: &str, data_nodes: usize) {
    write(stage, memory, data_nodes);
    let run = stage.tsinfra(&["plan", "--out", "saved.json"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

/// Holds that a run was refused because of the scaling, and says the way on.
fn refused(run: &Run) {
    assert_eq!(run.code, Some(3), "{}", run.text);
    for part in ["stale: StatefulSet/audited/db-data was changed", "make a new plan"] {
        assert!(run.unfolded().contains(part), "no `{part}`: {}", run.text);
    }
}

/// What kinds of objects the audited user has written to while this was done.
fn written(done: &dyn Fn()) -> Vec<String> {
    let before = audit().len();
    done();
    resources(&audit()[before..])
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
