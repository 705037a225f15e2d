//! Keeping a stack's record in its ConfigMap.

use crate::inventory::Inventory;
use crate::live::errors::Trouble;
use crate::live::perform::remove;
use crate::live::request::{Link, asked};
use crate::live::write::{Grace, Run, apply};
use crate::world::Refused;

/// Saying it once more is safe: whichever is carried out last says the same.
const TRIES: u32 = 4;

/// Writes the record, whatever is there. The object is ours alone, so it is taken by force.
pub(crate) async fn keep(link: &Link, inventory: &Inventory) -> Result<(), Refused> {
    let key = Inventory::key(&inventory.namespace, &inventory.stack);
    let doing = format!("keeping the record of stack `{}` in {key}", inventory.stack);
    let call = apply(&key, &inventory.to_config_map(), None, true, Run::Real);
    let mut result = link.ask(&call).await;
    for times in 1..TRIES {
        match &result {
            Err(trouble) if trouble.leaves_doubt() => {
                link.breathe(times - 1, &format!("{doing}: {}", trouble.plain())).await;
                result = link.ask(&call).await;
            }
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

/// Removes the record that is there.
pub(crate) async fn drop_record(link: &Link, namespace: &str, stack: &str) -> Result<(), Refused> {
    let key = Inventory::key(namespace, stack);
    let found = link.find(&key).await.map_err(|trouble| {
        trouble.denied(&format!("deleting {key}"), &asked("get", key.kind, Some(namespace)))
    })?;
    match found.as_ref().and_then(|record| record.pointer("/metadata/uid")?.as_str()) {
        Some(uid) => remove(link, &key, uid, Grace::Own).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::scripted::Reaction::Says;
    use crate::live::scripted::attentive_server;

    /// Another record of that name is not the one that was looked at.
    #[tokio::test]
    async fn a_record_is_dropped_by_the_uid_it_was_seen_with() {
        let run = async {
            let found = json!({ "metadata": { "name": "x", "uid": "u" } });
            let (link, bodies) =
                attentive_server(vec![Says(200, found), Says(200, json!({}))]).await;
            let dropped = drop_record(&link, "tsdb", "plant").await;
            (dropped, bodies.take())
        };
        let (dropped, bodies) = tokio::task::LocalSet::new().run_until(run).await;
        assert_eq!(dropped, Ok(()));
        assert_eq!(bodies[1]["preconditions"], json!({ "uid": "u" }));
    }
}
