//! Ownership of what we created. A creation is recorded as (tsinfra, Update), a later server-side
//! apply as (tsinfra, Apply): two owners to the server. Then fields dropped from a manifest would
//! stay, and a changed one would conflict with ourselves. So the first entry becomes the second.

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::live::errors::Trouble;
use crate::live::request::{BodyKind, Call, Link, item_path};
use crate::object::{FIELD_MANAGER, ObjectKey};

/// The controllers of a new object write to it at the same time; each loss costs one more reading.
const TRIES: u32 = 6;

/// Which of the fields recorded at creation we go on owning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep<'a> {
    /// Those the manifest sets. The record of a creation also holds every default the server filled
    /// in, and owning those would look as if the manifest had dropped them.
    Manifest(&'a Value),
    /// All; the apply that follows at once settles what is owned.
    All,
}

/// Makes us the owner by apply of what we created, and answers the object as it is then. Does
/// nothing if that is so already.
pub(crate) async fn settle(
    link: &Link,
    object: &ObjectKey,
    mut live: Value,
    keep: Keep<'_>,
) -> Result<Value, Trouble> {
    let uid = live["metadata"]["uid"].clone();
    let mut last = None;
    for times in 0..TRIES {
        let Some(managed) = settled(&live["metadata"]["managedFields"], keep) else {
            return Ok(live);
        };
        let patch = json!([
            { "op": "replace", "path": "/metadata/managedFields", "value": managed },
            { "op": "replace", "path": "/metadata/resourceVersion",
              "value": live["metadata"]["resourceVersion"] },
        ]);
        let path = format!("{}?fieldManager={FIELD_MANAGER}", item_path(object));
        let call = Call::with(Method::PATCH, path, BodyKind::JsonPatch, patch);
        match link.ask(&call).await {
            Ok(settled) => return Ok(settled),
            Err(Trouble::Failed(failure)) if failure.code == 409 => {
                last = Some(Trouble::Failed(failure));
            }
            Err(trouble) => return Err(trouble),
        }
        // Controllers have begun to work on it, as they should: nothing to tell.
        link.rest(times).await;
        match link.find(object).await? {
            Some(found) if found["metadata"]["uid"] == uid => live = found,
            _ => return Ok(live),
        }
    }
    last.map_or(Ok(live), Err)
}

/// The managed fields once our two entries are one; `None` if there is nothing to do.
pub(crate) fn settled(managed: &Value, keep: Keep<'_>) -> Option<Value> {
    let ours = |entry: &Value, operation: &str| {
        entry["manager"] == FIELD_MANAGER
            && entry["operation"] == operation
            && entry["subresource"].as_str().unwrap_or_default().is_empty()
    };
    let mut entries = managed.as_array()?.clone();
    let from = entries.iter().position(|entry| ours(entry, "Update"))?;
    let mut entry = entries.remove(from);
    if let Keep::Manifest(manifest) = keep {
        entry["fieldsV1"] = part(&entry["fieldsV1"], manifest);
    }
    match entries.iter_mut().find(|entry| ours(entry, "Apply")) {
        Some(applied) => unite(&mut applied["fieldsV1"], &entry["fieldsV1"]),
        None => {
            entry["operation"] = "Apply".into();
            entries.insert(from, entry);
        }
    }
    Some(entries.into())
}

/// The part of a `fieldsV1` set that a manifest sets.
fn part(set: &Value, manifest: &Value) -> Value {
    let Some(set) = set.as_object() else { return set.clone() };
    let mut kept = Map::new();
    for (key, below) in set {
        let named = match key.split_once(':') {
            Some(("f", name)) => manifest.get(name),
            Some(("k", keys)) => element(manifest, keys),
            Some(("v", value)) => member(manifest, value),
            _ => None,
        };
        if let Some(named) = named {
            let mut below = part(below, named);
            // An apply owns a map by what is in it; only elements of lists are owned themselves.
            if let Some(below) = below.as_object_mut()
                && key.starts_with("f:")
            {
                below.remove(".");
            }
            kept.insert(key.clone(), below);
        } else if key == "." {
            kept.insert(key.clone(), below.clone());
        }
    }
    kept.into()
}

