//! Whether a step is done, judged from facts, and why not yet.

use std::collections::BTreeSet;

use db_engine::engine::{MemberState, host};

use crate::object::{Kind, Labels, ObjectKey};
use crate::observed::{DatabaseView, List, Observed, Scope};
use crate::plan::Plan;
use crate::plan::step::Until;
use crate::wording::regions;

use super::{growth, jobs, pods};

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done,
    /// Not yet.
    Going {
        /// Parts that are there.
        done: u32,
        /// Parts there must be.
        of: u32,
        /// Why it waits, most telling first.
        why: Vec<String>,
    },
    /// It has come to where it began, with a pod of this uid: the action is due again, for that one.
    Again {
        /// The uid of the pod.
        uid: String,
        /// Why.
        why: String,
    },
    /// It will never be done.
    Failed(String),
}

/// What has to be looked at to judge.
pub fn scope(until: &Until, plan: &Plan) -> Scope {
    let in_namespace = |kinds: &[Kind]| -> Vec<List> {
        let namespace = Some(plan.namespace.clone());
        let list =
            |kind: &Kind| List { kind: *kind, namespace: namespace.clone(), labels: Labels::new() };
        kinds.iter().map(list).collect()
    };
    let events_in = Some(plan.namespace.clone());
    match until {
        Until::Said => Scope::default(),
        Until::Finished { object } => Scope {
            gets: vec![object.clone()],
            lists: in_namespace(&[Kind::Pod]),
            events_in,
            ..Scope::default()
        },
        Until::Rolled { object, .. } => Scope {
            gets: vec![object.clone()],
            lists: in_namespace(&[Kind::PersistentVolumeClaim, Kind::Pod]),
            events_in,
            ..Scope::default()
        },
        Until::PodsGone { object } => Scope {
            gets: vec![object.clone()],
            lists: in_namespace(&[Kind::Pod]),
            events_in,
            ..Scope::default()
        },
        Until::Expanded { claim, .. } => {
            Scope { gets: vec![claim.clone()], events_in, ..Scope::default() }
        }
        Until::Gone { object } | Until::Heard { object } | Until::Renewed { object, .. } => {
            Scope { gets: vec![object.clone()], ..Scope::default() }
        }
        Until::Remade { object, set, .. } => {
            Scope { gets: vec![object.clone(), set.clone()], ..Scope::default() }
        }
        Until::Released { claim, volume } => {
            Scope { gets: vec![claim.clone(), volume.clone()], ..Scope::default() }
        }
        Until::Joined { cluster, .. } | Until::Left { cluster, .. } => Scope {
            lists: in_namespace(&[Kind::Pod]),
            databases: plan.databases.iter().filter(|db| db.cluster == *cluster).cloned().collect(),
            ..Scope::default()
        },
    }
}

/// How far a step is.
pub fn judge(until: &Until, seen: &Observed) -> Progress {
    match until {
        Until::Said => Progress::Done,
        Until::Rolled { object, replicas } => rolled(object, *replicas, seen),
        Until::Heard { object } => heard(object, seen),
        Until::Gone { object } => gone(object, seen),
        Until::Renewed { object, uid } => renewed(object, uid, seen),
        Until::Remade { object, uid, set } => remade(object, uid, set, seen),
        Until::Finished { object } => jobs::finished(object, seen),
        Until::PodsGone { object } => pods_gone(object, seen),
        Until::Released { claim, volume } => released(claim, volume, seen),
        Until::Left { cluster, address, id } => left(cluster, address, *id, seen),
        Until::Joined { cluster, addresses } => joined(cluster, addresses, seen),
        Until::Expanded { claim, size } => growth::expanded(claim, size, seen),
    }
}

pub(super) fn going(done: usize, of: usize, why: Vec<String>) -> Progress {
    let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
    Progress::Going { done: number(done), of: number(of), why }
}

/// Ready and of the newest revision, as many as asked, none besides, none on its way out: ready
/// counts alone say "done" while a pod still terminates.
fn rolled(set: &ObjectKey, replicas: u32, seen: &Observed) -> Progress {
    let Some(live) = seen.objects.get(set) else {
        return Progress::Failed(format!("{set} is gone"));
    };
    let wanted = i64::from(replicas);
    let status = |field: &str| live.number(&format!("/status/{field}")).unwrap_or(0);
    let current = live.number("/status/observedGeneration") >= live.number("/metadata/generation");
    let counts = ["replicas", "readyReplicas", "updatedReplicas"];
    let counted = counts.iter().all(|field| status(field) == wanted);
    let leaving = seen.pods_of(set).any(|(_, pod)| pod.is_leaving());
    if current && counted && !leaving {
        return Progress::Done;
    }
    let fresh = seen.pods_of(set).filter(|(_, pod)| pods::is_fresh(live, pod)).count();
    going(fresh, replicas as usize, pods::why_not_ready(set, seen))
}

