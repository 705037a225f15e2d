//! Which objects a selector means: labels, label expressions, node terms, taints.

use serde_json::Value;

use super::values::{at, list, text};

/// Whether a label selector (`matchLabels`, `matchExpressions`) means an object. An empty selector
/// means all; no selector means none.
pub(super) fn selects(selector: &Value, object: &Value) -> bool {
    if !selector.is_object() {
        return false;
    }
    let labels = at(object, "/metadata/labels");
    has_all(labels, at(selector, "/matchLabels"))
        && list(selector, "/matchExpressions").iter().all(|rule| holds(rule, labels))
}

/// Whether a map of labels has each of these.
pub(super) fn has_all(labels: &Value, wanted: &Value) -> bool {
    let Some(wanted) = wanted.as_object() else { return true };
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// The topology domain a node is in: what a label of it says.
pub(super) fn domain<'a>(node: &'a Value, label: &str) -> Option<&'a str> {
    at(node, "/metadata/labels").get(label)?.as_str()
}

/// Whether a node selector (`nodeSelectorTerms`, any of which is enough) means a node.
pub(super) fn selects_node(selector: &Value, node: &Value) -> bool {
    let labels = at(node, "/metadata/labels");
    let fields = serde_json::json!({ "metadata.name": text(node, "/metadata/name") });
    list(selector, "/nodeSelectorTerms").iter().any(|term| {
        list(term, "/matchExpressions").iter().all(|rule| holds(rule, labels))
            && list(term, "/matchFields").iter().all(|rule| holds(rule, &fields))
    })
}

fn holds(rule: &Value, labels: &Value) -> bool {
    let value = labels.get(text(rule, "/key"));
    let listed = value.is_some_and(|value| list(rule, "/values").contains(value));
    match text(rule, "/operator") {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Whether a pod's tolerations let it onto a node with this taint.
pub(super) fn tolerates(pod: &Value, taint: &Value) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let effect = text(toleration, "/effect");
        let key = text(toleration, "/key");
        let any = text(toleration, "/operator") == "Exists";
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key.is_empty() && any || key == text(taint, "/key"))
            && (any || text(toleration, "/value") == text(taint, "/value"))
    })
}
