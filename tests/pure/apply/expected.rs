//! What a step expects just before it acts, each expectation by itself: worlds refuse most of it too.

use super::*;

fn volume(uid: &str, claim: &str) -> Observed {
    let mut seen = Observed::default();
    let value = json!({ "metadata": { "uid": uid }, "spec": { "claimRef": { "uid": claim } } });
    put(&mut seen, Kind::PersistentVolume, "pv-1", value);
    seen
}

/// What is said of a step, if it may not begin.
fn told(step: &Step, seen: &Observed) -> String {
    broken(step, seen).unwrap_or_default()
}

#[test]
fn a_volume_is_the_one_that_was_seen_and_belongs_to_the_claim_it_belonged_to() {
    let object = key(Kind::PersistentVolume, "pv-1");
    let expect =
        Expect::BelongsTo { object: object.clone(), uid: "v".to_owned(), claim: "c".to_owned() };
    let (uid, claim) = ("v".to_owned(), "c".to_owned());
    let purge = expecting(expect, Action::Purge { volume: object, uid, claim });
    assert_eq!(broken(&purge, &volume("v", "c")), None);
    for (seen, words) in [
        (volume("w", "c"), "another object of that name"),
        (volume("v", "d"), "belongs to another claim"),
        (Observed::default(), "gone by now"),
    ] {
        assert!(told(&purge, &seen).contains(words), "{words}: {:?}", broken(&purge, &seen));
    }
}

#[test]
fn data_are_not_purged_while_a_claim_of_that_name_is_there() {
    let claim = key(Kind::PersistentVolumeClaim, "data-hot-0");
    let step = expecting(Expect::LetGo { object: claim }, Action::Await);
    assert_eq!(broken(&step, &Observed::default()), None);
    let mut seen = Observed::default();
    put(&mut seen, Kind::PersistentVolumeClaim, "data-hot-0", json!({}));
    assert!(told(&step, &seen).contains("is there by now"));
}

#[test]
fn a_restart_begins_only_with_all_members_of_a_set_that_is_there() {
    let step = expecting(Expect::Ready { object: set() }, Action::Await);
    let mut seen = rolled(3);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["spec"]["replicas"] = json!(3));
    assert_eq!(broken(&step, &seen), None);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["status"]["readyReplicas"] = json!(2));
    assert!(told(&step, &seen).contains("2 of 3 members ready"));
    assert!(told(&step, &Observed::default()).contains("gone by now"));
}

/// A StatefulSet that is to be made again around its members, and restarts them, is not there to be counted.
#[test]
fn a_restart_around_members_begins_only_while_each_is_ready() {
    let step = expecting(Expect::Ready { object: key(Kind::Pod, "hot-0") }, Action::Await);
    let mut seen = Observed::default();
    assert!(told(&step, &seen).contains("gone by now"));
    put(&mut seen, Kind::Pod, "hot-0", pod("hot-2", true));
    assert_eq!(broken(&step, &seen), None);
    change(&mut seen, Kind::Pod, "hot-0", |pod| pod["metadata"]["deletionTimestamp"] = json!("t"));
    assert!(told(&step, &seen).contains("is not ready"));
    put(&mut seen, Kind::Pod, "hot-0", pod("hot-2", false));
    assert!(told(&step, &seen).contains("is not ready"));
}

/// A member that has come back by itself is not pushed.
#[test]
fn a_pod_that_is_ready_by_now_is_left_alone() {
    let step = |uid: &str| {
        let (object, uid) = (key(Kind::Pod, "hot-0"), uid.to_owned());
        expecting(Expect::Away { object, uid }, Action::Await)
    };
    let mut seen = Observed::default();
    assert_eq!(broken(&step("p"), &seen), None);
    for (ready, words) in [(false, ""), (true, "is ready by now")] {
        let mut one = pod("hot-2", ready);
        one["metadata"]["uid"] = json!("p");
        put(&mut seen, Kind::Pod, "hot-0", one);
        assert!(told(&step("p"), &seen).contains(words), "{ready}");
        assert_eq!(broken(&step("p"), &seen).is_some(), ready);
    }
    // Another one of that name is not the one that is to go: deleting demands the uid.
    assert_eq!(broken(&step("q"), &seen), None);
}

#[test]
fn a_change_begins_only_on_the_fields_that_were_seen() {
    let manifest = json!({ "spec": { "replicas": 3 } });
    let mut seen = rolled(1);
    change(&mut seen, Kind::StatefulSet, "hot", |set| {
        set["metadata"]["uid"] = json!("7");
        set["spec"]["replicas"] = json!(1);
    });
    let live = &seen.objects[&set()].value;
    let digest = tsinfra::fields::digest(&manifest, live);
    let uid = "7".to_owned();
    let expect = Expect::Unchanged { object: set(), uid: uid.clone(), digest: digest.clone() };
    let action = Action::Update { object: set(), uid, digest, manifest, force: false };
    let step = expecting(expect, action);
    assert_eq!(broken(&step, &seen), None);
    change(&mut seen, Kind::StatefulSet, "hot", |set| set["spec"]["replicas"] = json!(2));
    assert!(told(&step, &seen).contains("was changed in fields the plan changes"));
}

/// Nobody is told to leave, and nothing is taken from who left, by a database that says nothing.
#[test]
fn only_the_database_says_who_is_there_and_who_has_left() {
    let (object, cluster) = (key(Kind::Pod, "hot-1"), "plant".to_owned());
    let address = "hot-1.hot.svc".to_owned();
    let left =
        Expect::Left { object: object.clone(), cluster: cluster.clone(), address: address.clone() };
    let left = expecting(left, Action::Await);
    let whole = |id| {
        let (object, cluster, address) = (object.clone(), cluster.clone(), address.clone());
        expecting(Expect::Whole { object, cluster, address, id }, Action::Await)
    };
    let silent = DatabaseView::Unreachable { why: "no route".to_owned() };
    for view in [DatabaseView::Absent, silent] {
        for step in [&left, &whole(1)] {
            assert!(told(step, &database(view.clone())).contains("cannot be asked"));
        }
    }
    let running = MemberState::Running;
    let both = members(&[("hot-0.hot.svc", running), ("hot-1.hot.svc", running)]);
    assert_eq!(broken(&whole(1), &database(both.clone())), None);
    assert!(told(&whole(2), &database(both.clone())).contains("no hot-1 under id 2"));
    assert!(told(&left, &database(both)).contains("lists hot-1 again"));
    let away = members(&[("hot-0.hot.svc", MemberState::Unknown), ("hot-1.hot.svc", running)]);
    assert!(told(&whole(1), &database(away)).contains("hot-0 is Unknown"));
    let other = members(&[("hot-0.hot.svc", running)]);
    assert_eq!(broken(&left, &database(other.clone())), None);
    assert!(told(&whole(1), &database(other)).contains("no hot-1"));
}

#[test]
fn a_claim_goes_only_while_its_set_is_not_to_have_its_member_again() {
    let step = expecting(Expect::AtMost { object: set(), replicas: 3 }, Action::Await);
    let with = |replicas: u32| {
        let mut seen = rolled(3);
        change(&mut seen, Kind::StatefulSet, "hot", |set| {
            set["spec"]["replicas"] = json!(replicas)
        });
        seen
    };
    assert_eq!(broken(&step, &with(2)), None);
    assert_eq!(broken(&step, &with(3)), None);
    assert!(told(&step, &with(4)).contains("is to have 4 members by now, not 3"));
    assert!(told(&step, &Observed::default()).contains("gone by now"));
}
