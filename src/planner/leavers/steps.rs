//! In which steps members leave: the lost ones are off the list first, then one after the other, from the highest.

use std::collections::BTreeSet;

use db_engine::engine::MemberState;

use super::{Leaver, Listed, Shrinking, Told, drain_seconds, is_ready};
use crate::desired::{DesiredPool, members};
use crate::object::ObjectKey;
use crate::observed::{DatabaseScope, DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::planner::draft::{PlanDraft, drain_id, join_id, ready_id};
use crate::planner::{PlanInput, claims, condemned, lost, order, retirement, teardown};
use crate::wording;

/// What the end of a claim above all members relies on, and comes after: that its member has left. `None`
/// where that is not so, or not known. One that is listed although its pod is gone is removed first, if
/// nothing is lost with it; else it is told.
pub fn parted(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, desired): (&str, &DesiredPool),
    ordinal: u32,
) -> Option<(Expect, BTreeSet<StepId>)> {
    let shrinking = Shrinking::with(input, name, desired, desired.replicas())?;
    let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(name) else {
        return None;
    };
    let pod = shrinking.pod(ordinal);
    let mut stopped = BTreeSet::new();
    match input.observed.objects.get(&pod) {
        Some(live) if live.is_leaving() => drop(stopped.insert(stops(plan, &pod))),
        Some(_) => return None,
        None => {}
    }
    let address = members::address(input.stack, &desired.set.name, ordinal);
    let member = topology.members.get(&address);
    if member.is_some_and(|member| member.state == MemberState::Running) {
        // Its pod went a moment ago, or it is not where its name says.
        return None;
    }
    let leaver = match shrinking.leaver(input, &mut topology.clone(), ordinal) {
        Ok(leaver) => leaver,
        Err(why) => {
            let member = member?;
            let holds = wording::regions(member.regions);
            let back = match retirement::is_retired(desired) {
                true => "Put its pool back into the stack to bring it back".to_owned(),
                false => "Raise `nodes` to bring it back".to_owned(),
            };
            plan.note(format!(
                "The database lists {} as {} ({holds}), and its set has no such member. It is kept, \
                 and so is its claim: {}. {back}.",
                pod.name, member.status, why.reason
            ));
            return None;
        }
    };
    let left = shrinking.left(&leaver);
    let database = &input.desired.clusters.get(name)?.database;
    let drained = drain(plan, &shrinking, database, &leaver, Vec::new(), &stopped);
    stopped.extend(drained);
    Some((left, stopped))
}

/// Waits until the last pod of a member has stopped.
fn stops(plan: &mut PlanDraft, pod: &ObjectKey) -> StepId {
    let id = StepId(format!("stopped/{pod}"));
    let (title, until) =
        (format!("wait until {pod} has stopped"), Until::Gone { object: pod.clone() });
    let step = Step::waiting(
        title,
        "its claim goes after it",
        BTreeSet::new(),
        until,
        teardown::STOP_SECONDS_MIN,
    );
    plan.step(id.clone(), step);
    id
}

/// Each hands over what it stores, then it goes, then its claim does. `goes` adds the step by which its pod
/// goes and nobody takes its place. Answers the last of those.
pub(in crate::planner) fn leave_one_by_one(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    (database, after): (&DatabaseScope, &BTreeSet<StepId>),
    goes: impl Fn(&mut PlanDraft, (u32, &Leaver), BTreeSet<StepId>) -> BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let leavers = shrinking.leavers(input).unwrap_or_default();
    wait_for_no_other_lost_ones(input, plan, shrinking, &leavers);
    let mut before = others_run(input, plan, shrinking, &leavers, after);
    let is_member = |ordinal: u32| ordinal < shrinking.has;
    let stay_ready = |ordinal: u32| stay_ready(shrinking, &leavers, ordinal);
    let goes_first = |ordinal: u32, leaver: &Leaver| leaver.is_lost && is_member(ordinal);
    for (ordinal, leaver) in leavers.iter().filter(|(it, leaver)| goes_first(*it, leaver)) {
        let drained = drain(plan, shrinking, database, leaver, stay_ready(*ordinal), &before);
        before.extend(drained);
    }
    for (ordinal, leaver) in &leavers {
        let mut after = before.clone();
        if !goes_first(*ordinal, leaver) {
            let ready = stay_ready(*ordinal);
            after.extend(drain(plan, shrinking, database, leaver, ready, &before));
        }
        if !is_member(*ordinal) {
            before = after;
            continue;
        }
        let gone = goes(plan, (*ordinal, leaver), after);
        for (claim, _) in claims::of_member(input, &shrinking.desired.set, *ordinal) {
            condemned::member_left(input, plan, claim, shrinking.left(leaver), &gone);
        }
        before = gone;
    }
    before
}

