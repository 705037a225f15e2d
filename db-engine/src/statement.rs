//! What is said to a database and what it answered, as data.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One statement, and the kind of answer it is sent for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Statement {
    /// The statement in the engine's own language.
    pub text: String,
    /// Whether it reads rows or changes something.
    pub mode: Mode,
}

impl Statement {
    /// A statement that reads rows.
    pub fn read(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: Mode::Read }
    }

    /// A statement that changes something.
    pub fn change(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: Mode::Change }
    }
}

impl Statement {
    /// Whether an answer to a statement that changes something says that it was taken.
    ///
    /// # Errors
    /// The refusal in a sentence, with the engine's own words.
    pub fn settled(&self, answer: Answer) -> Result<(), String> {
        match answer {
            Answer::Accepted => Ok(()),
            Answer::Refused { code, message } => {
                Err(format!("the database refuses `{}` with code {code}: {message}", self.text))
            }
            Answer::Table(_) => Err(format!("the database answers `{}` with a table", self.text)),
        }
    }
}

/// Whether a statement reads or changes: engines take the two at different doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Answers rows.
    Read,
    /// Answers success or a refusal.
    Change,
}

/// What came back for one statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Rows under named columns.
    Table(Table),
    /// The engine took the change; that is no proof that it is done.
    Accepted,
    /// The engine refused, in its own code and words.
    Refused {
        /// The engine's status code.
        code: i64,
        /// The engine's message, as sent.
        message: String,
    },
}

/// Rows under named columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Column names in the order of each row.
    pub columns: Vec<String>,
    /// Rows; each has one value a column.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// Where a column stands, if it is there.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}
