//! Deletions of just the version that was compared: of a StatefulSet from around its members, or of one that
//! has none.

use hyper::Method;
use serde_json::{Value, json};

use crate::live::errors::Trouble;
use crate::live::request::{BodyKind, Call, Link, asked, item_path};
use crate::object::ObjectKey;
use crate::plan::{growth, scale};
use crate::world::Refused;

/// A StatefulSet's status is written again and again; each such write costs one more reading.
const TRIES: u32 = 6;

/// Takes a StatefulSet away from around its members, which stay, if it is the one that was meant and still
/// asks for what it did.
pub(crate) async fn orphan(
    link: &Link,
    object: &ObjectKey,
    uid: &str,
    generation: i64,
) -> Result<(), Refused> {
    let doing = format!("taking {object} away from around its members");
    let deletion = Deletion { link, object, uid, doing, policy: "Orphan" };
    deletion.run(|live| growth::orphan(object, live, uid, generation)).await
}

/// Removes a StatefulSet, if it is the one that was meant and has no members.
pub(crate) async fn dissolve(link: &Link, object: &ObjectKey, uid: &str) -> Result<(), Refused> {
    let doing = format!("deleting {object}");
    let deletion = Deletion { link, object, uid, doing, policy: "Background" };
    deletion.run(|live| scale::deserted(object, live, uid)).await
}

struct Deletion<'a> {
    link: &'a Link,
    object: &'a ObjectKey,
    uid: &'a str,
    doing: String,
    /// What becomes of what belongs to it.
    policy: &'static str,
}

impl Deletion<'_> {
    /// Removes the object if the judge finds nothing wrong with it. One that is gone, or on its way, is done:
    /// nothing else of its name is touched.
    async fn run(&self, judge: impl Fn(&Value) -> Result<(), String>) -> Result<(), Refused> {
        let Self { link, object, doing, .. } = self;
        let ask = asked("delete", object.kind, object.namespace.as_deref());
        let mut last: Option<Trouble> = None;
        for times in 0..TRIES {
            if let Some(trouble) = &last {
                link.breathe(times - 1, &format!("{doing}: {}", trouble.plain())).await;
            }
            let live = match (link.find(object).await, &last) {
                (Ok(live), _) => live,
                (Err(trouble), None) => return Err(trouble.denied(doing, &ask)),
                (Err(trouble), Some(_)) => {
                    return Err(Refused::Unknown(format!(
                        "{doing}: no clear answer came, and it cannot be read what came of it: {}",
                        trouble.explain(&ask)
                    )));
                }
            };
            let Some(live) = live else {
                return Ok(());
            };
            let is_it = live["metadata"]["uid"] == self.uid;
            if is_it && !live["metadata"]["deletionTimestamp"].is_null() {
                return Ok(());
            }
            judge(&live).map_err(|why| Refused::Stale(format!("{doing}: {why}")))?;
            match link.ask(&call(object, &live, self.policy)).await {
                Ok(_) => return Ok(()),
                Err(trouble) if trouble.is_absence() => return Ok(()),
                Err(trouble) if trouble.is_conflict() || trouble.leaves_doubt() => {
                    last = Some(trouble);
                }
                Err(trouble) => return Err(trouble.denied(doing, &ask)),
            }
        }
        let why = last.map_or_else(String::new, |trouble| trouble.explain(&ask));
        Err(Refused::Unknown(format!("{doing}: given up after {TRIES} tries: {why}")))
    }
}

