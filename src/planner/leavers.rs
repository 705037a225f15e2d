//! Members that leave a pool: who they are, what each is told, and when it has left (rules 2, 6, 7).

mod steps;

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology, TopologyMember, Unfit, host};
use db_engine::statement::Statement;
use serde_json::Value;

pub use steps::parted;
pub(super) use steps::{abandoned, is_to_be_abandoned, leave_one_by_one};

use super::{PlanInput, growth, lost, orphans, retirement};
use crate::desired::{DesiredPool, members};
use crate::object::{ObjectKey, at};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::step::{Expect, Until};
use crate::stack::Cluster;

/// How long a member may take at least to hand over what it stores, in seconds.
const DRAIN_SECONDS_MIN: u64 = 1800;

/// Bytes a second a member hands over at least: half of the least an engine limits itself to
/// (`region_migration_speed_limit_bytes_per_second` of IoTDB, 48 MiB).
pub(super) const DRAIN_BYTES_A_SECOND: u64 = 24 * 1024 * 1024;

/// A pool that has more members than it is to have.
pub(super) struct Shrinking<'a> {
    cluster: &'a Cluster,
    /// It, with as many members as it is to have.
    pub(super) desired: &'a DesiredPool,
    /// Its StatefulSet; `None`: it was taken away from around them.
    pub(super) live: Option<&'a LiveObject>,
    /// Members it has.
    pub(super) has: u32,
    /// What one of them can store at most, in bytes.
    size: u64,
    /// How the user has them all stay.
    stay: String,
}

/// A member that leaves.
pub(super) struct Leaver {
    /// Its pod.
    pub(super) pod: ObjectKey,
    address: String,
    /// Whether it is gone with its machine, or by the word of the user: nobody waits for it.
    pub(super) is_lost: bool,
    /// What is left to be done about it in the database; nothing if it is not listed there.
    listed: Option<Listed>,
}

/// A member the database lists.
struct Listed {
    id: i64,
    regions: u64,
    /// How the database calls its state, if it does not run.
    away: Option<String>,
    /// What it is told; `None`: it is leaving already.
    told: Option<Told>,
}

/// What the database is told of a member.
struct Told {
    statement: Statement,
    /// Whether what it holds is given up: it will not hand that over any more.
    gives_up: bool,
}

impl<'a> Shrinking<'a> {
    /// A pool that is there and has more members than it is to have. Members without their StatefulSet leave
    /// only a pool that is not declared any more: of one that is, it is made again first.
    pub(super) fn of(
        input: &PlanInput<'a>,
        cluster: &str,
        desired: &'a DesiredPool,
    ) -> Option<Self> {
        let live = input.observed.objects.get(&desired.set);
        let has = match live {
            Some(live) if live.is_leaving() => return None,
            Some(live) => u32::try_from(live.number("/spec/replicas")?).ok()?,
            None if retirement::is_retired(desired) => {
                orphans::members(&orphans::of_set(input, &desired.set))
            }
            None => return None,
        };
        let shrinking = Self::with(input, cluster, desired, has)?;
        // Of a pool that is to have none, all must have left, whatever its set says.
        let has_to_go = has > desired.replicas() || retirement::is_retired(desired);
        has_to_go.then_some(shrinking)
    }

    /// One that has this many members.
    fn with(
        input: &PlanInput<'a>,
        cluster: &str,
        desired: &'a DesiredPool,
        has: u32,
    ) -> Option<Self> {
        let live = input.observed.objects.get(&desired.set);
        let size = live.map_or(0, |live| growth::data_bytes(&live.value));
        let address = input.stack.pool_address(cluster, &desired.name);
        let stay = match retirement::is_retired(desired) {
            true => format!(
                "put [{address}] back into the stack; if it is called otherwise now, say so with [[moved]]"
            ),
            false => format!("set nodes = {has}"),
        };
        let cluster = input.stack.clusters.get(cluster)?;
        Some(Self { cluster, desired, live, has, size, stay })
    }

