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
    for (what, page) in everywhere(&"x".repeat(1 << 20)) {
        let programs =
            what.contains("programs") || what.contains("saved") || what.contains("graph");
        assert!(programs || page.len() < 1 << 19, "{what} is {} bytes", page.len());
    }
}

/// Rule 14: every kind of character that moves a cursor, turns the direction, or has no width.
#[test]
fn every_character_that_moves_or_hides_is_spelt_out() {
    let kinds = [
        "\u{1b}\u{7}\r\u{9b}\u{7f}",
        "\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{202e}",
        "\u{2060}\u{2066}\u{2069}\u{206f}\u{feff}\u{fff9}\u{fffb}",
        "\u{e0001}\u{e0041}\u{e007f}",
    ];
    for character in kinds.iter().flat_map(|kind| kind.chars()) {
        let text = format!("a{character}b");
        let spelt = format!("a{}b", character.escape_unicode());
        assert_eq!(tsinfra::wording::harmless(&text), spelt);
        let json = tsinfra::wording::harmless_json(&text);
        assert!(!json.contains(character), "{json:?}");
    }
    let plain = "grüße, 温度 \u{1f321}";
    assert_eq!(tsinfra::wording::harmless(plain), plain);
}
