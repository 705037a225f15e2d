//! The end of a pool while its cluster goes on: its members leave one by one, each handing over what it
//! stores, then its StatefulSet goes, and its Service (rules 2, 6, 7).

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::drivers::driver;

use super::draft::{PlanDraft, delete_id, join_id, settled};
use super::leavers::{Leaver, Shrinking, leave_one_by_one};
use super::order::{self, PROMPT_SECONDS};
use super::removal::{delete, removed};
use super::teardown::{STOP_SECONDS_MIN, is_control, stop_seconds};
use super::{PlanInput, condemned, guards, leavers, objects, orphans, scale_in};
use crate::desired::{DesiredCluster, DesiredPool};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_POOL, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, Operation};
use crate::stack::Stack;
use crate::wording::count;

/// Why such a pool goes.
pub const BECAUSE: &str = "the stack no longer declares its pool";

/// Whether a pool is one the stack declares no more; a declared one has members.
pub fn is_retired(pool: &DesiredPool) -> bool {
    pool.addresses.is_empty()
}

/// The pools of a cluster that are there, or have left claims or volumes, and that the stack declares no
/// more. Each is to have no members.
pub fn pools(input: &PlanInput<'_>, name: &str, cluster: &DesiredCluster) -> Vec<DesiredPool> {
    let is_of = |key: &ObjectKey, live: &LiveObject| match key.kind {
        Kind::StatefulSet | Kind::PersistentVolumeClaim => true,
        Kind::PersistentVolume => condemned::is_condemned(key, live),
        _ => false,
    };
    let of_cluster = objects::owned(input)
        .filter(|(key, live)| live.label(LABEL_CLUSTER) == Some(name) && is_of(key, live));
    let labels = of_cluster.filter_map(|(_, live)| live.label(LABEL_POOL));
    let undeclared: BTreeSet<&str> =
        labels.filter(|pool| !cluster.pools.iter().any(|it| it.name == *pool)).collect();
    undeclared.into_iter().filter_map(|pool| retired(input, name, pool)).collect()
}

fn retired(input: &PlanInput<'_>, cluster: &str, pool: &str) -> Option<DesiredPool> {
    let name = Stack::pool_name(cluster, pool);
    let set = ObjectKey::within(Kind::StatefulSet, &input.stack.namespace, name);
    // Names are composed, so that two pools may meet in one: `a-b` and `c`, `a` and `b-c`.
    let is_anothers = |live: &LiveObject| {
        !objects::is_ours(input.stack, input.observed, &set, live)
            || live.label(LABEL_CLUSTER) != Some(cluster)
            || live.label(LABEL_POOL) != Some(pool)
    };
    let live = input.observed.objects.get(&set);
    if input.desired.pool_of(&set).is_some() || live.is_some_and(is_anothers) {
        return None;
    }
    let votes = |(_, pod): &(&ObjectKey, &LiveObject)| pod.label(LABEL_DOMAIN) == Some("control");
    let role = match live.is_some_and(is_control) || orphans::of_set(input, &set).iter().any(votes)
    {
        true => Role::Control,
        false => Role::Mixed,
    };
    let roles = driver(input.stack.clusters.get(cluster)?.engine).roles();
    let title = roles.iter().find(|(one, _)| *one == role).map_or("member", |(_, title)| title);
    Some(DesiredPool {
        name: pool.to_owned(),
        role,
        set,
        title,
        addresses: BTreeSet::new(),
        claims: Vec::new(),
        ready_within_seconds: live.map_or(STOP_SECONDS_MIN, stop_seconds),
        needs: Vec::new(),
    })
}

/// Whether members of a pool are there, or their StatefulSet is.
fn is_there(input: &PlanInput<'_>, set: &ObjectKey) -> bool {
    input.observed.objects.contains_key(set) || !orphans::of_set(input, set).is_empty()
}

/// Whether an object is of a pool that ends, and goes with its members.
pub fn is_of_members(input: &PlanInput<'_>, service: &ObjectKey) -> bool {
    is_there(input, &ObjectKey { kind: Kind::StatefulSet, ..service.clone() })
}

