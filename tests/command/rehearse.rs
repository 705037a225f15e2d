//! `rehearse`: what a plan would be like, told in advance; nothing is written.

use std::fs;

use super::golden::check;
use super::{err, folder, out, run, stack};

/// One ConfigNode and two DataNodes, so that all faults are tried in a moment.
const SMALL: &str = r#"
[stack]
name = "small"
[target]
sandbox = true
[storage.disk]
kind = "csi"
provisioner = "sandbox.tsinfra.dev"
reclaim = "delete"
[cluster.one]
engine = "iotdb"
version = "2.0.5"
[cluster.one.iotdb]
schema_replication = 1
data_replication = 1
[cluster.one.pool.config]
role = "control"
nodes = 1
storage = { tier = "disk", size = "1Gi" }
[cluster.one.pool.data]
role = "mixed"
nodes = 1
storage = { tier = "disk", size = "1Gi" }
"#;

#[test]
fn a_rehearsal_tells_what_a_run_would_be_like() {
    let folder = folder();
    let quickstart = stack("quickstart");
    let create = run(folder.path(), &["rehearse", &quickstart, "--quick"]);
    assert_eq!(create.status.code(), Some(0), "{}", err(&create));
    check("rehearse-create", &out(&create));
    assert!(!folder.path().join(".tsinfra").exists(), "nothing is written");
    let applied = run(folder.path(), &["apply", &quickstart, "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{}", err(&applied));
    let state = || fs::read(folder.path().join(".tsinfra/sandbox.json")).expect("the sandbox");
    let before = state();
    let newer = fs::read_to_string(&quickstart).expect("a stack").replace("2.0.5", "2.0.9");
    fs::write(folder.path().join("newer.toml"), newer).expect("written");
    let upgrade = run(folder.path(), &["rehearse", "newer.toml", "--quick"]);
    assert_eq!(upgrade.status.code(), Some(0), "{}", err(&upgrade));
    check("rehearse-upgrade", &out(&upgrade));
    let destroy = run(folder.path(), &["rehearse", &quickstart, "--quick", "--destroy"]);
    assert_eq!(destroy.status.code(), Some(0), "{}", err(&destroy));
    check("rehearse-destroy", &out(&destroy));
    assert_eq!(state(), before, "nothing is written");
}

#[test]
fn a_rehearsal_tries_every_fault_at_every_request() {
    let folder = folder();
    fs::write(folder.path().join("small.toml"), SMALL).expect("written");
    let whole = run(folder.path(), &["rehearse", "small.toml", "--json"]);
    assert_eq!(whole.status.code(), Some(0), "{}", err(&whole));
    let told: serde_json::Value = serde_json::from_str(&out(&whole)).expect("JSON");
    assert!(told["trials"].as_u64().is_some_and(|trials| trials > 29 * 10), "{told:#}");
    assert_eq!(told["failures"], serde_json::json!([]), "{told:#}");
    assert_eq!(told["crashes"].as_array().map(Vec::len), Some(10), "{told:#}");
}

#[test]
fn what_is_refused_is_not_rehearsed() {
    let folder = folder();
    let quickstart = stack("quickstart");
    let text = fs::read_to_string(&quickstart).expect("a stack");
    let fewer = text.replacen("nodes   = 3\n", "nodes   = 1\n", 1);
    assert_ne!(fewer, text);
    fs::write(folder.path().join("fewer.toml"), fewer).expect("written");
    let applied = run(folder.path(), &["apply", &quickstart, "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{}", err(&applied));
    let refused = run(folder.path(), &["rehearse", "fewer.toml"]);
    assert_eq!(refused.status.code(), Some(4), "{}{}", out(&refused), err(&refused));
    assert!(out(&refused).contains("scale-in"), "{}", out(&refused));
}

/// The members of a copy have the ids they were seen with: a member is told to leave by its own.
#[test]
fn a_member_that_came_late_leaves_in_rehearsal_too() {
    let folder = folder();
    let quickstart = stack("quickstart");
    let text = fs::read_to_string(&quickstart).expect("a stack");
    let more = text.replace("nodes   = 3                          # raise", "nodes   = 5  # raise");
    assert_ne!(more, text);
    fs::write(folder.path().join("more.toml"), more).expect("written");
    for file in ["more.toml", &quickstart, "more.toml"] {
        let applied = run(folder.path(), &["apply", file, "--auto-approve"]);
        assert_eq!(applied.status.code(), Some(0), "{}", err(&applied));
    }
    let told = run(folder.path(), &["rehearse", &quickstart, "--quick"]);
    assert_eq!(told.status.code(), Some(0), "{}{}", out(&told), err(&told));
    assert!(out(&told).contains("say REMOVE DATANODE 8"), "{}", out(&told));
}
