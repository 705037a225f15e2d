//! A DataNode that leaves: what IoTDB is told, when it must not be, and how the simulated one does it.

use std::collections::BTreeMap;

use db_engine::cluster::{ClusterSpec, EngineKind};
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology, TopologyMember};
use db_engine::iotdb::sim::{MemberKind, Ports};
use db_engine::statement::{Answer, Statement};

use crate::sim::{grown, read, up};

pub(crate) fn spec() -> ClusterSpec {
    ClusterSpec {
        name: "history".to_owned(),
        version: "2.0.5".to_owned(),
        schema_replication: 3,
        data_replication: 2,
        settings: BTreeMap::new(),
        seed_host: "cn-0".to_owned(),
    }
}

pub(crate) fn topology(data_nodes: i64) -> Topology {
    let member = |id, kind: &str| TopologyMember {
        id,
        kind: kind.to_owned(),
        state: MemberState::Running,
        status: "Running".to_owned(),
        regions: 2,
    };
    let config = (0, "cn-0.x".to_owned(), "ConfigNode");
    let data = (1..=data_nodes).map(|id| (id, format!("dn-{id}.x"), "DataNode"));
    let all = std::iter::once(config).chain(data);
    Topology {
        cluster_id: "an id".to_owned(),
        version: "2.0.5".to_owned(),
        members: all.map(|(id, address, kind)| (address, member(id, kind))).collect(),
    }
}

fn told(spec: &ClusterSpec, topology: &Topology, address: &str) -> Result<String, String> {
    let said = driver(EngineKind::Iotdb).leave(spec, topology, address);
    said.map(|statement| statement.text).map_err(|unfit| unfit.reason)
}

#[test]
fn a_member_is_told_to_leave_by_the_id_of_its_address() {
    assert_eq!(told(&spec(), &topology(4), "dn-4.x"), Ok("REMOVE DATANODE 4".to_owned()));
    let mut rejoined = topology(4);
    rejoined.members.get_mut("dn-4.x").unwrap().id = 9;
    assert_eq!(told(&spec(), &rejoined, "dn-4.x"), Ok("REMOVE DATANODE 9".to_owned()));
}

#[test]
fn a_member_is_not_told_to_leave_where_it_would_be_refused_or_unsafe() {
    let refused = |spec: &ClusterSpec, topology: &Topology, address: &str, why: &str| {
        let reason = told(spec, topology, address).unwrap_err();
        assert!(reason.contains(why), "{reason}");
    };
    refused(&spec(), &topology(3), "dn-3.x", "2 DataNodes would stay, and regions have 3 replicas");
    refused(&spec(), &topology(4), "dn-7.x", "lists no DataNode");
    refused(&spec(), &topology(4), "cn-0.x", "lists no DataNode");
    for state in [MemberState::Unknown, MemberState::ReadOnly, MemberState::Leaving] {
        for other in ["dn-1.x", "dn-4.x", "cn-0.x"] {
            let mut troubled = topology(4);
            let member = troubled.members.get_mut(other).unwrap();
            (member.state, member.status) = (state, "Otherwise".to_owned());
            refused(&spec(), &troubled, "dn-4.x", "is Otherwise");
        }
    }
    for version in ["2.0.1-beta", "1.3.3", "2.0", ""] {
        let old = Topology { version: version.to_owned(), ..topology(4) };
        refused(&spec(), &old, "dn-4.x", "cannot be told to remove");
    }
    let simple = "org.apache.iotdb.consensus.simple.SimpleConsensus".to_owned();
    let settings = [("data_region_consensus_protocol_class".to_owned(), simple)].into();
    refused(&ClusterSpec { settings, ..spec() }, &topology(4), "dn-4.x", "SimpleConsensus");
}

pub(crate) fn say(sim: &mut db_engine::iotdb::sim::IotdbSim, sql: &str, now_ms: u64) -> Answer {
    sim.answer("dn-0", &Statement::change(sql), now_ms).unwrap()
}

