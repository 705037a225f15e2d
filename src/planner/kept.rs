//! What is kept of a cluster's earlier life: claims whose StatefulSet is gone. Members that start on
//! them wake up with its data, so they have to be the members of that life, and read what
//! it wrote (rules 2 and 7).

use std::collections::{BTreeMap, BTreeSet};

use db_engine::cluster::Role;
use db_engine::drivers::driver;
use serde_json::Value;

use super::draft::PlanDraft;
use super::{PlanInput, claims, guards, halves, objects, orphans};
use crate::desired::{Desired, DesiredCluster, DesiredPool};
use crate::inventory::ClusterRecord;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, ObjectKey, at};
use crate::observed::DatabaseView;
use crate::stack::Cluster;
use crate::wording::count;

/// Says what members will wake up with, and refuses what would lose it or could not read it.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, desired) in &input.desired.clusters {
        let kept: Vec<Kept<'_>> =
            desired.pools.iter().filter_map(|pool| Kept::of(input, pool)).collect();
        kept.iter().for_each(|pool| pool.tell(plan));
        undeclared(input, plan, name, desired);
        let record = input.observed.inventory.as_ref().and_then(|all| all.clusters.get(name));
        let declared = input.stack.clusters.get(name);
        if let (Some(record), Some(cluster), false) = (record, declared, kept.is_empty()) {
            let why = format!(
                "its data are kept, and version {} wrote them; {} may not read them",
                record.version, cluster.version
            );
            guards::refuse_older(input, plan, cluster, &record.version, why);
            for pool in &kept {
                fixed(input, plan, cluster, pool.pool, record);
            }
        }
    }
}

/// Refuses to found or bring back a cluster without pools whose members have left data: it would come up
/// without them, and nothing would tell.
fn undeclared(input: &PlanInput<'_>, plan: &mut PlanDraft, name: &str, desired: &DesiredCluster) {
    let is_there = |set: &ObjectKey| input.observed.objects.contains_key(set);
    if desired.pools.iter().all(|pool| is_there(&pool.set)) {
        return;
    }
    let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, live) in objects::owned(input) {
        let of_cluster = key.kind == Kind::PersistentVolumeClaim
            && live.label(LABEL_CLUSTER) == Some(name)
            && !live.is_leaving();
        let (true, Some(pool)) = (of_cluster, live.label(LABEL_POOL)) else { continue };
        let is_declared = desired.pools.iter().any(|declared| declared.name == pool);
        let has_a_set = key
            .set_of_claim()
            .is_some_and(|set| is_there(&set) || !orphans::of_set(input, &set).is_empty());
        let has_left = match input.observed.databases.get(name) {
            Some(DatabaseView::Seen(topology)) => {
                key.member_of_claim().is_some_and(|member| !topology.lists(member))
            }
            _ => false,
        };
        if !is_declared && !has_a_set && !has_left {
            left.entry(pool).or_default().push(key.to_string());
        }
    }
    for (pool, claims) in left {
        let address = input.stack.pool_address(name, pool);
        plan.block(
            &address,
            "kept-claims",
            format!("the stack has no such pool, and what is on {} would be missing", claims.join(", ")),
            format!(
                "put [{address}] back into the stack, or remove these claims once their data is not \
                 needed; if it is called otherwise now, bring it back first and then say so with [[moved]]"
            ),
        );
    }
}

/// Says which pools keep more members for now than the stack asks for.
pub fn tell_deferred(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (set, asked) in &input.desired.deferred {
        let Some((_, _, pool)) = input.desired.pool_of(set) else { continue };
        let members = count(pool.addresses.len(), "member");
        let keeps = format!("{set} keeps {members} for now, though the stack asks for {asked}");
        plan.note(match pool.role {
            Role::Control => {
                format!("{keeps}: so many have kept their data, and none is removed yet.")
            }
            _ => format!(
                "{keeps}: the others are drained by the next apply, once the set is whole and the \
                 database answers."
            ),
        });
    }
}

/// The claims a pool's members left.
struct Kept<'a> {
    pool: &'a DesiredPool,
    /// How many members had them.
    members: usize,
}

