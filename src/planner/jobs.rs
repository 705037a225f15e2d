//! Helper Jobs in a plan: made, waited for, removed; one that an earlier run has left is taken up or removed;
//! and whether their namespace admits them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::PlanInput;
use super::draft::{PlanDraft, create_id, delete_id, settled};
use super::order::{PROMPT_SECONDS, after_namespace};
use crate::desired::labels;
use crate::desired::preparation::HELPER_SECONDS;
use crate::object::{Kind, LABEL_TASK, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::job::{self, Directory};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};

/// How long a helper and what it runs may take to be done, in seconds: what Kubernetes gives it, and the
/// time it takes to give it up.
const DONE_SECONDS: u64 = HELPER_SECONDS + PROMPT_SECONDS;

/// How long the pods of a helper may take to stop, in seconds: they are given 30, on nodes that answer.
const STOP_SECONDS: u64 = 120;

/// Label of a namespace: which pods it admits.
const ENFORCED: &str = "pod-security.kubernetes.io/enforce";

/// The level that pods with directories of their node (`hostPath`) need.
const LEVEL: &str = "privileged";

/// A helper that is wanted.
pub struct Helper<'a> {
    /// The Job's name.
    pub job: &'a ObjectKey,
    /// Its manifest.
    pub manifest: &'a Value,
    /// What it works on.
    pub directory: &'a Directory,
    /// What it does there, as a verb.
    pub verb: &'static str,
    /// Why.
    pub because: String,
    /// Whether it is made suspended, and begins by a step of its own.
    pub is_suspended: bool,
    /// What must still be so just before it begins.
    pub expects: Vec<Expect>,
    /// What it may do to data.
    pub risk: Risk,
    /// Bytes of storage it deletes.
    pub bytes: u64,
}

impl Helper<'_> {
    /// Adds its steps, and answers the last: then it has done its work and is gone. One that an earlier run
    /// has left is taken up: it is the very same, since its name is made from all it is.
    pub fn steps(&self, input: &PlanInput<'_>, plan: &mut PlanDraft) -> StepId {
        let job = self.job;
        let left = ours(input).find(|(key, _)| *key == job).map(|(_, live)| live);
        let is = |condition: &str| left.is_some_and(|live| job::is(&live.value, condition));
        match left {
            Some(live) if live.is_leaving() || is("Failed") => {
                let failed = StepId(format!("clear/{job}"));
                let because = "which did not do its work";
                remove(plan, failed.clone(), (job, live), because, BTreeSet::new());
                self.make(plan, Expect::LetGo { object: job.clone() }, [failed].into())
            }
            Some(live) => {
                let done = StepId(format!("finished/{job}"));
                if live.value.pointer("/spec/suspend") == Some(&true.into()) {
                    plan.step(done.clone(), self.start(BTreeSet::new()));
                } else if !is("Complete") {
                    plan.step(done.clone(), self.wait());
                }
                remove(
                    plan,
                    delete_id(job),
                    (job, live),
                    "which an earlier run has begun",
                    [done].into(),
                );
                delete_id(job)
            }
            None => self.make(plan, Expect::Absent { object: job.clone() }, BTreeSet::new()),
        }
    }

    fn make(&self, plan: &mut PlanDraft, expect: Expect, mut after: BTreeSet<StepId>) -> StepId {
        let Self { job, manifest, directory: Directory { node, path }, verb, .. } = self;
        after.extend(after_namespace(job));
        let mut expects = vec![expect];
        expects.extend(self.expects.iter().cloned());
        let does = format!("{verb} {path} on {node} by {job}");
        let making = Step {
            action: Action::Create { object: (*job).clone(), manifest: (*manifest).clone() },
            title: if self.is_suspended { format!("create {job}, suspended") } else { does },
            because: self.because.clone(),
            expects,
            after,
            until: if self.is_suspended { Until::Said } else { self.wait().until },
            ..self.wait()
        };
        let mut last = create_id(job);
        plan.step(last.clone(), making);
        if self.is_suspended {
            let made = std::mem::replace(&mut last, StepId(format!("start/{job}")));
            plan.step(last.clone(), self.start([made].into()));
        }
        let labels = labels::of_manifest(manifest);
        let retiring = Step {
            action: Action::Retire { job: (*job).clone(), labels },
            title: format!("delete {job}"),
            because: "it has done its work".to_owned(),
            after: [last].into(),
            until: Until::PodsGone { object: (*job).clone() },
            limit_seconds: STOP_SECONDS,
            ..self.wait()
        };
        plan.step(delete_id(job), retiring);
        delete_id(job)
    }

    /// Lets a helper begin that was made suspended.
    fn start(&self, after: BTreeSet<StepId>) -> Step {
        let Self { job, manifest, directory: Directory { node, path }, verb, .. } = self;
        Step {
            action: Action::Start { job: (*job).clone(), labels: labels::of_manifest(manifest) },
            title: format!("{verb} {path} on {node} by {job}"),
            because: self.because.clone(),
            expects: self.expects.clone(),
            after,
            risk: self.risk,
            bytes: self.bytes,
            ..self.wait()
        }
    }

    /// Waits for the work of a helper that is there.
    fn wait(&self) -> Step {
        let Self { job, directory: Directory { node, path }, verb, .. } = self;
        Step {
            action: Action::Await,
            title: format!("wait for {job} to {verb} {path} on {node}"),
            because: "an earlier run has begun it".to_owned(),
            expects: Vec::new(),
            after: BTreeSet::new(),
            until: Until::Finished { object: (*job).clone() },
            limit_seconds: DONE_SECONDS,
            risk: Risk::None,
            bytes: 0,
        }
    }
}