/// As recorded of the removal of a running DataNode: `Removing` at once, its row gone after 25 s, no
/// answer from then on, its process at its end 19 s later, and a new id once it is started again.
#[test]
fn a_member_that_is_removed_leaves_ends_and_comes_back_as_another() {
    let mut sim = grown();
    up(&mut sim, "dn-3", 20_000);
    assert_eq!(say(&mut sim, "REMOVE DATANODE 6", 30_000), Answer::Accepted);
    let leaving = read(&mut sim, "dn-0", 30_001).members["dn-3"].clone();
    assert_eq!((leaving.id, leaving.state), (6, MemberState::Leaving));
    assert!(matches!(say(&mut sim, "REMOVE DATANODE 5", 31_000), Answer::Refused { .. }));
    assert!(sim.serves("dn-3", 54_999) && sim.joined("dn-3", 54_999));
    assert!(!sim.serves("dn-3", 55_000) && !sim.joined("dn-3", 55_000));
    assert!(!read(&mut sim, "dn-0", 55_000).members.contains_key("dn-3"));
    // Whoever sees that its process runs does not bring it back.
    sim.member_up(MemberKind::DataNode, "dn-3", Ports::default_of(MemberKind::DataNode), 60_000);
    assert!(!sim.joined("dn-3", 60_000) && sim.has_left("dn-3", 60_000));
    assert!(!sim.ends("dn-3", 73_999) && sim.ends("dn-3", 74_000));
    sim.member_down("dn-3", 74_000);
    assert!(!sim.is_parting());
    up(&mut sim, "dn-3", 75_000);
    assert_eq!(read(&mut sim, "dn-0", 90_000).members["dn-3"].id, 7);
}

#[test]
fn a_removal_is_refused_as_the_source_says() {
    let mut sim = grown();
    let code = |answer| match answer {
        Answer::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(say(&mut sim, "REMOVE DATANODE 5", 20_000)), 1001, "two would stay of three");
    assert_eq!(code(say(&mut sim, "REMOVE DATANODE 0", 20_000)), 1004, "a ConfigNode");
    assert_eq!(code(say(&mut sim, "REMOVE DATANODE 77", 20_000)), 1004);
    assert_eq!(code(say(&mut sim, "REMOVE DATANODE x", 20_000)), 1004);
    assert_eq!(code(say(&mut sim, "REMOVE CONFIGNODE 1", 20_000)), 700, "not played");
    let read = sim.answer("dn-0", &Statement::read("REMOVE DATANODE 5"), 20_000);
    assert!(matches!(read, Some(Answer::Refused { code: 301, .. })));
}

/// What goes on elsewhere keeps its ids, and gives nobody's again; who was leaving leaves.
#[test]
fn a_cluster_goes_on_as_it_was_seen() {
    let mut sim = grown();
    let mut seen = read(&mut sim, "dn-0", 20_000);
    seen.cluster_id = "seen elsewhere".to_owned();
    seen.members.get_mut("dn-1").unwrap().id = 17;
    let leaver = seen.members.get_mut("dn-2").unwrap();
    (leaver.id, leaver.state) = (12, MemberState::Leaving);
    let mut other = grown();
    up(&mut other, "dn-3", 20_000);
    other.goes_on_as(&seen, 30_000);
    let now = read(&mut other, "dn-0", 30_001);
    assert_eq!(now.cluster_id, "seen elsewhere");
    let id = |name: &str| now.members[name].id;
    assert_eq!((id("cn-0"), id("dn-0"), id("dn-1"), id("dn-2"), id("dn-3")), (0, 3, 17, 12, 18));
    assert_eq!(now.members["dn-2"].state, MemberState::Leaving);
    up(&mut other, "dn-4", 30_002);
    assert_eq!(read(&mut other, "dn-0", 40_000).members["dn-4"].id, 19);
    assert!(!other.joined("dn-2", 55_000));
}
