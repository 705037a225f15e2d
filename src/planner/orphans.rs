//! Members whose StatefulSet is gone while they go on: it was taken away from around them, by a run that
//! was stopped before it made the next one, or by somebody with `kubectl delete --cascade=orphan`.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::cluster::Role;
use serde_json::{Value, json};

use super::draft::PlanDraft;
use super::{PlanInput, claims, restarts};
use crate::desired::DesiredPool;
use crate::fields;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_STACK, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::Expect;
use crate::stack::Stack;
use crate::wording::count;

/// Why such a StatefulSet is made.
pub const BECAUSE: &str = "it is gone and its members are not: it is made again around them";

/// The same where somebody is known to have taken it.
pub const BECAUSE_DELETED: &str =
    "it was deleted outside of tsinfra and its members were not: it is made again around them";

/// Whether a pod belongs to nobody and stays. One whose StatefulSet was deleted with it still says whose
/// it was until it is gone.
pub fn is_left_alone(pod: &LiveObject) -> bool {
    let owners = pod.value.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    owners.is_none_or(Vec::is_empty) && !pod.is_leaving()
}

/// The pods of a StatefulSet of this stack that is gone, which go on without it.
pub fn of_set<'a>(input: &PlanInput<'a>, set: &ObjectKey) -> Vec<(&'a ObjectKey, &'a LiveObject)> {
    if input.observed.objects.contains_key(set) {
        return Vec::new();
    }
    let declared = input.desired.pool_of(set);
    // Names are composed: those of another pool may meet this one's.
    let is_its = |pod: &LiveObject| {
        declared.is_none_or(|(cluster, _, pool)| {
            pod.label(LABEL_CLUSTER) == Some(cluster) && pod.label(LABEL_POOL) == Some(&pool.name)
        })
    };
    let pods = input.observed.pods_of(set).filter(|(_, pod)| {
        is_left_alone(pod) && is_its(pod) && set_of(input, pod).as_ref() == Some(&set.name)
    });
    pods.collect()
}

/// Whether a pool's StatefulSet is to be made again around its members.
pub fn are_of(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    !of_set(input, &pool.set).is_empty()
}

/// The StatefulSet a pod of this stack is of, by its labels.
fn set_of(input: &PlanInput<'_>, pod: &LiveObject) -> Option<String> {
    let (cluster, pool) = (pod.label(LABEL_CLUSTER)?, pod.label(LABEL_POOL)?);
    let ours = pod.label(LABEL_STACK) == Some(&input.stack.name);
    ours.then(|| Stack::pool_name(cluster, pool))
}

/// How many members a StatefulSet must have not to end one of those that are there.
pub fn members(pods: &[(&ObjectKey, &LiveObject)]) -> u32 {
    pods.iter().filter_map(|(key, _)| key.ordinal()).max().map_or(0, |highest| highest + 1)
}

/// Refuses to make a StatefulSet that would end or restart the members it is made around.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let alone = input.observed.of_kind(Kind::Pod).filter(|(_, pod)| is_left_alone(pod));
    let ours = alone.filter(|(_, pod)| set_of(input, pod).is_some());
    let pools: BTreeSet<(&str, &str)> = ours
        .filter_map(|(_, pod)| Some((pod.label(LABEL_CLUSTER)?, pod.label(LABEL_POOL)?)))
        .collect();
    for (cluster, pool) in pools {
        let Some(desired) = input.desired.clusters.get(cluster) else { continue };
        let name = Stack::pool_name(cluster, pool);
        let set = ObjectKey::within(Kind::StatefulSet, &input.stack.namespace, name);
        let pods = of_set(input, &set);
        if pods.is_empty() {
            continue;
        }
        // Of a pool that is not declared any more they leave without one: see `retirement`.
        let wanted = desired.pools.iter().find(|candidate| candidate.set == set);
        let Some(replicas) = wanted.map(DesiredPool::replicas) else { continue };
        let has = members(&pods);
        if replicas < has {
            let address = input.stack.pool_address(cluster, pool);
            let members = count(has as usize, "member");
            let reason = format!(
                "it has {members} without their StatefulSet and the stack asks for {replicas}: a new \
                 one would end the others undrained"
            );
            plan.block(address, "scale-in", reason, format!("set nodes = {has}"));
        }
        form(input, plan, &set, &pods);
    }
}

