//! What a stack need not say is filled in, and what it says arrives.

use db_engine::cluster::{EngineKind, Role, ScaleOut};
use tsinfra::stack::{Expose, ExposeKind, PodOptions, Reclaim, Stack, Target, TierKind};

use super::{folder, read, text};

fn shipped(name: &str) -> Stack {
    read(name, &text(&folder("stacks").join(name)))
}

#[test]
fn the_quickstart_is_small_and_complete() {
    let stack = shipped("quickstart.toml");
    assert_eq!((stack.name.as_str(), stack.namespace.as_str()), ("quickstart", "quickstart"));
    assert_eq!((stack.cluster_domain.as_str(), &stack.target), ("cluster.local", &Target::Sandbox));
    let tier = &stack.storage["disk"];
    assert_eq!(stack.storage_class(tier), "quickstart-disk");
    let demo = &stack.clusters["demo"];
    assert_eq!(
        (demo.engine, demo.version.as_str(), demo.protect),
        (EngineKind::Iotdb, "2.0.5", false)
    );
    assert_eq!((demo.schema_replication, demo.data_replication), (3, 2));
    let expose =
        Expose { kind: ExposeKind::NodePort(Some(32667)), annotations: Default::default() };
    assert_eq!(demo.expose, expose);
    let (config, data) = (&demo.pools["config"], &demo.pools["data"]);
    assert_eq!(
        (config.role, config.nodes, config.memory.to_string().as_str()),
        (Role::Control, 3, "2Gi")
    );
    assert_eq!((data.role, data.nodes, data.memory.to_string().as_str()), (Role::Mixed, 3, "4Gi"));
    assert_eq!((config.cpu.milli(), data.cpu.milli()), (1000, 2000));
    assert_eq!((data.grace_seconds, data.ready_within_seconds), (120, 900));
    assert_eq!((data.scale_out, &data.pod), (ScaleOut::None, &PodOptions::default()));
}

#[test]
fn local_volumes_are_kept_one_by_one() {
    let stack = shipped("iotdb-local.toml");
    assert_eq!(stack.target, Target::Kubernetes { kubeconfig: None, context: None });
    assert!(stack.clusters["history"].protect);
    let ssd = &stack.storage["ssd"];
    assert_eq!(ssd.reclaim, Reclaim::Retain);
    let TierKind::Local(volumes) = &ssd.kind else { panic!("{ssd:?}") };
    let nodes: Vec<&str> = volumes.iter().map(|volume| volume.node.as_str()).collect();
    assert_eq!(nodes, ["worker-1", "worker-2", "worker-3"]);
}

#[test]
fn pods_of_a_pool_are_their_clusters_with_their_own_on_top() {
    let text = r#"
        [stack]
        name = "s"
        [storage.t]
        kind = "local"
        nodes = { disktype = "ssd" }
        path = "/mnt/{index}/"
        per_node = 2
        capacity = "20Gi"
        [cluster.c]
        engine = "iotdb"
        version = "2.0.5-rc1"
        pod = { labels = { a = "1", b = "1" }, priority_class = "", tolerations = [{ key = "x" }] }
        iotdb.schema_replication = 1
        iotdb.data_replication = 1
        iotdb.settings = { text = "a b", number = 0x10, fraction = 1_0.5, flag = true }
        [cluster.c.pool.one]
        role = "control"
        nodes = 1
        storage = { tier = "t", size = 1073741824 }
        [cluster.c.pool.two]
        role = "mixed"
        nodes = 1
        storage = { tier = "t", size = "20Gi" }
        pod = { labels = { b = "2" }, tolerations = [{ operator = "Exists" }] }
    "#;
    let stack = read("text", text);
    let cluster = &stack.clusters["c"];
    assert_eq!((cluster.schema_replication, cluster.data_replication), (1, 1));
    let settings: Vec<_> = cluster.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(settings, ["flag=true", "fraction=10.5", "number=16", "text=a b"]);
    let (one, two) = (&cluster.pools["one"], &cluster.pools["two"]);
    assert_eq!(one.data.size.to_string(), "1073741824");
    assert_eq!((one.pod.labels["b"].as_str(), one.pod.tolerations.len()), ("1", 1));
    assert_eq!((two.pod.labels["a"].as_str(), two.pod.labels["b"].as_str()), ("1", "2"));
    assert_eq!((two.pod.tolerations.len(), &two.pod.priority_class), (2, &None));
    let TierKind::LocalOnNodes { path, per_node, .. } = &stack.storage["t"].kind else { panic!() };
    assert_eq!((path.as_str(), *per_node), ("/mnt/{index}", 2));
}
