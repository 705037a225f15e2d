//! Members a pool keeps for now although the stack asks for fewer: nobody can be drained while the
//! database is not there to be asked, so it is brought back first, with all who were in it.

use std::collections::BTreeMap;

use db_engine::cluster::Role;
use db_engine::engine::Topology;

use crate::object::{Kind, ObjectKey};
use crate::observed::{DatabaseView, LiveObject, Observed};
use crate::stack::{Cluster, Pool, Stack};

/// Pools, by StatefulSet, that are to have more members for now than the stack asks for, and how many.
pub fn members(stack: &Stack, observed: &Observed) -> BTreeMap<ObjectKey, u32> {
    let mut kept = BTreeMap::new();
    for cluster in stack.clusters.values() {
        let listed = match observed.databases.get(&cluster.name) {
            Some(DatabaseView::Seen(topology)) => Some(topology),
            _ => None,
        };
        let all_are_there =
            || cluster.pools.values().all(|pool| is_whole(stack, observed, cluster, pool));
        for pool in cluster.pools.values() {
            let set = set_of(stack, cluster, pool);
            let members = match observed.objects.get(&set) {
                Some(_) if listed.is_some() || pool.role == Role::Control || all_are_there() => 0,
                Some(live) => replicas(live),
                None => with_claims(stack, observed, &set, listed),
            };
            if members > pool.nodes {
                kept.insert(set, members);
            }
        }
    }
    kept
}

fn set_of(stack: &Stack, cluster: &Cluster, pool: &Pool) -> ObjectKey {
    let name = Stack::pool_name(&cluster.name, &pool.name);
    ObjectKey::within(Kind::StatefulSet, &stack.namespace, name)
}

fn replicas(set: &LiveObject) -> u32 {
    set.number("/spec/replicas").and_then(|has| u32::try_from(has).ok()).unwrap_or(0)
}

/// Whether all members of a pool are there and ready: a database that is silent then has nobody to come
/// back.
fn is_whole(stack: &Stack, observed: &Observed, cluster: &Cluster, pool: &Pool) -> bool {
    let live = observed.objects.get(&set_of(stack, cluster, pool));
    live.is_some_and(|live| {
        live.number("/status/readyReplicas").unwrap_or(0) >= i64::from(replicas(live))
    })
}

/// How many members a pool without StatefulSet had, by the claims of this stack they left; those that the
/// database says have left it do not count.
fn with_claims(
    stack: &Stack,
    observed: &Observed,
    set: &ObjectKey,
    listed: Option<&Topology>,
) -> u32 {
    let is_member = |ordinal: u32| {
        let name = format!("{}-{ordinal}", set.name);
        listed.is_none_or(|topology| topology.lists(&name))
    };
    let claims = observed.of_kind(Kind::PersistentVolumeClaim).filter(|(key, live)| {
        key.set_of_claim().as_ref() == Some(set)
            && live.bears_the_name_of(&stack.name, &stack.namespace, key)
            && !live.is_leaving()
            // A member that never got a volume stored nothing.
            && live.text("/spec/volumeName").is_some()
    });
    let ordinals = claims.filter_map(|(key, _)| key.ordinal());
    ordinals.filter(|ordinal| is_member(*ordinal)).max().map_or(0, |highest| highest + 1)
}
