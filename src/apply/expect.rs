//! Whether the world is still what a plan was made for.

use std::collections::BTreeSet;

use db_engine::engine::{MemberState, Topology, host};

use crate::fields;
use crate::object::Kind;
use crate::observed::{DatabaseView, Observed, Scope};
use crate::plan::labels;
use crate::plan::step::{Action, Expect, Step, StepId};
use crate::plan::{Membership, Plan, seen};
use crate::world::{Unseen, World};

use super::step::End;

/// Checks that each database is who it was, with the members it had. One that gives no answer now
/// is no proof of change; what must not be done without its word was refused while planning.
pub async fn databases<W: World>(world: &W, plan: &Plan) -> Result<(), String> {
    let known = &plan.basis.databases;
    let asked = plan.databases.iter().filter(|scope| known.contains_key(&scope.cluster));
    let scope = Scope { databases: asked.cloned().collect(), ..Scope::default() };
    if scope.databases.is_empty() {
        return Ok(());
    }
    let seen = world.look(&scope).await.map_err(|unseen| unseen.to_string())?;
    let to_come = plan.members_to_come();
    for (cluster, before) in known {
        if let Some(DatabaseView::Seen(topology)) = seen.databases.get(cluster)
            && let Some(change) = before.departs(&Membership::of(topology), &to_come)
        {
            return Err(format!("the database of cluster `{}` {change}", plan.called(cluster)));
        }
    }
    Ok(())
}

/// What has become otherwise among the objects the plan was made from. Asked only before the first
/// step: the plan's own steps change them. A plan that writes nothing is not held against anything;
/// one that writes only the record is: the record says which object is whose.
pub async fn objects<W: World>(world: &W, plan: &Plan) -> Result<Option<String>, (StepId, End)> {
    let first = match plan.steps.keys().next() {
        Some(first) => first.clone(),
        None if plan.has_work() => StepId("keep the record".to_owned()),
        None => return Ok(None),
    };
    let unseen = |unseen: Unseen| (first.clone(), unseen.into());
    let (known, whose) = (&plan.basis.objects, (plan.stack.as_str(), plan.namespace.as_str()));
    let mut now = world.look(&seen::scope(whose.0, whose.1)).await.map_err(unseen)?;
    let rest = seen::rest(known, &now);
    if !rest.gets.is_empty() {
        now.objects.extend(world.look(&rest).await.map_err(unseen)?.objects);
    }
    Ok(seen::departs(known, whose, &now))
}

/// Checks what every step expects but for those that are done, before anything is written.
pub async fn all<W: World>(
    world: &W,
    plan: &Plan,
    done: &BTreeSet<StepId>,
) -> Result<(), (StepId, End)> {
    let steps: Vec<(&StepId, &Step)> =
        plan.steps.iter().filter(|(id, _)| !done.contains(id)).collect();
    let gets = steps.iter().flat_map(|(_, step)| &step.expects);
    let scope = Scope { gets: gets.map(|e| e.object().clone()).collect(), ..Scope::default() };
    if scope.gets.is_empty() {
        return Ok(());
    }
    let observed = world.look(&scope).await;
    for (id, step) in steps {
        let seen = observed.as_ref().map_err(|e| (id.clone(), End::Unseen(e.to_string())))?;
        let expects = step.expects.iter().filter(|expect| !expect.is_brought_about());
        first_broken(expects, &step.action, seen)
            .map_or(Ok(()), |why| Err((id.clone(), End::Stale(why))))?;
    }
    Ok(())
}

/// What a step expects to look at.
pub fn scope(step: &Step, plan: &Plan) -> Scope {
    let gets = step.expects.iter().map(|expect| expect.object().clone()).collect();
    let asked: BTreeSet<&str> = step.expects.iter().filter_map(Expect::cluster).collect();
    let databases = plan.databases.iter().filter(|it| asked.contains(it.cluster.as_str()));
    Scope { gets, databases: databases.cloned().collect(), ..Scope::default() }
}

/// Which expectation of a step does not hold, as a sentence.
pub fn broken(step: &Step, observed: &Observed) -> Option<String> {
    first_broken(step.expects.iter(), &step.action, observed)
}

fn first_broken<'a>(
    mut expects: impl Iterator<Item = &'a Expect>,
    action: &Action,
    observed: &Observed,
) -> Option<String> {
    expects.find_map(|expect| broken_one(expect, action, observed))
}

