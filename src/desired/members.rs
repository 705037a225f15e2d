//! Where a cluster's members live, and what each pool of them runs.

use std::collections::BTreeSet;

use db_engine::cluster::{ClusterSpec, PoolSpec, Role};
use db_engine::drivers::driver;
use db_engine::workload::Workload;

use super::labels;
use crate::observed::DatabaseScope;
use crate::stack::{Cluster, Pool, Stack};

/// The DNS name all members of a pool share: `<service>.<namespace>.svc.<cluster domain>`.
pub fn domain(stack: &Stack, cluster: &Cluster, pool: &Pool) -> String {
    let service = Stack::pool_name(&cluster.name, &pool.name);
    format!("{service}.{}.svc.{}", stack.namespace, stack.cluster_domain)
}

/// The address of one member.
pub fn address(stack: &Stack, cluster: &Cluster, pool: &Pool, ordinal: u32) -> String {
    let set = Stack::pool_name(&cluster.name, &pool.name);
    format!("{set}-{ordinal}.{}", domain(stack, cluster, pool))
}

/// The addresses of all members.
pub fn addresses(stack: &Stack, cluster: &Cluster, pool: &Pool) -> BTreeSet<String> {
    (0..pool.nodes).map(|ordinal| address(stack, cluster, pool, ordinal)).collect()
}

/// What a pool's members run.
pub fn workload(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Workload {
    let spec = spec(stack, cluster, pool);
    let members = PoolSpec {
        role: pool.role,
        domain: domain(stack, cluster, pool),
        memory_bytes: pool.memory.bytes(),
        cpu_milli: pool.cpu.milli(),
        settings: pool.settings.clone(),
    };
    driver(cluster.engine).workload(&spec, &members)
}

/// A cluster as its engine needs to know it; `pool` is any one of it.
pub fn spec(stack: &Stack, cluster: &Cluster, pool: &Pool) -> ClusterSpec {
    let seed = cluster.pools.values().find(|pool| pool.role == Role::Control).unwrap_or(pool);
    ClusterSpec {
        name: cluster.name.clone(),
        version: cluster.version.clone(),
        schema_replication: cluster.schema_replication,
        data_replication: cluster.data_replication,
        settings: cluster.settings.clone(),
        seed_host: address(stack, cluster, seed, 0),
    }
}

/// How to reach a cluster's own view of itself: any member that answers surveys.
pub fn database(stack: &Stack, cluster: &Cluster) -> DatabaseScope {
    let port = cluster
        .pools
        .values()
        .find_map(|pool| workload(stack, cluster, pool).survey_port)
        .unwrap_or_default();
    DatabaseScope {
        cluster: cluster.name.clone(),
        engine: cluster.engine,
        namespace: stack.namespace.clone(),
        labels: labels::of_serving(stack, cluster),
        port,
        credentials: cluster.credentials.clone(),
    }
}

/// Every database of a stack.
pub fn databases(stack: &Stack) -> Vec<DatabaseScope> {
    stack.clusters.values().map(|cluster| database(stack, cluster)).collect()
}

/// The port clients connect to inside pods.
pub fn client_port(stack: &Stack, cluster: &Cluster) -> Option<u16> {
    cluster.pools.values().find_map(|pool| workload(stack, cluster, pool).client_port)
}
