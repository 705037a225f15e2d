//! Standard output and standard error: the only place that writes to them.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::args::ColorChoice;
use super::exit::Failure;
use crate::render::paint::Paint;
use crate::render::text::{WIDTH, fold};
use crate::wording::harmless_json;

/// Whether part of an answer could not be written.
static UNWRITTEN: AtomicBool = AtomicBool::new(false);

/// Where answers and errors go, and how they look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Colour of answers.
    pub(super) paint: Paint,
    /// Whether standard error is coloured.
    errors: bool,
    /// Whether answers are JSON.
    json: bool,
}

impl Screen {
    /// Colour as asked, by the kind of output and by NO_COLOR (no-color.org).
    pub(super) fn new(choice: ColorChoice, json: bool) -> Self {
        let wanted = |terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        let colour = wanted(io::stdout().is_terminal());
        Self { paint: Paint { colour }, errors: wanted(io::stderr().is_terminal()), json }
    }

    /// Writes an answer. A reader that has gone away misses it: what runs must not stop for that.
    pub(super) fn print(&self, text: &str) {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if written.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            UNWRITTEN.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an answer could not be written, on a full disk say: then it was not given.
    pub(super) fn is_unwritten(&self) -> bool {
        UNWRITTEN.load(Ordering::Relaxed)
    }

    /// Writes one line of an answer.
    pub(super) fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Writes a value as one line of JSON.
    pub(super) fn json_line(&self, value: &Value) {
        self.line(&harmless_json(&value.to_string()));
    }

    /// Writes a value as JSON for reading.
    pub(super) fn json_page(&self, value: &Value) {
        self.line(&harmless_json(&format!("{value:#}")));
    }

    /// Writes to standard error what is no answer.
    pub(super) fn remark(&self, text: &str) {
        Self::aside(text);
    }

    /// Writes to standard error what needs no colour and is no answer in any format.
    pub(super) fn aside(text: &str) {
        // There is nowhere left to say that standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Writes why the program could not do what it was asked.
    pub(super) fn failure(&self, failure: &Failure) {
        if self.json {
            self.json_line(&as_json(failure));
            return;
        }
        let text = match failure {
            Failure::Stack(mistakes) => mistakes.render(self.errors, WIDTH),
            Failure::Other { what, help, .. } => {
                let mut text = fold(what, "Error: ", "  ");
                if let Some(help) = help {
                    text.push('\n');
                    text.push_str(&fold(help, "  help: ", "        "));
                }
                text
            }
        };
        self.remark(text.trim_end());
    }
}

fn as_json(failure: &Failure) -> Value {
    match failure {
        Failure::Stack(mistakes) => super::validate::as_json(mistakes),
        Failure::Other { what, help, .. } => {
            let mut line = crate::render::json::diagnostic(what);
            line["detail"] = json!(help);
            line
        }
    }
}
