//! Checks of the end of data, each by itself (rules 7 and 8).

use tsinfra::object::{ANNOTATION_CONDEMNED, LABEL_TIER};
use tsinfra::plan::{Operation, volume};

use super::*;

/// Rule 8: a volume that says it belongs to another claim is not deleted with this one.
#[test]
fn a_volume_of_another_claim_is_neither_held_nor_purged() {
    let (world, stack) = applied();
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-0");
    let end = plan_of(&world, &stack, Purpose::Destroy, |seen| {
        let name = seen.objects[&claim].text("/spec/volumeName").unwrap().to_owned();
        let volume = ObjectKey::global(Kind::PersistentVolume, name);
        let volume = seen.objects.get_mut(&volume).unwrap();
        volume.value_mut()["spec"]["claimRef"]["uid"] = json!("of-another-claim");
    });
    for step in ["hold", "purge"] {
        assert!(!end.steps.contains_key(&id(&format!("{step}/{claim}"))), "{:#?}", end.steps);
    }
    // The others are.
    let other = within(Kind::PersistentVolumeClaim, "data-history-data-1");
    assert!(end.steps.contains_key(&id(&format!("purge/{other}"))));
}

/// Rule 7, where there is no data yet: the member may be about to get its volume.
#[test]
fn a_claim_without_a_volume_goes_after_its_member_too() {
    let (world, stack) = applied();
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-0");
    let end = plan_of(&world, &stack, Purpose::Destroy, |seen| {
        let spec = &mut seen.objects.get_mut(&claim).unwrap().value_mut()["spec"];
        spec.as_object_mut().unwrap().remove("volumeName");
    });
    let step = &end.steps[&id(&format!("delete/{claim}"))];
    for set in ["history-config", "history-data"] {
        let stopped = id(&format!("delete/StatefulSet/tsdb/{set}"));
        assert!(step.after.contains(&stopped), "{step:#?}");
    }
}

/// What becomes of the claims' data when a stack goes, after such a change of what is seen.
fn fate(stack: &Stack, change: impl FnOnce(&mut Observed)) -> (usize, usize) {
    let world = sandbox();
    apply_all(&world, stack);
    let end = plan_of(&world, stack, Purpose::Destroy, change);
    let claims = end
        .changes
        .iter()
        .filter(|(key, _)| key.kind == Kind::PersistentVolumeClaim)
        .collect::<Vec<_>>();
    let kept = claims.iter().filter(|(_, change)| change.operation == Operation::Keep).count();
    (kept, claims.len() - kept)
}

