//! What no value says by itself: names once composed, tiers and their users, members and replicas.
//!
//! A check concludes only from what was read without a mistake, so that no slip is reported twice.

mod apart;
mod exposure;
mod members;
mod moved;
mod names;
mod settings;
mod volumes;

use crate::stack::findings::Findings;
use crate::stack::model::Stack;

/// Holds the parts of a stack against each other.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    names::check(stack, found);
    volumes::check(stack, found);
    apart::check(stack, found);
    members::check(stack, found);
    settings::check(stack, found);
    exposure::check(stack, found);
    moved::check(stack, found);
}
