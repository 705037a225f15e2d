//! Words as they may be shown: foreign text made harmless (rule 14), things counted.

use std::borrow::Cow;

/// Text with every character that could move a cursor or hide another spelt out.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}

/// An error with its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A text of at most so many characters; of a longer one, the start and how much was left out.
pub fn brief(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some((end, _)) => {
            let left = text[end..].chars().count();
            format!("{}... ({left} more characters)", &text[..end]).into()
        }
    }
}

/// The text of a JSON value with the same characters spelt out as JSON spells them: it stays the
/// same value. Line ends and blanks between its members stay as they are.
pub fn harmless_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || is_harmless(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

/// Whether a terminal merely prints a character: no control, no change of direction, no width of
/// zero.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        && !matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        && !matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// What a member holds: `no region`, `1 region replica`, `2 region replicas`.
pub fn regions(number: u64) -> String {
    match usize::try_from(number).unwrap_or(usize::MAX) {
        0 => "no region".to_owned(),
        number => count(number, "region replica"),
    }
}

/// Seconds as people say them: `45s`, `15m`, `1h30m`.
pub fn seconds(count: u64) -> String {
    let (hours, minutes, rest) = (count / 3600, count / 60 % 60, count % 60);
    let part = |n: u64, unit: &str| if n == 0 { String::new() } else { format!("{n}{unit}") };
    match part(hours, "h") + &part(minutes, "m") + &part(rest, "s") {
        nothing if nothing.is_empty() => "0s".to_owned(),
        some => some,
    }
}

/// A number with its thousands apart: `1,000,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Thousandths as people say them: `9.1 %`.
pub fn permille(thousandths: u64) -> String {
    format!("{}.{} %", grouped(thousandths / 10), thousandths % 10)
}

/// A span of time in its largest unit: `45 seconds`, `3 days`, `2.5 years`.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(31_557_600, "year"), (604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length);
    let Some((length, unit)) = unit else {
        return count(usize::try_from(seconds).unwrap_or(usize::MAX), "second");
    };
    let tenths = seconds / length * 10 + seconds % length * 10 / length;
    let s = if tenths == 10 { "" } else { "s" };
    match tenths % 10 {
        0 => format!("{} {unit}{s}", grouped(tenths / 10)),
        part => format!("{}.{part} {unit}{s}", grouped(tenths / 10)),
    }
}
