//! Which controllers have nothing to do until something they look at changes: a note that saves work,
//! and no part of the state.

use crate::object::Kind;

/// How many controllers there are.
pub(super) const CONTROLLERS_COUNT: usize = 11;

/// What changed when, and who was idle when, both as revisions of the world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Idleness {
    changed: [u64; Kind::ALL.len()],
    idle: [Option<u64>; CONTROLLERS_COUNT],
}

impl Idleness {
    /// An object of a kind has changed.
    pub(super) fn note_change(&mut self, kind: Kind, revision: u64) {
        self.changed[kind as usize] = revision;
    }

    /// A controller had nothing to do.
    pub(super) fn note_idle(&mut self, number: usize, revision: u64) {
        self.idle[number] = Some(revision);
    }

    /// Everyone has to look again.
    pub(super) fn wake_all(&mut self) {
        self.idle = Default::default();
    }

    /// Whether a controller had nothing to do, and nothing it looks at has changed since.
    pub(super) fn is_idle(&self, number: usize, reads: &[Kind]) -> bool {
        self.idle[number]
            .is_some_and(|since| reads.iter().all(|kind| self.changed[*kind as usize] <= since))
    }
}

impl PartialEq for Idleness {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
