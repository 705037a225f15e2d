//! Members and replicas: roles the engine has, a control pool that can vote, no more replicas than members.

use std::ops::Range;

use db_engine::cluster::{EngineKind, Role};
use db_engine::drivers::driver;

use crate::stack::diagnostics::Mistake;
use crate::stack::findings::Findings;
use crate::stack::model::{Cluster, Pool, Stack};
use crate::stack::quantity::Quantity;

/// Checks the pools of every cluster.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for cluster in stack.clusters.values() {
        for pool in cluster.pools.values() {
            check_pool(cluster, pool, found);
        }
        if !found.sound(&["cluster", &cluster.name, "engine"]) {
            continue;
        }
        // A cluster whose pools could not all be read has no number of members to judge.
        let path = |pool, key| found.sound(&["cluster", &cluster.name, "pool", pool, key]);
        let reached = found.reached(&["cluster", &cluster.name, "pool"]);
        if reached && cluster.pools.keys().all(|pool| path(pool, "role") && path(pool, "nodes")) {
            check_control(cluster, found);
            check_storing(cluster, found);
        }
    }
}

fn check_pool(cluster: &Cluster, pool: &Pool, found: &mut Findings) {
    let path = |key| ["cluster", cluster.name.as_str(), "pool", pool.name.as_str(), key];
    if !found.sound(&path("role")) {
        return;
    }
    let driver = driver(cluster.engine);
    let has: Vec<Role> = driver.roles().iter().map(|(role, _)| *role).collect();
    if let Some(mistake) = foreign_role(cluster.engine, pool.role, &has, found.value(&path("role")))
    {
        found.unfit(mistake);
    }
    let least = Quantity::from_bytes(driver.least_memory(pool.role));
    if found.sound(&path("resources")) && pool.memory < least {
        let mut place = path("resources").to_vec();
        place.push("memory");
        let message = format!("{} of memory is too little for a {} member", pool.memory, pool.role);
        let mistake = Mistake::new(message)
            .label(found.value(&place), format!("at least {least}"))
            .help("heap, direct memory and the JVM itself share it; with less none of them works");
        found.unfit(mistake);
    }
}

/// The mistake of a role the engine does not have.
fn foreign_role(engine: EngineKind, role: Role, has: &[Role], at: Range<usize>) -> Option<Mistake> {
    if has.contains(&role) {
        return None;
    }
    let list: Vec<String> = has.iter().map(|role| format!("`{role}`")).collect();
    let mistake = Mistake::new(format!("engine `{engine}` has no members of role `{role}`"))
        .label(at, "not a role of this engine")
        .help(format!("its roles are {}", list.join(", ")));
    Some(mistake)
}

/// One control pool, of an odd number of members.
fn check_control(cluster: &Cluster, found: &mut Findings) {
    let pools: Vec<&Pool> =
        cluster.pools.values().filter(|pool| pool.role == Role::Control).collect();
    let Some(first) = pools.first() else {
        lacks(cluster, "control", "config", "keeps its metadata", found);
        return;
    };
    if let Some(second) = pools.get(1) {
        let role =
            |pool: &Pool| found.value(&["cluster", &cluster.name, "pool", &pool.name, "role"]);
        let mistake = Mistake::new(format!("cluster `{}` has two control pools", cluster.name))
            .label(role(second), "the second")
            .label(role(first), "the first")
            .help("its control members vote together; put them into one pool");
        found.unfit(mistake);
        return;
    }
    if first.nodes.is_multiple_of(2) {
        let place = found.value(&["cluster", &cluster.name, "pool", &first.name, "nodes"]);
        let (nodes, lower, bears) = (first.nodes, first.nodes - 1, (first.nodes - 1) / 2);
        let bears = if bears == 0 { "none".to_owned() } else { bears.to_string() };
        let mistake = Mistake::new("a control pool must have an odd number of members")
            .label(place, "even")
            .help(format!(
                "{nodes} members vote by majority and survive the loss of {bears}, as {lower} \
                 would; write {lower} or {}",
                nodes + 1
            ));
        found.unfit(mistake);
    }
}

/// Somebody stores data, and no piece has more replicas than there are members to hold it.
fn check_storing(cluster: &Cluster, found: &mut Findings) {
    let storing = cluster.storing_members();
    if storing == 0 {
        lacks(cluster, "mixed", "data", "stores its data", found);
        return;
    }
    let factors = [
        ("schema_replication", cluster.schema_replication),
        ("data_replication", cluster.data_replication),
    ];
    for (key, factor) in factors {
        if factor <= storing {
            continue;
        }
        let members =
            if storing == 1 { "1 member stores" } else { &format!("{storing} members store") };
        let engine = cluster.engine.word();
        let place = found.value(&["cluster", &cluster.name, engine, key]);
        let says = found.says(&["cluster", &cluster.name, engine, key]);
        let is = if says { "is" } else { "is by default" };
        let mistake = Mistake::new(format!("`{key}` {is} {factor}, but only {members} data"))
            .label(place, "more replicas than members")
            .help(format!(
                "each replica needs a member of its own: add members, or, as long as the cluster was never \
                 applied, set `{key} = {storing}` in `[cluster.{}.{engine}]`",
                cluster.name
            ));
        found.unfit(mistake);
    }
}

fn lacks(cluster: &Cluster, role: &str, example: &str, why: &str, found: &mut Findings) {
    let name = &cluster.name;
    let mistake = Mistake::new(format!("cluster `{name}` has no pool that {why}"))
        .label(found.value(&["cluster", name]), format!("needs a {role} pool"))
        .help(format!("add `[cluster.{name}.pool.{example}]` with `role = \"{role}\"`"));
    found.unfit(mistake);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_the_engine_lacks_is_answered_with_those_it_has() {
        let has = [Role::Control, Role::Mixed];
        assert_eq!(foreign_role(EngineKind::Iotdb, Role::Mixed, &has, 0..1), None);
        let mistake =
            foreign_role(EngineKind::Iotdb, Role::Compute, &has, 3..4).expect("a mistake");
        assert_eq!(mistake.message, "engine `iotdb` has no members of role `compute`");
        assert_eq!(mistake.labels[0].span, 3..4);
        assert_eq!(mistake.help.as_deref(), Some("its roles are `control`, `mixed`"));
    }
}
