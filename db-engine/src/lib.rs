//! What tsinfra knows about the databases: values in, values out; no Kubernetes, no socket, no clock.
//!
//! The rooms, ground first; a room imports only rooms above it in this list.

pub mod cluster;
pub mod statement;
pub mod workload;
pub mod placement;
pub mod holdings;
pub mod engine;
pub mod iotdb;
pub mod drivers;