fn broken_one(expect: &Expect, action: &Action, observed: &Observed) -> Option<String> {
    if let Some(cluster) = expect.cluster() {
        return broken_in_database(expect, cluster, observed);
    }
    let live = observed.objects.get(expect.object());
    match (expect, live) {
        // Judged by the database above.
        (Expect::Whole { .. } | Expect::Lost { .. } | Expect::Left { .. }, _) => None,
        (Expect::Absent { .. } | Expect::Away { .. } | Expect::LetGo { .. }, None) => None,
        (Expect::Away { object, uid }, Some(live)) => {
            let back = live.uid() == uid && live.is_ready();
            back.then(|| format!("{object} is ready by now"))
        }
        (Expect::Absent { object } | Expect::LetGo { object }, Some(_)) => {
            Some(format!("{object} is there by now"))
        }
        (Expect::BelongsTo { object, uid, claim }, Some(live)) => {
            if live.uid() != uid {
                Some(format!("{object} is another object of that name by now"))
            } else if live.text("/spec/claimRef/uid") != Some(claim) {
                Some(format!("{object} belongs to another claim by now"))
            } else {
                None
            }
        }
        (Expect::AtMost { object, replicas }, Some(live)) => {
            let has = live.number("/spec/replicas").unwrap_or(1);
            (has > i64::from(*replicas))
                .then(|| format!("{object} is to have {has} members by now, not {replicas}"))
        }
        (Expect::Ready { object }, Some(live)) if object.kind == Kind::Pod => {
            let ready = live.is_ready() && !live.is_leaving();
            (!ready).then(|| format!("{object} is not ready: one more would be away"))
        }
        (Expect::Ready { object }, Some(live)) => {
            let wanted = live.number("/spec/replicas").unwrap_or(1);
            let ready = live.number("/status/readyReplicas").unwrap_or(0);
            (ready < wanted).then(|| {
                format!("{object} has {ready} of {wanted} members ready: one more would be away")
            })
        }
        (
            Expect::Unchanged { object, .. }
            | Expect::Ready { object }
            | Expect::AtMost { object, .. }
            | Expect::BelongsTo { object, .. },
            None,
        ) => Some(format!("{object} is gone by now")),
        (Expect::Unchanged { object, uid, digest }, Some(live)) => {
            let now = match action {
                Action::Update { manifest, .. } => fields::digest(manifest, &live.value),
                Action::Relabel { labels, .. } => {
                    fields::digest(&labels::manifest(labels), &live.value)
                }
                _ => String::new(),
            };
            if live.uid() != uid {
                Some(format!("{object} is another object of that name by now"))
            } else if now != *digest {
                Some(format!("{object} was changed in fields the plan changes"))
            } else {
                None
            }
        }
    }
}

/// What only a database can tell; one that does not answer has told nothing.
fn broken_in_database(expect: &Expect, cluster: &str, observed: &Observed) -> Option<String> {
    let topology = match observed.databases.get(cluster) {
        Some(DatabaseView::Seen(topology)) => topology,
        Some(DatabaseView::Unreachable { why }) => {
            return Some(format!("the database cannot be asked: {why}"));
        }
        Some(DatabaseView::Absent) | None => {
            return Some("the database cannot be asked: no member is ready".to_owned());
        }
    };
    let name = expect.object().name.as_str();
    match expect {
        Expect::Left { address, .. } => {
            let member = topology.members.get(address)?;
            Some(format!("the database lists {name} again, as {}", member.status))
        }
        Expect::Whole { address, id, .. } => {
            if topology.members.get(address).is_none_or(|member| member.id != *id) {
                return Some(format!("the database lists no {name} under id {id} by now"));
            }
            let mut others = topology.members.iter().filter(|(other, _)| *other != address);
            let away = others.find(|(_, member)| member.state != MemberState::Running);
            away.map(|(address, member)| {
                format!("{} is {}: no member is to leave now", host(address), member.status)
            })
        }
        Expect::Lost { address, id, .. } => still_lost(topology, (name, address, *id)),
        _ => None,
    }
}

/// How a member is not lost any more, or not the only one.
fn still_lost(topology: &Topology, (name, address, id): (&str, &String, i64)) -> Option<String> {
    let Some(member) = topology.members.get(address).filter(|member| member.id == id) else {
        return Some(format!("the database lists no {name} under id {id} by now"));
    };
    if member.state == MemberState::Running {
        return Some(format!("{name} is {} by now", member.status));
    }
    let mut others = topology.members.iter().filter(|(other, one)| {
        *other != address && one.kind == member.kind && one.state != MemberState::Running
    });
    let (other, away) = others.next()?;
    Some(format!("{} is {}: it may hold the last replica", host(other), away.status))
}
