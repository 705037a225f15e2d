//! When a step is done, and why it is not yet: judged from what is seen, without the known traps.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod expected;
mod growth;
mod jobs;

use std::collections::BTreeSet;

use db_engine::engine::{MemberState, Topology, TopologyMember};
use serde_json::{Value, json};
use tsinfra::apply::expect::broken;
use tsinfra::apply::pods::why_not_ready;
use tsinfra::apply::wait::{Progress, judge};
use tsinfra::object::{Kind, ObjectKey};
use tsinfra::observed::{DatabaseView, EventNote, LiveObject, Observed};
use tsinfra::plan::step::{Action, Expect, Risk, Step, Until};

fn key(kind: Kind, name: &str) -> ObjectKey {
    if kind.namespaced() {
        ObjectKey::within(kind, "tsdb", name)
    } else {
        ObjectKey::global(kind, name)
    }
}

fn put(seen: &mut Observed, kind: Kind, name: &str, value: Value) {
    let live = LiveObject::of(value);
    seen.objects.insert(key(kind, name), live);
}

fn set() -> ObjectKey {
    key(Kind::StatefulSet, "hot")
}

/// A StatefulSet that counts so many pods, all ready and new, and was told the newest.
fn status(replicas: u32) -> Value {
    json!({
        "metadata": { "generation": 4 },
        "status": {
            "observedGeneration": 4, "replicas": replicas, "readyReplicas": replicas,
            "updatedReplicas": replicas, "updateRevision": "hot-2",
        },
    })
}

fn pod(revision: &str, ready: bool) -> Value {
    json!({
        "metadata": { "labels": { "controller-revision-hash": revision } },
        "status": { "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] },
    })
}

/// A set of so many ready members.
fn rolled(replicas: u32) -> Observed {
    let mut seen = Observed::default();
    put(&mut seen, Kind::StatefulSet, "hot", status(replicas));
    for ordinal in 0..replicas {
        put(&mut seen, Kind::Pod, &format!("hot-{ordinal}"), pod("hot-2", true));
    }
    seen
}

fn change(seen: &mut Observed, kind: Kind, name: &str, edit: impl FnOnce(&mut Value)) {
    edit(seen.objects.get_mut(&key(kind, name)).unwrap().value_mut());
}

fn until_rolled(replicas: u32) -> Until {
    Until::Rolled { object: set(), replicas }
}

fn counts(progress: &Progress) -> (u32, u32) {
    match progress {
        Progress::Going { done, of, .. } => (*done, *of),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_set_is_rolled_when_all_are_new_and_ready_and_no_other_is_there() {
    assert_eq!(judge(&until_rolled(3), &rolled(3)), Progress::Done);
}

/// While a pod terminates the status still counts it, and counts it ready (research A §4).
#[test]
fn ready_counts_during_a_scale_in_are_not_done() {
    let mut seen = rolled(2);
    change(&mut seen, Kind::Pod, "hot-1", |pod| pod["metadata"]["deletionTimestamp"] = json!("t"));
    assert_eq!(counts(&judge(&until_rolled(1), &seen)).1, 1);
    // The count is right by now, but the pod is still there.
    change(&mut seen, Kind::StatefulSet, "hot", |set| *set = status(1));
    assert!(matches!(judge(&until_rolled(1), &seen), Progress::Going { .. }));
    seen.objects.remove(&key(Kind::Pod, "hot-1"));
    assert_eq!(judge(&until_rolled(1), &seen), Progress::Done);
}

/// One that is not ready, beside as many as were asked for that are.
#[test]
fn a_pod_too_many_is_not_done() {
    let mut seen = rolled(3);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["status"]["replicas"] = json!(4));
    assert!(matches!(judge(&until_rolled(3), &seen), Progress::Going { .. }));
}

#[test]
fn a_status_of_an_older_generation_says_nothing() {
    let mut seen = rolled(3);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["metadata"]["generation"] = json!(5));
    assert!(matches!(judge(&until_rolled(3), &seen), Progress::Going { .. }));
}

#[test]
fn members_that_are_ready_and_old_are_not_done() {
    let mut seen = rolled(3);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["status"]["updatedReplicas"] = json!(1));
    change(&mut seen, Kind::Pod, "hot-0", |one| *one = pod("hot-1", true));
    change(&mut seen, Kind::Pod, "hot-1", |one| *one = pod("hot-1", true));
    assert_eq!(counts(&judge(&until_rolled(3), &seen)), (1, 3));
}

