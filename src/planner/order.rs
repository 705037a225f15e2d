//! In which order changes are carried out, and when each step is done.

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::engine::MemberState;

use super::PlanInput;
use super::draft::{PlanDraft, create_id, join_id, ready_id, settled, update_id};
use super::restarts::{self, restarts_members};
use super::scale_in;
use super::stuck;
use super::{growth, guards, lost, orphans, retirement};
use crate::desired::{DesiredCluster, DesiredPool};
use crate::fields;
use crate::object::{Kind, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, Operation};
use crate::wording::count;

/// How long Kubernetes may take for what needs no member to start, in seconds.
pub const PROMPT_SECONDS: u64 = 60;

/// How long members that are ready may take until the database lists them as running, in seconds:
/// a new DataNode was seen to be `Unknown` for 2-5 s, a busy one far longer.
pub const JOIN_SECONDS: u64 = 300;

/// Adds a step for every creation and update, and the waits between them.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let sets: BTreeSet<&ObjectKey> =
        input.desired.clusters.values().flat_map(|c| &c.pools).map(|pool| &pool.set).collect();
    let plain: Vec<(ObjectKey, Change)> = plan
        .changes
        .iter()
        .filter(|(key, _)| !sets.contains(key))
        .map(|(key, change)| (key.clone(), change.clone()))
        .collect();
    for (key, change) in plain {
        let until = Until::Said;
        add(input, plan, &key, &change, after_namespace(&key), until, PROMPT_SECONDS);
    }
    for (name, cluster) in &input.desired.clusters {
        pools(input, plan, name, cluster);
        cluster.pools.iter().for_each(|pool| restarts::tell_rolling(input, plan, pool));
        retirement::members_leave(input, plan, (name, cluster));
        for pool in &cluster.pools {
            if !is(plan, &pool.set, Operation::Replace) {
                growth::expansions(input, plan, pool, &BTreeSet::new());
            }
        }
    }
}

/// The steps that make the namespace an object is in.
pub fn after_namespace(key: &ObjectKey) -> BTreeSet<StepId> {
    let namespace = key.namespace.as_ref().map(|name| ObjectKey::global(Kind::Namespace, name));
    namespace.iter().flat_map(settled).collect()
}

/// Control members first; those that only start may then start side by side, those that restart
/// go pool by pool, because all storing pools are one quorum domain.
fn pools(input: &PlanInput<'_>, plan: &mut PlanDraft, name: &str, cluster: &DesiredCluster) {
    let touched = |plan: &PlanDraft, pool: &DesiredPool| plan.changes.contains_key(&pool.set);
    if !cluster.pools.iter().any(|pool| touched(plan, pool)) {
        for pool in &cluster.pools {
            stuck::unblock(input, plan, pool, limit(pool));
        }
        unready_members(input, plan, cluster);
        missing_members(input, plan, name, cluster);
        return;
    }
    // A pool that nothing changes may still be coming back from an earlier, interrupted restart: those
    // of its quorum domain wait for it, and it for none of them.
    // One whose StatefulSet is to be made again around its members is, too.
    let unsettled = |pool: &&DesiredPool| {
        !touched(plan, pool) && !is_rolled(input, pool) || orphans::are_of(input, pool)
    };
    let coming_back: Vec<&DesiredPool> = cluster.pools.iter().filter(unsettled).collect();
    let is_coming_back = |pool: &DesiredPool| coming_back.iter().any(|it| it.set == pool.set);
    let peers = |pool: &DesiredPool, other: &DesiredPool| {
        cluster.quorum_peers(pool).any(|peer| peer.set == other.set)
    };
    let mut before: Vec<&DesiredPool> = Vec::new();
    // Members leave once those to come are there: what they store can go to these then.
    let mut in_order: Vec<&DesiredPool> = cluster.pools.iter().collect();
    in_order.sort_by_key(|pool| scale_in::shrinks(input, pool));
    let mut changed: Vec<&DesiredPool> = Vec::new();
    for pool in in_order {
        let restarts = is(plan, &pool.set, Operation::Update);
        let anew = is(plan, &pool.set, Operation::Replace);
        let earlier = before.iter().filter(|other| {
            let is_later = is_coming_back(pool) && !orphans::are_of(input, other);
            !(is_later && peers(pool, other))
        });
        let awaited = coming_back.iter().filter(|other| restarts && peers(pool, other));
        let mut after = BTreeSet::new();
        let all = changed.iter().filter(|_| scale_in::shrinks(input, pool));
        for other in earlier.chain(awaited).chain(all) {
            after.extend(settled(&other.set));
            after.insert(join_id(name, &other.name));
        }
        after.extend(pool.needs.iter().flat_map(settled));
        after.extend(after_namespace(&pool.set));
        pool_steps(input, plan, (name, cluster), pool, after);
        if pool.role == Role::Control || restarts || anew || orphans::are_of(input, pool) {
            before.push(pool);
        }
        if touched(plan, pool) {
            changed.push(pool);
        }
    }
}

