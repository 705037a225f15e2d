//! One request and its answer, on plain JSON. Typed structs would lose fields newer than they are.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::live::again::Again;
use crate::live::errors::{Asked, Broken, Failure, Trouble, broken};
use crate::object::{Kind, ObjectKey};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a request is said again that the server turned away unheard.
const TURNED_AWAY_TRIES: u32 = 5;
/// How long those repetitions may take together.
const TURNED_AWAY_LIMIT: Duration = Duration::from_secs(30);
/// Pauses before a reading is said again after a break.
const READ_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];
/// A reading that failed slower than this is not said again: its user has waited enough.
const QUICK: Duration = Duration::from_secs(5);

/// A connection to one API server.
#[derive(Clone)]
pub(crate) struct Link {
    /// kube's client, for what plain requests cannot do.
    pub(crate) client: Client,
    /// The server's address, for messages.
    pub(crate) server: String,
    /// How requests are said again, and which are at the moment.
    pub(crate) again: Arc<Again>,
    /// When the last request may be sent.
    until: Option<Instant>,
    /// How long one request may take.
    limit: Duration,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    /// The body and its type.
    pub(crate) body: Option<(BodyKind, Value)>,
}

/// What a body means to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// An object as it is.
    Plain,
    /// Server-side apply. JSON is YAML.
    Apply,
    /// A list of JSON patch operations.
    JsonPatch,
    /// A JSON merge patch.
    MergePatch,
}

impl BodyKind {
    fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/json",
            Self::Apply => "application/apply-patch+yaml",
            Self::JsonPatch => "application/json-patch+json",
            Self::MergePatch => "application/merge-patch+json",
        }
    }
}

impl Call {
    /// A GET.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, body: None }
    }

    /// Anything with a body.
    pub(crate) fn with(method: Method, path: String, kind: BodyKind, body: Value) -> Self {
        Self { method, path, body: Some((kind, body)) }
    }

    /// The same, carried out only on the state of this version.
    pub(crate) fn on_version(mut self, version: &Value) -> Self {
        if let Some((_, body)) = &mut self.body {
            body["metadata"]["resourceVersion"] = version.clone();
        }
        self
    }

    /// What it is, to a reader: method and path.
    fn told(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }

    fn build(&self) -> Result<Request<Body>, Trouble> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(ACCEPT, "application/json");
        let mut bytes = Vec::new();
        if let Some((kind, body)) = &self.body {
            request = request.header(CONTENT_TYPE, kind.media_type());
            bytes = body.to_string().into_bytes();
        }
        request.body(Body::from(bytes)).map_err(|error| {
            Trouble::Broken(Broken {
                why: format!("not a valid request: {error}"),
                sent: false,
                passing: false,
            })
        })
    }
}

impl Link {
    /// A connection whose pauses are drawn from a seed.
    pub(crate) fn new(client: Client, server: String, seed: u64) -> Self {
        Self { client, server, again: Arc::new(Again::seeded(seed)), until: None, limit: LIMIT }
    }

    /// The same connection, over which nothing is sent after this time. What is under way by then
    /// is waited for.
    pub(crate) fn within(&self, time: Duration) -> Self {
        Self { until: Some(Instant::now() + time), ..self.clone() }
    }

    /// Whether something sent after this pause would be sent too late.
    pub(crate) fn is_over_after(&self, pause: Duration) -> bool {
        self.until.is_some_and(|until| Instant::now() + pause > until)
    }

    /// Waits before something is done for another time, telling why.
    pub(crate) async fn breathe(&self, times: u32, why: &str) {
        let _told = self.again.tell(why.to_owned());
        self.rest(times).await;
    }

    /// Waits before something is done for another time.
    pub(crate) async fn rest(&self, times: u32) {
        sleep(self.again.breath(times)).await;
    }

