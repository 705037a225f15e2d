//! `pod = { ... }` of a cluster or a pool: where pods may run, and what is written on them.

use std::collections::BTreeMap;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{PodOptions, Toleration};
use crate::stack::names;
use crate::stack::reader::{Table, Value};

const POD_KEYS: &[&str] =
    &["node_selector", "tolerations", "priority_class", "labels", "annotations"];
const TOLERATION_KEYS: &[&str] = &["key", "operator", "value", "effect", "toleration_seconds"];

/// Labels that tsinfra and Kubernetes themselves put on pods and go by.
const RESERVED: [&str; 7] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
];

/// Prefixes of what tsinfra marks as its own: by its own name, and by that of its inventory.
const OWN_PREFIXES: [&str; 2] = ["tsinfra.dev/", "applyset.kubernetes.io/"];

/// Reads the options of pods.
pub(super) fn read(value: &Value<'_>, found: &mut Findings) -> PodOptions {
    let mut pod = PodOptions::default();
    let Some(table) = Table::of(value, POD_KEYS, found) else {
        return pod;
    };
    if let Some(selector) = table.get("node_selector", found) {
        pod.node_selector = read_labels(&selector, found);
    }
    if let Some(tolerations) = table.get("tolerations", found) {
        let list = tolerations.list(found);
        pod.tolerations = list.iter().map(|value| read_toleration(value, found)).collect();
    }
    if let Some(class) = table.get("priority_class", found) {
        // An empty name is Kubernetes' own way to say "none".
        let rule = |name: &str| {
            if name.is_empty() { Ok(()) } else { names::subdomain(name) }
        };
        let class = class.text_by("name of a PriorityClass", rule, names::SUBDOMAIN_HELP, found);
        pod.priority_class = class.filter(|class| !class.is_empty());
    }
    if let Some(labels) = table.get("labels", found) {
        pod.labels = read_own_labels(&labels, found);
    }
    if let Some(annotations) = table.get("annotations", found) {
        pod.annotations = read_annotations(&annotations, found);
    }
    pod
}

/// A pool's options on top of its cluster's.
pub(super) fn over(cluster: &PodOptions, pool: PodOptions) -> PodOptions {
    let PodOptions { node_selector, tolerations, priority_class, labels, annotations } = pool;
    let mut pod = cluster.clone();
    pod.node_selector.extend(node_selector);
    pod.tolerations.extend(tolerations);
    pod.priority_class = priority_class.or(pod.priority_class);
    pod.labels.extend(labels);
    pod.annotations.extend(annotations);
    pod
}

/// Labels, each of which Kubernetes would take.
pub(super) fn read_labels(value: &Value<'_>, found: &mut Findings) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for (key, value) in value.named(found) {
        if key_fits(&key, "label", &value, found)
            && let Some(text) =
                value.text_by("value for a label", names::label_value, names::LABEL_HELP, found)
        {
            labels.insert(key, text);
        }
    }
    labels
}

fn read_own_labels(value: &Value<'_>, found: &mut Findings) -> BTreeMap<String, String> {
    for (key, value) in value.named(found) {
        refuse_reserved(&key, "label", &value, found);
    }
    read_labels(value, found)
}

/// Annotations, whose values may be any text.
pub(super) fn read_annotations(
    value: &Value<'_>,
    found: &mut Findings,
) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for (key, value) in value.named(found) {
        refuse_reserved(&key, "annotation", &value, found);
        if key_fits(&key.to_lowercase(), "annotation", &value, found)
            && let Some(text) = value.text(found)
        {
            annotations.insert(key, text);
        }
    }
    annotations
}

fn key_fits(key: &str, what: &str, value: &Value<'_>, found: &mut Findings) -> bool {
    let Err(reason) = names::label_key(key) else {
        return true;
    };
    let message = format!("{} is no key for {}: {reason}", quoted(key), with_article(what));
    let mistake = Mistake::new(message)
        .label(value.key_place(), "not a key")
        .help("write `name` or `prefix.example/name`, in quotes if it has `.` or `/`");
    found.wrong(value.path(), mistake);
    false
}

fn refuse_reserved(key: &str, what: &str, value: &Value<'_>, found: &mut Findings) {
    if RESERVED.contains(&key) || OWN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        let message = format!("{what} {} is reserved", quoted(key));
        let mistake = Mistake::new(message)
            .label(value.key_place(), "not yours to set")
            .help("tsinfra and Kubernetes find their pods by it; choose a key of your own");
        found.wrong(value.path(), mistake);
    }
}

fn with_article(what: &str) -> String {
    let article = if what.starts_with('a') { "an" } else { "a" };
    format!("{article} {what}")
}

fn read_toleration(value: &Value<'_>, found: &mut Findings) -> Toleration {
    let mut toleration = Toleration::default();
    let Some(table) = Table::of(value, TOLERATION_KEYS, found) else {
        return toleration;
    };
    if let Some(key) = table.get("key", found) {
        toleration.key = key.text_by("key of a taint", names::label_key, names::LABEL_HELP, found);
    }
    let operators = [("Exists", "Exists"), ("Equal", "Equal")];
    let operator = table.get("operator", found);
    let operator = operator.and_then(|value| value.word("operator", &operators, found));
    if let Some(text) = table.get("value", found) {
        toleration.value =
            text.text_by("value of a taint", names::label_value, names::LABEL_HELP, found);
        if operator == Some("Exists") {
            let help = "remove `value`, or write `operator = \"Equal\"`";
            text.wrong("`Exists` looks at no value", "not looked at", help, found);
        }
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"].map(|effect| (effect, effect));
    let effect = table.get("effect", found);
    let effect = effect.and_then(|value| value.word("effect", &effects, found));
    if let Some(seconds) = table.get("toleration_seconds", found) {
        let why = "it is how long a taint is borne before the pod is evicted";
        toleration.toleration_seconds = seconds.number(0..=i64::from(u32::MAX), why, found);
        if effect != Some("NoExecute") {
            let message = "`toleration_seconds` goes with effect `NoExecute` only";
            let help = "remove it, or write `effect = \"NoExecute\"`";
            seconds.wrong(message, "no other effect evicts", help, found);
        }
    }
    if !table.has("key") && operator != Some("Exists") {
        let help = "add `key`, or `operator = \"Exists\"` to tolerate every taint";
        value.wrong("a toleration without `key` must say `Exists`", "which taint?", help, found);
    }
    toleration.operator = operator.map(str::to_owned);
    toleration.effect = effect.map(str::to_owned);
    toleration
}
