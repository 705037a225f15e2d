//! Lists and single objects, as [`LiveObject`]s.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::fields;
use crate::live::errors::Trouble;
use crate::live::request::{Link, asked, encoded, list_path};
use crate::object::{Kind, Labels, ObjectKey};
use crate::observed::{List, LiveObject};
use crate::world::Unseen;

/// Objects a page: smaller ones cost the server more, larger ones more memory at once.
const PAGE: usize = 500;
/// A list longer than this many pages is not ours.
const PAGES: usize = 200;
/// How often a list is begun anew because the server forgot where it was.
const RESTARTS: usize = 2;

/// Everything a list names.
pub(crate) struct Listed {
    /// The objects, with `apiVersion` and `kind`, which items of a list do not carry.
    pub(crate) items: Vec<Value>,
    /// The moment it shows; a watch may go on from there.
    pub(crate) version: String,
}

/// Reads a list page by page. Without a `resourceVersion` in the query the server answers with
/// what is true now, not with what one of its caches holds.
pub(crate) async fn list(link: &Link, list: &List) -> Result<Listed, Unseen> {
    let path = list_path(list.kind, list.namespace.as_deref());
    let path = format!("{path}?labelSelector={}", encoded(&selector(&list.labels)));
    let mut listed = pages(link, &path).await.map_err(|trouble| {
        let doing = match &list.namespace {
            Some(namespace) => format!("listing {} in namespace `{namespace}`", list.kind.plural()),
            None => format!("listing {}", list.kind.plural()),
        };
        trouble.unseen(doing, &asked("list", list.kind, list.namespace.as_deref()))
    })?;
    for item in &mut listed.items {
        item["apiVersion"] = list.kind.api_version().into();
        item["kind"] = list.kind.word().into();
    }
    Ok(listed)
}

/// Reads every page behind a path with a query.
pub(crate) async fn pages(link: &Link, path: &str) -> Result<Listed, Trouble> {
    let mut restarts = 0;
    loop {
        match all_pages(link, path).await {
            Err(Trouble::Failed(failure)) if failure.code == 410 && restarts < RESTARTS => {
                restarts += 1;
            }
            result => return result,
        }
    }
}

async fn all_pages(link: &Link, path: &str) -> Result<Listed, Trouble> {
    let mut listed = Listed { items: Vec::new(), version: String::new() };
    let mut next = format!("{path}&limit={PAGE}");
    for _ in 0..PAGES {
        let mut page = link.read(&next).await?;
        if let Some(version) = page.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
            listed.version = version.to_owned();
        }
        let place = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        let place = encoded(place);
        if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
            listed.items.extend(items);
        }
        if place.is_empty() {
            break;
        }
        next = format!("{path}&limit={PAGE}&continue={place}");
    }
    Ok(listed)
}

/// A label selector that wants all of these.
pub(crate) fn selector(labels: &Labels) -> String {
    let parts: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parts.join(",")
}

/// An object as the rest of the program sees it, under its name.
pub(crate) fn live_object(kind: Kind, mut value: Value) -> (ObjectKey, LiveObject) {
    let managed = value
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .and_then(|metadata| metadata.remove("managedFields"))
        .unwrap_or_default();
    let text = |name: &str| value["metadata"][name].as_str().unwrap_or_default().to_owned();
    let namespace = kind.namespaced().then(|| text("namespace"));
    let key = ObjectKey { kind, namespace, name: text("name") };
    (key, LiveObject::owned(value, managers(&managed)))
}

/// Who owns which fields. Status is the controllers' own and left out; `scale` is not: that is how
/// `kubectl scale` and an autoscaler come to own `.spec.replicas`.
pub(crate) fn managers(managed: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in managed.as_array().into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("subresource") == "status" {
            continue;
        }
        let paths = fields::owned_paths(&entry["fieldsV1"]);
        found.entry(text("manager").to_owned()).or_default().extend(paths);
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::scripted::Reaction::Says;
    use crate::live::scripted::server;

    #[test]
    fn managers_are_read_without_status_but_with_scale() {
        let managed = json!([
            { "manager": "tsinfra", "operation": "Apply", "fieldsV1": {
                "f:metadata": { "f:labels": { "f:tsinfra.dev/stack": {} } },
                "f:spec": { "f:template": { "f:spec": { "f:containers": {
                    "k:{\"name\":\"iotdb\"}": { ".": {}, "f:name": {}, "f:image": {} } } } } },
            } },
            { "manager": "kubectl", "operation": "Update", "subresource": "scale",
              "fieldsV1": { "f:spec": { "f:replicas": {} } } },
            { "manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
              "fieldsV1": { "f:status": { "f:replicas": {} } } },
        ]);
        let found = managers(&managed);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["kubectl", "tsinfra"]);
        assert!(found["kubectl"].contains(".spec.replicas"));
        let ours: Vec<&str> = found["tsinfra"].iter().map(String::as_str).collect();
        assert_eq!(
            ours,
            [
                ".metadata.labels[\"tsinfra.dev/stack\"]",
                ".spec.template.spec.containers[name=iotdb].image",
                ".spec.template.spec.containers[name=iotdb].name",
            ]
        );
    }

    #[test]
    fn an_object_loses_its_managed_fields_and_finds_its_name() {
        let value = json!({ "metadata": {
            "name": "history-hot", "namespace": "tsdb", "managedFields": [{ "manager": "a" }],
        } });
        let (key, object) = live_object(Kind::StatefulSet, value);
        assert_eq!(key.to_string(), "StatefulSet/tsdb/history-hot");
        assert!(object.value.pointer("/metadata/managedFields").is_none());
        assert!(object.managers.contains_key("a"));
    }

    #[test]
    fn selectors_want_every_label() {
        let labels = Labels::from([("a".into(), "1".into()), ("b/c".into(), "x".into())]);
        assert_eq!(selector(&labels), "a=1,b/c=x");
        assert_eq!(selector(&Labels::new()), "");
    }

    #[tokio::test]
    async fn a_list_whose_place_is_forgotten_is_begun_anew() {
        let page = |name: &str, place: &str| {
            let item = json!({ "metadata": { "name": name } });
            let metadata = json!({ "continue": place, "resourceVersion": "5" });
            Says(200, json!({ "metadata": metadata, "items": [item] }))
        };
        let script = vec![
            page("a", "here"),
            Says(410, json!({ "reason": "Expired" })),
            page("a", "here"),
            page("b", ""),
        ];
        let pods = List { kind: Kind::Pod, namespace: Some("tsdb".into()), labels: Labels::new() };
        let run = async {
            let (link, _) = server(script).await;
            list(&link, &pods).await.expect("a list")
        };
        let listed = tokio::task::LocalSet::new().run_until(run).await;
        let names: Vec<&Value> =
            listed.items.iter().map(|item| &item["metadata"]["name"]).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((listed.version.as_str(), &listed.items[0]["kind"]), ("5", &json!("Pod")));
    }
}
