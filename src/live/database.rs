//! A database's own view of itself: its statements, sent to one of its pods through the API server.
//!
//! The port is forwarded as `kubectl port-forward` does, so that nothing has to be exposed and the
//! kubeconfig is all that is needed. Each view is a new connection: a pod may be another by then.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use db_engine::cluster::EngineKind;
use db_engine::drivers::driver;
use db_engine::engine::{Topology, Unreadable};
use db_engine::holdings::Holdings;
use db_engine::iotdb::rest;
use db_engine::statement::{Answer, Statement};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::live::errors::{Asked, Failure, Trouble, broken};
use crate::live::listing::list;
use crate::live::request::{Link, encoded};
use crate::object::Kind;
use crate::observed::{DatabaseScope, DatabaseView, List};
use crate::world::{Refused, Unseen};

/// How long one pod has for all statements.
const TRY_LIMIT: Duration = Duration::from_secs(10);
/// How many pods are asked before giving up.
const TRIES: usize = 3;
/// How long to wait for the reason of a connection that ended at once.
const REASON_LIMIT: Duration = Duration::from_millis(200);

/// The longest answer that is read. A cluster of a thousand members answers a hundredth of it.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Asks the first of a cluster's ready pods that answers. That no pod could be asked is an answer
/// too; only a failure to read Kubernetes itself is an error.
pub(crate) async fn view(link: &Link, scope: &DatabaseScope) -> Result<DatabaseView, Unseen> {
    let pods = ready_pods(link, scope).await?;
    if pods.is_empty() {
        return Ok(DatabaseView::Absent);
    }
    let login = match login(link, scope).await {
        Ok(login) => login,
        Err(why) => return Ok(DatabaseView::Unreachable { why }),
    };
    let mut tried = Vec::new();
    for pod in pods.into_iter().take(TRIES) {
        let limit = || Silence::Here(format!("no answer within {} s", TRY_LIMIT.as_secs()));
        let asked = timeout(TRY_LIMIT, ask(link, scope, &pod, &login)).await;
        match asked.map_err(|_| limit()).flatten() {
            Ok(topology) => return Ok(DatabaseView::Seen(topology)),
            Err(Silence::Everywhere(why)) => return Ok(DatabaseView::Unreachable { why }),
            Err(Silence::Here(why)) => tried.push((pod, why)),
        }
    }
    Ok(DatabaseView::Unreachable { why: summed_up(&tried) })
}

/// Who holds which region replica in a database that has told who its members are, if one of its ready pods tells. It is
/// for a plan to reckon with and nothing depends on it: whatever goes wrong, it is not known.
pub(crate) async fn holdings(
    link: &Link,
    scope: &DatabaseScope,
    topology: &Topology,
) -> Option<Holdings> {
    let (pods, login) = (ready_pods(link, scope).await.ok()?, login(link, scope).await.ok()?);
    for pod in pods.into_iter().take(TRIES) {
        let asked = timeout(TRY_LIMIT, held(link, scope, &pod, &login, topology)).await;
        if let Some(holdings) = asked.ok().flatten() {
            return Some(holdings);
        }
    }
    None
}

async fn held(
    link: &Link,
    scope: &DatabaseScope,
    pod: &str,
    login: &Login,
    topology: &Topology,
) -> Option<Holdings> {
    let engine = driver(scope.engine);
    let answers = answers(link, scope, pod, login, &engine.holdings()).await.ok()?;
    engine.read_holdings(&answers, topology).ok()
}

