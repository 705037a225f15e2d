//! In which steps a lost member is replaced.

use std::collections::BTreeSet;

use db_engine::cluster::Content;

use super::{Due, Lost, Standing};
use crate::desired::DesiredPool;
use crate::object::{Kind, LABEL_GIVEN_UP, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::Operation;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::planner::condemned;
use crate::planner::draft::{
    PlanDraft, create_id, delete_id, join_id, ready_id, settled, update_id,
};
use crate::planner::lost::{Machine, abandon, machine, remade};
use crate::planner::order::{self, PROMPT_SECONDS};
use crate::planner::removal::{FREE_SECONDS, delete};
use crate::planner::restarts::restarts_members;
use crate::planner::teardown::STOP_SECONDS_MIN;
use crate::planner::{PlanInput, halves, leavers, machines, objects};
use crate::wording;

/// Why all of it is done.
const BECAUSE: &str = "its member is gone for good";

/// Adds the steps by which a member is replaced. They come after the members that are made by the same plan
/// are there; nobody restarts in it.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    take_marks_off(input, plan);
    let all = Lost::all(input).into_iter();
    let Some((lost, due)) = all.filter_map(|lost| lost.due(input).map(|due| (lost, due))).next()
    else {
        return;
    };
    plan.replaces = Some(lost.pod.name.clone());
    alone(input, plan, &lost);
    let wanted = halves::waits_for(input, lost.pool, lost.ordinal);
    let before = those_to_come(input, plan, &lost, &wanted);
    let marked = mark(plan, &due, "true", &BTreeSet::new());
    let before: BTreeSet<StepId> = before.into_iter().chain(marked).collect();
    let after = given_up(input, plan, (&lost, &due), before);
    let mut gone = claim_and_pod(input, plan, (&lost, &due), after);
    gone.extend(volumes_after(plan, &wanted, &gone));
    comes_back(plan, &lost, gone);
    plan.note(format!(
        "{} comes back empty: what the others make anew stays with them, and it takes part in what comes.",
        lost.pod.name
    ));
}

/// Has volumes it waits for made only once its claims are gone: it would start on them with what it has kept.
/// Answers the steps that make them.
fn volumes_after(
    plan: &mut PlanDraft,
    wanted: &BTreeSet<ObjectKey>,
    gone: &BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let made: BTreeSet<StepId> =
        wanted.iter().map(create_id).filter(|id| plan.steps.contains_key(id)).collect();
    for id in &made {
        if let Some(step) = plan.steps.get_mut(id) {
            step.after.extend(gone.iter().cloned());
        }
    }
    made
}

