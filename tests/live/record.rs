//! What was asked of the API server, request by request, and the rules it has to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The process that asked: one number each.
    pub(crate) run: usize,
    /// The HTTP method.
    pub(crate) method: String,
    /// The path of the object it is about; of its collection where it names none.
    pub(crate) object: String,
    /// Whether the server was only to say what it would do.
    pub(crate) dry: bool,
    /// What was sent.
    pub(crate) body: Value,
    /// When it came, and when it was answered.
    pub(crate) begun: Instant,
    pub(crate) ended: Option<Instant>,
    /// What the server answered; `None`: it was not reached.
    pub(crate) answered: Option<u16>,
    /// What the process heard; `None`: nothing.
    pub(crate) heard: Option<u16>,
}

impl Asked {
    pub(crate) fn new(run: usize, method: &str, object: String, dry: bool, body: Value) -> Self {
        let (method, begun) = (method.to_owned(), Instant::now());
        Self { run, method, object, dry, body, begun, ended: None, answered: None, heard: None }
    }

    /// Whether it may change something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET" && !self.dry
    }

    /// Whether it is about a stack's lock.
    pub(crate) fn is_of_the_lock(&self) -> bool {
        self.object.contains("/leases/")
    }

    /// Whether it makes a namespace, which comes before the lock that lives in it.
    pub(crate) fn is_of_a_namespace(&self) -> bool {
        self.object.starts_with("/api/v1/namespaces/") && self.object.matches('/').count() == 4
    }

    /// Whether the server has done it.
    fn is_done(&self) -> bool {
        self.is_write() && self.answered.is_some_and(|code| code < 300)
    }

    /// Whether data goes by it: a claim or volume deleted, or a volume to be deleted with its claim.
    fn takes_data(&self) -> bool {
        let about = |kind: &str| self.object.contains(kind);
        let deletes = self.method == "DELETE"
            && ["/persistentvolumeclaims/", "/persistentvolumes/", "/statefulsets/"]
                .into_iter()
                .any(about);
        let frees = about("/persistentvolumes/")
            && self.body.to_string().contains("\"persistentVolumeReclaimPolicy\":\"Delete\"");
        self.is_write() && (deletes || frees)
    }
}

/// All requests in the order they came.
#[derive(Default)]
pub(crate) struct Record {
    asked: Mutex<Vec<Asked>>,
    runs: AtomicUsize,
}

impl Record {
    /// A number for another process.
    pub(crate) fn next_run(&self) -> usize {
        self.runs.fetch_add(1, Ordering::SeqCst)
    }

    /// A request has come; gives its place.
    pub(crate) fn begins(&self, asked: Asked) -> usize {
        let mut all = self.lock();
        all.push(asked);
        all.len() - 1
    }

    /// The server has answered.
    pub(crate) fn answered(&self, number: usize, code: u16) {
        let asked = &mut self.lock()[number];
        (asked.answered, asked.ended) = (Some(code), Some(Instant::now()));
    }

    /// The process has an answer, of the server or in its place.
    pub(crate) fn heard(&self, number: usize, code: u16) {
        let asked = &mut self.lock()[number];
        (asked.heard, asked.ended) = (Some(code), Some(Instant::now()));
    }

    /// A copy of it all.
    pub(crate) fn all(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    /// How many writes a process has asked for.
    pub(crate) fn writes_of(&self, run: usize) -> usize {
        self.lock().iter().filter(|asked| asked.run == run && asked.is_write()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rules that are broken, a sentence each. `destroys` are the runs whose user asked for the end.
pub(crate) fn broken_rules(all: &[Asked], destroys: &BTreeSet<usize>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut there: BTreeSet<&str> = BTreeSet::new();
    // Creations by run and object, until the object is looked at: when their answer was clear.
    let mut made: BTreeMap<(usize, &str), Option<Instant>> = BTreeMap::new();
    for asked in all {
        let (object, run) = (asked.object.as_str(), asked.run);
        if asked.method == "GET" {
            made.remove(&(run, object));
        }
        if !asked.is_write() {
            continue;
        }
        if asked.method == "POST" {
            let clear = asked.heard.filter(|code| *code < 500).and(asked.ended);
            let before = made.insert((run, object), clear);
            if before.is_some_and(|clear| clear.is_none_or(|clear| clear > asked.begun)) {
                broken.push(format!("{object} is created again before anybody looked"));
            }
            if asked.is_done() && !there.insert(object) {
                broken.push(format!("{object} is made twice"));
            }
        }
        if asked.method == "DELETE" {
            if asked.body["preconditions"]["uid"].as_str().is_none_or(str::is_empty) {
                broken.push(format!("{object} is deleted whoever it is by now"));
            }
            if asked.is_done() {
                there.remove(object);
            }
        }
        if asked.takes_data() && !destroys.contains(&run) {
            broken.push(format!("{} {object} takes data without a destroy", asked.method));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const SERVICE: &str = "/api/v1/namespaces/a/services/db";
    const CLAIM: &str = "/api/v1/namespaces/a/persistentvolumeclaims/data-db-0";
    const VOLUME: &str = "/api/v1/persistentvolumes/pvc-1";

    fn asked(method: &str, object: &str, body: Value, answer: Option<u16>) -> Asked {
        let asked = Asked::new(1, method, object.to_owned(), false, body);
        let ended = answer.map(|_| Instant::now());
        Asked { answered: answer, heard: answer, ended, ..asked }
    }

    fn made(answer: Option<u16>) -> Asked {
        asked("POST", SERVICE, Value::Null, answer)
    }

    fn deleted(object: &str) -> Asked {
        asked("DELETE", object, json!({ "preconditions": { "uid": "u" } }), Some(200))
    }

    /// Each rule is seen to be broken where it is, and not where it is not.
    #[test]
    fn a_broken_rule_is_found() {
        let looked = || asked("GET", SERVICE, Value::Null, Some(404));
        let dry = || Asked { dry: true, ..made(Some(201)) };
        let unheard = || Asked { heard: None, ..made(Some(201)) };
        let late =
            || Asked { ended: Some(Instant::now() + Duration::from_secs(9)), ..made(Some(201)) };
        let bare = || asked("DELETE", SERVICE, json!({}), Some(200));
        let freed = |policy: &str| {
            let body = json!({ "spec": { "persistentVolumeReclaimPolicy": policy } });
            asked("PATCH", VOLUME, body, Some(200))
        };
        for (all, broken) in [
            (vec![dry(), made(Some(201))], 0),
            (vec![made(Some(201)), made(Some(201))], 1),
            (vec![made(Some(201)), deleted(SERVICE), made(Some(201))], 0),
            (vec![made(Some(429)), made(Some(201))], 0),
            (vec![made(None), made(Some(201))], 1),
            (vec![made(Some(500)), made(Some(201))], 1),
            (vec![made(Some(500)), looked(), made(Some(201))], 0),
            (vec![unheard(), looked(), made(Some(409))], 0),
            (vec![late(), made(Some(409))], 1),
            (vec![late(), looked(), made(Some(409))], 0),
            (vec![made(Some(201)), bare()], 1),
            (vec![deleted(CLAIM)], 1),
            (vec![freed("Delete")], 1),
            (vec![freed("Retain")], 0),
        ] {
            let found = broken_rules(&all, &BTreeSet::new());
            assert_eq!(found.len(), broken, "{found:?} in {all:?}");
        }
        assert!(broken_rules(&[deleted(CLAIM), freed("Delete")], &[1].into()).is_empty());
    }
}
