//! What is tried of a stack: the operations of its life, each with the world it begins in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use db_engine::cluster::Role;

use super::fault::Fault;
use super::trial::{self, Executor, Ours, Report, Trial};
use super::way::Way;
use crate::object::{Kind, ObjectKey};
use crate::plan::Purpose;
use crate::sandbox::{Cluster, Furniture, Sandbox};
use crate::stack::parts::PartAddress;
use crate::stack::{LocalVolume, Move, Pool, Prepare, Stack, Storage, Tier, TierKind};

/// One operation in the life of a stack.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it is, e.g. `iotdb-local: scale out`.
    pub name: String,
    /// The world it begins in.
    pub base: Cluster,
    /// The stack that is applied or destroyed.
    pub stack: Stack,
    /// Which of the two.
    pub purpose: Purpose,
    /// Addresses the user consents to.
    pub consents: Vec<String>,
    /// The way it goes without a fault.
    way: Way,
    /// The same without a fault: how many effects, and what is there in the end.
    pub straight: Report,
}

/// The operations its engine supports today: create, nothing to do, scale out, scale in, restart with other
/// resources, upgrade, another name, and where a driver makes the volumes larger ones, and another pool in
/// place of the last; destroy; and, where volumes are bound to machines, a member that is lost with its own.
pub async fn operations(name: &str, stack: &Stack) -> Vec<Operation> {
    let consents: Vec<String> =
        stack.clusters.keys().map(|cluster| format!("cluster.{cluster}")).collect();
    let empty = furnished(stack);
    let created = lived(&empty, stack).await;
    let wider = changed(stack, scale_out);
    let grown = lived(&empty, &wider).await;
    let narrower = changed(&wider, scale_in);
    let lighter = changed(stack, other_resources);
    let newer = changed(stack, upgrade);
    let renamed = changed(stack, rename);
    let larger = changed(stack, grow);
    let exchanged = changed(stack, exchange);
    let apply = Purpose::Apply;
    let all = [
        ("create", &empty, stack, apply),
        ("nothing to do", &created, stack, apply),
        ("scale out", &created, &wider, apply),
        ("scale in", &grown, &narrower, apply),
        ("restart", &created, &lighter, apply),
        ("upgrade", &created, &newer, apply),
        ("rename", &created, &renamed, apply),
        ("grow", &created, &larger, apply),
        ("exchange", &created, &exchanged, apply),
        ("destroy", &created, stack, Purpose::Destroy),
    ];
    let mut operations = Vec::new();
    // What is made by hand does not grow, nor is there enough of it for two pools.
    let can_be = |(what, _, changed, _): &(&str, &Cluster, &Stack, Purpose)| {
        !["grow", "exchange"].contains(what) || *changed != stack
    };
    for (what, base, stack, purpose) in all.into_iter().filter(can_be) {
        let consents = if purpose == Purpose::Destroy { consents.clone() } else { Vec::new() };
        let name = format!("{name}: {what}");
        operations.push(Operation::new(name, base.clone(), stack.clone(), purpose, consents).await);
    }
    if let Some((base, stack, pod)) = one_lost(&grown, &wider) {
        let (name, consents) = (format!("{name}: replace"), vec![pod.to_string()]);
        operations.push(Operation::new(name, base, stack, apply, consents).await);
    }
    operations
}