/// Says something to a database once, through one of its ready pods that is not the member it is about.
/// Each pod is asked something harmless first over the same connection, so that one that cannot answer is
/// told nothing. Once it was sent, no answer leaves it open whether it was done.
pub(crate) async fn say(
    link: &Link,
    scope: &DatabaseScope,
    member: &str,
    statement: &Statement,
) -> Result<(), Refused> {
    let doing = format!("saying `{}`", statement.text);
    let denied = |why: String| Refused::Denied(format!("{doing}: {why}"));
    let pods = ready_pods(link, scope).await.map_err(|unseen| denied(unseen.to_string()))?;
    let login = login(link, scope).await.map_err(denied)?;
    let mut tried = Vec::new();
    for pod in pods.into_iter().filter(|pod| pod != member).take(TRIES) {
        let sent = Cell::new(false);
        let asked = timeout(TRY_LIMIT, tell(link, scope, &pod, &login, statement, &sent)).await;
        match asked.map_err(|_| Silence::Here("no answer in time".to_owned())).flatten() {
            Ok(answer) => return statement.settled(answer).map_err(Refused::Denied),
            Err(Silence::Here(why) | Silence::Everywhere(why)) if sent.get() => {
                return Err(Refused::Unknown(format!("{doing} to {pod}: {why}")));
            }
            Err(Silence::Everywhere(why)) => return Err(denied(why)),
            Err(Silence::Here(why)) => tried.push((pod, why)),
        }
    }
    Err(denied(match tried.is_empty() {
        true => "no other member is ready to be told".to_owned(),
        false => summed_up(&tried),
    }))
}

/// Says one statement to one pod, and notes when it is about to be sent.
async fn tell(
    link: &Link,
    scope: &DatabaseScope,
    pod: &str,
    login: &Login,
    statement: &Statement,
    sent: &Cell<bool>,
) -> Result<Answer, Silence> {
    let mut forward = forwarded(link, scope, pod).await?;
    let stream = forward.take_stream(scope.port).ok_or_else(not_forwarded)?;
    let line = Line::open(TokioIo::new(stream), scope.engine, login).await?;
    let answer = tell_over(line, statement, sent, || link.is_over_after(Duration::ZERO)).await;
    forward.abort();
    answer
}

/// Says one statement over a connection that has answered something harmless, if there is time left.
async fn tell_over(
    mut line: Line<'_>,
    statement: &Statement,
    sent: &Cell<bool>,
    is_late: impl Fn() -> bool,
) -> Result<Answer, Silence> {
    if let Some(harmless) = driver(line.engine).survey().first() {
        line.say(harmless).await?;
    }
    if is_late() {
        return Err(Silence::Everywhere("there was no time left to send it".to_owned()));
    }
    sent.set(true);
    Ok(line.say(statement).await?)
}

impl From<String> for Silence {
    fn from(why: String) -> Self {
        Self::Here(why)
    }
}

/// Why a pod gave no view.
enum Silence {
    /// Another one may.
    Here(String),
    /// No other will: asking on would only look like guessing at passwords.
    Everywhere(String),
}

/// Each reason once, with the pods it was given by.
fn summed_up(tried: &[(String, String)]) -> String {
    let mut pods_by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (pod, why) in tried {
        pods_by_reason.entry(why).or_default().push(pod);
    }
    let parts: Vec<String> =
        pods_by_reason.iter().map(|(why, pods)| format!("{}: {why}", pods.join(", "))).collect();
    parts.join("; ")
}

