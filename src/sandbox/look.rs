//! What a look at the simulated world shows.

use super::cluster::Cluster;
use super::databases;
use super::selectors::has_all;
use super::values::at;
use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::observed::{DatabaseView, EventNote, LiveObject, Observed, Scope};
use crate::world::Unseen;

/// Everything the scope names that is there.
pub(super) fn look(cluster: &Cluster, scope: &Scope) -> Result<Observed, Unseen> {
    let mut seen = Observed::default();
    for list in &scope.lists {
        let wanted = serde_json::json!(list.labels);
        for (key, value) in cluster.of_kind(list.kind) {
            let here = list.namespace.is_none() || key.namespace == list.namespace;
            if here && has_all(at(value, "/metadata/labels"), &wanted) {
                show(cluster, key, &mut seen);
            }
        }
    }
    for key in &scope.gets {
        show(cluster, key, &mut seen);
    }
    if let Some(namespace) = &scope.events_in {
        seen.events = events(cluster, namespace);
    }
    for database in &scope.databases {
        let view = databases::view(cluster, database);
        if let DatabaseView::Seen(topology) = &view
            && scope.holdings
        {
            let held = databases::holdings(cluster, database, topology);
            seen.holdings.extend(held.map(|held| (database.cluster.clone(), held.into())));
        }
        seen.databases.insert(database.cluster.clone(), view);
    }
    if let Some((namespace, stack)) = &scope.inventory {
        let key = Inventory::key(namespace, stack);
        if let Some(record) = cluster.get(&key) {
            let read = Inventory::from_config_map(record);
            seen.inventory = Some(read.map_err(|why| Unseen {
                doing: format!("reading the stack's record {key}"),
                why: why.to_string(),
            })?);
        }
    }
    Ok(seen)
}

fn show(cluster: &Cluster, key: &ObjectKey, seen: &mut Observed) {
    if let Some(object) = cluster.objects.get(key) {
        seen.objects.insert(key.clone(), LiveObject::clone(object));
    }
}

fn events(cluster: &Cluster, namespace: &str) -> Vec<EventNote> {
    let here = cluster.events.iter().rev().filter(|event| event.namespace == namespace);
    here.map(|event| event.note.clone()).collect()
}
