//! The end of a stack: what goes, what stays, and that the stack can come back to it.

use proptest::prelude::*;

use super::sketch::{ClusterSketch, Storage, sketches};
use super::*;

/// The stack's objects of a kind with their uids.
fn owned(sandbox: &Sandbox, kind: Kind) -> BTreeMap<String, Value> {
    let snapshot = sandbox.snapshot();
    let ours =
        |value: &Value| value["metadata"]["labels"].get(LABEL_STACK) == Some(&"plant".into());
    let objects = snapshot.of_kind(kind).filter(|(_, value)| ours(value));
    objects.map(|(key, value)| (key.name.clone(), value["metadata"]["uid"].clone())).collect()
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn a_destroy_leaves_what_retain_keeps_and_the_stack_comes_back_to_it(sketch in sketches()) {
        let stack = sketch.stack();
        let world = Watched::over(sandbox(), &stack);
        apply_all(&world, &stack);
        let claims = owned(&world.sandbox, Kind::PersistentVolumeClaim);
        let kept = |name: &str| sketch.clusters.iter().any(|cluster| {
            cluster.storage != Storage::Cloud && name.contains(&format!("-{}-", cluster.name))
        });
        destroy_all(&world, &stack);
        assert_safe(&world);
        for kind in Kind::ALL {
            let left = owned(&world.sandbox, kind);
            match kind {
                Kind::PersistentVolumeClaim => {
                    let expected = claims.iter().filter(|(name, _)| kept(name));
                    let expected: BTreeMap<String, Value> =
                        expected.map(|(name, uid)| (name.clone(), uid.clone())).collect();
                    prop_assert_eq!(left, expected);
                }
                // Of local volumes those in use are left; those on demand carry no label.
                Kind::PersistentVolume => {
                    let local = sketch.clusters.iter().filter(|c| c.storage == Storage::Local);
                    let volumes: u32 = local.map(ClusterSketch::claims).sum();
                    prop_assert_eq!(left.len(), volumes as usize);
                }
                // What is kept is kept on record, with the id of the cluster it is of.
                Kind::ConfigMap | Kind::Lease => {
                    let keeps = claims.keys().any(|name| kept(name));
                    prop_assert_eq!(left.len(), usize::from(keeps));
                }
                _ => prop_assert!(left.is_empty(), "{:#?}", left),
            }
        }
        let snapshot = world.sandbox.snapshot();
        prop_assert!(snapshot.get(&ObjectKey::global(Kind::Namespace, "tsdb")).is_some());
        prop_assert!(destruction(&world, &stack).is_empty());
        apply_all(&world, &stack);
        assert_settled(&world, &stack);
        assert_safe(&world);
        let again = owned(&world.sandbox, Kind::PersistentVolumeClaim);
        for (name, uid) in claims {
            prop_assert_eq!(again[&name] == uid, kept(&name), "{}", name);
        }
    }
}
