//! Knowing when to look again: a watch on each list and object that is waited for.
//!
//! A watch goes on from the moment its list was looked at, so nothing between a look and the wait
//! after it is missed; it stays open between two waits, and what it told during a look ends the wait
//! after that look at once. Only that something happened matters: what it was, the next look says.
//! Several callers may wait at the same time, each for a scope of its own.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

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
/// How soon to look again where nothing can tell of changes: databases, and what may not be watched.
const BLIND: Duration = Duration::from_secs(1);
/// How long a watch nobody waits for stays open: the next wait for the same is mostly near.
const UNUSED: Duration = Duration::from_secs(60);

/// The watches of one world, made as they are needed.
#[derive(Default)]
pub(crate) struct Watches {
    open: RefCell<BTreeMap<Query, Open>>,
    /// What was known after the last look at a scope, by the scope's queries.
    known: RefCell<BTreeMap<Vec<Query>, Known>>,
}

/// The path and selector of a list, as in the request for it.
pub(crate) type Query = String;

/// How far each query of a scope is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The moment its list showed.
    versions: BTreeMap<Query, String>,
    /// What its watch had told.
    told: BTreeMap<Query, u64>,
}

struct Open {
    task: JoinHandle<()>,
    told: watch::Sender<u64>,
    used: Instant,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watches {
    /// Before a look: what was told until now will be in it.
    pub(crate) fn before(&self, scope: &Scope) -> Known {
        Known { told: self.told(&queries(scope)), ..Known::default() }
    }

    /// After a look. Whoever looked waits next, before anyone else has a turn.
    pub(crate) fn after(&self, scope: &Scope, mut known: Known, versions: Vec<(Query, String)>) {
        known.versions.extend(versions);
        self.known.borrow_mut().insert(queries(scope), known);
    }

    /// Returns once something in the scope may have changed since the last look at it, or after
    /// `at_most`.
    pub(crate) async fn stir(&self, link: Option<&Arc<Link>>, scope: &Scope, at_most: Duration) {
        let Some(link) = link else { return sleep(at_most.min(BLIND)).await };
        let queries = queries(scope);
        let known = self.known.borrow().get(&queries).cloned().unwrap_or_default();
        let begun = self.attend(link, &queries, &known);
        let mut receivers = self.subscribe(&queries);
        let news = |(query, receiver): (&Query, &watch::Receiver<u64>)| match known.told.get(query)
        {
            Some(told) => *receiver.borrow() > *told,
            // Someone else's watch, which may have begun later than this caller looked.
            None => !begun.contains(query),
        };
        if !queries.iter().zip(&receivers).any(news) {
            let limit = if self.is_blind(scope) { at_most.min(BLIND) } else { at_most };
            // That nothing happened is no more to be told than that something did: the caller looks.
            let _ = timeout(limit, any(&mut receivers)).await;
        }
        let told = self.told(&queries);
        self.known.borrow_mut().entry(queries).or_default().told = told;
    }

    /// Opens the watches that are missing, which it names, and closes those long unused.
    fn attend(&self, link: &Arc<Link>, queries: &[Query], known: &Known) -> BTreeSet<Query> {
        let mut begun = BTreeSet::new();
        let now = Instant::now();
        let mut open = self.open.borrow_mut();
        open.retain(|query, open| {
            let is_waited_for = queries.contains(query) || open.told.receiver_count() > 0;
            is_waited_for || now.duration_since(open.used) < UNUSED
        });
        for query in queries {
            let used = open.entry(query.clone()).or_insert_with(|| {
                begun.insert(query.clone());
                let (told, _) = watch::channel(0);
                let follower =
                    Follower { link: Arc::clone(link), query: query.clone(), told: told.clone() };
                let task = tokio::spawn(follower.run(known.versions.get(query).cloned()));
                Open { task, told, used: now }
            });
            used.used = now;
        }
        begun
    }

    fn subscribe(&self, queries: &[Query]) -> Vec<watch::Receiver<u64>> {
        let open = self.open.borrow();
        queries.iter().filter_map(|query| Some(open.get(query)?.told.subscribe())).collect()
    }

    fn told(&self, queries: &[Query]) -> BTreeMap<Query, u64> {
        let open = self.open.borrow();
        let told = |query: &Query| Some((query.clone(), *open.get(query)?.told.borrow()));
        queries.iter().filter_map(told).collect()
    }

    /// Whether something in a scope cannot be watched.
    fn is_blind(&self, scope: &Scope) -> bool {
        let watched = scope.lists.iter().all(|list| is_told_by_list(list.kind))
            && scope.gets.iter().all(|key| is_told_by_name(key.kind));
        !watched
            || !scope.databases.is_empty()
            || self.open.borrow().values().any(|open| open.task.is_finished())
    }
}

/// Any of these told something, and had a moment to tell the rest of it.
async fn any(receivers: &mut [watch::Receiver<u64>]) {
    if receivers.is_empty() {
        return std::future::pending().await;
    }
    let _ = select_all(receivers.iter_mut().map(|receiver| receiver.changed().boxed_local())).await;
    sleep(BURST).await;
}

/// Nodes report their health every few seconds, which would end every wait; ConfigMaps and
/// namespaces in lists are mostly other people's.
fn is_told_by_list(kind: Kind) -> bool {
    !matches!(kind, Kind::Node | Kind::Namespace | Kind::ConfigMap)
}

fn is_told_by_name(kind: Kind) -> bool {
    !matches!(kind, Kind::Node)
}

fn queries(scope: &Scope) -> Vec<Query> {
    let lists = scope.lists.iter().filter(|list| is_told_by_list(list.kind)).map(list_query);
    let gets = scope.gets.iter().filter(|key| is_told_by_name(key.kind)).map(get_query);
    lists.chain(gets).collect()
}

/// The query of a list.
pub(crate) fn list_query(list: &List) -> Query {
    let path = list_path(list.kind, list.namespace.as_deref());
    format!("{path}?labelSelector={}", encoded(&selector(&list.labels)))
}

fn get_query(key: &ObjectKey) -> Query {
    let path = list_path(key.kind, key.namespace.as_deref());
    format!("{path}?fieldSelector=metadata.name%3D{}", encoded(&key.name))
}

/// Keeps one watch open.
struct Follower {
    link: Arc<Link>,
    query: String,
    told: watch::Sender<u64>,
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
        self.told.send_modify(|count| *count += 1);
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
        let (watches, scope) = (Watches::default(), Scope::default());
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
            let (link, watches) = (Arc::new(link), Watches::default());
            let version = (list_query(&list), "1".to_owned());
            let scope = Scope { lists: vec![list], ..Scope::default() };
            watches.after(&scope, watches.before(&scope), vec![version]);
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
            let (link, watches) = (Arc::new(link), Watches::default());
            let version = (list_query(&list), "1".to_owned());
            let scope = Scope { lists: vec![list], ..Scope::default() };
            watches.after(&scope, watches.before(&scope), vec![version]);
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            let begun = Instant::now();
            watches.stir(Some(&link), &scope, Duration::from_secs(20)).await;
            assert!(begun.elapsed() < Duration::from_secs(5));
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }
}
