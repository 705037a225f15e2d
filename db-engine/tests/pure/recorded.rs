//! Lines recorded from a real cluster, and what they are read into.

use db_engine::iotdb::rest;
use db_engine::statement::{Answer, Mode, Statement, Table};
use serde_json::Value;

/// One recorded request with its answer.
pub(crate) struct Line {
    pub(crate) fields: Value,
}

impl Line {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields[name].as_str().unwrap_or_default()
    }

    pub(crate) fn http(&self) -> u16 {
        self.fields["http"].as_u64().and_then(|http| http.try_into().ok()).unwrap()
    }

    /// The body as it was on the wire, but for blanks.
    pub(crate) fn body(&self) -> Vec<u8> {
        match &self.fields["answer"] {
            Value::Null => self.text("answer_text").as_bytes().to_vec(),
            answer => answer.to_string().into_bytes(),
        }
    }

    pub(crate) fn statement(&self) -> Statement {
        let mode = if self.text("path") == rest::QUERY { Mode::Read } else { Mode::Change };
        Statement { text: self.text("sql").to_owned(), mode }
    }

    pub(crate) fn answer(&self) -> Answer {
        rest::parse(self.http(), &self.body()).unwrap()
    }

    pub(crate) fn table(&self) -> Table {
        match self.answer() {
            Answer::Table(table) => table,
            other => panic!("{}: {other:?} is no table", self.text("sql")),
        }
    }
}

/// Answers to the survey at several moments, four lines each.
pub(crate) fn survey() -> Vec<Line> {
    lines(include_str!("recorded/survey.jsonl"))
}

/// Each statement a simulated cluster answers with a table.
pub(crate) fn statements() -> Vec<Line> {
    lines(include_str!("recorded/statements.jsonl"))
}

/// Refusals, and answers that are none.
pub(crate) fn refusals() -> Vec<Line> {
    lines(include_str!("recorded/refusals.jsonl"))
}

fn lines(file: &str) -> Vec<Line> {
    file.lines().map(|line| Line { fields: serde_json::from_str(line).unwrap() }).collect()
}
