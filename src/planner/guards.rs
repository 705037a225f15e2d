//! What must not be done: each refusal with the reason and the way on.

use std::collections::BTreeSet;

use db_engine::cluster::{Role, ScaleOut, version_numbers};
use db_engine::drivers::driver;

use super::draft::{PlanDraft, drain_id};
use super::{PlanInput, immutable, objects, replacing, scale_in, tiers};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject, Observed};
use crate::plan::FieldChange;
use crate::stack::Cluster;

/// The id a database gave of itself, if it was reached.
pub fn seen_id<'a>(observed: &'a Observed, cluster: &str) -> Option<&'a str> {
    match observed.databases.get(cluster) {
        Some(DatabaseView::Seen(topology)) => Some(&topology.cluster_id),
        _ => None,
    }
}

/// The id of a cluster's database: by its own word, or the record's.
pub fn known_id<'a>(input: &PlanInput<'a>, cluster: &str) -> Option<&'a str> {
    let seen = seen_id(input.observed, cluster).filter(|id| !id.is_empty());
    let record = input.observed.inventory.as_ref().and_then(|all| all.clusters.get(cluster));
    let record = record.map(|record| record.cluster_id.as_str()).filter(|id| !id.is_empty());
    seen.or(record)
}

/// A database that answers under another id than the one remembered is another database: an
/// emptied first member can found a second cluster in the place of the first (rule 10).
pub fn identity(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let Some(inventory) = &input.observed.inventory else { return };
    for (name, record) in &inventory.clusters {
        let Some(seen) = seen_id(input.observed, name) else { continue };
        if !record.cluster_id.is_empty() && record.cluster_id != seen {
            plan.block(
                input.stack.cluster_address(name),
                "identity",
                format!("the database says its id is {seen}, but it was {}", record.cluster_id),
                "another database answers in its place: stop, and look at the first ConfigNode",
            );
        }
    }
}

/// Parts that cannot have the names the stack gives them.
pub fn names(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for clash in &input.naming.clashes {
        plan.block(&clash.address, "moved", &clash.reason, &clash.help);
    }
}

/// Consents that agree to nothing: most likely a slip of the pen.
pub fn idle_consents(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let live = objects::owned(input).filter_map(|(_, live)| live.label(LABEL_CLUSTER));
    let names = input.desired.clusters.keys().map(String::as_str).chain(live);
    let clusters: BTreeSet<String> =
        names.map(|name| input.stack.cluster_address(name).to_string()).collect();
    let contested: BTreeSet<String> =
        plan.conflicts.iter().map(|conflict| conflict.object.to_string()).collect();
    let recycled: BTreeSet<String> =
        tiers::recycled(input).iter().map(|(volume, _)| volume.to_string()).collect();
    for consent in input.consents {
        let leaves = plan.steps.contains_key(&drain_id(consent));
        if leaves || recycled.contains(consent) || replacing::is_a_member(input, consent) {
            continue;
        }
        if !clusters.contains(consent) && !contested.contains(consent) {
            plan.note(format!("--consent {consent} agrees to nothing in this plan."));
        }
    }
}

/// Shapes this version does not carry out, and members that would leave undrained (rule 2).
pub fn shape(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for cluster in input.stack.clusters.values() {
        for pool in cluster.pools.values() {
            let address = input.stack.pool_address(&cluster.name, &pool.name);
            if !matches!(pool.role, Role::Control | Role::Mixed) {
                plan.block(
                    &address,
                    "role",
                    format!("this version does not run pools of role `{}` yet", pool.role),
                    "use role = \"mixed\"",
                );
            }
            if pool.scale_out != ScaleOut::None {
                plan.block(
                    &address,
                    "scale-out",
                    format!("this version does not carry out `{}` yet", pool.scale_out.word()),
                    "use scale_out = \"none\": new members take part in what comes",
                );
            }
        }
    }
    for (key, live) in live_sets(input) {
        scale_in(input, plan, key, live);
    }
}

/// The stack's StatefulSets that are there.
fn live_sets<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let stack = input.stack;
    input
        .observed
        .of_kind(Kind::StatefulSet)
        .filter(move |(_, live)| live.label(LABEL_STACK) == Some(&stack.name))
}

fn scale_in(input: &PlanInput<'_>, plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject) {
    let Some(cluster) = live.label(LABEL_CLUSTER) else { return };
    let Some(desired) = input.desired.clusters.get(cluster) else { return };
    if let Some(pool) = desired.pools.iter().find(|candidate| candidate.set == *key) {
        scale_in::check(input, plan, cluster, pool);
    }
}

/// Settings the engine fixes at a cluster's first start; whether one of them would change.
pub fn fixed_settings(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
    fields: &[FieldChange],
) -> bool {
    let cluster = live.label(LABEL_CLUSTER).and_then(|name| input.stack.clusters.get(name));
    let (Kind::StatefulSet, Some(cluster)) = (key.kind, cluster) else { return false };
    // Where a volume comes or goes, the settings that follow from it do, too; that is refused by itself.
    let has_other_volumes =
        fields.iter().any(|field| immutable::is_about_claims(key.kind, &field.path));
    let is_said = |setting: &str| {
        let pools = cluster.pools.values().flat_map(|pool| pool.settings.keys());
        cluster.settings.keys().chain(pools).any(|name| name == setting)
    };
    let mut found = false;
    for (setting, reason) in driver(cluster.engine).fixed_settings() {
        if has_other_volumes && !is_said(setting) {
            continue;
        }
        let needle = format!(".env[name={setting}]");
        if fields.iter().any(|field| field.path.contains(&needle) && field.drifted_by.is_none()) {
            plan.block(
                input.stack.cluster_address(&cluster.name),
                "immutable",
                format!("`{setting}` is fixed at a cluster's first start: {reason}"),
                "put it back as it was, or declare a new cluster and move the data",
            );
            found = true;
        }
    }
    found
}

/// An older version than the one that runs may not read what that one wrote.
pub fn downgrades(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for cluster in input.stack.clusters.values() {
        let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(&cluster.name) else {
            continue;
        };
        let why = format!(
            "it runs version {}; {} may not read what that one has written",
            topology.version, cluster.version
        );
        refuse_older(input, plan, cluster, &topology.version, why);
    }
}

/// Refuses a cluster's version if it is older than this one, with the reason.
pub fn refuse_older(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &Cluster,
    than: &str,
    why: String,
) {
    if version_numbers(&cluster.version) < version_numbers(than) {
        let help = format!("set version = \"{than}\" or a later one");
        plan.block(input.stack.cluster_address(&cluster.name), "downgrade", why, help);
    }
}
