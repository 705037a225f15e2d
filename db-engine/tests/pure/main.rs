//! Everything about `db-engine` that can be tested without a cluster, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

mod fit;
mod golden;
mod leave;
mod lost;
mod recorded;
mod rest;
mod rounds;
mod sim;
mod topology;
