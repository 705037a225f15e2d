//! Directories of local tiers, prepared by a Job on their node before the volume that offers them is made:
//! a volume that is there has a directory, and nothing of others is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanInput;
use super::draft::{PlanDraft, create_id, delete_id, settled};
use super::order::{PROMPT_SECONDS, after_namespace};
use crate::desired::labels;
use crate::desired::preparation::{self, HELPER_SECONDS, Preparation};
use crate::object::{Kind, LABEL_TASK, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::job::{self, Directory};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Operation, step};
use crate::stack::Prepare;
use crate::wording::count;

/// How long a helper and what it runs may take to be done, in seconds: what Kubernetes gives it, and the
/// time it takes to give it up.
const DONE_SECONDS: u64 = HELPER_SECONDS + PROMPT_SECONDS;

/// How long the pods of a helper may take to stop, in seconds: they are given 30, on nodes that answer.
const STOP_SECONDS: u64 = 120;

/// Label of a namespace: which pods it admits.
const ENFORCED: &str = "pod-security.kubernetes.io/enforce";

/// The level that pods with directories of their node (`hostPath`) need.
const LEVEL: &str = "privileged";

/// Commands named at once, at most.
const COMMANDS_MAX: usize = 6;

/// Has the directory of each volume that is to be made prepared before, and removes what is left of
/// earlier runs.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) {
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
        let last = prepare(input, plan, preparation);
        if let Some(step) = plan.steps.get_mut(&create_id(volume)) {
            step.after.insert(last.clone());
        }
        (volume, last)
    });
    let lasts: BTreeMap<&ObjectKey, StepId> = lasts.collect();
    hold_members(input, plan, &lasts);
    admitted(input, plan, &volumes);
    let wanted = volumes.values().map(|preparation| &preparation.job).collect();
    leftovers(input, plan, &wanted);
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
}

/// Removes helpers of earlier runs, but for those that are still wanted.
pub fn leftovers(input: &PlanInput<'_>, plan: &mut PlanDraft, wanted: &BTreeSet<&ObjectKey>) {
    for (job, live) in ours(input).filter(|(job, _)| !wanted.contains(job)) {
        remove(plan, delete_id(job), job, live, "which an earlier run has left", BTreeSet::new());
    }
}

/// Helpers of the stack that are there.
fn ours<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let stack = input.stack;
    input.observed.of_kind(Kind::Job).filter(move |(key, live)| {
        live.bears_the_name_of(&stack.name, &stack.namespace, key)
            && live.label(LABEL_TASK).is_some()
    })
}

/// A helper and its end, before a volume is made. One that an earlier run has left is taken up: it is the
/// very same, since its name is made from all it is.
fn prepare(input: &PlanInput<'_>, plan: &mut PlanDraft, preparation: &Preparation) -> StepId {
    let job = &preparation.job;
    let left = ours(input).find(|(key, _)| *key == job).map(|(_, live)| live);
    let is = |condition: &str| left.is_some_and(|live| job::is(&live.value, condition));
    match left {
        Some(live) if live.is_leaving() || is("Failed") => {
            let failed = StepId(format!("clear/{job}"));
            let because = "which did not do its work";
            remove(plan, failed.clone(), job, live, because, BTreeSet::new());
            let gone = Expect::LetGo { object: job.clone() };
            make(input, plan, preparation, gone, [failed].into())
        }
        Some(live) => {
            let done = finished_id(job);
            if !is("Complete") {
                plan.step(done.clone(), wait(preparation));
            }
            let because = "which an earlier run has begun";
            remove(plan, delete_id(job), job, live, because, [done].into());
            delete_id(job)
        }
        None => make(input, plan, preparation, Expect::Absent { object: job.clone() }, [].into()),
    }
}

fn finished_id(job: &ObjectKey) -> StepId {
    StepId(format!("finished/{job}"))
}

