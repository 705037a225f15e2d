//! How much may be worked at a problem: in steps, not in time, so that the outcome is the same each time.

/// What is left to be worked, and sets to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    steps: u64,
    sets: u64,
}

impl Work {
    pub(super) fn of(steps: u64, sets: u64) -> Self {
        Self { steps, sets }
    }

    /// Steps that are left.
    pub(super) fn left(self) -> u64 {
        self.steps
    }

    /// Whether there are so many steps left, which are gone then.
    pub(super) fn spend(&mut self, steps: usize) -> bool {
        let left = self.steps.checked_sub(steps as u64);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether so many sets can be kept.
    pub(super) fn keep(&mut self, sets: u64) -> bool {
        let left = self.sets.checked_sub(sets);
        self.sets = left.unwrap_or(0);
        left.is_some()
    }
}
