//! Who holds what, from the recorded answers and from the simulated cluster.

use db_engine::cluster::EngineKind;
use db_engine::drivers::driver;
use db_engine::iotdb::regions::size;
use db_engine::iotdb::sim::Load;
use db_engine::placement::layout::Part;
use db_engine::statement::{Answer, Table};
use serde_json::json;

use super::leave::topology;

fn regions(rows: &[(i64, &str, i64, &str, &str)]) -> Answer {
    let columns = db_engine::iotdb::talk::REGIONS.columns;
    let row = |(id, kind, node, role, size): &(i64, &str, i64, &str, &str)| {
        vec![
            json!(id),
            json!(kind),
            json!("Running"),
            json!("root.sg1"),
            json!(3),
            json!(7),
            json!(node),
            json!("127.0.0.21"),
            json!(6767),
            json!("127.0.0.21"),
            json!(role),
            json!("2026-11-22T08:40:07.557"),
            json!(size),
        ]
    };
    let columns = columns.iter().map(|it| (*it).to_owned()).collect();
    Answer::Table(Table { columns, rows: rows.iter().map(row).collect() })
}

fn variables(interval: &str) -> Answer {
    let columns = vec!["Variable".to_owned(), "Value".to_owned()];
    let rows = vec![
        vec![json!("TimePartitionInterval"), json!(interval)],
        vec![json!("TimestampPrecision"), json!("ms")],
    ];
    Answer::Table(Table { columns, rows })
}

#[test]
fn regions_are_read_with_their_sizes_leaders_and_partitions() {
    let topology = topology(3);
    let ids: Vec<i64> = {
        let data = topology.members.values().filter(|it| it.kind == "DataNode");
        data.map(|it| it.id).collect()
    };
    let answers = [
        regions(&[
            (4, "DataRegion", ids[0], "Leader", "1.50 GB"),
            (4, "DataRegion", ids[2], "Follower", "1.25 GB"),
            (1, "SchemaRegion", ids[1], "Leader", ""),
        ]),
        variables("604800000"),
    ];
    let held = driver(EngineKind::Iotdb).read_holdings(&answers, &topology).unwrap();
    assert_eq!(held.groups, [1, 4]);
    assert!(held.is_sized);
    assert_eq!(held.partitions.map(|it| (it.interval, it.written)), Some((604_800, 7)));
    let places: Vec<u32> = held.layout.holders(1).to_vec();
    assert_eq!(held.layout.leader(1), Some(places[0]));
    assert_eq!(held.layout.held().iter().sum::<u64>(), (11 << 30) / 4);
    assert!(held.layout.members().iter().all(|it| it.part == Part::Shares));
}

/// A replica on a DataNode that is not listed means that one came or went in between.
#[test]
fn a_replica_on_a_stranger_is_unreadable() {
    let answers = [regions(&[(4, "DataRegion", 99, "Leader", "1 GB")]), variables("604800000")];
    assert!(driver(EngineKind::Iotdb).read_holdings(&answers, &topology(3)).is_err());
}

#[test]
fn sizes_are_read_as_iotdb_writes_them() {
    let kib = 1_u64 << 10;
    assert_eq!(size("43.50 KB"), Some(43 * kib + 512));
    assert_eq!(size("280 GB"), Some(280 * kib * kib * kib));
    assert_eq!(size("0 B"), Some(0));
    assert_eq!(["Unknown", "", "7", "1.x KB", "99999999999 PB"].map(size), [None; 5]);
}

/// What a simulated cluster is loaded with is told in the recorded form, and who leaves hands it over.
#[test]
fn who_leaves_a_simulated_cluster_hands_over_what_it_holds() {
    let (mut sim, asked, now) = (super::sim::grown(), "dn-0", 60_000);
    super::sim::up(&mut sim, "dn-3", 600);
    let load = Load { databases: 2, groups: 20, bytes: 3 << 30, partitions: 4 };
    assert!(sim.load(load));
    assert!(!sim.load(load), "it holds something already");
    let engine = driver(EngineKind::Iotdb);
    let held = |sim: &mut db_engine::iotdb::sim::IotdbSim, now| {
        let topology = super::sim::read(sim, asked, now);
        let answers = engine.holdings();
        let answers = answers.iter().map(|it| sim.answer(asked, it, now).unwrap());
        let answers: Vec<Answer> = answers.collect();
        (engine.read_holdings(&answers, &topology).unwrap(), topology)
    };
    let (before, topology) = held(&mut sim, now);
    assert_eq!(before.layout.group_count(), 22);
    let counted: u64 = topology.members.values().map(|it| it.regions).sum();
    assert_eq!(counted, before.layout.replica_count() as u64);
    let last = topology.members.values().map(|it| it.id).max().unwrap();
    let told = db_engine::statement::Statement::change(format!("REMOVE DATANODE {last}"));
    assert_eq!(sim.answer(asked, &told, now), Some(Answer::Accepted));
    let (after, _) = held(&mut sim, now + 60_000);
    assert_eq!(after.layout.replica_count(), before.layout.replica_count(), "none is lost");
    assert_eq!(after.members.len(), before.members.len() - 1);
}
