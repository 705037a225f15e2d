//! Stories of a reviewer who broke it: each refusal tells the truth, each mistake can be mended.

use serde_json::json;

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

fn within(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::within(kind, "tsdb", name)
}

fn applied() -> (Sandbox, Stack) {
    let (world, stack) = (sandbox(), stack(STACK));
    apply_all(&world, &stack);
    (world, stack)
}

/// What a plan refuses: rule, reason and help of each entry.
fn refusals(plan: &Plan) -> Vec<(&str, &str, &str)> {
    plan.blocked
        .iter()
        .map(|one| (one.rule.as_str(), one.reason.as_str(), one.help.as_str()))
        .collect()
}

fn with_cpu(cpu: &str) -> Stack {
    let text = STACK.replace("[cluster.history.pool.config]", &format!(
        "[cluster.history.pool.config]\nready_within = \"20s\"\nresources = {{ cpu = \"{cpu}\", memory = \"2Gi\" }}"
    ));
    assert_ne!(text, STACK);
    stack(&text)
}

/// No answer is never read as "nobody there": nobody is told to remove a claim because of it.
#[test]
fn a_silent_database_makes_no_claim_stale() {
    let (world, stack) = applied();
    let set = within(Kind::StatefulSet, "history-data");
    world.disturb(|cluster| {
        cluster.edit_as("kubectl", &set, &json!({ "spec": { "replicas": 2 } })).unwrap();
        cluster.advance(Duration::from_secs(30));
        cluster.databases.clear();
    });
    let plan = plan(&world, &stack);
    let found = refusals(&plan);
    let stale = found.iter().find(|(rule, _, _)| *rule == "stale-claim").expect("a refusal");
    assert!(stale.1.contains("without an answer"), "{stale:?}");
    assert!(!stale.2.contains("remove"), "{stale:?}");
}

/// A claim whose deletion has begun goes with the next restart of its member: no restart, then.
#[test]
fn a_claim_on_its_way_out_blocks_restarts() {
    let (world, first) = applied();
    let claim = within(Kind::PersistentVolumeClaim, "data-history-data-1");
    world.disturb(|cluster| cluster.delete(&claim));
    let idle = plan(&world, &first);
    assert!(idle.notes.iter().any(|note| note.contains("is being deleted")), "{:?}", idle.notes);
    let other = STACK.replace("cpu = \"2\"", "cpu = \"3\"");
    let other = if other == STACK {
        STACK.replace("[cluster.history.pool.data]", "[cluster.history.pool.data]\ngrace = \"9m\"")
    } else {
        other
    };
    let restart = plan(&world, &stack(&other));
    assert!(refusals(&restart).iter().any(|(rule, _, _)| *rule == "leaving-claim"), "{restart:#?}");
}

#[test]
fn an_older_version_is_refused() {
    let (world, _) = applied();
    for older in ["2.0.4", "1.3.3"] {
        let plan = plan(&world, &stack(&STACK.replace("2.0.5", older)));
        assert!(refusals(&plan).iter().any(|(rule, _, _)| *rule == "downgrade"), "{older}");
    }
    let newer = plan(&world, &stack(&STACK.replace("2.0.5", "2.0.6")));
    assert_eq!(refusals(&newer), []);
}

/// A mistake in the first apply, or in a later one, is mended by applying the right file.
#[test]
fn a_pool_that_never_came_up_is_mended_by_the_right_file() {
    let world = sandbox();
    let wrong = plan(&world, &with_cpu("900"));
    assert!(!run(&world, &wrong).is_complete(&wrong));
    apply_all(&world, &with_cpu("1"));
    assert_settled(&world, &with_cpu("1"));
    let wrong = plan(&world, &with_cpu("900"));
    assert!(!run(&world, &wrong).is_complete(&wrong));
    let mend = apply_all(&world, &with_cpu("1"));
    let deleted = mend.steps.keys().filter(|id| id.0.starts_with("delete/Pod/")).count();
    assert_eq!(deleted, 1, "one member was away, and one pod is deleted: {:#?}", mend.steps.keys());
    assert_settled(&world, &with_cpu("1"));
}

#[test]
fn a_consent_to_nothing_is_said() {
    let (world, stack) = applied();
    let consents = ["cluster.histroy".to_owned()];
    let plan = plan_for(&world, &stack, Purpose::Destroy, &consents);
    assert!(plan.notes.iter().any(|note| note.contains("cluster.histroy agrees to nothing")));
    let plan = plan_for(&world, &stack, Purpose::Destroy, &["cluster.history".to_owned()]);
    assert_eq!(plan.notes, Vec::<String>::new());
}

/// What the server would invent is not told as if it were known.
#[test]
fn an_invented_port_is_no_change() {
    let open = format!("{STACK}\n[cluster.history.expose]\nkind = \"node-port\"\nport = 32111\n");
    let world = sandbox();
    apply_all(&world, &stack(&open));
    let balanced = open.replace("kind = \"node-port\"\nport = 32111", "kind = \"load-balancer\"");
    let plan = plan(&world, &stack(&balanced));
    let change = &plan.changes[&within(Kind::Service, "history")];
    assert!(change.fields.iter().all(|field| !field.path.ends_with(".nodePort")), "{change:#?}");
}
