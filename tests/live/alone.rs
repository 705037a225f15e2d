//! What only a real control plane can show: rights, secrets, and what kubectl's user finds.

use serde_json::json;
use tsinfra::object::{Kind, Labels, ObjectKey};
use tsinfra::observed::{List, Scope};

use crate::kubernetes::KubernetesStage;
use crate::live;
use crate::stage::Stage;

const CLOUD: &str = include_str!("stacks/cloud.toml");
const LOCAL: &str = include_str!("stacks/local.toml");

#[test]
fn a_user_without_rights_is_told_which_are_missing() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter().without_rights();
    stage.write("stack.toml", &CLOUD.replace("NAME", "rights"));
    let run = stage.tsinfra(&["plan"]);
    assert_eq!(run.code, Some(1), "{}", run.text);
    let unfolded = run.unfolded();
    for part in [
        "operator",
        "ask for a ",
        "that allows `",
        "rights",
        "Nor could be done: ",
        "listing services",
    ] {
        assert!(unfolded.contains(part), "no `{part}` in: {}", run.text);
    }
    assert!(run.text.lines().all(|line| line.chars().count() <= 100), "{}", run.text);
}

/// A level that is enforced only once a plan was made is told by the wait for the helper; the Job
/// controller tries again, so that the run goes on where the namespace admits it in time.
#[test]
fn a_helper_that_is_not_admitted_says_so_and_goes_on_once_it_is() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter();
    let stack = LOCAL.replace("NAME", "admitted").replacen(
        "kind = \"local\"",
        "kind = \"local\"\nprepare = \"expect\"",
        1,
    );
    stage.write("stack.toml", &stack);
    stage.create("/api/v1/namespaces", &json!({ "metadata": { "name": "admitted" } }));
    assert_eq!(stage.tsinfra(&["plan", "--out", "plan.json"]).code, Some(0));
    let admit = |level: &str| {
        let label = json!({ "pod-security.kubernetes.io/enforce": level });
        let patch = json!({ "metadata": { "labels": label } });
        stage.edit_as("kubectl-label", &ObjectKey::global(Kind::Namespace, "admitted"), &patch);
    };
    admit("restricted");
    let mut apply = stage.program(&["apply", "plan.json"]);
    apply.stdout(std::process::Stdio::piped());
    let mut apply = apply.spawn().expect("the program starts");
    let out = std::io::BufReader::new(apply.stdout.take().expect("its output"));
    let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
    let mut told = Vec::new();
    // A word of it, since lines are folded.
    let why = "\"restricted:latest\"";
    let said =
        lines.by_ref().inspect(|line| told.push(line.clone())).any(|line| line.contains(why));
    admit("privileged");
    told.extend(lines);
    let told = told.join("\n");
    assert!(said, "{told}");
    assert!(apply.wait().expect("its end").success(), "{told}");
}

/// The password is a secret's; it reaches the database and nothing else (rule 12).
#[test]
fn a_database_with_another_login_is_reached_by_its_secret() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter();
    let stack = CLOUD.replace("NAME", "login").replace(
        "version = \"2.0.5\"",
        "version = \"2.0.5\"\ncredentials = { secret = \"db-root\" }",
    );
    stage.write("stack.toml", &stack);
    stage.create("/api/v1/namespaces", &json!({ "metadata": { "name": "login" } }));
    stage.twin().let_in("login", "db", "root", "s3cr3t-of-the-plant");
    let secret = |password: &str| {
        json!({
            "metadata": { "name": "db-root" },
            "stringData": { "user": "root", "password": password },
        })
    };
    stage.create("/api/v1/namespaces/login/secrets", &secret("s3cr3t-of-the-plant"));
    let run = stage.tsinfra(&["apply", "--auto-approve", "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    let shown = [
        run.text,
        stage.tsinfra(&["status"]).text,
        stage.tsinfra(&["plan", "--out", "plan.json"]).text,
        std::fs::read_to_string(stage.folder().join("plan.json")).expect("the plan"),
        records(&stage, "login"),
    ];
    assert_eq!(shown[1].matches(" Running ").count(), 6, "{}", shown[1]);
    for text in shown {
        assert!(!text.contains("s3cr3t"), "a secret is shown: {text}");
    }
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

fn records(stage: &dyn Stage, namespace: &str) -> String {
    let list = List {
        kind: Kind::ConfigMap,
        namespace: Some(namespace.to_owned()),
        labels: Labels::new(),
    };
    let seen = stage.look(&Scope { lists: vec![list], ..Scope::default() });
    seen.objects.values().map(|object| object.value.to_string()).collect()
}

/// After an apply a second plan asks for nothing, also of what the server filled in; and the pods
/// run as the issue of the day says: not as root, on a root nobody writes to.
#[test]
fn pods_run_without_rights_they_do_not_need() {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter();
    stage.write("stack.toml", &CLOUD.replace("NAME", "rootless"));
    assert_eq!(stage.tsinfra(&["apply", "--auto-approve"]).code, Some(0));
    for set in ["db-config", "db-data"] {
        let key = ObjectKey::within(Kind::StatefulSet, "rootless", set);
        let seen = stage.look(&Scope { gets: vec![key.clone()], ..Scope::default() });
        let live = &seen.objects[&key];
        let pod = "/spec/template/spec";
        let container = format!("{pod}/containers/0/securityContext");
        let truths = [
            format!("{pod}/securityContext/runAsNonRoot"),
            format!("{container}/readOnlyRootFilesystem"),
        ];
        for truth in truths {
            assert_eq!(live.value.pointer(&truth), Some(&json!(true)), "{truth}");
        }
        let escalates = live.value.pointer(&format!("{container}/allowPrivilegeEscalation"));
        assert_eq!(escalates, Some(&json!(false)));
        assert!(live.number(&format!("{pod}/terminationGracePeriodSeconds")) >= Some(120));
    }
    stage.tsinfra(&["destroy", "--auto-approve"]);
}