fn is(plan: &PlanDraft, set: &ObjectKey, operation: Operation) -> bool {
    plan.changes.get(set).is_some_and(|change| change.operation == operation)
}

fn pool_steps(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, cluster): (&str, &DesiredCluster),
    pool: &DesiredPool,
    after: BTreeSet<StepId>,
) {
    let until = Until::Rolled { object: pool.set.clone(), replicas: pool.replicas() };
    let limit = limit(pool);
    let change = plan.changes.get(&pool.set).cloned();
    match change {
        Some(change) if scale_in::steps(input, plan, (name, cluster), pool, &change, &after) => {}
        Some(change) => add(input, plan, &pool.set, &change, after, until, limit),
        None if is_rolled(input, pool) || lost::goes_on_without(input, pool) => return,
        None => ready(plan, pool, after),
    }
    stuck::unblock(input, plan, pool, limit);
    if pool.role != Role::Control || can_be_asked(input, name, cluster) {
        join(plan, name, pool, "a pod that is ready is no member yet");
    }
}

/// Waits until all members of a pool are ready.
pub(super) fn ready(plan: &mut PlanDraft, pool: &DesiredPool, after: BTreeSet<StepId>) {
    rolled(plan, pool, pool.replicas(), "what comes after needs them", after);
}

/// Waits until this many members of a pool, which are all its set has, are ready.
pub(super) fn rolled(
    plan: &mut PlanDraft,
    pool: &DesiredPool,
    replicas: u32,
    because: &str,
    after: BTreeSet<StepId>,
) -> StepId {
    let members = count(replicas as usize, pool.title);
    let title = format!("wait for {members} of `{}` to be ready", pool.set.name);
    let (id, until) = (ready_id(&pool.set), Until::Rolled { object: pool.set.clone(), replicas });
    plan.step(id.clone(), Step::waiting(title, because, after, until, limit(pool)));
    id
}

/// Whether somebody can be asked for a database's members: it has answered, or one that serves is ready
/// to. Before the first of those there is nobody to ask; one that is silent just now will answer.
fn can_be_asked(input: &PlanInput<'_>, name: &str, cluster: &DesiredCluster) -> bool {
    guards::seen_id(input.observed, name).is_some()
        || serving_pods(input, cluster).any(|(_, pod)| pod.is_ready())
}

/// The pods of members that serve clients.
fn serving_pods<'a>(
    input: &PlanInput<'a>,
    cluster: &'a DesiredCluster,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let observed = input.observed;
    let serving = cluster.pools.iter().filter(|pool| pool.role != Role::Control);
    serving.flat_map(|pool| observed.pods_of(&pool.set))
}

/// What a restart of serving members counts on that no look at the database comes before, because there
/// was nobody to ask: that there still is nobody. Else it has to be asked first (rule 3).
fn still_nobody_to_ask(input: &PlanInput<'_>, set: &ObjectKey) -> Vec<Expect> {
    let Some((name, cluster, pool)) = input.desired.pool_of(set) else { return Vec::new() };
    if pool.role == Role::Control || can_be_asked(input, name, cluster) {
        return Vec::new();
    }
    let away = |(key, pod): (&ObjectKey, &LiveObject)| Expect::Away {
        object: key.clone(),
        uid: pod.uid().to_owned(),
    };
    serving_pods(input, cluster).map(away).collect()
}

/// Waits until the database lists a pool's members as running.
pub(super) fn join(plan: &mut PlanDraft, cluster: &str, pool: &DesiredPool, because: &str) {
    let members = count(pool.addresses.len(), pool.title);
    let title = format!("see {members} of `{}` running in the database", pool.set.name);
    let joined = Until::Joined { cluster: cluster.to_owned(), addresses: pool.addresses.clone() };
    let after = settled(&pool.set).into();
    let step = Step::waiting(title, because.to_owned(), after, joined, JOIN_SECONDS);
    plan.step(join_id(cluster, &pool.name), step);
}

