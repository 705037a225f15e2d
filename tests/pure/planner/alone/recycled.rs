//! When a released volume of a local tier may be cleared and used again, and when not.

use tsinfra::observed::DatabaseView;
use tsinfra::plan::Operation;
use tsinfra::plan::step::Risk;

use super::super::mishaps::destroyed_with_its_claims;
use super::*;

const STACK: &str = include_str!("../cases/recycle-consented/stack.toml");
const DATA: &str = "PersistentVolume/plant-ssd-worker-2-a47263c1";
const META: &str = "PersistentVolume/plant-meta-worker-1-9d2119ec";

fn left() -> (Sandbox, Stack) {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    destroyed_with_its_claims(&world, &stack);
    world.disturb(|cluster| cluster.fill_directory("worker-2", "/mnt/iotdb/data", "a-system"));
    (world, stack)
}

fn claim() -> ObjectKey {
    within(Kind::PersistentVolumeClaim, "data-history-data-0")
}

fn volume() -> ObjectKey {
    DATA.parse().unwrap()
}

/// What is said against it, with consent, once something has changed; `None`: it is cleared.
fn refused(change: impl FnOnce(&mut Observed)) -> Option<String> {
    let (world, stack) = left();
    refused_of(&world, &stack, change)
}

fn refused_of(
    world: &Sandbox,
    stack: &Stack,
    change: impl FnOnce(&mut Observed),
) -> Option<String> {
    let plan = plan_with(world, stack, Purpose::Apply, &[DATA, META], change);
    let clears = plan.changes.get(&volume()).is_some_and(|it| it.operation == Operation::Recycle);
    let of_tier = plan.blocked.iter().find(|it| it.address == "storage.ssd");
    assert_ne!(clears, of_tier.is_some(), "{plan:#?}");
    let told = of_tier.map(|it| it.help.split("none of these can be cleared: ").last().unwrap());
    told.map(str::to_owned)
}

#[test]
fn a_volume_is_cleared_and_used_again_with_consent_to_it_and_nothing_else_is() {
    let (world, stack) = left();
    let (before, uid) = (world.snapshot(), |cluster: &tsinfra::sandbox::Cluster| {
        cluster.get(&volume()).unwrap()["metadata"]["uid"].clone()
    });
    let none = plan_for(&world, &stack, Purpose::Apply, &[META.to_owned()]);
    assert_eq!(none.blocked.len(), 1, "{:#?}", none.blocked);
    assert!(none.blocked[0].help.contains(&format!("--consent {DATA}")), "{:#?}", none.blocked);

    let consents = [DATA, META].map(str::to_owned);
    let plan = plan_for(&world, &stack, Purpose::Apply, &consents);
    let deletes: Vec<u64> = plan
        .steps
        .values()
        .filter(|step| step.risk == Risk::Deletes)
        .map(|step| step.bytes >> 30)
        .collect();
    assert_eq!(deletes, [10, 200]);
    let outcome = run(&world, &plan);
    assert!(outcome.is_complete(&plan), "{outcome:#?}");
    let after = world.snapshot();
    assert_ne!(uid(&before), uid(&after));
    assert_eq!(after.directories.first_in("worker-2", "/mnt/iotdb/data"), Some("data"));
    assert_eq!(after.get(&volume()).unwrap()["status"]["phase"], "Bound");
    assert_eq!(after.keys_of(Kind::Job), []);
    rest(&world, 60);
    assert_settled(&world, &stack);
    // What nobody needs is not cleared, however it is consented to.
    let again = plan_for(&world, &stack, Purpose::Apply, &consents);
    assert!(again.steps.is_empty());
    let idle = format!("--consent {DATA} agrees to nothing in this plan.");
    assert!(again.notes.contains(&idle), "{:#?}", again.notes);
}

/// A helper is made, and its volume deleted, only while the volume is the one that was seen, released by
/// that claim, and no claim of that name is there.
#[test]
fn each_step_of_it_expects_that_nobody_has_come_back() {
    let (world, stack) = left();
    let plan = plan_with(&world, &stack, Purpose::Apply, &[DATA, META], |_| ());
    let live = world.snapshot().get(&volume()).unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let belongs = Expect::BelongsTo {
        object: volume(),
        uid: text(&live["metadata"]["uid"]),
        claim: text(&live["spec"]["claimRef"]["uid"]),
    };
    let let_go = Expect::LetGo { object: claim() };
    let acts = |step: &&Step| match &step.action {
        Action::Create { object, .. } | Action::Start { job: object, .. } => {
            object.name.starts_with("scrub-ssd-worker-2-")
        }
        Action::Delete { object, .. } => *object == volume(),
        _ => false,
    };
    let steps: Vec<&Step> = plan.steps.values().filter(acts).collect();
    assert_eq!(steps.len(), 3, "{:#?}", plan.steps);
    for step in steps {
        assert!(step.expects.contains(&belongs) && step.expects.contains(&let_go), "{step:#?}");
    }
    let made = &plan.steps[&id(&format!("create/{DATA}"))];
    assert_eq!(made.expects, [Expect::LetGo { object: volume() }]);
}

