//! How a DataNode hands what it stores to the others and leaves: `REMOVE DATANODE`.
//!
//! The statement only submits; the ConfigNodes move every region replica of the DataNode to others, and
//! its row vanishes from `SHOW DATANODES` when it holds none (recorded: 25 s with two regions, 1 s with
//! none). Its process ends some 20 s later, and one that is started again joins under a new NodeID.

use crate::cluster::{ClusterSpec, version_numbers};
use crate::engine::{MemberState, Topology, TopologyMember, Unfit, host};
use crate::statement::Statement;

/// The first release that takes the statement in SQL (release history of IoTDB; 1.3.4 does too).
const SINCE: [u64; 3] = [2, 0, 2];

/// How the member at an address is told to leave.
///
/// # Errors
/// [`Unfit`] where IoTDB would refuse, or where a replica would be moved while another is away: the
/// checks of its own `RemoveDataNodeHandler`, and every other member must run.
pub fn statement(
    cluster: &ClusterSpec,
    topology: &Topology,
    address: &str,
) -> Result<Statement, Unfit> {
    let Some(member) = topology.members.get(address).filter(|it| it.kind == "DataNode") else {
        return Err(Unfit::new(
            "the database lists no DataNode at its address",
            "see `tsinfra status`, then plan again",
        ));
    };
    removable(cluster, topology)?;
    fit(cluster, address, member)?;
    if let Some((name, away)) = not_running(topology, address) {
        let help = match away.state {
            MemberState::Leaving => "wait until it has left, then plan again",
            _ => "wait if it is only starting; else bring it back first, then plan again",
        };
        let status = &away.status;
        return Err(Unfit::new(
            format!("{name} is {status}, and regions are moved safely only while all members run"),
            help,
        ));
    }
    enough_stay(cluster, topology)?;
    Ok(Statement::change(format!("REMOVE DATANODE {}", member.id)))
}

/// Whether this release and these consensus protocols can remove DataNodes at all.
pub(super) fn removable(cluster: &ClusterSpec, topology: &Topology) -> Result<(), Unfit> {
    let version = &topology.version;
    if version_numbers(version) < SINCE.to_vec() {
        return Err(Unfit::new(
            format!("IoTDB {version} cannot be told to remove a DataNode by a statement"),
            "upgrade the cluster to 2.0.2 or later first",
        ));
    }
    let simple = cluster.settings.iter().find(|(name, value)| {
        name.ends_with("region_consensus_protocol_class") && value.ends_with("SimpleConsensus")
    });
    match simple {
        Some((name, _)) => Err(Unfit::new(
            format!("`{name}` is SimpleConsensus, whose regions IoTDB cannot move"),
            "declare a new cluster and move the data",
        )),
        None => Ok(()),
    }
}

/// Whether the member itself can leave: it runs; or it is gone for good, and nothing is lost with it. One
/// without a second replica of anything is refused by IoTDB unless it runs.
fn fit(cluster: &ClusterSpec, address: &str, member: &TopologyMember) -> Result<(), Unfit> {
    let replicas = cluster.schema_replication.min(cluster.data_replication);
    let holds_nothing = member.regions == 0 && replicas > 1;
    match member.state {
        MemberState::Running => Ok(()),
        MemberState::Unknown if holds_nothing => Ok(()),
        _ => Err(Unfit::new(
            format!("{} is {}", host(address), member.status),
            "bring it back first, so that it hands over what it stores, then plan again",
        )),
    }
}

/// Another member that does not run, and its name.
fn not_running<'a>(topology: &'a Topology, leaver: &str) -> Option<(&'a str, &'a TopologyMember)> {
    let mut others = topology.members.iter().filter(|(address, _)| *address != leaver);
    let away = others.find(|(_, one)| one.state != MemberState::Running);
    away.map(|(address, one)| (host(address), one))
}

/// As many DataNodes stay as there are replicas of each region.
pub(super) fn enough_stay(cluster: &ClusterSpec, topology: &Topology) -> Result<(), Unfit> {
    let is_data = |member: &&TopologyMember| member.kind == "DataNode";
    let stay = topology.members.values().filter(is_data).count().saturating_sub(1);
    let replicas = cluster.schema_replication.max(cluster.data_replication);
    if stay < usize::try_from(replicas).unwrap_or(usize::MAX) {
        return Err(Unfit::new(
            format!("{stay} DataNodes would stay, and regions have {replicas} replicas"),
            "keep or add more members: replication cannot be lowered",
        ));
    }
    Ok(())
}
