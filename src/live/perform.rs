//! Carrying out an action, so that it can be said again. What may or may not have happened is read
//! again and compared, never sent again blindly.

use serde_json::Value;

use crate::fields::departures;
use crate::live::amend::{Absence, Amend};
use crate::live::errors::{Failure, Trouble};
use crate::live::listing::{live_object, managers};
use crate::live::ownership::{Keep, settle};
use crate::live::request::{Link, asked};
use crate::live::write::{Run, apply, conflicts, create, delete, is_another_object};
use crate::object::{FIELD_MANAGER, LABEL_STACK, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::Action;
use crate::plan::volume;
use crate::world::Refused;

/// Carries it out.
pub(crate) async fn perform(link: &Link, action: &Action) -> Result<(), Refused> {
    match action {
        Action::Create { object, manifest } => make(link, object, manifest).await,
        Action::Update { object, uid, manifest, force } => {
            Update { link, object, uid, manifest, force: *force }.run().await
        }
        Action::Delete { object, uid } => remove(link, object, Some(uid)).await,
        Action::Hold { volume: key, uid, claim, labels } => {
            let due = |live: &Value| volume::hold(key, live, uid, claim, labels);
            Amend { link, key, due }.run(&format!("holding {key}"), Absence::Stale).await
        }
        Action::Purge { volume: key, uid, claim } => {
            let due = |live: &Value| volume::purge(key, live, uid, claim);
            Amend { link, key, due }.run(&format!("purging {key}"), Absence::Done).await
        }
        Action::Await => Ok(()),
    }
}

async fn make(link: &Link, object: &ObjectKey, manifest: &Value) -> Result<(), Refused> {
    let doing = format!("creating {object}");
    let ask = asked("create", object.kind, object.namespace.as_deref());
    let made = match link.ask(&create(object, manifest, Run::Real)).await {
        Ok(made) => made,
        Err(Trouble::Failed(failure)) if failure.reason == "AlreadyExists" => {
            return Err(Refused::Stale(format!(
                "{doing}: it exists by now, which it did not when the plan was made"
            )));
        }
        Err(trouble) if trouble.leaves_doubt() => {
            doubtful_creation(link, object, manifest, &doing, &trouble).await?
        }
        Err(trouble) => return Err(trouble.denied(&doing, &ask)),
    };
    // It is there, which is what was asked for. Should this fail, the next change makes up for it.
    let _ = settle(link, object, made, Keep::Manifest(manifest)).await;
    Ok(())
}

/// What a creation without a clear answer came to: the object, if it is the one we wanted to make.
async fn doubtful_creation(
    link: &Link,
    object: &ObjectKey,
    manifest: &Value,
    doing: &str,
    trouble: &Trouble,
) -> Result<Value, Refused> {
    let ask = asked("get", object.kind, object.namespace.as_deref());
    let found = link.find(object).await.map_err(|second| {
        Refused::Unknown(format!(
            "{doing}: {}; and it cannot be read whether it is there: {}",
            trouble.explain(&ask),
            second.explain(&ask)
        ))
    })?;
    match (found, trouble) {
        (Some(found), _) if is_ours(object, manifest, &found) => Ok(found),
        (Some(_), _) => Err(Refused::Unknown(format!(
            "{doing}: {}; something of that name is there, and it is not what was sent",
            trouble.explain(&ask)
        ))),
        // The server finished with the request, and nothing came of it.
        (None, Trouble::Failed(_)) => Err(trouble.denied(doing, &ask)),
        (None, Trouble::Broken(_)) => Err(Refused::Unknown(format!(
            "{doing}: {}; it is not there yet, but the request may still be under way",
            trouble.explain(&ask)
        ))),
    }
}

/// Whether a live object is the one our own creation makes: in our name, in our stack, as sent.
fn is_ours(object: &ObjectKey, manifest: &Value, found: &Value) -> bool {
    let (_, live) = live_object(object.kind, found.clone());
    let stack = |value: &Value| value["metadata"]["labels"][LABEL_STACK].clone();
    live.managers.contains_key(FIELD_MANAGER)
        && stack(manifest) == stack(&live.value)
        && is_as_sent(manifest, &live)
}

/// Whether every field of a manifest is live. Fields owned and not asked for do not count: a
/// creation's record holds the server's defaults too.
fn is_as_sent(manifest: &Value, live: &LiveObject) -> bool {
    departures(manifest, &live.value, &std::collections::BTreeSet::new()).is_empty()
}

struct Update<'a> {
    link: &'a Link,
    object: &'a ObjectKey,
    uid: &'a str,
    manifest: &'a Value,
    force: bool,
}