#[test]
fn a_set_that_is_gone_will_never_be_rolled() {
    assert!(matches!(judge(&until_rolled(1), &Observed::default()), Progress::Failed(_)));
}

#[test]
fn pods_of_a_set_are_told_by_ordinal_and_not_by_the_beginning_of_a_name() {
    let mut seen = Observed::default();
    put(&mut seen, Kind::Pod, "hot-archive-0", pod("x", true));
    assert_eq!(judge(&Until::PodsGone { object: set() }, &seen), Progress::Done);
    put(&mut seen, Kind::Pod, "hot-0", pod("x", true));
    assert_eq!(counts(&judge(&Until::PodsGone { object: set() }, &seen)).1, 1);
    // Nor by a name that is of another namespace.
    let elsewhere = ObjectKey::within(Kind::Pod, "elsewhere", "hot-0");
    let pod = seen.objects.remove(&key(Kind::Pod, "hot-0")).unwrap();
    seen.objects.insert(elsewhere, pod);
    assert_eq!(judge(&Until::PodsGone { object: set() }, &seen), Progress::Done);
}

#[test]
fn pods_are_gone_only_when_their_set_is_too() {
    let mut seen = rolled(0);
    assert!(matches!(judge(&Until::PodsGone { object: set() }, &seen), Progress::Going { .. }));
    seen.objects.clear();
    assert_eq!(judge(&Until::PodsGone { object: set() }, &seen), Progress::Done);
}

#[test]
fn a_claim_has_gone_once_its_volume_says_so_and_a_volume_tells_why_it_stays() {
    let (claim, volume) =
        (key(Kind::PersistentVolumeClaim, "data-hot-0"), key(Kind::PersistentVolume, "pv-1"));
    let until = Until::Released { claim, volume: volume.clone() };
    let seen = |phase: &str| {
        let mut seen = Observed::default();
        let status = json!({ "status": { "phase": phase, "message": "the driver said no" } });
        put(&mut seen, Kind::PersistentVolume, "pv-1", status);
        seen
    };
    assert_eq!(judge(&until, &seen("Released")), Progress::Done);
    assert_eq!(counts(&judge(&until, &seen("Bound"))), (1, 2));
    let mut before = seen("Bound");
    put(&mut before, Kind::PersistentVolumeClaim, "data-hot-0", json!({}));
    assert_eq!(counts(&judge(&until, &before)), (0, 2));
    assert!(matches!(judge(&until, &Observed::default()), Progress::Failed(_)));
    let gone = Until::Gone { object: volume };
    let why = vec!["PersistentVolume/pv-1 is Failed: the driver said no".to_owned()];
    assert_eq!(judge(&gone, &seen("Failed")), Progress::Going { done: 0, of: 1, why });
    assert_eq!(judge(&gone, &Observed::default()), Progress::Done);
}

/// A step that expects one thing and does what it is told.
fn expecting(expect: Expect, action: Action) -> Step {
    Step {
        action,
        title: String::new(),
        because: String::new(),
        expects: vec![expect],
        after: BTreeSet::new(),
        until: Until::Said,
        limit_seconds: 1,
        risk: Risk::None,
        bytes: 0,
    }
}

/// Worlds refuse these too; a step does not even try.
#[test]
fn a_step_does_not_begin_on_another_object_of_its_name() {
    let delete = |uid: &str| {
        let uid = uid.to_owned();
        let expect = Expect::Unchanged { object: set(), uid: uid.clone(), digest: String::new() };
        expecting(expect, Action::Delete { object: set(), uid })
    };
    let mut seen = rolled(1);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["metadata"]["uid"] = json!("7"));
    assert_eq!(broken(&delete("7"), &seen), None);
    assert!(broken(&delete("6"), &seen).unwrap().contains("another object"));
    assert!(broken(&delete("7"), &Observed::default()).unwrap().contains("gone by now"));
    let create = Action::Create { object: set(), manifest: json!({}) };
    let create = expecting(Expect::Absent { object: set() }, create);
    assert_eq!(broken(&create, &Observed::default()), None);
    assert!(broken(&create, &seen).unwrap().contains("is there by now"));
}

