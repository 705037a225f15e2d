//! A saved plan and the file it was made from: compared where it is there, told where it is not.

use super::{err, folder, out, run, stack};

#[test]
fn a_stack_that_was_changed_since_makes_its_saved_plan_stale() {
    let folder = folder();
    let path = folder.path().join("stack.toml");
    let text = std::fs::read_to_string(stack("quickstart")).expect("a shipped stack");
    std::fs::write(&path, &text).expect("written");
    let planned = run(folder.path(), &["plan", "stack.toml", "--out", "plan.json"]);
    assert_eq!(planned.status.code(), Some(0), "{}", err(&planned));

    std::fs::write(&path, text.replacen("nodes   = 3", "nodes   = 5", 1) + "\n").expect("written");
    let stale = run(folder.path(), &["apply", "plan.json"]);
    assert_eq!(stale.status.code(), Some(3), "{}", err(&stale));
    let said = err(&stale);
    assert!(said.contains("stack.toml is not what this plan was made from"), "{said}");
    assert!(said.contains("help: make a new plan of it"), "{said}");
    let status = run(folder.path(), &["status", "stack.toml"]);
    assert!(!out(&status).contains("Running"), "a stale plan was carried out");

    std::fs::remove_file(&path).expect("removed");
    let done = run(folder.path(), &["apply", "plan.json"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(err(&done).contains("stack.toml cannot be read here"), "{}", err(&done));
}