/// A StatefulSet of another form than its members restarts them as soon as it is there, the highest first,
/// and one that comes to a member of the old form deletes it, also while a lower one is away. Only in order
/// mode it waits for all of them before.
fn form(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    set: &ObjectKey,
    pods: &[(&ObjectKey, &LiveObject)],
) {
    let Some((name, cluster, pool)) = input.desired.pool_of(set) else { return };
    let Some(other) = of_another_form(input, set, pods).into_iter().next_back() else { return };
    if claims::leaving(input, plan, pool) {
        return;
    }
    // What is above comes back before its turn comes.
    let counts = |name: &str| {
        let own = number_of(set, name);
        own.is_none_or(|number| number < other.0 && pool.role != Role::Control)
    };
    let ready = |name: &String| pods.iter().any(|(key, pod)| key.name == *name && pod.is_ready());
    let own = (0..members(pods)).map(|number| format!("{}-{number}", set.name));
    let mut away: BTreeSet<String> = own.filter(|name| !ready(name)).collect();
    away.extend(restarts::silent(input, name, cluster, pool).unwrap_or_default());
    away.retain(|name| counts(name));
    if !away.is_empty() {
        let names: Vec<&str> = away.iter().map(String::as_str).collect();
        plan.block(
            set,
            "quorum",
            format!(
                "made again around its members it would restart them, since {}-{} differs in {}, and \
                 {} is not running",
                set.name,
                other.0,
                other.1,
                names.join(", ")
            ),
            "bring it back first: put the stack back as it was when they were made, and apply that",
        );
    }
}

/// The number of a StatefulSet's member, by the name of its pod; `None`: it is another's.
fn number_of(set: &ObjectKey, pod: &str) -> Option<u32> {
    pod.strip_prefix(&set.name)?.strip_prefix('-')?.parse().ok()
}

/// The members that are of another form than a StatefulSet made again around them, by number, each with a
/// field that differs.
fn of_another_form(
    input: &PlanInput<'_>,
    set: &ObjectKey,
    pods: &[(&ObjectKey, &LiveObject)],
) -> BTreeMap<u32, String> {
    let Some(object) = input.desired.objects.get(set) else { return BTreeMap::new() };
    let template = &object.manifest["spec"]["template"];
    let other =
        |(key, pod): &(&ObjectKey, &LiveObject)| Some((key.ordinal()?, differs(template, pod)?));
    pods.iter().filter_map(other).collect()
}

/// What must be so for a StatefulSet to be made again around its members, if that restarts them: all of its
/// quorum domain are ready. `None`: nobody restarts.
pub fn before_restart(input: &PlanInput<'_>, set: &ObjectKey) -> Option<Vec<Expect>> {
    let pods = of_set(input, set);
    if of_another_form(input, set, &pods).is_empty() {
        return None;
    }
    let ready = |object: &ObjectKey| Expect::Ready { object: object.clone() };
    let (_, cluster, pool) = input.desired.pool_of(set)?;
    let mut expects: Vec<Expect> =
        pods.iter().filter(|(_, pod)| pod.is_ready()).map(|(key, _)| ready(key)).collect();
    let mut is_later = false;
    for peer in cluster.quorum_peers(pool) {
        if peer.set == *set {
            is_later = true;
        } else if is_later && are_of(input, peer) {
            // Its own StatefulSet is made after this one.
            expects.extend(of_set(input, &peer.set).into_iter().map(|(key, _)| ready(key)));
        } else if input.observed.objects.contains_key(&peer.set) || are_of(input, peer) {
            expects.push(ready(&peer.set));
        }
    }
    Some(expects)
}

/// Parts of a pod's specification that others add to when it is made: tolerations of nodes in trouble,
/// and the volumes of claims and tokens.
const ADDED_TO: [&str; 2] = ["tolerations", "volumes"];

/// In what a pod is not as a template says.
fn differs(template: &Value, pod: &LiveObject) -> Option<String> {
    let mut asked = json!({
        "metadata": { "labels": template["metadata"]["labels"] },
        "spec": template["spec"],
    });
    for part in ADDED_TO {
        asked["spec"].as_object_mut()?.remove(part);
    }
    let departs = fields::departures(&asked, &pod.value, &BTreeSet::new());
    if let Some(path) = departs.into_iter().next() {
        return Some(path);
    }
    let variables = |value: &Value| -> BTreeSet<String> {
        let containers = value["spec"]["containers"].as_array().into_iter().flatten();
        let all = containers.flat_map(|one| one["env"].as_array().into_iter().flatten());
        all.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect()
    };
    let gone = variables(&pod.value).difference(&variables(&asked)).next().cloned();
    gone.map(|name| format!(".env[name={name}]"))
}