/// Removes helpers of earlier runs, but for those that are wanted. No volume is made and no member started
/// before they are gone: they may be at a directory still.
pub fn leftovers(input: &PlanInput<'_>, plan: &mut PlanDraft, wanted: &BTreeSet<ObjectKey>) {
    let left = ours(input).filter(|(job, _)| !wanted.contains(job));
    let removed: BTreeSet<StepId> = left
        .map(|(job, live)| {
            let because = "which an earlier run has left";
            remove(plan, delete_id(job), (job, live), because, BTreeSet::new());
            delete_id(job)
        })
        .collect();
    let desired = input.desired.objects.keys();
    let users =
        desired.filter(|key| matches!(key.kind, Kind::PersistentVolume | Kind::StatefulSet));
    for id in users.flat_map(settled) {
        if let Some(step) = plan.steps.get_mut(&id) {
            step.after.extend(removed.iter().cloned());
        }
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

/// Removes a helper that is there, by its uid.
fn remove(
    plan: &mut PlanDraft,
    id: StepId,
    (job, live): (&ObjectKey, &LiveObject),
    because: &str,
    after: BTreeSet<StepId>,
) {
    let (object, uid) = (job.clone(), live.uid().to_owned());
    let unchanged =
        Expect::Unchanged { object: object.clone(), uid: uid.clone(), digest: String::new() };
    let step = Step {
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

/// Whether the namespace admits so many helpers, as far as its labels tell (what is enforced everywhere is
/// told by the wait for a helper): refuses what it does not, for this tier, with the way on.
pub fn admitted(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    tier: &str,
    (jobs, what): (usize, &str),
    by_hand: impl FnOnce() -> String,
) {
    let name = &input.stack.namespace;
    let live = input.observed.objects.get(&ObjectKey::global(Kind::Namespace, name));
    match live.and_then(|live| live.label(ENFORCED)) {
        None | Some(LEVEL) => plan.note(format!(
            "{} directories of nodes to {what} them, which takes Pod Security level `{LEVEL}` in \
             namespace `{name}`.",
            match jobs {
                1 => "1 Job mounts".to_owned(),
                jobs => format!("{jobs} Jobs mount"),
            },
        )),
        Some(level) => plan.block(
            input.stack.tier_address(tier),
            "pod-security",
            format!(
                "namespace `{name}` admits pods of level `{level}` only, and Jobs that {what} \
                 directories need `{LEVEL}`"
            ),
            format!("{}; or have the namespace admit `{LEVEL}` (label {ENFORCED})", by_hand()),
        ),
    }
}
