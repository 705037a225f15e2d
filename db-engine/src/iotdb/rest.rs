//! The REST v2 door of a DataNode, as bytes: requests, answers, and both in reverse for the twin.
//!
//! All shapes are those recorded from 2.0.1-beta. Answers are column-oriented: `values` holds one
//! list for each of `column_names`, and is `[]` when there are no rows. Refusals come as HTTP 200
//! with `code` and `message`; 401 is used for codes 800 (no credentials) and 801 (wrong ones). What
//! is not JSON (an HTML page with status 404, 405, 415 or 500) is no answer at all.

use serde_json::{Map, Value, json};

use crate::statement::{Answer, Mode, Statement, Table};

/// Where reading statements are posted.
pub const QUERY: &str = "/rest/v2/query";
/// Where changing statements are posted.
pub const NON_QUERY: &str = "/rest/v2/nonQuery";
/// Answers a GET without credentials like an accepted change, once clients are served; 503 before.
pub const PING: &str = "/ping";

/// The refusal of a statement sent to the door for the other kind (recorded for both directions).
pub const WRONG_DOOR: (i64, &str) = (301, "EXECUTE_STATEMENT_ERROR");

const SUCCESS: i64 = 200;

/// Something came back that is no answer of the REST service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP {http}: {reason}: {start}")]
pub struct NotAnAnswer {
    /// The HTTP status.
    pub http: u16,
    /// What is wrong with it.
    pub reason: &'static str,
    /// How it starts, at most 120 characters.
    pub start: String,
}

/// The path and the JSON body a statement is posted with, as `application/json`.
pub fn request(statement: &Statement) -> (&'static str, Value) {
    let path = match statement.mode {
        Mode::Read => QUERY,
        Mode::Change => NON_QUERY,
    };
    (path, json!({ "sql": statement.text }))
}

/// What came back for a statement, whatever kind it was.
///
/// # Errors
/// [`NotAnAnswer`] if the body is not JSON of a known shape: the statement's outcome is unknown then.
pub fn parse(http: u16, body: &[u8]) -> Result<Answer, NotAnAnswer> {
    let bad = |reason| NotAnAnswer { http, reason, start: start_of(body) };
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(bad("not a JSON object"));
    };
    if fields.contains_key("values") {
        return table(&fields).map(Answer::Table).ok_or_else(|| bad("not a table"));
    }
    let code = fields.get("code").and_then(Value::as_i64).ok_or_else(|| bad("no code"))?;
    if code == SUCCESS {
        let agrees = http == 200;
        return agrees
            .then_some(Answer::Accepted)
            .ok_or_else(|| bad("success under another status"));
    }
    let message = fields.get("message").and_then(Value::as_str).unwrap_or_default();
    Ok(Answer::Refused { code, message: message.to_owned() })
}

/// The HTTP status and JSON body an answer is sent with. Credentials that are missing or wrong
/// (codes 800 and 801) go with 401, everything else with 200.
pub fn render(answer: &Answer) -> (u16, Value) {
    match answer {
        Answer::Accepted => (200, json!({ "code": SUCCESS, "message": "SUCCESS_STATUS" })),
        Answer::Refused { code, message } => {
            let http = if matches!(code, 800 | 801) { 401 } else { 200 };
            (http, json!({ "code": code, "message": message }))
        }
        Answer::Table(table) => {
            let columns = if table.rows.is_empty() { 0 } else { table.columns.len() };
            let column = |at: usize| -> Vec<Value> {
                table.rows.iter().map(|row| row.get(at).cloned().unwrap_or_default()).collect()
            };
            let values: Vec<Vec<Value>> = (0..columns).map(column).collect();
            let body = json!({
                "expressions": null,
                "column_names": table.columns,
                "data_types": null,
                "timestamps": null,
                "values": values,
            });
            (200, body)
        }
    }
}

/// The statement a posted request asks for, or the HTTP status and body that turn it away: HTML for
/// an unknown path (404) or a body that is not JSON (500), code 305 for a body without `sql`.
///
/// # Errors
/// The status and body to send instead of an answer.
pub fn asked(path: &str, body: &[u8]) -> Result<Statement, (u16, String)> {
    let mode = match path {
        QUERY => Mode::Read,
        NON_QUERY => Mode::Change,
        _ => return Err((404, page("Error 404 Not Found"))),
    };
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err((500, page("Error 500 Request failed.")));
    };
    match fields.get("sql").and_then(Value::as_str) {
        Some(sql) => Ok(Statement { text: sql.to_owned(), mode }),
        None => {
            let refusal = json!({ "code": 305, "message": "sql should not be null" });
            Err((200, refusal.to_string()))
        }
    }
}

/// A small HTML page, as the service's web server sends where JSON is not possible.
fn page(title: &str) -> String {
    format!(
        "<html>\n<head>\n<title>{title}</title>\n</head>\n<body><h2>{title}</h2></body>\n</html>\n"
    )
}

/// Columns turned into rows. `None` if the lists do not fit each other.
fn table(fields: &Map<String, Value>) -> Option<Table> {
    let lists = fields.get("values")?.as_array()?;
    let mut columns = names(fields.get("column_names"))?;
    let mut lists: Vec<&Vec<Value>> = lists.iter().map(Value::as_array).collect::<Option<_>>()?;
    if columns.is_empty() {
        // A SELECT names its columns in `expressions` and keeps the time apart.
        columns = names(fields.get("expressions"))?;
        if let Some(times) = fields.get("timestamps").and_then(Value::as_array) {
            columns.insert(0, "Time".to_owned());
            if !lists.is_empty() {
                lists.insert(0, times);
            }
        }
    }
    if lists.is_empty() {
        return Some(Table { columns, rows: Vec::new() });
    }
    let height = lists.first()?.len();
    if lists.len() != columns.len() || lists.iter().any(|list| list.len() != height) {
        return None;
    }
    let row = |at: usize| lists.iter().filter_map(|list| list.get(at).cloned()).collect();
    Some(Table { columns, rows: (0..height).map(row).collect() })
}

/// A list of names; an absent or null one is empty. `None` if it holds anything but text.
fn names(value: Option<&Value>) -> Option<Vec<String>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(names)) => {
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        }
        Some(_) => None,
    }
}

/// The first characters of a body, for a message.
fn start_of(body: &[u8]) -> String {
    // 480 bytes hold 120 characters of any length; a cut character becomes a replacement mark.
    let head = body.get(..480).unwrap_or(body);
    String::from_utf8_lossy(head).chars().take(120).collect()
}
