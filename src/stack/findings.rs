//! What reading a stack has found: mistakes, the place of every key and value, and what cannot be relied on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::stack::diagnostics::Mistake;

/// Keys from the root to a value.
pub(super) type Path = Vec<String>;

/// Where a key and its value stand in the file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// Collects mistakes while a stack is read and checked.
#[derive(Debug, Default)]
pub(super) struct Findings {
    mistakes: Vec<Mistake>,
    places: BTreeMap<Path, Place>,
    flaws: BTreeSet<Path>,
    /// Parts of the file in which the TOML itself is broken: what seems wrong there may be a consequence.
    torn: Vec<Range<usize>>,
}

impl Findings {
    /// A mistake of the TOML itself, which spoils a part of the file.
    pub(super) fn torn(&mut self, mistake: Mistake, part: Range<usize>) {
        self.torn.push(part);
        self.mistakes.push(mistake);
    }

    /// A mistake about something that is there; the value at `path` is not relied on any more.
    pub(super) fn wrong(&mut self, path: &[String], mistake: Mistake) {
        self.flaw(path);
        self.strange(mistake);
    }

    /// A mistake about something that is there and has no meaning: nothing else suffers from it.
    pub(super) fn strange(&mut self, mistake: Mistake) {
        let start = mistake.labels.first().map_or(0, |label| label.span.start);
        if !self.torn.iter().any(|part| part.contains(&start)) {
            self.mistakes.push(mistake);
        }
    }

    /// A mistake about something that is not there, or about how values fit together. In a file
    /// whose TOML is broken it may only seem so.
    pub(super) fn unfit(&mut self, mistake: Mistake) {
        if self.torn.is_empty() {
            self.mistakes.push(mistake);
        }
    }

    /// From here on nothing is concluded from the value at `path`.
    pub(super) fn flaw(&mut self, path: &[String]) {
        self.flaws.insert(path.to_vec());
    }

    /// Whether a path, everything below it and each table around it was read without a mistake.
    pub(super) fn sound(&self, path: &[&str]) -> bool {
        let below = owned(path);
        let next = self.flaws.range(below.clone()..).next();
        next.is_none_or(|flaw| !flaw.starts_with(&below)) && self.reached(path)
    }

    /// Whether a path and each table around it was read, with or without mistakes further below.
    pub(super) fn reached(&self, path: &[&str]) -> bool {
        let path = owned(path);
        (0..=path.len()).all(|end| !self.flaws.contains(&path[..end]))
    }

    /// Keeps where a value stands.
    pub(super) fn keep(&mut self, path: &[String], place: Place) {
        self.places.insert(path.to_vec(), place);
    }

    /// Where the value at a path stands, or the nearest table around it.
    pub(super) fn value(&self, path: &[&str]) -> Range<usize> {
        self.nearest(path).map_or(0..0, |place| place.value.clone())
    }

    /// Whether the file says anything at a path.
    pub(super) fn says(&self, path: &[&str]) -> bool {
        self.places.contains_key(&owned(path))
    }

    /// Where the key at a path stands, or that of the nearest table around it.
    pub(super) fn key(&self, path: &[&str]) -> Range<usize> {
        self.nearest(path).map_or(0..0, |place| place.key.clone())
    }

    fn nearest(&self, path: &[&str]) -> Option<&Place> {
        let mut path = owned(path);
        loop {
            if let Some(place) = self.places.get(&path) {
                return Some(place);
            }
            path.pop()?;
        }
    }

    /// Everything found wrong.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }
}

fn owned(path: &[&str]) -> Path {
    path.iter().map(|key| (*key).to_owned()).collect()
}