/// Takes the mark off claims whose member lives after all: the next time it is lost it has to be told anew.
fn take_marks_off(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let claims = input.observed.of_kind(Kind::PersistentVolumeClaim);
    for (claim, live) in claims.filter(|(_, live)| live.label(LABEL_GIVEN_UP).is_some()) {
        let pod = claim.set_of_claim().zip(claim.ordinal());
        let pod = pod.map(|(set, ordinal)| ObjectKey::pod_of(&set, ordinal));
        let lost = pod.and_then(|pod| Lost::of(input, pod));
        let lives = lost.is_some_and(|lost| matches!(lost.standing(input), Ok(Standing::Lives)));
        let ours = objects::is_ours(input.stack, input.observed, claim, live);
        if lives && ours && !live.is_leaving() {
            let (object, uid) = (claim.clone(), live.uid().to_owned());
            let labels = [(LABEL_GIVEN_UP.to_owned(), None)].into();
            let action = Action::Relabel { object, uid, labels };
            let title = format!("take the mark off {claim}");
            let because = "its member lives";
            let step = Step::said(action, title, because, BTreeSet::new(), PROMPT_SECONDS);
            plan.step(StepId(format!("unmark/{claim}")), step);
        }
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
fn those_to_come(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    lost: &Lost<'_>,
    wanted: &BTreeSet<ObjectKey>,
) -> BTreeSet<StepId> {
    let (set, live) = (&lost.pool.set, input.observed.objects.get(&lost.pool.set));
    for pool in lost.cluster.pools.iter().filter(|pool| pool.set != *set) {
        for id in [ready_id(&pool.set), join_id(lost.name, &pool.name)] {
            plan.steps.remove(&id);
        }
    }
    // Their sets are not kept back by a volume that is only made once the lost one is gone.
    let made: BTreeSet<StepId> = wanted.iter().map(create_id).collect();
    for id in lost.cluster.pools.iter().flat_map(|pool| settled(&pool.set)) {
        if let Some(step) = plan.steps.get_mut(&id) {
            step.after.retain(|before| !made.contains(before));
        }
    }
    let needs = lost.pool.needs.iter().filter(|need| !wanted.contains(*need));
    let needs: BTreeSet<StepId> = needs.flat_map(settled).collect();
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
        let room = machines::room_without(input, lost.pool, wanted);
        if let Some(volume) = wanted.first().filter(|_| room < new.len()) {
            plan.block(
                input.stack.pool_address(lost.name, &lost.pool.name),
                "replace",
                format!(
                    "{}: it waits for {volume}, and would take it before a new member does",
                    lost.pod.name
                ),
                way_on_to_room(input, lost),
            );
        }
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

/// How a new member comes beside a lost one that waits for volumes. One that has nothing left takes those of any
/// machine, so that only another tier is out of its reach.
fn way_on_to_room(input: &PlanInput<'_>, lost: &Lost<'_>) -> String {
    if !lost.claims(input).is_empty() {
        return "offer the new member's volumes on another machine".to_owned();
    }
    let pool = input.stack.cluster_address(lost.name);
    format!(
        "instead of raising `nodes`, add a pool of one member with a tier of its own, apply that with \
         --target {pool}.pool.NAME, then replace the member"
    )
}

/// Marks its claims as far as they are not yet: whoever takes this up knows by it that this is the one that was
/// lost (`true`), and which member the database was told to give up (`told-ID`), which it does not say itself.
/// That is on the claim that goes last alone.
fn mark(
    plan: &mut PlanDraft,
    due: &Due<'_>,
    word: &str,
    after: &BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let mut marked = BTreeSet::new();
    let last = due.claims.last().map(|(claim, _)| claim);
    for (claim, live) in &due.claims {
        let has = live.label(LABEL_GIVEN_UP);
        let is_told = has.is_some_and(|it| it.starts_with(TOLD));
        if has == Some(word)
            || word == "true" && is_told
            || word != "true" && last != Some(claim)
            || live.is_leaving()
        {
            continue;
        }
        let labels = [(LABEL_GIVEN_UP.to_owned(), Some(word.to_owned()))].into();
        let (id, title) = match word {
            "true" => ("mark", format!("mark {claim} as given up")),
            _ => ("told", format!("mark {claim}: the database was told")),
        };
        let id = StepId(format!("{id}/{claim}"));
        let action = Action::Relabel { object: claim.clone(), uid: live.uid().to_owned(), labels };
        plan.step(id.clone(), Step::said(action, title, BECAUSE, after.clone(), PROMPT_SECONDS));
        marked.insert(id);
    }
    marked
}

/// How the mark of a claim begins once the database was told; what follows is the id of the member.
const TOLD: &str = "told-";

/// Has the database give the member up, and waits until it lists it no more; answers what comes last.
fn given_up(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (lost, due): (&Lost<'_>, &Due<'_>),
    mut before: BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let Some((statement, id, regions)) = due.told.as_ref() else { return before };
    let (pod, of, address) = (lost.pod.clone(), lost.name.to_owned(), lost.address.clone());
    let remade = remade(*regions);
    let told = format!("{TOLD}{id}");
    let is_told = due.claims.iter().any(|(_, it)| it.label(LABEL_GIVEN_UP) == Some(&told));
    if !is_told {
        let (object, cluster, address) = (pod.clone(), of.clone(), address.clone());
        let step_id = StepId(format!("give-up/{pod}"));
        let action = Action::Say {
            member: pod.clone(),
            database: lost.cluster.database.clone(),
            statement: statement.clone(),
        };
        let title =
            format!("give up {} {}, {remade}: `{}`", lost.pool.title, pod.name, statement.text);
        let expects = vec![Expect::Lost { object, cluster, address, id: *id }];
        let step = Step { expects, ..Step::said(action, title, BECAUSE, before, PROMPT_SECONDS) };
        plan.step(step_id.clone(), step);
        before = [step_id].into();
        let marked = mark(plan, due, &told, &before);
        before = if marked.is_empty() { before } else { marked };
    }
    let size = input.stack.clusters.get(&of).and_then(|it| it.pools.get(&lost.pool.name));
    let limit = leavers::drain_seconds(size.map_or(0, |pool| pool.data.size.bytes()));
    let title = format!("wait until the database lists {} {} no more", lost.pool.title, pod.name);
    let until = Until::Left { cluster: of, address, id: *id };
    let because = "until then it is one of its members";
    let step_id = StepId(format!("given-up/{pod}"));
    plan.step(step_id.clone(), Step::waiting(title, because, before, until, limit));
    [step_id].into()
}

/// The claim goes, then the pod that holds it back; answers what comes last of that.
fn claim_and_pod(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (lost, due): (&Lost<'_>, &Due<'_>),
    mut gone: BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let left = || Expect::Left {
        object: lost.pod.clone(),
        cluster: lost.name.to_owned(),
        address: lost.address.clone(),
    };
    for (claim, live) in &due.claims {
        condemned::keep_volume(input, plan, claim, live, "its tier says retain");
        if !live.is_leaving() {
            delete(plan, claim, live, BECAUSE, gone, Until::Said, PROMPT_SECONDS);
            if let Some(step) = plan.steps.get_mut(&delete_id(claim)) {
                step.expects.extend(away(lost, due));
                step.expects.push(left());
            }
            gone = [delete_id(claim)].into();
        }
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
    for (claim, live) in &due.claims {
        let (object, uid) = (claim.clone(), live.uid().to_owned());
        let id = StepId(format!("renewed/{claim}"));
        let title = format!("wait until {} of {} is gone", what(claim), lost.pod.name);
        let until = Until::Renewed { object, uid };
        plan.step(id.clone(), Step::waiting(title, BECAUSE, gone, until, FREE_SECONDS));
        gone = [id].into();
    }
    gone
}

/// Which of a member's claims it is.
fn what(claim: &ObjectKey) -> String {
    match claim.content_of_claim().filter(|content| *content != Content::Data) {
        Some(content) => format!("the claim for the {}", content.title()),
        None => "the claim".to_owned(),
    }
}

/// Its pod is still away, if it is there.
fn away(lost: &Lost<'_>, due: &Due<'_>) -> Option<Expect> {
    let uid = due.pod.filter(|pod| !pod.is_ready())?.uid().to_owned();
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
    let until = Until::Renewed { object: pod.clone(), uid: uid.clone() };
    if machine(input, live) == Machine::Gone {
        return abandon(plan, (&pod, live), BECAUSE, left, after.clone(), until);
    }
    let away = Expect::Away { object: pod.clone(), uid: uid.clone() };
    let step = Step {
        action: Action::Delete { object: pod.clone(), uid },
        title: format!("delete {pod}, so that it is made anew"),
        because: BECAUSE.to_owned(),
        expects: (!live.is_ready()).then_some(away).into_iter().chain([left]).collect(),
        after: after.clone(),
        until,
        limit_seconds: STOP_SECONDS_MIN,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(delete_id(&pod), step);
    delete_id(&pod)
}

/// Waits until an empty member of its name is there.
fn comes_back(plan: &mut PlanDraft, lost: &Lost<'_>, after: BTreeSet<StepId>) {
    let because = "an empty one comes in its place";
    order::rolled(plan, lost.pool, lost.pool.replicas(), because, after);
    order::join(plan, lost.name, lost.pool, "an empty one joins in its place");
}
