//! Single stories that a law would tell too seldom: each once went wrong, or easily could.

use serde_json::json;
use tsinfra::apply::event::What;
use tsinfra::apply::step::End;
use tsinfra::plan::step::{StepId, Until};

use super::sketch::{ClusterSketch, Sketch, Storage};
use super::*;

/// A cluster of three ConfigNodes and two pools.
fn two_pools(storage: Storage) -> Sketch {
    Sketch { clusters: vec![ClusterSketch::two_pools("alpha", storage)] }
}

fn with(sketch: &Sketch, change: impl FnOnce(&mut ClusterSketch)) -> Stack {
    let mut sketch = sketch.clone();
    change(&mut sketch.clusters[0]);
    sketch.stack()
}

fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

fn id(text: &str) -> StepId {
    StepId(text.to_owned())
}

fn rules(plan: &Plan) -> Vec<(&str, &str)> {
    plan.blocked.iter().map(|entry| (entry.rule.as_str(), entry.address.as_str())).collect()
}

#[test]
fn a_pool_restarts_only_after_another_has_come_back_from_its_own_restart() {
    let before = two_pools(Storage::Cloud);
    let after = with(&before, |cluster| {
        cluster.cpu = 1;
        cluster.pools[0] = 5;
    });
    let world = Watched::over(sandbox(), &before.stack());
    apply_all(&world, &before.stack());
    // Stopped as soon as the first pool was told.
    let hot = id("update/StatefulSet/tsdb/alpha-hot");
    run_until(&world, &plan(&world, &after), |event| {
        event.step == hot && matches!(event.what, What::Waiting { .. })
    });
    let rest_of_it = plan(&world, &after);
    let warm = &rest_of_it.steps[&id("update/StatefulSet/tsdb/alpha-warm")];
    for before in ["ready/StatefulSet/tsdb/alpha-hot", "join/alpha/hot"] {
        assert!(warm.after.contains(&id(before)), "{:?}", warm.after);
    }
    assert!(run(&world, &rest_of_it).is_complete(&rest_of_it));
    assert_settled(&world, &after);
    assert_safe(&world);
}

/// Between the plan and a restart's turn a member may be lost: then it does not begin.
#[test]
fn a_restart_does_not_begin_while_a_member_was_lost_meanwhile() {
    let before = two_pools(Storage::Cloud);
    let world = sandbox();
    apply_all(&world, &before.stack());
    let made = plan(&world, &with(&before, |cluster| cluster.setting = 1));
    // Lost again and again, so that it is away when the ConfigNodes are done.
    let outcome = run_until(&world, &made, |_| {
        world.disturb(|cluster| {
            cluster.delete(&within(Kind::Pod, "alpha-hot-0"));
            cluster.advance(Duration::from_millis(500));
        });
        false
    });
    let ended = &outcome.ended[&id("update/StatefulSet/tsdb/alpha-hot")];
    assert!(matches!(ended, End::Stale(why) if why.contains("2 of 3 members ready")), "{ended:?}");
    assert!(!outcome.done.contains(&id("update/StatefulSet/tsdb/alpha-warm")));
}

/// What Kubernetes knows counts where the database says nothing.
#[test]
fn without_a_view_of_the_database_a_pod_that_is_not_ready_still_blocks_a_restart() {
    let before = two_pools(Storage::Cloud);
    let world = sandbox();
    apply_all(&world, &before.stack());
    world.disturb(|cluster| {
        cluster.databases.clear();
        cluster.delete(&within(Kind::Pod, "alpha-hot-0"));
        cluster.advance(Duration::from_secs(4));
    });
    let blocked = plan(&world, &with(&before, |cluster| cluster.cpu = 1));
    assert_eq!(rules(&blocked), [("quorum", "StatefulSet/tsdb/alpha-hot")]);
}

