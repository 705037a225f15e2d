//! What the bench measures with, and numbers that are the same each time.

/// Runs something, and says how many milliseconds of a CPU it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = on_cpu();
    let done = work();
    (done, (on_cpu() - before) / 1e6)
}

/// Forgets how much memory was used, so that [`peak`] tells of what comes.
pub(crate) fn forget_peak() {
    // Where this is not allowed, the peak is that since the start.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process had, in MB of a million bytes.
pub(crate) fn peak() -> f64 {
    let all = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = all.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

/// Nanoseconds this process was on a CPU.
fn on_cpu() -> f64 {
    let all = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    all.split_whitespace().next().and_then(|it| it.parse().ok()).unwrap_or(0.0)
}

/// The same numbers each time (splitmix64, Steele, Lea and Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// One of those left, all of them again once none is.
    pub(crate) fn draw(&mut self, left: &mut Vec<u32>, all: impl FnOnce() -> Vec<u32>) -> u32 {
        if left.is_empty() {
            left.extend(all());
        }
        let place = self.next() % left.len() as u64;
        left.swap_remove(usize::try_from(place).unwrap_or_default())
    }
}
