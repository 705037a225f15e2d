//! Fields by name: what a manifest asks for, who owns what, and what applying leaves.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tsinfra::fields::path::{covers, touches};
use tsinfra::fields::walk::walk;
use tsinfra::fields::{
    departures, digest, leaves, leaves_unlike, merge::applied, owned_paths, value_at,
};

/// The fields a manager owns after it sent a manifest: all that are in it.
fn owned_by(manifest: &Value) -> BTreeSet<String> {
    leaves(manifest).keys().map(ToString::to_string).collect()
}

fn paths(fields_v1: Value) -> Vec<String> {
    owned_paths(&fields_v1).into_iter().collect()
}

/// Values of fields that are no list or map of their own.
fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0_i64..4).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

fn maps(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["cpu", "tsinfra.dev/pool", "memory", "app"]);
    prop::collection::btree_map(names, values, 0..4).prop_map(|map| {
        Value::Object(map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

/// Variables by name, each name once.
fn variables() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["dn_rpc_port", "HEAP", "cluster_name"]);
    prop::collection::btree_map(names, "[a-c]{0,2}", 0..4).prop_map(|map| {
        map.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
    })
}

/// Something like a StatefulSet, with every shape of list and map there is.
fn manifests() -> impl Strategy<Value = Value> {
    let spec = (
        prop::option::of(0_i64..4),
        maps(scalars()),
        maps("[a-c]{1,2}".prop_map(Value::from)),
        variables(),
        prop::option::of(prop::collection::vec("[a-c]{1,2}", 0..3)),
        maps(scalars()),
    );
    spec.prop_map(|(replicas, labels, selector, env, command, resources)| {
        let mut container = json!({ "name": "main", "env": env });
        if let Some(command) = command {
            container["command"] = json!(command);
        }
        container["resources"] = json!({ "limits": resources });
        let mut spec = Map::new();
        if let Some(replicas) = replicas {
            spec.insert("replicas".to_owned(), json!(replicas));
        }
        spec.insert("selector".to_owned(), json!({ "matchLabels": selector }));
        spec.insert("template".to_owned(), json!({ "spec": { "containers": [container] } }));
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": { "name": "x", "labels": labels }, "spec": spec,
        })
    })
}

/// What another tool and the server put beside a manifest's fields.
fn with_foreign_fields(mut live: Value) -> Value {
    live["metadata"]["uid"] = json!("7");
    live["metadata"]["resourceVersion"] = json!("12");
    live["metadata"]["annotations"] = json!({ "other.example.org/seen": "yes" });
    live["spec"]["revisionHistoryLimit"] = json!(10);
    live["status"] = json!({ "replicas": 3 });
    let sidecar = json!({ "name": "sidecar", "image": "sidecar:1" });
    live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().insert(0, sidecar);
    live
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// What was applied departs in nothing, and applying it again changes nothing.
    #[test]
    fn a_walk_visits_the_leaves_in_their_order_with_what_is_beside_them(
        (asked, other) in (manifests(), manifests()),
    ) {
        let (asked, other) = (with_foreign_fields(asked), with_foreign_fields(other));
        let mut visited = Vec::new();
        walk(&asked, Some(&other), &mut |field| {
            visited.push((field.name.to_owned(), field.value.clone(), field.beside.cloned()));
        });
        let leaves = leaves(&asked).into_iter();
        let expected = leaves.map(|(path, value)| {
            let beside = value_at(&other, &path).cloned();
            (path.to_string(), value, beside)
        });
        prop_assert_eq!(visited, expected.collect::<Vec<_>>());
    }

    #[test]
    fn what_is_unlike_is_told_as_the_leaves_tell_it(asked in manifests(), other in manifests()) {
        let mut expected = leaves(&asked);
        expected.retain(|path, value| value_at(&other, path) != Some(value));
        prop_assert_eq!(leaves_unlike(&asked, &other), expected);
    }

    #[test]
    fn applying_ends_all_departures_and_once_is_enough(
        before in manifests(), after in manifests(),
    ) {
        let live = with_foreign_fields(before.clone());
        let owned = owned_by(&before);
        let once = applied(&live, &after, &owned);
        let owned_then = owned_by(&after);
        prop_assert_eq!(departures(&after, &once, &owned_then), Vec::<String>::new());
        prop_assert_eq!(applied(&once, &after, &owned_then), once);
    }

    /// Fields we owned and ask for no more go; those of others stay as they are.
    #[test]
    fn what_is_dropped_goes_and_what_is_of_others_stays(
        before in manifests(), after in manifests(),
    ) {
        let live = with_foreign_fields(before.clone());
        let result = leaves(&applied(&live, &after, &owned_by(&before)));
        let (had, has) = (leaves(&before), leaves(&after));
        for (path, value) in &has {
            let found = result.get(path);
            let open = value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty);
            prop_assert!(open || found == Some(value), "{} is {:?}", path, found);
        }
        let scalar = |value: &Value| !value.is_object() && !value.is_array();
        for path in had.iter().filter(|(_, value)| scalar(value)).map(|(path, _)| path) {
            let text = path.to_string();
            let kept = has.contains_key(path) || text.ends_with("[name=main].name");
            prop_assert!(kept || !result.contains_key(path), "{} stayed", text);
        }
        let foreign = leaves(&with_foreign_fields(before));
        for path in foreign.keys().filter(|path| !had.contains_key(path)) {
            if path.to_string() != ".metadata.labels" {
                prop_assert!(result.contains_key(path), "{} of others went", path);
            }
        }
    }

    /// Whatever differs in a field the manifest sets is a departure, and changes the digest.
    #[test]
    fn a_changed_field_is_noticed(manifest in manifests(), replicas in 5_i64..9) {
        let mut asked = manifest.clone();
        asked["spec"]["replicas"] = json!(1);
        let mut live = asked.clone();
        live["spec"]["replicas"] = json!(replicas);
        prop_assert_eq!(departures(&asked, &live, &owned_by(&asked)), [".spec.replicas"]);
        prop_assert_ne!(digest(&asked, &live), digest(&asked, &asked));
        live["spec"]["replicas"] = json!(1);
        live["status"] = json!({ "readyReplicas": replicas });
        prop_assert_eq!(digest(&asked, &live), digest(&asked, &asked));
    }
}

