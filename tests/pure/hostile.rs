//! Text from a cluster, a database or a file reaches a reader harmless, wherever it is shown (rule 14).
//!
//! Where that is, is told in `tests/fuzz/shown.rs`; there any text is fed in, here one that shows
//! that it is not simply left out.

use crate::fuzzed::targets::shown::{clean, everywhere};

/// Clears a screen, rings, hides text, turns its direction, starts a line of its own.
const HOSTILE: &str = "x\u{1b}[2J\u{7}\u{9b}31m\u{202e}\u{200b}\r\nError: all is well";

#[test]
fn hostile_text_is_shown_and_harmless_everywhere() {
    let pages = everywhere(HOSTILE);
    assert!(pages.len() > 40, "{} pages", pages.len());
    for (what, page) in pages {
        clean(what, &page);
        // No line that pretends to be ours.
        assert!(!page.lines().any(|line| line.starts_with("Error:")), "{what}: {page}");
        assert!(page.contains("all is well"), "{what} does not show it at all: {page}");
    }
}

/// A text as long as an object may be is cut, not folded for minutes.
#[test]
fn a_text_without_end_is_cut() {
    for (what, page) in everywhere(&"x".repeat(1 << 18)) {
        let programs =
            what.contains("programs") || what.contains("saved") || what.contains("graph");
        assert!(programs || page.len() < 1 << 18, "{what} is {} bytes", page.len());
    }
}
