//! The tables a simulated cluster answers, in the recorded columns, order and JSON types.

use serde_json::{Value, json};

use super::IotdbSim;
use super::member::{MemberKind, Node, RUNNING, status};
use super::regions;
use crate::iotdb::talk::{self, Show};
use crate::statement::Table;

/// Whether a statement, in upper case with single blanks, is one answered with a table.
pub(super) fn answers(upper: &str) -> bool {
    find(upper).is_some()
}

/// The table a statement is answered with; `None` if it is not one of those played.
pub(super) fn table(sim: &IotdbSim, upper: &str, now_ms: u64) -> Option<Table> {
    let (show, rows) = find(upper)?;
    let columns = show.columns.iter().map(|&column| column.to_owned()).collect();
    Some(Table { columns, rows: rows(sim, now_ms) })
}

type Row = Vec<Value>;
type Rows = fn(&IotdbSim, u64) -> Vec<Row>;

fn find(upper: &str) -> Option<(Show, Rows)> {
    const ALL: [(Show, Rows); 10] = [
        (talk::CLUSTER_ID, cluster_id),
        (talk::VERSION, version),
        (talk::CLUSTER, cluster),
        (talk::CLUSTER_DETAILS, cluster_details),
        (talk::DATA_NODES, data_nodes),
        (talk::CONFIG_NODES, config_nodes),
        (talk::REGIONS, all_regions),
        (talk::DATABASES, databases),
        (talk::DATABASES_DETAILS, databases_details),
        (talk::VARIABLES, variables),
    ];
    match upper {
        "SHOW DATA REGIONS" => Some((talk::REGIONS, data_regions)),
        "SHOW SCHEMA REGIONS" => Some((talk::REGIONS, schema_regions)),
        _ => ALL.into_iter().find(|(show, _)| show.text == upper),
    }
}

fn cluster_id(sim: &IotdbSim, _: u64) -> Vec<Row> {
    vec![vec![json!(sim.founding.cluster_id)]]
}

fn version(sim: &IotdbSim, _: u64) -> Vec<Row> {
    vec![vec![json!(sim.founding.version), json!(sim.founding.build_info)]]
}

fn cluster(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    let row = |(&id, node): (&i64, &Node)| {
        let mut row = who(id, node, now_ms);
        row.extend(version(sim, now_ms).into_iter().flatten());
        row
    };
    sim.nodes.iter().map(row).collect()
}

fn cluster_details(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    let row = |(&id, node): (&i64, &Node)| {
        let ports = node.ports;
        // Ports beyond the internal one are text here, and empty where the kind has none.
        let more = match node.kind {
            MemberKind::ConfigNode => {
                let empty = String::new;
                [ports.consensus.to_string(), empty(), empty(), empty(), empty(), empty()]
            }
            MemberKind::DataNode => [
                String::new(),
                node.address.clone(),
                ports.rpc.to_string(),
                ports.exchange.to_string(),
                ports.schema.to_string(),
                ports.data.to_string(),
            ],
        };
        let mut row = who(id, node, now_ms);
        row.extend(more.map(Value::String));
        row.extend(version(sim, now_ms).into_iter().flatten());
        row
    };
    sim.nodes.iter().map(row).collect()
}

/// The five columns both forms of `SHOW CLUSTER` begin with.
fn who(id: i64, node: &Node, now_ms: u64) -> Row {
    vec![
        json!(id),
        json!(node.kind.word()),
        json!(status(id, node, now_ms)),
        json!(node.address),
        json!(node.ports.internal),
    ]
}

fn data_nodes(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    let row = |((&id, node), (schema, data)): ((&i64, &Node), (u64, u64))| {
        vec![
            json!(id),
            json!(status(id, node, now_ms)),
            json!(node.address),
            json!(node.ports.rpc),
            json!(data),
            json!(schema),
        ]
    };
    let data_nodes = || sim.nodes.iter().filter(|(_, node)| node.kind == MemberKind::DataNode);
    let ids: Vec<i64> = data_nodes().map(|(id, _)| *id).collect();
    data_nodes().zip(sim.regions.counts(&ids)).map(row).collect()
}

/// The eldest ConfigNode seen running leads; the real group elects any one.
fn config_nodes(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    let leader = sim.config_nodes().find(|(id, node)| status(*id, node, now_ms) == RUNNING);
    let leader = leader.map(|(id, _)| id);
    let row = |(id, node): (i64, &Node)| {
        vec![
            json!(id),
            json!(status(id, node, now_ms)),
            json!(node.address),
            json!(node.ports.internal),
            json!(if Some(id) == leader { "Leader" } else { "Follower" }),
        ]
    };
    sim.config_nodes().map(row).collect()
}

fn all_regions(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    regions::rows(sim, now_ms, &[true, false])
}

fn data_regions(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    regions::rows(sim, now_ms, &[false])
}

fn schema_regions(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    regions::rows(sim, now_ms, &[true])
}

fn databases(sim: &IotdbSim, _: u64) -> Vec<Row> {
    let founding = &sim.founding;
    let (schema, data) = (founding.schema_replication, founding.data_replication);
    let row =
        |name: &String| vec![json!(name), json!(schema), json!(data), json!(0), json!(604_800_000)];
    sim.databases.iter().map(row).collect()
}

/// A database without rows has no region groups yet; it may have one of schema and two of data.
fn databases_details(sim: &IotdbSim, now_ms: u64) -> Vec<Row> {
    let mut rows = databases(sim, now_ms);
    for (place, row) in rows.iter_mut().enumerate() {
        let (schema, data) = sim.regions.of_database(place);
        row.extend([schema, 1, schema.max(1), data, 2, data.max(2)].map(|number| json!(number)));
    }
    rows
}

fn variables(sim: &IotdbSim, _: u64) -> Vec<Row> {
    let founding = &sim.founding;
    let data = founding.data_replication.to_string();
    let schema = founding.schema_replication.to_string();
    let ratis = "org.apache.iotdb.consensus.ratis.RatisConsensus";
    let hash = "org.apache.iotdb.commons.partition.executor.hash.BKDRHashExecutor";
    let row = |(name, value): (&str, &str)| vec![json!(name), json!(value)];
    [
        ("ClusterName", founding.cluster_name.as_str()),
        ("DataReplicationFactor", &data),
        ("SchemaReplicationFactor", &schema),
        ("DataRegionConsensusProtocolClass", "org.apache.iotdb.consensus.iot.IoTConsensus"),
        ("SchemaRegionConsensusProtocolClass", ratis),
        ("ConfigNodeConsensusProtocolClass", ratis),
        ("TimePartitionOrigin", "0"),
        ("TimePartitionInterval", "604800000"),
        ("ReadConsistencyLevel", "strong"),
        ("SchemaRegionPerDataNode", "1"),
        ("DataRegionPerDataNode", "0"),
        ("SeriesSlotNum", "1000"),
        ("SeriesSlotExecutorClass", hash),
        ("DiskSpaceWarningThreshold", "0.05"),
        ("TimestampPrecision", "ms"),
    ]
    .map(row)
    .into()
}