fn heard(set: &ObjectKey, seen: &Observed) -> Progress {
    let Some(live) = seen.objects.get(set) else {
        return Progress::Failed(format!("{set} is gone"));
    };
    if live.number("/status/observedGeneration") >= live.number("/metadata/generation") {
        return Progress::Done;
    }
    going(0, 1, vec!["its controller has not seen the change yet".to_owned()])
}

fn pods_gone(set: &ObjectKey, seen: &Observed) -> Progress {
    let left: Vec<&str> = seen.pods_of(set).map(|(key, _)| key.name.as_str()).collect();
    match (seen.objects.get(set), left.as_slice()) {
        (None, []) => Progress::Done,
        (_, []) => going(0, 1, vec![format!("{set} is still there")]),
        (_, left) => going(0, left.len(), vec![format!("stopping: {}", left.join(", "))]),
    }
}

fn gone(object: &ObjectKey, seen: &Observed) -> Progress {
    let Some(live) = seen.objects.get(object) else { return Progress::Done };
    let why = match live.text("/status/phase") {
        Some(phase) if object.kind == Kind::PersistentVolume => {
            match (live.text("/status/message"), live.text("/spec/csi/driver")) {
                (Some(said), _) => format!("{object} is {phase}: {said}"),
                (None, Some(_)) => {
                    format!("{object} is {phase}: its driver has not deleted it yet")
                }
                (None, None) => format!("{object} is still there, as {phase}"),
            }
        }
        _ => format!("{object} is still there"),
    };
    going(0, 1, vec![why])
}

fn renewed(object: &ObjectKey, uid: &str, seen: &Observed) -> Progress {
    match seen.objects.get(object) {
        Some(live) if live.uid() == uid => {
            going(0, 1, vec![format!("{object} is still there, and is being deleted")])
        }
        _ => Progress::Done,
    }
}

/// The controller makes a pod of the set's current form, and not of its newest, as long as it counts as many pods of
/// that (`newVersionedStatefulSetPod` of kube-controller-manager 1.36, where the strategy names no partition); and it
/// may still count the one that was just deleted.
fn remade(pod: &ObjectKey, uid: &str, set: &ObjectKey, seen: &Observed) -> Progress {
    let (Some(set), Some(live)) = (seen.objects.get(set), seen.objects.get(pod)) else {
        return going(0, 1, vec![format!("{pod} is not there yet")]);
    };
    if live.uid() == uid {
        return going(0, 1, vec![format!("{pod} is still there, and is being deleted")]);
    }
    if live.is_ready() || live.is_leaving() || pods::is_of_newest_form(set, live) {
        return Progress::Done;
    }
    let why = format!("{pod} was made anew of the old form, and is deleted again");
    Progress::Again { uid: live.uid().to_owned(), why }
}

fn released(claim: &ObjectKey, volume: &ObjectKey, seen: &Observed) -> Progress {
    let phase = seen.objects.get(volume).map(|live| live.text("/status/phase").unwrap_or("?"));
    match (seen.objects.contains_key(claim), phase) {
        (true, _) => going(0, 2, vec!["the claim is still there".to_owned()]),
        (false, None) => Progress::Failed(format!("{volume} went with its claim, though held")),
        (false, Some("Released")) => Progress::Done,
        (false, Some(phase)) => going(1, 2, vec![format!("{volume} is still {phase}")]),
    }
}

/// A member has left only when the database says so: no answer, and one it cannot be read from, say
/// nothing.
fn left(cluster: &str, address: &str, id: i64, seen: &Observed) -> Progress {
    let pending = |why: String| going(0, 1, vec![why]);
    let name = host(address);
    match seen.databases.get(cluster) {
        None | Some(DatabaseView::Absent) => pending("no ready member can be asked".to_owned()),
        Some(DatabaseView::Unreachable { why }) => {
            pending(format!("the database does not answer: {why}"))
        }
        Some(DatabaseView::Seen(topology)) => match topology.members.get(address) {
            Some(member) if member.id == id => pending(format!(
                "{name} is {} and holds {}",
                member.status,
                regions(member.regions)
            )),
            _ => Progress::Done,
        },
    }
}

fn joined(cluster: &str, addresses: &BTreeSet<String>, seen: &Observed) -> Progress {
    let pending = |why: String| going(0, addresses.len(), vec![why]);
    match seen.databases.get(cluster) {
        None | Some(DatabaseView::Absent) => pending("no ready member can be asked yet".to_owned()),
        Some(DatabaseView::Unreachable { why }) => {
            pending(format!("the database does not answer: {why}"))
        }
        Some(DatabaseView::Seen(topology)) => {
            let missing: Vec<String> = addresses
                .iter()
                .filter_map(|address| match topology.members.get(address) {
                    None => Some(format!("{} is not listed", host(address))),
                    Some(member) if member.state == MemberState::Running => None,
                    Some(member) => Some(format!("{} is {}", host(address), member.status)),
                })
                .collect();
            if missing.is_empty() {
                return Progress::Done;
            }
            going(addresses.len() - missing.len(), addresses.len(), missing)
        }
    }
}
