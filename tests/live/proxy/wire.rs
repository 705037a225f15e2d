//! The proxy's HTTP/1.1: what a kube client sends is read, and what the API server says is sent on,
//! watches piece by piece and upgraded connections as bare bytes.

use http_body_util::BodyExt as _;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use hyper::{HeaderMap, Method, Response};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
};
use tokio::net::TcpStream;

use crate::record::Asked;

/// A request as it came.
pub(super) struct Request {
    method: Method,
    /// The path with its query.
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Reads a request; `None` when there is none any more.
pub(super) async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let first = line(stream).await?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.parse().ok()?, words.next()?.to_owned());
    let mut headers = HeaderMap::new();
    loop {
        let line = line(stream).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        let name: hyper::header::HeaderName = name.parse().ok()?;
        headers.append(name, value.trim().parse().ok()?);
    }
    // A body in pieces, which kube's client never sends, would be taken for another request.
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, target, headers, body })
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|&length| length > 0)?;
    Some(line.trim_end().to_owned())
}

impl Request {
    /// What is asked, for the record.
    pub(super) fn asked(&self, run: usize) -> Asked {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let object = match (&self.method, body["metadata"]["name"].as_str()) {
            (&Method::POST, Some(name)) => format!("{path}/{name}"),
            _ => path.to_owned(),
        };
        let dry = query.contains("dryRun=All");
        Asked::new(run, self.method.as_str(), object, dry, body)
    }

    /// The same, for the API server: under the proxy's own name.
    pub(super) fn into_forwarded(self) -> hyper::Request<Body> {
        let mut request = hyper::Request::new(Body::from(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target.parse().expect("a path that kube's client has built");
        *request.headers_mut() = self.headers;
        for name in [HOST, AUTHORIZATION, CONTENT_LENGTH] {
            request.headers_mut().remove(name);
        }
        if !request.headers().contains_key(UPGRADE) {
            request.headers_mut().remove(CONNECTION);
        }
        request
    }
}

/// Refuses a request in the API server's words.
pub(super) async fn refuse(stream: &mut BufReader<TcpStream>, code: u16) -> Option<()> {
    let (reason, message) = match code {
        409 => ("Conflict", "the proxy says: the object has been modified"),
        429 => ("TooManyRequests", "the proxy says: come back later"),
        _ => ("InternalError", "the proxy says: something went wrong"),
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    let body = body.to_string();
    let later = if code == 429 { "retry-after: 1\r\n" } else { "" };
    let kind = "content-type: application/json\r\n";
    let length = format!("content-length: {}\r\n", body.len());
    let head = format!("HTTP/1.1 {code} Refused\r\n{kind}{later}{length}\r\n");
    stream.write_all((head + &body).as_bytes()).await.ok()
}

/// Sends the server's answer on. `None`: nothing more can be asked over this connection.
pub(super) async fn answer(
    stream: &mut BufReader<TcpStream>,
    response: Response<Body>,
) -> Option<()> {
    let upgraded = response.status().as_u16() == 101;
    let mut head = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        let framing = [TRANSFER_ENCODING, CONTENT_LENGTH, CONNECTION].contains(name);
        if upgraded || !framing {
            head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    if upgraded {
        head.extend(b"\r\n");
        stream.write_all(&head).await.ok()?;
        let server = hyper::upgrade::on(response).await.ok()?;
        let _ = copy_bidirectional(stream, &mut TokioIo::new(server)).await;
        return None;
    }
    head.extend(b"transfer-encoding: chunked\r\n\r\n");
    stream.write_all(&head).await.ok()?;
    pieces(stream, response.into_body()).await
}

/// A body in pieces, as they come; it ends early when the client has gone.
async fn pieces(stream: &mut BufReader<TcpStream>, mut body: Body) -> Option<()> {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // It has gone, or asks before it has its answer, which kube's client never does.
            _ = stream.fill_buf() => return None,
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if data.is_empty() {
            continue;
        }
        let piece = [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat();
        stream.write_all(&piece).await.ok()?;
    }
    stream.write_all(b"0\r\n\r\n").await.ok()
}
