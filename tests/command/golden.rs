//! What people read: help, errors, answers without a world; each as a golden file.

use std::fs;
use std::path::PathBuf;

use super::{err, folder, out, run};

const VERBS: [&str; 15] = [
    "validate",
    "plan",
    "apply",
    "destroy",
    "adopt",
    "forget",
    "replace",
    "rehearse",
    "show",
    "status",
    "unlock",
    "load",
    "graph",
    "version",
    "completions",
];

/// Holds a text against `golden/NAME.txt`, or writes it there with `UPDATE_GOLDEN=1`.
pub(super) fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/command/golden")
        .join(format!("{name}.txt"));
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{name}: a line over 100 columns: {line}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).expect("the golden file is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs from its golden file");
}

#[test]
fn every_verb_explains_itself() {
    let folder = folder();
    check("help", &out(&run(folder.path(), &["--help"])));
    for verb in VERBS {
        let help = run(folder.path(), &[verb, "--help"]);
        assert_eq!(help.status.code(), Some(0));
        check(&format!("help-{verb}"), &out(&help));
    }
}

/// Name, arguments, exit code: each ends with a sentence on standard error and nothing else.
const ERRORS: [(&str, &[&str], i32); 13] = [
    ("error-no-file", &["plan"], 1),
    ("error-unknown-verb", &["frobnicate"], 1),
    ("error-unknown-flag", &["plan", "--frobnicate"], 1),
    ("error-no-kubeconfig", &["plan", "real.toml"], 1),
    ("error-nobody-to-confirm", &["apply", "real.toml", "--sandbox"], 1),
    ("error-no-plan", &["show", "other.json"], 1),
    ("error-newer-plan", &["apply", "newer.json"], 1),
    ("error-selects-nothing", &["plan", "real.toml", "--sandbox", "--target=cluster.histroy"], 1),
    ("error-no-member", &["replace", "real.toml", "history-dat-1", "--sandbox"], 1),
    ("error-no-address", &["plan", "real.toml", "--sandbox", "--exclude=history"], 1),
    ("error-load-for-real", &["load", "real.toml"], 1),
    ("error-no-cluster", &["load", "real.toml", "--sandbox", "--cluster=histroy"], 1),
    ("error-bad-namespace", &["plan", "real.toml", "--sandbox", "-n", "No_Such"], 1),
];

#[test]
fn errors_say_what_and_the_way_on() {
    let folder = folder();
    let real = fs::read_to_string(super::stack("iotdb-local")).expect("a stack");
    fs::write(folder.path().join("real.toml"), real).expect("written");
    fs::write(folder.path().join("other.json"), "{ \"a\": 1 }").expect("written");
    fs::write(folder.path().join("newer.json"), "{ \"format\": 99 }").expect("written");
    for (name, arguments, code) in ERRORS {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{name}: {}", err(&output));
        let shown = err(&output).replace(&folder.path().display().to_string(), "FOLDER");
        check(name, &shown);
    }
}

#[test]
fn answers_that_need_no_world() {
    let folder = folder();
    for name in ["quickstart", "iotdb-local", "iotdb-nvme", "iotdb-cloud"] {
        let valid = run(folder.path(), &["validate", &super::stack(name)]);
        assert_eq!(valid.status.code(), Some(0));
        check(&format!("validate-{name}"), &out(&valid));
        check(&format!("show-{name}"), &out(&run(folder.path(), &["show", &super::stack(name)])));
    }
    let objects = out(&run(folder.path(), &["show", "--json", &super::stack("quickstart")]));
    check_json("show-quickstart-objects", &objects);
}

/// Like [`check`], for JSON, whose lines may be long.
fn check_json(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/command/golden")
        .join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).expect("the golden file is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs from its golden file");
}