impl Update<'_> {
    async fn run(&self) -> Result<(), Refused> {
        let live = self.find().await?;
        if let Err(trouble) = settle(self.link, self.object, live, Keep::All).await {
            let ask = asked("patch", self.object.kind, self.object.namespace.as_deref());
            return Err(trouble.denied(&self.doing(), &ask));
        }
        let call = apply(self.object, self.manifest, Some(self.uid), self.force, Run::Real);
        match self.link.ask(&call).await {
            Ok(_) => Ok(()),
            Err(trouble) if trouble.leaves_doubt() => self.doubtful(&trouble).await,
            Err(trouble) => Err(self.refused(&trouble)),
        }
    }

    /// The object as it is, if it is still the one the plan meant.
    async fn find(&self) -> Result<Value, Refused> {
        let ask = asked("get", self.object.kind, self.object.namespace.as_deref());
        let found = self.link.find(self.object).await;
        match found.map_err(|trouble| trouble.denied(&self.doing(), &ask))? {
            Some(found) if found["metadata"]["uid"] == self.uid => Ok(found),
            Some(_) => Err(self.stale("it was replaced since the plan was made")),
            None => Err(self.stale("it is gone since the plan was made")),
        }
    }

    fn refused(&self, trouble: &Trouble) -> Refused {
        let ask = asked("patch", self.object.kind, self.object.namespace.as_deref());
        let Trouble::Failed(failure) = trouble else { return trouble.denied(&self.doing(), &ask) };
        if is_another_object(failure) || failure.code == 404 {
            return self.stale("it was replaced or removed since the plan was made");
        }
        match conflicts(failure) {
            Some(others) => {
                let fields: Vec<String> =
                    others.iter().map(|(manager, path)| format!("{path} (`{manager}`)")).collect();
                let fields = fields.join(", ");
                Refused::Denied(format!("{}: others have set fields of it: {fields}", self.doing()))
            }
            None => trouble.denied(&self.doing(), &ask),
        }
    }

    /// What a change without a clear answer came to.
    async fn doubtful(&self, trouble: &Trouble) -> Result<(), Refused> {
        let ask = asked("get", self.object.kind, self.object.namespace.as_deref());
        let why = trouble.explain(&ask);
        let found = match self.find().await {
            Ok(found) => found,
            Err(Refused::Stale(stale)) => return Err(Refused::Stale(stale)),
            Err(second) => {
                return Err(Refused::Unknown(format!(
                    "{}: {why}; and it cannot be read what came of it: {second}",
                    self.doing()
                )));
            }
        };
        let owned = managers(&found["metadata"]["managedFields"]).remove(FIELD_MANAGER);
        match trouble {
            _ if departures(self.manifest, &found, &owned.unwrap_or_default()).is_empty() => Ok(()),
            Trouble::Failed(_) => Err(trouble.denied(&self.doing(), &ask)),
            Trouble::Broken(_) => Err(Refused::Unknown(format!(
                "{}: {why}; the change does not show yet, but may still be under way",
                self.doing()
            ))),
        }
    }

    fn stale(&self, why: &str) -> Refused {
        Refused::Stale(format!("{}: {why}", self.doing()))
    }

    fn doing(&self) -> String {
        format!("changing {}", self.object)
    }
}