    /// Says it once, or again while the server turns it away unheard (429, or 503 with a time to
    /// come back): safe for writes, since the server says that it did nothing.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Value, Trouble> {
        let begun = Instant::now();
        let mut tries = 1;
        loop {
            if self.is_over_after(Duration::ZERO) {
                let why = "it took too long to go on with it safely; nothing more was sent";
                let why = why.to_owned();
                return Err(Trouble::Broken(Broken { why, sent: false, passing: false }));
            }
            let reply = timeout(self.limit, self.once(call)).await;
            let reply = reply.unwrap_or_else(|_| Err(self.silence()))?;
            let pause = match reply.turned_away() {
                Some(pause) if tries < TURNED_AWAY_TRIES => self.again.spread(pause),
                _ => return reply.judge(),
            };
            if begun.elapsed() + pause > TURNED_AWAY_LIMIT || self.is_over_after(pause) {
                return reply.judge();
            }
            tries += 1;
            let _told = self.again.tell(format!(
                "{} is busy (HTTP {}): {} is said again in {} s, time {tries} of {TURNED_AWAY_TRIES}",
                self.server,
                reply.code,
                call.told(),
                pause.as_secs().max(1),
            ));
            sleep(pause).await;
        }
    }

    /// Reads: nothing is lost by saying it again, so a break is not the end yet.
    pub(crate) async fn read(&self, path: &str) -> Result<Value, Trouble> {
        let call = Call::get(path.to_owned());
        for pause in READ_PAUSES {
            let begun = Instant::now();
            match self.ask(&call).await {
                Err(trouble) if may_pass(&trouble) && begun.elapsed() < QUICK => {
                    let why = trouble.plain();
                    let _told = self.again.tell(format!("{} is said again: {why}", call.told()));
                    sleep(self.again.spread(pause)).await;
                }
                result => return result,
            }
        }
        self.ask(&call).await
    }

    /// An object, or nothing if it is not there.
    pub(crate) async fn find(&self, key: &ObjectKey) -> Result<Option<Value>, Trouble> {
        match self.read(&item_path(key)).await {
            Ok(value) => Ok(Some(value)),
            Err(trouble) if trouble.is_absence() => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Sends a request whose answer is a stream.
    pub(crate) async fn open(&self, call: &Call) -> Result<Response<Body>, Trouble> {
        let sent = timeout(self.limit, self.client.send(call.build()?)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Trouble::Broken(broken(&self.server, &error))),
            Err(_) => return Err(self.silence()),
        };
        let code = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Trouble::Failed(Failure::read(code, &Value::Null)))
    }

    fn silence(&self) -> Trouble {
        let why = format!("{} did not answer within {} s", self.server, self.limit.as_secs());
        Trouble::Broken(Broken { why, sent: true, passing: true })
    }

    async fn once(&self, call: &Call) -> Result<Reply, Trouble> {
        let failed = |error: &kube::Error| Trouble::Broken(broken(&self.server, error));
        let response = self.client.send(call.build()?).await.map_err(|error| failed(&error))?;
        let code = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await.map_err(|error| failed(&error))?;
        Ok(Reply { code, retry_after, body: body.to_bytes() })
    }
}

/// Whether a failed reading may succeed a moment later.
fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        // What is wrong with credentials or certificates stays wrong.
        Trouble::Broken(broken) => broken.passing,
        Trouble::Failed(failure) => matches!(failure.code, 500 | 502 | 503 | 504),
    }
}

/// An answer not judged yet.
struct Reply {
    code: u16,
    /// Seconds.
    retry_after: Option<u64>,
    body: Bytes,
}

impl Reply {
    /// How long to wait if the server did not even look at the request.
    fn turned_away(&self) -> Option<Duration> {
        match (self.code, self.retry_after) {
            (429 | 503, Some(seconds)) => Some(Duration::from_secs(seconds.max(1))),
            (429, None) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn judge(&self) -> Result<Value, Trouble> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match self.code {
            200..=299 if !body.is_null() => Ok(body),
            200..=299 => {
                let why = "the server's answer is not JSON; is this an API server?".to_owned();
                Err(Trouble::Broken(Broken { why, sent: true, passing: false }))
            }
            code => Err(Trouble::Failed(Failure::read(code, &body))),
        }
    }
}

/// The path of all objects of a kind in a namespace.
pub(crate) fn list_path(kind: Kind, namespace: Option<&str>) -> String {
    let root = match group(kind) {
        "" => format!("/api/{}", kind.api_version()),
        _ => format!("/apis/{}", kind.api_version()),
    };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{}/{}", encoded(namespace), kind.plural()),
        None => format!("{root}/{}", kind.plural()),
    }
}

/// The path of one object.
pub(crate) fn item_path(key: &ObjectKey) -> String {
    let list = list_path(key.kind, key.namespace.as_deref());
    format!("{list}/{}", encoded(&key.name))
}

/// The API group of a kind; empty for the core one.
pub(crate) fn group(kind: Kind) -> &'static str {
    kind.api_version().split_once('/').map_or("", |(group, _)| group)
}

/// A request on an object, in RBAC's words.
pub(crate) fn asked<'a>(verb: &'a str, kind: Kind, namespace: Option<&'a str>) -> Asked<'a> {
    Asked { verb, resource: kind.plural(), group: group(kind), namespace }
}

