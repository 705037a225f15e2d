//! Members whose StatefulSet is gone while they go on: it was taken away from around them, by a run that
//! was stopped before it made the next one, or by somebody with `kubectl delete --cascade=orphan`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::PlanInput;
use super::draft::PlanDraft;
use crate::desired::DesiredPool;
use crate::fields;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_STACK, ObjectKey, ordinal};
use crate::observed::LiveObject;
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
    let pods = input
        .observed
        .pods_of(set)
        .filter(|(_, pod)| is_left_alone(pod) && set_of(input, pod).as_ref() == Some(&set.name));
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
    pods.iter().filter_map(|(key, _)| ordinal(&key.name)).max().map_or(0, |highest| highest + 1)
}

/// Refuses to make a StatefulSet that would end or restart the members it is made around.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut pools: BTreeMap<(&str, &str), BTreeSet<&ObjectKey>> = BTreeMap::new();
    for (key, pod) in input.observed.of_kind(Kind::Pod).filter(|(_, pod)| is_left_alone(pod)) {
        let whose = (pod.label(LABEL_CLUSTER), pod.label(LABEL_POOL));
        if let (Some(_), (Some(cluster), Some(pool))) = (set_of(input, pod), whose) {
            pools.entry((cluster, pool)).or_default().insert(key);
        }
    }
    for (cluster, pool) in pools.into_keys() {
        let Some(desired) = input.desired.clusters.get(cluster) else { continue };
        let name = Stack::pool_name(cluster, pool);
        let set = ObjectKey::within(Kind::StatefulSet, &input.stack.namespace, name);
        let pods = of_set(input, &set);
        let wanted = desired.pools.iter().find(|candidate| candidate.set == set);
        let replicas = wanted.map_or(0, DesiredPool::replicas);
        let has = members(&pods);
        if replicas < has {
            let address = input.stack.pool_address(cluster, pool);
            let members = count(has as usize, "member");
            let help = match wanted {
                Some(_) => format!("set nodes = {has}"),
                None => format!("put [{address}] back into the stack"),
            };
            let reason = format!(
                "it has {members} without their StatefulSet and the stack asks for {replicas}: \
                 draining is not carried out yet"
            );
            plan.block(address, "scale-in", reason, help);
        }
        form(input, plan, &set, &pods);
    }
}

/// A StatefulSet of another form than its members would restart them as soon as it is there, whoever of
/// them is away just then.
fn form(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    set: &ObjectKey,
    pods: &[(&ObjectKey, &LiveObject)],
) {
    let Some(object) = input.desired.objects.get(set) else { return };
    let template = &object.manifest["spec"]["template"];
    let other = pods.iter().find_map(|(key, pod)| Some((key, differs(template, pod)?)));
    if let Some((pod, path)) = other {
        plan.block(
            set,
            "quorum",
            format!(
                "it is to be made again around its members, and would restart them: {} differs in \
                 {path}",
                pod.name
            ),
            "put the stack back as it was when they were made, apply, then change it",
        );
    }
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
