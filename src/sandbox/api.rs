//! The simulated API server: create, server-side apply, other tools' edits, delete.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::cluster::{Cluster, leaving, owned_by_setting, transfer, uid};
use super::defaults;
use super::denial::Denial;
use super::nodes;
use super::rules;
use super::services;
use super::values::{at, list, map_of, put, take, text};
use crate::fields::path::{inside, is_covered, touches};
use crate::fields::{merge, names, otherwise};
use crate::object::{FIELD_MANAGER, Kind, Labels, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::change::Change;
use crate::plan::growth;
use crate::plan::job;
use crate::plan::scale;

/// Fields of the metadata that only the server writes; sent ones are dropped.
const SERVER_METADATA: [&str; 7] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

/// Makes an object that is not there.
pub(super) fn create(
    cluster: &mut Cluster,
    key: &ObjectKey,
    manifest: &Value,
    manager: &str,
) -> Result<(), Denial> {
    if let Some(name) = &key.namespace {
        let namespace = cluster.get(&ObjectKey::global(Kind::Namespace, name.as_str()));
        let namespace = namespace.ok_or_else(|| Denial::NoNamespace(name.clone()))?;
        if leaving(namespace) {
            return Err(Denial::Invalid(format!(
                "{} \"{}\" is forbidden: unable to create new content in namespace {name} because \
                 it is being terminated",
                key.kind.plural(),
                key.name
            )));
        }
    }
    if cluster.objects.contains_key(key) {
        let (plural, name) = (key.kind.plural(), &key.name);
        return Err(Denial::Stale(format!("{plural} \"{name}\" already exists")));
    }
    let mut value = sent(key, manifest)?;
    let asked = value.clone();
    defaults::fill_in(key, &mut value);
    rules::check(key, &value)?;
    services::allocate(cluster, key, &mut value)?;
    cluster.insert(key, value, manager);
    if let Some(object) = cluster.objects.get_mut(key).map(Arc::make_mut) {
        let managers = Arc::make_mut(&mut object.managers);
        if key.kind != Kind::Pod {
            managers.insert(manager.to_owned(), owned_by_setting(&asked));
        }
        managers.retain(|_, paths| !paths.is_empty());
    }
    Ok(())
}

/// Compare-and-swap: makes an object that is not there, or replaces what is not the server's of one
/// that is still of this version.
pub(super) fn swap(
    cluster: &mut Cluster,
    key: &ObjectKey,
    manifest: &Value,
    version: Option<&str>,
) -> Result<(), Denial> {
    let Some(version) = version else { return create(cluster, key, manifest, FIELD_MANAGER) };
    let live = cluster.get(key).map(|live| text(live, "/metadata/resourceVersion"));
    if live != Some(version) {
        return Err(Denial::Stale(format!("{key} has been modified")));
    }
    cluster.change(FIELD_MANAGER, key, |live| {
        for part in ["labels", "annotations"] {
            live["metadata"][part] = manifest["metadata"][part].clone();
        }
        live["spec"] = manifest["spec"].clone();
    });
    Ok(())
}

/// A change of a plan: made to the state it was meant for and no other; fine if it was made already.
pub(super) fn update(
    cluster: &mut Cluster,
    change: &Change<'_>,
    force: bool,
) -> Result<(), Denial> {
    let key = change.object;
    let live = cluster.objects.get(key).ok_or_else(|| gone(key))?;
    let ours = live.managers.get(FIELD_MANAGER).cloned().unwrap_or_default();
    if change.is_due(&live.value, &ours).map_err(Denial::Stale)? {
        return apply(cluster, key, change.uid, change.manifest, force);
    }
    Ok(())
}

/// Server-side apply, as tsinfra, to the object with this uid and no other.
pub(super) fn apply(
    cluster: &mut Cluster,
    key: &ObjectKey,
    wanted_uid: &str,
    manifest: &Value,
    force: bool,
) -> Result<(), Denial> {
    let live = cluster.shared(key).ok_or_else(|| gone(key))?;
    same_uid(key, &live.value, wanted_uid)?;
    let manifest = sent(key, manifest)?;
    let conflicts = conflicts(&live, &manifest);
    if !conflicts.is_empty() && !force {
        return Err(Denial::Conflict(key.clone(), conflicts));
    }
    let mut new = LiveObject::clone(&live);
    let managers = Arc::make_mut(&mut new.managers);
    for (manager, path) in &conflicts {
        if let Some(paths) = managers.get_mut(manager) {
            paths.remove(path);
        }
    }
    let of_others = |path: &String| {
        let mut others = managers.iter().filter(|(manager, _)| *manager != FIELD_MANAGER);
        others.any(|(_, paths)| is_covered(paths, path))
    };
    // Who owns an empty map does not own what others put into it.
    let names = names(&live.value);
    let is_filled = |path: &&String| inside(&names, path).any(|name| name != *path);
    let owned = live.managers.get(FIELD_MANAGER).into_iter().flatten();
    let owned = owned.filter(|path| !of_others(path) && !is_filled(path));
    let owned: BTreeSet<String> = owned.cloned().collect();
    new.value = Arc::new(merge::applied(&live.value, &manifest, &owned));
    managers.insert(FIELD_MANAGER.to_owned(), owned_by_setting(&manifest));
    managers.retain(|_, paths| !paths.is_empty());
    commit(cluster, key, &live, new)
}

/// What another tool's edit (a JSON merge patch) does: it takes the fields it changes.
pub(super) fn edit(
    cluster: &mut Cluster,
    key: &ObjectKey,
    manager: &str,
    patch: &Value,
) -> Result<(), Denial> {
    let live = cluster.shared(key).ok_or_else(|| gone(key))?;
    let mut new = LiveObject::clone(&live);
    let value = new.value_mut();
    merge_patch(value, patch);
    keep_what_nobody_edits(&live.value, value);
    defaults::fill_in(key, value);
    transfer(manager, &live.value, &mut new);
    commit(cluster, key, &live, new)
}

/// A merge patch of tsinfra's own on exactly what was looked at; `None`: nothing is to be changed.
pub(super) fn amend(
    cluster: &mut Cluster,
    key: &ObjectKey,
    patch: impl FnOnce(&Value) -> Result<Option<Value>, String>,
) -> Result<(), Denial> {
    let live = cluster.get(key).ok_or_else(|| gone(key))?;
    match patch(live).map_err(Denial::Stale)? {
        Some(patch) => edit(cluster, key, FIELD_MANAGER, &patch),
        None => Ok(()),
    }
}

/// Removes the object with this uid; fine if it is gone already.
pub(super) fn delete(
    cluster: &mut Cluster,
    key: &ObjectKey,
    wanted_uid: &str,
) -> Result<(), Denial> {
    let Some(live) = cluster.get(key) else { return Ok(()) };
    same_uid(key, live, wanted_uid)?;
    begin_deletion(cluster, key);
    Ok(())
}

/// Removes a helper that has done its work; fine if it is gone already.
pub(super) fn retire(
    cluster: &mut Cluster,
    key: &ObjectKey,
    labels: &Labels,
) -> Result<(), Denial> {
    let Some(live) = cluster.get(key) else { return Ok(()) };
    job::done(key, live, labels).map_err(Denial::Stale)?;
    begin_deletion(cluster, key);
    Ok(())
}

/// Removes a pod at once, whatever runs; fine if it is gone already.
pub(super) fn abandon(
    cluster: &mut Cluster,
    key: &ObjectKey,
    wanted_uid: &str,
) -> Result<(), Denial> {
    let Some(live) = cluster.get(key) else { return Ok(()) };
    same_uid(key, live, wanted_uid)?;
    nodes::vanished(cluster, key);
    Ok(())
}

/// Removes a StatefulSet that has no members; fine if it is gone already.
pub(super) fn dissolve(
    cluster: &mut Cluster,
    key: &ObjectKey,
    wanted_uid: &str,
) -> Result<(), Denial> {
    let Some(live) = cluster.get(key) else { return Ok(()) };
    scale::deserted(key, live, wanted_uid).map_err(Denial::Stale)?;
    begin_deletion(cluster, key);
    Ok(())
}

/// Takes a StatefulSet away from around its members: it goes once nothing says any more that it belongs to
/// it; fine if it is gone or on its way already.
pub(super) fn orphan(
    cluster: &mut Cluster,
    key: &ObjectKey,
    wanted_uid: &str,
    generation: i64,
) -> Result<(), Denial> {
    let Some(live) = cluster.get(key) else { return Ok(()) };
    if uid(live) == wanted_uid && leaving(live) {
        return Ok(());
    }
    growth::orphan(key, live, wanted_uid, generation).map_err(Denial::Stale)?;
    begin_release(cluster, key);
    Ok(())
}

/// Marks a StatefulSet that is to go from around its members.
pub(super) fn begin_release(cluster: &mut Cluster, key: &ObjectKey) {
    let now = json!(cluster.timestamp());
    cluster.change("kube-apiserver", key, |value| {
        put(value, &["metadata", "deletionTimestamp"], now);
        put(value, &["metadata", "finalizers"], json!(["orphan"]));
    });
}

/// Removes an object, or marks it where something has to happen before it may go.
pub(super) fn begin_deletion(cluster: &mut Cluster, key: &ObjectKey) {
    let waits = matches!(
        key.kind,
        Kind::Namespace | Kind::Pod | Kind::PersistentVolumeClaim | Kind::PersistentVolume
    );
    if !waits {
        cluster.remove(key);
        return;
    }
    if cluster.is_leaving(key) {
        return;
    }
    let now = json!(cluster.timestamp());
    cluster.change("kube-apiserver", key, |value| {
        put(value, &["metadata", "deletionTimestamp"], now);
        if key.kind == Kind::Pod {
            let grace = at(value, "/spec/terminationGracePeriodSeconds").clone();
            put(value, &["metadata", "deletionGracePeriodSeconds"], grace);
        }
    });
}

/// What a sender's manifest is once what only the server writes is taken out of it.
fn sent(key: &ObjectKey, manifest: &Value) -> Result<Value, Denial> {
    let mut value = manifest.clone();
    let named = |pointer| value.pointer(pointer).and_then(Value::as_str);
    let other_name = named("/metadata/name").is_some_and(|name| name != key.name);
    let other_namespace =
        named("/metadata/namespace").is_some_and(|name| key.namespace.as_deref() != Some(name));
    if other_name || other_namespace {
        return Err(Denial::Invalid(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            text(&value, "/metadata/name"),
            key.name
        )));
    }
    take(&mut value, &["status"]);
    for field in SERVER_METADATA {
        take(&mut value, &["metadata", field]);
    }
    put(&mut value, &["apiVersion"], json!(key.kind.api_version()));
    put(&mut value, &["kind"], json!(key.kind.word()));
    put(&mut value, &["metadata", "name"], json!(key.name));
    if let Some(namespace) = &key.namespace {
        put(&mut value, &["metadata", "namespace"], json!(namespace));
    }
    Ok(value)
}