fn call(object: &ObjectKey, live: &Value, policy: &str) -> Call {
    let metadata = &live["metadata"];
    let body = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": policy,
        "preconditions": { "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"] },
    });
    Call::with(Method::DELETE, item_path(object), BodyKind::Plain, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::scripted::Reaction::{HangsUp, Says};
    use crate::live::scripted::{Reaction, server, word};
    use crate::object::Kind;

    const PATH: &str = "/apis/apps/v1/namespaces/tsdb/statefulsets/s";

    fn key() -> ObjectKey {
        ObjectKey::within(Kind::StatefulSet, "tsdb", "s")
    }

    fn set(uid: &str, generation: i64) -> Reaction {
        let metadata = json!({ "uid": uid, "generation": generation, "resourceVersion": "7" });
        Says(200, json!({ "metadata": metadata }))
    }

    fn no(code: u16) -> Reaction {
        Says(code, json!({ "kind": "Status", "message": "no" }))
    }

    /// What belongs to it stays, and the server sees to it that it is the state that was read.
    #[test]
    fn it_orphans_and_demands_the_very_state_that_was_read() {
        let live = json!({ "metadata": { "uid": "u", "resourceVersion": "7" } });
        let (_, body) = call(&key(), &live, "Orphan").body.expect("a body");
        assert_eq!(body["propagationPolicy"], "Orphan");
        assert_eq!(body["preconditions"], json!({ "uid": "u", "resourceVersion": "7" }));
    }

    #[tokio::test]
    async fn it_is_made_of_what_was_read_and_read_again_when_in_doubt() {
        let (get, delete) = (format!("GET {PATH}"), format!("DELETE {PATH}"));
        let leaving = || {
            let metadata = json!({ "uid": "u", "generation": 3, "deletionTimestamp": "t" });
            Says(200, json!({ "metadata": metadata }))
        };
        for (script, expected, sent) in [
            (vec![set("u", 2), Says(200, json!({}))], "done", vec![&get, &delete]),
            (vec![no(404)], "done", vec![&get]),
            (vec![leaving()], "done", vec![&get]),
            (vec![set("u", 2), no(404)], "done", vec![&get, &delete]),
            // Only its status was written meanwhile.
            (
                vec![set("u", 2), no(409), set("u", 2), Says(200, json!({}))],
                "done",
                vec![&get, &delete, &get, &delete],
            ),
            // Somebody scaled it, or made it anew.
            (vec![set("u", 3)], "stale", vec![&get]),
            (vec![set("u", 2), no(409), set("u", 3)], "stale", vec![&get, &delete, &get]),
            (vec![set("v", 2)], "stale", vec![&get]),
            // No answer came: it may have been heard, or not.
            (vec![set("u", 2), HangsUp, no(404)], "done", vec![&get, &delete, &get]),
            (vec![set("u", 2), HangsUp, leaving()], "done", vec![&get, &delete, &get]),
            (
                vec![set("u", 2), HangsUp, set("u", 2), Says(200, json!({}))],
                "done",
                vec![&get, &delete, &get, &delete],
            ),
            (vec![set("u", 2), HangsUp, no(403)], "unknown", vec![&get, &delete, &get]),
            (vec![set("u", 2), no(403)], "denied", vec![&get, &delete]),
        ] {
            let run = async {
                let (link, log) = server(script).await;
                let result = orphan(&link, &key(), "u", 2).await;
                (result.map_or_else(|refused| word(&refused), |()| "done"), log.take())
            };
            let (end, log) = tokio::task::LocalSet::new().run_until(run).await;
            assert_eq!((end, log.iter().collect::<Vec<_>>()), (expected, sent));
        }
    }

    /// Whoever gives it members meanwhile keeps them.
    #[tokio::test]
    async fn a_set_goes_only_while_it_has_no_members() {
        let (get, delete) = (format!("GET {PATH}"), format!("DELETE {PATH}"));
        let of = |uid: &str, replicas: u32| {
            let metadata = json!({ "uid": uid, "resourceVersion": "7" });
            Says(200, json!({ "metadata": metadata, "spec": { "replicas": replicas } }))
        };
        for (script, expected, sent) in [
            (vec![of("u", 0), Says(200, json!({}))], "done", vec![&get, &delete]),
            (vec![no(404)], "done", vec![&get]),
            (vec![of("u", 1)], "stale", vec![&get]),
            (vec![of("v", 0)], "stale", vec![&get]),
            (vec![of("u", 0), no(409), of("u", 1)], "stale", vec![&get, &delete, &get]),
            (vec![of("u", 0), HangsUp, no(404)], "done", vec![&get, &delete, &get]),
        ] {
            let run = async {
                let (link, log) = server(script).await;
                let result = dissolve(&link, &key(), "u").await;
                (result.map_or_else(|refused| word(&refused), |()| "done"), log.take())
            };
            let (end, log) = tokio::task::LocalSet::new().run_until(run).await;
            assert_eq!((end, log.iter().collect::<Vec<_>>()), (expected, sent));
        }
    }
}
