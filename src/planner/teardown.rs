//! The end: of a whole stack, of one cluster of it, or of what the stack no longer declares.

use std::collections::{BTreeMap, BTreeSet};

use super::claims;
use super::condemned::{self, is_condemned};
use super::draft::{PlanDraft, delete_id};
use super::order::PROMPT_SECONDS;
use super::removal::{FREE_SECONDS, delete, removed, storage_down};
use super::{PlanInput, objects, orphans, retirement};
use crate::object::{
    ANNOTATION_PROTECT, Kind, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_POOL, LABEL_STACK, ObjectKey,
};
use crate::observed::LiveObject;
use crate::plan::step::{Step, StepId, Until};
use crate::stack::Stack;

/// The quorum domain of control members.
const DOMAIN_CONTROL: &str = "control";

/// Why everything goes when a whole stack does.
const THE_STACK_GOES: &str = "the stack goes";

/// How long members may take to stop at least, in seconds.
pub const STOP_SECONDS_MIN: u64 = 900;

/// What a stop may take beyond the grace period, in seconds: for nodes that are slow to tell.
const STOP_MARGIN_SECONDS: u64 = 300;

/// How long the members of a pool may take to stop, in seconds.
pub fn stop_seconds(set: &LiveObject) -> u64 {
    let grace = set.number("/spec/template/spec/terminationGracePeriodSeconds").unwrap_or(0);
    (grace.unsigned_abs() + STOP_MARGIN_SECONDS).max(STOP_SECONDS_MIN)
}

/// Takes down all that the stack owns: members first, then what they used, claims and volumes as
/// their tier says. The end of a whole cluster needs no drain, but consent.
pub fn everything(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let clusters: BTreeSet<String> = objects::owned(input)
        .filter_map(|(_, live)| live.label(LABEL_CLUSTER).map(str::to_owned))
        .collect();
    for cluster in &clusters {
        let before = plan.steps.len();
        cluster_down(input, plan, cluster, THE_STACK_GOES);
        if plan.steps.len() > before {
            protection(input, plan, cluster);
        }
    }
    let leftovers: Vec<_> = objects::owned(input)
        .filter(|(key, live)| {
            live.label(LABEL_CLUSTER).is_none()
                && matches!(key.kind, Kind::StorageClass | Kind::PersistentVolume)
        })
        .collect();
    for (key, live) in leftovers {
        storage_down(plan, key, live, THE_STACK_GOES);
    }
}

/// Takes down what the stack owns but declares no more. A whole cluster goes only with consent.
pub fn what_the_stack_dropped(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let dropped: Vec<(&ObjectKey, &LiveObject)> = objects::owned(input)
        .filter(|(key, _)| {
            !input.desired.objects.contains_key(key)
                && !matches!(key.kind, Kind::PersistentVolumeClaim | Kind::ConfigMap)
        })
        .collect();
    let gone = |live: &LiveObject| {
        let name = live.label(LABEL_CLUSTER)?;
        (!input.desired.clusters.contains_key(name)).then(|| name.to_owned())
    };
    let clusters: BTreeSet<String> = dropped.iter().filter_map(|(_, live)| gone(live)).collect();
    for cluster in &clusters {
        protection(input, plan, cluster);
        consent(input, plan, cluster);
        cluster_down(input, plan, cluster, "the stack no longer declares its cluster");
    }
    let because = "the stack no longer declares it";
    let of_the_stack =
        |(key, live): &(&ObjectKey, &LiveObject)| gone(live).is_none() && !is_condemned(key, live);
    for (key, live) in dropped.into_iter().filter(of_the_stack) {
        match key.kind {
            Kind::StorageClass | Kind::PersistentVolume => storage_down(plan, key, live, because),
            // `retirement` has taken its members away before, or refused to.
            Kind::StatefulSet => {}
            Kind::Service if retirement::is_of_members(input, key) => {}
            _ => delete(
                plan,
                key,
                live,
                because,
                BTreeSet::new(),
                removed(key, live),
                PROMPT_SECONDS,
            ),
        }
    }
}

/// Protection holds as long as either the stack, the live cluster or the record says so, so that
/// taking a table out of the file does not take the protection with it.
fn protection(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str) {
    let declared = input.stack.clusters.get(cluster).is_some_and(|cluster| cluster.protect);
    let live = objects::owned(input).any(|(_, live)| {
        live.label(LABEL_CLUSTER) == Some(cluster)
            && live.annotation(ANNOTATION_PROTECT) == Some("true")
    });
    let recorded = input.observed.inventory.as_ref().is_some_and(|inventory| {
        inventory.clusters.get(cluster).is_some_and(|record| record.protect)
    });
    let address = input.stack.cluster_address(cluster).to_string();
    if (declared || live || recorded) && !input.consents.contains(&address) {
        plan.block(
            &address,
            "protected",
            "it is protected from deletion",
            format!("set protect = false and apply that first, or add --consent {address}"),
        );
    }
}

fn consent(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str) {
    let address = input.stack.cluster_address(cluster).to_string();
    if !input.consents.contains(&address) {
        plan.block(
            &address,
            "consent",
            "the stack no longer declares it, and taking it down ends its data service",
            format!(
                "put it back into the stack, or add --consent {address}; if it is called otherwise \
                 now, say so with [[moved]]"
            ),
        );
    }
}