/// Pods that may be asked, by name.
async fn ready_pods(link: &Link, scope: &DatabaseScope) -> Result<Vec<String>, Unseen> {
    let wanted = List {
        kind: Kind::Pod,
        namespace: Some(scope.namespace.clone()),
        labels: scope.labels.clone(),
    };
    let mut names: Vec<String> = list(link, &wanted)
        .await?
        .items
        .iter()
        .filter(|pod| is_ready(pod))
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// An `Authorization` header. It has no `Debug`, so that it cannot be printed by accident.
pub(crate) struct Login(String);

impl Login {
    fn basic(user: &str, password: &str) -> Self {
        Self(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

async fn login(link: &Link, scope: &DatabaseScope) -> Result<Login, String> {
    let Some(name) = &scope.credentials else {
        let (user, password) = driver(scope.engine).default_login();
        return Ok(Login::basic(user, password));
    };
    let namespace = scope.namespace.as_str();
    let address = format!("Secret/{namespace}/{name}");
    let path = format!("/api/v1/namespaces/{}/secrets/{}", encoded(namespace), encoded(name));
    let secret = link.read(&path).await.map_err(|trouble| {
        let ask = Asked { verb: "get", resource: "secrets", group: "", namespace: Some(namespace) };
        format!("reading its credentials in {address}: {}", trouble.explain(&ask))
    })?;
    read_login(&secret).map_err(|why| format!("{address} {why}"))
}

pub(crate) fn read_login(secret: &Value) -> Result<Login, String> {
    let text = |key: &str| {
        let encoded = secret["data"][key].as_str().ok_or(format!("has no key `{key}`"))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| format!("holds no base64 in `{key}`"))?;
        String::from_utf8(bytes).map_err(|_| format!("holds no text in `{key}`"))
    };
    // A line end comes in easily with `--from-file` and is never meant.
    let trimmed = |text: String| text.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Login::basic(&trimmed(text("user")?), &trimmed(text("password")?)))
}

/// Sends every statement of a survey to one pod.
async fn ask(
    link: &Link,
    scope: &DatabaseScope,
    pod: &str,
    login: &Login,
) -> Result<Topology, Silence> {
    let engine = driver(scope.engine);
    let answers = answers(link, scope, pod, login, &engine.survey()).await?;
    engine.read(&answers).map_err(|unreadable| match unreadable {
        Unreadable::Refused { .. } => Silence::Everywhere(unreadable.to_string()),
        _ => Silence::Here(unreadable.to_string()),
    })
}

/// What one pod answers to reading statements, over a forwarded port.
async fn answers(
    link: &Link,
    scope: &DatabaseScope,
    pod: &str,
    login: &Login,
    statements: &[Statement],
) -> Result<Vec<Answer>, Silence> {
    let mut forward = forwarded(link, scope, pod).await?;
    let stream = forward.take_stream(scope.port).ok_or_else(not_forwarded)?;
    let reason = forward.take_error(scope.port);
    let answers = converse(TokioIo::new(stream), scope.engine, login, statements).await;
    forward.abort();
    let why = match answers {
        Ok(answers) => return Ok(answers),
        Err(why) => why,
    };
    // The node's own words, e.g. "connection refused", come on a channel of their own.
    let said = match reason {
        Some(reason) => timeout(REASON_LIMIT, reason).await.ok().flatten(),
        None => None,
    };
    Err(Silence::Here(said.map_or(why, |said| said.trim().to_owned())))
}

async fn forwarded(
    link: &Link,
    scope: &DatabaseScope,
    pod: &str,
) -> Result<Portforwarder, Silence> {
    let pods: Api<Pod> = Api::namespaced(link.client.clone(), &scope.namespace);
    let forward = pods.portforward(pod, &[scope.port]).await;
    forward.map_err(|error| forward_trouble(link, scope, &error))
}

fn not_forwarded() -> Silence {
    Silence::Here("the port was not forwarded".to_owned())
}

fn forward_trouble(link: &Link, scope: &DatabaseScope, error: &kube::Error) -> Silence {
    let ask = Asked {
        verb: "get,create",
        resource: "pods/portforward",
        group: "",
        namespace: Some(&scope.namespace),
    };
    let trouble = match error {
        kube::Error::Api(status) => Trouble::Failed(Failure {
            code: status.code,
            reason: status.reason.clone(),
            message: status.message.clone(),
            causes: Vec::new(),
        }),
        other => Trouble::Broken(broken(&link.server, other)),
    };
    let why = format!("forwarding port {}: {}", scope.port, trouble.explain(&ask));
    match trouble {
        Trouble::Failed(failure) if matches!(failure.code, 401 | 403) => Silence::Everywhere(why),
        _ => Silence::Here(why),
    }
}

/// Speaks HTTP/1.1 over a stream: one connection, one statement after the other.
struct Line<'a> {
    sender: SendRequest<Full<Bytes>>,
    driving: AbortHandle,
    engine: EngineKind,
    login: &'a Login,
}

impl<'a> Line<'a> {
    async fn open<S>(stream: S, engine: EngineKind, login: &'a Login) -> Result<Self, String>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(stream).await.map_err(|error| error.to_string())?;
        let driving = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driving, engine, login })
    }

    async fn say(&mut self, statement: &Statement) -> Result<Answer, String> {
        let answer = match self.engine {
            EngineKind::Iotdb => post(&mut self.sender, statement, self.login).await,
        };
        answer.map_err(|why| format!("`{}`: {why}", statement.text))
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// Says some reading statements over a stream.
async fn converse<S>(
    stream: S,
    engine: EngineKind,
    login: &Login,
    statements: &[Statement],
) -> Result<Vec<Answer>, String>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let mut line = Line::open(stream, engine, login).await?;
    let mut answers = Vec::new();
    for statement in statements {
        answers.push(line.say(statement).await?);
    }
    Ok(answers)
}

