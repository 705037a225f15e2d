//! Volumes grow and no member notices: over generated stacks, stopped anywhere, and where the StatefulSet is
//! gone from around its members.

use proptest::prelude::*;
use tsinfra::plan::Operation;
use tsinfra::plan::step::{Action, Expect, Risk};

use super::interrupted::{go_on, interrupt, pass};
use super::sketch::{ClusterSketch, Sketch, Storage, Wish, sketches};
use super::*;

/// What growth may come with: nothing that restarts members.
fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let more = prop_oneof![
        (0_usize..2, 1_u32..3).prop_map(|(pool, by)| Wish::Raise { pool, by }),
        Just(Wish::RaiseControl),
        Just(Wish::Grow),
    ];
    prop::collection::vec(more, 0..3).prop_map(|more| [vec![Wish::Grow], more].concat())
}

/// The same stack on storage that can grow.
fn on_a_driver(mut sketch: Sketch) -> Sketch {
    for cluster in &mut sketch.clusters {
        if cluster.storage == Storage::Local {
            cluster.storage = Storage::Vault;
        }
    }
    sketch
}

/// The uids of the stack's pods: whoever has restarted has another.
fn pods(world: &Watched) -> BTreeMap<ObjectKey, String> {
    let snapshot = world.sandbox.snapshot();
    let pods = snapshot.of_kind(Kind::Pod).filter(|(key, _)| !key.name.contains("stranger"));
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
    pods.map(|(key, pod)| (key.clone(), uid(pod))).collect()
}

/// Every claim of the first cluster has, and asks for, what its pool is given.
fn assert_sizes(world: &Watched, sketch: &Sketch) {
    let growth = sketch.clusters[0].growth;
    let (vote, store) = (format!("{}Gi", 5 + growth), format!("{}Gi", 20 + 10 * growth));
    let snapshot = world.sandbox.snapshot();
    let claims = snapshot.of_kind(Kind::PersistentVolumeClaim);
    let of_alpha =
        |key: &ObjectKey| key.member_of_claim().is_some_and(|it| it.starts_with("alpha-"));
    let claims = claims.filter(|(key, _)| of_alpha(key));
    let mut count = 0;
    for (key, claim) in claims {
        let is_small = key.name.contains("-config-") || key.name.starts_with("wal-");
        let size = if is_small { &vote } else { &store };
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], **size, "{key}");
        assert_eq!(claim["status"]["capacity"]["storage"], **size, "{key}");
        count += 1;
    }
    assert_eq!(count, sketch.clusters[0].claims());
}

/// All pods of before are there, and are who they were.
fn assert_nobody_restarted(world: &Watched, before: &BTreeMap<ObjectKey, String>) {
    let now = pods(world);
    assert!(before.iter().all(|(pod, uid)| now.get(pod) == Some(uid)), "{before:#?} {now:#?}");
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn volumes_grow_and_no_member_restarts(sketch in sketches(), wishes in wishes()) {
        let sketch = on_a_driver(sketch);
        let (before, larger) = (sketch.stack(), sketch.after(&wishes));
        let after = larger.stack();
        let world = Watched::over(sandbox(), &before);
        apply_all(&world, &before);
        let members = pods(&world);
        apply_all(&world, &after);
        assert_settled(&world, &after);
        assert_nobody_restarted(&world, &members);
        assert_sizes(&world, &larger);
        assert_safe(&world);
    }

    #[test]
    fn growth_stopped_anywhere_ends_the_same_and_no_member_restarts(
        sketch in sketches(), wishes in wishes(), stop in 0_usize..60, away in 0_u64..20,
        lost in 0_usize..12, carried_out in any::<bool>(),
    ) {
        let sketch = on_a_driver(sketch);
        let (before, larger) = (sketch.stack(), sketch.after(&wishes));
        let after = larger.stack();
        let world = Watched::over(sandbox(), &before);
        apply_all(&world, &before);
        let members = pods(&world);
        world.lose_answer(lost, carried_out);
        interrupt(&world, &plan(&world, &after), stop);
        pass(&world, away);
        go_on(&world, &after, Purpose::Apply);
        assert_settled(&world, &after);
        assert_nobody_restarted(&world, &members);
        assert_sizes(&world, &larger);
        assert_safe(&world);
        let record = planned_record(&world, &after);
        let snapshot = world.sandbox.snapshot();
        for (set, live) in snapshot.of_kind(Kind::StatefulSet) {
            if !set.name.contains("stranger") {
                prop_assert_eq!(&live["metadata"]["uid"], &record[set]);
            }
        }
    }
}

