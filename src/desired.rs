//! What the stack asks for, as Kubernetes objects and database members: a pure translation.

pub mod deferred;
pub mod labels;
pub mod members;
pub mod naming;
pub mod pod;
pub mod preparation;
pub mod scope;
pub mod services;
pub mod stateful_set;
pub mod storage;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use db_engine::cluster::{Content, Role};
use serde_json::{Value, json};

use crate::object::{Kind, ObjectKey};
use crate::observed::{DatabaseScope, Observed};
use crate::stack::{Cluster, Pool, Reclaim, Stack};

/// Everything a stack asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Objects to be there, by name.
    pub objects: BTreeMap<ObjectKey, DesiredObject>,
    /// Clusters by name.
    pub clusters: BTreeMap<String, DesiredCluster>,
    /// StorageClasses that must exist already, with the reclaim policy the stack counts on and
    /// the tier that says so.
    pub foreign_classes: BTreeMap<String, (Reclaim, String)>,
    /// StatefulSets that keep more members for now than the stack asks for, and how many it asks for.
    pub deferred: BTreeMap<ObjectKey, u32>,
}

/// One object to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredObject {
    /// The manifest: only what tsinfra decides, nothing the server fills in.
    pub manifest: Value,
    /// What it is to a reader.
    pub summary: String,
    /// Whether it opens the database to the outside.
    pub exposes: bool,
}

/// One cluster to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredCluster {
    /// Pools in the order they start: control first, then by name.
    pub pools: Vec<DesiredPool>,
    /// How to reach its own view of itself.
    pub database: DatabaseScope,
    /// Whether deleting its data is refused.
    pub protect: bool,
}

/// One pool to be there.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredPool {
    /// The pool's name in its cluster.
    pub name: String,
    /// What its members do.
    pub role: Role,
    /// Its StatefulSet.
    pub set: ObjectKey,
    /// What an operator calls a member, e.g. `DataNode`.
    pub title: &'static str,
    /// Addresses its members register with.
    pub addresses: BTreeSet<String>,
    /// What each member has a claim for, the data first.
    pub claims: Vec<Content>,
    /// How long one member may take until it is ready, in seconds.
    pub ready_within_seconds: u64,
    /// Objects that must be there before its members start.
    pub needs: Vec<ObjectKey>,
}

impl Desired {
    /// The pool a StatefulSet stands for, its cluster and that one's name.
    pub fn pool_of(&self, set: &ObjectKey) -> Option<(&str, &DesiredCluster, &DesiredPool)> {
        self.clusters.iter().find_map(|(name, cluster)| {
            let pool = cluster.pools.iter().find(|pool| pool.set == *set)?;
            Some((name.as_str(), cluster, pool))
        })
    }
}

impl Desired {
    /// Whether a claim of a declared cluster is of a member that it is not to have: of a pool with fewer
    /// members, or of none that is declared.
    pub fn is_beyond_members(&self, claim: &ObjectKey, cluster: &str) -> bool {
        let (Some(set), Some(ordinal)) = (claim.set_of_claim(), claim.ordinal()) else {
            return false;
        };
        let pool = self.pool_of(&set).map(|(_, _, pool)| pool);
        self.clusters.contains_key(cluster) && pool.is_none_or(|pool| ordinal >= pool.replicas())
    }
}

impl DesiredCluster {
    /// The pools of a pool's quorum domain, itself among them: control members vote on their own,
    /// all others on the data.
    pub fn quorum_peers<'a>(
        &'a self,
        pool: &DesiredPool,
    ) -> impl Iterator<Item = &'a DesiredPool> + use<'a> {
        let control = pool.role == Role::Control;
        self.pools.iter().filter(move |peer| (peer.role == Role::Control) == control)
    }
}

impl DesiredPool {
    /// How many members it has.
    pub fn replicas(&self) -> u32 {
        u32::try_from(self.addresses.len()).unwrap_or(u32::MAX)
    }

    /// The claims of one of its members, the data first.
    pub fn claims_of(&self, ordinal: u32) -> impl Iterator<Item = ObjectKey> + use<'_> {
        self.claims.iter().map(move |content| ObjectKey::claim_of(&self.set, *content, ordinal))
    }
}

