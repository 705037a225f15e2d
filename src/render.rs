//! What people and programs read: plans, progress, status, graphs. Pure: a value in, text out.

pub mod drift;
pub mod events;
pub mod graph;
pub mod json;
pub mod outcome;
pub mod outlook;
pub mod paint;
pub mod plan;
pub mod stack;
pub mod status;
pub mod steps;
pub mod text;
pub mod values;
