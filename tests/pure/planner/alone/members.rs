//! Checks of members, each by itself (rules 3 and 4): who is waited for, who counts as away, and which
//! pod is made anew.

use tsinfra::observed::DatabaseView;
use tsinfra::plan::step::Until;

use super::*;

/// The sets a step waits to see whole.
fn expected_whole(step: &Step) -> Vec<String> {
    let whole = step.expects.iter().filter_map(|expect| match expect {
        Expect::Ready { object } => Some(object.name.clone()),
        _ => None,
    });
    whole.collect()
}

/// Rules 3 and 4: each restart begins with all members of its quorum domain, its own among them, and
/// asks nothing of the other domain.
#[test]
fn a_restart_expects_every_set_of_its_quorum_domain_to_be_whole() {
    let world = sandbox();
    apply_all(&world, &two_pools(0));
    let restart = plan(&world, &two_pools(1));
    let of = |pool: &str| {
        expected_whole(&restart.steps[&id(&format!("update/StatefulSet/tsdb/alpha-{pool}"))])
    };
    assert_eq!(of("config"), ["alpha-config"]);
    assert_eq!(of("hot"), ["alpha-hot", "alpha-warm"]);
    assert_eq!(of("warm"), ["alpha-hot", "alpha-warm"]);
}

/// Where nobody of a domain is up, nobody is waited for: the restart is what brings them up.
#[test]
fn a_restart_of_a_domain_that_is_all_down_expects_nobody() {
    let world = sandbox();
    apply_all(&world, &two_pools(0));
    let mend = plan_of(&world, &two_pools(1), Purpose::Apply, |seen| {
        seen.databases.clear();
        seen.objects.retain(|key, _| key.kind != Kind::Pod || key.name.contains("config"));
    });
    for pool in ["hot", "warm"] {
        let step = &mend.steps[&id(&format!("update/StatefulSet/tsdb/alpha-{pool}"))];
        assert_eq!(expected_whole(step), Vec::<String>::new(), "{pool}");
    }
    assert_eq!(mend.blocked, []);
}

/// Rule 3: a database that is silent while the plan is made will answer when its word is needed.
#[test]
fn members_that_vote_are_seen_back_also_if_the_database_was_silent() {
    let world = sandbox();
    apply_all(&world, &two_pools(0));
    let control = id("join/alpha/config");
    for view in [DatabaseView::Absent, DatabaseView::Unreachable { why: "no table".to_owned() }] {
        let silent = |seen: &mut Observed| {
            seen.databases.insert("alpha".to_owned(), view.clone());
        };
        let restart = plan_of(&world, &two_pools(1), Purpose::Apply, silent);
        let first = &restart.steps[&id("update/StatefulSet/tsdb/alpha-hot")];
        assert!(restart.steps.contains_key(&control), "{view:?}: {:#?}", restart.steps.keys());
        assert!(first.after.contains(&control), "{view:?}: {:#?}", first.after);
        // Where nobody serves, nobody could say.
        let nobody = plan_of(&world, &two_pools(1), Purpose::Apply, |seen| {
            silent(seen);
            seen.objects.retain(|key, _| key.kind != Kind::Pod || key.name.contains("config"));
        });
        assert!(!nobody.steps.contains_key(&control), "{view:?}: {:#?}", nobody.steps.keys());
    }
}

/// Rule 4: a member on its way out still says that it is ready.
#[test]
fn a_pod_that_is_leaving_counts_as_away() {
    let world = sandbox();
    apply_all(&world, &two_pools(0));
    let change = plan_of(&world, &two_pools(1), Purpose::Apply, |seen| {
        let pod = within(Kind::Pod, "alpha-hot-0");
        assert!(seen.objects[&pod].is_ready());
        value(seen, &pod)["metadata"]["deletionTimestamp"] = json!("t");
    });
    assert!(rules(&change).contains(&("quorum", "StatefulSet/tsdb/alpha-hot")), "{change:#?}");
}

/// What Kubernetes counts: a set is as it should be only if all its members are ready, of the newest
/// form, and its controller has seen that form.
#[test]
fn a_set_that_is_not_rolled_in_any_respect_is_told() {
    let (world, stack) = applied();
    let set = within(Kind::StatefulSet, "history-data");
    assert_eq!(plan(&world, &stack).notes, Vec::<String>::new());
    for field in ["readyReplicas", "updatedReplicas", "observedGeneration"] {
        let idle = plan_of(&world, &stack, Purpose::Apply, |seen| {
            value(seen, &set)["status"][field] = json!(0);
        });
        let told = format!("{set} has");
        assert!(idle.notes.iter().any(|note| note.starts_with(&told)), "{field}: {:?}", idle.notes);
    }
}

