//! Asking before acting, and refusing: where nobody can answer, or a rule says no, nothing is done,
//! whichever verb and whichever way it is asked for.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use nix::pty::openpty;
use serde_json::Value;
use tsinfra::sealed::seal;

use super::{err, folder, out, program, run, stack};

/// The sandbox as it is kept.
fn sandbox(folder: &Path) -> String {
    fs::read_to_string(folder.join(".tsinfra/sandbox.json")).unwrap_or_default()
}

/// Runs what must not be done: it ends so, says this, and the sandbox stays as it is.
fn refused(folder: &Path, arguments: &[&str], code: i32, words: &str) {
    let before = sandbox(folder);
    let output = run(folder, arguments);
    let text = format!("{}{}", out(&output), err(&output));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(words), "{arguments:?} does not say {words:?}: {text}");
    assert!(sandbox(folder) == before, "{arguments:?} did something");
}

fn done(folder: &Path, arguments: &[&str]) {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
}

/// Rule 9: an approval is given, not taken for given.
#[test]
fn nothing_is_done_where_nobody_can_answer() {
    let folder = folder();
    let (folder, quickstart) = (folder.path(), &*stack("quickstart"));
    let nobody = "nobody is there to confirm";
    refused(folder, &["apply", quickstart], 1, nobody);
    refused(folder, &["apply", quickstart, "--json"], 1, "--json asks no questions");
    done(folder, &["apply", quickstart, "--auto-approve"]);
    refused(folder, &["destroy", quickstart], 1, nobody);
    refused(folder, &["destroy", quickstart, "--json"], 1, "--json asks no questions");
}

/// Rules 2 and 9: approval is no consent.
#[test]
fn what_a_rule_refuses_is_not_done_however_it_is_approved() {
    let folder = folder();
    let folder = folder.path();
    let text = fs::read_to_string(stack("quickstart")).expect("a shipped stack");
    let guarded = text.replacen("version =", "protect = true\nversion =", 1);
    let fewer = guarded.replacen("nodes   = 3\n", "nodes   = 1\n", 1);
    assert!(guarded != text && fewer != guarded);
    for (name, text) in [("guarded.toml", &guarded), ("fewer.toml", &fewer)] {
        fs::write(folder.join(name), text).expect("written");
    }
    done(folder, &["apply", "guarded.toml", "--auto-approve"]);
    refused(folder, &["destroy", "guarded.toml", "--auto-approve"], 4, "protected");
    refused(folder, &["apply", "fewer.toml", "--auto-approve"], 4, "ConfigNodes vote");
    let saved = run(folder, &["plan", "guarded.toml", "--destroy", "--out", "end.json"]);
    assert_eq!(saved.status.code(), Some(4), "{}", err(&saved));
    refused(folder, &["apply", "end.json"], 4, "protected");
    let consent = ["--consent", "cluster.demo"];
    refused(
        folder,
        &[&["apply", "end.json"], consent.as_slice()].concat(),
        1,
        "a saved plan has its consents in it",
    );
    // With it, it may be.
    done(folder, &[&["destroy", "guarded.toml", "--auto-approve"], consent.as_slice()].concat());
}

/// Rule 10: a plan that was made for another Kubernetes is not carried out on this one.
#[test]
fn a_plan_for_another_target_is_not_carried_out_here() {
    let folder = folder();
    let folder = folder.path();
    let saved = run(folder, &["plan", &stack("quickstart"), "--out", "plan.json"]);
    assert_eq!(saved.status.code(), Some(0), "{}", err(&saved));
    let text = fs::read_to_string(folder.join("plan.json")).expect("a plan");
    let mut plan: Value = serde_json::from_str(&text).expect("JSON");
    plan["basis"]["target"] = "https://prod.example.org:6443".into();
    fs::write(folder.join("plan.json"), seal(plan).to_string()).expect("written");
    refused(folder, &["apply", "plan.json"], 3, "the plan was made for https://prod.example.org");
}

/// Runs with somebody at a terminal, who types a line.
fn typed(folder: &Path, arguments: &[&str], line: &str) -> Output {
    let terminal = openpty(None, None).expect("a terminal");
    let mut keys = fs::File::from(terminal.master);
    writeln!(keys, "{line}").expect("typed");
    let output = program(folder, arguments).stdin(terminal.slave).output();
    output.expect("the program starts")
}

/// Rule 9: only one word confirms; for the end of a stack it is its name.
#[test]
fn only_the_word_that_was_asked_for_confirms() {
    let folder = folder();
    let (folder, quickstart) = (folder.path(), &*stack("quickstart"));
    let refused = |arguments: &[&str], line: &str| {
        let before = sandbox(folder);
        let output = typed(folder, arguments, line);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}, {line:?}: {}", out(&output));
        assert!(err(&output).contains("not confirmed"), "{line:?}: {}", err(&output));
        assert!(sandbox(folder) == before, "{arguments:?}, {line:?} did something");
    };
    let (apply, destroy) = (["apply", quickstart], ["destroy", quickstart]);
    for line in ["", "y", "no", "YES", "yes please"] {
        refused(&apply, line);
    }
    assert_eq!(typed(folder, &apply, "yes").status.code(), Some(0));
    for line in ["", "yes", "Quickstart", "quick"] {
        refused(&destroy, line);
    }
    assert_eq!(typed(folder, &destroy, "quickstart").status.code(), Some(0));
}
