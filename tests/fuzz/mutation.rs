//! Inputs made from inputs: bytes and JSON values changed here and there, drawn from a seed.

use serde_json::{Value, json};

/// The longest input made; what is longer is a case of its own.
const BYTES_MAX: usize = 64 * 1024;

/// What parsers stumble over.
const WORDS: [&str; 40] = [
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "9223372036854775807",
    "18446744073709551616",
    "-0.0",
    "\"\"",
    "[]",
    "{}",
    "[[",
    "{{",
    "}",
    "]",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\n",
    "\r\n",
    "\0",
    "\u{1b}[2J",
    "\u{9b}31m",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\u{e0041}",
    "\u{754c}",
    "=",
    "#",
    ".",
    ",",
    ":",
    "/",
    "'''",
    "\"\"\"",
    "[[a]]",
    "Running",
    "f:",
];

/// Numbers drawn from a seed (splitmix64): the same ones for everybody.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or_default()
    }
}

/// One of the seeds, changed.
pub(crate) fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let seed = &seeds[dice.below(seeds.len())];
    // Half of what is JSON stays JSON: else little would get beyond the parser.
    if dice.below(2) == 0
        && let Ok(mut value) = serde_json::from_slice::<Value>(seed)
    {
        for _ in 0..=dice.below(3) {
            change(&mut value, dice);
        }
        return value.to_string().into_bytes();
    }
    let mut bytes = seed.clone();
    for _ in 0..=dice.below(4) {
        let other = &seeds[dice.below(seeds.len())];
        cut(&mut bytes, other, dice);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

/// Changes bytes in one place.
fn cut(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let to = (at + dice.below(32)).min(bytes.len());
    match dice.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap_or_default(),
        2 => drop(bytes.drain(at..to)),
        3 => bytes.truncate(at),
        4 => {
            let piece = bytes[at..to].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let from = dice.below(other.len() + 1);
            let piece = other[from..(from + dice.below(200)).min(other.len())].to_vec();
            bytes.splice(at..to, piece);
        }
        _ => drop(bytes.splice(at..at, WORDS[dice.below(WORDS.len())].bytes())),
    }
}

/// Changes one value somewhere in a value.
fn change(value: &mut Value, dice: &mut Dice) {
    let here = dice.below(6) == 0;
    match value {
        Value::Object(map) if !here && !map.is_empty() => {
            let at = dice.below(map.len());
            let name = map.keys().nth(at).cloned().unwrap_or_default();
            match dice.below(12) {
                0 => drop(map.remove(&name)),
                1 => drop(map.insert(WORDS[dice.below(WORDS.len())].to_owned(), odd(dice))),
                2 => {
                    let taken = map.remove(&name).unwrap_or_default();
                    map.insert(format!("{name}{}", WORDS[dice.below(WORDS.len())]), taken);
                }
                _ => change(&mut map[&name], dice),
            }
        }
        Value::Array(list) if !here && !list.is_empty() => {
            let at = dice.below(list.len());
            match dice.below(8) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => change(&mut list[at], dice),
            }
        }
        Value::String(text) if dice.below(2) == 0 => {
            let at = text.floor_char_boundary(dice.below(text.len() + 1));
            text.insert_str(at, WORDS[dice.below(WORDS.len())]);
        }
        other => *other = odd(dice),
    }
}

/// A value nobody expects.
fn odd(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(i64::MAX),
        4 => json!(u64::MAX),
        5 => json!(0.5),
        6 => json!(""),
        7 => json!([]),
        8 => json!({}),
        9 => json!([{ "name": null }, [1, "x"]]),
        _ => json!(WORDS[dice.below(WORDS.len())]),
    }
}
