//! Saved plans and records that are damaged, changed or of another version, and what is said of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tsinfra::sealed::seal;

use super::golden::check;
use super::{err, folder, out, run, stack};

/// A saved plan of the quickstart.
fn plan(folder: &Path) -> Value {
    let saved = run(folder, &["plan", &stack("quickstart"), "--out", "saved.json"]);
    assert_eq!(saved.status.code(), Some(0), "{}", err(&saved));
    serde_json::from_str(&fs::read_to_string(folder.join("saved.json")).expect("a plan"))
        .expect("JSON")
}

fn write(folder: &Path, name: &str, value: &Value) {
    fs::write(folder.join(name), value.to_string()).expect("written");
}

/// The first step of a plan.
fn step(plan: &mut Value) -> &mut Value {
    let steps = plan["steps"].as_object_mut().expect("steps");
    steps.values_mut().next().expect("a step")
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_refused_with_the_way_on() {
    let folder = folder();
    let folder = folder.path();
    let whole = plan(folder);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut plan = whole.clone();
        change(&mut plan);
        plan
    };
    let later = |change: &dyn Fn(&mut Value)| {
        seal(changed(&|plan| {
            plan["format"] = json!("1.7");
            plan["basis"]["tsinfra"] = json!("9.9.0");
            change(plan);
        }))
    };
    fs::write(folder.join("half.json"), "{ \"format\": \"1.0\", \"steps\": ").expect("written");
    write(folder, "edited.json", &changed(&|plan| plan["stack"] = json!("other")));
    write(
        folder,
        "unsealed.json",
        &changed(&|plan| {
            plan.as_object_mut().expect("an object").remove("digest");
        }),
    );
    write(folder, "newer.json", &seal(changed(&|plan| plan["format"] = json!("2.0"))));
    write(folder, "action.json", &later(&|plan| step(plan)["action"] = json!({ "drain": {} })));
    write(folder, "wait.json", &later(&|plan| step(plan)["until"] = json!("drained")));
    write(
        folder,
        "expects.json",
        &later(&|plan| {
            step(plan)["expects"] = json!([{ "quiet": { "object": "Pod/a/b" } }]);
        }),
    );
    write(folder, "member.json", &later(&|plan| step(plan)["only_if"] = json!("quiet")));
    write(folder, "check.json", &later(&|plan| plan["basis"]["backup"] = json!("b-7")));
    for name in
        ["half", "edited", "unsealed", "newer", "action", "wait", "expects", "member", "check"]
    {
        let file = format!("{name}.json");
        for arguments in [&["show", &file][..], &["apply", &file]] {
            let output = run(folder, arguments);
            assert_eq!(output.status.code(), Some(1), "{name}: {}", out(&output));
            check(&format!("error-plan-{name}"), &err(&output));
        }
    }
    assert!(!folder.join(".tsinfra").exists(), "a refused plan touched the world");
}

/// What only tells more is passed over.
#[test]
fn a_plan_of_a_later_minor_version_is_carried_out() {
    let folder = folder();
    let mut plan = plan(folder.path());
    plan["format"] = json!("1.7");
    plan["costs"] = json!({ "a month": 7 });
    let change = plan["changes"].as_object_mut().expect("changes").values_mut().next();
    change.expect("a change")["costs"] = json!(7);
    write(folder.path(), "later.json", &seal(plan));
    for verb in ["show", "apply"] {
        let output = run(folder.path(), &[verb, "later.json"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    }
}

/// The record in the sandbox's file, changed.
fn rewrite(folder: &Path, change: impl Fn(&mut Value)) {
    let file = folder.join(".tsinfra/sandbox.json");
    let text = fs::read_to_string(&file).expect("the sandbox");
    let mut sandbox: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut sandbox["objects"]["ConfigMap/quickstart/tsinfra-quickstart"]["value"]);
    fs::write(&file, sandbox.to_string()).expect("written");
}

fn record(config_map: &mut Value, change: impl Fn(&mut Value), sealed: bool) {
    let text = config_map["data"]["inventory.json"].as_str().expect("a record").to_owned();
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut record);
    let record = if sealed { seal(record) } else { record };
    config_map["data"]["inventory.json"] = record.to_string().into();
}

type Change = fn(&mut Value);

#[test]
fn a_record_that_cannot_be_used_is_refused_with_the_way_on() {
    let folder = folder();
    let folder = folder.path();
    let quickstart = stack("quickstart");
    let applied = run(folder, &["apply", &quickstart, "--auto-approve"]);
    assert_eq!(applied.status.code(), Some(0), "{}", err(&applied));
    let file = folder.join(".tsinfra/sandbox.json");
    let whole = fs::read_to_string(&file).expect("the sandbox");
    let cases: [(&str, Change); 6] = [
        ("half", |map| {
            map["data"]["inventory.json"] = "{\"clusters\":{},\"format\":\"1.0\",".into();
        }),
        ("missing", |map| map["data"] = json!({})),
        ("edited", |map| record(map, |record| record["items"] = json!({}), false)),
        ("newer", |map| record(map, |record| record["format"] = json!("2.0"), true)),
        ("more", |map| {
            let later = |record: &mut Value| {
                record["format"] = json!("1.7");
                record["items"]["Backup/quickstart/nightly"] = json!({ "uid": "u" });
            };
            record(map, later, true);
        }),
        ("elsewhere", |map| record(map, |record| record["stack"] = json!("plant"), true)),
    ];
    for (name, change) in cases {
        fs::write(&file, &whole).expect("written");
        rewrite(folder, change);
        let before = fs::read_to_string(&file).expect("the sandbox");
        for arguments in [
            &["plan", &quickstart][..],
            &["apply", &quickstart, "--auto-approve"],
            &["destroy", &quickstart, "--auto-approve"],
        ] {
            let output = run(folder, arguments);
            assert_eq!(output.status.code(), Some(1), "{name}: {}", out(&output));
            check(&format!("error-record-{name}"), &err(&output));
        }
        assert_eq!(fs::read_to_string(&file).expect("the sandbox"), before, "{name}");
    }
}

#[test]
fn a_record_of_another_minor_version_or_without_a_seal_is_read() {
    let folder = folder();
    let folder = folder.path();
    let quickstart = stack("quickstart");
    run(folder, &["apply", &quickstart, "--auto-approve"]);
    let changes: [Change; 2] = [
        |map| {
            let later = |record: &mut Value| {
                record["format"] = json!("1.7");
                record["seen"] = json!("by a later tsinfra");
            };
            record(map, later, true);
        },
        |map| {
            // As the first ones were written, and as a hand mends one.
            let first = |record: &mut Value| {
                record["format"] = json!(1);
                record.as_object_mut().expect("an object").remove("digest");
            };
            record(map, first, false);
        },
    ];
    for change in changes {
        rewrite(folder, change);
        let output = run(folder, &["plan", &quickstart, "--detailed-exitcode"]);
        assert_eq!(output.status.code(), Some(0), "{}{}", out(&output), err(&output));
    }
}
