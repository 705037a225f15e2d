//! Recorded answers read into a topology, and answers nobody should believe.

use db_engine::cluster::EngineKind;
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology, Unreadable};
use db_engine::iotdb::talk;
use db_engine::statement::{Answer, Table};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::recorded;

/// The survey's answers at one recorded moment.
fn moment(name: &str) -> Vec<Answer> {
    let engine = driver(EngineKind::Iotdb);
    let lines = recorded::survey();
    let lines: Vec<_> = lines.iter().filter(|line| line.text("moment") == name).collect();
    let asked: Vec<_> = lines.iter().map(|line| line.statement()).collect();
    assert_eq!(asked, engine.survey(), "the recording holds the survey's statements in order");
    lines.iter().map(|line| line.answer()).collect()
}

fn topology(name: &str) -> Topology {
    driver(EngineKind::Iotdb).read(&moment(name)).unwrap()
}

/// Members in a form short enough to compare: `address=id kind status regions`.
fn short(topology: &Topology) -> Vec<String> {
    let member = |(address, member): (&String, &db_engine::engine::TopologyMember)| {
        let (id, kind, regions) = (member.id, &member.kind, member.regions);
        format!("{address}={id} {kind} {} {:?} {regions}", member.status, member.state)
    };
    topology.members.iter().map(member).collect()
}

#[test]
fn a_steady_cluster_is_read_whole() {
    let topology = topology("steady");
    assert_eq!(topology.cluster_id, "fdc9ea91-4f93-476b-a0c6-c8a12d2bfd7c");
    assert_eq!(topology.version, "2.0.1-beta");
    let want = [
        "127.0.0.10=0 ConfigNode Running Running 0",
        "127.0.0.21=1 DataNode Running Running 5",
        "127.0.0.22=2 DataNode Running Running 5",
        "127.0.0.23=3 DataNode Running Running 4",
    ];
    assert_eq!(short(&topology), want);
}

#[test]
fn region_counts_agree_with_the_list_of_replicas() {
    let topology = topology("steady");
    let lines = recorded::statements();
    let regions = lines.iter().find(|line| line.text("sql") == "SHOW REGIONS").unwrap().table();
    let address = regions.column("InternalAddress").unwrap();
    for (key, member) in &topology.members {
        let held = regions.rows.iter().filter(|row| row[address] == json!(key)).count();
        assert_eq!(member.regions, held as u64, "{key}");
    }
}

#[test]
fn every_recorded_state_of_a_member_is_understood() {
    let state = |name: &str, address: &str| topology(name).members[address].state;
    assert_eq!(state("joining", "127.0.0.21"), MemberState::Running);
    assert_eq!(state("joining", "127.0.0.22"), MemberState::Unknown);
    assert_eq!(state("read-only", "127.0.0.24"), MemberState::ReadOnly);
    assert_eq!(state("removing", "127.0.0.24"), MemberState::Leaving);
    assert_eq!(state("killed", "127.0.0.24"), MemberState::Unknown);
    assert_eq!(state("told to stop", "127.0.0.24"), MemberState::ReadOnly);
}

#[test]
fn a_member_is_known_by_its_address_not_by_its_id() {
    assert_eq!(topology("removing").members["127.0.0.24"].id, 4);
    assert!(!topology("removed").members.contains_key("127.0.0.24"));
    assert_eq!(topology("back under a new id").members["127.0.0.24"].id, 5);
}

#[test]
fn a_status_may_carry_a_reason() {
    assert_eq!(talk::state("ReadOnly(DiskFull)"), MemberState::ReadOnly);
    assert_eq!(talk::state("Removing"), MemberState::Leaving);
    assert_eq!(talk::state("Resting"), MemberState::Unknown);
}

#[test]
fn two_members_on_one_address_are_told_apart_by_port() {
    let mut answers = moment("one of three DataNodes");
    let Answer::Table(nodes) = &mut answers[2] else { panic!("a table") };
    let address = nodes.column("InternalAddress").unwrap();
    for row in &mut nodes.rows {
        row[address] = json!("10.0.0.1");
    }
    let topology = talk::read(&answers).unwrap();
    let keys: Vec<_> = topology.members.keys().collect();
    assert_eq!(keys, ["10.0.0.1:10710", "10.0.0.1:10830"]);
}

#[test]
fn an_empty_missing_or_refused_answer_is_unreadable() {
    let whole = moment("steady");
    for at in 0..whole.len() {
        let mut empty = whole.clone();
        let Answer::Table(table) = &mut empty[at] else { panic!("a table") };
        table.rows.clear();
        assert!(matches!(talk::read(&empty), Err(Unreadable::Empty { .. })), "{at}");

        let mut refused = whole.clone();
        refused[at] = Answer::Refused { code: 803, message: "no".to_owned() };
        assert!(matches!(talk::read(&refused), Err(Unreadable::Refused { code: 803, .. })), "{at}");

        assert!(talk::read(&whole[..at]).is_err(), "{at} answers only");
    }
}

#[test]
fn a_data_node_without_a_count_is_unreadable() {
    let mut answers = moment("steady");
    let Answer::Table(counts) = &mut answers[3] else { panic!("a table") };
    counts.rows.pop();
    let odd = talk::read(&answers).unwrap_err();
    assert_eq!(odd.to_string(), "`SHOW CLUSTER` answered no usable `NodeID`");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof!["Running|DataNode|127\\.0\\.0\\.1", ".{0,8}"].prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from))
}

fn answer() -> impl Strategy<Value = Answer> {
    let names: Vec<&str> = [talk::CLUSTER_ID, talk::VERSION, talk::CLUSTER, talk::DATA_NODES]
        .iter()
        .flat_map(|show| show.columns.iter().copied())
        .collect();
    let columns = prop::collection::vec(prop::sample::select(names), 0..12);
    let rows = prop::collection::vec(prop::collection::vec(value(), 0..12), 0..4);
    let table = (columns, rows).prop_map(|(columns, rows)| {
        let columns = columns.into_iter().map(str::to_owned).collect();
        Answer::Table(Table { columns, rows })
    });
    prop_oneof![
        8 => table,
        1 => Just(Answer::Accepted),
        1 => (any::<i64>(), ".*").prop_map(|(code, message)| Answer::Refused { code, message }),
    ]
}

proptest! {
    #[test]
    fn no_answers_whatever_panic(answers in prop::collection::vec(answer(), 0..6)) {
        let _ = talk::read(&answers);
    }

    #[test]
    fn no_damaged_cell_panics(
        which in 0_usize..4, row in 0_usize..4, column in 0_usize..7, cell in value(),
    ) {
        let mut answers = moment("steady");
        if let Some(Answer::Table(table)) = answers.get_mut(which)
            && let Some(old) = table.rows.get_mut(row).and_then(|row| row.get_mut(column))
        {
            *old = cell;
        }
        let _ = talk::read(&answers);
    }
}