/// Whether nobody can be asked to drain the members of a pool, and that is since others are missing: these
/// come back first.
fn is_deferred(input: &PlanInput<'_>, name: &str, cluster: &DesiredCluster) -> bool {
    let is_whole = |pool: &DesiredPool| {
        let live = input.observed.objects.get(&pool.set);
        live.is_some_and(|live| {
            let number = |pointer| live.number(pointer).unwrap_or(0);
            number("/status/readyReplicas") >= number("/spec/replicas")
        })
    };
    let answers = matches!(input.observed.databases.get(name), Some(DatabaseView::Seen(_)));
    !answers && !cluster.pools.iter().all(is_whole)
}

/// Refuses the end of pools whose members cannot be drained, or not now; and says what will become of the
/// others, since a pool that only has another name looks the same.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let pools = pools(input, name, cluster);
        for pool in &pools {
            let live = input.observed.objects.get(&pool.set);
            if !is_there(input, &pool.set) {
                // Members that were ended with their set, and have not left.
                if guards::seen_id(input.observed, name).is_some() {
                    scale_in::check(input, plan, name, pool);
                }
            } else if live.is_some_and(LiveObject::is_leaving) {
                let help = "wait until it is gone, then plan again";
                plan.block(&pool.set, "leaving", "it is being deleted", help);
            } else if is_deferred(input, name, cluster) && pool.role != Role::Control {
                plan.note(format!(
                    "{} stays for now, though the stack no longer declares its pool: its members are \
                     drained by the next apply, once all others are there and the database answers.",
                    pool.set
                ));
            } else if scale_in::check(input, plan, name, pool) {
                let address = input.stack.pool_address(name, &pool.name);
                plan.note(format!(
                    "The stack no longer declares {address}: its members hand over what they store, and \
                     it goes. If it is called otherwise now, say so with [[moved]] instead."
                ));
            }
        }
    }
}

/// Adds the steps by which the members of pools leave that the stack declares no more, one after the other,
/// and after all that is to become of the pools that stay: what they store goes to these.
pub fn members_leave(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, cluster): (&str, &DesiredCluster),
) {
    if is_deferred(input, name, cluster) {
        return;
    }
    let retired = pools(input, name, cluster);
    let mut after: BTreeSet<StepId> = BTreeSet::new();
    for pool in &cluster.pools {
        let (joins, ids) = (join_id(name, &pool.name), settled(&pool.set));
        let is_awaited = ids.iter().any(|id| plan.steps.contains_key(id));
        if !retired.is_empty() && !is_awaited && leavers::starts(input, pool) {
            order::ready(plan, pool, BTreeSet::new());
            order::join(plan, name, pool, "what the others store goes to them");
        }
        after.extend(ids);
        after.insert(joins);
    }
    for pool in retired {
        let Some(shrinking) = Shrinking::of(input, name, &pool) else { continue };
        let (database, run) = (&cluster.database, shrinking.all_are_listed(input));
        let last =
            leave_one_by_one(input, plan, &shrinking, (database, &after), |plan, leaver, after| {
                match shrinking.live {
                    Some(live) => {
                        // Who never joined may never be ready.
                        let until = shrinking.shrunk(input, leaver, run);
                        let scaled = scale_down(plan, (&shrinking, live), until, leaver, after);
                        leavers::abandoned(input, plan, &shrinking, leaver.1, [scaled].into())
                    }
                    None => delete_pod(input, plan, &shrinking, leaver, after),
                }
            });
        after.extend(last);
    }
}

