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