/// Removes an object; one that is gone is done.
pub(crate) async fn remove(
    link: &Link,
    object: &ObjectKey,
    uid: Option<&str>,
) -> Result<(), Refused> {
    let doing = format!("deleting {object}");
    let ask = asked("delete", object.kind, object.namespace.as_deref());
    let trouble = match link.ask(&delete(object, uid)).await {
        Ok(_) => return Ok(()),
        Err(trouble) if trouble.is_absence() => return Ok(()),
        Err(trouble) => trouble,
    };
    // The only thing a deletion of ours can be in conflict with is the uid it demands.
    if let Trouble::Failed(Failure { code: 409, .. }) = &trouble {
        let why = "another object has its name since the plan was made";
        return Err(Refused::Stale(format!("{doing}: {why}")));
    }
    if !trouble.leaves_doubt() {
        return Err(trouble.denied(&doing, &ask));
    }
    let unknown =
        |more: &str| Refused::Unknown(format!("{doing}: {}; {more}", trouble.explain(&ask)));
    match (link.find(object).await, &trouble) {
        (Ok(found), _) if is_going(found.as_ref(), uid) => Ok(()),
        (Ok(_), Trouble::Failed(_)) => Err(trouble.denied(&doing, &ask)),
        (Ok(_), Trouble::Broken(_)) => Err(unknown("it is still there")),
        (Err(_), _) => Err(unknown("and it cannot be read what came of it")),
    }
}