/// The element with these keys; one the manifest leaves to its default is not compared.
fn element<'a>(list: &'a Value, keys: &str) -> Option<&'a Value> {
    let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
    list.as_array()?.iter().find(|candidate| {
        keys.iter().all(|(key, value)| candidate.get(key).is_none_or(|set| set == value))
    })
}

fn member<'a>(list: &'a Value, value: &str) -> Option<&'a Value> {
    let value: Value = serde_json::from_str(value).ok()?;
    list.as_array()?.iter().find(|candidate| **candidate == value)
}

fn unite(into: &mut Value, other: &Value) {
    if let (Some(into), Some(other)) = (into.as_object_mut(), other.as_object()) {
        for (key, below) in other {
            unite(into.entry(key.clone()).or_insert_with(|| json!({})), below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::scripted::Reaction::Says;
    use crate::live::scripted::attentive_server;
    use crate::object::Kind;

    fn created() -> Value {
        json!([
            { "manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
              "fieldsV1": { "f:status": {} } },
            { "manager": "tsinfra", "operation": "Update", "fieldsV1": {
                "f:metadata": { "f:labels": { ".": {}, "f:a/b": {} } },
                "f:spec": {
                    "f:ports": { ".": {},
                        "k:{\"port\":6667,\"protocol\":\"TCP\"}": { ".": {}, "f:port": {}, "f:protocol": {} },
                    },
                    "f:sessionAffinity": {},
                    "f:selector": {},
                },
            } },
        ])
    }

    fn manifest() -> Value {
        json!({
            "metadata": { "labels": { "a/b": "c" } },
            "spec": { "ports": [{ "port": 6667 }], "selector": { "x": "y" } },
        })
    }

    #[test]
    fn only_what_the_manifest_sets_stays_owned() {
        let settled = settled(&created(), Keep::Manifest(&manifest())).expect("something to do");
        assert_eq!(settled[1]["operation"], "Apply");
        assert_eq!(
            settled[1]["fieldsV1"],
            json!({
                "f:metadata": { "f:labels": { "f:a/b": {} } },
                "f:spec": {
                    "f:ports": { "k:{\"port\":6667,\"protocol\":\"TCP\"}": { ".": {}, "f:port": {} } },
                    "f:selector": {},
                },
            })
        );
        assert_eq!(settled[0], created()[0]);
    }

    #[test]
    fn two_entries_of_ours_become_one() {
        let mut managed = created();
        let applied = json!({ "manager": "tsinfra", "operation": "Apply", "fieldsV1": {
            "f:spec": { "f:type": {} } } });
        managed.as_array_mut().expect("a list").push(applied);
        let settled = settled(&managed, Keep::All).expect("something to do");
        assert_eq!(settled.as_array().map(Vec::len), Some(2));
        assert_eq!(settled[1]["fieldsV1"]["f:spec"]["f:type"], json!({}));
        assert_eq!(settled[1]["fieldsV1"]["f:spec"]["f:sessionAffinity"], json!({}));
    }

    #[test]
    fn what_is_settled_stays_as_it_is() {
        let managed = json!([{ "manager": "tsinfra", "operation": "Apply", "fieldsV1": {} }]);
        assert_eq!(settled(&managed, Keep::All), None);
        assert_eq!(settled(&Value::Null, Keep::All), None);
    }

    /// What was read is of this version, or it is read again; and nothing is written to another
    /// object that has the name by then.
    #[tokio::test]
    async fn an_entry_is_made_up_for_on_the_version_and_the_object_that_was_read() {
        let key = ObjectKey::within(Kind::Service, "tsdb", "x");
        let live = |uid: &str, version: &str| {
            json!({ "metadata": {
                "uid": uid, "resourceVersion": version, "managedFields": created(),
            }})
        };
        let refused = || Says(409, json!({ "kind": "Status", "message": "modified" }));
        let run = async {
            let (manifest, found) = (manifest(), Says(200, live("v", "8")));
            let (link, bodies) = attentive_server(vec![refused(), found]).await;
            let done = settle(&link, &key, live("u", "7"), Keep::Manifest(&manifest)).await;
            (done.is_ok(), bodies.take())
        };
        let (is_done, bodies) = tokio::task::LocalSet::new().run_until(run).await;
        assert!(is_done);
        let version = json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "7" });
        assert_eq!(bodies[0][1], version);
        // One look after that, and no more.
        assert_eq!(bodies[1..], [Value::Null]);
    }
}