/// The uids on record.
fn planned_record(world: &Watched, stack: &Stack) -> BTreeMap<ObjectKey, String> {
    let plan = plan(world, stack);
    assert!(!plan.is_record_due, "the record is behind");
    plan.inventory.items.into_iter().map(|(key, item)| (key, item.uid)).collect()
}

fn two_pools() -> Sketch {
    Sketch { clusters: vec![ClusterSketch::two_pools("alpha", Storage::Cloud)] }
}

/// A world with a stack of two pools, the DataNodes of one without their StatefulSet.
fn without_a_set() -> (Watched, Sketch, ObjectKey) {
    let sketch = two_pools();
    let world = Watched::over(sandbox(), &sketch.stack());
    apply_all(&world, &sketch.stack());
    let set = ObjectKey::within(Kind::StatefulSet, "tsdb", "alpha-hot");
    world.sandbox.disturb(|cluster| cluster.orphan(&set));
    pass(&world, 5);
    assert!(world.sandbox.snapshot().get(&set).is_none());
    (world, sketch, set)
}

#[test]
fn a_set_that_is_gone_is_made_again_around_its_members_with_a_larger_size_too() {
    let (world, sketch, _) = without_a_set();
    let members = pods(&world);
    let larger = sketch.after(&[Wish::Grow]);
    apply_all(&world, &larger.stack());
    assert_settled(&world, &larger.stack());
    assert_nobody_restarted(&world, &members);
    assert_sizes(&world, &larger);
    assert_safe(&world);
}

/// Nobody makes a member anew that is lost while its StatefulSet is gone: that one must come first, and it
/// must not wait for the size of a claim nobody has mounted.
#[test]
fn a_member_that_was_lost_meanwhile_comes_back() {
    let (world, sketch, _) = without_a_set();
    let pod = ObjectKey::within(Kind::Pod, "tsdb", "alpha-hot-2");
    let uid = pods(&world)[&pod].clone();
    world.sandbox.disturb(|cluster| cluster.delete(&pod));
    pass(&world, 60);
    assert!(!pods(&world).contains_key(&pod));
    let larger = sketch.after(&[Wish::Grow]);
    apply_all(&world, &larger.stack());
    assert_settled(&world, &larger.stack());
    assert_ne!(pods(&world)[&pod], uid);
    assert_sizes(&world, &larger);
}

/// A new StatefulSet of another form restarts members as soon as it is there: under the rules of a restart.
#[test]
fn a_set_made_again_in_another_form_is_a_restart() {
    let (world, sketch, set) = without_a_set();
    for wish in [Wish::Cpu, Wish::Setting, Wish::Label] {
        let other = plan(&world, &sketch.after(std::slice::from_ref(&wish)).stack());
        let step = &other.steps.iter().find(|(id, _)| id.0 == format!("create/{set}")).unwrap().1;
        assert_eq!(step.risk, Risk::Restarts, "{wish:?}");
        for number in 0..3 {
            let pod = ObjectKey::within(Kind::Pod, "tsdb", format!("alpha-hot-{number}"));
            assert!(step.expects.contains(&Expect::Ready { object: pod }), "{:#?}", step.expects);
        }
        let warm = ObjectKey { name: "alpha-warm".to_owned(), ..set.clone() };
        assert!(step.expects.contains(&Expect::Ready { object: warm }), "{:#?}", step.expects);
    }
    let same = plan(&world, &sketch.stack());
    assert!(same.steps.values().all(|step| step.risk == Risk::None), "{:#?}", same.steps);
    let other = sketch.after(&[Wish::Cpu]).stack();
    apply_all(&world, &other);
    assert_settled(&world, &other);
    assert_safe(&world);
}

/// In another form it would delete a member while a lower one is away; in the same one it brings that back.
#[test]
fn a_set_is_not_made_again_in_another_form_while_a_member_is_away() {
    let (world, sketch, set) = without_a_set();
    let pod = ObjectKey::within(Kind::Pod, "tsdb", "alpha-hot-0");
    world.sandbox.disturb(|cluster| cluster.delete(&pod));
    pass(&world, 60);
    let wanted = sketch.after(&[Wish::Cpu]).stack();
    let other = plan(&world, &wanted);
    let refused = |entry: &&tsinfra::plan::Blocked| {
        entry.address == set.to_string() && entry.rule == "quorum"
    };
    let refused = other.blocked.iter().find(refused).unwrap();
    assert!(refused.reason.contains("alpha-hot-0 is not running"), "{refused:?}");
    // The way on that its help names, to the end.
    apply_all(&world, &sketch.stack());
    assert_settled(&world, &sketch.stack());
    apply_all(&world, &wanted);
    assert_settled(&world, &wanted);
    assert_safe(&world);
}

