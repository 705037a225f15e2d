//! The twin's HTTP/1.1: one thread a connection, one request after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use db_engine::iotdb::rest;
use db_engine::statement::Answer;
use serde_json::Value;

use super::Shared;

/// How long a quiet connection is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Longer bodies are no statements.
const LONGEST: usize = 1 << 20;

#[derive(Default)]
struct Request {
    method: String,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

/// What is sent back.
struct Reply {
    code: u16,
    kind: &'static str,
    body: String,
}

/// Serves a connection. Where no process would listen it is closed at once.
pub(crate) fn serve(stream: &TcpStream, shared: &Shared) {
    let Ok(at) = stream.local_addr().map(|address| address.ip()) else { return };
    let _ = stream.set_read_timeout(Some(IDLE));
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let Some(reply) = reply(&request, at, shared) else { return };
        let text = format!(
            "HTTP/1.1 {} Twin\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n{}",
            reply.code,
            reply.kind,
            reply.body.len(),
            reply.body
        );
        let mut writer = stream;
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
    let mut words = line.split_whitespace();
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Request::default()
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok().filter(|&n| n <= LONGEST)?,
            "authorization" => request.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn reply(request: &Request, at: IpAddr, shared: &Shared) -> Option<Reply> {
    let serves = shared.serves(at)?;
    if request.path == rest::PING {
        return Some(match (request.method.as_str(), serves) {
            ("GET", true) => json(rest::render(&Answer::Accepted)),
            // Taken from the documentation: the recordings only hold refused connections.
            ("GET", false) => {
                let body =
                    serde_json::json!({ "code": 500, "message": "thrift service is unavailable" });
                json((503, body))
            }
            _ => html(405),
        });
    }
    if !serves {
        return None;
    }
    if request.method != "POST" {
        return Some(html(405));
    }
    let Some(login) = &request.authorization else {
        return Some(refused(800, "INIT_AUTH_ERROR"));
    };
    if !login.starts_with("Basic ") {
        return Some(html(500));
    }
    if !shared.lets_in(at, login) {
        return Some(refused(801, "WRONG_LOGIN_PASSWORD"));
    }
    match rest::asked(&request.path, &request.body) {
        Ok(statement) => shared.answer(at, &statement).map(|answer| json(rest::render(&answer))),
        Err((code, body)) if body.starts_with('{') => {
            Some(Reply { code, kind: "application/json", body })
        }
        Err((code, body)) => Some(Reply { code, kind: "text/html;charset=iso-8859-1", body }),
    }
}

fn refused(code: i64, message: &str) -> Reply {
    json(rest::render(&Answer::Refused { code, message: message.to_owned() }))
}

fn json((code, body): (u16, Value)) -> Reply {
    Reply { code, kind: "application/json", body: body.to_string() }
}

fn html(code: u16) -> Reply {
    let body = format!("<html>\n<head>\n<title>Error {code}</title>\n</head>\n</html>\n");
    Reply { code, kind: "text/html;charset=iso-8859-1", body }
}
