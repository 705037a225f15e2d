//! The simulated cluster: the shape of its answers, and who is let in when.

use db_engine::engine::{MemberState, Topology};
use db_engine::iotdb::sim::{Founding, IotdbSim, MemberKind, Ports};
use db_engine::iotdb::{rest, talk};
use db_engine::statement::{Answer, Statement, Table};
use proptest::prelude::*;
use serde_json::Value;

use crate::recorded;

/// A moment at which everyone who was let in has been seen.
const NOW: u64 = 60_000;

fn unfounded() -> IotdbSim {
    IotdbSim::new(Founding {
        cluster_name: "tsbed".to_owned(),
        cluster_id: "00000000-0000-4000-8000-000000000001".to_owned(),
        version: "2.0.5".to_owned(),
        build_info: "5f31648".to_owned(),
        seed: "cn-0".to_owned(),
        schema_replication: 3,
        data_replication: 2,
    })
}

pub(crate) fn up(sim: &mut IotdbSim, address: &str, now_ms: u64) {
    let kind =
        if address.starts_with("cn") { MemberKind::ConfigNode } else { MemberKind::DataNode };
    sim.member_up(kind, address, Ports::default_of(kind), now_ms);
}

/// Three ConfigNodes and three DataNodes, all seen running at 20 s.
pub(crate) fn grown() -> IotdbSim {
    let mut sim = unfounded();
    for (address, at) in ["cn-0", "cn-1", "cn-2", "dn-0", "dn-1", "dn-2"].into_iter().zip(0..) {
        up(&mut sim, address, at * 100);
    }
    sim
}

pub(crate) fn read(sim: &mut IotdbSim, asked: &str, now_ms: u64) -> Topology {
    let ask = |statement| sim.answer(asked, &statement, now_ms).unwrap();
    let answers: Vec<Answer> = talk::survey().into_iter().map(ask).collect();
    talk::read(&answers).unwrap()
}

/// Per column, the kinds of JSON values in it.
fn shape(table: &Table) -> Vec<(String, Vec<&'static str>)> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int",
        Value::Number(_) => "float",
        Value::String(_) => "text",
        Value::Array(_) | Value::Object(_) => "nested",
    };
    let columns = table.columns.iter().enumerate().map(|(at, name)| {
        let mut kinds: Vec<_> = table.rows.iter().map(|row| kind(&row[at])).collect();
        kinds.sort_unstable();
        kinds.dedup();
        (name.clone(), kinds)
    });
    columns.collect()
}

#[test]
fn every_table_has_the_recorded_columns_and_types() {
    let mut sim = grown();
    let made = sim.answer("dn-0", &Statement::change("CREATE DATABASE root.sg1"), 20_000);
    assert_eq!(made, Some(Answer::Accepted));
    for line in recorded::statements() {
        let Some(Answer::Table(table)) = sim.answer("dn-0", &line.statement(), 20_000) else {
            panic!("{} is not answered with a table", line.text("sql"));
        };
        let real = line.table();
        if table.rows.is_empty() || real.rows.is_empty() {
            assert!(line.text("sql").ends_with("REGIONS"), "only regions may be none");
            assert_eq!(table.columns, real.columns);
        } else {
            assert_eq!(shape(&table), shape(&real), "{}", line.text("sql"));
        }
    }
}

#[test]
fn the_variables_are_the_recorded_ones() {
    let mut sim = grown();
    let lines = recorded::statements();
    let line = lines.iter().find(|line| line.text("sql") == "SHOW VARIABLES").unwrap();
    assert_eq!(sim.answer("dn-0", &line.statement(), 20_000), Some(line.answer()));
}

#[test]
fn refusals_are_the_recorded_ones() {
    let mut sim = grown();
    let mut asked = 0;
    for line in recorded::refusals() {
        let answer = rest::parse(line.http(), &line.body());
        let played = match &answer {
            Ok(Answer::Accepted) => line.text("path") != rest::PING,
            Ok(Answer::Refused { code, .. }) => matches!(code, 301 | 501 | 508 | 700),
            _ => false,
        };
        if played {
            asked += 1;
            let got = sim.answer("dn-0", &line.statement(), 20_000);
            assert_eq!(got, answer.ok(), "{}", line.text("sql"));
        }
    }
    assert_eq!(asked, 13);
}

#[test]
fn answers_make_the_round_trip_through_rest() {
    let mut sim = grown();
    let statements = recorded::statements().into_iter().map(|line| line.statement());
    for statement in statements.chain([Statement::read("SHOW FOO"), Statement::change("FLUSH")]) {
        let (path, body) = rest::request(&statement);
        let heard = rest::asked(path, body.to_string().as_bytes()).unwrap();
        let answer = sim.answer("dn-1", &heard, 20_000).unwrap();
        let (http, body) = rest::render(&answer);
        assert_eq!(rest::parse(http, body.to_string().as_bytes()), Ok(answer));
    }
}

