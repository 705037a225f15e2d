//! Compare-and-swap of an object of tsinfra's own.

use hyper::Method;
use serde_json::Value;

use crate::live::errors::Trouble;
use crate::live::request::{BodyKind, Call, Link, asked, item_path};
use crate::live::write::{Run, create};
use crate::object::{FIELD_MANAGER, ObjectKey};
use crate::world::Refused;

/// How often it is sent, each time after a look at what came of it before.
const TRIES: u32 = 5;

/// Makes the object, or replaces it if it is still of this version. An answer that was lost is read
/// again: what is there is ours if it says what was sent; if it still is as it was before, the same
/// is sent again, and only one of the two can be carried out.
pub(crate) async fn swap(
    link: &Link,
    object: &ObjectKey,
    manifest: &Value,
    version: Option<&str>,
) -> Result<String, Refused> {
    let call = match version {
        None => create(object, manifest, Run::Real),
        Some(version) => replace(object, manifest, version),
    };
    let doing = format!("writing {object}");
    let ask = asked("get,create,update", object.kind, object.namespace.as_deref());
    let mut doubt: Option<Trouble> = None;
    for times in 0..TRIES {
        let trouble = match link.ask(&call).await {
            Ok(written) => return Ok(version_of(&written)),
            Err(Trouble::Failed(failure)) if failure.lacks_namespace() => {
                return Err(Refused::Denied(format!("{doing}: its namespace does not exist")));
            }
            Err(trouble) => trouble,
        };
        let was_refused = trouble.is_conflict() || trouble.is_absence();
        match &doubt {
            None if was_refused => {
                return Err(Refused::Stale(format!("{doing}: {}", trouble.plain())));
            }
            None if !trouble.leaves_doubt() => return Err(trouble.denied(&doing, &ask)),
            _ => {}
        }
        let found = link
            .find(object)
            .await
            .map_err(|second| Refused::Unknown(format!("{doing}: {}", second.explain(&ask))))?;
        match found {
            Some(found) if says(&found, manifest) => return Ok(version_of(&found)),
            found if found.as_ref().map(version_of).as_deref() == version => {}
            _ => return Err(Refused::Stale(format!("{doing}: {}", trouble.plain()))),
        }
        link.breathe(times, &format!("{doing}: {}", trouble.plain())).await;
        doubt = Some(trouble);
    }
    let why = doubt.map_or_else(String::new, |trouble| trouble.explain(&ask));
    Err(Refused::Unknown(format!("{doing}: given up after {TRIES} tries: {why}")))
}

/// Whether an object says what was sent: who holds it, since when, and what is begun.
fn says(found: &Value, sent: &Value) -> bool {
    let annotations = |value: &Value| match &value["metadata"]["annotations"] {
        Value::Object(map) if map.is_empty() => Value::Null,
        annotations => annotations.clone(),
    };
    found["spec"] == sent["spec"] && annotations(found) == annotations(sent)
}

fn replace(object: &ObjectKey, manifest: &Value, version: &str) -> Call {
    let mut body = manifest.clone();
    body["metadata"]["resourceVersion"] = version.into();
    let path = format!("{}?fieldManager={FIELD_MANAGER}", item_path(object));
    Call::with(Method::PUT, path, BodyKind::Plain, body)
}

fn version_of(written: &Value) -> String {
    written["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::scripted::Reaction::{HangsUp, Says};
    use crate::live::scripted::{Reaction, server, word};
    use crate::object::Kind;

    fn lease(holder: &str, step: &str, version: &str) -> Value {
        json!({
            "metadata": { "resourceVersion": version, "annotations": { "step": step } },
            "spec": { "holderIdentity": holder },
        })
    }

    fn there(holder: &str, step: &str, version: &str) -> Reaction {
        Says(200, lease(holder, step, version))
    }

    fn no(code: u16) -> Reaction {
        Says(code, json!({ "kind": "Status", "message": "no" }))
    }

    async fn ends(version: Option<&str>, script: Vec<Reaction>) -> (Result<String, String>, usize) {
        let run = async {
            let (link, log) = server(script).await;
            let key = ObjectKey::within(Kind::Lease, "tsdb", "x");
            let result = swap(&link, &key, &lease("ben", "two", "1"), version).await;
            let word = result.map_err(|refused| word(&refused).to_owned());
            (word, log.take().len())
        };
        tokio::task::LocalSet::new().run_until(run).await
    }

    #[test]
    fn a_replacement_names_the_version_it_replaces() {
        let key = ObjectKey::within(Kind::Lease, "tsdb", "x");
        let (_, body) = replace(&key, &lease("ben", "two", "1"), "7").body.expect("a body");
        assert_eq!(body["metadata"]["resourceVersion"], "7");
    }

    /// Whose write it was is told by all that was sent: the same holder may have written another
    /// step before.
    #[tokio::test]
    async fn a_swap_without_an_answer_is_read_and_compared() {
        let done = |version: &str| Ok(version.to_owned());
        let stale = || Err("stale".to_owned());
        for (version, script, end, requests) in [
            (Some("1"), vec![there("ben", "two", "2")], done("2"), 1),
            (Some("1"), vec![no(409)], stale(), 1),
            (Some("1"), vec![no(404)], stale(), 1),
            (None, vec![no(409)], stale(), 1),
            (Some("1"), vec![no(403)], Err("denied".to_owned()), 1),
            (Some("1"), vec![HangsUp, there("ben", "two", "2")], done("2"), 2),
            (Some("1"), vec![no(504), there("ben", "two", "2")], done("2"), 2),
            // Another step of ours, or somebody else: not what was sent.
            (Some("1"), vec![HangsUp, there("ben", "one", "2")], stale(), 2),
            (Some("1"), vec![HangsUp, there("anna", "two", "2")], stale(), 2),
            (Some("1"), vec![HangsUp, no(404)], stale(), 2),
            // Nothing came of it: the same again, and the first was only late.
            (
                Some("1"),
                vec![HangsUp, there("ben", "one", "1"), there("ben", "two", "2")],
                done("2"),
                3,
            ),
            (
                Some("1"),
                vec![HangsUp, there("ben", "one", "1"), no(409), there("ben", "two", "2")],
                done("2"),
                4,
            ),
            (
                Some("1"),
                vec![HangsUp, there("ben", "one", "1"), no(409), there("anna", "", "2")],
                stale(),
                4,
            ),
            (None, vec![HangsUp, no(404), there("ben", "two", "1")], done("1"), 3),
            (Some("1"), vec![HangsUp, no(403)], Err("unknown".to_owned()), 2),
        ] {
            assert_eq!(ends(version, script).await, (end, requests));
        }
    }
}
