//! What the API server promises: create-only, uids, owners of fields, what cannot change.

use super::*;
use std::collections::BTreeSet;

use proptest::prelude::*;
use tsinfra::inventory::{Inventory, Item};
use tsinfra::sandbox::Cluster;

#[test]
fn applying_the_same_again_changes_not_one_byte() {
    let sandbox = prepared();
    let object = key(Kind::StatefulSet, "db");
    create(&sandbox, &object, set(3, "cloud", "db:1")).unwrap();
    wait(&sandbox, 60);
    let before = bytes(&sandbox);
    update(&sandbox, &object, set(3, "cloud", "db:1"), false).unwrap();
    assert_eq!(before, bytes(&sandbox));
}

#[test]
fn only_a_change_of_the_spec_raises_the_generation() {
    let sandbox = prepared();
    let object = key(Kind::StatefulSet, "db");
    create(&sandbox, &object, set(1, "cloud", "db:1")).unwrap();
    let generation = || live(&sandbox, &object).unwrap().number("/metadata/generation");
    let mut labelled = set(1, "cloud", "db:1");
    labelled["metadata"]["labels"]["more"] = json!("yes");
    update(&sandbox, &object, labelled, false).unwrap();
    assert_eq!(generation(), Some(1));
    update(&sandbox, &object, set(2, "cloud", "db:1"), false).unwrap();
    assert_eq!(generation(), Some(2));
    assert_eq!(live(&sandbox, &object).unwrap().label("more"), None, "ours and asked for no more");
}

#[test]
fn a_field_another_tool_changed_is_a_conflict_until_it_is_taken_back() {
    let sandbox = prepared();
    let object = key(Kind::StatefulSet, "db");
    create(&sandbox, &object, set(3, "cloud", "db:1")).unwrap();
    let patch = json!({ "spec": { "replicas": 5 } });
    sandbox.disturb(|cluster| cluster.edit_as("kubectl-edit", &object, &patch)).unwrap();
    let owned = |manager: &str| {
        let live = live(&sandbox, &object).unwrap();
        live.managers.get(manager).is_some_and(|paths| paths.contains(".spec.replicas"))
    };
    assert!(owned("kubectl-edit") && !owned("tsinfra"));

    let conflict = ("kubectl-edit".to_owned(), ".spec.replicas".to_owned());
    let seen = preview(&sandbox, &object, set(3, "cloud", "db:1"), false);
    assert_eq!(seen, Preview::Conflict(vec![conflict]));
    let refused = update(&sandbox, &object, set(3, "cloud", "db:1"), false).unwrap_err();
    let text = "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using apps/v1: .spec.replicas";
    assert_eq!(refused, Refused::Denied(text.to_owned()));

    // The same value is no conflict: both own it.
    let mut agreed = set(5, "cloud", "db:1");
    agreed["metadata"]["labels"]["more"] = json!("yes");
    update(&sandbox, &object, agreed, false).unwrap();
    assert!(owned("kubectl-edit") && owned("tsinfra"));
    update(&sandbox, &object, set(3, "cloud", "db:1"), true).unwrap();
    assert!(!owned("kubectl-edit") && owned("tsinfra"));
    assert_eq!(live(&sandbox, &object).unwrap().number("/spec/replicas"), Some(3));
}

#[test]
fn an_edit_cannot_change_who_an_object_is() {
    let sandbox = prepared();
    let object = key(Kind::ConfigMap, "settings");
    create(&sandbox, &object, json!({})).unwrap();
    let before = bytes(&sandbox);
    let patch =
        json!({ "kind": "X", "metadata": { "name": "x", "uid": "x", "deletionTimestamp": "x" } });
    sandbox.disturb(|cluster| cluster.edit_as("me", &object, &patch)).unwrap();
    assert!(before == bytes(&sandbox));
}

#[test]
fn what_others_added_stays_and_what_we_drop_goes() {
    let sandbox = prepared();
    let object = key(Kind::ConfigMap, "settings");
    create(&sandbox, &object, json!({ "data": { "a": "1", "b": "2" } })).unwrap();
    let patch = json!({ "data": { "c": "3" } });
    sandbox.disturb(|cluster| cluster.edit_as("kubectl-edit", &object, &patch)).unwrap();
    update(&sandbox, &object, json!({ "data": { "a": "1" } }), false).unwrap();
    assert_eq!(live(&sandbox, &object).unwrap().value["data"], json!({ "a": "1", "c": "3" }));
}

