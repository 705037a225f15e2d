//! A small change to exactly what was looked at: a merge patch that carries uid and version, made
//! from the object as it was read, and read again whenever the object has changed in between or no
//! clear answer came.

use hyper::Method;
use serde_json::Value;

use crate::live::errors::Trouble;
use crate::live::request::{BodyKind, Call, Link, asked, item_path};
use crate::object::{FIELD_MANAGER, ObjectKey};
use crate::world::Refused;

/// Others write to the same object (its status, their own fields); each loss costs one reading.
const TRIES: u32 = 6;

/// What it means that the object is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// What was to be reached is reached.
    Done,
    /// It is not what the plan was made for.
    Stale,
}

/// A change that is told by a look at the object.
pub(crate) struct Amend<'a, D: Fn(&Value) -> Result<Option<Value>, String>> {
    /// The connection.
    pub(crate) link: &'a Link,
    /// The object.
    pub(crate) key: &'a ObjectKey,
    /// What is to be changed of it as it is: a merge patch, or nothing (any more); an error says
    /// how it is not the object that was meant.
    pub(crate) due: D,
}

impl<D: Fn(&Value) -> Result<Option<Value>, String>> Amend<'_, D> {
    /// Carries it out.
    pub(crate) async fn run(&self, doing: &str, absence: Absence) -> Result<(), Refused> {
        let ask = asked("patch", self.key.kind, self.key.namespace.as_deref());
        let mut last: Option<Trouble> = None;
        for times in 0..TRIES {
            if let Some(trouble) = &last {
                self.link.breathe(times - 1, &format!("{doing}: {}", trouble.plain())).await;
            }
            let found = self.link.find(self.key).await;
            let found = match (found, &last) {
                (Ok(found), _) => found,
                (Err(trouble), None) => return Err(trouble.denied(doing, &ask)),
                (Err(trouble), Some(_)) => {
                    return Err(Refused::Unknown(format!(
                        "{doing}: no clear answer came, and it cannot be read what came of it: {}",
                        trouble.explain(&ask)
                    )));
                }
            };
            let Some(live) = found else {
                return match absence {
                    Absence::Done => Ok(()),
                    Absence::Stale => Err(Refused::Stale(format!("{doing}: it is gone by now"))),
                };
            };
            let due = (self.due)(&live).map_err(|why| Refused::Stale(format!("{doing}: {why}")))?;
            let Some(patch) = due else { return Ok(()) };
            match self.link.ask(&self.call(&live, patch)).await {
                Ok(_) => return Ok(()),
                Err(trouble) if trouble.is_conflict() || trouble.leaves_doubt() => {
                    last = Some(trouble);
                }
                Err(trouble) => return Err(trouble.denied(doing, &ask)),
            }
        }
        let why = last.map_or_else(String::new, |trouble| trouble.explain(&ask));
        Err(Refused::Unknown(format!("{doing}: given up after {TRIES} tries: {why}")))
    }

    fn call(&self, live: &Value, mut patch: Value) -> Call {
        for field in ["uid", "resourceVersion"] {
            patch["metadata"][field] = live["metadata"][field].clone();
        }
        let path = format!("{}?fieldManager={FIELD_MANAGER}", item_path(self.key));
        Call::with(Method::PATCH, path, BodyKind::MergePatch, patch)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::scripted::Reaction::{HangsUp, Says};
    use crate::live::scripted::{Reaction, server, word};
    use crate::object::Kind;

    const PATH: &str = "/api/v1/persistentvolumes/v";

    fn volume(version: &str, done: bool) -> Reaction {
        let policy = if done { "Retain" } else { "Delete" };
        Says(
            200,
            json!({
                "metadata": { "name": "v", "uid": "u", "resourceVersion": version },
                "spec": { "persistentVolumeReclaimPolicy": policy },
            }),
        )
    }

    fn no(code: u16) -> Reaction {
        Says(code, json!({ "kind": "Status", "message": "no" }))
    }

    fn due(live: &Value) -> Result<Option<Value>, String> {
        match live["metadata"]["uid"].as_str() {
            Some("u") if live["spec"]["persistentVolumeReclaimPolicy"] == "Retain" => Ok(None),
            Some("u") => Ok(Some(json!({ "spec": { "persistentVolumeReclaimPolicy": "Retain" } }))),
            _ => Err("another one".to_owned()),
        }
    }

    /// Whoever has read something else than is there by now changes nothing: the server sees to it,
    /// by what it is sent.
    #[tokio::test]
    async fn a_patch_names_the_very_state_it_was_made_from() {
        let live = json!({ "metadata": { "uid": "u", "resourceVersion": "7" } });
        let key = ObjectKey::global(Kind::PersistentVolume, "v");
        let run = async {
            let (link, _) = server(Vec::new()).await;
            (Amend { link: &link, key: &key, due }).call(&live, json!({ "spec": { "a": "b" } }))
        };
        let (_, body) = tokio::task::LocalSet::new().run_until(run).await.body.expect("a body");
        assert_eq!(body["metadata"], json!({ "uid": "u", "resourceVersion": "7" }));
        assert_eq!(body["spec"], json!({ "a": "b" }));
    }

    async fn ends(script: Vec<Reaction>, absence: Absence) -> (&'static str, Vec<String>) {
        let run = async {
            let (link, log) = server(script).await;
            let key = ObjectKey::global(Kind::PersistentVolume, "v");
            let result = (Amend { link: &link, key: &key, due }).run("holding", absence).await;
            let word = result.map_or_else(|refused| word(&refused), |()| "done");
            (word, log.take())
        };
        tokio::task::LocalSet::new().run_until(run).await
    }

    #[tokio::test]
    async fn it_is_made_from_what_was_read_and_read_again_when_in_doubt() {
        let (get, patch) = (format!("GET {PATH}"), format!("PATCH {PATH}"));
        for (script, word, sent) in [
            (vec![volume("1", false), volume("2", true)], "done", vec![&get, &patch]),
            (vec![volume("1", true)], "done", vec![&get]),
            (
                vec![volume("1", false), no(409), volume("2", false), volume("3", true)],
                "done",
                vec![&get, &patch, &get, &patch],
            ),
            (
                vec![volume("1", false), HangsUp, volume("2", true)],
                "done",
                vec![&get, &patch, &get],
            ),
            (vec![volume("1", false), no(403)], "denied", vec![&get, &patch]),
            (vec![no(404)], "stale", vec![&get]),
        ] {
            let (end, log) = ends(script, Absence::Stale).await;
            assert_eq!((end, log.iter().collect::<Vec<_>>()), (word, sent));
        }
        assert_eq!(ends(vec![no(404)], Absence::Done).await.0, "done");
    }
}