/// Members, then the Services and budgets around them, then the claims.
fn cluster_down(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str, because: &str) {
    let of_cluster: Vec<(&ObjectKey, &LiveObject)> = objects::owned(input)
        .filter(|(_, live)| live.label(LABEL_CLUSTER) == Some(cluster))
        .collect();
    let of_kind = |kind: Kind| of_cluster.iter().filter(move |(key, _)| key.kind == kind);
    let sets: Vec<&(&ObjectKey, &LiveObject)> = of_kind(Kind::StatefulSet).collect();
    // Data members stop while ConfigNodes still listen, so that they can say good-bye.
    let mut data: BTreeSet<StepId> =
        sets.iter().filter(|(_, live)| !is_control(live)).map(|(key, _)| delete_id(key)).collect();
    let orphans = orphaned_pods(input, cluster, &sets);
    let storing = orphans.iter().filter(|(_, domain)| *domain != DOMAIN_CONTROL);
    data.extend(storing.map(|(set, _)| stopped_id(set)));
    for (set, domain) in &orphans {
        let after = if domain == DOMAIN_CONTROL { data.clone() } else { BTreeSet::new() };
        pods_down(input, plan, set, because, &after);
    }
    for (key, live) in &sets {
        let after = if is_control(live) { data.clone() } else { BTreeSet::new() };
        let until = Until::PodsGone { object: (*key).clone() };
        delete(plan, key, live, because, after, until, stop_seconds(live));
    }
    let mut stopped: BTreeSet<StepId> = sets.iter().map(|(key, _)| delete_id(key)).collect();
    stopped.extend(orphans.keys().map(stopped_id));
    for kind in [Kind::Service, Kind::PodDisruptionBudget] {
        for (key, live) in of_kind(kind) {
            delete(plan, key, live, because, stopped.clone(), removed(key, live), FREE_SECONDS);
        }
    }
    condemned::claims_down(input, plan, &of_cluster, &stopped);
    pools_of_strangers(input, plan, &sets);
}

/// Whether the members of a StatefulSet vote on the cluster's metadata.
pub fn is_control(live: &LiveObject) -> bool {
    let domain = live.value.pointer("/spec/template/metadata/labels");
    domain.and_then(|labels| labels.get(LABEL_DOMAIN)).and_then(|v| v.as_str())
        == Some(DOMAIN_CONTROL)
}

/// Pools whose StatefulSet is gone while pods of it are there, with their quorum domain: an earlier destroy
/// was interrupted there, or it was taken away from around them. Pods of one that is there and was let go
/// stay with it.
fn orphaned_pods(
    input: &PlanInput<'_>,
    cluster: &str,
    sets: &[&(&ObjectKey, &LiveObject)],
) -> BTreeMap<ObjectKey, String> {
    let pods = input.observed.of_kind(Kind::Pod).filter(|(_, pod)| {
        pod.label(LABEL_STACK) == Some(&input.stack.name)
            && pod.label(LABEL_CLUSTER) == Some(cluster)
    });
    let set_of = |(key, pod): (&ObjectKey, &LiveObject)| {
        let name = Stack::pool_name(cluster, pod.label(LABEL_POOL)?);
        let set = ObjectKey { kind: Kind::StatefulSet, name, ..key.clone() };
        let domain = pod.label(LABEL_DOMAIN).unwrap_or_default().to_owned();
        let is_there = input.observed.objects.contains_key(&set);
        (!is_there && !sets.iter().any(|(live, _)| **live == set)).then_some((set, domain))
    };
    pods.filter_map(set_of).collect()
}

fn stopped_id(set: &ObjectKey) -> StepId {
    StepId(format!("stopped/{set}"))
}

/// Waits for pods that stop with their StatefulSet, and deletes those that would go on without it.
fn pods_down(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    set: &ObjectKey,
    because: &str,
    after: &BTreeSet<StepId>,
) {
    let mut deleted: BTreeSet<StepId> = BTreeSet::new();
    for (key, pod) in orphans::of_set(input, set) {
        let until = Until::Gone { object: key.clone() };
        delete(plan, key, pod, because, after.clone(), until, STOP_SECONDS_MIN);
        deleted.insert(delete_id(key));
    }
    wait_for_pods(plan, set, because, deleted);
}

fn wait_for_pods(plan: &mut PlanDraft, set: &ObjectKey, because: &str, after: BTreeSet<StepId>) {
    let (title, until) =
        (format!("wait for the last pods of {set}"), Until::PodsGone { object: set.clone() });
    let step = Step::waiting(title, because, after, until, STOP_SECONDS_MIN);
    plan.step(stopped_id(set), step);
}

/// Claims that lost their labels are told, not deleted (rule 1).
fn pools_of_strangers(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    sets: &[&(&ObjectKey, &LiveObject)],
) {
    for (set, _) in sets {
        for (key, claim) in claims::of_pool(input, set) {
            if claim.label(LABEL_CLUSTER).is_none() {
                plan.note(format!("{key} carries no label of this stack and is left alone."));
            }
        }
    }
}
