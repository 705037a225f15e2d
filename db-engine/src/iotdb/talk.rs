//! What IoTDB is asked about itself, and what its answers say.
//!
//! Columns are looked up by name, so that those a later release adds do no harm.

mod shows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::engine::{MemberState, Topology, TopologyMember, Unreadable};
use crate::statement::{Answer, Statement, Table};

pub use shows::{
    CLUSTER, CLUSTER_DETAILS, CLUSTER_ID, CONFIG_NODES, DATA_NODES, DATABASES, DATABASES_DETAILS,
    REGIONS, Show, VARIABLES, VERSION,
};

const SURVEY: [Show; 4] = [CLUSTER_ID, VERSION, CLUSTER, DATA_NODES];

/// What to ask any one DataNode. Region counts come from `SHOW DATANODES`, not `SHOW REGIONS`: there
/// a DataNode without regions has no row, so a cut or empty answer would read as "holds nothing",
/// and more than 10 000 replicas are over the REST service's row limit (code 708).
pub fn survey() -> Vec<Statement> {
    SURVEY.iter().map(|show| Statement::read(show.text)).collect()
}

/// What the answers to [`survey`], in its order, say.
///
/// A member's key is its internal address as registered. Two members on one address (a ConfigNode and
/// a DataNode on one host) are both keyed `address:port` instead; pods never share an address.
///
/// # Errors
/// [`Unreadable`] for a refused, missing, empty or odd answer, and for a DataNode that one of two
/// answers lacks (it came or went between them): ask again.
pub fn read(answers: &[Answer]) -> Result<Topology, Unreadable> {
    let [cluster_id, version, nodes, counts] = SURVEY;
    let cluster_id = Rows::of(cluster_id, answers.first())?.first_text("ClusterId")?;
    let version = Rows::of(version, answers.get(1))?.first_text("Version")?;
    let regions = region_counts(&Rows::of(counts, answers.get(3))?)?;
    let members = members(&Rows::of(nodes, answers.get(2))?, &regions)?;
    Ok(Topology { cluster_id, version, members })
}

/// Region replicas by NodeID.
fn region_counts(rows: &Rows<'_>) -> Result<BTreeMap<i64, u64>, Unreadable> {
    let data = rows.counts("DataRegionNum")?;
    let schema = rows.counts("SchemaRegionNum")?;
    let sums = data.iter().zip(schema).map(|(data, schema)| data.saturating_add(schema));
    let counts: BTreeMap<i64, u64> = rows.ids("NodeID")?.into_iter().zip(sums).collect();
    // Two rows of one node contradict each other; neither is believed.
    if counts.len() == rows.table.rows.len() { Ok(counts) } else { Err(rows.odd("NodeID")) }
}

fn members(
    rows: &Rows<'_>,
    regions: &BTreeMap<i64, u64>,
) -> Result<BTreeMap<String, TopologyMember>, Unreadable> {
    let ids = rows.ids("NodeID")?;
    let kinds = rows.texts("NodeType")?;
    let statuses = rows.texts("Status")?;
    let addresses = rows.texts("InternalAddress")?;
    let ports = rows.ids("InternalPort")?;
    let mut seen = BTreeSet::new();
    let shared: BTreeSet<&str> =
        addresses.iter().copied().filter(|address| !seen.insert(*address)).collect();
    let mut members = BTreeMap::new();
    for (at, &id) in ids.iter().enumerate() {
        let (kind, status, address) = (kinds[at], statuses[at], addresses[at]);
        let held = match regions.get(&id) {
            Some(&held) => held,
            None if kind == "DataNode" => return Err(rows.odd("NodeID")),
            None => 0,
        };
        let key = if shared.contains(address) {
            format!("{address}:{}", ports[at])
        } else {
            address.to_owned()
        };
        let member = TopologyMember {
            id,
            kind: kind.to_owned(),
            state: state(status),
            status: status.to_owned(),
            regions: held,
        };
        if members.insert(key, member).is_some() {
            return Err(rows.odd("InternalAddress"));
        }
    }
    Ok(members)
}

/// A status in the words all engines share. A reason may follow, as in `ReadOnly(DiskFull)`; a word
/// not known here is no promise that the member is well.
pub fn state(status: &str) -> MemberState {
    let word = status.split('(').next().unwrap_or_default().trim();
    match word {
        "Running" => MemberState::Running,
        "ReadOnly" => MemberState::ReadOnly,
        "Removing" => MemberState::Leaving,
        _ => MemberState::Unknown,
    }
}

/// A table with at least one row, whose every column read from it has a value in each row.
pub(super) struct Rows<'a> {
    show: Show,
    table: &'a Table,
}

impl<'a> Rows<'a> {
    pub(super) fn of(show: Show, answer: Option<&'a Answer>) -> Result<Self, Unreadable> {
        let statement = show.text.to_owned();
        match answer {
            Some(Answer::Table(table)) if !table.rows.is_empty() => Ok(Self { show, table }),
            Some(Answer::Refused { code, message }) => {
                Err(Unreadable::Refused { statement, code: *code, message: message.clone() })
            }
            _ => Err(Unreadable::Empty { statement }),
        }
    }

    fn odd(&self, column: &'static str) -> Unreadable {
        Unreadable::Column { statement: self.show.text.to_owned(), column }
    }

    pub(super) fn column<T>(
        &self,
        name: &'static str,
        value: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<T>, Unreadable> {
        let at = self.table.column(name).ok_or_else(|| self.odd(name))?;
        let cells = self.table.rows.iter().map(|row| row.get(at).and_then(&value));
        cells.collect::<Option<_>>().ok_or_else(|| self.odd(name))
    }

    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<&'a str>, Unreadable> {
        self.column(name, |value| value.as_str().filter(|text| !text.is_empty()))
    }

    pub(super) fn ids(&self, name: &'static str) -> Result<Vec<i64>, Unreadable> {
        self.column(name, Value::as_i64)
    }

    pub(super) fn counts(&self, name: &'static str) -> Result<Vec<u64>, Unreadable> {
        self.column(name, Value::as_u64)
    }

    fn first_text(&self, name: &'static str) -> Result<String, Unreadable> {
        self.texts(name)?.first().map(|&text| text.to_owned()).ok_or_else(|| self.odd(name))
    }
}
