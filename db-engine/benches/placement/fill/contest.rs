//! Rivals side by side: each is measured the same way, and not begun again where it took too long.

use std::collections::BTreeMap;

use db_engine::placement::Move;
use db_engine::placement::apart::Apart;
use db_engine::placement::layout::Layout;

use crate::leaders::general::MS_MAX;
use crate::meter::{forget_peak, peak, timed};

/// Why there are no moves.
pub(crate) enum Stop {
    /// They are nothing it can find.
    Never(String),
    /// It took too long with sizes and zones like these: how far it came.
    Slow(String),
    /// The same, and it makes no difference what sizes and zones are like.
    SlowForAll(String),
}

/// Finds moves.
pub(crate) type Find = fn(&Layout, Apart) -> Result<Vec<Move>, Stop>;

/// Who finds moves.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    find: Find,
    /// With how many groups it took too long, by what sizes and zones are like.
    slow: BTreeMap<String, usize>,
    slow_for_all: Option<usize>,
}

/// What was measured: milliseconds of a CPU, the most memory in MB, and the moves.
pub(crate) type Measured = (f64, f64, Vec<Move>);

impl Rival {
    pub(crate) fn of(name: &'static str, find: Find) -> Self {
        Self { name, find, slow: BTreeMap::new(), slow_for_all: None }
    }

    /// What it finds, or why it finds nothing.
    pub(crate) fn measure(
        &mut self,
        layout: &Layout,
        apart: Apart,
        kind: &str,
    ) -> Result<Measured, String> {
        let all = [self.slow.get(kind).copied(), self.slow_for_all];
        if let Some(groups) = all.into_iter().flatten().next() {
            return Err(format!("not begun, as {groups} groups took too long"));
        }
        forget_peak();
        let (found, ms) = timed(|| (self.find)(layout, apart));
        let memory = peak();
        match found {
            Ok(moves) => Ok((ms, memory, moves)),
            Err(Stop::Never(why)) => Err(why),
            Err(Stop::Slow(how_far)) => {
                self.slow.insert(kind.to_owned(), layout.group_count());
                Err(format!("{how_far} in {:.0} s", ms / 1e3))
            }
            Err(Stop::SlowForAll(how_far)) => {
                self.slow_for_all = Some(layout.group_count());
                Err(format!("{how_far} in {:.0} s", ms / 1e3))
            }
        }
    }
}

/// Does a little of something again and again until it is done, unless that takes too long.
pub(crate) fn by_and_by(mut is_done: impl FnMut() -> bool) -> Option<()> {
    let mut spent = 0.0;
    loop {
        let (done, ms) = timed(&mut is_done);
        spent += ms;
        match (done, spent > MS_MAX) {
            (true, _) => return Some(()),
            (false, true) => return None,
            (false, false) => {}
        }
    }
}