/// While a StatefulSet is gone another pool of its quorum domain does not restart before it is back.
#[test]
fn a_restart_waits_for_a_set_that_is_made_again() {
    let (world, _, set) = without_a_set();
    let text = two_pools().text();
    let (hot, warm) = text.split_once("[cluster.alpha.pool.warm]").unwrap();
    let other = format!("{hot}[cluster.alpha.pool.warm]{}", warm.replacen("4Gi", "5Gi", 1));
    let plan = plan(&world, &stack(&other));
    let update = &plan.steps.iter().find(|(id, _)| id.0.starts_with("update/")).unwrap().1;
    assert!(update.after.iter().any(|id| id.0 == format!("create/{set}")), "{update:#?}");
    let ready = Expect::Ready { object: set };
    assert!(update.expects.contains(&ready), "{update:#?}");
}

#[test]
fn a_stack_is_destroyed_while_a_set_is_gone() {
    let (world, sketch, _) = without_a_set();
    destroy_all(&world, &sketch.stack());
    assert_eq!(pods(&world), BTreeMap::new());
    assert_safe(&world);
}

/// A StatefulSet somebody has scaled since the plan was made is not taken away: the next one would have
/// fewer members.
#[test]
fn a_set_that_was_changed_meanwhile_is_not_taken_away() {
    let sketch = two_pools();
    let world = Watched::over(sandbox(), &sketch.stack());
    apply_all(&world, &sketch.stack());
    let made = plan(&world, &sketch.after(&[Wish::Grow]).stack());
    let set = ObjectKey::within(Kind::StatefulSet, "tsdb", "alpha-hot");
    assert_eq!(made.changes[&set].operation, Operation::Replace);
    let orphan = |step: &&tsinfra::plan::step::Step| matches!(&step.action, Action::Orphan { object, .. } if *object == set);
    let step = made.steps.values().find(orphan).unwrap();
    let more = serde_json::json!({ "spec": { "replicas": 4 } });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl-scale", &set, &more)).unwrap();
    let refused = block_on(world.perform(&step.action));
    assert!(matches!(refused, Err(tsinfra::world::Refused::Stale(_))), "{refused:?}");
    assert!(world.sandbox.snapshot().get(&set).is_some());
}

/// The API would take the wish for a larger volume made by hand, and nothing would ever come of it.
#[test]
fn what_is_made_by_hand_does_not_grow_whatever_its_class_says() {
    let sketch = Sketch { clusters: vec![ClusterSketch::two_pools("alpha", Storage::Local)] };
    let world = Watched::over(sandbox(), &sketch.stack());
    apply_all(&world, &sketch.stack());
    let class = ObjectKey::global(Kind::StorageClass, "plant-ssd");
    let allow = serde_json::json!({ "allowVolumeExpansion": true });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl", &class, &allow)).unwrap();
    let larger = stack(&sketch.text().replace("\"20Gi\"", "\"30Gi\""));
    let plan = plan(&world, &larger);
    let why: Vec<&str> = plan.blocked.iter().map(|entry| entry.reason.as_str()).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    assert!(why.iter().all(|why| why.contains("made by hand")), "{why:?}");
}

/// Only the node of a member grows a file system: the claim of one that somebody scaled away is not waited
/// for before the member is back.
#[test]
fn a_claim_without_its_member_grows_once_the_member_is_back() {
    let sketch = two_pools();
    let world = Watched::over(sandbox(), &sketch.stack());
    apply_all(&world, &sketch.stack());
    let set = ObjectKey::within(Kind::StatefulSet, "tsdb", "alpha-hot");
    let fewer = serde_json::json!({ "spec": { "replicas": 2 } });
    world.sandbox.disturb(|cluster| cluster.edit_as("kubectl-scale", &set, &fewer)).unwrap();
    pass(&world, 120);
    let larger = sketch.after(&[Wish::Grow]);
    apply_all(&world, &larger.stack());
    assert_settled(&world, &larger.stack());
    assert_sizes(&world, &larger);
}