#[test]
fn an_object_that_is_there_or_is_another_one_is_stale() {
    let sandbox = prepared();
    let object = key(Kind::ConfigMap, "settings");
    create(&sandbox, &object, json!({})).unwrap();
    assert!(matches!(create(&sandbox, &object, json!({})), Err(Refused::Stale(_))));
    let uid = "00000000-0000-4000-8000-000000000000".to_owned();
    let update = Action::Update {
        object: object.clone(),
        uid: uid.clone(),
        digest: String::new(),
        manifest: json!({}),
        force: true,
    };
    assert!(matches!(now(sandbox.perform(&update)), Err(Refused::Stale(_))));
    let remove = Action::Delete { object: object.clone(), uid };
    assert!(matches!(now(sandbox.perform(&remove)), Err(Refused::Stale(_))));
    delete(&sandbox, &object);
    assert_eq!(now(sandbox.perform(&remove)), Ok(()), "gone is gone");
    assert!(matches!(now(sandbox.perform(&update)), Err(Refused::Stale(_))));
}

/// Whoever was paused with a change in hand wakes up late: somebody has gone on meanwhile, under the
/// same name, so that server-side apply would see no conflict.
#[test]
fn a_change_is_made_to_the_state_it_was_meant_for_and_no_other() {
    let sandbox = prepared();
    let object = key(Kind::ConfigMap, "settings");
    let says = |value: &str| json!({ "data": { "a": value } });
    create(&sandbox, &object, says("1")).unwrap();
    let before = live(&sandbox, &object).unwrap();
    let meant = |value: &str| Action::Update {
        object: object.clone(),
        uid: before.uid().to_owned(),
        digest: fields::digest(&says(value), &before.value),
        manifest: says(value),
        force: true,
    };
    update(&sandbox, &object, says("3"), false).unwrap();
    let untouched = bytes(&sandbox);
    let late = now(sandbox.perform(&meant("2"))).unwrap_err();
    assert!(matches!(&late, Refused::Stale(why) if why.contains("was changed")), "{late}");
    assert_eq!(now(sandbox.perform(&meant("3"))), Ok(()), "as it was meant to become");
    assert!(bytes(&sandbox) == untouched);
}

#[test]
fn nothing_can_be_made_in_a_namespace_that_is_not_there() {
    let sandbox = Sandbox::in_memory();
    let object = key(Kind::ConfigMap, "settings");
    let refused = create(&sandbox, &object, json!({})).unwrap_err();
    assert_eq!(refused, Refused::Denied("namespaces \"tsdb\" not found".to_owned()));
    let seen = preview(&sandbox, &object, json!({}), false);
    assert_eq!(seen, Preview::Unchecked("namespace `tsdb` does not exist yet".to_owned()));
}

#[test]
fn a_preview_shows_what_is_then_stored_and_stores_nothing() {
    let sandbox = prepared();
    let object = key(Kind::StatefulSet, "db");
    create(&sandbox, &object, set(3, "cloud", "db:1")).unwrap();
    let before = bytes(&sandbox);
    let seen = preview(&sandbox, &object, set(4, "cloud", "db:2"), false);
    assert_eq!(before, bytes(&sandbox));
    update(&sandbox, &object, set(4, "cloud", "db:2"), false).unwrap();
    assert_eq!(seen, Preview::Stored(Value::clone(&live(&sandbox, &object).unwrap().value)));
}

