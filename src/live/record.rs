//! Keeping a stack's record: a ConfigMap that is also a valid ApplySet parent.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::inventory::{Inventory, apply_set_id};
use crate::live::errors::Trouble;
use crate::live::perform::remove;
use crate::live::request::{Link, asked, group};
use crate::live::write::{Run, apply};
use crate::object::{LABEL_MANAGED_BY, LABEL_STACK};
use crate::world::Refused;

/// Saying it once more is safe: whichever is carried out last says the same.
const TRIES: usize = 3;

/// Writes the record, whatever is there. The object is ours alone, so it is taken by force.
pub(crate) async fn keep(link: &Link, inventory: &Inventory) -> Result<(), Refused> {
    let key = Inventory::key(&inventory.namespace, &inventory.stack);
    let doing = format!("keeping the record of stack `{}` in {key}", inventory.stack);
    let call = apply(&key, &manifest(inventory), None, true, Run::Real);
    let mut result = link.ask(&call).await;
    for _ in 1..TRIES {
        match &result {
            Err(trouble) if trouble.leaves_doubt() => result = link.ask(&call).await,
            _ => break,
        }
    }
    let ask = asked("get,create,patch", key.kind, Some(&inventory.namespace));
    match result {
        Ok(_) => Ok(()),
        Err(Trouble::Failed(failure)) if failure.lacks_namespace() => Err(Refused::Denied(
            format!("{doing}: namespace `{}` does not exist", inventory.namespace),
        )),
        Err(trouble) if trouble.leaves_doubt() => {
            Err(Refused::Unknown(format!("{doing}: {}", trouble.explain(&ask))))
        }
        Err(trouble) => Err(trouble.denied(&doing, &ask)),
    }
}

/// Removes the record.
pub(crate) async fn drop_record(link: &Link, namespace: &str, stack: &str) -> Result<(), Refused> {
    remove(link, &Inventory::key(namespace, stack), None).await
}

fn manifest(inventory: &Inventory) -> Value {
    let Inventory { namespace, stack, .. } = inventory;
    let kinds: BTreeSet<String> = inventory
        .items
        .keys()
        .map(|key| match group(key.kind) {
            "" => key.kind.word().to_owned(),
            group => format!("{}.{group}", key.kind.word()),
        })
        .collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    // A map of texts and numbers can always be written.
    let text = serde_json::to_string_pretty(inventory).unwrap_or_default();
    json!({
        "metadata": {
            "labels": {
                LABEL_STACK: stack,
                LABEL_MANAGED_BY: "tsinfra",
                "applyset.kubernetes.io/id": apply_set_id(namespace, stack),
            },
            "annotations": {
                "applyset.kubernetes.io/tooling": concat!("tsinfra/", env!("CARGO_PKG_VERSION")),
                "applyset.kubernetes.io/contains-group-kinds": kinds.join(","),
            },
        },
        "data": { "inventory.json": text },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Item;
    use crate::object::{Kind, ObjectKey};

    #[test]
    fn a_record_is_an_apply_set_parent() {
        let mut inventory = Inventory::new("plant", "tsdb");
        for key in [
            ObjectKey::within(Kind::StatefulSet, "tsdb", "b"),
            ObjectKey::within(Kind::StatefulSet, "tsdb", "a"),
            ObjectKey::within(Kind::Service, "tsdb", "a"),
            ObjectKey::global(Kind::StorageClass, "plant-ssd"),
        ] {
            inventory.items.insert(key, Item::default());
        }
        let map = manifest(&inventory);
        let metadata = &map["metadata"];
        assert_eq!(
            metadata["annotations"]["applyset.kubernetes.io/contains-group-kinds"],
            "Service,StatefulSet.apps,StorageClass.storage.k8s.io"
        );
        let id = metadata["labels"]["applyset.kubernetes.io/id"].as_str().unwrap_or_default();
        assert!(id.starts_with("applyset-") && id.len() <= 63, "{id}");
        let text = map["data"]["inventory.json"].as_str().unwrap_or_default();
        assert_eq!(serde_json::from_str::<Inventory>(text).ok(), Some(inventory));
    }
}