/// What the database knows counts where Kubernetes sees nothing wrong, also of another pool.
#[test]
fn a_member_the_database_has_not_heard_of_blocks_a_restart_of_its_whole_domain() {
    let before = two_pools(Storage::Cloud);
    let world = sandbox();
    apply_all(&world, &before.stack());
    world.disturb(|cluster| {
        let now = cluster.clock_ms;
        let database = cluster.databases.get_mut("tsdb/alpha").unwrap();
        database.member_down("alpha-warm-0.alpha-warm.tsdb.svc.cluster.local", now);
        // No tick: the pod still says it is ready.
        cluster.clock_ms += 60_000;
    });
    let blocked = plan(&world, &with(&before, |cluster| cluster.setting = 1));
    let sets = ["StatefulSet/tsdb/alpha-hot", "StatefulSet/tsdb/alpha-warm"];
    assert_eq!(rules(&blocked), sets.map(|set| ("quorum", set)));
    assert!(blocked.blocked.iter().all(|entry| entry.reason.contains("alpha-warm-0")));
}

/// Deleted by hand and held back while it is in use: nothing can be made of it until it is gone.
#[test]
fn what_is_being_deleted_is_waited_for_and_not_written_to() {
    let sketch = two_pools(Storage::Local).stack();
    let world = sandbox();
    apply_all(&world, &sketch);
    let bound = |cluster: &tsinfra::sandbox::Cluster| {
        let mut volumes = cluster.of_kind(Kind::PersistentVolume);
        volumes.find(|(_, volume)| volume["status"]["phase"] == "Bound").unwrap().0.clone()
    };
    let volume = world.disturb(|cluster| {
        let volume = bound(cluster);
        cluster.delete(&volume);
        volume
    });
    assert_eq!(rules(&plan(&world, &sketch)), [("leaving", volume.to_string().as_str())]);
}

#[test]
fn a_cluster_that_comes_back_after_its_end_has_an_id_of_its_own() {
    let one = two_pools(Storage::Cloud);
    let mut both = one.clone();
    both.clusters.push(ClusterSketch { name: "beta", ..one.clusters[0].clone() });
    let world = sandbox();
    apply_all(&world, &both.stack());
    let consents = ["cluster.beta".to_owned()];
    let end = plan_for(&world, &one.stack(), Purpose::Apply, &consents);
    assert!(run(&world, &end).is_complete(&end));
    assert_settled(&world, &one.stack());
    apply_all(&world, &both.stack());
    assert_settled(&world, &both.stack());
}

/// Taking a protected cluster out of the file, or `protect` out of its table, takes down nothing.
#[test]
fn protection_is_not_taken_off_by_the_file_that_goes() {
    let sketch = two_pools(Storage::Cloud);
    let open = sketch.text();
    let protected = open.replace("version = \"2.0.5\"\n", "version = \"2.0.5\"\nprotect = true\n");
    let world = sandbox();
    apply_all(&world, &stack(&protected));
    let destroy = destruction(&world, &stack(&open));
    assert_eq!(rules(&destroy), [("protected", "cluster.alpha")]);
    let bare = open.split("\n[cluster.").next().unwrap().to_owned()
        + &sketch.text()[sketch.text().find("\n[cluster.").unwrap()..].replace("alpha", "gamma");
    let dropped = plan(&world, &stack(&bare));
    let found = rules(&dropped);
    assert!(found.contains(&("protected", "cluster.alpha")), "{found:?}");
    assert!(found.contains(&("consent", "cluster.alpha")), "{found:?}");
    // The record alone remembers it, too.
    for set in ["alpha-config", "alpha-hot", "alpha-warm"] {
        let patch = json!({ "metadata": { "annotations": { "tsinfra.dev/protect": null } } });
        let set = within(Kind::StatefulSet, set);
        world.disturb(|cluster| cluster.edit_as("kubectl-annotate", &set, &patch)).unwrap();
    }
    assert_eq!(rules(&destruction(&world, &stack(&open))), [("protected", "cluster.alpha")]);
    // Nor the file alone, before it is applied; nor what is live alone, were the record lost.
    apply_all(&world, &stack(&open));
    assert_eq!(rules(&destruction(&world, &stack(&protected))), [("protected", "cluster.alpha")]);
    apply_all(&world, &stack(&protected));
    block_on(world.drop_record("tsdb", "plant")).unwrap();
    assert_eq!(rules(&destruction(&world, &stack(&open))), [("protected", "cluster.alpha")]);
    // First the protection, then the end.
    apply_all(&world, &stack(&open));
    destroy_all(&world, &stack(&open));
}