#[test]
fn what_cannot_change_is_refused_in_the_servers_words() {
    let sandbox = prepared();
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:1")).unwrap();
    create(&sandbox, &key(Kind::PersistentVolume, "ssd"), local_volume("worker-1")).unwrap();
    let headless =
        json!({ "spec": { "clusterIP": "None", "ports": [{ "port": 1, "protocol": "TCP" }] } });
    create(&sandbox, &key(Kind::Service, "head"), headless).unwrap();
    create(&sandbox, &key(Kind::Service, "db"), json!({ "spec": {} })).unwrap();
    wait(&sandbox, 20);
    for (kind, name, patch, words) in [
        (
            Kind::StatefulSet,
            "db",
            json!({ "spec": { "serviceName": "x" } }),
            "updates to statefulset spec for fields other than",
        ),
        (
            Kind::StatefulSet,
            "db",
            json!({ "spec": { "podManagementPolicy": "Parallel" } }),
            "updates to statefulset spec",
        ),
        (
            Kind::StatefulSet,
            "db",
            json!({ "spec": { "volumeClaimTemplates": [] } }),
            "updates to statefulset spec",
        ),
        (
            Kind::StorageClass,
            "cloud",
            json!({ "provisioner": "x" }),
            "updates to provisioner are forbidden",
        ),
        (
            Kind::StorageClass,
            "cloud",
            json!({ "parameters": { "a": "b" } }),
            "updates to parameters are forbidden",
        ),
        (
            Kind::StorageClass,
            "cloud",
            json!({ "reclaimPolicy": "Retain" }),
            "updates to reclaimPolicy are forbidden",
        ),
        (
            Kind::StorageClass,
            "cloud",
            json!({ "volumeBindingMode": "Immediate" }),
            "field is immutable",
        ),
        (
            Kind::PersistentVolume,
            "ssd",
            json!({ "spec": { "local": { "path": "/x" } } }),
            "is immutable after creation",
        ),
        (
            Kind::PersistentVolume,
            "ssd",
            json!({ "spec": { "nodeAffinity": null } }),
            "field is immutable",
        ),
        (
            Kind::Service,
            "db",
            json!({ "spec": { "clusterIP": "None" } }),
            "may not change once set",
        ),
        (
            Kind::PersistentVolumeClaim,
            "data-db-0",
            json!({ "spec": { "storageClassName": "local" } }),
            "spec is immutable after creation",
        ),
        (
            Kind::PersistentVolumeClaim,
            "data-db-0",
            json!({ "spec": { "resources": { "requests": { "storage": "5Gi" } } } }),
            "can not be less than",
        ),
    ] {
        let before = bytes(&sandbox);
        let refused = sandbox.disturb(|cluster| cluster.edit_as("me", &key(kind, name), &patch));
        match refused {
            Err(Refused::Denied(text)) => assert!(text.contains(words), "{text}"),
            other => panic!("{kind} {name} {patch}: {other:?}"),
        }
        assert_eq!(before, bytes(&sandbox));
    }
    let mutable = json!({ "spec": { "replicas": 2, "minReadySeconds": 1 } });
    let object = key(Kind::StatefulSet, "db");
    sandbox.disturb(|cluster| cluster.edit_as("me", &object, &mutable)).unwrap();
}

