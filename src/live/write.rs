//! The requests that change something, and how the server's refusals of them are read.

use hyper::Method;
use serde_json::{Value, json};

use crate::fields::path::{Element, Path};
use crate::live::errors::{Cause, Failure};
use crate::live::request::{BodyKind, Call, item_path, list_path};
use crate::object::{FIELD_MANAGER, ObjectKey};

/// Whether the server is to carry it out or only to say what it would store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Carry it out.
    Real,
    /// Only say.
    Dry,
}

impl Run {
    fn query(self) -> &'static str {
        match self {
            Self::Real => "",
            Self::Dry => "&dryRun=All",
        }
    }
}

/// Makes an object; refused if it is there. Unknown fields are refused rather than dropped, as
/// server-side apply does.
pub(crate) fn create(object: &ObjectKey, manifest: &Value, run: Run) -> Call {
    let path = list_path(object.kind, object.namespace.as_deref());
    let query = format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict{}", run.query());
    let body = named(object, manifest);
    Call::with(Method::POST, format!("{path}?{query}"), BodyKind::Plain, body)
}

/// Changes an object in place. With a uid it is refused if that object is no more; without one it
/// makes the object if need be.
pub(crate) fn apply(
    object: &ObjectKey,
    manifest: &Value,
    uid: Option<&str>,
    force: bool,
    run: Run,
) -> Call {
    let query = format!("fieldManager={FIELD_MANAGER}&force={force}{}", run.query());
    let mut body = named(object, manifest);
    if let Some(uid) = uid {
        body["metadata"]["uid"] = uid.into();
    }
    Call::with(Method::PATCH, format!("{}?{query}", item_path(object)), BodyKind::Apply, body)
}

/// How long a pod may take to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    /// As long as it says itself.
    Own,
    /// Nobody is waited for: its machine is gone.
    None,
}

/// Removes an object, if it is still the one with this uid. What belongs to it goes after it, not
/// before: a StatefulSet's members end while the StatefulSet is no longer there to replace them.
pub(crate) fn delete(object: &ObjectKey, uid: Option<&str>, grace: Grace) -> Call {
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
    });
    if let Some(uid) = uid {
        body["preconditions"] = json!({ "uid": uid });
    }
    if grace == Grace::None {
        body["gracePeriodSeconds"] = json!(0);
    }
    Call::with(Method::DELETE, item_path(object), BodyKind::Plain, body)
}

/// A manifest that names itself, whatever it left out.
fn named(object: &ObjectKey, manifest: &Value) -> Value {
    let mut body = manifest.clone();
    if !body["metadata"].is_object() {
        body["metadata"] = json!({});
    }
    body["apiVersion"] = object.kind.api_version().into();
    body["kind"] = object.kind.word().into();
    body["metadata"]["name"] = object.name.as_str().into();
    if let Some(namespace) = &object.namespace {
        body["metadata"]["namespace"] = namespace.as_str().into();
    }
    body
}

/// Whether a refusal says that the object is not the one that was meant.
pub(crate) fn is_another_object(failure: &Failure) -> bool {
    let about_uid = failure.causes.iter().any(|cause| cause.field == "metadata.uid")
        || failure.message.contains("metadata.uid")
        || failure.message.contains("uid mismatch");
    matches!(failure.code, 409 | 422) && about_uid
}

/// The fields a refusal says belong to others: manager and path, by path, since the server's order
/// changes from one answer to the next. Fields held by ourselves under another operation are no
/// conflict. `None`: it is a refusal of another kind.
pub(crate) fn conflicts(failure: &Failure) -> Option<Vec<(String, String)>> {
    let causes = failure.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
    let found: Vec<(String, String)> =
        causes.map(|cause| (manager_of(cause), our_path(&cause.field))).collect();
    if failure.code != 409 || found.is_empty() {
        return None;
    }
    let mut others: Vec<(String, String)> =
        found.into_iter().filter(|(manager, _)| manager != FIELD_MANAGER).collect();
    others.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
    Some(others)
}

/// The name in `conflict with "kubectl" with subresource "scale" using apps/v1 at …`.
fn manager_of(cause: &Cause) -> String {
    let rest = cause.message.split_once('"').map_or("", |(_, rest)| rest);
    let mut name = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return name,
            '\\' => name.extend(letters.next()),
            _ => name.push(letter),
        }
    }
    cause.message.clone()
}

/// Maps of free names: behind one of them a server's path is a single name, dots and all.
const FREE_NAMES: [&str; 10] = [
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "data",
    "limits",
    "requests",
    "capacity",
    "selector",
];

/// A path as this program writes it, from one as the server does (structured-merge-diff's
/// `fieldpath.Path.String`): there, names are not quoted, so a dot in one is known only by the map
/// it stands in.
pub(crate) fn our_path(text: &str) -> String {
    let mut path = Path::default();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((element, after)) = next_element(&path, rest) else {
            // Nothing known: better the server's own words than half of them.
            return text.to_owned();
        };
        path.0.push(element);
        rest = after;
    }
    path.to_string()
}

