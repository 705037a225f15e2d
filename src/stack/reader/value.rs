//! One value with its path and place, asked for by what it should be.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::duration;
use crate::stack::findings::{Findings, Path, Place};
use crate::stack::nearest::nearest;
use crate::stack::quantity::Quantity;

/// A value of the file. Every question it is asked either has an answer or has become a mistake.
pub(in crate::stack) struct Value<'a> {
    path: Path,
    key: Range<usize>,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    pub(super) fn new(
        path: Path,
        key: Range<usize>,
        value: &'a Spanned<DeValue<'a>>,
        found: &mut Findings,
    ) -> Self {
        found.keep(&path, Place { key: key.clone(), value: value.span() });
        Self { path, key, value }
    }

    /// Where the value stands.
    pub(in crate::stack) fn place(&self) -> Range<usize> {
        self.value.span()
    }

    /// Where its key stands.
    pub(in crate::stack) fn key_place(&self) -> Range<usize> {
        self.key.clone()
    }

    /// The keys that lead to it.
    pub(in crate::stack) fn path(&self) -> &Path {
        &self.path
    }

    /// The last of its keys, as messages name it.
    pub(in crate::stack) fn name(&self) -> String {
        quoted(self.path.last().map_or("", String::as_str))
    }

    /// Says what is wrong with the value, at the value.
    pub(in crate::stack) fn wrong(
        &self,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
        found: &mut Findings,
    ) {
        let mistake = Mistake::new(message).label(self.place(), label).help(help);
        found.wrong(&self.path, mistake);
    }

    fn wrong_type(&self, wanted: &str, help: &str, found: &mut Findings) {
        let is = kind_of(self.value.get_ref());
        self.wrong(format!("{} must be {wanted}, not {is}", self.name()), is, help, found);
    }

    /// A string.
    pub(in crate::stack) fn text(&self, found: &mut Findings) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                self.wrong_type("a string", "put it in quotes", found);
                None
            }
            DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_type("a string", "write one text in quotes", found);
                None
            }
        }
    }

    /// A string for which `rule` has no objection; `what` names what it should be, `help` how.
    pub(in crate::stack) fn text_by(
        &self,
        what: &str,
        rule: impl FnOnce(&str) -> Result<(), String>,
        help: &str,
        found: &mut Findings,
    ) -> Option<String> {
        let text = self.text(found)?;
        match rule(&text) {
            Ok(()) => Some(text),
            Err(reason) => {
                let message = format!("{} is no {what}: {reason}", quoted(&text));
                self.wrong(message, "cannot be used", help, found);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(in crate::stack) fn flag(&self, found: &mut Findings) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.value.get_ref() {
            return Some(*flag);
        }
        self.wrong_type("`true` or `false`", "write `true` or `false`, without quotes", found);
        None
    }

    /// A whole number within bounds; `why` gives the reason for them.
    pub(in crate::stack) fn number(
        &self,
        bounds: RangeInclusive<i64>,
        why: &str,
        found: &mut Findings,
    ) -> Option<i64> {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            let help = "write a whole number without quotes";
            self.wrong_type("a whole number", help, found);
            return None;
        };
        let number = whole(integer).and_then(|number| i64::try_from(number).ok());
        if let Some(number) = number.filter(|number| bounds.contains(number)) {
            return Some(number);
        }
        let (min, max) = bounds.into_inner();
        let message = format!("{} must be from {min} to {max}", self.name());
        self.wrong(message, "out of bounds", why, found);
        None
    }

    /// An amount above zero, such as `10Gi`; `example` shows one of the right kind.
    pub(in crate::stack) fn quantity(
        &self,
        example: &str,
        found: &mut Findings,
    ) -> Option<Quantity> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            // As in every Kubernetes manifest, a bare number is an amount too.
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().to_owned(),
            DeValue::Float(float) => float.as_str().to_owned(),
            _ => {
                let help = format!("write it in quotes, such as `{example}`");
                self.wrong_type("an amount", &help, found);
                return None;
            }
        };
        let reason = match text.parse::<Quantity>() {
            Ok(quantity) if quantity.is_zero() => "it is nothing at all".to_owned(),
            Ok(quantity) => return Some(quantity),
            Err(error) => error.to_string(),
        };
        let message = format!("{} is no amount for {}: {reason}", quoted(&text), self.name());
        let help = format!(
            "write a number and a suffix such as `{example}`: `Ki` `Mi` `Gi` `Ti` count by 1024, \
             `k` `M` `G` `T` by 1000, `m` is a thousandth"
        );
        self.wrong(message, "not an amount", help, found);
        None
    }

    /// An amount of whole bytes above zero.
    pub(in crate::stack) fn bytes(&self, example: &str, found: &mut Findings) -> Option<Quantity> {
        let quantity = self.quantity(example, found)?;
        if quantity.is_whole() {
            return Some(quantity);
        }
        let text = quantity.to_string();
        let message =
            format!("{} is not a whole number of bytes for {}", quoted(&text), self.name());
        let help = match text.strip_suffix('m') {
            Some(number) => format!("`m` is a thousandth; did you mean `{number}Mi`?"),
            None => format!("write an amount such as `{example}`"),
        };
        self.wrong(message, "parts of a byte", help, found);
        None
    }

    /// A length of time in seconds, such as `15m`.
    pub(in crate::stack) fn seconds(&self, found: &mut Findings) -> Option<u64> {
        let help = "write hours, minutes and seconds such as `90s`, `15m` or `1h30m`";
        let DeValue::String(text) = self.value.get_ref() else {
            self.wrong_type("a length of time", help, found);
            return None;
        };
        match duration::seconds(text) {
            Ok(seconds) => Some(seconds),
            Err(reason) => {
                let message = format!("{} is no length of time: {reason}", quoted(text));
                self.wrong(message, "not a length of time", help, found);
                None
            }
        }
    }

    /// One of a few words; `what` names the choice.
    pub(in crate::stack) fn word<T: Copy>(
        &self,
        what: &str,
        words: &[(&str, T)],
        found: &mut Findings,
    ) -> Option<T> {
        self.word_said(what, words, |_| None, found)
    }

    /// One of a few words, with what some of them mean.
    pub(in crate::stack) fn word_said<T: Copy>(
        &self,
        what: &str,
        words: &[(&str, T)],
        meaning: impl Fn(T) -> Option<&'static str>,
        found: &mut Findings,
    ) -> Option<T> {
        let list = one_of(words.iter().map(|(word, choice)| match meaning(*choice) {
            Some(meaning) => format!("`{word}` ({meaning})"),
            None => format!("`{word}`"),
        }));
        let DeValue::String(text) = self.value.get_ref() else {
            self.wrong_type(&format!("the {what}, in quotes"), &format!("write {list}"), found);
            return None;
        };
        if let Some((_, choice)) = words.iter().find(|(word, _)| word == text) {
            return Some(*choice);
        }
        let help = match nearest(text, words.iter().map(|(word, _)| *word)) {
            Some(meant) if words.len() > 1 => format!("did you mean `{meant}`? Write {list}"),
            _ => format!("write {list}"),
        };
        let message = format!("unknown {what} {}", quoted(text));
        self.wrong(message, format!("no such {what}"), help, found);
        None
    }

    /// A table whose keys are names the user chose.
    pub(in crate::stack) fn named(&self, found: &mut Findings) -> Vec<(String, Value<'a>)> {
        let mut values = Vec::new();
        for (key, value) in self.entries(found).into_iter().flatten() {
            let name = key.get_ref().clone().into_owned();
            let mut path = self.path.clone();
            path.push(name.clone());
            values.push((name, Value::new(path, key.span(), value, found)));
        }
        values
    }

    /// The entries of a table.
    pub(super) fn entries(&self, found: &mut Findings) -> Option<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => return Some(entries),
            DeValue::Array(array) if array.iter().any(|item| item.get_ref().is_table()) => {
                let help =
                    "each has a name here: write single brackets and the name, `[TABLE.NAME]`";
                self.wrong_type("a table", help, found);
            }
            _ => {
                let name = self.path.last().map_or("", String::as_str);
                let help = format!("write `{name} = {{ ... }}`, or a `[...]` header of its own");
                self.wrong_type("a table", &help, found);
            }
        }
        None
    }

    /// The values of an array.
    pub(in crate::stack) fn list(&self, found: &mut Findings) -> Vec<Value<'a>> {
        let DeValue::Array(items) = self.value.get_ref() else {
            let help = match self.value.get_ref() {
                DeValue::Table(_) => "write each under a header in double brackets, `[[NAME]]`",
                _ => "put it in `[` and `]`",
            };
            self.wrong_type("an array", help, found);
            return Vec::new();
        };
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let mut path = self.path.clone();
            path.push(index.to_string());
            values.push(Value::new(path, item.span(), item, found));
        }
        values
    }

    /// A table of strings.
    pub(in crate::stack) fn texts(&self, found: &mut Findings) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.named(found) {
            if let Some(text) = value.text(found) {
                texts.insert(name, text);
            }
        }
        texts
    }

    /// Any single value, as the text an engine's configuration has it.
    pub(in crate::stack) fn setting(&self, found: &mut Findings) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => return Some(text.clone().into_owned()),
            DeValue::Boolean(flag) => return Some(flag.to_string()),
            DeValue::Integer(integer) => match whole(integer) {
                Some(number) => return Some(number.to_string()),
                None => {
                    let message = format!("{} is larger than any setting takes", self.name());
                    self.wrong(message, "too large", "write it in quotes if it is meant", found);
                }
            },
            DeValue::Float(float) if float.as_str().ends_with(|c: char| c.is_ascii_digit()) => {
                return Some(float.as_str().to_owned());
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let help = "write a string, a number or a boolean, as the engine's own file has it";
                self.wrong_type("a single value", help, found);
            }
        }
        None
    }
}

/// Choices with commas, the last two with "or".
fn one_of(choices: impl Iterator<Item = String>) -> String {
    let choices: Vec<String> = choices.collect();
    match choices.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The value of an integer in whatever base it is written.
fn whole(integer: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// What a value is, in a message.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