/// Fields a manifest would change that others own.
fn conflicts(live: &LiveObject, manifest: &Value) -> Vec<(String, String)> {
    let changes = otherwise(manifest, &live.value);
    let touched = |path: &String| touches(&changes, path);
    let others = live.managers.iter().filter(|(manager, _)| *manager != FIELD_MANAGER);
    others
        .flat_map(|(manager, paths)| {
            let hit = paths.iter().filter(|path| touched(path));
            hit.map(|path| (manager.clone(), path.clone()))
        })
        .collect()
}

/// Stores a changed object if the API allows the change. A change of nothing stores nothing.
fn commit(
    cluster: &mut Cluster,
    key: &ObjectKey,
    old: &LiveObject,
    mut new: LiveObject,
) -> Result<(), Denial> {
    let value = new.value_mut();
    defaults::fill_in(key, value);
    services::drop_what_the_type_has_not(key, value);
    rules::check(key, value)?;
    rules::check_change(cluster, key, &old.value, value)?;
    services::allocate(cluster, key, value)?;
    if new == *old {
        return Ok(());
    }
    if let Some(generation) = old.value.pointer("/metadata/generation").and_then(Value::as_i64)
        && old.value.get("spec") != new.value.get("spec")
    {
        put(new.value_mut(), &["metadata", "generation"], json!(generation + 1));
    }
    cluster.replace(key, new);
    Ok(())
}

