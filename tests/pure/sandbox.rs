//! The sandbox keeps the laws of Kubernetes that plans rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod api;
mod databases;
mod members;
mod pods;
mod store;
mod volumes;

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tsinfra::fields;
use tsinfra::object::{Kind, ObjectKey};
use tsinfra::observed::{List, LiveObject, Observed, Scope};
use tsinfra::plan::step::Action;
use tsinfra::sandbox::Sandbox;
use tsinfra::world::{Draft, Preview, Refused, World as _};

/// The namespace of every test.
const NS: &str = "tsdb";

/// The sandbox never waits for anything outside: asked again, its futures are ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut asked = std::iter::repeat_with(|| future.as_mut().now_or_never());
    asked.by_ref().take(2).flatten().next().expect("the sandbox waited for something")
}

/// A sandbox with the namespace and a class of each kind.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    create(&sandbox, &ObjectKey::global(Kind::Namespace, NS), json!({})).unwrap();
    for (name, provisioner, reclaim) in [
        ("local", "kubernetes.io/no-provisioner", "Retain"),
        ("cloud", "csi.example.org", "Delete"),
        ("vault", "csi.example.org", "Retain"),
    ] {
        let class = json!({
            "provisioner": provisioner, "reclaimPolicy": reclaim,
            "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": name == "cloud",
        });
        create(&sandbox, &ObjectKey::global(Kind::StorageClass, name), class).unwrap();
    }
    sandbox
}

fn key(kind: Kind, name: &str) -> ObjectKey {
    if kind.namespaced() {
        ObjectKey::within(kind, NS, name)
    } else {
        ObjectKey::global(kind, name)
    }
}

fn create(sandbox: &Sandbox, object: &ObjectKey, manifest: Value) -> Result<(), Refused> {
    now(sandbox.perform(&Action::Create { object: object.clone(), manifest }))
}

fn update(
    sandbox: &Sandbox,
    object: &ObjectKey,
    manifest: Value,
    force: bool,
) -> Result<(), Refused> {
    let live = live(sandbox, object).expect("nothing to update");
    let (uid, digest) = (live.uid().to_owned(), fields::digest(&manifest, &live.value));
    now(sandbox.perform(&Action::Update { object: object.clone(), uid, digest, manifest, force }))
}

fn delete(sandbox: &Sandbox, object: &ObjectKey) {
    let uid = live(sandbox, object).expect("nothing to delete").uid().to_owned();
    now(sandbox.perform(&Action::Delete { object: object.clone(), uid })).unwrap();
}

fn preview(sandbox: &Sandbox, object: &ObjectKey, manifest: Value, force: bool) -> Preview {
    let uid = live(sandbox, object).map(|live| live.uid().to_owned());
    now(sandbox.preview(&Draft { object: object.clone(), manifest, uid, force })).unwrap()
}

fn look(sandbox: &Sandbox, scope: &Scope) -> Observed {
    now(sandbox.look(scope)).unwrap()
}

fn live(sandbox: &Sandbox, object: &ObjectKey) -> Option<LiveObject> {
    let scope = Scope { gets: vec![object.clone()], ..Scope::default() };
    look(sandbox, &scope).objects.remove(object)
}

fn all(sandbox: &Sandbox, kind: Kind) -> Vec<LiveObject> {
    let list = List { kind, namespace: None, labels: [].into() };
    let scope = Scope { lists: vec![list], ..Scope::default() };
    look(sandbox, &scope).objects.into_values().collect()
}

fn names(sandbox: &Sandbox, kind: Kind) -> Vec<String> {
    let found = all(sandbox, kind);
    found.iter().map(|live| live.text("/metadata/name").unwrap().to_owned()).collect()
}

fn wait(sandbox: &Sandbox, seconds: u64) {
    sandbox.disturb(|cluster| cluster.advance(Duration::from_secs(seconds)));
}

fn bytes(sandbox: &Sandbox) -> String {
    serde_json::to_string(&sandbox.snapshot()).unwrap()
}

/// A set of plain pods with a claim each.
fn set(replicas: u64, class: &str, image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "db" } },
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{ "name": "db", "image": image }] },
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data", "labels": { "tier": class } },
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                    "resources": { "requests": { "storage": "10Gi" } },
                },
            }],
        },
    })
}

fn local_volume(node: &str) -> Value {
    json!({
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "20Gi" },
            "storageClassName": "local", "persistentVolumeReclaimPolicy": "Retain",
            "local": { "path": "/mnt/ssd0" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] }
            ]}]}},
        },
    })
}

/// Every pod of the set `db` by ordinal: whether it is ready, and its image.
fn members(sandbox: &Sandbox) -> Vec<(u64, bool, String)> {
    let member = |live: LiveObject| {
        let ordinal = live.text("/metadata/name")?.strip_prefix("db-")?.parse().ok()?;
        let image = live.text("/spec/containers/0/image")?.to_owned();
        let conditions = live.value.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions.is_some_and(|all| {
            all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        });
        Some((ordinal, ready && !live.is_leaving(), image))
    };
    let mut found: Vec<_> = all(sandbox, Kind::Pod).into_iter().filter_map(member).collect();
    found.sort();
    found
}
