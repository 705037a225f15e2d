//! Which answer goes where, and with which exit code.

use super::{err, folder, out, run, stack};

#[test]
fn the_way_of_the_readme() {
    let folder = folder();
    let stack = &stack("quickstart");
    let code = |arguments: &[&str]| run(folder.path(), arguments).status.code();
    let apply = run(folder.path(), &["apply", stack, "--auto-approve"]);
    assert_eq!(apply.status.code(), Some(0), "{}", err(&apply));
    assert!(out(&apply).contains("Apply complete! Resources: 9 added, 0 changed, 0 destroyed."));
    assert!(out(&apply).contains("any node's address, port 32667"));
    let again = run(folder.path(), &["apply", stack, "--auto-approve"]);
    assert!(out(&again).starts_with("No changes."), "{}", out(&again));
    assert_eq!(code(&["plan", stack, "--detailed-exitcode"]), Some(0));
    assert_eq!(code(&["destroy", stack, "--auto-approve"]), Some(0));
    assert_eq!(code(&["plan", stack, "--detailed-exitcode"]), Some(2));
    assert_eq!(code(&["plan", stack]), Some(0));
}

#[test]
fn answers_go_out_and_errors_go_to_standard_error() {
    let folder = folder();
    let plan = run(folder.path(), &["plan", &stack("quickstart")]);
    assert!(!out(&plan).is_empty() && err(&plan).is_empty());
    let broken = run(folder.path(), &["plan", "missing.toml"]);
    assert!(out(&broken).is_empty() && !err(&broken).is_empty());
}

#[test]
fn a_plan_writes_nothing() {
    let folder = folder();
    run(folder.path(), &["plan", &stack("quickstart")]);
    run(folder.path(), &["status", &stack("quickstart")]);
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 0, "something was left behind");
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let folder = folder();
    let stack = stack("quickstart");
    let plain = out(&run(folder.path(), &["plan", &stack]));
    let coloured = out(&run(folder.path(), &["plan", &stack, "--color", "always"]));
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains('\u{1b}'));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or("", |(_, after)| after);
    }
    assert_eq!(stripped + rest, plain, "colour carries a meaning of its own");
}

#[test]
fn a_reader_that_leaves_stops_nothing() {
    let folder = folder();
    let stack = stack("quickstart");
    let mut apply = super::program(folder.path(), &["apply", &stack, "--auto-approve"]);
    let mut apply = apply.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    drop(apply.stdout.take());
    assert_eq!(apply.wait().expect("it ends").code(), Some(0));
    let plan = run(folder.path(), &["plan", &stack, "--detailed-exitcode"]);
    assert_eq!(plan.status.code(), Some(0), "{}", out(&plan));
}

#[test]
fn completions_name_the_verbs() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&run(folder.path(), &["completions", shell]));
        assert!(script.contains("destroy"), "{shell}");
    }
}