#[test]
fn an_element_put_in_front_changes_no_name() {
    let container = |name: &str| json!({ "name": name, "image": "a:1" });
    let asked =
        json!({ "spec": { "template": { "spec": { "containers": [container("main")] } } } });
    let mut live = asked.clone();
    live["spec"]["template"]["spec"]["containers"] = json!([container("proxy"), container("main")]);
    assert_eq!(departures(&asked, &live, &owned_by(&asked)), Vec::<String>::new());
}

#[test]
fn defaults_the_server_fills_in_are_no_departure() {
    let asked = json!({ "spec": { "volumeClaimTemplates": [{
        "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"] },
    }]}});
    let mut live = asked.clone();
    live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = json!("Filesystem");
    live["spec"]["volumeClaimTemplates"][0]["status"] = json!({ "phase": "Pending" });
    assert_eq!(departures(&asked, &live, &owned_by(&asked)), Vec::<String>::new());
    live["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    assert_eq!(departures(&asked, &live, &owned_by(&asked)), [".spec.volumeClaimTemplates"]);
}

#[test]
fn a_selector_is_one_field() {
    let asked = json!({ "spec": { "selector": { "app": "db" } } });
    let live = json!({ "spec": { "selector": { "app": "db", "tier": "hot" } } });
    assert_eq!(departures(&asked, &live, &BTreeSet::new()), [".spec.selector"]);
}

#[test]
fn a_field_we_own_and_drop_is_a_departure() {
    let asked = json!({ "metadata": { "labels": { "app": "db" } } });
    let live = json!({ "metadata": { "labels": { "app": "db", "team": "a", "theirs": "b" } } });
    let owned = [".metadata.labels.app", ".metadata.labels.team"].map(str::to_owned).into();
    assert_eq!(departures(&asked, &live, &owned), [".metadata.labels.team"]);
}