fn next_element<'a>(path: &Path, text: &'a str) -> Option<(Element, &'a str)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (element, after) = inside.split_at(closing(inside)?);
        return Some((bracketed(element)?, after.strip_prefix(']')?));
    }
    let name = text.strip_prefix('.')?;
    let free = match path.0.last() {
        Some(Element::Field(last)) => FREE_NAMES.contains(&last.as_str()) && !has_parts(last, name),
        _ => false,
    };
    let end = if free { name.len() } else { name.find(['.', '[']).unwrap_or(name.len()) };
    let (name, after) = name.split_at(end);
    Some((Element::Field(name.to_owned()), after))
}

/// A `selector` may also be a structure of its own.
fn has_parts(map: &str, name: &str) -> bool {
    map == "selector" && (name.starts_with("matchLabels") || name.starts_with("matchExpressions"))
}

/// Where the bracket that is open ends; one inside quotes does not count.
fn closing(inside: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    inside.char_indices().find_map(|(at, letter)| {
        let ends = letter == ']' && !quoted;
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends.then_some(at)
    })
}

fn bracketed(inside: &str) -> Option<Element> {
    if let Some(member) = inside.strip_prefix('=') {
        return Some(Element::Member(member.to_owned()));
    }
    if let Ok(index) = inside.parse() {
        return Some(Element::Index(index));
    }
    let mut keys = Vec::new();
    let mut rest = inside;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
        let value = values.next()?.ok()?;
        rest = after.get(values.byte_offset()..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
        keys.push((key.to_owned(), value.to_string()));
    }
    Some(Element::Keyed(keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    #[test]
    fn paths_of_the_server_become_ours() {
        for (server, ours) in [
            (".spec.replicas", ".spec.replicas"),
            (
                ".spec.template.spec.containers[name=\"iotdb\"].image",
                ".spec.template.spec.containers[name=iotdb].image",
            ),
            (
                ".spec.ports[port=6667,protocol=\"TCP\"].nodePort",
                ".spec.ports[port=6667,protocol=TCP].nodePort",
            ),
            (
                ".metadata.labels.app.kubernetes.io/name",
                ".metadata.labels[\"app.kubernetes.io/name\"]",
            ),
            (".metadata.labels.plain", ".metadata.labels.plain"),
            (".metadata.finalizers[=\"a.b/c\"]", ".metadata.finalizers[=\"a.b/c\"]"),
            (
                ".spec.template.spec.containers[name=\"a\"].volumeMounts[mountPath=\"/a]b\"].name",
                ".spec.template.spec.containers[name=a].volumeMounts[mountPath=\"/a]b\"].name",
            ),
            (".spec.selector", ".spec.selector"),
            (".spec.selector.matchLabels.a.b/c", ".spec.selector.matchLabels[\"a.b/c\"]"),
            (".data.inventory.json", ".data[\"inventory.json\"]"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(our_path(server), ours, "{server}");
        }
    }

    fn conflict(manager: &str, field: &str) -> Cause {
        Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!(
                "conflict with \"{manager}\" with subresource \"scale\" using apps/v1"
            ),
            field: field.to_owned(),
        }
    }

    #[test]
    fn a_conflict_names_managers_and_fields() {
        let causes = vec![conflict("kubectl", ".spec.replicas"), conflict("tsinfra", ".spec.x")];
        let failure = Failure { code: 409, causes, ..Failure::default() };
        assert_eq!(conflicts(&failure), Some(vec![("kubectl".into(), ".spec.replicas".into())]));
        let other = Failure { code: 409, reason: "Conflict".into(), ..Failure::default() };
        assert_eq!(conflicts(&other), None);
    }

    #[test]
    fn a_uid_that_differs_is_another_object() {
        let says = |code, message: &str| {
            is_another_object(&Failure { code, message: message.into(), ..Failure::default() })
        };
        assert!(says(
            409,
            "Operation cannot be fulfilled on configmaps \"x\": uid mismatch: the provided object specified uid a, and no existing object was found"
        ));
        assert!(says(
            422,
            "ConfigMap \"x\" is invalid: metadata.uid: Invalid value: \"a\": field is immutable"
        ));
        assert!(!says(422, "ConfigMap \"x\" is invalid: data: Invalid value"));
        assert!(!says(409, "the object has been modified"));
    }

    #[test]
    fn a_change_carries_the_uid_and_a_deletion_demands_it() {
        let object = ObjectKey::within(Kind::Service, "tsdb", "history");
        let call = apply(&object, &json!({ "spec": {} }), Some("u-1"), false, Run::Dry);
        assert_eq!(
            call.path,
            "/api/v1/namespaces/tsdb/services/history?fieldManager=tsinfra&force=false&dryRun=All"
        );
        let (_, body) = call.body.expect("a body");
        assert_eq!(
            body["metadata"],
            json!({ "name": "history", "namespace": "tsdb", "uid": "u-1" })
        );
        let (_, body) = delete(&object, Some("u-1"), Grace::Own).body.expect("a body");
        assert_eq!(body["preconditions"]["uid"], "u-1");
    }
}
