//! What a run that was killed has left, against the world it began in.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::{Kind, LABEL_STACK, ObjectKey};
use crate::sandbox::Cluster;
use crate::stack::Stack;

/// Objects of a stack that differ between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// New ones.
    pub made: BTreeSet<ObjectKey>,
    /// Those whose specification is another.
    pub changed: BTreeSet<ObjectKey>,
    /// Those that are gone, or are going.
    pub gone: BTreeSet<ObjectKey>,
}

impl Traces {
    /// What has become otherwise. Pods and what tsinfra keeps for itself do not count.
    pub fn between(before: &Cluster, after: &Cluster, stack: &Stack) -> Self {
        let ours = |cluster: &Cluster| -> BTreeSet<ObjectKey> {
            let all = cluster.objects.iter().filter(|(key, object)| {
                counts(key, stack)
                    && (key.kind == Kind::Namespace
                        || object.value["metadata"]["labels"][LABEL_STACK] == *stack.name)
            });
            all.map(|(key, _)| key.clone()).collect()
        };
        let (old, new) = (ours(before), ours(after));
        let goes = |key: &&ObjectKey| {
            let is_going = |value: &Value| value["metadata"].get("deletionTimestamp").is_some();
            after.get(key).is_none_or(is_going) && !before.get(key).is_some_and(is_going)
        };
        let differs = |key: &&ObjectKey| {
            before.get(key).map(|value| &value["spec"])
                != after.get(key).map(|value| &value["spec"])
        };
        let gone: BTreeSet<ObjectKey> = old.iter().filter(goes).cloned().collect();
        let stays = |key: &&ObjectKey| !gone.contains(*key);
        let was_there = |key: &&ObjectKey| before.get(key).is_some();
        Self {
            made: new.iter().filter(|key| !was_there(key)).cloned().collect(),
            changed: old
                .union(&new)
                .filter(was_there)
                .filter(stays)
                .filter(differs)
                .cloned()
                .collect(),
            gone,
        }
    }
}

fn counts(key: &ObjectKey, stack: &Stack) -> bool {
    match key.kind {
        Kind::Pod | Kind::Job | Kind::Node | Kind::Lease | Kind::ConfigMap => false,
        Kind::Namespace => key.name == stack.namespace,
        _ => true,
    }
}
