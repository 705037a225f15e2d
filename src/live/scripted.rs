//! An API server that follows a script: for what a healthy one never does.

use std::cell::RefCell;
use std::rc::Rc;

use kube::Client;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::live::request::Link;

/// What the server does with a request.
pub(crate) enum Reaction {
    /// Answers with this status and body.
    Says(u16, Value),
    /// Turns it away: come back in a second.
    Busy,
    /// Ends the connection without a word, once it has read the request.
    HangsUp,
}

/// Requests as they came: method and path.
pub(crate) type Log = Rc<RefCell<Vec<String>>>;

/// Starts a server that reacts so, in this order; has to be called inside a `LocalSet`.
pub(crate) async fn server(script: Vec<Reaction>) -> (Link, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let log = Log::default();
    let script = Rc::new(RefCell::new(script.into_iter().collect()));
    let (its_log, server) = (Rc::clone(&log), address.clone());
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(stream, Rc::clone(&script), Rc::clone(&its_log)));
        }
    });
    let mut config = kube::Config::new(address.parse().expect("an address"));
    config.default_retry = false;
    (Link { client: Client::try_from(config).expect("a client"), server }, log)
}

type Script = Rc<RefCell<std::collections::VecDeque<Reaction>>>;

async fn serve(mut stream: TcpStream, script: Script, log: Log) {
    while let Some(request) = read(&mut stream).await {
        log.borrow_mut().push(request);
        let reaction = script.borrow_mut().pop_front();
        let (code, extra, body) = match reaction {
            Some(Reaction::Says(code, body)) => (code, "", body),
            Some(Reaction::Busy) => (429, "retry-after: 1\r\n", Value::Null),
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

/// One request: its first two words, once its body has come.
async fn read(stream: &mut TcpStream) -> Option<String> {
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
    Some(format!("{} {}", words.next()?.to_uppercase(), words.next()?.split('?').next()?))
}
