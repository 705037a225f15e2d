//! Checks of claims that say whose they are (rule 7).

use tsinfra::object::{ANNOTATION_DATABASE, ANNOTATION_MEMBER};
use tsinfra::observed::DatabaseView;
use tsinfra::plan::identity::{all, mark};

use super::*;

fn claim(name: &str) -> ObjectKey {
    within(Kind::PersistentVolumeClaim, name)
}

/// What each claim says: its database and its member.
fn said(world: &Sandbox) -> BTreeMap<String, (String, String)> {
    let left = world.snapshot();
    let claims = left.keys_of(Kind::PersistentVolumeClaim).into_iter();
    let told = claims.map(|key| {
        let annotations = &left.get(&key).unwrap()["metadata"]["annotations"];
        let text = |name: &str| annotations[name].as_str().unwrap_or("nothing").to_owned();
        (key.name, (text(ANNOTATION_DATABASE), text(ANNOTATION_MEMBER)))
    });
    told.collect()
}

/// Each says the ids its database has given, the one of a member that came back as another by the new one.
#[test]
fn every_claim_says_whose_it_is() {
    let (world, asked) = applied();
    let survey = block_on(survey::look(&world, &asked, Purpose::Apply)).unwrap();
    let Some(DatabaseView::Seen(topology)) = survey.observed.databases.get("history") else {
        panic!("{:?}", survey.observed.databases)
    };
    let told = said(&world);
    assert_eq!(told.len(), topology.members.len());
    for (address, member) in &topology.members {
        let name = format!("data-{}", address.split('.').next().unwrap());
        assert_eq!(told[&name], (topology.cluster_id.clone(), member.id.to_string()), "{name}");
    }
    let later = plan_of(&world, &asked, Purpose::Apply, |seen| {
        let Some(DatabaseView::Seen(topology)) = seen.databases.get_mut("history") else {
            panic!()
        };
        let mut members = topology.members.iter_mut();
        let (_, member) = members.find(|(it, _)| it.starts_with("history-data-0")).unwrap();
        member.id = 77;
    });
    let step = &later.steps[&id("identify/StatefulSet/tsdb/history-data")];
    let Action::Identify { claims, .. } = &step.action else { panic!("{step:#?}") };
    assert_eq!(claims.keys().collect::<Vec<_>>(), [&claim("data-history-data-0")]);
    assert_eq!(later.steps.len(), 1, "{:#?}", later.steps);
}

/// A claim of another database is given to nobody.
#[test]
fn a_claim_of_another_database_is_refused() {
    let (world, asked) = applied();
    let key = claim("data-history-data-0");
    let other = |seen: &mut Observed| {
        value(seen, &key)["metadata"]["annotations"][ANNOTATION_DATABASE] = json!("another");
    };
    let refused = ("stale-claim", "PersistentVolumeClaim/tsdb/data-history-data-0");
    assert_eq!(rules(&plan_of(&world, &asked, Purpose::Apply, other)), [refused]);
    // The record knows it, too.
    let silent = plan_of(&world, &asked, Purpose::Apply, |seen| {
        other(seen);
        let why = "no route".to_owned();
        seen.databases.insert("history".to_owned(), DatabaseView::Unreachable { why });
    });
    assert_eq!(rules(&silent), [refused]);
}

/// Nor is what it has purged with the stack, though its tier says delete.
#[test]
fn a_claim_of_another_database_is_kept_by_a_destroy() {
    let (world, asked) = applied();
    let key = claim("data-history-data-0");
    let goes = |plan: &Plan| plan.steps.keys().any(|id| id.0.contains(&key.to_string()));
    assert!(goes(&plan_of(&world, &asked, Purpose::Destroy, |_| ())));
    let plan = plan_of(&world, &asked, Purpose::Destroy, |seen| {
        value(seen, &key)["metadata"]["annotations"][ANNOTATION_DATABASE] = json!("another");
    });
    assert!(!goes(&plan), "{:#?}", plan.steps.keys());
}

/// Nothing is written over what another database has written, nor on claims of others, nor by one that is
/// not the one it was.
#[test]
fn nobody_else_s_word_is_written() {
    let mut topology =
        db_engine::engine::Topology { cluster_id: "it".to_owned(), ..Default::default() };
    let member = db_engine::engine::TopologyMember {
        id: 3,
        kind: "DataNode".to_owned(),
        state: db_engine::engine::MemberState::Running,
        status: "Running".to_owned(),
        regions: 0,
    };
    topology.members.insert("a-0.a".to_owned(), member);
    let (key, claims) = (claim("data-a-0"), [(claim("data-a-0"), "a-0.a".to_owned())].into());
    assert_eq!(all(&topology, "another", &claims), []);
    let found = all(&topology, "it", &claims);
    assert_eq!(all(&topology, "", &claims), found);
    let ids = &found[0].1;
    let live = |database: Value, stack: &str| {
        json!({ "metadata": {
            "labels": { "tsinfra.dev/stack": stack },
            "annotations": { ANNOTATION_DATABASE: database, ANNOTATION_MEMBER: "3" },
        }})
    };
    assert_eq!(mark(&key, &live(json!("it"), "plant"), "plant", ids), Ok(None));
    assert!(matches!(mark(&key, &live(Value::Null, "plant"), "plant", ids), Ok(Some(_))));
    assert!(mark(&key, &live(json!("another"), "plant"), "plant", ids).is_err());
    assert!(mark(&key, &live(Value::Null, "other"), "plant", ids).is_err());
}
