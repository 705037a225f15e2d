//! Where the TOML itself is broken, in words, and which part of the file is not to be judged further.

use std::ops::Range;

use toml::de::Error;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;

/// Makes a mistake of every syntax error; one a line, as what follows on a line follows from the first.
pub(super) fn report(text: &str, errors: &[Error], found: &mut Findings) {
    let mut said = 0;
    // Where the last reported break ends, and where the lines under a header that came twice end.
    let mut line_end = 0;
    let mut twice_end = 0;
    // The parser finds broken values later than broken lines.
    let mut errors: Vec<_> =
        errors.iter().map(|error| (within(text, error.span().unwrap_or(0..0)), error)).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, error) in errors {
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let twice = error.message().starts_with("duplicate key");
        if (said > 0 && span.start < line_end) || (twice && span.start < twice_end) {
            continue;
        }
        line_end = text[span.start..].find('\n').map_or(text.len() + 1, |at| span.start + at + 1);
        let section_end = section_end(text, start);
        if twice && text[start..].starts_with('[') {
            twice_end = section_end;
        }
        let (what, help) = in_words(error.message(), &text[span.clone()]);
        let mut mistake = Mistake::new(what).label(span, "here");
        mistake.help = help.map(str::to_owned);
        found.torn(mistake, start..section_end);
        said += 1;
        if said == ERRORS_MAX {
            return;
        }
    }
}

/// A file with more syntax errors is not a stack at all.
const ERRORS_MAX: usize = 200;

/// From a line to the next table header: what is read there may follow from the break.
fn section_end(text: &str, start: usize) -> usize {
    text[start..].find("\n[").map_or(text.len() + 1, |at| start + at + 1)
}

/// A span that is inside the text, between characters.
fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    start..text.ceil_char_boundary(span.end.clamp(start, text.len()))
}

/// What is broken in words of ours where people often slip, else in the parser's, and help.
fn in_words(message: &str, at: &str) -> (String, Option<&'static str>) {
    let bare = at.starts_with(|c: char| c.is_alphabetic());
    if message.starts_with("duplicate key") {
        let help = "a key, and a table's header, may come once; merge the two or rename one";
        return (format!("{} is there twice", quoted(at)), Some(help));
    }
    if message.contains("string values must be quoted")
        || (bare
            && (message.starts_with("invalid float") || message.starts_with("invalid integer")))
    {
        return (format!("the text {} is not in quotes", quoted(at)), Some("put it in quotes"));
    }
    let help = match message {
        m if m.starts_with("key with no value") => Some("write `key = value`, and texts in quotes"),
        m if m.contains("recursion") => Some("nothing in a stack is nested this deep"),
        _ => None,
    };
    (format!("this is not TOML: {message}"), help)
}
