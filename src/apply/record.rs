//! The stack's record after a run: what is there now, or nothing once all is gone.

use std::collections::BTreeSet;

use crate::inventory::Inventory;
use crate::object::{LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, Scope};
use crate::plan::{Plan, Purpose};
use crate::world::{Refused, World};

use super::Outcome;
use super::step::End;

/// Looks at everything the record names and keeps what is there. Once a destroy is complete, the
/// record goes with the last object it names; what `retain` keeps is kept on record.
///
/// Answers whether nothing is left of the stack.
pub async fn settle<W: World>(world: &W, plan: &Plan, outcome: &mut Outcome) -> bool {
    let complete = outcome.done.len() == plan.steps.len();
    let doubtful: BTreeSet<&ObjectKey> = in_doubt(plan, outcome).collect();
    let result = match what_is_there(world, plan, &doubtful).await {
        Ok(record) if plan.purpose == Purpose::Destroy && complete && record.items.is_empty() => {
            world.drop_record(&plan.namespace, &plan.stack).await.map(|()| true)
        }
        Ok(record) => world.keep(&record).await.map(|()| false),
        Err(why) => Err(Refused::Unknown(why)),
    };
    result.unwrap_or_else(|refused| {
        outcome.record.get_or_insert(refused.to_string());
        false
    })
}

/// Objects of requests whose answer never came: they may still be carried out.
fn in_doubt<'a>(plan: &'a Plan, outcome: &Outcome) -> impl Iterator<Item = &'a ObjectKey> {
    let unknown = outcome.ended.iter().filter(|(_, end)| matches!(end, End::Unknown(_)));
    unknown.filter_map(|(id, _)| plan.steps.get(id)?.action.object())
}

/// The plan's record with what is gone left out, and with uids and cluster ids filled in. What may
/// still come stays on it; what somebody else has put under a name of ours does not come on it.
async fn what_is_there<W: World>(
    world: &W,
    plan: &Plan,
    doubtful: &BTreeSet<&ObjectKey>,
) -> Result<Inventory, String> {
    let scope = Scope {
        gets: plan.inventory.items.keys().cloned().collect(),
        databases: plan.databases.clone(),
        ..Scope::default()
    };
    let seen = world.look(&scope).await.map_err(|unseen| unseen.to_string())?;
    let mut record = plan.inventory.clone();
    record.items.retain(|key, item| match seen.objects.get(key) {
        Some(live) => item.uid == live.uid() || live.label(LABEL_STACK) == Some(&plan.stack),
        None => doubtful.contains(key),
    });
    for (key, item) in &mut record.items {
        if let Some(live) = seen.objects.get(key) {
            live.uid().clone_into(&mut item.uid);
        }
    }
    for (name, cluster) in &mut record.clusters {
        if let Some(DatabaseView::Seen(topology)) = seen.databases.get(name)
            && cluster.cluster_id.is_empty()
        {
            cluster.cluster_id.clone_from(&topology.cluster_id);
        }
    }
    Ok(record)
}
