//! Carrying out an action, so that it can be said again. What may or may not have happened is read
//! again and compared, never sent again blindly.

use serde_json::Value;

use crate::fields::departures;
use crate::live::amend::{Absence, Amend};
use crate::live::database;
use crate::live::errors::{Asked, Trouble};
use crate::live::identify::identify;
use crate::live::listing::{live_object, managers};
use crate::live::orphan::{dissolve, orphan};
use crate::live::ownership::{Keep, settle};
use crate::live::request::{Link, asked};
use crate::live::write::{Grace, Run, apply, conflicts, create, delete, is_another_object};
use crate::object::{FIELD_MANAGER, LABEL_STACK, Labels, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::change::Change;
use crate::plan::growth;
use crate::plan::job;
use crate::plan::labels;
use crate::plan::scale;
use crate::plan::step::Action;
use crate::plan::volume;
use crate::world::Refused;

/// How often an action is sent, each time after a look at what came of it before. Others write to the
/// same objects (their status, their own fields), and each such write costs one more.
const TRIES: u32 = 6;

/// Carries it out.
pub(crate) async fn perform(link: &Link, action: &Action) -> Result<(), Refused> {
    match action {
        Action::Create { object, manifest } => make(link, object, manifest).await,
        Action::Update { object, uid, digest, manifest, force } => {
            let change = Change { object, uid, digest, manifest };
            Update { link, change, force: *force }.run().await
        }
        Action::Delete { object, uid } => remove(link, object, uid, Grace::Own).await,
        Action::Hold { volume: key, uid, claim, labels } => {
            let due = |live: &Value| volume::hold(key, live, uid, claim, labels);
            Amend { link, key, due }.run(&format!("holding {key}"), Absence::Stale).await
        }
        Action::Purge { volume: key, uid, claim } => {
            let due = |live: &Value| volume::purge(key, live, uid, claim);
            Amend { link, key, due }.run(&format!("purging {key}"), Absence::Done).await
        }
        Action::Relabel { object: key, uid, labels } => {
            let due = |live: &Value| labels::relabel(key, live, uid, labels);
            Amend { link, key, due }.run(&format!("labelling {key}"), Absence::Stale).await
        }
        Action::Say { member, database, statement } => {
            database::say(link, database, &member.name, statement).await
        }
        Action::Start { job: key, labels } => {
            let due = |live: &Value| job::start(key, live, labels);
            Amend { link, key, due }.run(&format!("starting {key}"), Absence::Stale).await
        }
        Action::Retire { job, labels } => retire(link, job, labels).await,
        Action::Expand { claim: key, uid, volume, to, .. } => {
            let due = |live: &Value| growth::expand(key, live, uid, volume, to);
            Amend { link, key, due }.run(&format!("expanding {key}"), Absence::Stale).await
        }
        Action::Scale { object: key, uid, from, to } => {
            let due = |live: &Value| scale::scale(key, live, uid, (*from, *to));
            Amend { link, key, due }.run(&format!("scaling {key}"), Absence::Stale).await
        }
        Action::Identify { stack, database, known, claims, .. } => {
            identify(link, stack, (database, known), claims).await
        }
        Action::Abandon { pod, uid } => remove(link, pod, uid, Grace::None).await,
        Action::Dissolve { object, uid } => dissolve(link, object, uid).await,
        Action::Orphan { object, uid, generation } => orphan(link, object, uid, *generation).await,
        Action::Await => Ok(()),
    }
}

/// Makes an object. A creation whose answer was lost may be sent again once it is seen that nothing
/// is there: of two only one can come to be, and it is known by what was sent.
async fn make(link: &Link, object: &ObjectKey, manifest: &Value) -> Result<(), Refused> {
    let doing = format!("creating {object}");
    let ask = asked("create", object.kind, object.namespace.as_deref());
    let mut last: Option<Trouble> = None;
    for times in 0..TRIES {
        let trouble = match (link.ask(&create(object, manifest, Run::Real)).await, &last) {
            (Ok(made), _) => return own(link, object, manifest, made).await,
            (Err(Trouble::Failed(failure)), None) if failure.reason == "AlreadyExists" => {
                return Err(Refused::Stale(format!(
                    "{doing}: it exists by now, which it did not when the plan was made"
                )));
            }
            (Err(trouble), None) if trouble.leaves_doubt() => trouble,
            (Err(trouble), Some(_)) if trouble.leaves_doubt() || trouble.is_conflict() => trouble,
            (Err(trouble), None) => return Err(trouble.denied(&doing, &ask)),
            (Err(trouble), Some(_)) => {
                return Err(Refused::Unknown(format!("{doing}: {}", trouble.explain(&ask))));
            }
        };
        if let Some(found) = what_came_of(link, object, manifest, &doing, &trouble).await? {
            return own(link, object, manifest, found).await;
        }
        link.breathe(times, &format!("{doing}: {}", trouble.plain())).await;
        last = Some(trouble);
    }
    Err(given_up(&doing, last, &ask))
}

/// It is there, which is what was asked for. Should this fail, the next change makes up for it.
async fn own(
    link: &Link,
    object: &ObjectKey,
    manifest: &Value,
    made: Value,
) -> Result<(), Refused> {
    let _ = settle(link, object, made, Keep::Manifest(manifest)).await;
    Ok(())
}

/// What a creation without a clear answer came to: the object, if it is the one we wanted to make.
async fn what_came_of(
    link: &Link,
    object: &ObjectKey,
    manifest: &Value,
    doing: &str,
    trouble: &Trouble,
) -> Result<Option<Value>, Refused> {
    let ask = asked("get", object.kind, object.namespace.as_deref());
    let found = link.find(object).await.map_err(|second| {
        Refused::Unknown(format!(
            "{doing}: {}; and it cannot be read whether it is there: {}",
            trouble.explain(&ask),
            second.explain(&ask)
        ))
    })?;
    match found {
        Some(found) if is_ours(object, manifest, &found) => Ok(Some(found)),
        Some(_) => Err(Refused::Unknown(format!(
            "{doing}: {}; something of that name is there, and it is not what was sent",
            trouble.explain(&ask)
        ))),
        None => Ok(None),
    }
}

/// What is said after the last try.
fn given_up(doing: &str, last: Option<Trouble>, ask: &Asked<'_>) -> Refused {
    let why = last.as_ref().map_or_else(String::new, |trouble| trouble.explain(ask));
    match last {
        // The server finished with each of them, and nothing came of it.
        Some(Trouble::Failed(_)) | None => {
            Refused::Denied(format!("{doing}: given up after {TRIES} tries: {why}"))
        }
        Some(Trouble::Broken(_)) => Refused::Unknown(format!(
            "{doing}: {why}; it does not show yet, but the request may still be under way"
        )),
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
    change: Change<'a>,
    force: bool,
}

impl Update<'_> {
    /// Read, compared, and sent for just the version that was compared: a process that was paused in
    /// between, for however long, overwrites nothing. A status that was written meanwhile only costs
    /// another reading.
    async fn run(&self) -> Result<(), Refused> {
        let (object, ask) = (self.change.object, self.ask("patch"));
        let mut last = None;
        for times in 0..TRIES {
            let live = self.find(last.as_ref()).await?;
            if !self.is_due(&live)? {
                return Ok(());
            }
            let settled = settle(self.link, object, live, Keep::All).await;
            let live = settled.map_err(|trouble| trouble.denied(&self.doing(), &ask))?;
            if !self.is_due(&live)? {
                return Ok(());
            }
            let Change { manifest, uid, .. } = self.change;
            let call = apply(object, manifest, Some(uid), self.force, Run::Real);
            match self.link.ask(&call.on_version(&live["metadata"]["resourceVersion"])).await {
                Ok(_) => return Ok(()),
                Err(trouble) if trouble.leaves_doubt() || is_of_another_version(&trouble) => {
                    let why = format!("{}: {}", self.doing(), trouble.plain());
                    self.link.breathe(times, &why).await;
                    last = Some(trouble);
                }
                Err(trouble) => return Err(self.refused(&trouble)),
            }
        }
        let live = self.find(last.as_ref()).await?;
        if self.is_due(&live)? { Err(given_up(&self.doing(), last, &ask)) } else { Ok(()) }
    }

    /// The object as it is; `last` is what became of the try before.
    async fn find(&self, last: Option<&Trouble>) -> Result<Value, Refused> {
        let ask = self.ask("get");
        match (self.link.find(self.change.object).await, last) {
            (Ok(Some(found)), _) => Ok(found),
            (Ok(None), _) => Err(self.stale("it is gone since the plan was made")),
            (Err(trouble), Some(last)) if last.leaves_doubt() => Err(Refused::Unknown(format!(
                "{}: {}; and it cannot be read what came of it: {}",
                self.doing(),
                last.explain(&ask),
                trouble.explain(&ask)
            ))),
            (Err(trouble), _) => Err(trouble.denied(&self.doing(), &ask)),
        }
    }

    fn is_due(&self, live: &Value) -> Result<bool, Refused> {
        let owned = managers(&live["metadata"]["managedFields"]).remove(FIELD_MANAGER);
        let due = self.change.is_due(live, &owned.unwrap_or_default());
        due.map_err(|why| self.stale(&why))
    }

    fn refused(&self, trouble: &Trouble) -> Refused {
        let ask = self.ask("patch");
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

    fn ask<'a>(&'a self, verb: &'a str) -> Asked<'a> {
        asked(verb, self.change.object.kind, self.change.object.namespace.as_deref())
    }

    fn stale(&self, why: &str) -> Refused {
        Refused::Stale(format!("{}: {why}", self.doing()))
    }

    fn doing(&self) -> String {
        format!("changing {}", self.change.object)
    }
}

/// Whether the server refused because the object is of another version by now, and for no other
/// reason.
fn is_of_another_version(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Failed(failure) => {
            failure.code == 409 && conflicts(failure).is_none() && !is_another_object(failure)
        }
        Trouble::Broken(_) => false,
    }
}

/// Removes an object; one that is gone is done. Demanding the uid, it may be said again.
pub(crate) async fn remove(
    link: &Link,
    object: &ObjectKey,
    uid: &str,
    grace: Grace,
) -> Result<(), Refused> {
    let doing = format!("deleting {object}");
    let ask = asked("delete", object.kind, object.namespace.as_deref());
    let mut last = None;
    for times in 0..TRIES {
        let trouble = match link.ask(&delete(object, Some(uid), grace)).await {
            Ok(_) => return Ok(()),
            Err(trouble) if trouble.is_absence() => return Ok(()),
            Err(trouble) => trouble,
        };
        // The only thing a deletion of ours can be in conflict with is the uid it demands.
        if trouble.is_conflict() && last.is_none() {
            let why = "another object has its name since the plan was made";
            return Err(Refused::Stale(format!("{doing}: {why}")));
        }
        if !trouble.leaves_doubt() && last.is_none() {
            return Err(trouble.denied(&doing, &ask));
        }
        match link.find(object).await {
            Ok(found) if is_going(found.as_ref(), Some(uid)) => return Ok(()),
            Ok(_) => {}
            Err(_) => {
                let why = trouble.explain(&ask);
                let why = format!("{doing}: {why}; and it cannot be read what came of it");
                return Err(Refused::Unknown(why));
            }
        }
        link.breathe(times, &format!("{doing}: {}", trouble.plain())).await;
        last = Some(trouble);
    }
    Err(given_up(&doing, last, &ask))
}

/// Removes a helper that has done its work; one that is gone is done. It is removed by the uid of what was
/// judged, so that this may be said again.
async fn retire(link: &Link, job: &ObjectKey, labels: &Labels) -> Result<(), Refused> {
    let ask = asked("get", job.kind, job.namespace.as_deref());
    let doing = format!("deleting {job}");
    let live = link.find(job).await.map_err(|trouble| trouble.denied(&doing, &ask))?;
    let Some(live) = live else { return Ok(()) };
    let uid = job::done(job, &live, labels).map_err(Refused::Stale)?;
    remove(link, job, &uid, Grace::Own).await
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
    use crate::live::scripted::{Reaction, restless_server, server, word};
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
        // Nor by chance, where the manifest says nothing of a stack.
        let bare = json!({ "data": { "a": "1" } });
        assert!(!is_ours(&object, &bare, &live));
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
        let digest = crate::fields::digest(&manifest(), &live("0"));
        let (object, uid, manifest) = (object(), "u".to_owned(), manifest());
        Action::Update { object, uid, digest, manifest, force: false }
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
            let result = perform(&link, &action).await;
            let word = result.map_or_else(|refused| word(&refused), |()| "done");
            (word, log.take())
        };
        tokio::task::LocalSet::new().run_until(run).await
    }

    fn verbs(log: &[String]) -> Vec<&str> {
        log.iter().filter_map(|line| line.split(' ').next()).collect()
    }

    #[tokio::test]
    async fn a_creation_without_an_answer_is_read_before_it_is_sent_again() {
        let exists = || Says(409, json!({ "reason": "AlreadyExists", "message": "exists" }));
        let gone = || no(404, "not found");
        let once = vec!["POST", "GET"];
        let twice = vec!["POST", "GET", "POST"];
        let thrice = vec!["POST", "GET", "POST", "GET"];
        for (script, word, sent) in [
            (vec![HangsUp, Says(200, live("1"))], "done", &once),
            (vec![HangsUp, Says(200, live("2"))], "unknown", &once),
            (vec![HangsUp, no(403, "no")], "unknown", &once),
            (vec![no(504, "late"), Says(200, live("1"))], "done", &once),
            (vec![HangsUp, gone(), Says(201, live("1"))], "done", &twice),
            (vec![no(500, "webhook"), gone(), Says(201, live("1"))], "done", &twice),
            // The first was only late.
            (vec![HangsUp, gone(), exists(), Says(200, live("1"))], "done", &thrice),
            (vec![HangsUp, gone(), exists(), Says(200, live("2"))], "unknown", &thrice),
            (vec![exists()], "stale", &vec!["POST"]),
        ] {
            let (end, log) = ends(create_it(), script).await;
            assert_eq!((end, verbs(&log)), (word, sent.clone()));
        }
    }

    #[tokio::test]
    async fn what_fails_again_and_again_is_given_up() {
        let tries = TRIES as usize;
        let failing = |then: fn() -> Reaction| {
            let each = (0..tries).flat_map(|_| [no(500, "webhook"), then()]);
            each.collect::<Vec<Reaction>>()
        };
        let mut update = failing(|| Says(200, live("0")));
        update.insert(0, Says(200, live("0")));
        let (create, delete, update) = tokio::join!(
            ends(create_it(), failing(|| no(404, "not found"))),
            ends(delete_it(), failing(|| Says(200, live("1")))),
            ends(update_it(), update),
        );
        assert_eq!((create.0, create.1.len()), ("denied", 2 * tries));
        assert_eq!((delete.0, delete.1.len()), ("denied", 2 * tries));
        assert_eq!((update.0, update.1.len()), ("denied", 2 * tries + 1));
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
        assert_eq!((end, verbs(&log)), ("done", vec!["POST", "PATCH", "GET", "PATCH"]));
    }

    #[tokio::test]
    async fn a_change_without_an_answer_is_compared() {
        let get = |value: &str| Says(200, live(value));
        let fields = || {
            let cause = json!({ "reason": "FieldManagerConflict", "field": ".data.a",
                "message": "conflict with \"kubectl\" using v1" });
            Says(409, json!({ "message": "conflict", "details": { "causes": [cause] } }))
        };
        let other = || no(409, "the object has been modified");
        let twice = vec!["GET", "PATCH", "GET", "PATCH"];
        for (script, word, sent) in [
            (vec![get("1")], "done", vec!["GET"]),
            (vec![get("0"), Says(200, live("1"))], "done", vec!["GET", "PATCH"]),
            (vec![get("0"), HangsUp, get("1")], "done", vec!["GET", "PATCH", "GET"]),
            (vec![get("0"), HangsUp, get("0"), Says(200, live("1"))], "done", twice.clone()),
            (vec![get("0"), no(500, "etcd"), get("0"), get("1")], "done", twice.clone()),
            (vec![get("0"), HangsUp, no(404, "gone")], "stale", vec!["GET", "PATCH", "GET"]),
            (vec![get("0"), HangsUp, no(403, "no")], "unknown", vec!["GET", "PATCH", "GET"]),
            (vec![get("0"), no(422, "immutable")], "denied", vec!["GET", "PATCH"]),
            (vec![get("0"), fields()], "denied", vec!["GET", "PATCH"]),
            (vec![no(404, "not found")], "stale", vec!["GET"]),
            // Others only wrote its status.
            (vec![get("0"), other(), get("0"), get("1")], "done", twice.clone()),
            // Somebody changed what we were about to change, or did just that.
            (vec![get("0"), other(), get("5")], "stale", vec!["GET", "PATCH", "GET"]),
            (vec![get("0"), other(), get("1")], "done", vec!["GET", "PATCH", "GET"]),
            (vec![get("5")], "stale", vec!["GET"]),
            // The server says that it is another object, or none.
            (vec![get("0"), no(422, "metadata.uid: immutable")], "stale", vec!["GET", "PATCH"]),
            (vec![get("0"), no(404, "not found")], "stale", vec!["GET", "PATCH"]),
        ] {
            let (end, log) = ends(update_it(), script).await;
            assert_eq!((end, verbs(&log)), (word, sent));
        }
    }

    /// Making up for the entry of a creation is a write, too: it is not made to what a change is not
    /// meant for, and what has become of the object by then counts.
    #[tokio::test]
    async fn an_entry_is_made_up_for_only_on_what_a_change_is_meant_for() {
        let fresh = |value: &str| {
            let mut live = live(value);
            live["metadata"]["managedFields"][0]["operation"] = "Update".into();
            live
        };
        let other = || no(409, "the object has been modified");
        for (script, word, sent) in [
            (vec![Says(200, fresh("5"))], "stale", vec!["GET"]),
            (
                vec![Says(200, fresh("0")), other(), Says(200, live("5"))],
                "stale",
                vec!["GET", "PATCH", "GET"],
            ),
        ] {
            let (end, log) = ends(update_it(), script).await;
            assert_eq!((end, verbs(&log)), (word, sent));
        }
    }

    /// A StatefulSet's status is written all the time while its members restart: such writes must
    /// cost readings, never the change.
    #[tokio::test]
    async fn a_status_written_all_the_time_does_not_keep_a_change_from_being_made() {
        const EVERY: std::time::Duration = std::time::Duration::from_millis(40);
        let run = async {
            let (link, log) = restless_server(live("0"), EVERY).await;
            for _ in 0..25 {
                assert_eq!(perform(&link, &update_it()).await, Ok(()));
            }
            log.take().iter().filter(|line| line.starts_with("PATCH")).count()
        };
        let patches = tokio::task::LocalSet::new().run_until(run).await;
        assert!(patches > 25, "no write ever met another: the test shows nothing");
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
            (vec![HangsUp, Says(200, live("1")), Says(200, json!({}))], "done"),
            (vec![HangsUp, Says(200, live("1")), no(404, "not found")], "done"),
            (vec![HangsUp, no(403, "no")], "unknown"),
            (vec![no(403, "no")], "denied"),
        ] {
            assert_eq!(ends(delete_it(), script).await.0, word);
        }
    }
}