    /// Those that leave, with their ordinals, the highest first, or why they cannot. Above all members of the
    /// set are those that came back into the database while it shrank, and hold nothing.
    pub(super) fn leavers(&self, input: &PlanInput<'_>) -> Result<Vec<(u32, Leaver)>, Unfit> {
        if self.desired.role == Role::Control {
            return Err(Unfit::new(
                format!("{}s vote, and are not removed yet", self.desired.title),
                &self.stay,
            ));
        }
        let mut topology = match input.observed.databases.get(&self.cluster.name) {
            Some(DatabaseView::Seen(topology)) => self.who_will_be_there(input, topology),
            Some(DatabaseView::Unreachable { why }) => return Err(self.unheard(why)),
            Some(DatabaseView::Absent) | None => return Err(self.unheard("no member is ready")),
        };
        let mut leavers = Vec::new();
        for ordinal in self.listed_above(input, &topology).into_iter().rev() {
            match self.ghost(input, &mut topology, ordinal) {
                Ok(ghost) => leavers.push((ordinal, ghost)),
                Err(unfit) if retirement::is_retired(self.desired) => return Err(unfit),
                Err(_) => {}
            }
        }
        let mut members = Vec::new();
        let ordinals = (self.desired.replicas()..self.has).rev();
        // Those whose machine is gone are off the list first: nobody is drained beside one that is away.
        let (lost, others): (Vec<u32>, Vec<u32>) =
            ordinals.partition(|ordinal| self.is_lost(input, *ordinal));
        for ordinal in lost.into_iter().chain(others) {
            members.push((ordinal, self.leaver(input, &mut topology, ordinal)?));
        }
        members.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        leavers.extend(members);
        Ok(leavers)
    }

    /// Whether a member is gone with its machine, or by the word of the user.
    fn is_lost(&self, input: &PlanInput<'_>, ordinal: u32) -> bool {
        let pod = self.pod(ordinal);
        let is_said = input.consents.contains(&pod.to_string());
        !is_ready(input, &pod)
            && (is_said || lost::is_without_its_machine(input, self.desired, ordinal))
    }

    /// The members there will be when the first of them is told to leave. The end of a pool also waits for those
    /// that are starting.
    fn who_will_be_there(&self, input: &PlanInput<'_>, topology: &Topology) -> Topology {
        let cluster = input.desired.clusters.get(&self.cluster.name);
        let pools = cluster.into_iter().flat_map(|cluster| &cluster.pools);
        let mut topology = with_those_to_come(input, pools, topology);
        let Some(cluster) = cluster.filter(|_| retirement::is_retired(self.desired)) else {
            return topology;
        };
        // Those of pools that leave before it are gone by then.
        let retired = retirement::pools(input, &self.cluster.name, cluster);
        let earlier = retired.iter().filter(|pool| pool.name < self.desired.name);
        for pool in cluster.pools.iter().chain(earlier) {
            let stays = |address: &String| {
                let of_it = ordinal_of(address).filter(|ordinal| {
                    *address == members::address(input.stack, &pool.set.name, *ordinal)
                });
                of_it.is_none_or(|ordinal| ordinal < pool.replicas())
            };
            topology.members.retain(|address, _| stays(address));
        }
        for pool in &cluster.pools {
            for ordinal in (0..pool.replicas()).filter(|it| is_starting(input, pool, *it)) {
                let address = members::address(input.stack, &pool.set.name, ordinal);
                let unknown = topology.members.get_mut(&address);
                if let Some(member) = unknown.filter(|it| it.state == MemberState::Unknown) {
                    member.state = MemberState::Running;
                }
            }
        }
        topology
    }

    /// Whether the database lists all of its members: those that are left will be ready.
    pub(super) fn all_are_listed(&self, input: &PlanInput<'_>) -> bool {
        let view = input.observed.databases.get(&self.cluster.name);
        let Some(DatabaseView::Seen(topology)) = view else { return false };
        let set = &self.desired.set.name;
        let addresses = (0..self.has).map(|it| members::address(input.stack, set, it));
        addresses.into_iter().all(|address| topology.members.contains_key(&address))
    }

