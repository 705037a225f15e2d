//! In which steps a lost member is replaced.

use std::collections::BTreeSet;

use super::{Due, Lost, Machine, machine, set_refuses};
use crate::desired::DesiredPool;
use crate::fields;
use crate::object::{LABEL_GIVEN_UP, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Operation, labels};
use crate::planner::condemned::{self, Fate};
use crate::planner::draft::{PlanDraft, delete_id, join_id, ready_id, settled, update_id};
use crate::planner::order::{self, PROMPT_SECONDS};
use crate::planner::removal::{FREE_SECONDS, delete};
use crate::planner::restarts::restarts_members;
use crate::planner::teardown::STOP_SECONDS_MIN;
use crate::planner::{PlanInput, leavers};
use crate::wording;

/// Why all of it is done.
const BECAUSE: &str = "its member is gone for good";

/// How long the others may take to make anew what a member stored, in seconds: they copy from each other, and
/// the largest claims take hours.
const REFILL_SECONDS_MIN: u64 = 1800;

/// Adds the steps by which a member is replaced. They come after the members that are made by the same plan
/// are there; nobody restarts in it.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let all = Lost::all(input).into_iter();
    let Some((lost, due)) = all.filter_map(|lost| lost.due(input).map(|due| (lost, due))).next()
    else {
        return;
    };
    if set_refuses(input, &lost).is_some() {
        return;
    }
    alone(input, plan, &lost);
    let before = those_to_come(input, plan, &lost);
    let marked = mark(plan, &due);
    let before: BTreeSet<StepId> = before.into_iter().chain(marked).collect();
    let told = given_up(input, plan, &lost, &due, &before);
    let after = told.map_or(before, |told| [told].into());
    let (gone, freed) = claim_and_pod(input, plan, (&lost, &due), &after);
    comes_back(plan, &lost, gone);
    plan.note(format!(
        "{} comes back empty: what the others make anew stays with them, and it takes part in what comes.",
        lost.pod.name
    ));
    if let Some((volume, live, claim)) = freed {
        purge(plan, &lost, (&volume, live), &claim);
    }
}

/// Refuses what would restart others, or make a set anew, while one is away.
fn alone(input: &PlanInput<'_>, plan: &mut PlanDraft, lost: &Lost<'_>) {
    let disturbs = |pool: &&DesiredPool| {
        plan.changes.get(&pool.set).is_some_and(|change| {
            change.operation == Operation::Replace
                || change.fields.iter().any(|field| restarts_members(&pool.set, field))
        })
    };
    let disturbed = lost.cluster.pools.iter().find(disturbs).map(|pool| pool.set.clone());
    if let Some(set) = disturbed {
        plan.block(
            input.stack.pool_address(lost.name, &lost.pool.name),
            "replace",
            format!("{}: {set} would change while it is away", lost.pod.name),
            "put the stack back as it was, replace the member, then apply the change",
        );
    }
}

/// What comes before: the set knows how many members it is to have, and those that are new are there. Other
/// pools are not waited for: what is lost of them was lost with the same machine.
fn those_to_come(input: &PlanInput<'_>, plan: &mut PlanDraft, lost: &Lost<'_>) -> BTreeSet<StepId> {
    let (set, live) = (&lost.pool.set, input.observed.objects.get(&lost.pool.set));
    for pool in lost.cluster.pools.iter().filter(|pool| pool.set != *set) {
        for id in [ready_id(&pool.set), join_id(lost.name, &pool.name)] {
            plan.steps.remove(&id);
        }
    }
    let needs: BTreeSet<StepId> = lost.pool.needs.iter().flat_map(settled).collect();
    let Some(update) = plan.steps.get_mut(&update_id(set)) else { return needs };
    update.until = Until::Heard { object: set.clone() };
    update.limit_seconds = PROMPT_SECONDS;
    let mut before: BTreeSet<StepId> = [update_id(set)].into();
    let has = live.and_then(|live| live.number("/spec/replicas")).unwrap_or(0);
    let is_new = |address: &&String| {
        leavers::ordinal_of(address).is_some_and(|ordinal| i64::from(ordinal) >= has)
    };
    let new: BTreeSet<String> = lost.pool.addresses.iter().filter(is_new).cloned().collect();
    if !new.is_empty() {
        let id = StepId(format!("join/{}/{}/new", lost.name, lost.pool.name));
        let members = wording::count(new.len(), lost.pool.title);
        let title = format!("see {members} more of `{}` running in the database", set.name);
        let because = "what the lost one stored has to have a place";
        let joined = Until::Joined { cluster: lost.name.to_owned(), addresses: new };
        let limit = order::limit(lost.pool) + order::JOIN_SECONDS;
        plan.step(id.clone(), Step::waiting(title, because, before, joined, limit));
        before = [id].into();
    }
    before
}