async fn post(
    sender: &mut SendRequest<Full<Bytes>>,
    statement: &Statement,
    login: &Login,
) -> Result<Answer, String> {
    let (path, body) = rest::request(statement);
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json")
        .header(AUTHORIZATION, &login.0)
        .body(Full::new(Bytes::from(body.to_string())))
        // The words of this error could quote the header.
        .map_err(|_| "the credentials do not fit into a request".to_owned())?;
    sender.ready().await.map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let code = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => format!("it answers more than {ANSWER_BYTES_MAX} bytes"),
        None => error.to_string(),
    })?;
    rest::parse(code, &body.to_bytes()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::live::scripted::{Reaction, server};

    #[test]
    fn only_pods_that_are_ready_and_stay_are_asked() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        assert!(is_ready(&json!({ "metadata": {}, "status": { "conditions": ready } })));
        let leaving = json!({ "deletionTimestamp": "2026-11-22T09:00:00Z" });
        assert!(!is_ready(&json!({ "metadata": leaving, "status": { "conditions": ready } })));
        let not_yet = json!([{ "type": "Ready", "status": "False" }]);
        assert!(!is_ready(&json!({ "metadata": {}, "status": { "conditions": not_yet } })));
        assert!(!is_ready(&json!({ "metadata": {} })));
    }

    #[test]
    fn a_secret_gives_a_login_and_never_itself() {
        let encode = |text: &str| STANDARD.encode(text);
        let good = json!({ "data": { "user": encode("ana"), "password": encode("pw\n") } });
        assert_eq!(
            read_login(&good).map(|login| login.0),
            Ok(format!("Basic {}", encode("ana:pw")))
        );
        let half = json!({ "data": { "user": encode("ana") } });
        assert_eq!(read_login(&half).err().as_deref(), Some("has no key `password`"));
        let odd = json!({ "data": { "user": "swordfish!", "password": encode("x") } });
        let why = read_login(&odd).err().expect("no base64");
        assert!(!why.contains("swordfish"), "{why}");
    }

    #[test]
    fn a_reason_is_said_once_for_all_it_holds_for() {
        let tried = [("a-0", "refused"), ("a-1", "late"), ("a-2", "refused")];
        let tried = tried.map(|(pod, why)| (pod.to_owned(), why.to_owned()));
        assert_eq!(summed_up(&tried), "a-1: late; a-0, a-2: refused");
    }

    /// A member that sends this whatever it is asked, then ends the connection.
    async fn against(answer: &'static str) -> Result<Vec<Answer>, String> {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            let _ = theirs.read(&mut buffer).await;
            let _ = theirs.write_all(answer.as_bytes()).await;
        });
        let login = Login::basic("root", "swordfish");
        let statements = driver(EngineKind::Iotdb).survey();
        converse(TokioIo::new(ours), EngineKind::Iotdb, &login, &statements).await
    }

    /// What is told of a database whose Secret holds this, and whose pod cannot be reached.
    async fn told(secret: Value, door: Reaction) -> String {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let pod = json!({ "metadata": { "name": "a-0" }, "status": { "conditions": ready } });
        let pods = Reaction::Says(200, json!({ "metadata": {}, "items": [pod] }));
        let scope = DatabaseScope {
            cluster: "a".to_owned(),
            engine: EngineKind::Iotdb,
            namespace: "tsdb".to_owned(),
            labels: crate::object::Labels::new(),
            port: 18080,
            credentials: Some("root".to_owned()),
        };
        let run = async {
            let (link, _) = server(vec![pods, Reaction::Says(200, secret), door]).await;
            view(&link, &scope).await
        };
        let view = tokio::task::LocalSet::new().run_until(run).await.expect("pods were listed");
        format!("{view:?}")
    }

    const REMOVE: &str = "REMOVE DATANODE 7";

    /// Tells a member that answers each of these in turn, then hangs up; what came of it, whether it was
    /// sent, and all the member heard.
    async fn told_over(
        answers: Vec<&'static str>,
        late: bool,
    ) -> (Result<Answer, String>, bool, String) {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let hears = tokio::spawn(async move {
            let (mut heard, mut buffer) = (String::new(), [0; 4096]);
            for answer in answers {
                let length = theirs.read(&mut buffer).await.expect("a request");
                heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
                theirs.write_all(head.as_bytes()).await.expect("an answer");
            }
            let length = theirs.read(&mut buffer).await.unwrap_or_default();
            heard + &String::from_utf8_lossy(&buffer[..length])
        });
        let login = Login::basic("root", "root");
        let line = Line::open(TokioIo::new(ours), EngineKind::Iotdb, &login).await.expect("a line");
        let sent = Cell::new(false);
        let told = tell_over(line, &Statement::change(REMOVE), &sent, || late).await;
        let told = told.map_err(|(Silence::Here(why) | Silence::Everywhere(why))| why);
        (told, sent.get(), hears.await.expect("heard"))
    }

    /// Whoever cannot answer something harmless is told nothing; and once it was sent, no answer is not
    /// taken for a refusal.
    #[tokio::test]
    async fn a_statement_is_sent_once_and_only_to_who_answers() {
        const ID: &str = r#"{"column_names":["ClusterId"],"values":[["an id"]]}"#;
        let refusal = r#"{"code":1001,"message":"too few"}"#;
        let (told, sent, heard) = told_over(vec![ID, refusal], false).await;
        assert!(matches!(told, Ok(Answer::Refused { code: 1001, .. })) && sent, "{told:?}");
        assert_eq!(heard.matches(REMOVE).count(), 1);
        let taken = r#"{"code":200,"message":"SUCCESS_STATUS"}"#;
        assert_eq!(told_over(vec![ID, taken], false).await.0, Ok(Answer::Accepted));
        let (told, sent, heard) = told_over(vec![ID], false).await;
        assert!(told.is_err() && sent && heard.contains(REMOVE), "{told:?} {heard}");
        for (answers, late) in [(vec![], false), (vec!["<h1>"], false), (vec![ID], true)] {
            let (told, sent, heard) = told_over(answers, late).await;
            assert!(told.is_err() && !sent && !heard.contains(REMOVE), "{told:?} {heard}");
        }
    }

    #[tokio::test]
    async fn a_password_in_a_secret_is_told_to_nobody() {
        const CANARY: &str = "Kanarienvogel7%";
        let encoded = STANDARD.encode(CANARY);
        let whole = json!({ "data": { "user": STANDARD.encode("root"), "password": encoded } });
        let plain = json!({ "data": { "user": CANARY, "password": CANARY } });
        let no_text = STANDARD.encode([CANARY.as_bytes(), &[0xff]].concat());
        let no_text = json!({ "data": { "user": no_text, "password": no_text } });
        let other = json!({ "data": { CANARY: encoded }, "stringData": { "password": CANARY } });
        for secret in [whole, plain, no_text, other, json!({ "data": encoded })] {
            let no = json!({ "message": "no", "reason": "Forbidden" });
            for door in
                [Reaction::Says(403, no.clone()), Reaction::Says(500, no), Reaction::HangsUp]
            {
                let told = told(secret.clone(), door).await;
                assert!(told.starts_with("Unreachable"), "{told}");
                for form in [CANARY, "Kanarien", &encoded, "S2FuYXJpZW52", "4b616e61", "7%25"] {
                    assert!(!told.contains(form), "{told}");
                }
            }
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let sends = tokio::spawn(async move {
            let _ = theirs.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let mut sent = theirs.write_all(head.as_bytes()).await;
            let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
            while sent.is_ok() {
                sent = theirs.write_all(chunk.as_bytes()).await;
            }
        });
        let login = Login::basic("root", "root");
        let statements = driver(EngineKind::Iotdb).survey();
        let why = converse(TokioIo::new(ours), EngineKind::Iotdb, &login, &statements).await;
        let why = why.expect_err("none");
        assert!(why.ends_with("it answers more than 16777216 bytes"), "{why}");
        sends.await.expect("the member noticed");
    }

    #[tokio::test]
    async fn a_member_that_hangs_up_or_babbles_gave_no_answer() {
        for answer in ["", "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\n<h1>", "garbage\r\n\r\n"]
        {
            let why = against(answer).await.expect_err("no answer");
            assert!(why.starts_with("`SHOW "), "{why}");
            assert!(!why.contains("swordfish"), "{why}");
        }
    }
}
