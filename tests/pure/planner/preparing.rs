//! Directories are prepared before their volumes are made, whatever goes wrong on the way.

use serde_json::json;
use tsinfra::apply::event::What;
use tsinfra::plan::step::{Action, Until};

use super::*;

const CREATE: &str = include_str!("cases/prepare-create/stack.toml");

/// What a run ends with, of the step that ended otherwise than done.
fn ends(outcome: &Outcome) -> Vec<String> {
    let ends = outcome.ended.values().map(apply::step::End::tell);
    ends.map(|(how, why)| format!("{how}: {why}")).collect()
}

fn expecting() -> Stack {
    stack(&CREATE.replace("prepare = \"create\"", "prepare = \"expect\""))
}

fn jobs(world: &Sandbox) -> Vec<ObjectKey> {
    world.snapshot().keys_of(Kind::Job)
}

fn volumes(world: &Sandbox) -> usize {
    world.snapshot().keys_of(Kind::PersistentVolume).len()
}

#[test]
fn a_missing_directory_is_made_and_nothing_of_the_helpers_is_left() {
    let (world, stack) = (sandbox(), stack(CREATE));
    world.disturb(|cluster| cluster.lose_directory("worker-2", "/mnt/iotdb/data"));
    apply_all(&world, &stack);
    assert!(world.snapshot().directories.is_there("worker-2", "/mnt/iotdb/data"));
    assert_eq!(jobs(&world), []);
    let of_helper = |key: &ObjectKey| key.name.starts_with("prepare-");
    assert!(!world.snapshot().keys_of(Kind::Pod).iter().any(of_helper), "pods of helpers are left");
    rest(&world, 60);
    assert_settled(&world, &stack);
    destroy_all(&world, &stack);
}

/// Every volume comes after its own helper, and that one after nothing but the namespace.
#[test]
fn no_volume_is_made_before_its_helper_is_gone_and_no_member_before_all_are() {
    let plan = plan(&sandbox(), &stack(CREATE));
    let made = |kind: Kind| {
        plan.steps.iter().filter(move |(_, step)| {
            matches!(&step.action, Action::Create { object, .. } if object.kind == kind)
        })
    };
    assert_eq!((made(Kind::Job).count(), made(Kind::PersistentVolume).count()), (6, 6));
    let gone = |id: &&tsinfra::plan::step::StepId| id.0.starts_with("delete/Job/");
    for (id, step) in made(Kind::StatefulSet) {
        assert_eq!(step.after.iter().filter(gone).count(), 6, "{id}");
    }
    for (id, step) in made(Kind::PersistentVolume) {
        let before: Vec<_> = step.after.iter().map(|id| &plan.steps[id]).collect();
        let [retire] = before.as_slice() else { panic!("{id} comes after {before:#?}") };
        assert!(matches!(&retire.action, Action::Retire { .. }), "{retire:#?}");
        assert!(matches!(&retire.until, Until::PodsGone { object } if object.kind == Kind::Job));
        let helper = retire.after.iter().next().map(|id| &plan.steps[id]).unwrap();
        let Action::Create { manifest, .. } = &helper.action else { panic!("{helper:#?}") };
        let Action::Create { manifest: volume, .. } = &step.action else { panic!("{step:#?}") };
        let of_helper = &manifest["spec"]["template"]["spec"];
        assert_eq!(of_helper["volumes"][0]["hostPath"]["path"], volume["spec"]["local"]["path"]);
        let node = &volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"]
            [0]["values"][0];
        assert_eq!(of_helper["nodeSelector"]["kubernetes.io/hostname"], *node);
    }
}

/// A directory with somebody's data in it is given to no member, and the message says how to go on.
#[test]
fn a_directory_that_is_not_empty_is_not_given_to_a_member() {
    for stack in [stack(CREATE), expecting()] {
        let world = sandbox();
        world.disturb(|cluster| {
            cluster.fill_directory("worker-1", "/mnt/iotdb/data", "lost+found");
            cluster.fill_directory("worker-3", "/mnt/iotdb/data", "system");
        });
        let outcome = run(&world, &plan(&world, &stack));
        let told = "refused: /mnt/iotdb/data on worker-3 is not fit for a volume: it is not empty: it \
                    holds system. See to it on that node, then plan again: `mkdir -p /mnt/iotdb/data` if \
                    it is missing; if it is not empty, clear it once nobody needs what is in it, or name \
                    another. Without `prepare` in its tier nothing is done about it";
        assert_eq!(ends(&outcome), [told]);
        let key = ObjectKey::global(Kind::PersistentVolume, "plant-ssd-worker-3-a47263c1");
        assert_eq!(world.snapshot().get(&key), None);
        assert!(world.snapshot().keys_of(Kind::StatefulSet).is_empty());

        world.disturb(|cluster| cluster.clear_directory("worker-3", "/mnt/iotdb/data"));
        apply_all(&world, &stack);
        assert_eq!(jobs(&world), []);
    }
}