/// Pods that are all ready, and a database that does not say so: what an apply that was stopped
/// while waiting has left, or a member the cluster has lost.
fn missing_members(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    name: &str,
    cluster: &DesiredCluster,
) {
    if !cluster.pools.iter().all(|pool| is_rolled(input, pool)) {
        return;
    }
    let record = input.observed.inventory.as_ref().and_then(|record| record.clusters.get(name));
    let founded = record.is_some_and(|record| !record.cluster_id.is_empty());
    let view = input.observed.databases.get(name);
    for pool in &cluster.pools {
        let missing = match view {
            Some(DatabaseView::Seen(topology)) => pool.addresses.iter().any(|address| {
                !topology.members.get(address).is_some_and(|m| m.state == MemberState::Running)
            }),
            _ => !founded && pool.role != Role::Control,
        };
        if missing {
            join(
                plan,
                name,
                pool,
                "its pods are ready, and the database does not list all of them",
            );
        }
    }
    match view {
        Some(DatabaseView::Unreachable { why }) if founded => {
            let called = input.stack.cluster_address(name);
            let name = called.name();
            plan.note(format!("The database of cluster `{name}` does not answer: {why}."));
        }
        _ => {}
    }
}

/// How long all members of a pool may take until they are ready, one after the other.
pub fn limit(pool: &DesiredPool) -> u64 {
    pool.ready_within_seconds * u64::from(pool.replicas().max(1))
}

/// Whether all members of a pool are there and ready, as Kubernetes counts them.
fn is_rolled(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    let live = input.observed.objects.get(&pool.set);
    live.is_some_and(|live| live.has_rolled(i64::from(pool.replicas())))
}

fn unready_members(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &DesiredCluster) {
    for pool in cluster.pools.iter().filter(|pool| !is_rolled(input, pool)) {
        if let Some(live) = input.observed.objects.get(&pool.set) {
            let ready = live.number("/status/readyReplicas").unwrap_or(0);
            plan.note(format!(
                "{} has {ready} of {} members ready; `tsinfra status` says why.",
                pool.set,
                pool.replicas()
            ));
        }
    }
}

/// Adds the step that carries a change out.
fn add(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    change: &Change,
    after: BTreeSet<StepId>,
    until: Until,
    limit_seconds: u64,
) {
    let Some(object) = input.desired.objects.get(key) else { return };
    let live = input.observed.objects.get(key);
    if let (Operation::Replace, Some(live)) = (change.operation, live) {
        growth::anew(input, plan, (key, object, live), after, (until, limit_seconds));
        return;
    }
    let manifest = object.manifest.clone();
    let because = change.because.clone();
    let (id, verb, action, expects) = match (change.operation, live) {
        (Operation::Create, _) => (
            create_id(key),
            "create",
            Action::Create { object: key.clone(), manifest },
            Expect::Absent { object: key.clone() },
        ),
        (Operation::Update, Some(live)) => {
            let (uid, digest) = (live.uid().to_owned(), fields::digest(&manifest, &live.value));
            let force = change.fields.iter().any(|field| field.drifted_by.is_some());
            let object = key.clone();
            let expect =
                Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest: digest.clone() };
            let action = Action::Update { object, uid, digest, manifest, force };
            (update_id(key), "update", action, expect)
        }
        _ => return,
    };
    let around = orphans::before_restart(input, key);
    let restarts = change.operation == Operation::Update
        && change.fields.iter().any(|field| restarts_members(key, field))
        || around.is_some();
    let risk = match (restarts, object.exposes) {
        (true, _) => Risk::Restarts,
        (false, true) => Risk::Exposes,
        (false, false) => Risk::None,
    };
    let title = match orphans::of_set(input, key).is_empty() {
        true => format!("{verb} {key}"),
        false => format!("{verb} {key} around its members"),
    };
    let mut expects = vec![expects];
    if restarts {
        let ready = || restarts::ready_before_restart(input, key).into_iter();
        let ready = || ready().map(|object| Expect::Ready { object }).collect();
        expects.extend(around.unwrap_or_else(ready));
        expects.extend(still_nobody_to_ask(input, key));
    }
    let bytes = 0;
    plan.step(
        id,
        Step { action, title, because, expects, after, until, limit_seconds, risk, bytes },
    );
}