/// `managedFields[].fieldsV1` as kube-apiserver 1.36 writes it after a server-side apply of the
/// manifest: the names of both sides agree.
#[test]
fn owned_paths_are_named_as_leaves_are() {
    let manifest = json!({
        "metadata": { "labels": { "app.kubernetes.io/name": "iotdb", "team": "a" } },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": "db" } },
            "template": { "spec": {
                "containers": [{
                    "name": "datanode", "command": ["start"],
                    "env": [{ "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
                    "ports": [{ "containerPort": 6667, "protocol": "TCP", "name": "client" }],
                    "resources": { "limits": { "cpu": "2" } },
                    "volumeMounts": [{ "mountPath": "/data", "name": "data" }],
                }],
                "volumes": [{ "name": "conf", "emptyDir": {} }],
            }},
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
        },
    });
    let container = json!({
        ".": {}, "f:name": {}, "f:command": {},
        "f:env": { "k:{\"name\":\"POD\"}": {
            ".": {}, "f:name": {}, "f:valueFrom": { "f:fieldRef": {} },
        }},
        "f:ports": { "k:{\"containerPort\":6667,\"protocol\":\"TCP\"}": {
            ".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {},
        }},
        "f:resources": { "f:limits": { "f:cpu": {} } },
        "f:volumeMounts": { "k:{\"mountPath\":\"/data\"}": {
            ".": {}, "f:mountPath": {}, "f:name": {},
        }},
    });
    let fields_v1 = json!({
        "f:metadata": { "f:labels": { "f:app.kubernetes.io/name": {}, "f:team": {} } },
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": { "f:spec": {
                "f:containers": { "k:{\"name\":\"datanode\"}": container },
                "f:volumes": { "k:{\"name\":\"conf\"}": {
                    ".": {}, "f:emptyDir": {}, "f:name": {},
                }},
            }},
            "f:volumeClaimTemplates": {},
        },
    });
    let owned = owned_paths(&fields_v1);
    assert_eq!(owned, owned_by(&manifest));
    assert_eq!(departures(&manifest, &manifest, &owned), Vec::<String>::new());
}

/// A Service edited by `kubectl expose` and a pod's conditions, as they are found in the wild.
#[test]
fn what_other_tools_own_is_named_too() {
    let service = json!({
        "f:metadata": { "f:annotations": { ".": {}, "f:note": {} }, "f:finalizers": {
            ".": {}, "v:\"service.kubernetes.io/load-balancer-cleanup\"": {},
        }},
        "f:spec": {
            "f:internalTrafficPolicy": {},
            "f:ports": { ".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {
                ".": {}, "f:port": {}, "f:targetPort": {},
            }},
            "f:type": {},
        },
    });
    assert_eq!(
        paths(service),
        [
            ".metadata.annotations.note",
            ".metadata.finalizers[=\"service.kubernetes.io/load-balancer-cleanup\"]",
            ".spec.internalTrafficPolicy",
            ".spec.ports[port=80,protocol=TCP].port",
            ".spec.ports[port=80,protocol=TCP].targetPort",
            ".spec.type",
        ]
    );
    assert_eq!(paths(json!({ "f:metadata": { "f:labels": {} } })), [".metadata.labels"]);
    assert_eq!(paths(json!({})), Vec::<String>::new());
    assert_eq!(paths(json!({ "nonsense": {}, "i:3": {} })), ["[3]"]);
}

/// A variable that is dropped goes whole: a list element without its key is nobody.
#[test]
fn a_dropped_element_of_a_list_goes_with_its_keys() {
    let variable = |name: &str| json!({ "name": name, "value": "1" });
    let with = |env: Vec<Value>| json!({ "spec": { "containers": [{ "name": "c", "env": env }] } });
    let both = with(vec![variable("kept"), variable("dropped")]);
    let one = with(vec![variable("kept")]);
    assert_eq!(applied(&both, &one, &owned_by(&both)), one);
    let foreign = with(vec![variable("kept"), json!({ "name": "dropped", "value": "1", "x": 2 })]);
    let left = applied(&foreign, &one, &owned_by(&both));
    assert_eq!(left, with(vec![variable("kept"), json!({ "name": "dropped", "x": 2 })]));
}

proptest! {
    /// Looking only where a field can stand finds what looking everywhere finds.
    #[test]
    fn a_field_touches_others_as_each_of_them_tells(
        fields in prop::collection::btree_set("(\\.[ab]|\\[a\\]|-b){1,4}", 0..8),
        path in "(\\.[ab]|\\[a\\]|-b){1,4}",
    ) {
        let each = fields.iter().any(|field| covers(field, &path) || covers(&path, field));
        prop_assert_eq!(touches(&fields, &path), each);
    }
}