impl<'a> Kept<'a> {
    /// Of a pool without StatefulSet that has claims, and no members that go on.
    fn of(input: &PlanInput<'a>, pool: &'a DesiredPool) -> Option<Self> {
        let goes_on = input.observed.pods_of(&pool.set).any(|(_, pod)| !pod.is_leaving());
        if goes_on || input.observed.objects.contains_key(&pool.set) {
            return None;
        }
        let ours = claims::of_pool(input, &pool.set).into_iter().filter(|(key, live)| {
            objects::is_ours(input.stack, input.observed, key, live) && !live.is_leaving()
        });
        let members: BTreeSet<Option<u32>> = ours.map(|(key, _)| key.ordinal()).collect();
        let members = members.len();
        (members > 0).then_some(Self { pool, members })
    }

    fn tell(&self, plan: &mut PlanDraft) {
        let members = count(self.members, self.pool.title);
        let set = &self.pool.set.name;
        plan.note(match self.members {
            1 if self.pool.claims.len() == 1 => {
                format!("{members} of `{set}` starts with the data its claim has kept.")
            }
            1 => format!("{members} of `{set}` starts with the data its claims have kept."),
            _ => format!("{members} of `{set}` start with the data their claims have kept."),
        });
    }
}

/// Settings that are fixed at a cluster's first start stay what they were then.
fn fixed(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &Cluster,
    pool: &DesiredPool,
    record: &ClusterRecord,
) {
    let now = fixed_settings(input.desired, cluster, pool);
    let Some(before) = record.fixed.get(&pool.name) else { return };
    // Where a volume comes or goes, the settings that follow from it do, too.
    let address = input.stack.pool_address(&cluster.name, &pool.name).to_string();
    let has_other_volumes =
        plan.blocked.iter().any(|it| it.rule == halves::RULE && it.address == address);
    let of_pool = cluster.pools.get(&pool.name).map(|pool| &pool.settings);
    let is_said = |setting: &str| {
        cluster.settings.contains_key(setting)
            || of_pool.is_some_and(|settings| settings.contains_key(setting))
    };
    for (setting, reason) in driver(cluster.engine).fixed_settings() {
        let (was, is) = (before.get(*setting), now.get(*setting));
        if was == is || has_other_volumes && !is_said(setting) {
            continue;
        }
        let value = |value: Option<&String>| match value {
            Some(value) => format!("`{value}`"),
            None => "not set".to_owned(),
        };
        plan.block(
            input.stack.cluster_address(&cluster.name),
            "immutable",
            format!(
                "`{setting}` was {} when the data that are kept were written, and is {}: {reason}",
                value(was),
                value(is)
            ),
            "put it back as it was, or declare a new cluster and move the data",
        );
    }
}

/// What a pool's members are started with of the settings that are fixed then. Values that are not
/// plain text, as those made of a pod's name, are none of the stack's.
fn fixed_settings(
    desired: &Desired,
    cluster: &Cluster,
    pool: &DesiredPool,
) -> BTreeMap<String, String> {
    let Some(object) = desired.objects.get(&pool.set) else { return BTreeMap::new() };
    let env = at(&object.manifest, "/spec/template/spec/containers/0/env");
    let is_fixed = |name: &str| {
        driver(cluster.engine).fixed_settings().iter().any(|(setting, _)| *setting == name)
    };
    let env = env.and_then(Value::as_array).into_iter().flatten();
    let settings = env.filter_map(|one| Some((one["name"].as_str()?, one["value"].as_str()?)));
    settings
        .filter(|(name, _)| is_fixed(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What the record is to remember of a cluster that is applied, for an apply after a destroy that
/// kept its data.
pub fn remember(input: &PlanInput<'_>, name: &str, record: &mut ClusterRecord) {
    let (Some(cluster), Some(desired)) =
        (input.stack.clusters.get(name), input.desired.clusters.get(name))
    else {
        return;
    };
    record.version.clone_from(&cluster.version);
    for pool in &desired.pools {
        let fixed = fixed_settings(input.desired, cluster, pool);
        record.fixed.insert(pool.name.clone(), fixed);
    }
}