#[test]
fn a_volume_is_not_cleared_while_somebody_may_count_on_its_data() {
    assert_eq!(refused(|_| ()), None);
    let told = |change: fn(&mut Observed)| refused(change).unwrap_or_else(|| "cleared".to_owned());
    let name = "plant-ssd-worker-2-a47263c1";
    assert_eq!(
        told(|seen| {
            seen.objects.insert(claim(), LiveObject::of(json!({ "metadata": {} })));
        }),
        format!("{name}: a claim data-history-data-0 is there")
    );
    assert_eq!(
        told(|seen| {
            let volumes = json!([{ "persistentVolumeClaim": { "claimName": claim().name } }]);
            let pod = json!({ "spec": { "volumes": volumes } });
            seen.objects.insert(within(Kind::Pod, "by-hand"), LiveObject::of(pod));
        }),
        format!("{name}: pod by-hand uses its claim")
    );
    assert_eq!(
        told(|seen| {
            value(seen, &volume())["spec"]["claimRef"]["name"] = json!("data-history-cold-0");
        }),
        format!(
            "{name}: history-cold is not declared, so that nobody can be asked for history-cold-0"
        )
    );
    assert_eq!(
        told(|seen| {
            let labels = json!({ LABEL_STACK: "plant", LABEL_CLUSTER: "history" });
            let left = json!({ "metadata": { "labels": labels } });
            let key = within(Kind::PersistentVolumeClaim, "data-history-config-0");
            seen.objects.insert(key, LiveObject::of(left));
        }),
        format!(
            "{name}: no answer of the database tells whether it lists history-data-0, whose data are \
             on it"
        )
    );
    assert_eq!(
        told(|seen| {
            let now = json!("2026-01-01T00:00:00Z");
            value(seen, &volume())["metadata"]["deletionTimestamp"] = now;
        }),
        format!("{name}: it is on its way out")
    );
    assert_eq!(
        told(|seen| value(seen, &volume())["spec"]["local"]["path"] = json!("/mnt/iotdb/other")),
        format!("{name}: its directory is not the one the stack declares inside its `paths`")
    );
    assert_eq!(
        told(|seen| {
            value(seen, &volume())["spec"].as_object_mut().unwrap().remove("claimRef");
            value(seen, &volume())["status"]["phase"] = json!("Failed");
        }),
        format!("{name}: it names no claim")
    );
}

/// A database that answers says whether the member is still one of its own.
#[test]
fn a_volume_of_a_member_the_database_lists_is_not_cleared() {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    rest(&world, 60);
    let seen = block_on(survey::look(&world, &stack, Purpose::Apply)).unwrap().observed;
    let DatabaseView::Seen(topology) = seen.databases["history"].clone() else { panic!() };
    let (world, stack) = left();
    let listed = topology.clone();
    let plan = plan_with(&world, &stack, Purpose::Apply, &[DATA, META], |seen| {
        seen.databases.insert("history".to_owned(), DatabaseView::Seen(listed));
    });
    assert!(!plan.changes.contains_key(&volume()), "{:#?}", plan.changes);
    let why = "the database lists history-data-0, and data-history-data-0 is gone";
    assert!(plan.blocked.iter().any(|it| it.reason.starts_with(why)), "{:#?}", plan.blocked);
    let mut without = topology;
    without.members.retain(|address, _| !address.starts_with("history-data-0"));
    let told = refused_of(&world, &stack, |seen| {
        seen.databases.insert("history".to_owned(), DatabaseView::Seen(without));
    });
    assert_eq!(told, None);
}

/// Left to people, a volume stays as it is whoever consents.
#[test]
fn without_the_word_of_its_tier_a_volume_is_left_to_people() {
    let (world, _) = left();
    let stack = stack(&STACK.replace("recycle = \"scrub\"\n", ""));
    let plan = plan_with(&world, &stack, Purpose::Apply, &[DATA, META], |_| ());
    assert_eq!(plan.blocked.len(), 2, "{:#?}", plan.blocked);
    let by_hand = "delete it and clear its directory: the next apply makes it anew";
    assert!(plan.blocked.iter().all(|it| it.help.ends_with(by_hand)), "{:#?}", plan.blocked);
    assert!(!plan.steps.values().any(|step| step.risk == Risk::Deletes));
}

/// Wherever a run is stopped, the next one with the same consents comes to the same end; without them
/// nothing more is cleared.
#[test]
fn a_run_that_is_stopped_while_it_clears_is_taken_up() {
    let (begin, stack) = left();
    let consents = [DATA, META].map(str::to_owned);
    let plan = plan_for(&begin, &stack, Purpose::Apply, &consents);
    let ids: Vec<StepId> = plan
        .steps
        .keys()
        .filter(|id| id.0.contains("Job/") || id.0.contains("Volume/"))
        .cloned()
        .collect();
    assert_eq!(ids.len(), 10, "{ids:#?}");
    for stopped in ids {
        let world = Sandbox::resumed(begin.snapshot());
        run_until(&world, &plan, |event| {
            event.step == stopped && matches!(event.what, tsinfra::apply::event::What::Begun)
        });
        // A volume that is being deleted is waited for.
        rest(&world, 30);
        let without = plan_for(&world, &stack, Purpose::Apply, &[]);
        assert!(!without.steps.values().any(|step| step.risk == Risk::Deletes), "{stopped}");
        let again = plan_for(&world, &stack, Purpose::Apply, &consents);
        let outcome = run(&world, &again);
        assert!(outcome.is_complete(&again), "stopped at {stopped}: {outcome:#?}");
        assert_eq!(
            world.snapshot().directories.first_in("worker-2", "/mnt/iotdb/data"),
            Some("data")
        );
        assert_eq!(world.snapshot().keys_of(Kind::Job), [], "stopped at {stopped}");
        rest(&world, 60);
        assert_settled(&world, &stack);
    }
}
