//! Broken members that a StatefulSet in order mode never replaces by itself.
//!
//! In order mode the controller waits for a member to be ready before it goes on, also where that
//! member is of a form that was taken back since (kubernetes issue 67250). Its pod must be deleted;
//! it is away already, so that nothing more is lost by it.

use std::collections::BTreeSet;

use db_engine::cluster::Role;

use super::PlanInput;
use super::draft::{PlanDraft, delete_id, ready_id, update_id};
use super::order::PROMPT_SECONDS;
use crate::desired::DesiredPool;
use crate::object::ObjectKey;
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};

/// Why such a pod is deleted.
const BECAUSE: &str = "it is broken and of an old form, and Kubernetes will not replace it";

/// Adds the deletion of a pool's stuck pods, after the update that mends them if there is one, and
/// the wait that then has an end.
pub fn unblock(input: &PlanInput<'_>, plan: &mut PlanDraft, pool: &DesiredPool, limit: u64) {
    let update = update_id(&pool.set);
    let mends = plan.steps.get(&update).is_some_and(|step| step.risk == Risk::Restarts);
    let stuck = stuck_pods(input, pool, mends);
    if pool.role != Role::Control || stuck.is_empty() {
        return;
    }
    let rolled = Until::Rolled { object: pool.set.clone(), replicas: pool.replicas() };
    let mut before = BTreeSet::new();
    if let Some(step) = plan.steps.get_mut(&update) {
        // A pod deleted sooner than that would be made anew of the old form.
        step.until = Until::Heard { object: pool.set.clone() };
        before.insert(update);
    }
    let mut deleted: BTreeSet<StepId> = BTreeSet::new();
    for (key, pod) in stuck {
        deleted.insert(delete_id(key));
        plan.step(delete_id(key), deletion(&pool.set, key, pod, before.clone()));
    }
    let wait = Step {
        action: Action::Await,
        title: format!("wait for all members of `{}` to be ready", pool.set.name),
        because: BECAUSE.to_owned(),
        expects: Vec::new(),
        after: deleted,
        until: rolled,
        limit_seconds: limit,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(ready_id(&pool.set), wait);
}

/// Pods that are there and not ready: all of them where an update comes first, else those that
/// are of another form than the set's newest.
fn stuck_pods<'a>(
    input: &PlanInput<'a>,
    pool: &DesiredPool,
    mends: bool,
) -> Vec<(&'a ObjectKey, &'a LiveObject)> {
    let Some(set) = input.observed.objects.get(&pool.set) else { return Vec::new() };
    let newest = set.text("/status/updateRevision");
    let told = set.number("/status/observedGeneration") == set.number("/metadata/generation");
    let pods = input.observed.pods_of(&pool.set);
    pods.filter(|(_, pod)| !pod.is_ready() && !pod.is_leaving())
        .filter(|(_, pod)| mends || told && pod.label("controller-revision-hash") != newest)
        .collect()
}

fn deletion(set: &ObjectKey, key: &ObjectKey, pod: &LiveObject, after: BTreeSet<StepId>) -> Step {
    let (object, uid, set) = (key.clone(), pod.uid().to_owned(), set.clone());
    let expects = vec![Expect::Away { object: object.clone(), uid: uid.clone() }];
    let title = format!("delete {key}, so that it is made anew");
    let action = Action::Delete { object: object.clone(), uid: uid.clone() };
    let until = Until::Remade { object, uid, set };
    Step { expects, until, ..Step::said(action, title, BECAUSE, after, PROMPT_SECONDS) }
}