/// A world in which a member is lost with its machine, and nobody else is, the stack with a volume for another, and its pod. None
/// where volumes are not bound to machines: such a member moves.
pub fn one_lost(base: &Cluster, stack: &Stack) -> Option<(Cluster, Stack, ObjectKey)> {
    let (name, cluster) = stack.clusters.iter().next_back()?;
    let mut pools = cluster.pools.values();
    let pool = pools.rfind(|pool| pool.role != Role::Control)?;
    let set = Stack::pool_name(name, &pool.name);
    let set = ObjectKey::within(Kind::StatefulSet, &stack.namespace, set);
    let node_of =
        |pod: &ObjectKey| Some(base.get(pod)?.pointer("/spec/nodeName")?.as_str()?.to_owned());
    let is_alone = |pod: &&ObjectKey| {
        let on_it = base.of_kind(Kind::Pod).filter(|(other, _)| node_of(other) == node_of(pod));
        on_it.count() == 1
    };
    let members: Vec<ObjectKey> = (0..pool.nodes).map(|it| ObjectKey::pod_of(&set, it)).collect();
    let pod = members.iter().find(is_alone)?.clone();
    // Members are spread: another one may come to a machine that has none, as long as there is one.
    let taken: BTreeSet<Option<String>> = members.iter().map(node_of).collect();
    let mut nodes = base.of_kind(Kind::Node).map(|(key, _)| key.name.clone());
    let spare = nodes.find(|node| !taken.contains(&Some(node.clone())));
    let mut stack = stack.clone();
    for (_, storage) in pool.storage() {
        let tier = stack.storage.get_mut(&storage.tier)?;
        let TierKind::Local(volumes) = &mut tier.kind else { return None };
        let like = volumes.first()?.clone();
        let node = spare.clone().unwrap_or_else(|| like.node.clone());
        let path = format!("{}-spare", like.path);
        volumes.push(LocalVolume { node, path, ..like });
    }
    let node = ObjectKey::global(Kind::Node, node_of(&pod)?);
    let sandbox = Sandbox::resumed(base.clone());
    sandbox.disturb(|cluster| {
        cluster.delete(&node);
        cluster.advance(A_MINUTE);
    });
    Some((sandbox.snapshot(), stack, pod))
}

/// Long enough for everybody to notice that a machine is gone.
const A_MINUTE: Duration = Duration::from_secs(60);

impl Operation {
    /// An operation on a world, and how it goes without a fault.
    pub async fn new(
        name: String,
        base: Cluster,
        stack: Stack,
        purpose: Purpose,
        consents: Vec<String>,
    ) -> Self {
        let faults = BTreeMap::new();
        let trial = Trial { stack: &stack, purpose, consents: &consents, faults, way: None };
        let (straight, way) = trial::run_and_keep(&base, &trial).await;
        Self { name, base, stack, purpose, consents, way, straight }
    }

    /// Tries it with faults. What is left in the end must be what is left without them, unless
    /// somebody else interfered.
    pub async fn under(&self, faults: BTreeMap<usize, Fault>) -> Report {
        self.tried(&Ours, faults, Some(&self.way)).await
    }

    /// Tries it with faults, carried out by somebody else, from the beginning.
    pub async fn by(&self, executor: &impl Executor, faults: BTreeMap<usize, Fault>) -> Report {
        self.tried(executor, faults, None).await
    }

    async fn tried(
        &self,
        executor: &impl Executor,
        faults: BTreeMap<usize, Fault>,
        way: Option<&Way>,
    ) -> Report {
        let interfered = faults.values().any(|fault| fault.is_interference());
        let Self { stack, purpose, consents, .. } = self;
        let trial = Trial { stack, purpose: *purpose, consents, faults, way };
        let mut report = trial::run(&self.base, &trial, executor).await;
        if !interfered && report.left != self.straight.left {
            let (here, there) = (&report.left, &self.straight.left);
            let differing: Vec<&String> = here.symmetric_difference(there).collect();
            report.wrong.push(format!("it ends with other objects: {differing:?}"));
        }
        report
    }
}

/// A world with what a stack expects to find; directories it has made are not there yet.
pub fn furnished(stack: &Stack) -> Cluster {
    let mut furniture = Furniture::of(stack);
    // One machine more than the first members need, for the one that is added.
    for number in 1..=4 {
        furniture.nodes.entry(format!("worker-{number}")).or_default();
    }
    let sandbox = Sandbox::in_memory();
    sandbox.furnish(&furniture);
    let mut cluster = sandbox.snapshot();
    for tier in stack.storage.values().filter(|tier| tier.prepare == Some(Prepare::Create)) {
        if let TierKind::Local(volumes) = &tier.kind {
            for volume in volumes {
                cluster.lose_directory(&volume.node, &volume.path);
            }
        }
    }
    cluster
}

