//! Why an object changes, in a reader's words, from the fields that change.

use db_engine::cluster::Content;
use serde_json::Value;

use crate::object::{ANNOTATION_CALLED, Kind, LABEL_CLUSTER, LABEL_POOL, ObjectKey, tier_called};
use crate::observed::LiveObject;
use crate::plan::FieldChange;
use crate::stack::Stack;
use crate::wording::count;

/// Why an object changes, as a clause after "because".
pub fn update(stack: &Stack, key: &ObjectKey, live: &LiveObject, fields: &[FieldChange]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for field in fields {
        let reason = match &field.drifted_by {
            Some(manager) => Some(format!("`{manager}` changed what the stack says")),
            None => asked(stack, key, live, field),
        };
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
    }
    if reasons.is_empty() {
        return "the stack describes it otherwise".to_owned();
    }
    reasons.join("; ")
}

/// The reason a field shows, if it shows one: what follows from another field has none of its own.
fn asked(stack: &Stack, key: &ObjectKey, live: &LiveObject, field: &FieldChange) -> Option<String> {
    if let Some(reason) = renamed(field) {
        return Some(reason);
    }
    let cluster = live.label(LABEL_CLUSTER);
    match key.kind {
        Kind::StatefulSet => {
            of_pool(stack.pool_address(cluster?, live.label(LABEL_POOL)?).name(), field)
        }
        Kind::Service if field.path.starts_with(".spec") => {
            let cluster = stack.cluster_address(cluster?);
            Some(format!("the stack exposes cluster `{}` otherwise", cluster.name()))
        }
        _ => None,
    }
}

/// What an object says of the names of its parts.
fn renamed(field: &FieldChange) -> Option<String> {
    let says = |name: &str| field.path.contains(&format!(".annotations[\"{name}\"]"));
    let what = match () {
        () if says(ANNOTATION_CALLED) => "it",
        () if Content::ALL.into_iter().any(|it| says(tier_called(it))) => "its tier",
        () => return None,
    };
    Some(match field.after.as_ref().and_then(Value::as_str) {
        Some(now) => format!("the stack calls {what} {now} by now"),
        None => format!("the stack calls {what} as it was made again"),
    })
}

/// Parts of a pool's fields, and what the stack calls them. Lower-case variables are settings;
/// what stands in others follows from the resources.
const TOPICS: [(&str, &str); 10] = [
    (".spec.resources.requests.storage", "storage of another size"),
    (".volumeClaimTemplates", "other storage"),
    (".containers[name=", "other resources"),
    (".image", "another image"),
    (".env[name=", "other settings"),
    (".topologySpreadConstraints", "fewer machines than members"),
    (".nodeSelector", "other machines"),
    (".tolerations", "other machines"),
    (".template.metadata.labels", "other labels"),
    (".annotations[\"tsinfra.dev/protect\"]", "another protection"),
];

fn of_pool(pool: &str, field: &FieldChange) -> Option<String> {
    let path = field.path.as_str();
    if path == ".spec.replicas" {
        let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_u64).unwrap_or(0);
        let (has, wants) = (number(&field.before), number(&field.after));
        let has = count(usize::try_from(has).unwrap_or(usize::MAX), "member");
        return Some(format!("pool `{pool}` has {has} and the stack asks for {wants}"));
    }
    let says = |part: &str, topic: &str| match topic {
        "other resources" => path.contains(part) && path.contains(".resources."),
        "other settings" => {
            let name = path.split(part).nth(1).unwrap_or_default();
            name.starts_with(|first: char| first.is_ascii_lowercase())
        }
        _ => path.contains(part),
    };
    let topic = TOPICS.iter().find(|(part, topic)| says(part, topic));
    topic.map(|(_, topic)| format!("the stack gives pool `{pool}` {topic}"))
}
