//! Drift: what departs from the stack's text though that text has not changed since it was applied,
//! what another manager owns, and what is gone or replaced.

use std::collections::BTreeMap;

use super::draft::PlanDraft;
use super::{PlanInput, orphans};
use crate::inventory::Item;
use crate::object::ObjectKey;
use crate::plan::drift::{Drift, What};
use crate::plan::{Change, FieldChange, Operation};

/// Tells what others did, and gives the changes that mend it their true reason.
pub fn tell(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut found = lost(input);
    for (key, change) in &mut plan.changes {
        match (change.operation, found.get(key).map(|drift| drift.what)) {
            (Operation::Create, Some(What::Deleted)) => {
                change.because = match change.because == orphans::BECAUSE {
                    true => orphans::BECAUSE_DELETED.to_owned(),
                    false => "it was deleted outside of tsinfra".to_owned(),
                };
            }
            (Operation::Update | Operation::Replace, what) => {
                if let Some(drift) = changed(input, key, change, what) {
                    found.insert(key.clone(), drift);
                }
            }
            _ => {}
        }
    }
    plan.drift = found.into_values().collect();
}

/// Objects on record that are gone, or that are others by now. What tsinfra itself was deleting
/// when a run ended early is no drift.
fn lost(input: &PlanInput<'_>) -> BTreeMap<ObjectKey, Drift> {
    let items = input.observed.inventory.iter().flat_map(|record| &record.items);
    let known = items.filter(|(_, item)| !item.uid.is_empty() && !item.going && !item.released);
    let lost = known.filter_map(|(key, item)| {
        let what = match input.observed.objects.get(key) {
            None => What::Deleted,
            Some(live) if live.uid() != item.uid => What::Replaced,
            Some(_) => return None,
        };
        Some((key.clone(), Drift { object: key.clone(), what, fields: Vec::new() }))
    });
    lost.collect()
}

/// The drift among the fields that are to be changed. As long as the manifest is the one that was
/// applied last, all of them are; otherwise only what another manager owns can be told apart.
fn changed(
    input: &PlanInput<'_>,
    key: &ObjectKey,
    change: &mut Change,
    what: Option<What>,
) -> Option<Drift> {
    let manifest = &input.desired.objects.get(key)?.manifest;
    let item: Option<&Item> = input.observed.inventory.as_ref().and_then(|it| it.items.get(key));
    let as_applied =
        what == Some(What::Replaced) || item.is_some_and(|item| item.is_as_applied(manifest));
    let drifted = |field: &&FieldChange| as_applied || field.drifted_by.is_some();
    let fields: Vec<FieldChange> =
        change.fields.iter().filter(drifted).map(FieldChange::reversed).collect();
    if as_applied && change.fields.iter().all(|field| field.drifted_by.is_none()) {
        change.because = match what {
            Some(_) => "it was replaced outside of tsinfra".to_owned(),
            None => "it was changed outside of tsinfra".to_owned(),
        };
    }
    let what = what.unwrap_or(What::Changed);
    let is_drift = !fields.is_empty() || what == What::Replaced;
    is_drift.then(|| Drift { object: key.clone(), what, fields })
}
