//! Plans under fire: a run in the sandbox with faults at chosen effects, the safety rules checked after
//! everything that happens, and plain runs after it that must come to the same end.
//!
//! Deterministic: the same world, stack and faults give the same journal. What is tried is the
//! product's own planning and applying; only the world is made to fail. A shape of this kind found
//! 46 bugs in ten operators (Sieve, OSDI '22; research E §1.1): an exhaustive place for each fault
//! instead of a lucky one, and a second actor besides crashes.

mod conduct;
pub mod fault;
pub mod faulty;
pub mod forecast;
pub mod matrix;
mod mischief;
mod reading;
pub mod rules;
pub mod scene;
pub mod soak;
pub mod told;
pub mod traces;
pub mod trial;
mod way;