/// Translates a stack. `observed` is needed for tiers that select nodes by label, and for what is left as
/// it is because a change of it would restart members for nothing.
pub fn lower(stack: &Stack, observed: &Observed) -> Desired {
    let (stack, deferred) = with_those_who_stay(stack, observed);
    let stack = stack.as_ref();
    let mut objects = BTreeMap::new();
    objects.insert(ObjectKey::global(Kind::Namespace, &stack.namespace), namespace(stack));
    let mut foreign_classes = BTreeMap::new();
    for tier in stack.storage.values() {
        objects.extend(storage::objects(stack, tier, observed));
        foreign_classes.extend(storage::foreign_class(tier));
    }
    let mut clusters = BTreeMap::new();
    for cluster in stack.clusters.values() {
        objects.extend(services::objects(stack, cluster));
        for pool in cluster.pools.values() {
            let (key, set) = stateful_set::object(stack, observed, cluster, pool);
            objects.insert(key, set);
        }
        clusters.insert(cluster.name.clone(), desired_cluster(stack, cluster, &objects));
    }
    Desired { objects, clusters, foreign_classes, deferred }
}

/// The stack with the members its pools keep for now, and how many it asks for where that is less.
fn with_those_who_stay<'a>(
    stack: &'a Stack,
    observed: &Observed,
) -> (Cow<'a, Stack>, BTreeMap<ObjectKey, u32>) {
    let (mut stack, mut asked) = (Cow::Borrowed(stack), BTreeMap::new());
    for (set, members) in deferred::members(&stack, observed) {
        let clusters = stack.to_mut().clusters.values_mut();
        let mut pools = clusters.flat_map(|cluster| {
            let name = cluster.name.clone();
            cluster.pools.values_mut().map(move |pool| (Stack::pool_name(&name, &pool.name), pool))
        });
        if let Some((_, pool)) = pools.find(|(name, _)| *name == set.name) {
            asked.insert(set, std::mem::replace(&mut pool.nodes, members));
        }
    }
    (stack, asked)
}

fn namespace(stack: &Stack) -> DesiredObject {
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": stack.namespace },
    });
    DesiredObject { manifest, summary: "kept on destroy".to_owned(), exposes: false }
}

fn desired_cluster(
    stack: &Stack,
    cluster: &Cluster,
    objects: &BTreeMap<ObjectKey, DesiredObject>,
) -> DesiredCluster {
    let mut pools: Vec<&Pool> = cluster.pools.values().collect();
    pools.sort_by_key(|pool| (pool.role != Role::Control, pool.name.clone()));
    DesiredCluster {
        pools: pools.into_iter().map(|pool| desired_pool(stack, cluster, pool, objects)).collect(),
        database: members::database(stack, cluster),
        protect: cluster.protect,
    }
}

fn desired_pool(
    stack: &Stack,
    cluster: &Cluster,
    pool: &Pool,
    objects: &BTreeMap<ObjectKey, DesiredObject>,
) -> DesiredPool {
    let name = Stack::pool_name(&cluster.name, &pool.name);
    let volumes_and_class = objects.iter().filter(|(key, object)| {
        matches!(key.kind, Kind::StorageClass | Kind::PersistentVolume)
            && labels::tier_of(&object.manifest).is_some_and(|tier| pool.volumes_from(tier) > 0)
    });
    let mut needs: Vec<ObjectKey> = volumes_and_class.map(|(key, _)| key.clone()).collect();
    needs.push(ObjectKey::within(Kind::Service, &stack.namespace, &name));
    DesiredPool {
        name: pool.name.clone(),
        role: pool.role,
        set: ObjectKey::within(Kind::StatefulSet, &stack.namespace, &name),
        title: members::workload(stack, cluster, pool).title,
        addresses: members::addresses(stack, cluster, pool),
        claims: pool.storage().map(|(content, _)| content).collect(),
        ready_within_seconds: pool.ready_within_seconds,
        needs,
    }
}
