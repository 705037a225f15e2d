//! The labels objects carry: whose they are, and what selects them.

use serde_json::Value;

use crate::inventory::apply_set_id;
use crate::object::{
    FIELD_MANAGER, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_MANAGED_BY, LABEL_PART_OF, LABEL_POOL,
    LABEL_SERVES, LABEL_STACK, LABEL_TASK, LABEL_TIER, Labels,
};
use crate::stack::{Cluster, Pool, Stack};

fn owned(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// On everything a stack makes.
pub fn of_stack(stack: &Stack) -> Labels {
    owned(&[
        (LABEL_MANAGED_BY, FIELD_MANAGER),
        (LABEL_STACK, &stack.name),
        (LABEL_PART_OF, &apply_set_id(&stack.namespace, &stack.name)),
    ])
}

/// On everything a storage tier makes.
pub fn of_tier(stack: &Stack, tier: &str) -> Labels {
    let mut labels = of_stack(stack);
    labels.extend(owned(&[(LABEL_TIER, tier)]));
    labels
}

/// On a helper Job of a tier, and on its pods. An ApplySet lists only what stays.
pub fn of_helper(stack: &Stack, tier: &str, task: &str) -> Labels {
    let mut labels = of_tier(stack, tier);
    labels.remove(LABEL_PART_OF);
    labels.extend(owned(&[(LABEL_TASK, task)]));
    labels
}

/// On everything a cluster makes.
pub fn of_cluster(stack: &Stack, cluster: &Cluster) -> Labels {
    let mut labels = of_stack(stack);
    labels.extend(owned(&[
        (LABEL_CLUSTER, &cluster.name),
        ("app.kubernetes.io/name", cluster.engine.word()),
        ("app.kubernetes.io/instance", &cluster.name),
    ]));
    labels
}

/// On everything a pool makes.
pub fn of_pool(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Labels {
    let mut labels = of_cluster(stack, cluster);
    labels.extend(owned(&[(LABEL_POOL, &pool.name)]));
    labels
}

/// On a pool's claims: only what can never change, because claim templates cannot.
pub fn of_claim(stack: &Stack, cluster: &Cluster, pool: &Pool, tier: &str) -> Labels {
    let mut labels = of_members(stack, cluster, pool);
    labels.extend(owned(&[(LABEL_MANAGED_BY, FIELD_MANAGER), (LABEL_TIER, tier)]));
    labels
}

/// What selects the members of a pool.
pub fn of_members(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Labels {
    owned(&[(LABEL_STACK, &stack.name), (LABEL_CLUSTER, &cluster.name), (LABEL_POOL, &pool.name)])
}

/// On pods: a pool's, what the user adds, and what budgets and Services select.
pub fn of_pod(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Labels {
    let mut labels = pool.pod.labels.clone();
    labels.extend(of_pool(stack, cluster, pool));
    // Pods belong to the StatefulSet; an ApplySet lists only what is applied.
    labels.remove(LABEL_PART_OF);
    labels.insert(LABEL_DOMAIN.to_owned(), quorum_domain(pool).to_owned());
    if pool.role.serves() {
        labels.insert(LABEL_SERVES.to_owned(), "true".to_owned());
    }
    labels
}

/// What selects every pod of a quorum domain.
pub fn of_domain(stack: &Stack, cluster: &Cluster, domain: &str) -> Labels {
    owned(&[(LABEL_STACK, &stack.name), (LABEL_CLUSTER, &cluster.name), (LABEL_DOMAIN, domain)])
}

/// What selects the pods clients are sent to.
pub fn of_serving(stack: &Stack, cluster: &Cluster) -> Labels {
    owned(&[(LABEL_STACK, &stack.name), (LABEL_CLUSTER, &cluster.name), (LABEL_SERVES, "true")])
}

/// The quorum domain of a pool: control members vote on their own; all that store data vote
/// together on the data; members that do neither have no vote to lose.
pub fn quorum_domain(pool: &Pool) -> &'static str {
    use db_engine::cluster::Role;
    match pool.role {
        Role::Control => "control",
        Role::Mixed | Role::Storage => "storing",
        Role::Compute => "compute",
    }
}

/// The labels of a manifest.
pub fn of_manifest(manifest: &Value) -> Labels {
    let labels = manifest.get("metadata").and_then(|metadata| metadata.get("labels")?.as_object());
    let labels = labels.into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The tier a manifest belongs to.
pub fn tier_of(manifest: &Value) -> Option<&str> {
    manifest.get("metadata")?.get("labels")?.get(LABEL_TIER)?.as_str()
}
