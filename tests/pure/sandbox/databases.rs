//! The simulated database is what its pods make it.

use super::*;
use db_engine::cluster::EngineKind;
use db_engine::engine::{MemberState, Topology};
use tsinfra::object::LABEL_CLUSTER;
use tsinfra::observed::{DatabaseScope, DatabaseView};

/// A pool of IoTDB members, with the environment that makes a pod one.
fn pool(name: &str, nodes: u64, prefix: &str) -> Value {
    let labels = json!({ LABEL_CLUSTER: "plant", "pool": name });
    let seed = format!("config-0.config.{NS}.svc.cluster.local:10710");
    let env = json!([
        { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
        { "name": "cluster_name", "value": "plant" },
        { "name": format!("{prefix}_internal_address"), "value": format!("$(POD_NAME).{name}.{NS}.svc.cluster.local") },
        { "name": format!("{prefix}_seed_config_node"), "value": seed },
    ]);
    let container =
        json!({ "name": "iotdb", "image": "apache/iotdb:2.0.5-standalone", "env": env });
    let mut manifest = set(nodes, "cloud", "");
    manifest["spec"]["podManagementPolicy"] = json!("Parallel");
    manifest["spec"]["serviceName"] = json!(name);
    manifest["spec"]["selector"]["matchLabels"] = labels.clone();
    manifest["spec"]["template"] =
        json!({ "metadata": { "labels": labels }, "spec": { "containers": [container] } });
    manifest
}

fn view(sandbox: &Sandbox) -> DatabaseView {
    let database = DatabaseScope {
        cluster: "plant".to_owned(),
        engine: EngineKind::Iotdb,
        namespace: NS.to_owned(),
        labels: [("pool".to_owned(), "data".to_owned())].into(),
        port: 18_080,
        credentials: None,
    };
    let scope = Scope { databases: vec![database], ..Scope::default() };
    look(sandbox, &scope).databases.remove("plant").unwrap()
}

fn topology(sandbox: &Sandbox) -> Topology {
    match view(sandbox) {
        DatabaseView::Seen(topology) => topology,
        other => panic!("{other:?}"),
    }
}

fn both_pools(sandbox: &Sandbox) {
    create(sandbox, &key(Kind::StatefulSet, "config"), pool("config", 3, "cn")).unwrap();
    create(sandbox, &key(Kind::StatefulSet, "data"), pool("data", 3, "dn")).unwrap();
}

#[test]
fn members_join_under_their_addresses_and_survive_a_restart() {
    let sandbox = prepared();
    assert_eq!(view(&sandbox), DatabaseView::Absent);
    both_pools(&sandbox);
    wait(&sandbox, 60);
    let before = topology(&sandbox);
    assert_eq!(before.members.len(), 6);
    assert_eq!(before.version, "2.0.5");
    assert!(before.members.contains_key("data-2.data.tsdb.svc.cluster.local"));
    assert!(before.members.values().all(|member| member.state == MemberState::Running));
    sandbox.disturb(|cluster| cluster.delete(&key(Kind::Pod, "data-1")));
    wait(&sandbox, 6);
    let lost = topology(&sandbox).members["data-1.data.tsdb.svc.cluster.local"].clone();
    assert_eq!(lost.state, MemberState::Unknown, "{lost:?}");
    wait(&sandbox, 60);
    assert_eq!(topology(&sandbox), before);
}

#[test]
fn data_nodes_are_not_ready_before_config_nodes_are_there() {
    let sandbox = prepared();
    create(&sandbox, &key(Kind::StatefulSet, "data"), pool("data", 3, "dn")).unwrap();
    wait(&sandbox, 600);
    assert_eq!(
        live(&sandbox, &key(Kind::StatefulSet, "data")).unwrap().number("/status/readyReplicas"),
        None
    );
    assert_eq!(view(&sandbox), DatabaseView::Absent);
    create(&sandbox, &key(Kind::StatefulSet, "config"), pool("config", 3, "cn")).unwrap();
    wait(&sandbox, 60);
    assert_eq!(topology(&sandbox).members.len(), 6);
}

#[test]
fn without_a_majority_of_config_nodes_it_is_unreachable_and_not_absent() {
    let sandbox = prepared();
    both_pools(&sandbox);
    wait(&sandbox, 60);
    delete(&sandbox, &key(Kind::StatefulSet, "config"));
    wait(&sandbox, 30);
    assert!(matches!(view(&sandbox), DatabaseView::Unreachable { .. }), "{:?}", view(&sandbox));
}

#[test]
fn a_cluster_lives_as_long_as_its_claims() {
    let sandbox = prepared();
    both_pools(&sandbox);
    wait(&sandbox, 60);
    let first = topology(&sandbox).cluster_id;
    let take_down = || {
        for set in ["config", "data"] {
            delete(&sandbox, &key(Kind::StatefulSet, set));
        }
        wait(&sandbox, 30);
    };
    take_down();
    both_pools(&sandbox);
    wait(&sandbox, 60);
    assert_eq!(topology(&sandbox).cluster_id, first);
    take_down();
    for claim in names(&sandbox, Kind::PersistentVolumeClaim) {
        delete(&sandbox, &key(Kind::PersistentVolumeClaim, &claim));
    }
    wait(&sandbox, 30);
    both_pools(&sandbox);
    wait(&sandbox, 60);
    assert_ne!(topology(&sandbox).cluster_id, first);
}
