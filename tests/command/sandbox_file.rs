//! The file the sandbox is kept in: never half written, never silently thrown away.

use std::fs;

use super::{err, folder, out, run, stack};

#[test]
fn a_damaged_file_is_said_and_kept() {
    let folder = folder();
    let stack = stack("quickstart");
    run(folder.path(), &["apply", &stack, "--auto-approve"]);
    let file = folder.path().join(".tsinfra/sandbox.json");
    let whole = fs::read_to_string(&file).expect("the sandbox");
    let half = &whole[..whole.len() / 2];
    fs::write(&file, half).expect("written");
    for verb in [&["plan", &stack][..], &["apply", &stack, "--auto-approve"][..]] {
        let output = run(folder.path(), verb);
        assert_eq!(output.status.code(), Some(1), "{}", out(&output));
        assert!(err(&output).contains("sandbox.json"), "{}", err(&output));
    }
    assert_eq!(fs::read_to_string(&file).expect("the sandbox"), half);
}

#[test]
fn stacks_share_one_sandbox_and_touch_only_their_own() {
    let folder = folder();
    let (one, other) = (stack("quickstart"), stack("iotdb-cloud"));
    let code = |arguments: &[&str]| run(folder.path(), arguments).status.code();
    assert_eq!(code(&["apply", &one, "--auto-approve"]), Some(0));
    assert_eq!(code(&["apply", &other, "--auto-approve", "--sandbox"]), Some(0));
    assert_eq!(code(&["destroy", &one, "--auto-approve"]), Some(0));
    assert_eq!(code(&["plan", &other, "--sandbox", "--detailed-exitcode"]), Some(0));
}

#[test]
fn another_namespace_is_another_place() {
    let folder = folder();
    let stack = stack("quickstart");
    let code = |arguments: &[&str]| run(folder.path(), arguments).status.code();
    assert_eq!(code(&["apply", &stack, "--auto-approve", "-n", "elsewhere"]), Some(0));
    assert_eq!(code(&["plan", &stack, "--detailed-exitcode", "-n", "elsewhere"]), Some(0));
}
