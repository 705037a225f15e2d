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
    domain_of(stack, &Stack::pool_name(&cluster.name, &pool.name))
}

/// The DNS name the members of this StatefulSet share; its governing Service bears its name.
fn domain_of(stack: &Stack, set: &str) -> String {
    format!("{set}.{}.svc.{}", stack.namespace, stack.cluster_domain)
}

/// The address of one member of the StatefulSet of this name.
pub fn address(stack: &Stack, set: &str, ordinal: u32) -> String {
    format!("{set}-{ordinal}.{}", domain_of(stack, set))
}

/// The addresses of all members.
pub fn addresses(stack: &Stack, cluster: &Cluster, pool: &Pool) -> BTreeSet<String> {
    let set = Stack::pool_name(&cluster.name, &pool.name);
    (0..pool.nodes).map(|ordinal| address(stack, &set, ordinal)).collect()
}

/// What a pool's members run.
pub fn workload(stack: &Stack, cluster: &Cluster, pool: &Pool) -> Workload {
    let spec = spec(stack, cluster);
    let members = PoolSpec {
        role: pool.role,
        domain: domain(stack, cluster, pool),
        memory_bytes: pool.memory.bytes(),
        cpu_milli: pool.cpu.milli(),
        settings: pool.settings.clone(),
        apart: pool.apart.keys().copied().collect(),
    };
    driver(cluster.engine).workload(&spec, &members)
}

/// A cluster as its engine needs to know it.
pub fn spec(stack: &Stack, cluster: &Cluster) -> ClusterSpec {
    let control = cluster.pools.values().find(|pool| pool.role == Role::Control);
    let seed = control.or_else(|| cluster.pools.values().next());
    let seed = seed.map_or("", |pool| &pool.name);
    ClusterSpec {
        name: cluster.name.clone(),
        version: cluster.version.clone(),
        schema_replication: cluster.schema_replication,
        data_replication: cluster.data_replication,
        settings: cluster.settings.clone(),
        seed_host: address(stack, &Stack::pool_name(&cluster.name, seed), 0),
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