#[test]
fn a_plan_whose_world_has_changed_writes_nothing() {
    let before = two_pools(Storage::Cloud);
    let after = with(&before, |cluster| cluster.pools[0] = 5);
    let world = sandbox();
    apply_all(&world, &before.stack());
    let old = plan(&world, &after);
    let set = within(Kind::StatefulSet, "alpha-hot");
    let patch = json!({ "spec": { "replicas": 4 } });
    world.disturb(|cluster| cluster.edit_as("kubectl-scale", &set, &patch)).unwrap();
    let untouched = bytes(&world);
    let outcome = run(&world, &old);
    assert!(outcome.ended.values().all(|end| matches!(end, End::Stale(_))), "{outcome:#?}");
    assert_eq!((outcome.ended.len(), outcome.done.len()), (1, 0));
    assert!(bytes(&world) == untouched, "a stale plan wrote something");
    // A first apply whose name was taken meanwhile.
    let first = plan(&sandbox(), &before.stack());
    let outcome = run(&world, &first);
    assert!(outcome.ended.values().all(|end| matches!(end, End::Stale(_))), "{outcome:#?}");
    assert!(bytes(&world) == untouched, "a stale plan wrote something");
}

/// After the first refusal nothing starts, also nothing that does not rely on it.
#[test]
fn after_a_step_that_failed_no_other_starts() {
    let stack = two_pools(Storage::Cloud).stack();
    let world = Watched::over(sandbox(), &stack);
    let made = plan(&world, &stack);
    let budget = id("create/PodDisruptionBudget/tsdb/alpha-control");
    let is_before = |kind: Kind| kind < Kind::PodDisruptionBudget;
    let ahead = made.steps.values().filter_map(|step| step.action.object());
    world.lose_answer(ahead.filter(|object| is_before(object.kind)).count(), false);
    let outcome = run(&world, &made);
    assert!(matches!(outcome.ended[&budget], End::Unknown(_)), "{outcome:#?}");
    // What had begun by then settles; what comes after it does not begin.
    let hot = id("create/StatefulSet/tsdb/alpha-hot");
    let mut begun = outcome.done.iter().chain(outcome.ended.keys());
    assert!(!begun.any(|step| *step == hot), "{outcome:#?}");
}

/// What cannot come up times out with the reason, nothing after it is touched, and the way back
/// deletes the broken pod: an ordered set does not replace it by itself.
#[test]
fn an_image_that_is_not_there_is_said_and_taken_back() {
    let good = two_pools(Storage::Cloud)
        .text()
        .replace("role = \"control\"\n", "role = \"control\"\nready_within = \"1m\"\n");
    let image = "engine = \"iotdb\"\nimage = { tag = \"does-not-exist\" }\n";
    let bad = good.replace("engine = \"iotdb\"\n", image);
    let (good, bad) = (stack(&good), stack(&bad));
    let world = Watched::over(sandbox(), &good);
    apply_all(&world, &good);
    let outcome = run(&world, &plan(&world, &bad));
    let ends: Vec<&End> = outcome.ended.values().collect();
    let [End::TimedOut(why)] = ends.as_slice() else { panic!("{ends:#?}") };
    assert!(why.contains("alpha-config-2") && why.contains("ImagePullBackOff"), "{why}");
    let back = plan(&world, &good);
    assert!(back.steps.contains_key(&id("delete/Pod/tsdb/alpha-config-2")), "{:#?}", back.steps);
    let outcome = run(&world, &back);
    assert!(outcome.is_complete(&back), "{outcome:#?}");
    assert_settled(&world, &good);
    assert_safe(&world);
}

