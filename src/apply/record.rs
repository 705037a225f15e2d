//! The stack's record after a run: what is there now, or nothing once all is gone.

use crate::inventory::Inventory;
use crate::observed::{DatabaseView, Scope};
use crate::plan::{Plan, Purpose};
use crate::world::{Refused, World};

use super::Outcome;

/// Looks at everything the record names and keeps what is there. Once a destroy is complete, the
/// record goes with the last object it names; what `retain` keeps is kept on record.
///
/// Answers whether nothing is left of the stack.
pub async fn settle<W: World>(world: &W, plan: &Plan, outcome: &mut Outcome) -> bool {
    let complete = outcome.done.len() == plan.steps.len();
    let result = match what_is_there(world, plan).await {
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

/// The plan's record with what is gone left out, and with uids and cluster ids filled in.
async fn what_is_there<W: World>(world: &W, plan: &Plan) -> Result<Inventory, String> {
    let scope = Scope {
        gets: plan.inventory.items.keys().cloned().collect(),
        databases: plan.databases.clone(),
        ..Scope::default()
    };
    let seen = world.look(&scope).await.map_err(|unseen| unseen.to_string())?;
    let mut record = plan.inventory.clone();
    record.items.retain(|key, _| seen.objects.contains_key(key));
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
