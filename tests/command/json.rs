//! What programs read: every line is JSON, in order, and says the same as the exit code.

use serde_json::Value;

use super::{folder, out, run, stack};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn an_apply_is_a_stream_of_events() {
    let folder = folder();
    let quickstart = stack("quickstart");
    let output = run(folder.path(), &["apply", &quickstart, "--auto-approve", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let events = lines(&out(&output));
    let kind = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    assert_eq!(kind(&events[0]), "version");
    assert_eq!(kind(&events[1]), "change_summary");
    let last = events.last().expect("an end");
    assert_eq!((kind(last).as_str(), &last["complete"]), ("outcome", &Value::Bool(true)));
    let count = |name: &str| events.iter().filter(|event| kind(event) == name).count();
    let steps = events[1]["plan"]["steps"].as_array().expect("steps").len();
    assert_eq!((count("apply_start"), count("apply_complete")), (steps, steps));
    assert!(count("apply_progress") > 0, "no progress was told");
    for event in &events {
        for member in ["@level", "@message", "@module", "type"] {
            assert!(event[member].is_string(), "{event} has no {member}");
        }
    }
}

#[test]
fn steps_of_a_plan_come_after_what_they_need() {
    let folder = folder();
    let output = run(folder.path(), &["plan", &stack("quickstart"), "--json"]);
    let plan: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(plan["format_version"], "1.5");
    assert_eq!((&plan["applyable"], &plan["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    let steps = plan["steps"].as_array().expect("steps");
    let ids: Vec<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    for (place, step) in steps.iter().enumerate() {
        for need in step["needs"].as_array().expect("needs") {
            let before = ids.iter().position(|id| Some(*id) == need.as_str());
            assert!(before.is_some_and(|before| before < place), "{step}");
        }
    }
}

#[test]
fn mistakes_are_diagnostics_with_places() {
    let folder = folder();
    std::fs::write(folder.path().join("bad.toml"), "[stack]\nname = 7\ncolour = 1\n")
        .expect("written");
    let output = run(folder.path(), &["validate", "bad.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(answer["valid"], Value::Bool(false));
    let diagnostics = answer["diagnostics"].as_array().expect("diagnostics");
    assert_eq!(Some(diagnostics.len() as u64), answer["error_count"].as_u64());
    assert!(diagnostics.iter().any(|one| one["labels"][0]["start"].is_u64()), "{answer}");
}

#[test]
fn a_status_names_every_member() {
    let folder = folder();
    let quickstart = stack("quickstart");
    run(folder.path(), &["apply", &quickstart, "--auto-approve"]);
    let output = run(folder.path(), &["status", &quickstart, "--json"]);
    let status: Value = serde_json::from_str(&out(&output)).expect("JSON");
    let members = status["clusters"]["demo"]["members"].as_array().expect("members");
    assert_eq!(members.len(), 6);
    assert!(members.iter().all(|member| member["pod"] == "ready"), "{status}");
    assert!(status["clusters"]["demo"]["database"]["seen"]["cluster_id"].is_string(), "{status}");
}

#[test]
fn a_program_cannot_be_asked() {
    let folder = folder();
    for verb in ["apply", "destroy"] {
        let output = run(folder.path(), &[verb, &stack("quickstart"), "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let error = &lines(&out(&output))[0];
        assert_eq!(error["type"], "diagnostic");
        assert!(error["detail"].as_str().is_some_and(|help| help.contains("--auto-approve")));
    }
}

#[test]
fn a_slip_on_the_command_line_is_json_too() {
    let folder = folder();
    let output = run(folder.path(), &["plan", "--json", "--frobnicate"]);
    assert_eq!(output.status.code(), Some(1));
    let error = &lines(&out(&output))[0];
    assert!(error["@message"].as_str().is_some_and(|text| text.contains("--frobnicate")));
}
