//! Everything about `db-engine` that can be tested without a cluster, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod estimate;
mod evacuate;
mod extremes;
mod fill;
mod fit;
mod forecast;
mod golden;
mod holdings;
mod leaders;
mod leave;
mod lost;
mod recorded;
mod rest;
mod rounds;
mod sim;
mod split;
mod spread;
mod timeline;
mod topology;
mod why;