/// Rule 8: whoever says retain is believed, the stack as much as the class; and where nobody says
/// anything, nothing is deleted.
#[test]
fn data_go_only_where_the_tier_and_the_class_say_so() {
    let cloud = stack(STACK);
    let vault = stack(&STACK.replace("\"delete\"", "\"retain\""));
    let class = ObjectKey::global(Kind::StorageClass, "plant-cloud");
    assert_eq!(fate(&cloud, |_| {}), (0, 6));
    assert_eq!(fate(&cloud, |seen| value(seen, &class)["reclaimPolicy"] = json!("Retain")), (6, 0));
    let deleting = |seen: &mut Observed| {
        value(seen, &class)["reclaimPolicy"] = json!("Delete");
        for (_, volume) in
            seen.objects.iter_mut().filter(|(key, _)| key.kind == Kind::PersistentVolume)
        {
            volume.value_mut()["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
        }
    };
    assert_eq!(fate(&vault, deleting), (6, 0));
    assert_eq!(
        fate(&cloud, |seen| {
            seen.objects.remove(&class);
            for claim in
                seen.objects.iter_mut().filter(|(k, _)| k.kind == Kind::PersistentVolumeClaim)
            {
                claim.1.value_mut()["metadata"]["labels"][LABEL_TIER] = json!("of-an-earlier-text");
            }
        }),
        (6, 0)
    );
}

/// Rule 8: a volume that was held for a claim, and is another one's by now, is not purged.
#[test]
fn a_condemned_volume_that_was_given_to_another_claim_is_not_purged() {
    let (world, stack) = applied();
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-0");
    for (owner, purged) in [("", true), ("of-another-claim", false)] {
        let end = plan_of(&world, &stack, Purpose::Destroy, |seen| {
            let gone = seen.objects.remove(&claim).unwrap();
            let name = gone.text("/spec/volumeName").unwrap().to_owned();
            let volume = value(seen, &ObjectKey::global(Kind::PersistentVolume, name));
            volume["metadata"]["labels"] = json!({
                LABEL_STACK: "plant", LABEL_PART_OF: apply_set_id("tsdb", "plant"),
                LABEL_CLUSTER: "history",
            });
            volume["metadata"]["annotations"] = json!({ ANNOTATION_CONDEMNED: gone.uid() });
            if !owner.is_empty() {
                volume["spec"]["claimRef"]["uid"] = json!(owner);
            }
        });
        let purges = format!("purge/{claim}/");
        let is_purged = end.steps.keys().any(|id| id.0.starts_with(&purges));
        assert_eq!(is_purged, purged, "{owner}");
    }
}

/// Rule 8: what is purged is the volume that was meant, held for that very claim, and let go by it.
/// Whatever a plan says, this is asked of the very state that is then written to.
#[test]
fn a_volume_is_purged_only_as_it_was_condemned_and_once_it_is_released() {
    let key = ObjectKey::global(Kind::PersistentVolume, "pv");
    let released = json!({
        "metadata": { "uid": "v", "annotations": { ANNOTATION_CONDEMNED: "c" } },
        "spec": { "claimRef": { "uid": "c" }, "persistentVolumeReclaimPolicy": "Retain" },
        "status": { "phase": "Released" },
    });
    let purge = |live: &Value| volume::purge(&key, live, "v", "c");
    let hold = |live: &Value| volume::hold(&key, live, "v", "c", &Labels::new());
    assert!(matches!(purge(&released), Ok(Some(_))));
    for (place, other) in [
        ("/metadata/uid", json!("w")),
        ("/spec/claimRef/uid", json!("d")),
        ("/metadata/annotations", json!({})),
        ("/metadata/annotations", json!({ ANNOTATION_CONDEMNED: "d" })),
        ("/status/phase", json!("Bound")),
        ("/status/phase", json!(null)),
    ] {
        let mut live = released.clone();
        *live.pointer_mut(place).unwrap() = other;
        assert!(purge(&live).is_err(), "{live}");
    }
    let mut bound = released.clone();
    bound["metadata"]["annotations"] = json!({});
    assert!(matches!(hold(&bound), Ok(Some(_))));
    for (place, other) in [("/metadata/uid", json!("w")), ("/spec/claimRef/uid", json!("d"))] {
        let mut live = bound.clone();
        *live.pointer_mut(place).unwrap() = other;
        assert!(hold(&live).is_err(), "{live}");
    }
}

/// Rule 8: a volume whose driver failed on it holds who knows what, also where no claim is left.
#[test]
fn a_failed_volume_is_kept() {
    let (world, stack) = (sandbox(), stack(include_str!("../cases/first-apply-local/stack.toml")));
    apply_all(&world, &stack);
    let volume = world.snapshot().keys_of(Kind::PersistentVolume)[0].clone();
    for (phase, stays) in [("Available", false), ("Failed", true)] {
        let end = plan_of(&world, &stack, Purpose::Destroy, |seen| {
            let volume = value(seen, &volume);
            volume["spec"].as_object_mut().unwrap().remove("claimRef");
            volume["status"]["phase"] = json!(phase);
        });
        let operation = end.changes[&volume].operation;
        assert_eq!(operation == Operation::Keep, stays, "{phase}: {operation:?}");
        assert_eq!(end.steps.contains_key(&id(&format!("delete/{volume}"))), !stays, "{phase}");
    }
}
