//! Trials: whole lives of clusters by the thousand, with faults and with mistakes. Apart from the other
//! tests, because they take every core.

mod mistaken;
mod simulated;

/// A quarter of a trial's time went into memory.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
