//! A DataNode that is gone for good: what IoTDB is told, when it must not be, and what the simulated one does.

use db_engine::cluster::{ClusterSpec, EngineKind};
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology};
use db_engine::statement::Answer;

use crate::leave::{say, spec, topology};
use crate::sim::{grown, read, up};

/// A cluster of so many DataNodes whose last one has not been heard of lately.
fn with_one_lost(data_nodes: i64) -> Topology {
    let mut topology = topology(data_nodes);
    let lost = topology.members.get_mut(&format!("dn-{data_nodes}.x")).unwrap();
    (lost.state, lost.status) = (MemberState::Unknown, "Unknown".to_owned());
    topology
}

fn told(spec: &ClusterSpec, topology: &Topology, address: &str) -> Result<String, String> {
    let said = driver(EngineKind::Iotdb).give_up(spec, topology, address);
    said.map(|statement| statement.text).map_err(|unfit| unfit.reason)
}

#[test]
fn who_is_gone_is_given_up_also_with_what_it_stored() {
    assert_eq!(told(&spec(), &with_one_lost(4), "dn-4.x"), Ok("REMOVE DATANODE 4".to_owned()));
}

#[test]
fn nobody_is_given_up_who_lives_or_has_the_last_replica_of_something() {
    let refused = |spec: &ClusterSpec, topology: &Topology, address: &str, why: &str| {
        let reason = told(spec, topology, address).unwrap_err();
        assert!(reason.contains(why), "{reason}");
    };
    refused(&spec(), &topology(4), "dn-4.x", "it is Running");
    refused(&spec(), &with_one_lost(4), "dn-9.x", "lists no member");
    refused(&spec(), &with_one_lost(3), "dn-3.x", "2 DataNodes would stay, and regions have 3");
    let mut leaving = with_one_lost(4);
    let member = leaving.members.get_mut("dn-4.x").unwrap();
    (member.state, member.status) = (MemberState::Leaving, "Removing".to_owned());
    refused(&spec(), &leaving, "dn-4.x", "it is Removing");
    let mut two = with_one_lost(4);
    let member = two.members.get_mut("dn-1.x").unwrap();
    (member.state, member.status) = (MemberState::Unknown, "Unknown".to_owned());
    refused(&spec(), &two, "dn-4.x", "is Unknown, and may hold the only other replica");
    // The ConfigNode of the same machine.
    let mut with_a_voter = with_one_lost(4);
    let member = with_a_voter.members.get_mut("cn-0.x").unwrap();
    (member.state, member.status) = (MemberState::Unknown, "Unknown".to_owned());
    assert!(told(&spec(), &with_a_voter, "dn-4.x").is_ok());
    let single = ClusterSpec { schema_replication: 1, ..spec() };
    refused(&single, &with_one_lost(4), "dn-4.x", "no second replica");
    let single = ClusterSpec { data_replication: 1, ..spec() };
    refused(&single, &with_one_lost(4), "dn-4.x", "no second replica");
    let mut voter = topology(4);
    let member = voter.members.get_mut("cn-0.x").unwrap();
    (member.state, member.status) = (MemberState::Unknown, "Unknown".to_owned());
    refused(&spec(), &voter, "cn-0.x", "is a ConfigNode");
    let old = Topology { version: "2.0.1-beta".to_owned(), ..with_one_lost(4) };
    refused(&spec(), &old, "dn-4.x", "cannot be told to remove");
}

/// As recorded of the removal of a killed DataNode: it stays `Unknown` until its row is gone, and joins under
/// a new id once it is started empty.
#[test]
fn a_dead_member_stays_unknown_until_it_is_off_the_list_and_comes_back_as_another() {
    let mut sim = grown();
    up(&mut sim, "dn-3", 20_000);
    sim.member_down("dn-3", 30_000);
    assert_eq!(say(&mut sim, "REMOVE DATANODE 6", 40_000), Answer::Accepted);
    let leaving = read(&mut sim, "dn-0", 50_000).members["dn-3"].clone();
    assert_eq!((leaving.id, leaving.state), (6, MemberState::Unknown));
    assert!(!read(&mut sim, "dn-0", 65_000).members.contains_key("dn-3"));
    up(&mut sim, "dn-3", 70_000);
    assert_eq!(read(&mut sim, "dn-0", 90_000).members["dn-3"].id, 7);
}