fn until_joined() -> Until {
    let addresses = ["hot-0.hot.svc", "hot-1.hot.svc"].map(str::to_owned).into();
    Until::Joined { cluster: "plant".to_owned(), addresses }
}

fn database(view: DatabaseView) -> Observed {
    Observed { databases: [("plant".to_owned(), view)].into(), ..Observed::default() }
}

fn members(states: &[(&str, MemberState)]) -> DatabaseView {
    let member = |(address, state): &(&str, MemberState)| {
        let view = TopologyMember {
            id: 1,
            kind: "DataNode".to_owned(),
            state: *state,
            status: format!("{state:?}"),
            regions: 0,
        };
        ((*address).to_owned(), view)
    };
    let members = states.iter().map(member).collect();
    DatabaseView::Seen(Topology { members, ..Topology::default() })
}

/// An answer that fails, or is empty, is never "nobody there".
#[test]
fn joined_needs_a_positive_answer_for_every_member() {
    let silent = DatabaseView::Unreachable { why: "no route".to_owned() };
    for view in [DatabaseView::Absent, silent, members(&[])] {
        assert_eq!(counts(&judge(&until_joined(), &database(view))), (0, 2));
    }
    let one = members(&[
        ("hot-0.hot.svc", MemberState::Running),
        ("hot-1.hot.svc", MemberState::Unknown),
    ]);
    let going = judge(&until_joined(), &database(one));
    let why = vec!["hot-1 is Unknown".to_owned()];
    assert_eq!(going, Progress::Going { done: 1, of: 2, why });
    // Another member of another name does not count for it.
    let other = members(&[
        ("hot-0.hot.svc", MemberState::Running),
        ("hot-11.hot.svc", MemberState::Running),
    ]);
    let why = vec!["hot-1 is not listed".to_owned()];
    assert_eq!(judge(&until_joined(), &database(other)), Progress::Going { done: 1, of: 2, why });
    let all = ["hot-0.hot.svc", "hot-1.hot.svc"].map(|name| (name, MemberState::Running));
    assert_eq!(judge(&until_joined(), &database(members(&all))), Progress::Done);
}

/// That a member has left is said by the database alone, and of that very member.
#[test]
fn a_member_has_left_only_when_the_database_lists_it_no_more() {
    let (cluster, address) = ("plant".to_owned(), "hot-1.hot.svc".to_owned());
    let until = |id| Until::Left { cluster: cluster.clone(), address: address.clone(), id };
    let silent = DatabaseView::Unreachable { why: "no route".to_owned() };
    for view in [DatabaseView::Absent, silent] {
        assert_eq!(counts(&judge(&until(1), &database(view))), (0, 1));
    }
    let leaving = members(&[("hot-1.hot.svc", MemberState::Leaving)]);
    let why = vec!["hot-1 is Leaving and holds no region".to_owned()];
    let going = Progress::Going { done: 0, of: 1, why };
    assert_eq!(judge(&until(1), &database(leaving.clone())), going);
    // Started again it is another one.
    assert_eq!(judge(&until(7), &database(leaving)), Progress::Done);
    let others = members(&[("hot-11.hot.svc", MemberState::Running)]);
    assert_eq!(judge(&until(1), &database(others)), Progress::Done);
}

/// The first reason given for `hot-0`, a pod with this status beside what else is seen.
fn reason(status: Value, more: impl FnOnce(&mut Observed)) -> String {
    let mut seen = Observed::default();
    let volumes =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data-hot-0" } }]);
    put(
        &mut seen,
        Kind::Pod,
        "hot-0",
        json!({ "metadata": {}, "spec": { "volumes": volumes }, "status": status }),
    );
    put(
        &mut seen,
        Kind::PersistentVolumeClaim,
        "data-hot-0",
        json!({ "status": { "phase": "Bound" } }),
    );
    more(&mut seen);
    why_not_ready(&set(), &seen).first().cloned().unwrap_or_default()
}

