//! Directories of local tiers, prepared by a Job on their node before the volume that offers them is made:
//! a volume that is there has a directory, and nothing of others is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanInput;
use super::draft::{PlanDraft, create_id, settled};
use super::jobs::{Helper, admitted};
use crate::desired::labels;
use crate::desired::preparation::{self, Preparation};
use crate::object::{Kind, ObjectKey};
use crate::plan::Operation;
use crate::plan::job::Directory;
use crate::plan::step::{Action, Risk, Step, StepId};
use crate::stack::Prepare;
use crate::wording::count;

/// Commands named at once, at most.
const COMMANDS_MAX: usize = 6;

/// Has the directory of each volume that is to be made prepared before; answers the Jobs.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) -> BTreeSet<ObjectKey> {
    let volumes: BTreeMap<ObjectKey, Preparation> = plan
        .changes
        .iter()
        .filter(|(key, change)| {
            key.kind == Kind::PersistentVolume && change.operation == Operation::Create
        })
        .filter_map(|(key, _)| {
            let manifest = &input.desired.objects.get(key)?.manifest;
            Some((key.clone(), preparation::preparation(input.stack, manifest)?))
        })
        .collect();
    let lasts = volumes.iter().map(|(volume, preparation)| {
        let last = helper(input, preparation).steps(input, plan);
        if let Some(step) = plan.steps.get_mut(&create_id(volume)) {
            step.after.insert(last.clone());
        }
        (volume, last)
    });
    let lasts: BTreeMap<&ObjectKey, StepId> = lasts.collect();
    hold_members(input, plan, &lasts);
    if let Some(first) = volumes.values().next() {
        let tier = labels::tier_of(&first.manifest).unwrap_or_default();
        admitted(input, plan, tier, (volumes.len(), "prepare"), || {
            format!("do it by hand and leave out `prepare`: {}", by_hand(volumes.values()))
        });
    }
    volumes.into_values().map(|preparation| preparation.job).collect()
}

fn helper<'a>(input: &PlanInput<'_>, preparation: &'a Preparation) -> Helper<'a> {
    let Preparation { job, manifest, directory, how } = preparation;
    let (verb, word) = match how {
        Prepare::Create => ("prepare", "create"),
        Prepare::Expect => ("check", "expect"),
    };
    let tier = labels::tier_of(manifest).unwrap_or_default();
    let because = format!("`{}` says prepare = \"{word}\"", input.stack.tier_address(tier));
    let (expects, risk, bytes) = (Vec::new(), Risk::None, 0);
    let is_suspended = false;
    Helper { job, manifest, directory, verb, because, is_suspended, expects, risk, bytes }
}

/// No member of a cluster starts, or is started anew, before all directories its cluster is to get are
/// prepared: one that is not fit is to be known while there is nothing to take back.
fn hold_members(input: &PlanInput<'_>, plan: &mut PlanDraft, lasts: &BTreeMap<&ObjectKey, StepId>) {
    for cluster in input.desired.clusters.values() {
        let needs = cluster.pools.iter().flat_map(|pool| &pool.needs);
        let before: BTreeSet<StepId> = needs.filter_map(|key| lasts.get(key)).cloned().collect();
        for id in cluster.pools.iter().flat_map(|pool| settled(&pool.set)) {
            if let Some(step) = plan.steps.get_mut(&id) {
                step.after.extend(before.iter().cloned());
            }
        }
    }
    // Nor is a member given up for a place that is not fit.
    let gives_up = |step: &&mut Step| matches!(step.action, Action::Say { .. });
    if plan.replaces.is_some() {
        for step in plan.steps.values_mut().filter(gives_up) {
            step.after.extend(lasts.values().cloned());
        }
    }
}

/// What to say on which node, so that all directories are there.
fn by_hand<'a>(preparations: impl Iterator<Item = &'a Preparation>) -> String {
    let mut nodes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Preparation { directory: Directory { node, path }, .. } in preparations {
        nodes.entry(node).or_default().insert(path);
    }
    let commands = nodes.iter().map(|(node, paths)| {
        let paths: Vec<&str> = paths.iter().copied().collect();
        format!("`mkdir -p {}` on {node}", paths.join(" "))
    });
    let mut commands: Vec<String> = commands.collect();
    let more = commands.len().saturating_sub(COMMANDS_MAX);
    commands.truncate(COMMANDS_MAX);
    if more > 0 {
        commands.push(format!("and so on, on {}", count(more, "more node")));
    }
    commands.join(", ")
}