/// Who is given up may have taken members of other pools with its machine: those are not waited for either.
fn wait_for_no_other_lost_ones(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    leavers: &[(u32, Leaver)],
) {
    let gives_up = |leaver: &Leaver| {
        let told = leaver.listed.as_ref().and_then(|listed| listed.told.as_ref());
        told.is_some_and(|told| told.gives_up)
    };
    let cluster = input.desired.clusters.get(&shrinking.cluster.name);
    if !leavers.iter().any(|(_, leaver)| gives_up(leaver)) {
        return;
    }
    for pool in cluster.into_iter().flat_map(|cluster| &cluster.pools) {
        let mut members = 0..pool.replicas();
        if members.any(|ordinal| lost::is_without_its_machine(input, pool, ordinal)) {
            plan.steps.remove(&ready_id(&pool.set));
            plan.steps.remove(&join_id(&shrinking.cluster.name, &pool.name));
        }
    }
}

/// Waits until members that still restart have come back, where some do. Those that are gone for good are not waited
/// for.
fn others_run(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    leavers: &[(u32, Leaver)],
    after: &BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let is_whole = |live: &LiveObject| live.has_rolled(i64::from(shrinking.has));
    if !leavers.iter().all(|(_, leaver)| leaver.listed.is_some())
        || shrinking.live.is_none_or(is_whole)
    {
        return after.clone();
    }
    if !leavers.iter().any(|(_, leaver)| leaver.is_lost) {
        tell_who_is_waited_for(plan, leavers);
        return [whole(plan, shrinking, after)].into();
    }
    let (set, others) = (&shrinking.desired.set, shrinking.others(leavers, shrinking.has));
    if others.iter().all(|ordinal| is_ready(input, &shrinking.pod(*ordinal))) {
        return after.clone();
    }
    let id = StepId(format!("join/{}/{}/others", shrinking.cluster.name, shrinking.desired.name));
    let members = wording::count(others.len(), shrinking.desired.title);
    let title = format!("see the other {members} of `{}` running in the database", set.name);
    let addresses = others.iter().map(|it| members::address(input.stack, &set.name, *it)).collect();
    let until = Until::Joined { cluster: shrinking.cluster.name.clone(), addresses };
    let limit = order::limit(shrinking.desired) + order::JOIN_SECONDS;
    let step = Step::waiting(title, WHILE_OTHERS_RESTART, after.clone(), until, limit);
    plan.step(id.clone(), step);
    [id].into()
}

fn tell_who_is_waited_for(plan: &mut PlanDraft, leavers: &[(u32, Leaver)]) {
    let is_away = |leaver: &Leaver| leaver.listed.as_ref().is_some_and(|it| it.away.is_some());
    for (_, Leaver { pod, .. }) in leavers.iter().filter(|(_, leaver)| is_away(leaver)) {
        plan.note(format!(
            "{} is not ready, and is waited for. If it is gone for good, say so with --consent {pod}.",
            pod.name
        ));
    }
}