/// A member is seen in the database before anything that relies on it goes on.
#[test]
fn data_nodes_come_after_config_nodes_and_pools_restart_one_after_the_other() {
    let before = two_pools(Storage::Cloud);
    let world = sandbox();
    let first = plan(&world, &before.stack());
    for pool in ["hot", "warm"] {
        let create = &first.steps[&id(&format!("create/StatefulSet/tsdb/alpha-{pool}"))];
        assert!(create.after.contains(&id("create/StatefulSet/tsdb/alpha-config")));
        assert!(matches!(create.until, Until::Rolled { .. }), "{:?}", create.until);
    }
    let warm = &first.steps[&id("create/StatefulSet/tsdb/alpha-warm")];
    let hot = id("create/StatefulSet/tsdb/alpha-hot");
    assert!(!warm.after.contains(&hot), "pools that only start need not wait for each other");
    apply_all(&world, &before.stack());
    let restart = plan(&world, &with(&before, |cluster| cluster.setting = 1));
    let order: Vec<&str> = restart.order().unwrap().iter().map(|id| id.0.as_str()).collect();
    let expected = ["config", "hot", "warm"].map(|pool| {
        [format!("update/StatefulSet/tsdb/alpha-{pool}"), format!("join/alpha/{pool}")]
    });
    assert_eq!(order, expected.concat());
    for pair in order.windows(2) {
        assert!(restart.steps[&id(pair[1])].after.contains(&id(pair[0])), "{pair:?}");
    }
}

/// A plan is pinned to who takes part in the database, and to which database it is.
#[test]
fn a_plan_whose_database_has_changed_writes_nothing() {
    let before = two_pools(Storage::Cloud);
    let scaled = with(&before, |cluster| cluster.pools[0] = 4);
    type Change = fn(&Sandbox);
    let changes: [(&str, Change); 2] = [
        ("another id", |world| {
            world.disturb(|cluster| cluster.databases.clear());
            let pods: Vec<ObjectKey> = world.snapshot().keys_of(Kind::Pod);
            world.disturb(|cluster| pods.iter().for_each(|pod| cluster.delete(pod)));
            rest(world, 60);
        }),
        ("a member fell", |world| {
            let pod = within(Kind::Pod, "alpha-hot-1");
            world.disturb(|cluster| cluster.delete(&pod));
            rest(world, 6);
        }),
    ];
    for (what, change) in changes {
        let world = sandbox();
        apply_all(&world, &before.stack());
        let made = plan(&world, &scaled);
        change(&world);
        let sets = |world: &Sandbox| {
            let snapshot = world.snapshot();
            let sets = snapshot.of_kind(Kind::StatefulSet);
            sets.map(|(key, set)| (key.clone(), set["spec"].clone())).collect::<Vec<_>>()
        };
        let untouched = sets(&world);
        let outcome = run(&world, &made);
        assert!(!outcome.is_complete(&made), "{what}: {outcome:#?}");
        assert!(outcome.stale.is_some() || !outcome.ended.is_empty(), "{what}: {outcome:#?}");
        assert_eq!(sets(&world), untouched, "{what}: it wrote");
        assert!(outcome.done.is_empty(), "{what}: {outcome:#?}");
    }
}

/// More machines for a pool whose members share some would move none of them.
#[test]
fn a_spread_that_is_only_preferred_is_not_demanded_by_a_restart() {
    let shared = include_str!("cases/members-share-a-machine/stack.toml");
    let sandbox = sandbox();
    apply_all(&sandbox, &stack(shared));
    let list = "volumes = [\n  { node = \"worker-1\", path = \"/mnt/iotdb/data\"";
    let more = list
        .replace("[\n", "[\n  { node = \"worker-4\", path = \"/mnt/a\", capacity = \"200Gi\" },\n");
    let wider = shared.replace(list, &more);
    assert_ne!(wider, shared);
    let plan = plan(&sandbox, &stack(&wider));
    let steps: Vec<&str> = plan.steps.keys().map(|id| id.0.as_str()).collect();
    assert_eq!(steps, ["create/PersistentVolume/plant-ssd-worker-4-f72353b3"]);
}
