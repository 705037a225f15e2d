//! Why an object changes, in a reader's words, from the fields that change.

use serde_json::Value;

use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::FieldChange;

/// Why an object changes, as a clause after "because".
pub fn update(key: &ObjectKey, live: &LiveObject, fields: &[FieldChange]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for field in fields {
        let reason = match &field.drifted_by {
            Some(manager) => format!("`{manager}` changed what the stack says"),
            None => asked(key, live, field),
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.join("; ")
}

fn asked(key: &ObjectKey, live: &LiveObject, field: &FieldChange) -> String {
    let pool = live.label(LABEL_POOL).unwrap_or("?");
    let path = field.path.as_str();
    let shown = |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), Value::to_string);
    if key.kind == Kind::StatefulSet && path == ".spec.replicas" {
        return format!(
            "pool `{pool}` has {} members and the stack asks for {}",
            shown(&field.before),
            shown(&field.after),
        );
    }
    if key.kind == Kind::StatefulSet {
        let topics = [
            (".resources.", "resources"),
            (".image", "image"),
            (".env[", "settings"),
            (".annotations[\"tsinfra.dev/protect\"]", "protection"),
        ];
        let topic = topics.iter().find(|(part, _)| path.contains(part));
        return match topic {
            Some((_, topic)) => format!("the stack gives pool `{pool}` other {topic}"),
            None => format!("the stack describes pool `{pool}` otherwise"),
        };
    }
    if key.kind == Kind::Service && path.starts_with(".spec") {
        let cluster = live.label(LABEL_CLUSTER).unwrap_or("?");
        return format!("the stack exposes cluster `{cluster}` otherwise");
    }
    "the stack describes it otherwise".to_owned()
}
