//! Tests of values: no process, no socket, and a clock only to say what is too slow.

mod apply;
mod fields;
mod fuzzed;
mod hostile;
mod house;
mod planner;
mod sandbox;
mod stacks;

/// Trials live whole lives of clusters by the thousand; a quarter of their time went into memory.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
