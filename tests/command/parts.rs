//! Drift, the record brought up to date, and parts of plans, as the program tells and does them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{err, folder, out, run, stack};

/// Takes an object out of the sandbox, as somebody else would.
fn lose(folder: &Path, object: &str) {
    let file = folder.join(".tsinfra/sandbox.json");
    let text = fs::read_to_string(&file).expect("the sandbox");
    let mut sandbox: Value = serde_json::from_str(&text).expect("JSON");
    let objects = sandbox["objects"].as_object_mut().expect("objects");
    assert!(objects.remove(object).is_some(), "{object} was not there");
    fs::write(&file, sandbox.to_string()).expect("written");
}

/// Runs, and expects an exit code and some words on standard output.
fn expect(folder: &Path, arguments: &[&str], code: i32, words: &str) {
    let output = run(folder, arguments);
    let text = format!("{}{}", out(&output), err(&output));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(words), "{arguments:?} does not say {words:?}: {text}");
}

#[test]
fn drift_is_told_by_exit_code_and_the_record_brought_up_to_date() {
    let folder = folder();
    let (folder, quickstart) = (folder.path(), &stack("quickstart"));
    expect(folder, &["apply", quickstart, "--auto-approve"], 0, "Apply complete!");
    let look = ["plan", quickstart, "--refresh-only", "--detailed-exitcode"];
    expect(folder, &look, 0, "Nothing to learn.");
    lose(folder, "Service/quickstart/demo");
    expect(folder, &look, 2, "Service/quickstart/demo  was deleted");
    let refresh = ["apply", quickstart, "--refresh-only"];
    expect(folder, &refresh, 1, "--auto-approve");
    let refresh = ["apply", quickstart, "--refresh-only", "--auto-approve"];
    expect(folder, &refresh, 0, "Refresh complete!");
    expect(folder, &look, 0, "Nothing to learn.");
    expect(folder, &refresh, 0, "Nothing to learn.");
    let plan = ["plan", quickstart, "--detailed-exitcode"];
    expect(folder, &plan, 2, "+ Service/quickstart/demo");
    let both = ["plan", quickstart, "--refresh-only", "--destroy"];
    expect(folder, &both, 1, "cannot be used with");
}

#[test]
fn a_saved_plan_keeps_its_selection() {
    let folder = folder();
    let (folder, quickstart) = (folder.path(), &stack("quickstart"));
    let part = "--target=cluster.demo.pool.config";
    expect(folder, &["plan", quickstart, part, "--out", "part.json"], 0, "only part of the plan");
    expect(folder, &["show", "part.json"], 0, "only part of the plan");
    for verb in [&["apply", "part.json", part][..], &["graph", "part.json", part]] {
        expect(folder, verb, 1, "a saved plan has its selection in it");
    }
    expect(folder, &["apply", "part.json"], 0, "Only part of the plan was carried out.");
    expect(folder, &["plan", quickstart, part], 0, "No changes in the part");
    expect(folder, &["apply", quickstart, "--auto-approve"], 0, "Apply complete!");
    expect(folder, &["graph", quickstart, "--destroy", part], 0, "digraph");
    let destroy = ["destroy", quickstart, "--exclude=cluster.demo", "--auto-approve"];
    expect(folder, &destroy, 0, "left out");
}