/// Whether the object that was to go is gone or going.
fn is_going(found: Option<&Value>, uid: Option<&str>) -> bool {
    found.is_none_or(|found| {
        let metadata = &found["metadata"];
        uid.is_some_and(|uid| metadata["uid"] != uid) || !metadata["deletionTimestamp"].is_null()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::live::scripted::Reaction::{Busy, HangsUp, Says};
    use crate::live::scripted::{Reaction, server};
    use crate::object::Kind;

    #[test]
    fn ours_is_what_bears_our_name_and_stack_and_is_as_sent() {
        let (object, manifest) = (object(), manifest());
        let mut live = manifest.clone();
        live["metadata"]["name"] = "x".into();
        live["metadata"]["namespace"] = "tsdb".into();
        assert!(!is_ours(&object, &manifest, &live));
        live["metadata"]["managedFields"] =
            json!([{ "manager": "tsinfra", "operation": "Update", "fieldsV1": { "f:data": {} } }]);
        assert!(is_ours(&object, &manifest, &live));
        live["data"]["a"] = "2".into();
        assert!(!is_ours(&object, &manifest, &live));
        live["data"]["a"] = "1".into();
        live["metadata"]["labels"][LABEL_STACK] = "other".into();
        assert!(!is_ours(&object, &manifest, &live));
    }

    #[test]
    fn a_deletion_is_under_way_once_it_has_a_time() {
        let there = json!({ "metadata": { "uid": "a" } });
        let going = json!({ "metadata": { "uid": "a", "deletionTimestamp": "t" } });
        assert!(is_going(None, Some("a")));
        assert!(is_going(Some(&going), Some("a")));
        assert!(is_going(Some(&there), Some("b")));
        assert!(!is_going(Some(&there), Some("a")));
    }

    const PATH: &str = "/api/v1/namespaces/tsdb/configmaps";

    fn object() -> ObjectKey {
        ObjectKey::within(Kind::ConfigMap, "tsdb", "x")
    }

    fn manifest() -> Value {
        json!({ "metadata": { "labels": { LABEL_STACK: "plant" } }, "data": { "a": "1" } })
    }

    fn live(value: &str) -> Value {
        json!({
            "metadata": {
                "name": "x", "namespace": "tsdb", "uid": "u", "resourceVersion": "7",
                "labels": { LABEL_STACK: "plant" },
                "managedFields": [
                    { "manager": "tsinfra", "operation": "Apply", "fieldsV1": { "f:data": { "f:a": {} } } },
                ],
            },
            "data": { "a": value },
        })
    }

    fn create_it() -> Action {
        Action::Create { object: object(), manifest: manifest() }
    }

    fn update_it() -> Action {
        Action::Update { object: object(), uid: "u".into(), manifest: manifest(), force: false }
    }

    fn delete_it() -> Action {
        Action::Delete { object: object(), uid: "u".into() }
    }

    fn no(code: u16, message: &str) -> Reaction {
        Says(code, json!({ "kind": "Status", "message": message }))
    }

    /// How an action ends against a script, in a word, and what was sent.
    async fn ends(action: Action, script: Vec<Reaction>) -> (&'static str, Vec<String>) {
        let run = async {
            let (link, log) = server(script).await;
            let word = match perform(&link, &action).await {
                Ok(()) => "done",
                Err(Refused::Stale(_)) => "stale",
                Err(Refused::Denied(_)) => "denied",
                Err(Refused::Unknown(_)) => "unknown",
            };
            (word, log.take())
        };
        tokio::task::LocalSet::new().run_until(run).await
    }

    #[tokio::test]
    async fn a_creation_without_an_answer_is_read_and_never_sent_again() {
        let sent = [format!("POST {PATH}"), format!("GET {PATH}/x")];
        for (script, word) in [
            (vec![HangsUp, Says(200, live("1"))], "done"),
            (vec![HangsUp, Says(200, live("2"))], "unknown"),
            (vec![HangsUp, no(404, "not found")], "unknown"),
            (vec![HangsUp, no(403, "no")], "unknown"),
            (vec![no(500, "webhook"), no(404, "not found")], "denied"),
            (vec![no(504, "late"), Says(200, live("1"))], "done"),
        ] {
            let (end, log) = ends(create_it(), script).await;
            assert_eq!((end, log.as_slice()), (word, sent.as_slice()));
        }
    }

    #[tokio::test]
    async fn what_was_turned_away_unheard_is_sent_again() {
        let (end, log) = ends(create_it(), vec![Busy, Says(201, live("1"))]).await;
        assert_eq!((end, log.len()), ("done", 2));
    }

    #[tokio::test]
    async fn a_creation_makes_up_for_its_entry_even_when_others_write_meanwhile() {
        let mut fresh = live("1");
        fresh["metadata"]["managedFields"][0]["operation"] = "Update".into();
        let script = vec![
            Says(201, fresh.clone()),
            no(409, "the object has been modified"),
            Says(200, fresh.clone()),
            Says(200, live("1")),
        ];
        let (end, log) = ends(create_it(), script).await;
        let verbs: Vec<&str> = log.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!((end, verbs), ("done", vec!["POST", "PATCH", "GET", "PATCH"]));
    }

    #[tokio::test]
    async fn a_change_without_an_answer_is_compared() {
        for (script, word) in [
            (vec![Says(200, live("0")), HangsUp, Says(200, live("1"))], "done"),
            (vec![Says(200, live("0")), HangsUp, Says(200, live("0"))], "unknown"),
            (vec![Says(200, live("0")), no(500, "webhook"), Says(200, live("0"))], "denied"),
            (vec![Says(200, live("0")), HangsUp, no(404, "not found")], "stale"),
            (vec![Says(200, live("0")), no(422, "immutable")], "denied"),
            (vec![no(404, "not found")], "stale"),
        ] {
            assert_eq!(ends(update_it(), script).await.0, word);
        }
    }

    #[tokio::test]
    async fn a_deletion_is_done_once_the_object_is_gone_or_going() {
        let mut going = live("1");
        going["metadata"]["deletionTimestamp"] = "2026-11-22T09:00:00Z".into();
        let mut another = live("1");
        another["metadata"]["uid"] = "v".into();
        for (script, word) in [
            (vec![Says(200, json!({}))], "done"),
            (vec![no(404, "not found")], "done"),
            (vec![no(409, "the UID in the precondition does not match")], "stale"),
            (vec![HangsUp, no(404, "not found")], "done"),
            (vec![HangsUp, Says(200, going)], "done"),
            (vec![HangsUp, Says(200, another)], "done"),
            (vec![HangsUp, Says(200, live("1"))], "unknown"),
            (vec![no(403, "no")], "denied"),
        ] {
            assert_eq!(ends(delete_it(), script).await.0, word);
        }
    }
}