/// Percent-encoded for one part of a path or query.
pub(crate) fn encoded(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            result.push(char::from(byte));
        } else {
            result.push_str(&format!("%{byte:02X}"));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::scripted::Reaction::{Busy, BusyFor, Says, SaysNothing};
    use crate::live::scripted::server;

    fn reply(code: u16, retry_after: Option<u64>, body: &'static str) -> Reply {
        Reply { code, retry_after, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn paths_follow_the_api() {
        let set = ObjectKey::within(Kind::StatefulSet, "tsdb", "history-hot");
        assert_eq!(item_path(&set), "/apis/apps/v1/namespaces/tsdb/statefulsets/history-hot");
        assert_eq!(list_path(Kind::Pod, Some("tsdb")), "/api/v1/namespaces/tsdb/pods");
        assert_eq!(list_path(Kind::StorageClass, None), "/apis/storage.k8s.io/v1/storageclasses");
        assert_eq!(encoded("a=b,c/d"), "a%3Db%2Cc%2Fd");
        assert_eq!(group(Kind::PodDisruptionBudget), "policy");
    }

    #[test]
    fn only_what_was_turned_away_unheard_is_said_again() {
        let pause = |reply: Reply| reply.turned_away().map(|pause| pause.as_secs());
        assert_eq!(pause(reply(429, Some(3), "")), Some(3));
        assert_eq!(pause(reply(429, None, "")), Some(1));
        assert_eq!(pause(reply(503, Some(0), "")), Some(1));
        assert_eq!(pause(reply(503, None, "")), None);
        assert_eq!(pause(reply(500, Some(1), "")), None);
        assert_eq!(pause(reply(409, Some(1), "")), None);
    }

    /// What waits says why, and says no more once it goes on.
    #[tokio::test]
    async fn a_request_that_is_said_again_is_told_while_it_waits() {
        let run = async {
            let (link, _) = server(vec![Busy, Says(200, serde_json::json!({ "a": 1 }))]).await;
            let call = Call::get("/api/v1/pods?limit=1".to_owned());
            let mut asking = std::pin::pin!(link.ask(&call));
            let before_its_answer = Duration::from_millis(500);
            assert!(timeout(before_its_answer, &mut asking).await.is_err(), "it did not wait");
            let told = link.again.oldest().expect("a reason");
            assert!(
                told.contains("is busy (HTTP 429): GET /api/v1/pods is said again in 1"),
                "{told}"
            );
            assert!(told.ends_with("time 2 of 5"), "{told}");
            assert!(asking.await.is_ok());
            assert_eq!(link.again.oldest(), None);
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }

    /// An effect must have ended when its lock's holder may be taken for dead.
    #[tokio::test]
    async fn nothing_is_sent_after_its_time() {
        let run = async {
            let busy = || vec![Busy, Says(200, serde_json::json!({}))];
            let (link, log) = server(busy()).await;
            let call = Call::get("/api/v1/pods".to_owned());
            let late = link.within(Duration::from_millis(100)).ask(&call).await;
            assert!(late.expect_err("late").plain().contains("429"), "it came back too late");
            assert_eq!(log.borrow().len(), 1);
            let late = link.within(Duration::ZERO);
            sleep(Duration::from_millis(2)).await;
            let late = late.ask(&call).await.expect_err("too late");
            assert!(!late.leaves_doubt() && late.plain().contains("took too long"), "{late:?}");
            assert_eq!(log.borrow().len(), 1);
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }

    /// A lock counts on it that a request has ended by then, too.
    #[tokio::test]
    async fn a_request_without_an_answer_ends_after_its_limit_and_in_doubt() {
        assert!(LIMIT <= crate::lock::REQUEST);
        let run = async {
            let (link, log) = server(vec![SaysNothing]).await;
            let link = Link { limit: Duration::from_millis(100), ..link };
            let call = Call::get("/api/v1/pods".to_owned());
            let asked = timeout(Duration::from_secs(5), link.ask(&call)).await.expect("an end");
            assert!(asked.expect_err("no answer").leaves_doubt());
            assert_eq!(log.borrow().len(), 1);
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }

    #[tokio::test]
    async fn what_is_turned_away_is_said_again_a_few_times_and_not_for_long() {
        let call = Call::get("/api/v1/pods".to_owned());
        let run = async {
            let (often, long) = (5 * TURNED_AWAY_TRIES, TURNED_AWAY_LIMIT.as_secs() + 1);
            let (link, log) = server((0..often).map(|_| Busy).collect()).await;
            let turned_away = link.ask(&call).await.expect_err("busy");
            assert!(turned_away.plain().contains("429"), "{turned_away:?}");
            assert_eq!(log.borrow().len(), TURNED_AWAY_TRIES as usize);
            let (link, log) = server(vec![BusyFor(long), Says(200, serde_json::json!({}))]).await;
            let asked = timeout(Duration::from_secs(5), link.ask(&call)).await.expect("an end");
            assert!(asked.is_err());
            assert_eq!(log.borrow().len(), 1);
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }

    #[test]
    fn a_success_that_is_not_json_is_none() {
        assert!(reply(200, None, "{\"a\":1}").judge().is_ok());
        let trouble = reply(200, None, "<html>").judge().expect_err("not JSON");
        assert!(trouble.leaves_doubt());
        assert!(reply(404, None, "").judge().expect_err("absent").is_absence());
    }
}