/// Shrinks the set by the member that left; of what it is else, nothing changes.
fn scale_down(
    plan: &mut PlanDraft,
    (shrinking, live): (&Shrinking<'_>, &LiveObject),
    until: Until,
    (ordinal, leaver): (u32, &Leaver),
    after: BTreeSet<StepId>,
) -> StepId {
    let (set, uid) = (&shrinking.desired.set, live.uid().to_owned());
    let id = StepId(format!("shrink/{set}/{ordinal}"));
    let members = count(ordinal as usize, "member");
    let (object, digest) = (set.clone(), String::new());
    let unchanged = Expect::Unchanged { object, uid: uid.clone(), digest };
    let step = Step {
        action: Action::Scale { object: set.clone(), uid, from: ordinal + 1, to: ordinal },
        title: format!("shrink {set} to {members}, without {}", leaver.pod.name),
        because: BECAUSE.to_owned(),
        expects: vec![unchanged, shrinking.left(leaver)],
        after,
        until,
        limit_seconds: shrinking.desired.ready_within_seconds * u64::from(ordinal.max(1)),
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id.clone(), step);
    id
}

/// Deletes the pod of a member that left and has no StatefulSet, which would bring it back.
fn delete_pod(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    (_, leaver): (u32, &Leaver),
    after: BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    if leavers::is_to_be_abandoned(input, leaver).is_some() {
        return leavers::abandoned(input, plan, shrinking, leaver, after);
    }
    let Some(live) = input.observed.objects.get(&leaver.pod) else { return after };
    let (id, until) = (delete_id(&leaver.pod), Until::Gone { object: leaver.pod.clone() });
    delete(plan, &leaver.pod, live, BECAUSE, after, until, STOP_SECONDS_MIN);
    if let Some(step) = plan.steps.get_mut(&id) {
        let nobody_makes_it_anew = Expect::LetGo { object: shrinking.desired.set.clone() };
        step.expects.extend([shrinking.left(leaver), nobody_makes_it_anew]);
    }
    [id].into()
}

/// Takes down what is left of such pools once their members have left and their claims are gone.
pub fn rest(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let all = input.desired.clusters.iter();
    for (name, cluster) in all.filter(|(name, cluster)| !is_deferred(input, name, cluster)) {
        let pools = pools(input, name, cluster);
        for pool in pools.iter().filter(|pool| is_there(input, &pool.set)) {
            let address = input.stack.pool_address(name, &pool.name).to_string();
            let set = pool.set.to_string();
            if !plan.blocked.iter().any(|it| it.address == address || it.address == set) {
                set_and_service(input, plan, pool);
            }
        }
    }
}

fn set_and_service(input: &PlanInput<'_>, plan: &mut PlanDraft, pool: &DesiredPool) {
    let set = &pool.set;
    let is_of_it = |expect: &Expect| match expect {
        Expect::Left { object: pod, .. } => pod.set_of_pod().as_ref() == Some(set),
        _ => false,
    };
    let is_about = |step: &Step| {
        let pod = step.action.object().filter(|object| object.kind == Kind::Pod);
        pod.and_then(ObjectKey::set_of_pod).as_ref() == Some(set)
            || step.expects.iter().any(is_of_it)
    };
    let of_members = plan.steps.iter().filter(|(_, step)| is_about(step));
    let mut after: BTreeSet<StepId> = of_members.map(|(id, _)| id.clone()).collect();
    if let Some(live) = input.observed.objects.get(set) {
        let until = Until::PodsGone { object: set.clone() };
        delete(plan, set, live, BECAUSE, after, until, pool.ready_within_seconds);
        if let Some(step) = plan.steps.get_mut(&delete_id(set)) {
            step.action = Action::Dissolve { object: set.clone(), uid: live.uid().to_owned() };
            step.expects.push(Expect::AtMost { object: set.clone(), replicas: 0 });
        }
        plan.changes.insert(set.clone(), change(live));
        after = [delete_id(set)].into();
    }
    let service = ObjectKey { kind: Kind::Service, ..set.clone() };
    let is_ours = |it: &&LiveObject| objects::is_ours(input.stack, input.observed, &service, it);
    if let Some(live) = input.observed.objects.get(&service).filter(is_ours) {
        let until = removed(&service, live);
        delete(plan, &service, live, BECAUSE, after, until, PROMPT_SECONDS);
    }
}

fn change(live: &LiveObject) -> Change {
    let members = live.number("/spec/replicas").and_then(|has| usize::try_from(has).ok());
    let summary = match members.unwrap_or(0) {
        0 => "its members have left".to_owned(),
        1 => "1 member leaves before".to_owned(),
        has => format!("{} leave before, one by one", count(has, "member")),
    };
    let (operation, because) = (Operation::Delete, BECAUSE.to_owned());
    Change { operation, because, summary, fields: Vec::new() }
}
