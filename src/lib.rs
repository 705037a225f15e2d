//! tsinfra: declarative infrastructure as code for time-series databases on Kubernetes.
//!
//! The rooms, ground first; a room imports only rooms above it in this list (a test says so).

pub mod object;
pub mod wording;
pub mod fields;
pub mod sealed;
pub mod stack;
pub mod inventory;
pub mod observed;
pub mod lock;
pub mod plan;
pub mod world;
pub mod desired;
pub mod planner;
pub mod survey;
pub mod apply;
pub mod render;
pub mod sandbox;
pub mod rehearsal;
pub mod live;
pub mod cli;
