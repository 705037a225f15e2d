//! Which DataNode holds which region replica: `SHOW REGIONS`, read.

use crate::engine::{MemberState, Topology, TopologyMember, Unreadable};
use crate::holdings::{Holdings, Partitions, Told};
use crate::iotdb::talk::{REGIONS, Rows, VARIABLES};
use crate::placement::layout::{Kind, Part};
use crate::statement::{Answer, Statement};

/// What to ask any one DataNode.
pub fn survey() -> Vec<Statement> {
    [REGIONS, VARIABLES].map(|show| Statement::read(show.text)).into()
}

/// What the answers to [`survey`], in its order, say, beside the members a [`Topology`] lists. No rows of regions say
/// that nobody holds any.
///
/// # Errors
/// [`Unreadable`] for a refused, missing or odd answer, and for a replica on a DataNode that is not listed (it came or
/// went between the two): ask again.
pub fn read(answers: &[Answer], topology: &Topology) -> Result<Holdings, Unreadable> {
    let mut members: Vec<(&String, &TopologyMember)> =
        topology.members.iter().filter(|(_, member)| member.kind == "DataNode").collect();
    members.sort_by_key(|(_, member)| member.id);
    let odd = |column| Unreadable::Column { statement: REGIONS.text.to_owned(), column };
    let (told, written) = match answers.first() {
        Some(Answer::Table(table)) if table.rows.is_empty() => (Vec::new(), 0),
        answer => {
            let rows = Rows::of(REGIONS, answer)?;
            let written = rows.counts("TimeSlotNum")?.into_iter().max().unwrap_or(0);
            (told(&rows, &members, odd)?, written)
        }
    };
    let members = members.into_iter().map(|(address, member)| (address.clone(), part(member)));
    let holdings = Holdings::of(members.collect(), told).map_err(|_| odd("DataNodeId"))?;
    let interval = interval(&Rows::of(VARIABLES, answers.get(1))?)?;
    let partitions = interval.map(|interval| Partitions { interval, written });
    Ok(Holdings { partitions, ..holdings })
}

/// `TimePartitionInterval`, in seconds; it is told in the cluster's precision.
fn interval(rows: &Rows<'_>) -> Result<Option<u64>, Unreadable> {
    let (names, values) = (rows.texts("Variable")?, rows.column("Value", |it| it.as_str())?);
    let value = |name: &str| Some(values[names.iter().position(|it| *it == name)?]);
    let a_second = match value("TimestampPrecision") {
        Some("us") => 1_000_000,
        Some("ns") => 1_000_000_000,
        _ => 1_000,
    };
    let interval = value("TimePartitionInterval").and_then(|it| it.parse::<u64>().ok());
    Ok(interval.map(|interval| interval / a_second).filter(|interval| *interval > 0))
}

fn told(
    rows: &Rows<'_>,
    members: &[(&String, &TopologyMember)],
    odd: impl Fn(&'static str) -> Unreadable,
) -> Result<Vec<Told>, Unreadable> {
    let (groups, kinds) = (rows.ids("RegionId")?, rows.texts("Type")?);
    let (databases, nodes) = (rows.texts("Database")?, rows.ids("DataNodeId")?);
    let (roles, sizes) = (rows.texts("Role")?, rows.column("TsFileSize", |it| it.as_str())?);
    let mut told = Vec::with_capacity(groups.len());
    for (at, group) in groups.into_iter().enumerate() {
        let member = members.binary_search_by_key(&nodes[at], |(_, member)| member.id);
        let (address, _) = members[member.map_err(|_| odd("DataNodeId"))?];
        told.push(Told {
            group,
            kind: if kinds[at] == "SchemaRegion" { Kind::Schema } else { Kind::Data },
            database: databases[at].to_owned(),
            member: address.clone(),
            bytes: size(sizes[at]),
            leads: roles[at] == "Leader",
        });
    }
    Ok(told)
}

/// What a DataNode does about replicas. A ReadOnly one is given none (recorded).
fn part(member: &TopologyMember) -> Part {
    match member.state {
        MemberState::Running => Part::Shares,
        MemberState::ReadOnly => Part::Gives,
        MemberState::Leaving => Part::Empties,
        MemberState::Unknown => Part::Keeps,
    }
}

/// The units of sizes, each 1,024 of the one before.
pub(super) const UNITS: [&str; 6] = ["B", "KB", "MB", "GB", "TB", "PB"];

/// A size as IoTDB writes it, e.g. `43.03 KB` (units of 1,024); `Unknown` and nothing at all are none.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let power = UNITS.iter().position(|known| *known == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let digits = u32::try_from(part.len()).ok().filter(|digits| *digits <= 9)?;
    let (part, of) = (part.parse::<u64>().ok()?, 10_u64.pow(digits));
    let unit = 1_u64 << (10 * power);
    let part = u128::from(part) * u128::from(unit) / u128::from(of);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}