/// What must be ready when a member is told to leave that is: its set, or all of its pods but those that are gone for
/// good.
fn stay_ready(shrinking: &Shrinking<'_>, leavers: &[(u32, Leaver)], ordinal: u32) -> Vec<Expect> {
    let ready = |object: ObjectKey| Expect::Ready { object };
    if shrinking.live.is_none() {
        return vec![ready(shrinking.pod(ordinal))];
    }
    if !leavers.iter().any(|(_, leaver)| leaver.is_lost) {
        return vec![ready(shrinking.desired.set.clone())];
    }
    let others = shrinking.others(leavers, ordinal + 1);
    others.into_iter().map(|it| ready(shrinking.pod(it))).collect()
}

const WHILE_OTHERS_RESTART: &str = "nobody is drained while others restart";

/// Waits until all members are ready.
fn whole(plan: &mut PlanDraft, shrinking: &Shrinking<'_>, after: &BTreeSet<StepId>) -> StepId {
    order::rolled(plan, shrinking.desired, shrinking.has, WHILE_OTHERS_RESTART, after.clone())
}

fn drain(
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    database: &DatabaseScope,
    leaver: &Leaver,
    ready: Vec<Expect>,
    after: &BTreeSet<StepId>,
) -> Option<StepId> {
    let Listed { id, regions, away, told } = leaver.listed.as_ref()?;
    let (pod, address, of) = (&leaver.pod, &leaver.address, &shrinking.cluster.name);
    let (title, name) = (shrinking.desired.title, &pod.name);
    let (action, expects, heading) = match told {
        Some(Told { statement, gives_up }) => {
            let (holds, text) = (wording::regions(*regions), &statement.text);
            let heading = match away {
                Some(_) if *gives_up => {
                    format!("give up {title} {name}, {}: `{text}`", lost::remade(*regions))
                }
                Some(status) => {
                    format!("remove {title} {name}, which is {status} ({holds}): `{text}`")
                }
                None => format!("drain {title} {name} ({holds}): `{text}`"),
            };
            let (object, cluster, address) = (pod.clone(), of.clone(), address.clone());
            let of_database = match gives_up {
                true => Expect::Lost { object, cluster, address, id: *id },
                false => Expect::Whole { object, cluster, address, id: *id },
            };
            let ready = if away.is_none() { ready } else { Vec::new() };
            let (member, database) = (pod.clone(), database.clone());
            let statement = statement.clone();
            let expects = std::iter::once(of_database).chain(ready).collect();
            (Action::Say { member, database, statement }, expects, heading)
        }
        None => (Action::Await, Vec::new(), format!("see {title} {name} leave the database")),
    };
    let step_id = drain_id(pod);
    let step = Step {
        action,
        title: heading,
        because: format!("a {title} leaves only once it holds nothing"),
        expects,
        after: after.clone(),
        until: Until::Left { cluster: of.clone(), address: address.clone(), id: *id },
        limit_seconds: drain_seconds(shrinking.size),
        // One that is away has nothing to hand over any more.
        risk: if away.is_none() { Risk::Moves } else { Risk::None },
        bytes: 0,
    };
    plan.step(step_id.clone(), step);
    Some(step_id)
}

/// Removes the pod of a member that has left from a machine that will not say that it has stopped; answers what comes
/// last. Nobody takes its place.
pub(in crate::planner) fn abandoned(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    leaver: &Leaver,
    after: BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let Some(live) = is_to_be_abandoned(input, leaver) else { return after };
    let (left, until) = (shrinking.left(leaver), Until::Gone { object: leaver.pod.clone() });
    let because = "its member has left, and its machine is gone";
    [lost::abandon(plan, (&leaver.pod, live), because, left, after, until)].into()
}

/// The pod of a member that has left, if nobody will stop it.
pub(in crate::planner) fn is_to_be_abandoned<'a>(
    input: &PlanInput<'a>,
    leaver: &Leaver,
) -> Option<&'a LiveObject> {
    let live = input.observed.objects.get(&leaver.pod)?;
    (leaver.is_lost && lost::machine(input, live) == lost::Machine::Gone).then_some(live)
}