/// What is only expected is never made; while it is waited for, the wait says what is missing.
#[test]
fn a_directory_that_is_expected_is_waited_for_and_never_made() {
    let (world, stack) = (sandbox(), expecting());
    world.disturb(|cluster| cluster.lose_directory("worker-2", "/mnt/iotdb/data"));
    let mut told = Vec::new();
    let outcome = run_until(&world, &plan(&world, &stack), |event| {
        if let What::Waiting { why, .. } = &event.what {
            told.extend(why.clone());
        }
        false
    });
    let why = "FailedMount: MountVolume.SetUp failed for volume \"directory\" : hostPath type check \
               failed: /mnt/iotdb/data is not a directory";
    assert!(told.iter().any(|told| told.ends_with(why)), "{told:#?}");
    assert!(ends(&outcome)[0].contains(why), "{outcome:#?}");
    assert!(!world.snapshot().directories.is_there("worker-2", "/mnt/iotdb/data"));
    assert_eq!(volumes(&world), 5);

    world.disturb(|cluster| cluster.clear_directory("worker-2", "/mnt/iotdb/data"));
    apply_all(&world, &stack);
    assert_eq!((jobs(&world).len(), volumes(&world)), (0, 6));
}

/// A level that no label of the namespace tells is told by what becomes of the helpers.
#[test]
fn a_helper_that_is_not_admitted_says_so() {
    let (world, stack) = (sandbox(), stack(CREATE));
    let plan = plan(&world, &stack);
    let made = |event: &Event| {
        event.step.0 == "create/Namespace/tsdb" && matches!(event.what, What::Done { .. })
    };
    run_until(&world, &plan, made);
    let label =
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let again = super::plan(&world, &stack);
    world.disturb(|cluster| {
        cluster
            .edit_as("kubectl-label", &ObjectKey::global(Kind::Namespace, "tsdb"), &label)
            .unwrap();
    });
    let outcome = run(&world, &again);
    let why = "violates PodSecurity \"restricted:latest\": hostPath volumes (volume \"directory\")";
    let is_told =
        |end: &String| end.contains(why) && end.contains("do it by hand, `mkdir -p /mnt/");
    assert!(ends(&outcome).iter().all(is_told), "{outcome:#?}");
    assert_eq!(volumes(&world), 0);
}

/// Whenever a run is stopped, the next one ends as if it had not been.
#[test]
fn a_run_that_is_stopped_among_its_helpers_is_taken_up() {
    let stack = stack(CREATE);
    let whole = sandbox();
    apply_all(&whole, &stack);
    rest(&whole, 60);
    let steps = plan(&sandbox(), &stack).steps;
    let of_helpers = steps.keys().filter(|id| id.0.contains("/Job/"));
    for (number, id) in of_helpers.enumerate() {
        for is_begun in [true, false] {
            let world = sandbox();
            run_until(&world, &plan(&world, &stack), |event| {
                let begun = matches!(event.what, What::Begun);
                event.step == *id && (begun && is_begun || matches!(event.what, What::Done { .. }))
            });
            rest(&world, 10 * number as u64);
            apply_all(&world, &stack);
            rest(&world, 60);
            assert_eq!(jobs(&world), [], "stopped at {id}");
            assert_eq!(shape(&world), shape(&whole), "stopped at {id}");
            assert_settled(&world, &stack);
        }
    }
}

/// A member whose directory was lost says what it waits for.
#[test]
fn a_member_without_its_directory_says_so() {
    let (world, stack) = (sandbox(), stack(&CREATE.replace("prepare = \"create\"\n", "")));
    world.disturb(|cluster| cluster.lose_directory("worker-2", "/mnt/iotdb/config"));
    let mut told = Vec::new();
    run_until(&world, &plan(&world, &stack), |event| {
        if let What::Waiting { why, .. } = &event.what {
            told.extend(why.clone());
        }
        !told.iter().all(|why| !why.contains("FailedMount"))
    });
    let why = "history-config-1: FailedMount: MountVolume.NewMounter initialization failed for volume \
               \"plant-meta-worker-2-9d2119ec\" : path \"/mnt/iotdb/config\" does not exist";
    assert!(told.iter().any(|told| told == why), "{told:#?}");
}

/// Helpers of others are left alone, and one that only bears our stack's name too.
#[test]
fn only_helpers_of_the_stack_are_removed() {
    let (world, stack) = (sandbox(), stack(CREATE));
    apply_all(&world, &stack);
    let manifest = |labels: Value| {
        json!({
            "metadata": { "labels": labels },
            "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [
                { "name": "work", "image": "work:1" },
            ]}}},
        })
    };
    let all = [
        ("of-nobody", json!({})),
        ("of-another", json!({ LABEL_STACK: "press", "tsinfra.dev/task": "prepare" })),
        ("no-helper", json!({ LABEL_STACK: "plant" })),
        ("ours", json!({ LABEL_STACK: "plant", "tsinfra.dev/task": "prepare" })),
    ];
    for (name, labels) in all {
        let (object, manifest) = (ObjectKey::within(Kind::Job, "tsdb", name), manifest(labels));
        block_on(world.perform(&Action::Create { object, manifest })).unwrap();
    }
    let removed = |plan: &Plan| -> Vec<String> {
        let jobs = plan.steps.values().filter_map(|step| step.action.object());
        jobs.filter(|key| key.kind == Kind::Job).map(|key| key.name.clone()).collect()
    };
    assert_eq!(removed(&plan(&world, &stack)), ["ours"]);
    assert_eq!(removed(&destruction(&world, &stack)), ["ours"]);
}