#[test]
fn node_ports_are_given_kept_and_never_given_twice() {
    let sandbox = prepared();
    let service = |port: Option<u64>| {
        let mut one = json!({ "port": 6667, "protocol": "TCP" });
        if let Some(port) = port {
            one["nodePort"] = json!(port);
        }
        json!({ "spec": { "type": "NodePort", "ports": [one] } })
    };
    create(&sandbox, &key(Kind::Service, "a"), service(Some(32_667))).unwrap();
    create(&sandbox, &key(Kind::Service, "b"), service(None)).unwrap();
    let given = live(&sandbox, &key(Kind::Service, "b")).unwrap().number("/spec/ports/0/nodePort");
    assert!(given.is_some_and(|port| (30_000..=32_767).contains(&port) && port != 32_667));
    update(&sandbox, &key(Kind::Service, "b"), service(None), false).unwrap();
    let kept = live(&sandbox, &key(Kind::Service, "b")).unwrap().number("/spec/ports/0/nodePort");
    assert_eq!(given, kept);
    for (port, words) in
        [(32_667, "provided port is already allocated"), (80, "not in the valid range")]
    {
        match preview(&sandbox, &key(Kind::Service, "c"), service(Some(port)), false) {
            Preview::Refused(text) => assert!(text.contains(words), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let mut inner = service(None);
    inner["spec"]["type"] = json!("ClusterIP");
    update(&sandbox, &key(Kind::Service, "a"), inner, false).unwrap();
    assert_eq!(
        live(&sandbox, &key(Kind::Service, "a")).unwrap().number("/spec/ports/0/nodePort"),
        None
    );
}

#[test]
fn the_record_is_kept_replaced_and_dropped() {
    let sandbox = prepared();
    let scope = Scope { inventory: Some((NS.to_owned(), "plant".to_owned())), ..Scope::default() };
    assert_eq!(look(&sandbox, &scope).inventory, None);
    let mut inventory = Inventory::new("plant", NS);
    now(sandbox.keep(&inventory)).unwrap();
    inventory
        .items
        .insert(key(Kind::StatefulSet, "db"), Item { uid: "x".to_owned(), ..Item::default() });
    now(sandbox.keep(&inventory)).unwrap();
    assert_eq!(look(&sandbox, &scope).inventory, Some(inventory));
    now(sandbox.drop_record(NS, "plant")).unwrap();
    assert_eq!(look(&sandbox, &scope).inventory, None);
}

#[test]
fn a_damaged_record_is_an_error_and_never_an_empty_one() {
    let sandbox = prepared();
    now(sandbox.keep(&Inventory::new("plant", NS))).unwrap();
    let scope = Scope { inventory: Some((NS.to_owned(), "plant".to_owned())), ..Scope::default() };
    let record = Inventory::key(NS, "plant");
    for text in ["{", "{\"format\":2}"] {
        let patch = json!({ "data": { "inventory.json": text } });
        sandbox.disturb(|cluster| cluster.edit_as("me", &record, &patch)).unwrap();
        assert!(now(sandbox.look(&scope)).is_err(), "{text}");
    }
}

/// Anything at all, in places that matter.
fn anything() -> impl Strategy<Value = Value> {
    const NAMES: &str = "metadata|labels|annotations|spec|status|replicas|template|containers|ports|port|name|env|\
        selector|matchLabels|volumeClaimTemplates|resources|requests|storage|data|type|clusterIP|nodePort|app";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..9).prop_map(Value::from),
        "[a-zA-Z0-9/:$(). -]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(NAMES, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No manifest and no edit makes the sandbox panic; what is refused changes nothing.
    #[test]
    fn nothing_that_is_sent_panics(manifest in anything(), patch in anything(), kind in 0_usize..10) {
        let sandbox = prepared();
        create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:1")).unwrap();
        let kind = Kind::ALL[kind];
        let before = bytes(&sandbox);
        if create(&sandbox, &key(kind, "x"), manifest).is_err() {
            prop_assert!(before == bytes(&sandbox));
        }
        for object in [key(kind, "x"), key(Kind::StatefulSet, "db")] {
            let before = bytes(&sandbox);
            let edited = sandbox.disturb(|cluster| cluster.edit_as("me", &object, &patch));
            prop_assert!(edited.is_ok() || before == bytes(&sandbox));
        }
        wait(&sandbox, 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was applied and edited before, a forced apply makes the object satisfy the manifest,
    /// leaves nothing of ours behind, and is then stable.
    #[test]
    fn a_forced_apply_gets_what_it_asks_for(
        ours in prop::collection::vec(("[a-d]", "[x-z]"), 0..4),
        theirs in prop::collection::vec(("[a-d]", "[x-z]"), 0..4),
        then in prop::collection::vec(("[a-d]", "[x-z]"), 0..4),
    ) {
        let manifest = |pairs: &[(String, String)]| {
            let data: serde_json::Map<String, Value> =
                pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "data": data })
        };
        let sandbox = prepared();
        let object = key(Kind::ConfigMap, "settings");
        create(&sandbox, &object, manifest(&ours)).unwrap();
        sandbox.disturb(|cluster| cluster.edit_as("other", &object, &manifest(&theirs))).unwrap();
        update(&sandbox, &object, manifest(&then), true).unwrap();
        let seen = live(&sandbox, &object).unwrap();
        let mine = seen.managers.get("tsinfra").cloned().unwrap_or_default();
        let wanted = manifest(&then);
        prop_assert!(tsinfra::fields::departures(&wanted, &seen.value, &mine).is_empty());
        for name in seen.value["data"].as_object().into_iter().flatten().map(|(name, _)| name) {
            let asked = wanted["data"].get(name).is_some();
            prop_assert!(asked || theirs.iter().any(|(other, _)| other == name));
        }
        let before = bytes(&sandbox);
        update(&sandbox, &object, wanted, false).unwrap();
        prop_assert!(before == bytes(&sandbox), "applied again it changed something");
    }
}

/// What is copied keeps its uids; a new object there must not get one of them, or it would be taken for
/// what it replaces.
#[test]
fn a_copied_world_gives_no_uid_again() {
    let sandbox = prepared();
    let names: Vec<ObjectKey> =
        (0..20).map(|n| ObjectKey::within(Kind::Service, NS, format!("s-{n}"))).collect();
    let port = json!({ "spec": { "ports": [{ "name": "web", "port": 80 }] } });
    names.iter().for_each(|key| create(&sandbox, key, port.clone()).unwrap());
    let lists = vec![List { kind: Kind::Service, namespace: None, labels: Default::default() }];
    let gets = vec![ObjectKey::global(Kind::Namespace, NS)];
    let seen = now(sandbox.look(&Scope { lists, gets, ..Scope::default() })).unwrap();
    let copy = Sandbox::resumed(Cluster::copied(&seen, &[]));
    let uids = |world: &Sandbox| -> BTreeSet<String> {
        let snapshot = world.snapshot();
        names.iter().map(|key| snapshot.get(key).unwrap()["metadata"]["uid"].to_string()).collect()
    };
    let before = uids(&copy);
    assert_eq!(before, uids(&sandbox));
    for key in &names {
        copy.disturb(|cluster| cluster.delete(key));
        create(&copy, key, port.clone()).unwrap();
    }
    assert!(before.is_disjoint(&uids(&copy)));
}
