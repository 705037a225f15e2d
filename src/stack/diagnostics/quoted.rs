//! Text of the user's as it may be shown: nothing in it moves a cursor or hides what it says.

use crate::wording::harmless;

/// The longest piece of the user's text quoted in a message.
const QUOTE_CHARS_MAX: usize = 60;

/// A piece of the user's text in backticks, harmless and not too long.
pub(in crate::stack) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("`{}...`", harmless(&text[..end])),
        None => format!("`{}`", harmless(text)),
    }
}

/// A line whose secrets are covered, byte for byte: what is quoted behind a key such as `password`.
///
/// No key of a stack takes a secret, so such a line is a mistake; that is no reason to print it.
pub(super) fn covered(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let from = ["password", "passwd", "token"].iter().filter_map(|word| lower.find(word)).min();
    let mut inside = None;
    let mut shown = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        let quote = matches!(c, '"' | '\'') && from.is_some_and(|from| at > from);
        match inside {
            None if quote => inside = Some(c),
            Some(mark) if mark == c => inside = None,
            Some(_) => {
                shown.push_str(&"*".repeat(c.len_utf8()));
                continue;
            }
            None => {}
        }
        shown.push(c);
    }
    shown
}
