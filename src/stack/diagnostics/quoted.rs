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

/// A line whose secrets are covered, byte for byte: what is quoted behind a key such as `password`;
/// all of it where a text of many lines that began behind such a key goes on.
///
/// No key of a stack takes a secret, so such a line is a mistake; that is no reason to print it.
pub(super) fn covered(line: &str, open: Open) -> String {
    if let Some(mark) = open {
        let end = line.find(mark).unwrap_or(line.len());
        let stars = line[..end].bytes().map(|_| '*');
        return stars.chain(line[end..].chars()).collect();
    }
    let from = secret_from(line).unwrap_or(line.len());
    let (mut inside, mut escaped) = (None, false);
    let mut shown = String::with_capacity(line.len());
    for (at, c) in line.char_indices() {
        match inside {
            None if matches!(c, '"' | '\'') => inside = Some(c),
            Some(mark) if mark == c && !escaped => inside = None,
            Some(mark) => {
                escaped = mark == '"' && c == '\\' && !escaped;
                if at >= from {
                    shown.push_str(&"*".repeat(c.len_utf8()));
                    continue;
                }
            }
            None => {}
        }
        shown.push(c);
    }
    shown
}

/// The mark that ends a text of many lines, while one is open that may be a secret.
pub(super) type Open = Option<&'static str>;

/// What is open after a line.
pub(super) fn open_after(line: &str, open: Open) -> Open {
    match open {
        Some(mark) => open.filter(|_| !line.contains(mark)),
        None => {
            let rest = &line[secret_from(line)?..];
            let odd = |mark: &&str| rest.matches(*mark).count() % 2 == 1;
            ["\"\"\"", "'''"].into_iter().find(odd)
        }
    }
}

/// Where a line begins to be about a secret: the names people give to one.
fn secret_from(line: &str) -> Option<usize> {
    const WORDS: [&str; 5] = ["pass", "pwd", "token", "secret", "credential"];
    const SHORTEST: usize = 3;
    // Files of a million short lines are answered in no time, too.
    let mut runs = line.split(|c: char| !c.is_ascii_alphabetic());
    if !runs.any(|letters| letters.len() >= SHORTEST) {
        return None;
    }
    // Secrets an image is pulled with are given by name.
    let lower = line.to_ascii_lowercase().replace("pull_secrets", "pull_others_");
    WORDS.iter().filter_map(|word| lower.find(word)).min()
}