/// Marks the claim: whoever takes this up knows it from the one that comes after it.
fn mark(plan: &mut PlanDraft, due: &Due<'_>) -> Option<StepId> {
    let (claim, live) = due.claim.as_ref()?;
    if live.label(LABEL_GIVEN_UP).is_some() || live.is_leaving() {
        return None;
    }
    let labels = [(LABEL_GIVEN_UP.to_owned(), Some("true".to_owned()))].into();
    let id = StepId(format!("mark/{claim}"));
    let uid = live.uid().to_owned();
    let (object, digest) = (claim.clone(), fields::digest(&labels::manifest(&labels), &live.value));
    let step = Step {
        action: Action::Relabel { object: claim.clone(), uid: uid.clone(), labels },
        title: format!("mark {claim} as given up"),
        because: BECAUSE.to_owned(),
        expects: vec![Expect::Unchanged { object, uid, digest }],
        after: BTreeSet::new(),
        until: Until::Said,
        limit_seconds: PROMPT_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id.clone(), step);
    Some(id)
}

/// Has the database give the member up.
fn given_up(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    lost: &Lost<'_>,
    due: &Due<'_>,
    after: &BTreeSet<StepId>,
) -> Option<StepId> {
    let (statement, id, regions) = due.told.as_ref()?;
    let (pod, of, address) = (lost.pod.clone(), lost.name.to_owned(), lost.address.clone());
    let remade = match regions {
        0 => "it held no region".to_owned(),
        _ => format!("the others make its {} anew", wording::regions(*regions)),
    };
    let step_id = StepId(format!("give-up/{pod}"));
    let size = input.stack.clusters.get(&of).and_then(|it| it.pools.get(&lost.pool.name));
    let limit = leavers::drain_seconds(size.map_or(0, |pool| pool.size.bytes()));
    let step = Step {
        action: Action::Say {
            member: pod.clone(),
            database: lost.cluster.database.clone(),
            statement: statement.clone(),
        },
        title: format!("give up {} {}, {remade}: `{}`", lost.pool.title, pod.name, statement.text),
        because: BECAUSE.to_owned(),
        expects: vec![Expect::Lost {
            object: pod,
            cluster: of.clone(),
            address: address.clone(),
            id: *id,
        }],
        after: after.clone(),
        until: Until::Left { cluster: of, address, id: *id },
        limit_seconds: limit.max(REFILL_SECONDS_MIN),
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(step_id.clone(), step);
    Some(step_id)
}

/// What is purged in the end: a volume, and the uid of the claim it was released by.
type Freed<'a> = (ObjectKey, &'a LiveObject, String);

