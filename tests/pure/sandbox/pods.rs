//! Why a pod does not come up is told as the real scheduler and kubelet tell it.

use super::*;
use tsinfra::object::Labels;
use tsinfra::sandbox::Furniture;

/// The message of the `PodScheduled` condition of `db-N`.
fn unscheduled(sandbox: &Sandbox, name: &str) -> String {
    let pod = live(sandbox, &key(Kind::Pod, name)).unwrap();
    assert_eq!(pod.text("/status/conditions/0/reason"), Some("Unschedulable"));
    pod.text("/status/conditions/0/message").unwrap().to_owned()
}

fn with_spec(mut manifest: Value, field: &str, value: Value) -> Value {
    manifest["spec"]["template"]["spec"][field] = value;
    manifest
}

fn resources(cpu: &str) -> Value {
    json!([{ "name": "db", "image": "db:1", "resources": { "limits": { "cpu": cpu } } }])
}

#[test]
fn what_no_node_can_give_is_named() {
    let plain = || set(4, "cloud", "db:1");
    let apart = json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
        { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "db" } } }
    ]}});
    let even = json!([{ "topologyKey": "kubernetes.io/hostname", "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "app": "db" } } }]);
    for (manifest, pod, words) in [
        (
            set(1, "local", "db:1"),
            "db-0",
            "3 node(s) didn't find available persistent volumes to bind",
        ),
        (set(1, "other", "db:1"), "db-0", "storageclass.storage.k8s.io \"other\" not found"),
        (
            with_spec(plain(), "nodeSelector", json!({ "disk": "ssd" })),
            "db-0",
            "3 node(s) didn't match Pod's node affinity/selector",
        ),
        (with_spec(plain(), "containers", resources("33")), "db-0", "3 Insufficient cpu"),
        (with_spec(plain(), "containers", resources("20")), "db-3", "3 Insufficient cpu"),
        (
            with_spec(plain(), "affinity", apart),
            "db-3",
            "3 node(s) didn't match pod anti-affinity rules",
        ),
    ] {
        let sandbox = prepared();
        create(&sandbox, &key(Kind::StatefulSet, "db"), manifest).unwrap();
        wait(&sandbox, 60);
        let message = unscheduled(&sandbox, pod);
        assert!(
            message.starts_with("0/3 nodes are available: ") && message.contains(words),
            "{message}"
        );
        let scope = Scope { events_in: Some(NS.to_owned()), ..Scope::default() };
        let warning = look(&sandbox, &scope).events.remove(0);
        assert_eq!((warning.reason.as_str(), warning.message), ("FailedScheduling", message));
    }
    let sandbox = prepared();
    let spread = with_spec(set(5, "cloud", "db:1"), "topologySpreadConstraints", even);
    create(&sandbox, &key(Kind::StatefulSet, "db"), spread).unwrap();
    wait(&sandbox, 60);
    let pods = all(&sandbox, Kind::Pod);
    let on =
        |node: &str| pods.iter().filter(|pod| pod.text("/spec/nodeName") == Some(node)).count();
    let mut spread = [on("worker-1"), on("worker-2"), on("worker-3")];
    spread.sort_unstable();
    assert_eq!(spread, [1, 2, 2]);
}

#[test]
fn a_node_that_repels_takes_only_those_who_bear_it() {
    let sandbox = prepared();
    for worker in ["worker-1", "worker-2", "worker-3"] {
        let taint = json!({ "spec": { "taints": [{ "key": "only", "value": "db", "effect": "NoSchedule" }] } });
        sandbox.disturb(|cluster| cluster.edit_as("me", &key(Kind::Node, worker), &taint)).unwrap();
    }
    let object = key(Kind::StatefulSet, "db");
    create(&sandbox, &object, set(1, "cloud", "db:1")).unwrap();
    wait(&sandbox, 10);
    assert!(unscheduled(&sandbox, "db-0").contains("untolerated taint {only: db}"));
    delete(&sandbox, &object);
    wait(&sandbox, 10);
    let bears =
        json!([{ "key": "only", "operator": "Equal", "value": "db", "effect": "NoSchedule" }]);
    create(&sandbox, &object, with_spec(set(1, "cloud", "db:1"), "tolerations", bears)).unwrap();
    wait(&sandbox, 10);
    assert!(members(&sandbox)[0].1);
}

#[test]
fn an_image_that_cannot_be_pulled_is_said() {
    let sandbox = prepared();
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:does-not-exist")).unwrap();
    wait(&sandbox, 20);
    let pod = live(&sandbox, &key(Kind::Pod, "db-0")).unwrap();
    let waiting = "/status/containerStatuses/0/state/waiting";
    assert_eq!(pod.text(&format!("{waiting}/reason")), Some("ImagePullBackOff"));
    assert_eq!(pod.text("/status/phase"), Some("Pending"));
    let scope = Scope { events_in: Some(NS.to_owned()), ..Scope::default() };
    assert!(look(&sandbox, &scope).events.iter().any(|event| event.message.contains("not found")));
}

#[test]
fn a_sandbox_is_furnished_with_what_a_stack_expects_and_only_once() {
    let sandbox = prepared();
    let ssd: Labels = [("disk".to_owned(), "ssd".to_owned())].into();
    let hdd: Labels = [("disk".to_owned(), "hdd".to_owned())].into();
    let furniture = Furniture {
        nodes: [("rack-7".to_owned(), hdd.clone())].into(),
        machines: vec![(ssd, 3), (hdd, 3), (Labels::new(), 3)],
        classes: [("fast".to_owned(), "Retain".to_owned())].into(),
    };
    sandbox.furnish(&furniture);
    let nodes = all(&sandbox, Kind::Node);
    let with = |disk: &str| nodes.iter().filter(|node| node.label("disk") == Some(disk)).count();
    assert_eq!((with("ssd"), with("hdd"), nodes.len()), (3, 3, 6));
    let chosen = with_spec(set(1, "fast", "db:1"), "nodeSelector", json!({ "disk": "hdd" }));
    create(&sandbox, &key(Kind::StatefulSet, "db"), chosen).unwrap();
    wait(&sandbox, 10);
    let node =
        live(&sandbox, &key(Kind::Pod, "db-0")).unwrap().text("/spec/nodeName").map(str::to_owned);
    assert!(
        node.is_some_and(|node| !["worker-1", "worker-2", "worker-3"].contains(&node.as_str()))
    );
    let before = bytes(&sandbox);
    sandbox.furnish(&furniture);
    assert!(before == bytes(&sandbox));
}

#[test]
fn stirring_lets_time_pass_until_something_changes_and_no_longer() {
    let sandbox = prepared();
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:1")).unwrap();
    let scope = Scope::default();
    now(sandbox.stir(&scope, Duration::from_secs(60)));
    assert_eq!(sandbox.elapsed(), Duration::from_millis(500));
    wait(&sandbox, 60);
    let before = sandbox.elapsed();
    now(sandbox.stir(&scope, Duration::from_millis(1_700)));
    assert_eq!(sandbox.elapsed() - before, Duration::from_millis(1_700));
}

#[test]
fn those_who_wait_together_let_time_pass_once() {
    let sandbox = prepared();
    let scope = Scope::default();
    let stir = || sandbox.stir(&scope, Duration::from_secs(5));
    now(futures_util::future::join3(stir(), stir(), stir()));
    assert_eq!(sandbox.elapsed(), Duration::from_secs(5));
}