/// Puts an object's identity, and what only the server writes, back to what they were.
fn keep_what_nobody_edits(old: &Value, new: &mut Value) {
    let metadata = SERVER_METADATA.iter().chain(&["name", "namespace"]);
    let metadata = metadata.map(|field| vec!["metadata", *field]);
    for place in metadata.chain([vec!["apiVersion"], vec!["kind"], vec!["status"]]) {
        match place.iter().try_fold(old, |value, field| value.get(*field)) {
            Some(value) => put(new, &place, value.clone()),
            None => take(new, &place),
        }
    }
}

/// RFC 7386.
fn merge_patch(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    let map: &mut Map<String, Value> = map_of(value);
    for (name, patch) in patch {
        if patch.is_null() {
            map.remove(name);
        } else {
            merge_patch(map.entry(name.as_str()).or_insert(Value::Null), patch);
        }
    }
}

fn gone(key: &ObjectKey) -> Denial {
    Denial::Stale(format!("{} \"{}\" not found", key.kind.plural(), key.name))
}

fn same_uid(key: &ObjectKey, live: &Value, wanted: &str) -> Result<(), Denial> {
    if uid(live) == wanted {
        return Ok(());
    }
    Err(Denial::Stale(format!(
        "Operation cannot be fulfilled on {} \"{}\": the UID in the precondition ({wanted}) does \
         not match the UID in record ({}). The object might have been deleted and then recreated",
        key.kind.plural(),
        key.name,
        uid(live)
    )))
}

/// The names of the claims a pod uses.
pub(super) fn claims_of(pod_key: &ObjectKey, pod: &Value) -> Vec<ObjectKey> {
    let names = list(pod, "/spec/volumes").iter();
    let names =
        names.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str());
    let namespace = pod_key.namespace.as_deref().unwrap_or_default();
    names.map(|name| ObjectKey::within(Kind::PersistentVolumeClaim, namespace, name)).collect()
}
