//! Knowing when to look again: a watch on each list and object that is looked at.
//!
//! A watch goes on from the moment of the look before it, so nothing between the two is missed. It
//! stays open between two waits; what it told meanwhile ends the next wait at once. Only that
//! something happened matters: what it was, the look that follows says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::live::errors::Trouble;
use crate::live::listing::selector;
use crate::live::request::{Call, Link, encoded, list_path};
use crate::object::{Kind, ObjectKey};
use crate::observed::{List, Scope};

/// The server ends a watch after this time; quiet connections die unseen otherwise.
const WATCH_SECONDS: u64 = 240;
/// How much longer to wait for that end.
const OVERDUE: Duration = Duration::from_secs(30);
/// Changes come in bursts; a look after each would be one too many.
const BURST: Duration = Duration::from_millis(50);
/// How soon to look again where nothing can tell of changes: databases, and kinds whose watch is
/// forbidden.
const BLIND: Duration = Duration::from_secs(1);

/// The watches of one world, made as they are needed.
pub(crate) struct Watches {
    open: RefCell<BTreeMap<String, Open>>,
    /// By path and selector: up to when a list was seen.
    versions: RefCell<BTreeMap<String, String>>,
    /// Counts what happened.
    happened: watch::Sender<u64>,
    /// What of that the last wait answered.
    answered: RefCell<watch::Receiver<u64>>,
}

struct Open {
    task: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watches {
    /// None yet.
    pub(crate) fn new() -> Self {
        let (happened, answered) = watch::channel(0);
        Self {
            open: RefCell::default(),
            versions: RefCell::default(),
            happened,
            answered: RefCell::new(answered),
        }
    }

    /// Notes the moment a list showed, for a watch to go on from.
    pub(crate) fn seen(&self, list: &List, version: &str) {
        if worth_watching(list.kind) && !version.is_empty() {
            self.versions.borrow_mut().insert(list_query(list), version.to_owned());
        }
    }

    /// Returns once something in the scope may have changed since the last look, or after `at_most`.
    pub(crate) async fn stir(&self, link: Option<&Arc<Link>>, scope: &Scope, at_most: Duration) {
        let Some(link) = link else { return sleep(at_most.min(BLIND)).await };
        let blind = self.attend(link, scope) || !scope.databases.is_empty();
        let limit = if blind { at_most.min(BLIND) } else { at_most };
        let mut happened = self.answered.borrow().clone();
        let burst = async {
            if happened.changed().await.is_ok() {
                sleep(BURST).await;
            }
        };
        // That nothing happened is no more to be told than that something did: the caller looks.
        let _ = timeout(limit, burst).await;
        self.answered.borrow_mut().mark_unchanged();
    }

    /// Opens the watches a scope needs and closes those it no longer does. Answers whether there is
    /// something in it that cannot be watched.
    fn attend(&self, link: &Arc<Link>, scope: &Scope) -> bool {
        let lists = scope.lists.iter().filter(|list| worth_watching(list.kind)).map(list_query);
        let gets = scope.gets.iter().filter(|key| worth_watching(key.kind)).map(get_query);
        let wanted: Vec<String> = lists.chain(gets).collect();
        let mut open = self.open.borrow_mut();
        open.retain(|query, _| wanted.contains(query));
        for query in wanted {
            open.entry(query.clone()).or_insert_with(|| {
                let version = self.versions.borrow_mut().remove(&query);
                let follower =
                    Follower { link: Arc::clone(link), query, happened: self.happened.clone() };
                Open { task: tokio::spawn(follower.run(version)) }
            });
        }
        open.values().any(|open| open.task.is_finished())
    }
}

/// What changes while tsinfra waits for it. Nodes and classes change by their own clocks: a node
/// reports its health every few seconds, which would end every wait.
fn worth_watching(kind: Kind) -> bool {
    !matches!(kind, Kind::Node | Kind::Namespace | Kind::StorageClass | Kind::ConfigMap)
}

fn list_query(list: &List) -> String {
    let path = list_path(list.kind, list.namespace.as_deref());
    format!("{path}?labelSelector={}", encoded(&selector(&list.labels)))
}

fn get_query(key: &ObjectKey) -> String {
    let path = list_path(key.kind, key.namespace.as_deref());
    format!("{path}?fieldSelector=metadata.name%3D{}", encoded(&key.name))
}

/// Keeps one watch open.
struct Follower {
    link: Arc<Link>,
    query: String,
    happened: watch::Sender<u64>,
}

/// How a watch came to an end.
enum Ending {
    /// As all do; what comes now has to be read anew.
    Over,
    /// The user may not watch this.
    Forbidden,
}

impl Follower {
    /// Watches until it is dropped, or once it is told that it may not.
    async fn run(self, mut version: Option<String>) {
        loop {
            let known = match version.take() {
                Some(known) => Ok(known),
                None => self.now().await,
            };
            let ending = match known {
                Ok(version) => self.watch(&version).await,
                Err(trouble) => ending_of(&trouble),
            };
            self.tell();
            if matches!(ending, Ending::Forbidden) {
                return;
            }
            // A server in trouble is not asked in a tight loop.
            sleep(BLIND).await;
        }
    }

