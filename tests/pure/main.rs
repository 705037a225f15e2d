//! Tests of values: no process, no socket, no clock.

mod apply;
mod fields;
mod hostile;
mod house;
mod planner;
mod sandbox;
mod simulated;
mod stacks;
