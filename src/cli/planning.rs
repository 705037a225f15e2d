//! Plans for the verbs, and the runtime they are made on.

use super::aloud::aloud;
use super::exit::Failure;
use super::screen::Screen;
use super::source::Source;
use crate::plan::selection::Selection;
use crate::plan::{Plan, Purpose};
use crate::survey::{self, NoPlan, Request};
use crate::world::World;

/// Makes a plan of a stack file.
pub(super) async fn plan<W: World>(
    world: &W,
    source: &Source,
    purpose: Purpose,
    consents: &[String],
    selection: &Selection,
) -> Result<Plan, Failure> {
    let request = Request { stack: &source.stack, digest: &source.digest, purpose, consents };
    let plan = aloud(world, survey::part(world, &request, selection), Screen::aside).await;
    of(source, plan)
}

/// Makes the plan by which one member is replaced.
pub(super) async fn replacement<W: World>(
    world: &W,
    source: &Source,
    member: &str,
) -> Result<Plan, Failure> {
    let (stack, digest, purpose) = (&source.stack, source.digest.as_str(), Purpose::Apply);
    let request = Request { stack, digest, purpose, consents: &[] };
    let plan = aloud(world, survey::replacement(world, &request, member), Screen::aside).await;
    of(source, plan)
}

fn of(source: &Source, plan: Result<Plan, NoPlan>) -> Result<Plan, Failure> {
    let mut plan = plan.map_err(|why| match why {
        NoPlan::Unseen(unseen) => unseen.into(),
        NoPlan::Circle(circle) => Failure::plain(circle.to_string()),
        NoPlan::Unknown(unknown) => Failure::plain(unknown.to_string()),
        NoPlan::NoMember(no_member) => Failure::plain(no_member.to_string()),
    })?;
    plan.basis.stack_file = Some(source.file.clone());
    Ok(plan)
}

/// The runtime verbs that touch a world run on: one thread, built only when needed.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::plain(format!("no runtime could be started: {error}")))
}