    /// Members the database lists that the set has no more.
    fn listed_above(&self, input: &PlanInput<'_>, topology: &Topology) -> BTreeSet<u32> {
        let set = &self.desired.set;
        let ordinals = topology.members.keys().filter_map(|address| {
            let ordinal = ordinal_of(address).filter(|ordinal| *ordinal >= self.has)?;
            (*address == members::address(input.stack, &set.name, ordinal)).then_some(ordinal)
        });
        ordinals.collect()
    }

    /// One of those: it can only be taken off the list, once it has stopped and the database knows.
    fn ghost(
        &self,
        input: &PlanInput<'_>,
        topology: &mut Topology,
        ordinal: u32,
    ) -> Result<Leaver, Unfit> {
        let pod = self.pod(ordinal);
        let address = members::address(input.stack, &self.desired.set.name, ordinal);
        let runs =
            topology.members.get(&address).is_some_and(|it| it.state == MemberState::Running);
        if runs || input.observed.objects.contains_key(&pod) {
            return Err(Unfit::new(
                format!("{} is ended, and has not left the database", pod.name),
                format!(
                    "give its StatefulSet its members back, or {}; else wait until the database has noticed",
                    self.stay
                ),
            ));
        }
        self.leaver(input, topology, ordinal)
    }

    fn unheard(&self, why: &str) -> Unfit {
        Unfit::new(
            format!("without an answer from the database nobody can be drained: {why}"),
            format!("bring the database to answer, or {}", self.stay),
        )
    }

    /// One of them; what comes after it finds it gone.
    fn leaver(
        &self,
        input: &PlanInput<'_>,
        topology: &mut Topology,
        ordinal: u32,
    ) -> Result<Leaver, Unfit> {
        let address = members::address(input.stack, &self.desired.set.name, ordinal);
        let (pod, is_lost) = (self.pod(ordinal), self.is_lost(input, ordinal));
        let listed = match topology.members.get(&address) {
            None => None,
            Some(member) => {
                let told = match member.state {
                    MemberState::Leaving => None,
                    _ => Some(self.told(input, topology, (&address, &pod))?),
                };
                let is_away = member.state != MemberState::Running;
                let away = is_away.then(|| member.status.clone());
                Some(Listed { id: member.id, regions: member.regions, away, told })
            }
        };
        topology.members.remove(&address);
        Ok(Leaver { pod, address, is_lost, listed })
    }

    /// What the database is told of a member that leaves. One that is gone with what it holds is given up, if the
    /// user agrees to that.
    fn told(
        &self,
        input: &PlanInput<'_>,
        topology: &Topology,
        (address, pod): (&str, &ObjectKey),
    ) -> Result<Told, Unfit> {
        let spec = members::spec(input.stack, self.cluster);
        let driver = driver(self.cluster.engine);
        let refused = match driver.leave(&spec, topology, address) {
            Ok(statement) => return Ok(Told { statement, gives_up: false }),
            Err(unfit) if is_ready(input, pod) => return Err(unfit),
            Err(unfit) => unfit,
        };
        let given_up = driver.give_up(&spec, topology, address);
        if input.consents.contains(&pod.to_string()) {
            let named = |unfit: Unfit| {
                let reason = format!("{}: {}", pod.name, unfit.reason);
                Unfit { reason, ..unfit }
            };
            return given_up.map(|statement| Told { statement, gives_up: true }).map_err(named);
        }
        if given_up.is_err() {
            return Err(refused);
        }
        let (cluster, pool) = (&self.cluster.name, &self.desired.name);
        let elsewhere = match lost::is_bound_to_machines(input, cluster, pool) {
            true => String::new(),
            false => format!("; {}", lost::STARTED_ELSEWHERE),
        };
        let help = format!(
            "{}{elsewhere}. If what {} stored is gone for good, say so with --consent {pod}: the others make \
             that anew",
            refused.help, pod.name
        );
        Err(Unfit { help, ..refused })
    }

    fn pod(&self, ordinal: u32) -> ObjectKey {
        ObjectKey::pod_of(&self.desired.set, ordinal)
    }

