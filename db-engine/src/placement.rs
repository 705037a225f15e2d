//! Where region replicas go, and in which rounds they go there: values in, values out.
//!
//! Members and region groups are known by their place in the caller's list, so that nothing here is as large as the
//! largest id an engine has ever given out.

pub mod apart;
pub mod certificate;
mod chain;
mod colouring;
mod draft;
pub mod estimate;
pub mod evacuate;
mod exact;
pub mod fill;
pub mod forecast;
pub mod hindrance;
pub mod layout;
pub mod leaders;
mod level;
mod levels;
mod repair;
mod residents;
pub mod rounds;
mod search;
mod shares;
mod shed;
pub mod split;
pub mod spread;
mod takers;
pub mod timeline;
pub mod why;

/// A region replica that goes from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// Its region group, by its place in the caller's list.
    pub group: u32,
    /// The member that has it, by its place in the caller's list.
    pub from: u32,
    /// The member that gets it.
    pub to: u32,
    /// Its size.
    pub bytes: u64,
}

/// A place or a count in the form it is kept in: there are fewer than four billion of anything.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The largest number both are multiples of (Euclid).
fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}
