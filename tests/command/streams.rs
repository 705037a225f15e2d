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

#[test]
fn a_plan_is_saved_over_nothing_but_a_plan() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(stack("quickstart"), path("stack.toml")).expect("copied");
    std::fs::write(path("precious.txt"), "precious").expect("written");
    std::fs::create_dir(path("real")).expect("made");
    std::os::unix::fs::symlink("real/plan.json", path("link.json")).expect("linked");
    for (name, code) in [("stack.toml", 1), ("precious.txt", 1), ("new.json", 0), ("new.json", 0)] {
        let before = std::fs::read(path(name)).ok();
        let output = run(folder.path(), &["plan", "--out", name]);
        assert_eq!(output.status.code(), Some(code), "{name}: {}", err(&output));
        if code == 1 {
            assert_eq!(std::fs::read(path(name)).ok(), before, "{name} was written over");
        }
    }
    let wrong = run(folder.path(), &["validate", "new.json"]);
    assert!(err(&wrong).contains("a saved plan is for `tsinfra apply`"), "{}", err(&wrong));
}

#[test]
fn a_saved_plan_that_was_edited_is_no_approval() {
    let folder = folder();
    run(folder.path(), &["plan", &stack("quickstart"), "--out", "plan.json"]);
    let path = folder.path().join("plan.json");
    let text = std::fs::read_to_string(&path).expect("the plan");
    assert!(text.contains("20Gi"));
    std::fs::write(&path, text.replace("20Gi", "10Gi")).expect("written");
    let output = run(folder.path(), &["apply", "plan.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(err(&output).contains("was changed after it was saved"), "{}", err(&output));
}

/// On a full disk nobody is told that all is well.
#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let folder = folder();
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let mut plan = super::program(folder.path(), &["plan", &stack("quickstart"), "--json"]);
    let output = plan.stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("could not be written"), "{}", err(&output));
}