    /// The present moment. What happened up to it was not watched, so it has to be looked at.
    async fn now(&self) -> Result<String, Trouble> {
        let list = self.link.read(&format!("{}&limit=1", self.query)).await?;
        self.tell();
        let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        Ok(version.unwrap_or_default().to_owned())
    }

    async fn watch(&self, version: &str) -> Ending {
        let path = format!(
            "{}&watch=true&resourceVersion={}&timeoutSeconds={WATCH_SECONDS}",
            self.query,
            encoded(version)
        );
        let mut body = match self.link.open(&Call::get(path)).await {
            Ok(response) => response.into_body(),
            Err(trouble) => return ending_of(&trouble),
        };
        let told = async {
            while let Some(Ok(frame)) = body.frame().await {
                match frame.data_ref() {
                    // E.g. that the moment to go on from is forgotten.
                    Some(data) if data.starts_with(b"{\"type\":\"ERROR\"") => return,
                    Some(_) => self.tell(),
                    None => {}
                }
            }
        };
        let _ = timeout(Duration::from_secs(WATCH_SECONDS) + OVERDUE, told).await;
        Ending::Over
    }

    fn tell(&self) {
        self.happened.send_modify(|count| *count += 1);
    }
}

fn ending_of(trouble: &Trouble) -> Ending {
    match trouble {
        Trouble::Failed(failure) if matches!(failure.code, 401 | 403 | 405) => Ending::Forbidden,
        _ => Ending::Over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::live::scripted::Reaction::Says;
    use crate::live::scripted::server;
    use crate::object::Labels;

    #[test]
    fn a_watch_asks_for_what_was_looked_at() {
        let labels = Labels::from([("tsinfra.dev/stack".into(), "plant".into())]);
        let list = List { kind: Kind::Pod, namespace: Some("tsdb".into()), labels };
        assert_eq!(
            list_query(&list),
            "/api/v1/namespaces/tsdb/pods?labelSelector=tsinfra.dev%2Fstack%3Dplant"
        );
        let volume = ObjectKey::global(Kind::PersistentVolume, "pv-1");
        assert_eq!(
            get_query(&volume),
            "/api/v1/persistentvolumes?fieldSelector=metadata.name%3Dpv-1"
        );
    }

    #[tokio::test]
    async fn without_a_connection_a_wait_ends_all_the_same() {
        let at_most = Duration::from_millis(10);
        let (watches, scope) = (Watches::new(), Scope::default());
        let wait = watches.stir(None, &scope, at_most);
        assert!(timeout(Duration::from_secs(5), wait).await.is_ok());
    }

    #[tokio::test]
    async fn a_watch_that_lost_its_place_begins_anew_and_wakes_the_wait() {
        let list = List { kind: Kind::Pod, namespace: Some("tsdb".into()), labels: Labels::new() };
        let lost = json!({ "type": "ERROR", "object": { "code": 410 } });
        let now = json!({ "metadata": { "resourceVersion": "9" } });
        let script = vec![Says(200, lost), Says(200, now)];
        let run = async {
            let (link, log) = server(script).await;
            let (link, watches) = (Arc::new(link), Watches::new());
            watches.seen(&list, "1");
            let scope = Scope { lists: vec![list], ..Scope::default() };
            let begun = Instant::now();
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            assert!(begun.elapsed() < Duration::from_secs(10));
            assert!(log.borrow().len() >= 2, "{log:?}");
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }

    #[tokio::test]
    async fn where_watching_is_forbidden_a_wait_is_short() {
        let list = List { kind: Kind::Pod, namespace: Some("tsdb".into()), labels: Labels::new() };
        let run = async {
            let (link, _) = server(vec![Says(403, json!({}))]).await;
            let (link, watches) = (Arc::new(link), Watches::new());
            watches.seen(&list, "1");
            let scope = Scope { lists: vec![list], ..Scope::default() };
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            let begun = Instant::now();
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            assert!(begun.elapsed() < Duration::from_secs(5));
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }
}
