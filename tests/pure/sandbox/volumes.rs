//! What claims and volumes promise.

use super::*;

fn phase(sandbox: &Sandbox, kind: Kind, name: &str) -> String {
    let live = live(sandbox, &key(kind, name));
    live.map_or("gone".to_owned(), |live| live.text("/status/phase").unwrap().to_owned())
}

#[test]
fn a_local_claim_waits_for_its_pod_and_binds_on_the_pods_node() {
    let sandbox = prepared();
    for worker in ["worker-1", "worker-2", "worker-3"] {
        let volume = format!("ssd-{worker}");
        create(&sandbox, &key(Kind::PersistentVolume, &volume), local_volume(worker)).unwrap();
    }
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(3, "local", "db:1")).unwrap();
    wait(&sandbox, 60);
    for ordinal in 0..3 {
        let pod = live(&sandbox, &key(Kind::Pod, &format!("db-{ordinal}"))).unwrap();
        let claim =
            live(&sandbox, &key(Kind::PersistentVolumeClaim, &format!("data-db-{ordinal}")))
                .unwrap();
        let node = pod.text("/spec/nodeName").unwrap();
        assert_eq!(claim.text("/spec/volumeName"), Some(format!("ssd-{node}").as_str()));
        assert_eq!(claim.text("/status/capacity/storage"), Some("20Gi"));
        assert_eq!((claim.label("app"), claim.label("tier")), (Some("db"), Some("local")));
    }
}

#[test]
fn a_claim_in_use_stays_until_its_pod_is_gone_and_its_volume_follows_its_policy() {
    for (class, after) in [("cloud", "gone"), ("vault", "Released")] {
        let sandbox = prepared();
        let object = key(Kind::StatefulSet, "db");
        let claim = key(Kind::PersistentVolumeClaim, "data-db-0");
        create(&sandbox, &object, set(1, class, "db:1")).unwrap();
        wait(&sandbox, 30);
        let volume = live(&sandbox, &claim).unwrap().text("/spec/volumeName").unwrap().to_owned();
        delete(&sandbox, &claim);
        wait(&sandbox, 30);
        assert!(live(&sandbox, &claim).unwrap().is_leaving(), "a claim in use went");
        delete(&sandbox, &object);
        wait(&sandbox, 30);
        assert_eq!(live(&sandbox, &claim), None);
        assert_eq!(phase(&sandbox, Kind::PersistentVolume, &volume), after);
    }
}

/// A claim of a pod that is on no node goes at once, and the StatefulSet makes another for it; the pods of a
/// machine whose Node is gone go with it.
#[test]
fn a_claim_of_a_machine_that_is_gone_is_exchanged_for_another() {
    let sandbox = prepared();
    for worker in ["worker-2", "worker-3"] {
        let volume = format!("ssd-{worker}");
        create(&sandbox, &key(Kind::PersistentVolume, &volume), local_volume(worker)).unwrap();
    }
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "local", "db:1")).unwrap();
    wait(&sandbox, 30);
    let (pod, claim) = (key(Kind::Pod, "db-0"), key(Kind::PersistentVolumeClaim, "data-db-0"));
    let first = live(&sandbox, &pod).unwrap().text("/spec/nodeName").unwrap().to_owned();
    delete(&sandbox, &key(Kind::Node, &first));
    wait(&sandbox, 30);
    assert_eq!(live(&sandbox, &pod).unwrap().text("/spec/nodeName"), None);
    let old = live(&sandbox, &claim).unwrap().uid().to_owned();
    delete(&sandbox, &claim);
    wait(&sandbox, 30);
    assert_ne!(live(&sandbox, &claim).unwrap().uid(), old);
    let second = live(&sandbox, &pod).unwrap();
    assert!(second.is_ready() && second.text("/spec/nodeName") != Some(&first));
    assert_eq!(phase(&sandbox, Kind::PersistentVolume, &format!("ssd-{first}")), "Released");
}

/// A pod on a machine nobody can reach stops only there; it is removed without.
#[test]
fn a_pod_is_removed_without_its_machine() {
    let sandbox = prepared();
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:1")).unwrap();
    wait(&sandbox, 30);
    let pod = key(Kind::Pod, "db-0");
    let uid = live(&sandbox, &pod).unwrap().uid().to_owned();
    let node = live(&sandbox, &pod).unwrap().text("/spec/nodeName").unwrap().to_owned();
    sandbox.disturb(|cluster| cluster.lose_node(&node, Duration::from_secs(3600)));
    delete(&sandbox, &pod);
    wait(&sandbox, 60);
    assert!(live(&sandbox, &pod).is_some_and(|it| it.uid() == uid && it.is_leaving()));
    let another = Action::Abandon { pod: pod.clone(), uid: "another".to_owned() };
    assert!(matches!(now(sandbox.perform(&another)), Err(Refused::Stale(_))));
    now(sandbox.perform(&Action::Abandon { pod: pod.clone(), uid: uid.clone() })).unwrap();
    wait(&sandbox, 60);
    assert!(live(&sandbox, &pod).is_some_and(|it| it.uid() != uid));
}

#[test]
fn a_released_local_volume_is_never_deleted_and_never_used_again_until_it_is_set_free() {
    let sandbox = prepared();
    let volume = key(Kind::PersistentVolume, "ssd");
    create(&sandbox, &volume, local_volume("worker-2")).unwrap();
    let object = key(Kind::StatefulSet, "db");
    let claim = key(Kind::PersistentVolumeClaim, "data-db-0");
    create(&sandbox, &object, set(1, "local", "db:1")).unwrap();
    wait(&sandbox, 30);
    delete(&sandbox, &object);
    delete(&sandbox, &claim);
    wait(&sandbox, 300);
    assert_eq!(phase(&sandbox, Kind::PersistentVolume, "ssd"), "Released");
    create(&sandbox, &object, set(1, "local", "db:1")).unwrap();
    wait(&sandbox, 30);
    assert_eq!(phase(&sandbox, Kind::PersistentVolumeClaim, "data-db-0"), "Pending");
    let free = json!({ "spec": { "claimRef": null } });
    sandbox.disturb(|cluster| cluster.edit_as("me", &volume, &free)).unwrap();
    wait(&sandbox, 30);
    assert_eq!(phase(&sandbox, Kind::PersistentVolumeClaim, "data-db-0"), "Bound");
    delete(&sandbox, &volume);
    wait(&sandbox, 30);
    assert!(live(&sandbox, &volume).unwrap().is_leaving(), "a volume in use went");
}

#[test]
fn only_an_expandable_class_lets_a_claim_grow() {
    for (class, grows) in [("cloud", true), ("vault", false)] {
        let sandbox = prepared();
        create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, class, "db:1")).unwrap();
        wait(&sandbox, 30);
        let claim = key(Kind::PersistentVolumeClaim, "data-db-0");
        let more = json!({ "spec": { "resources": { "requests": { "storage": "20480Mi" } } } });
        let said = sandbox.disturb(|cluster| cluster.edit_as("me", &claim, &more));
        assert_eq!(said.is_ok(), grows, "{said:?}");
        wait(&sandbox, 5);
        let size = if grows { "20Gi" } else { "10Gi" };
        assert_eq!(live(&sandbox, &claim).unwrap().text("/status/capacity/storage"), Some(size));
    }
}
