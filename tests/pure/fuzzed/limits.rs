//! Files and answers that are too deep, too wide or too long: answered in no time.

use tsinfra::stack::FILE_BYTES_MAX;

use super::targets::TARGETS;
use super::{patience, survive};

/// How large they are: as large as a stack may be, and in the fast tests a fourth of it.
fn size() -> usize {
    if patience().is_some() { FILE_BYTES_MAX } else { FILE_BYTES_MAX / 4 }
}

/// A text that repeats a piece between a head and a tail.
fn much(head: &str, piece: &str, tail: &str) -> Vec<u8> {
    let times = (size() - head.len() - tail.len()) / piece.len();
    format!("{head}{}{tail}", piece.repeat(times)).into_bytes()
}

/// Numbered pieces.
fn many(head: &str, piece: impl Fn(usize) -> String, tail: &str) -> Vec<u8> {
    let mut text = head.to_owned();
    for n in 0.. {
        let next = piece(n);
        if text.len() + next.len() + tail.len() > size() {
            break;
        }
        text.push_str(&next);
    }
    (text + tail).into_bytes()
}

/// What any parser may be given.
fn of_any_kind() -> Vec<Vec<u8>> {
    vec![
        much("", "[", ""),
        much("", "{\"a\":", ""),
        much("", "{\"metadata\":", ""),
        much("\"", "x", "\""),
        much("{\"format\":\"", "1", "\"}"),
        much("{\"format\":", "1", "}"),
        much("{\"", "a", "\":1}"),
        much("", "\u{1b}", ""),
        much("", "\u{202e}", ""),
        much("", "\n", ""),
        much("", "\0", ""),
        much("", "9", ""),
        much("", ".a", ""),
        much("[", "1,", "1]"),
        many("{", |n| format!("\"k{n}\":{{}},"), "\"k\":1}"),
    ]
}

fn of_stacks() -> Vec<Vec<u8>> {
    let million = "[t]\n".repeat(1_000_000).into_bytes();
    vec![
        million,
        much("", "[t]\n", ""),
        much("", "[[t]]\n", ""),
        much("a", ".a", " = 1"),
        much("[a", ".a", "]"),
        much("a = ", "{ a = ", ""),
        much("a = \"", "\\u001b", "\""),
        much("[stack]\nname = \"", "x", "\""),
        much("# ", "\u{754c}", "\n[stack]\nname = 7"),
        many("", |n| format!("[t{n}]\n"), ""),
        many("", |n| format!("[storage.t{n}]\n"), ""),
        many("", |n| format!("[cluster.c.pool.p{n}]\nrole = 1\n"), ""),
        many("", |n| format!("k{n} = {{ a = [ {n}, ] }}\n"), ""),
        many("[cluster.c.iotdb.settings]\n", |n| format!("s{n} = {n}\n"), ""),
    ]
}

fn of_objects() -> Vec<Vec<u8>> {
    let labels =
        many("{\"metadata\":{\"labels\":{", |n| format!("\"k{n}\":\"v\","), "\"k\":\"v\"}}}");
    let head = "{\"metadata\":{\"managedFields\":[{\"manager\":\"m\",\"fieldsV1\":{\"f:data\":{";
    let owned = many(head, |n| format!("\"f:k{n}\":{{}},"), "\"f:k\":{}}}]}}");
    let ports = many("{\"spec\":{\"ports\":[", |n| format!("{{\"port\":{n}}},"), "{}]}}");
    let cause = "{\"reason\":\"FieldManagerConflict\",\"field\":\".a\",\"message\":\"\\\"m\\\"\"}";
    let causes = much("{\"details\":{\"causes\":[", &format!("{cause},"), &format!("{cause}]}}}}"));
    let event = "{\"type\":\"Warning\",\"involvedObject\":{\"kind\":\"Pod\"}}";
    let events = much("{\"items\":[", &format!("{event},"), &format!("{event}]}}"));
    vec![labels, owned, ports, causes, events]
}

fn of_databases() -> Vec<Vec<u8>> {
    let column = |name: &str| format!("{{\"column_names\":[\"{name}\"],\"values\":[[");
    vec![
        much(&column("ClusterId"), "\"x\",", "\"x\"]]}"),
        much("{\"column_names\":[", "\"a\",", "\"a\"],\"values\":[]}"),
        much("{\"values\":[", "[],", "[]]}"),
        much("{\"code\":800,\"message\":\"", "\\u001b", "\"}"),
        much("<html>", "x", ""),
    ]
}

#[test]
fn what_is_too_deep_wide_or_long_is_answered_in_no_time() {
    let (mut tried, mut broken) = (0, Vec::new());
    for (name, body) in TARGETS {
        let mut inputs = of_any_kind();
        // Some fifty pages each, so fewer of them, and shorter.
        if name == "shown" {
            inputs.truncate(5);
            inputs.iter_mut().for_each(|input| input.truncate(size() / 3));
        }
        inputs.extend(match name {
            "stack" => of_stacks(),
            "object" => of_objects(),
            "database" => of_databases(),
            _ => Vec::new(),
        });
        for input in inputs {
            tried += 1;
            broken.extend(survive(name, body, &input).err());
        }
    }
    println!("limits: {tried} inputs of {} bytes, {} broken", size(), broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
