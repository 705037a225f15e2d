//! Tests of values: no process, no socket, no clock.

mod house;
mod sandbox;
mod stacks;
