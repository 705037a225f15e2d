//! Ctrl-C: nothing new starts, waits end, the exit code says so, and the next apply resumes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::{folder, out, program, run};

#[test]
fn an_interrupted_apply_halts_and_can_be_resumed() {
    let folder = folder();
    let whole = std::fs::read_to_string(super::stack("quickstart")).expect("a stack");
    let large = "role = \"mixed\"\nready_within = \"700h\"\nresources = { cpu = \"900\", memory = \"4Gi\" }";
    let stuck = whole.replace("role    = \"mixed\"", large);
    assert_ne!(stuck, whole);
    std::fs::write(folder.path().join("stack.toml"), stuck).expect("written");
    let mut apply = program(folder.path(), &["apply", "--auto-approve"]);
    let mut apply = apply.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(apply.stdout.take().expect("its output")).lines();
    let waiting = lines.any(|line| line.is_ok_and(|line| line.contains("is unschedulable")));
    assert!(waiting, "it never said why it waits");
    let pid = apply.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(apply.wait().expect("it ends").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("Halted part-way.")), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("interrupted")), "{rest:?}");

    std::fs::write(folder.path().join("stack.toml"), whole).expect("written");
    let resumed = run(folder.path(), &["apply", "--auto-approve"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", out(&resumed));
    let plan = run(folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(plan.status.code(), Some(0), "{}", out(&plan));
}
