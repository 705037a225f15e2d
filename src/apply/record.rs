//! The stack's record after a run: what is there now, or nothing once all is gone.

use std::collections::BTreeSet;

use crate::fields;
use crate::inventory::Inventory;
use crate::object::{FIELD_MANAGER, Kind, LABEL_STACK, ObjectKey};
use crate::observed::{List, Observed, Scope};
use crate::plan::step::Action;
use crate::plan::{Plan, Purpose};
use crate::world::World;

use super::Outcome;
use super::hold::Hold;
use super::identity::Identities;
use super::step::{End, Held};

/// Keeps the record, if the lock is still held: a process that was paused must not write over the
/// record of whoever came after it.
pub async fn keep<W: World>(world: &W, hold: &Hold<'_, W>, record: &Inventory) -> Result<(), End> {
    hold.confirm().await?;
    Ok(world.keep(record).await?)
}

/// Looks at everything the record names and keeps what is there. Once a destroy is complete, the
/// record goes with the last object it names; what `retain` keeps is kept on record.
///
/// Answers whether nothing is left of the stack.
pub async fn settle<W: World>(
    world: &W,
    plan: &Plan,
    (hold, identities): Held<'_, W>,
    outcome: &mut Outcome,
) -> bool {
    let complete = outcome.done.len() == plan.steps.len();
    // An earlier writing may still arrive, and would undo a later one.
    outcome.record = identities.record_in_doubt();
    if outcome.record.is_some() {
        return false;
    }
    let result = match what_is_there(world, plan, identities, outcome).await {
        Ok(record) if complete && ends(plan.purpose) && record.items.is_empty() => {
            drop_it(world, hold, plan).await.map(|()| true)
        }
        Ok(record) => keep(world, hold, &record).await.map(|()| false),
        Err(end) => Err(end),
    };
    result.unwrap_or_else(|end| {
        outcome.record = Some(end);
        false
    })
}

/// Whether what is for that purpose may be the end of a stack.
fn ends(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Destroy | Purpose::Forget)
}

async fn drop_it<W: World>(world: &W, hold: &Hold<'_, W>, plan: &Plan) -> Result<(), End> {
    hold.confirm().await?;
    Ok(world.drop_record(&plan.namespace, &plan.stack).await?)
}

/// Objects of requests whose answer never came: they may still be carried out.
fn in_doubt(plan: &Plan, outcome: &Outcome) -> BTreeSet<ObjectKey> {
    let unknown = outcome.ended.iter().filter(|(_, end)| matches!(end, End::Unknown(_)));
    unknown.filter_map(|(id, _)| plan.steps.get(id)?.action.object().cloned()).collect()
}

/// The record with what is gone left out, and with uids filled in. What may still come stays on it;
/// what somebody else has put under a name of ours does not come on it. Another database than the
/// one on record is told, and does not come onto it either.
async fn what_is_there<W: World>(
    world: &W,
    plan: &Plan,
    identities: &Identities<'_, W>,
    outcome: &mut Outcome,
) -> Result<Inventory, End> {
    let claims = List {
        kind: Kind::PersistentVolumeClaim,
        namespace: Some(plan.namespace.clone()),
        labels: [(LABEL_STACK.to_owned(), plan.stack.clone())].into(),
    };
    let scope = Scope {
        lists: vec![claims],
        gets: plan.inventory.items.keys().cloned().collect(),
        databases: plan.databases.clone(),
        ..Scope::default()
    };
    let seen = world.look(&scope).await?;
    match identities.meet(&seen).await {
        Err(End::Stranger(why)) => outcome.stranger = Some(why),
        met => met?,
    }
    let doubtful = in_doubt(plan, outcome);
    let mut record = identities.record().await;
    record.items.retain(|key, item| match seen.objects.get(key) {
        Some(live) if item.released => live.label(LABEL_STACK) == Some(&plan.stack),
        Some(live) => item.uid == live.uid() || live.label(LABEL_STACK) == Some(&plan.stack),
        None => doubtful.contains(key),
    });
    // Claims are made by their StatefulSets, not by steps, and may outlive them; those of one that was
    // let go are not ours.
    let sets = &plan.inventory.items;
    let ours = |set: &ObjectKey| sets.get(set).is_some_and(|item| !item.released);
    let claims = seen.of_kind(Kind::PersistentVolumeClaim).map(|(key, _)| key);
    let claims: Vec<&ObjectKey> =
        claims.filter(|claim| claim.set_of_claim().is_some_and(|set| ours(&set))).collect();
    for key in claims {
        record.items.entry(key.clone()).or_default();
    }
    for (key, item) in &mut record.items {
        if let Some(live) = seen.objects.get(key) {
            item.meet(live.uid(), live.is_leaving());
        }
    }
    note_applied(plan, outcome, &seen, &mut record);
    Ok(record)
}

/// Notes which manifests were applied whole: those of steps that are done, and of others if the
/// object is wholly so, as when only what came of it was waited for in vain.
fn note_applied(plan: &Plan, outcome: &Outcome, seen: &Observed, record: &mut Inventory) {
    for (id, step) in &plan.steps {
        let (Action::Create { object, manifest } | Action::Update { object, manifest, .. }) =
            &step.action
        else {
            continue;
        };
        let (Some(live), Some(item)) = (seen.objects.get(object), record.items.get_mut(object))
        else {
            continue;
        };
        let owned = live.owned_by(FIELD_MANAGER);
        if outcome.done.contains(id) || fields::departures(manifest, &live.value, owned).is_empty()
        {
            item.note_applied(manifest);
        }
    }
}