fn event(kind: &str, name: &str, reason: &str, message: &str) -> EventNote {
    EventNote {
        kind: kind.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn waiting(reason: &str, message: &str, last_exit: Option<i64>) -> Value {
    let mut status =
        json!({ "name": "main", "state": { "waiting": { "reason": reason, "message": message } } });
    if let Some(code) = last_exit {
        status["lastState"] = json!({ "terminated": { "exitCode": code } });
    }
    json!({ "containerStatuses": [status] })
}

#[test]
fn a_pod_that_cannot_be_placed_says_why() {
    let message = "0/3 nodes are available: 3 Insufficient memory.";
    let placed = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": message }] });
    let why = reason(placed.clone(), |_| {});
    assert_eq!(why, format!("hot-0 is unschedulable: {message}"));
    // An unbound claim whose driver has spoken says more than the scheduler.
    let why = reason(placed, |seen| {
        let pending = json!({ "status": { "phase": "Pending" } });
        put(seen, Kind::PersistentVolumeClaim, "data-hot-0", pending);
        let kind = "PersistentVolumeClaim";
        seen.events = vec![event(kind, "data-hot-0", "ProvisioningFailed", "no quota left")];
    });
    assert_eq!(why, "hot-0: claim data-hot-0 is not bound: no quota left");
}

#[test]
fn a_container_that_does_not_run_says_why() {
    let pull = waiting("ImagePullBackOff", "Back-off pulling image \"a:1\"", None);
    assert_eq!(reason(pull, |_| {}), "hot-0: ImagePullBackOff: Back-off pulling image \"a:1\"");
    let crash = waiting("CrashLoopBackOff", "back-off 40s restarting", Some(137));
    let why = reason(crash, |_| {});
    assert_eq!(why, "hot-0: CrashLoopBackOff: back-off 40s restarting (last exit code 137)");
    let config = waiting("CreateContainerConfigError", "", None);
    assert_eq!(reason(config, |_| {}), "hot-0: CreateContainerConfigError");
    assert_eq!(reason(waiting("PodInitializing", "", None), |_| {}), "hot-0 is starting");
}

#[test]
fn what_the_kubelet_warns_of_is_told() {
    for what in ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"] {
        let why = reason(json!({}), |seen| {
            seen.events = vec![
                event("Pod", "hot-00", what, "of another pod"),
                event("Pod", "hot-0", what, "timed out"),
            ];
        });
        assert_eq!(why, format!("hot-0: {what}: timed out"));
    }
}

#[test]
fn a_pod_that_cannot_be_made_is_told_by_its_set() {
    let quota = "create Pod hot-0 in StatefulSet hot failed error: exceeded quota: compute";
    let mut seen = rolled(0);
    seen.events = vec![event("StatefulSet", "hot", "FailedCreate", quota)];
    assert_eq!(why_not_ready(&set(), &seen), [quota]);
}

#[test]
fn the_most_telling_reasons_come_first_and_not_all_of_them() {
    let mut seen = rolled(5);
    for ordinal in 0..4 {
        change(&mut seen, Kind::Pod, &format!("hot-{ordinal}"), |one| *one = pod("hot-2", false));
    }
    change(&mut seen, Kind::Pod, "hot-4", |pod| {
        *pod = json!({ "metadata": {}, "status": waiting("CrashLoopBackOff", "", Some(1)) });
    });
    let reasons = why_not_ready(&set(), &seen);
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0], "hot-4: CrashLoopBackOff (last exit code 1)");
    assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), 3);
}

/// A pod deleted before the controller has heard of the new form is made anew of the old one: seen
/// on a real control plane.
#[test]
fn a_change_is_heard_only_once_its_generation_was_observed() {
    let until = Until::Heard { object: set() };
    let mut seen = Observed::default();
    assert!(matches!(judge(&until, &seen), Progress::Failed(_)));
    let mut lagging = status(3);
    lagging["metadata"]["generation"] = json!(5);
    put(&mut seen, Kind::StatefulSet, "hot", lagging);
    assert!(matches!(judge(&until, &seen), Progress::Going { .. }));
    put(&mut seen, Kind::StatefulSet, "hot", status(3));
    assert_eq!(judge(&until, &seen), Progress::Done);
}