/// Makes a helper, waits for its work, and removes it; answers the last step.
fn make(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    preparation: &Preparation,
    expect: Expect,
    mut after: BTreeSet<StepId>,
) -> StepId {
    let Preparation { job, manifest, directory: Directory { node, path }, .. } = preparation;
    after.extend(after_namespace(job));
    let making = Step {
        action: Action::Create { object: job.clone(), manifest: manifest.clone() },
        title: format!("{} {path} on {node} by {job}", verb(preparation)),
        because: because(input, preparation),
        expects: vec![expect],
        after,
        ..wait(preparation)
    };
    let tier = labels::tier_of(manifest).unwrap_or_default();
    let labels = labels::of_helper(input.stack, tier, preparation::TASK_PREPARE);
    let retiring = Step {
        action: Action::Retire { job: job.clone(), labels },
        title: format!("delete {job}"),
        because: "it has done its work".to_owned(),
        expects: Vec::new(),
        after: [create_id(job)].into(),
        until: Until::PodsGone { object: job.clone() },
        limit_seconds: STOP_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(create_id(job), making);
    plan.step(delete_id(job), retiring);
    delete_id(job)
}

fn verb(preparation: &Preparation) -> &'static str {
    match preparation.how {
        Prepare::Create => "prepare",
        Prepare::Expect => "check",
    }
}

fn because(input: &PlanInput<'_>, preparation: &Preparation) -> String {
    let tier = labels::tier_of(&preparation.manifest).unwrap_or_default();
    let word = match preparation.how {
        Prepare::Create => "create",
        Prepare::Expect => "expect",
    };
    format!("`{}` says prepare = \"{word}\"", input.stack.tier_address(tier))
}

/// Waits for the work of a helper that is there.
fn wait(preparation: &Preparation) -> Step {
    let Preparation { job, directory: Directory { node, path }, .. } = preparation;
    Step {
        action: Action::Await,
        title: format!("wait for {job} to {} {path} on {node}", verb(preparation)),
        because: "an earlier run has begun it".to_owned(),
        expects: Vec::new(),
        after: BTreeSet::new(),
        until: Until::Finished { object: job.clone() },
        limit_seconds: DONE_SECONDS,
        risk: Risk::None,
        bytes: 0,
    }
}

/// Removes a helper that is there, by its uid.
fn remove(
    plan: &mut PlanDraft,
    id: StepId,
    job: &ObjectKey,
    live: &LiveObject,
    because: &str,
    after: BTreeSet<StepId>,
) {
    let (object, uid) = (job.clone(), live.uid().to_owned());
    let unchanged =
        Expect::Unchanged { object: object.clone(), uid: uid.clone(), digest: String::new() };
    let step = step::Step {
        action: Action::Delete { object: object.clone(), uid },
        title: format!("delete {job}, {because}"),
        because: because.to_owned(),
        expects: vec![unchanged],
        after,
        until: Until::PodsGone { object },
        limit_seconds: STOP_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id, step);
}

/// Whether the namespace admits helpers, as far as its labels tell: what is enforced everywhere is told by
/// the wait for the helper.
fn admitted(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    volumes: &BTreeMap<ObjectKey, Preparation>,
) {
    let namespace = ObjectKey::global(Kind::Namespace, &input.stack.namespace);
    let live = input.observed.objects.get(&namespace);
    let level = live.and_then(|live| live.label(ENFORCED));
    let Some(first) = volumes.values().next() else { return };
    if level.is_none_or(|level| level == LEVEL) {
        plan.note(format!(
            "{} directories of nodes, which takes Pod Security level `{LEVEL}` in namespace `{}`.",
            match volumes.len() {
                1 => "1 Job mounts".to_owned(),
                jobs => format!("{jobs} Jobs mount"),
            },
            input.stack.namespace
        ));
        return;
    }
    let tier = labels::tier_of(&first.manifest).unwrap_or_default();
    plan.block(
        input.stack.tier_address(tier),
        "pod-security",
        format!(
            "namespace `{}` admits pods of level `{}` only, and preparing {} takes `{LEVEL}`",
            input.stack.namespace,
            level.unwrap_or_default(),
            count_of_directories(volumes.len())
        ),
        format!(
            "do it by hand and leave out `prepare`: {}; or have the namespace admit `{LEVEL}` \
             (label {ENFORCED})",
            by_hand(volumes.values())
        ),
    );
}

fn count_of_directories(directories: usize) -> String {
    match directories {
        1 => "1 directory".to_owned(),
        directories => format!("{directories} directories"),
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