/// The world after a stack was applied to it.
pub async fn lived(base: &Cluster, stack: &Stack) -> Cluster {
    let scene = super::scene::Scene::new(base, stack);
    let faults = BTreeMap::new();
    let trial = Trial { stack, purpose: Purpose::Apply, consents: &[], faults, way: None };
    trial::converge(&scene, &trial, &Ours).await;
    scene.sandbox.snapshot()
}

fn changed(stack: &Stack, change: impl FnOnce(&mut Stack)) -> Stack {
    let mut stack = stack.clone();
    change(&mut stack);
    stack
}

/// One member more in the last pool that stores, and volumes for it where volumes are counted.
fn scale_out(stack: &mut Stack) {
    let pools = stack.clusters.values_mut().flat_map(|cluster| cluster.pools.values_mut());
    let Some(pool) = pools.filter(|pool| pool.role != Role::Control).last() else { return };
    pool.nodes += 1;
    for (_, storage) in pool.storage() {
        let tier = stack.storage.get_mut(&storage.tier);
        if let Some(TierKind::Local(volumes)) = tier.map(|tier| &mut tier.kind)
            && let Some(last) = volumes.last().cloned()
        {
            volumes.push(LocalVolume { node: "worker-4".to_owned(), ..last });
        }
    }
}

/// One member less in the pool that had one more.
fn scale_in(stack: &mut Stack) {
    let pools = stack.clusters.values_mut().flat_map(|cluster| cluster.pools.values_mut());
    if let Some(pool) = pools.filter(|pool| pool.role != Role::Control).last() {
        pool.nodes -= 1;
    }
}

/// Other resources for every pool, so that each of its members restarts.
fn other_resources(stack: &mut Stack) {
    for pool in stack.clusters.values_mut().flat_map(|cluster| cluster.pools.values_mut()) {
        if let Ok(cpu) = "750m".parse() {
            pool.cpu = cpu;
        }
    }
}

/// Twice the storage for every pool on volumes of a driver, and one member more in the last of them.
fn grow(stack: &mut Stack) {
    let mut drivers = BTreeSet::new();
    for (name, tier) in &mut stack.storage {
        if let TierKind::Csi { expandable, .. } = &mut tier.kind {
            *expandable = true;
            drivers.insert(name.clone());
        }
    }
    let pools = stack.clusters.values_mut().flat_map(|cluster| cluster.pools.values_mut());
    let mut last = None;
    for pool in pools.filter(|pool| drivers.contains(&pool.data.tier)) {
        for storage in pool.storage_mut() {
            if let Ok(size) = (storage.size.bytes() * 2).to_string().parse() {
                storage.size = size;
            }
        }
        last = Some(pool).filter(|pool| pool.role != Role::Control).or(last);
    }
    if let Some(pool) = last {
        pool.nodes += 1;
    }
}

/// Another pool, of half the storage, in place of the last that stores on volumes of a driver.
fn exchange(stack: &mut Stack) {
    let tiers = &stack.storage;
    let is_local = |pool: &Pool| tiers.get(&pool.data.tier).is_none_or(Tier::is_local);
    let Some(cluster) = stack.clusters.values_mut().last() else { return };
    let mut pools = cluster.pools.values();
    let old = pools.rfind(|pool| pool.role != Role::Control && !is_local(pool));
    let Some(old) = old.cloned() else { return };
    let name = format!("{}-anew", old.name);
    cluster.pools.remove(&old.name);
    if let Ok(size) = (old.data.size.bytes() / 2).to_string().parse() {
        let data = Storage { size, ..old.data.clone() };
        cluster.pools.insert(name.clone(), Pool { name, data, ..old });
    }
}

/// Another name for the first cluster.
fn rename(stack: &mut Stack) {
    let Some((old, mut cluster)) = stack.clusters.pop_first() else { return };
    let new = format!("{old}-anew");
    cluster.name.clone_from(&new);
    let (from, to) = (PartAddress::cluster(&old), PartAddress::cluster(&new));
    stack.moved.push(Move { from, to });
    stack.clusters.insert(new, cluster);
}

fn upgrade(stack: &mut Stack) {
    for cluster in stack.clusters.values_mut() {
        "2.0.9".clone_into(&mut cluster.version);
    }
}
