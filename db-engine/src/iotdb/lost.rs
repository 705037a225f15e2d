//! How a DataNode that is gone for good, with all it stored, is taken off the list: `REMOVE DATANODE`.
//!
//! Recorded of one that was killed: it stays `Unknown` until its row vanishes (19 s with two regions), and
//! the other replicas of its regions make new ones on the members that are left. Started again on its old
//! data it is refused; started empty, it joins under a new NodeID.

use super::leave::{enough_stay, removable};
use crate::cluster::ClusterSpec;
use crate::engine::{MemberState, Topology, TopologyMember, Unfit, host};
use crate::statement::Statement;

/// How the member at an address is taken off the list.
///
/// # Errors
/// [`Unfit`] where IoTDB would refuse, and where the last replica of something would go with it: the checks
/// of its own `RemoveDataNodeHandler`, at least two replicas of everything, and every other DataNode must run,
/// so that each of its regions has a replica on a member that does.
pub fn statement(
    cluster: &ClusterSpec,
    topology: &Topology,
    address: &str,
) -> Result<Statement, Unfit> {
    let Some(member) = topology.members.get(address) else {
        return Err(Unfit::new(
            "the database lists no member at its address",
            "see `tsinfra status`, then plan again",
        ));
    };
    fit(cluster, address, member)?;
    removable(cluster, topology)?;
    if let Some(away) = another_away(topology, address) {
        return Err(Unfit::new(
            format!("{away}, and may hold the only other replica of what it stored"),
            "bring that one back first, then plan again",
        ));
    }
    enough_stay(cluster, topology).map_err(|unfit| Unfit {
        help:
            "raise `nodes` by one, with a volume for the new member, and replace it by that stack"
                .to_owned(),
        ..unfit
    })?;
    Ok(Statement::change(format!("REMOVE DATANODE {}", member.id)))
}

/// Another DataNode that does not run, as a clause. A ConfigNode may be away, as one of the same machine is:
/// regions are not on them, and that the database answers shows that most of them run.
fn another_away(topology: &Topology, lost: &str) -> Option<String> {
    let mut others = topology.members.iter().filter(|(address, one)| {
        *address != lost && one.kind == "DataNode" && one.state != MemberState::Running
    });
    others.next().map(|(address, one)| format!("{} is {}", host(address), one.status))
}

fn fit(cluster: &ClusterSpec, address: &str, member: &TopologyMember) -> Result<(), Unfit> {
    let (name, id) = (host(address), member.id);
    if member.kind != "DataNode" {
        return Err(Unfit::new(
            format!("{name} is a {}, and how IoTDB removes a dead one was never seen", member.kind),
            format!(
                "by hand, while the others run, with a volume for the new one in the stack: `REMOVE \
                 CONFIGNODE {id}`, then delete its claim and its pod; never the first one's, which would \
                 found another cluster"
            ),
        ));
    }
    match member.state {
        MemberState::Unknown => {}
        MemberState::Running | MemberState::ReadOnly => {
            return Err(Unfit::new(
                format!("the database hears of it: it is {}", member.status),
                "if it is gone, wait some seconds until the database has noticed; one that runs is not \
                 replaced",
            ));
        }
        MemberState::Leaving => {
            return Err(Unfit::new(
                format!("it is {}", member.status),
                "wait until the database lists it no more (`tsinfra status`), then plan again",
            ));
        }
    }
    match cluster.schema_replication.min(cluster.data_replication) {
        0 | 1 => Err(Unfit::new(
            "what it stored has no second replica: to give it up would be to lose that",
            "bring its machine or its disk back; IoTDB, too, removes it only while it runs",
        )),
        _ => Ok(()),
    }
}
