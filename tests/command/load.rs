//! A simulated database with data in it: plans tell what a change of members means for its regions.

use std::fs;

use super::golden::check;
use super::{err, folder, out, run, stack};

#[test]
fn a_loaded_database_has_plans_tell_of_its_regions() {
    let folder = folder();
    let text = fs::read_to_string(stack("quickstart")).expect("the stack");
    let (at, four) = (
        folder.path(),
        text.replace("nodes   = 3                          # raise", "nodes = 4 # raise"),
    );
    assert_ne!(four, text);
    fs::write(at.join("stack.toml"), &text).expect("written");
    let load = ["load", "--groups", "40"];
    let refused = || {
        let output = run(at, &load);
        assert_eq!(output.status.code(), Some(1), "{}", out(&output));
        check("error-no-load", &err(&output));
    };
    refused();
    assert_eq!(run(at, &["apply", "--auto-approve"]).status.code(), Some(0));
    let loaded = run(at, &load);
    assert_eq!(loaded.status.code(), Some(0), "{}", err(&loaded));
    check("load", &out(&loaded));
    refused();
    fs::write(at.join("stack.toml"), four).expect("written");
    let plan = out(&run(at, &["plan"]));
    assert!(plan.contains("Regions of cluster.demo: 3 members hold 92 replicas of 44 region groups, 7.5 GiB; 1 joins."), "{plan}");
    let code = |arguments: &[&str]| run(at, arguments).status.code();
    assert_eq!(code(&["apply", "--auto-approve"]), Some(0));
    fs::write(at.join("stack.toml"), text).expect("written");
    let plan = out(&run(at, &["plan"]));
    assert!(plan.contains("\n  Nothing moves: nothing is on who leaves.\n"), "{plan}");
    assert_eq!(code(&["apply", "--auto-approve"]), Some(0));
}
