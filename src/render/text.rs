//! Lines that fit, numbers that read, and foreign text made harmless.

pub use crate::wording::{brief, count, harmless, seconds};

/// Columns a line may have.
pub const WIDTH: usize = 100;

/// Characters of somebody else's text that are shown in one place: nobody reads on, and folding and
/// comparing a megabyte takes minutes.
pub const SHOWN_MAX: usize = 10_000;

/// Characters of any name, path or address: no real one is longer.
pub const NAME_MAX: usize = 1000;

/// A sentence folded at [`WIDTH`], its first line after `first`, the others after `rest`.
pub fn fold(text: &str, first: &str, rest: &str) -> String {
    // Names have hyphens in them; a name broken in two cannot be copied.
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let text = brief(text, SHOWN_MAX).replace(['\n', '\t'], " ");
    textwrap::fill(&harmless(&text), options)
}

/// Bytes as people say them: `212 GiB`, `0 B`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut whole = count;
    let mut tenths = 0;
    while whole >= 1024 && unit < UNITS.len() - 1 {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    let fraction = if tenths == 0 { String::new() } else { format!(".{tenths}") };
    format!("{whole}{fraction} {}", UNITS[unit])
}