#[test]
fn a_grown_cluster_is_read_like_a_real_one() {
    let topology = read(&mut grown(), "dn-2", 20_000);
    assert_eq!(topology.version, "2.0.5");
    let ids = topology.members.iter().map(|(key, member)| (key.as_str(), member.id));
    let want = [("cn-0", 0), ("cn-1", 1), ("cn-2", 2), ("dn-0", 3), ("dn-1", 4), ("dn-2", 5)];
    assert_eq!(ids.collect::<Vec<_>>(), want);
    assert!(topology.members.values().all(|member| member.state == MemberState::Running));
}

#[test]
fn only_the_seed_founds_and_data_nodes_wait_for_a_majority() {
    let mut sim = unfounded();
    up(&mut sim, "dn-0", 0);
    up(&mut sim, "cn-1", 0);
    assert!(!sim.joined("dn-0", NOW) && !sim.joined("cn-1", NOW));
    up(&mut sim, "cn-0", 1000);
    assert!(sim.joined("dn-0", NOW) && sim.joined("cn-1", NOW));
    sim.member_down("cn-1", 30_000);
    up(&mut sim, "dn-1", 31_000);
    assert!(!sim.joined("dn-1", NOW), "one of two is no majority");
    let question = Statement::read("SHOW CLUSTER");
    let answer = sim.answer("dn-0", &question, 31_000);
    assert!(matches!(answer, Some(Answer::Refused { code: 305, .. })));
    up(&mut sim, "cn-1", 32_000);
    assert!(sim.joined("dn-1", NOW));
}

#[test]
fn a_newcomer_is_unknown_first_and_a_killed_one_soon() {
    let mut sim = grown();
    up(&mut sim, "dn-3", 20_000);
    let state = |sim: &mut IotdbSim, at| read(sim, "dn-0", at).members["dn-3"].state;
    assert_eq!(state(&mut sim, 21_999), MemberState::Unknown);
    assert!(!sim.serves("dn-3", 21_999));
    assert_eq!(state(&mut sim, 25_001), MemberState::Running);
    assert!(sim.serves("dn-3", 25_001));
    sim.member_down("dn-3", 30_000);
    assert!(!sim.serves("dn-3", 30_000), "its own port is closed at once");
    assert_eq!(state(&mut sim, 31_400), MemberState::Running);
    assert_eq!(state(&mut sim, 32_000), MemberState::Unknown);
    up(&mut sim, "dn-3", 40_000);
    assert_eq!(state(&mut sim, 46_000), MemberState::Running);
    assert_eq!(read(&mut sim, "dn-0", 46_000).members["dn-3"].id, 6, "it kept its id");
}

#[test]
fn nobody_answers_for_a_config_node_or_a_stranger() {
    let mut sim = grown();
    let question = Statement::read("show version;");
    assert_eq!(sim.answer("cn-0", &question, 20_000), None);
    assert_eq!(sim.answer("dn-9", &question, 20_000), None);
    assert!(sim.answer("dn-0", &question, 20_000).is_some());
}

#[test]
fn a_cluster_survives_being_written_down() {
    let sim = grown();
    let text = serde_json::to_string(&sim).unwrap();
    assert_eq!(serde_json::from_str::<IotdbSim>(&text).unwrap(), sim);
}

proptest! {
    #[test]
    fn no_statement_panics(text in "\\PC*|(SHOW|create|FLUSH) *[\\PC ]{0,9};?", changes: bool) {
        let statement = if changes { Statement::change(text) } else { Statement::read(text) };
        prop_assert!(grown().answer("dn-0", &statement, 20_000).is_some());
    }

    #[test]
    fn whatever_happens_ids_stay_with_their_addresses(
        events in prop::collection::vec((any::<bool>(), 0_usize..6, 0_u64..4000), 0..40),
    ) {
        let addresses = ["cn-0", "cn-1", "cn-2", "dn-0", "dn-1", "dn-2"];
        let mut sim = grown();
        let before = read(&mut sim, "dn-0", 20_000);
        let mut now_ms = 20_000;
        for (comes, which, later) in events {
            now_ms += later;
            if comes {
                up(&mut sim, addresses[which], now_ms);
            } else {
                sim.member_down(addresses[which], now_ms);
            }
        }
        for address in addresses {
            up(&mut sim, address, now_ms);
        }
        prop_assert_eq!(read(&mut sim, "dn-0", now_ms + 5001), before);
    }
}