/// Pods that are ready are no members yet (rule 3): an apply that was stopped has left such.
#[test]
fn a_member_the_database_does_not_list_is_waited_for() {
    let (world, stack) = applied();
    let idle = plan_of(&world, &stack, Purpose::Apply, |seen| {
        let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") else {
            panic!("{:?}", seen.databases)
        };
        topology.members.retain(|address, _| !address.starts_with("history-data-1."));
    });
    let step = &idle.steps[&id("join/history/data")];
    assert!(matches!(step.until, Until::Joined { .. }), "{step:#?}");
}

/// A member is made anew by deleting its pod only if it is away, stays so, and the set's controller
/// would make it of the newest form; data members are never (rule 4).
#[test]
fn only_a_stuck_config_node_of_an_old_form_is_deleted() {
    let (world, stack) = applied();
    let deleted = |change: &dyn Fn(&mut Observed)| {
        let plan = plan_of(&world, &stack, Purpose::Apply, |seen| change(seen));
        let pods = plan.steps.keys().filter_map(|id| id.0.strip_prefix("delete/Pod/tsdb/"));
        pods.map(str::to_owned).collect::<Vec<String>>()
    };
    let config = within(Kind::Pod, "history-config-2");
    let set = within(Kind::StatefulSet, "history-config");
    assert_eq!(deleted(&a_config_node_is_stuck), ["history-config-2"]);
    assert_eq!(deleted(&|_| {}), Vec::<String>::new());
    let newest = |seen: &mut Observed| {
        a_config_node_is_stuck(seen);
        let newest = seen.objects[&set].text("/status/updateRevision").unwrap().to_owned();
        value(seen, &config)["metadata"]["labels"]["controller-revision-hash"] = json!(newest);
    };
    assert_eq!(deleted(&newest), Vec::<String>::new());
    let ready = |seen: &mut Observed| {
        a_config_node_is_stuck(seen);
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        value(seen, &config)["status"]["conditions"] = ready;
    };
    assert_eq!(deleted(&ready), Vec::<String>::new());
    let leaving = |seen: &mut Observed| {
        a_config_node_is_stuck(seen);
        value(seen, &config)["metadata"]["deletionTimestamp"] = json!("t");
    };
    assert_eq!(deleted(&leaving), Vec::<String>::new());
    let untold = |seen: &mut Observed| {
        a_config_node_is_stuck(seen);
        value(seen, &set)["metadata"]["generation"] = json!(77);
    };
    assert_eq!(deleted(&untold), Vec::<String>::new());
    let data = |seen: &mut Observed| {
        let pod = within(Kind::Pod, "history-data-2");
        value(seen, &pod)["status"]["conditions"] = json!([{ "type": "Ready", "status": "False" }]);
        value(seen, &pod)["metadata"]["labels"]["controller-revision-hash"] = json!("old");
    };
    assert_eq!(deleted(&data), Vec::<String>::new());
}

/// It is deleted once the controller has heard of the form that mends it, or is made anew of the old.
#[test]
fn a_stuck_pod_is_deleted_after_the_change_that_mends_it_was_heard() {
    let (world, _) = applied();
    let text = STACK.replace("size = \"5Gi\" }", "size = \"5Gi\" }\nresources = { cpu = \"3\" }");
    let mend = plan_of(&world, &stack(&text), Purpose::Apply, a_config_node_is_stuck);
    let update = id("update/StatefulSet/tsdb/history-config");
    assert!(matches!(mend.steps[&update].until, Until::Heard { .. }), "{:#?}", mend.steps[&update]);
    let deletion = &mend.steps[&id("delete/Pod/tsdb/history-config-2")];
    assert!(deletion.after.contains(&update), "{deletion:#?}");
}

/// A pool that is still coming back is waited for by those that restart, and waits for none of them:
/// they would wait for each other.
#[test]
fn a_pool_that_is_coming_back_waits_for_none_that_waits_for_it() {
    let before = two_pools(0);
    let world = sandbox();
    apply_all(&world, &before);
    // Of the storing pools only the first is changed, and the second is not whole yet.
    let mut after = before.clone();
    let pools = &mut after.clusters.get_mut("alpha").unwrap().pools;
    pools.get_mut("hot").unwrap().pod.labels.insert("tier".to_owned(), "first".to_owned());
    let warm = within(Kind::StatefulSet, "alpha-warm");
    let change = plan_of(&world, &after, Purpose::Apply, |seen| {
        value(seen, &warm)["status"]["updatedReplicas"] = json!(1);
    });
    let (update, ready) = (id("update/StatefulSet/tsdb/alpha-hot"), id(&format!("ready/{warm}")));
    assert!(change.steps[&update].after.contains(&ready), "{:#?}", change.steps[&update]);
    assert!(!change.steps[&ready].after.contains(&update), "{:#?}", change.steps[&ready]);
    assert!(change.order().is_ok());
}
