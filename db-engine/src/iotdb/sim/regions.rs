//! The region replicas of a simulated cluster: as many as it was loaded with, and where they are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::IotdbSim;
use super::member::{MemberKind, status};
use crate::iotdb::regions::UNITS;
use crate::placement::apart::Apart;
use crate::placement::evacuate::evacuate;
use crate::placement::fill::Wanted;
use crate::placement::layout::{Group, Kind, Layout, Member, Part, Replica};
use crate::placement::spread::{NewGroups, Width, spread};

/// What a cluster is loaded with: region groups with as much in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Databases; each has one group of schema besides.
    pub databases: u32,
    /// Groups of data, of all databases together.
    pub groups: u32,
    /// Bytes of each of their replicas.
    pub bytes: u64,
    /// Time partitions written by now.
    pub partitions: u64,
}

/// A region group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Region {
    is_schema: bool,
    /// Its database, by its place in the list of them.
    database: u32,
    bytes: u64,
    partitions: u64,
    /// Which nodes hold it, by id; the first one leads.
    nodes: Vec<i64>,
}

/// All of them, by id. Shared: whoever asks a cluster something has a copy of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Regions(Arc<Vec<Region>>);

impl Regions {
    /// How many replicas of schema and of data each of some nodes holds, by their ids in ascending order.
    pub(super) fn counts(&self, nodes: &[i64]) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); nodes.len()];
        for region in self.0.iter() {
            for place in region.nodes.iter().filter_map(|node| nodes.binary_search(node).ok()) {
                match region.is_schema {
                    true => counts[place].0 += 1,
                    false => counts[place].1 += 1,
                }
            }
        }
        counts
    }

    /// How many groups of schema and of data a database has.
    pub(super) fn of_database(&self, database: usize) -> (u64, u64) {
        let its = self.0.iter().filter(|region| region.database as usize == database);
        its.fold((0, 0), |(schema, data), region| match region.is_schema {
            true => (schema + 1, data),
            false => (schema, data + 1),
        })
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IotdbSim {
    /// Writes to the cluster until it holds so much, spread over the DataNodes that run. Whether it could: it has
    /// members enough, and held nothing.
    pub fn load(&mut self, load: Load) -> bool {
        let nodes: Vec<i64> = self.data_nodes().collect();
        let members: Vec<Member> =
            (0..).zip(&nodes).map(|(place, _)| Member::plain(place)).collect();
        let layout = Layout::of(members);
        let (apart, width) = (Apart::Members, Width::Scatter);
        let (schema, data) = (self.founding.schema_replication, self.founding.data_replication);
        let placed = [(true, load.databases, schema), (false, load.groups, data)].map(
            |(is_schema, groups, replicas)| {
                let wanted = NewGroups { groups, replicas, apart, width };
                let found = if groups == 0 { None } else { Some(spread(&layout, &wanted).ok()?) };
                Some((is_schema, found))
            },
        );
        let [Some(schema), Some(data)] = placed else { return false };
        if !self.regions.is_empty() || load.databases == 0 {
            return false;
        }
        let mut regions = Vec::new();
        for (is_schema, found) in [schema, data] {
            let Some(found) = found else { continue };
            for (place, members) in (0_u32..).zip(found.groups()) {
                let leads = place as usize % members.len();
                let mut nodes: Vec<i64> =
                    members.iter().map(|member| nodes[*member as usize]).collect();
                nodes.rotate_left(leads);
                let (bytes, partitions) =
                    if is_schema { (0, 0) } else { (load.bytes, load.partitions) };
                let database = place % load.databases;
                regions.push(Region { is_schema, database, bytes, partitions, nodes });
            }
        }
        let names = (0..load.databases).map(|place| format!("root.load{place}"));
        self.databases = names.collect();
        self.regions = Regions(Arc::new(regions));
        true
    }

    /// Who leaves hands its replicas to others, as evenly as can be. What has no other place is gone with it: IoTDB
    /// refuses to remove a DataNode then.
    pub(super) fn hand_over(&mut self, leaving: &[i64]) {
        let holds = |region: &Region| region.nodes.iter().any(|node| leaving.contains(node));
        if !self.regions.0.iter().any(holds) {
            return;
        }
        let nodes: Vec<i64> = self.data_nodes().collect();
        let part = |node: &i64| if leaving.contains(node) { Part::Empties } else { Part::Shares };
        let members = (0..)
            .zip(&nodes)
            .map(|(place, node)| Member { part: part(node), ..Member::plain(place) });
        let mut layout = Layout::of(members.collect());
        let place =
            |node: &i64| nodes.binary_search(node).ok().and_then(|it| u32::try_from(it).ok());
        let regions = Arc::make_mut(&mut self.regions.0);
        for region in regions.iter() {
            let members = region.nodes.iter().filter_map(place);
            let replicas: Vec<Replica> =
                members.map(|member| Replica { member, bytes: region.bytes.max(1) }).collect();
            let (kind, load) = (Kind::Data, 1);
            let group = Group { kind, database: region.database, load, leader: None };
            // A group without replicas is at its place all the same, on whoever comes first.
            let nobody = [Replica { member: 0, bytes: 0 }];
            let replicas = if replicas.is_empty() { &nobody[..] } else { &replicas };
            if layout.push(group, replicas).is_err() {
                return;
            }
        }
        let moves = evacuate(&layout, Wanted::default()).map(|found| found.moves);
        for one in moves.unwrap_or_default() {
            let (from, to) = (nodes[one.from as usize], nodes[one.to as usize]);
            let held = &mut regions[one.group as usize].nodes;
            held.iter_mut().filter(|node| **node == from).for_each(|node| *node = to);
        }
        for region in regions {
            region.nodes.retain(|node| !leaving.contains(node));
        }
    }

    fn data_nodes(&self) -> impl Iterator<Item = i64> {
        let is_data = |(_, node): &(&i64, &super::Node)| node.kind == MemberKind::DataNode;
        self.nodes.iter().filter(is_data).map(|(id, _)| *id)
    }
}

/// `SHOW REGIONS`, of one kind or of both: one row for each replica.
pub(super) fn rows(sim: &IotdbSim, now_ms: u64, kinds: &[bool]) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    let regions = sim.regions.0.iter().enumerate().filter(|(_, it)| kinds.contains(&it.is_schema));
    for (id, region) in regions {
        for (place, node_id) in region.nodes.iter().enumerate() {
            let Some(node) = sim.nodes.get(node_id) else { continue };
            rows.push(vec![
                json!(id),
                json!(if region.is_schema { "SchemaRegion" } else { "DataRegion" }),
                json!(status(*node_id, node, now_ms)),
                json!(sim.databases.get(region.database as usize)),
                json!(1),
                json!(region.partitions),
                json!(node_id),
                json!(node.address),
                json!(node.ports.rpc),
                json!(node.address),
                json!(if place == 0 { "Leader" } else { "Follower" }),
                json!("2026-11-22T08:40:07.557"),
                json!(size(region)),
            ]);
        }
    }
    rows
}

/// A size as IoTDB writes it: in a unit of 1,024s, with two decimals; `Unknown` before anything was flushed, and
/// nothing for schema.
fn size(region: &Region) -> String {
    if region.is_schema {
        return String::new();
    }
    if region.bytes == 0 {
        return "Unknown".to_owned();
    }
    let power = (region.bytes.ilog2() / 10).min(5);
    let unit = 1_u64 << (10 * power);
    let hundredths = u128::from(region.bytes % unit) * 100 / u128::from(unit);
    format!("{}.{hundredths:02} {}", region.bytes / unit, UNITS[power as usize])
}