    /// When its set has shrunk by a member that left: `is_whole`, if those that are left are ready by then. The pod of
    /// one whose machine is gone goes by a step of its own.
    pub(super) fn shrunk(
        &self,
        input: &PlanInput<'_>,
        (ordinal, leaver): (u32, &Leaver),
        is_whole: bool,
    ) -> Until {
        let object = self.desired.set.clone();
        let others_are_lost = (self.desired.replicas()..ordinal).any(|it| self.is_lost(input, it));
        if is_to_be_abandoned(input, leaver).is_some() {
            Until::Heard { object }
        } else if is_whole && !others_are_lost {
            Until::Rolled { object, replicas: ordinal }
        } else {
            Until::Gone { object: leaver.pod.clone() }
        }
    }

    /// Its members below an ordinal that are not gone for good.
    fn others(&self, leavers: &[(u32, Leaver)], below: u32) -> Vec<u32> {
        let is_lost = |ordinal: &u32| leavers.iter().any(|(it, one)| it == ordinal && one.is_lost);
        (0..below).filter(|ordinal| !is_lost(ordinal)).collect()
    }

    /// What everything that comes after a drain relies on.
    pub(super) fn left(&self, leaver: &Leaver) -> Expect {
        Expect::Left {
            object: leaver.pod.clone(),
            cluster: self.cluster.name.clone(),
            address: leaver.address.clone(),
        }
    }
}

/// The members there will be when somebody is told to leave: that comes after all whom the same plan makes, or
/// brings back with their StatefulSet, run in the database.
pub(super) fn with_those_to_come<'a>(
    input: &PlanInput<'_>,
    pools: impl IntoIterator<Item = &'a DesiredPool>,
    topology: &Topology,
) -> Topology {
    let mut topology = topology.clone();
    for pool in pools {
        let has = match input.observed.objects.get(&pool.set) {
            Some(live) => live.number("/spec/replicas").unwrap_or(0),
            None => i64::from(orphans::members(&orphans::of_set(input, &pool.set))),
        };
        let is_made = |address: &&String| {
            ordinal_of(address).is_some_and(|ordinal| i64::from(ordinal) >= has)
        };
        for address in pool.addresses.iter().filter(is_made) {
            let kind = pool.title.to_owned();
            let (state, status) = (MemberState::Running, "Running".to_owned());
            let new = TopologyMember { id: -1, kind, state, status: status.clone(), regions: 0 };
            let member = topology.members.entry(address.clone()).or_insert(new);
            (member.state, member.status) = (state, status);
        }
    }
    topology
}

/// Whether members of a pool are starting, and nothing is known that keeps them from it.
pub(super) fn starts(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    (0..pool.replicas()).any(|ordinal| is_starting(input, pool, ordinal))
}

/// Whether a member is starting: it is on a machine, and no container of it has failed yet.
fn is_starting(input: &PlanInput<'_>, pool: &DesiredPool, ordinal: u32) -> bool {
    let pod = input.observed.objects.get(&ObjectKey::pod_of(&pool.set, ordinal));
    let fails = |container: &Value| {
        let restarts = container.get("restartCount").and_then(Value::as_i64).unwrap_or(0);
        let waits = at(container, "/state/waiting/reason").and_then(Value::as_str);
        let is_made = matches!(waits, None | Some("ContainerCreating" | "PodInitializing"));
        restarts > 0 || !is_made
    };
    pod.is_some_and(|pod| {
        let containers = at(&pod.value, "/status/containerStatuses").and_then(Value::as_array);
        let failed = containers.into_iter().flatten().any(fails);
        pod.text("/spec/nodeName").is_some() && !pod.is_ready() && !pod.is_leaving() && !failed
    })
}

fn is_ready(input: &PlanInput<'_>, pod: &ObjectKey) -> bool {
    input.observed.objects.get(pod).is_some_and(LiveObject::is_ready)
}

/// How long a member may take to hand over all that a claim of this size can hold, in seconds.
pub(super) fn drain_seconds(size: u64) -> u64 {
    let seconds = DRAIN_SECONDS_MIN + size / DRAIN_BYTES_A_SECOND;
    // Nobody reads seconds of hours.
    seconds.next_multiple_of(60)
}

/// The number of a member, by the address it registers with.
pub(super) fn ordinal_of(address: &str) -> Option<u32> {
    host(address).rsplit_once('-')?.1.parse().ok()
}
