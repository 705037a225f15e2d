//! Desired against observed: what changes, in which order, and what must not be done. Pure.

pub mod basis;
pub mod because;
pub mod claims;
pub mod condemned;
pub mod directories;
pub mod draft;
pub mod drift;
pub mod growth;
pub mod guards;
pub mod halves;
pub mod identities;
pub mod immutable;
pub mod jobs;
pub mod kept;
pub mod leavers;
pub mod lost;
pub mod machines;
pub mod managers;
pub mod objects;
pub mod order;
pub mod orphans;
pub mod outlook;
pub mod ownership;
pub mod parts;
pub mod preparing;
pub mod record;
pub mod recycling;
pub mod removal;
pub mod replacing;
pub mod restarts;
pub mod retirement;
pub mod returning;
pub mod scale_in;
pub mod spread;
pub mod stuck;
pub mod teardown;
pub mod tiers;

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Desired;
use crate::desired::naming::Naming;
use crate::object::ObjectKey;
use crate::observed::Observed;
use crate::plan::drift::learned;
use crate::plan::selection::{Parts, Selection};
use crate::plan::{Basis, Plan, Purpose};
use crate::stack::Stack;
use crate::world::{Draft, Preview};
use draft::PlanDraft;

/// Everything a plan is made from. Same input, same plan, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// The stack, its parts under the names they were made with.
    pub stack: &'a Stack,
    /// What they were called, and are called by now.
    pub naming: &'a Naming,
    /// What it asks for.
    pub desired: &'a Desired,
    /// What is there.
    pub observed: &'a Observed,
    /// What Kubernetes would make of each draft of [`objects::drafts`].
    pub previews: &'a BTreeMap<ObjectKey, Previewed>,
    /// What the plan is for.
    pub purpose: Purpose,
    /// What the plan is pinned to.
    pub basis: &'a Basis,
    /// Addresses the user consents to (`cluster.NAME`, or an object whose fields are taken).
    pub consents: &'a BTreeSet<String>,
}

/// What Kubernetes said of one draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    /// Fields of others the draft sets otherwise: manager and path.
    pub conflicts: Vec<(String, String)>,
    /// What it would store, with those fields taken if they may be.
    pub result: Preview,
}

/// The drafts Kubernetes has to be asked about before [`plan`]: objects that are new or differ.
/// A destroy has none.
pub fn drafts(
    stack: &Stack,
    desired: &Desired,
    observed: &Observed,
    purpose: Purpose,
) -> Vec<Draft> {
    match purpose {
        Purpose::Apply | Purpose::Refresh => objects::drafts(stack, desired, observed),
        Purpose::Adopt => ownership::drafts(stack, desired, observed),
        Purpose::Destroy | Purpose::Forget => Vec::new(),
    }
}

/// Makes the plan.
pub fn plan(input: &PlanInput<'_>) -> Plan {
    part(input, &Selection::default())
}

/// Makes the plan, and keeps the part of it that is asked for.
pub fn part(input: &PlanInput<'_>, selection: &Selection) -> Plan {
    let mut draft = PlanDraft::default();
    guards::identity(input, &mut draft);
    match input.purpose {
        Purpose::Apply => {
            guards::names(input, &mut draft);
            guards::shape(input, &mut draft);
            retirement::check(input, &mut draft);
            orphans::check(input, &mut draft);
            tiers::classes(input, &mut draft);
            tiers::volumes(input, &mut draft);
            machines::check(input, &mut draft);
            directories::check(input, &mut draft);
            guards::downgrades(input, &mut draft);
            claims::stale(input, &mut draft);
            identities::check(input, &mut draft);
            replacing::check(input, &mut draft);
            replacing::tell(input, &mut draft);
            halves::check(input, &mut draft);
            kept::check(input, &mut draft);
            kept::tell_deferred(input, &mut draft);
            claims::tell_leaving(input, &mut draft);
            condemned::tell_left(input, &mut draft);
            objects::changes(input, &mut draft);
            growth::claims(input, &mut draft);
            tiers::shared_machines(input, &mut draft);
            drift::tell(input, &mut draft);
            order::steps(input, &mut draft);
            // A volume that is cleared may be one the member that is replaced waits for.
            let cleared = recycling::steps(input, &mut draft);
            replacing::steps(input, &mut draft);
            condemned::left_claims(input, &mut draft);
            identities::steps(input, &mut draft);
            retirement::rest(input, &mut draft);
            let mut helpers = preparing::steps(input, &mut draft);
            helpers.extend(cleared);
            jobs::leftovers(input, &mut draft, &helpers);
            teardown::what_the_stack_dropped(input, &mut draft);
            outlook::tell(input, &mut draft);
        }
        Purpose::Destroy => {
            drift::tell(input, &mut draft);
            teardown::everything(input, &mut draft);
            jobs::leftovers(input, &mut draft, &BTreeSet::new());
        }
        Purpose::Refresh => return refresh(input, draft),
        Purpose::Adopt => return ownership::adopt(input, draft, selection),
        Purpose::Forget => return ownership::forget(input, draft, selection),
    }
    guards::idle_consents(input, &mut draft);
    let parts = match selection.is_all() {
        true => Parts::new(),
        false => parts::parts(input.stack, input.desired, input.observed),
    };
    let mut plan = selection.of(draft.finish(input, record::known(input)), &parts);
    plan.inventory = record::intent(input, &plan, &parts);
    let found = input.observed.inventory.as_ref();
    plan.is_record_due = plan.selection.is_none() && !plan.inventory.says_the_same(found);
    plan
}

/// A plan that has the record learn what is there, and tells what others did. What would mend it is
/// worked out and left.
fn refresh(input: &PlanInput<'_>, mut draft: PlanDraft) -> Plan {
    let mut mending = PlanDraft::default();
    objects::changes(input, &mut mending);
    drift::tell(input, &mut mending);
    draft.drift = mending.drift;
    let inventory = record::refreshed(input);
    let learns = learned(&record::known(input), &inventory);
    Plan { learns, ..draft.finish(input, inventory) }
}
