//! Walks parsed TOML: each value is asked for by what it should be, and answers or is a mistake.

mod value;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable};

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::{Findings, Path};
use crate::stack::nearest::nearest;

pub(super) use value::Value;

/// The only list of tables a stack has: its tables have no names.
pub(super) const MOVED: &str = "moved";

/// A table whose keys are known.
pub(super) struct Table<'a> {
    path: Path,
    place: Range<usize>,
    entries: &'a DeTable<'a>,
    keys: &'static [&'static str],
    /// Keys that a mistyped one was probably meant to be: not also said to be missing.
    meant: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The table of a whole file.
    pub(super) fn root(
        entries: &'a DeTable<'a>,
        keys: &'static [&'static str],
        found: &mut Findings,
    ) -> Self {
        Self::open(Vec::new(), 0..0, entries, keys, found)
    }

    /// The table that a value is.
    pub(super) fn of(
        value: &Value<'a>,
        keys: &'static [&'static str],
        found: &mut Findings,
    ) -> Option<Self> {
        let entries = value.entries(found)?;
        Some(Self::open(value.path().clone(), value.place(), entries, keys, found))
    }

    /// Takes a table and says which of its keys do not exist.
    fn open(
        path: Path,
        place: Range<usize>,
        entries: &'a DeTable<'a>,
        keys: &'static [&'static str],
        found: &mut Findings,
    ) -> Self {
        let mut table = Self { path, place, entries, keys, meant: Vec::new() };
        for (key, value) in entries {
            if !keys.contains(&key.get_ref().as_ref()) {
                table.unknown(key, value.get_ref().is_table(), found);
            }
        }
        table
    }

    fn unknown(&mut self, key: &Spanned<DeString<'_>>, is_table: bool, found: &mut Findings) {
        // Tables of tables are written in several places: one of them may be misspelt alone.
        let free = self.keys.iter().copied();
        let free = free.filter(|key| is_table || !self.entries.contains_key(*key));
        let meant = nearest(key.get_ref(), free);
        self.meant.extend(meant);
        let list: Vec<String> = self.keys.iter().map(|key| format!("`{key}`")).collect();
        let are = if list.len() == 1 { "only key here is" } else { "keys here are" };
        let list = list.join(", ");
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`? The {are} {list}"),
            None => format!("the {are} {list}"),
        };
        let message = format!("unknown key {} in {}", quoted(key.get_ref()), self.title());
        found.strange(Mistake::new(message).label(key.span(), "no such key").help(help));
        if let Some(meant) = meant {
            found.flaw(&self.path_of(meant));
        }
    }

    /// How a message names the table.
    fn title(&self) -> String {
        if self.path.is_empty() {
            return "the stack".to_owned();
        }
        if let [list, _index] = self.path.as_slice()
            && list == MOVED
        {
            return quoted(&format!("[[{list}]]"));
        }
        quoted(&format!("[{}]", self.path.join(".")))
    }

    /// Where its header, or the inline table, stands.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, key: &str) -> Path {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        path
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str, found: &mut Findings) -> Option<Value<'a>> {
        assert!(self.keys.contains(&key), "{key} is not among the keys of {}", self.title());
        let (name, value) = self.entries.get_key_value(key)?;
        Some(Value::new(self.path_of(key), name.span(), value, found))
    }

    /// The value of a key that must be there; `example` shows what to add.
    pub(super) fn need(
        &self,
        key: &'static str,
        example: &str,
        found: &mut Findings,
    ) -> Option<Value<'a>> {
        let value = self.get(key, found);
        if value.is_none() {
            found.flaw(&self.path_of(key));
            if !self.meant.contains(&key) {
                let message = match self.path.as_slice() {
                    [] => format!("there is no `[{key}]` table"),
                    _ => format!("{} lacks `{key}`", self.title()),
                };
                let mistake = Mistake::new(message).label(self.place(), format!("needs `{key}`"));
                found.unfit(mistake.help(format!("add {example}")));
            }
        }
        value
    }
}
