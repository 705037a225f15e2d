//! Why an object changes, in a reader's words, from the fields that change.

use serde_json::Value;

use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::FieldChange;
use crate::wording::count;

/// Why an object changes, as a clause after "because".
pub fn update(key: &ObjectKey, live: &LiveObject, fields: &[FieldChange]) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for field in fields {
        let reason = match &field.drifted_by {
            Some(manager) => Some(format!("`{manager}` changed what the stack says")),
            None => asked(key, live, field),
        };
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
    }
    if reasons.is_empty() {
        return "the stack describes it otherwise".to_owned();
    }
    reasons.join("; ")
}

/// The reason a field shows, if it shows one: what follows from another field has none of its own.
fn asked(key: &ObjectKey, live: &LiveObject, field: &FieldChange) -> Option<String> {
    match key.kind {
        Kind::StatefulSet => of_pool(live.label(LABEL_POOL)?, field),
        Kind::Service if field.path.starts_with(".spec") => {
            Some(format!("the stack exposes cluster `{}` otherwise", live.label(LABEL_CLUSTER)?))
        }
        _ => None,
    }
}

/// Parts of a pool's fields, and what the stack calls them. Lower-case variables are settings;
/// what stands in others follows from the resources.
const TOPICS: [(&str, &str); 8] = [
    (".volumeClaimTemplates", "other storage"),
    (".containers[name=", "other resources"),
    (".image", "another image"),
    (".env[name=", "other settings"),
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
