//! An API server that follows a script: for what a healthy one never does.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::live::request::Link;
use crate::world::Refused;

/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(3);

/// What the server does with a request.
pub(crate) enum Reaction {
    /// Answers with this status and body.
    Says(u16, Value),
    /// Turns it away: come back in a second.
    Busy,
    /// Turns it away: come back in so many seconds.
    BusyFor(u64),
    /// Ends the connection without a word, once it has read the request.
    HangsUp,
    /// Never says anything, and leaves the connection open.
    SaysNothing,
}

/// Requests as they came: method and path.
pub(crate) type Log = Rc<RefCell<Vec<String>>>;

/// The bodies of requests as they came.
pub(crate) type Bodies = Rc<RefCell<Vec<Value>>>;

/// A refusal in a word.
pub(crate) fn word(refused: &Refused) -> &'static str {
    match refused {
        Refused::Stale(_) => "stale",
        Refused::Denied(_) => "denied",
        Refused::Unknown(_) => "unknown",
    }
}

/// Starts a server that reacts so, in this order; has to be called inside a `LocalSet`.
pub(crate) async fn server(script: Vec<Reaction>) -> (Link, Log) {
    let script: RefCell<VecDeque<Reaction>> = RefCell::new(script.into_iter().collect());
    start(Rc::new(move |_: &Heard| script.borrow_mut().pop_front())).await
}

/// The same, for what has to be seen in what is sent.
pub(crate) async fn attentive_server(script: Vec<Reaction>) -> (Link, Bodies) {
    let script: RefCell<VecDeque<Reaction>> = RefCell::new(script.into_iter().collect());
    let bodies = Bodies::default();
    let heard_so_far = Rc::clone(&bodies);
    let answer = move |heard: &Heard| {
        heard_so_far.borrow_mut().push(heard.body.clone());
        script.borrow_mut().pop_front()
    };
    (start(Rc::new(answer)).await.0, bodies)
}

/// Starts a server of one object, whose status somebody writes so often: its version changes with the
/// time, and who sends another version is refused. Each answer takes a few milliseconds.
pub(crate) async fn restless_server(object: Value, every: Duration) -> (Link, Log) {
    let begun = Instant::now();
    let answer = move |heard: &Heard| {
        let version = begun.elapsed().as_millis() / every.as_millis();
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let sent = &heard.body["metadata"]["resourceVersion"];
        if sent.is_null() || *sent == object["metadata"]["resourceVersion"] {
            return Some(Reaction::Says(200, object));
        }
        Some(Reaction::Says(409, json!({ "message": "the object has been modified" })))
    };
    start(Rc::new(answer)).await
}

/// What a server does with a request.
type Answer = Rc<dyn Fn(&Heard) -> Option<Reaction>>;

async fn start(answer: Answer) -> (Link, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let log = Log::default();
    let (its_log, server) = (Rc::clone(&log), address.clone());
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream, Rc::clone(&answer), Rc::clone(&its_log)));
        }
    });
    let mut config = kube::Config::new(address.parse().expect("an address"));
    config.default_retry = false;
    (Link::new(Client::try_from(config).expect("a client"), server, 1), log)
}

async fn serve(mut stream: TcpStream, answer: Answer, log: Log) {
    while let Some(heard) = read(&mut stream).await {
        log.borrow_mut().push(heard.line.clone());
        tokio::time::sleep(LATENCY).await;
        let busy = |seconds: u64| (429, format!("retry-after: {seconds}\r\n"), Value::Null);
        let (code, extra, body) = match answer(&heard) {
            Some(Reaction::Says(code, body)) => (code, String::new(), body),
            Some(Reaction::Busy) => busy(1),
            Some(Reaction::BusyFor(seconds)) => busy(seconds),
            Some(Reaction::SaysNothing) => std::future::pending().await,
            Some(Reaction::HangsUp) | None => return,
        };
        let body = body.to_string();
        let length = body.len();
        let text = format!("HTTP/1.1 {code} X\r\n{extra}content-length: {length}\r\n\r\n{body}");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A request: method and path, and its body.
struct Heard {
    line: String,
    body: Value,
}

/// One request, once its body has come.
async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut text = Vec::new();
    loop {
        text.push(stream.read_u8().await.ok()?);
        if text.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let text = String::from_utf8(text).ok()?.to_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap_or_default())];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = text.split_whitespace();
    let line = format!("{} {}", words.next()?.to_uppercase(), words.next()?.split('?').next()?);
    Some(Heard { line, body: serde_json::from_slice(&body).unwrap_or_default() })
}
