//! What helper Jobs run, as processes, on real directories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tsinfra::desired::preparation::{preparation, scrub};
use tsinfra::observed::LiveObject;
use tsinfra::stack::Stack;

use super::{folder, out};

/// The local stack, with its directories prepared and cleared.
fn local() -> Stack {
    let text = fs::read_to_string(super::stack("iotdb-local")).unwrap();
    let text = text.replace("kind    = \"local\"", "kind = \"local\"\nprepare = \"expect\"");
    tsinfra::stack::read("local", &text)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(false, 100)))
}

fn volume() -> Value {
    let terms = json!([{ "matchExpressions": [
        { "key": "kubernetes.io/hostname", "operator": "In", "values": ["worker-1"] },
    ]}]);
    json!({
        "metadata": { "uid": "a", "labels": { "tsinfra.dev/tier": "ssd" } },
        "spec": {
            "claimRef": { "uid": "b" },
            "local": { "path": "/mnt/iotdb/data" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": terms } },
        },
    })
}

/// Runs what a Job's container runs, on a directory and a file for its last words.
fn run(job: &Value, directory: &Path, words: &Path) -> Output {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let command: Vec<&str> = container["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let [shell, flag, script, task, "/directory", "/dev/termination-log"] = command.as_slice()
    else {
        panic!("{command:?}")
    };
    Command::new(shell).args([flag, script, task]).arg(directory).arg(words).output().unwrap()
}

fn prepare(directory: &Path, words: &Path) -> Output {
    run(&preparation(&local(), &volume()).unwrap().manifest, directory, words)
}

#[test]
fn a_directory_is_fit_if_nothing_is_in_it_but_what_file_systems_put_there() {
    let (folder, words) = (folder(), folder());
    let words = words.path().join("words");
    let is_fit = || prepare(folder.path(), &words).status.success();
    assert!(is_fit());
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    assert!(is_fit());
    assert!(!words.exists());
    for name in [".hidden", "lost+found-2", "with space", "-n"] {
        let path = folder.path().join(name);
        fs::write(&path, "x").unwrap();
        let output = prepare(folder.path(), &words);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let told = format!("it is not empty: it holds {name}");
        assert_eq!((out(&output), fs::read_to_string(&words).unwrap()), (told.clone(), told));
        fs::remove_file(path).unwrap();
    }
    assert!(is_fit());
    assert!(!prepare(&folder.path().join("missing"), &words).status.success());
}

#[test]
fn clearing_removes_all_that_is_below_and_nothing_that_links_lead_to() {
    let (folder, other, words) = (folder(), folder(), folder());
    let (place, words) = (folder.path(), words.path().join("words"));
    let kept = other.path().join("kept");
    fs::write(&kept, "x").unwrap();
    fs::create_dir_all(place.join("data/deep/er")).unwrap();
    fs::write(place.join("data/deep/er/file"), "x").unwrap();
    fs::write(place.join(".hidden"), "x").unwrap();
    fs::write(place.join("-rf"), "x").unwrap();
    fs::create_dir(place.join("lost+found")).unwrap();
    fs::write(place.join("lost+found/#12"), "x").unwrap();
    symlink(other.path(), place.join("out")).unwrap();
    symlink(&kept, place.join("data/out")).unwrap();
    symlink("nowhere", place.join("broken")).unwrap();
    let (_, job) = scrub(&local(), &local().storage["ssd"], &LiveObject::of(volume())).unwrap();
    let output = run(&job, place, &words);
    assert!(output.status.success(), "{output:?}");
    let left: Vec<_> = fs::read_dir(place).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["lost+found"]);
    assert!(place.join("lost+found/#12").exists());
    assert!(kept.exists());
    assert!(run(&job, place, &words).status.success(), "what is clear is cleared again");
    assert!(!run(&job, &place.join("missing"), &words).status.success());
}

/// What may do what: only the one that clears may write, and nobody gets an account or more than root
/// needs for it.
#[test]
fn helpers_have_no_more_rights_than_they_need() {
    let prepare = preparation(&local(), &volume()).unwrap().manifest;
    let (_, scrub) = scrub(&local(), &local().storage["ssd"], &LiveObject::of(volume())).unwrap();
    for (job, read_only, capabilities) in [
        (prepare, true, json!(["DAC_OVERRIDE"])),
        (scrub, false, json!(["DAC_OVERRIDE", "FOWNER"])),
    ] {
        let pod = &job["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["restartPolicy"], "Never");
        assert_eq!(pod["volumes"][0]["hostPath"]["path"], "/mnt/iotdb/data");
        assert_eq!(container["volumeMounts"][0]["readOnly"], read_only);
        let security = &container["securityContext"];
        assert_eq!(security["capabilities"], json!({ "drop": ["ALL"], "add": capabilities }));
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["privileged"], Value::Null);
    }
}