/// The claim goes, then the pod that holds it back; answers the steps after which there is nothing left of
/// them, and the volume to be purged then.
fn claim_and_pod<'a>(
    input: &PlanInput<'a>,
    plan: &mut PlanDraft,
    (lost, due): (&Lost<'a>, &Due<'a>),
    after: &BTreeSet<StepId>,
) -> (BTreeSet<StepId>, Option<Freed<'a>>) {
    let left = || Expect::Left {
        object: lost.pod.clone(),
        cluster: lost.name.to_owned(),
        address: lost.address.clone(),
    };
    let (mut gone, mut freed) = (after.clone(), None);
    if let Some((claim, live)) = &due.claim {
        let mut before = after.clone();
        match condemned::fate(input, live) {
            Fate::Purged(volume, volume_live) => {
                let held = condemned::hold(input, plan, (claim, live), (volume, volume_live));
                if let Some(step) = held.as_ref().and_then(|id| plan.steps.get_mut(id)) {
                    step.after.clone_from(after);
                    step.expects.push(left());
                }
                before.extend(held);
                freed = Some((volume.clone(), volume_live, live.uid().to_owned()));
            }
            Fate::Kept(why) => condemned::keep_volume(input, plan, claim, live, why),
            Fate::None => {}
        }
        if !live.is_leaving() {
            delete(plan, claim, live, BECAUSE, before.clone(), Until::Said, PROMPT_SECONDS);
            if let Some(step) = plan.steps.get_mut(&delete_id(claim)) {
                step.expects.extend(away(lost, due));
                step.expects.push(left());
            }
            before = [delete_id(claim)].into();
        }
        gone = before;
    }
    // One that is nowhere holds no claim back, and takes the next one of its name.
    let holds = |pod: &&LiveObject| match machine(input, pod) {
        Machine::None => false,
        Machine::Gone => true,
        Machine::Runs => !pod.is_leaving(),
    };
    if let Some(pod) = due.pod.filter(holds) {
        gone = [pod_goes(input, plan, (lost, pod), &gone, left())].into();
    }
    if let Some((claim, live)) = &due.claim {
        let (object, uid) = (claim.clone(), live.uid().to_owned());
        let id = StepId(format!("renewed/{claim}"));
        let title = format!("wait until the claim of {} is gone", lost.pod.name);
        let until = Until::Renewed { object, uid };
        plan.step(id.clone(), Step::waiting(title, BECAUSE, gone, until, FREE_SECONDS));
        gone = [id].into();
    }
    (gone, freed)
}

/// Its pod is still away, if it is there.
fn away(lost: &Lost<'_>, due: &Due<'_>) -> Option<Expect> {
    let uid = due.pod?.uid().to_owned();
    Some(Expect::Away { object: lost.pod.clone(), uid })
}

fn pod_goes(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (lost, live): (&Lost<'_>, &LiveObject),
    after: &BTreeSet<StepId>,
    left: Expect,
) -> StepId {
    let (pod, uid) = (lost.pod.clone(), live.uid().to_owned());
    let is_gone = machine(input, live) == Machine::Gone;
    let (action, title) = match is_gone {
        true => {
            let title = format!("remove {pod} without its machine, which is gone");
            (Action::Abandon { pod: pod.clone(), uid: uid.clone() }, title)
        }
        false => {
            let action = Action::Delete { object: pod.clone(), uid: uid.clone() };
            (action, format!("delete {pod}, so that it is made anew"))
        }
    };
    let step = Step {
        action,
        title,
        because: BECAUSE.to_owned(),
        expects: vec![Expect::Away { object: pod.clone(), uid: uid.clone() }, left],
        after: after.clone(),
        until: Until::Renewed { object: pod.clone(), uid },
        limit_seconds: STOP_SECONDS_MIN,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(delete_id(&pod), step);
    delete_id(&pod)
}

/// Waits until an empty member of its name is there.
fn comes_back(plan: &mut PlanDraft, lost: &Lost<'_>, after: BTreeSet<StepId>) {
    let (set, replicas) = (&lost.pool.set, lost.pool.replicas());
    let members = wording::count(replicas as usize, lost.pool.title);
    let title = format!("wait for {members} of `{}` to be ready", set.name);
    let until = Until::Rolled { object: set.clone(), replicas };
    let because = "an empty one comes in its place";
    let step = Step::waiting(title, because, after, until, order::limit(lost.pool));
    plan.step(ready_id(set), step);
    order::join(plan, lost.name, lost.pool, "an empty one joins in its place");
}

/// Has the driver delete the volume of the claim that is gone, once the member that comes is there.
fn purge(
    plan: &mut PlanDraft,
    lost: &Lost<'_>,
    (volume, live): (&ObjectKey, &LiveObject),
    claim: &str,
) {
    let (uid, claim_uid) = (live.uid().to_owned(), claim.to_owned());
    let belongs =
        Expect::BelongsTo { object: volume.clone(), uid: uid.clone(), claim: claim_uid.clone() };
    let step = Step {
        action: Action::Purge { volume: volume.clone(), uid, claim: claim_uid },
        title: format!("purge the volume {} had", lost.pod.name),
        because: condemned::DELETED.to_owned(),
        expects: vec![belongs],
        after: [join_id(lost.name, &lost.pool.name)].into(),
        until: Until::Gone { object: volume.clone() },
        limit_seconds: FREE_SECONDS,
        risk: Risk::Deletes,
        bytes: condemned::bytes_of(live),
    };
    plan.step(StepId(format!("purge/{}", lost.claim())), step);
}
