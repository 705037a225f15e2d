//! Members that leave a pool: what each is told, when it has left, and what goes then (rules 2, 6, 7).

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology, TopologyMember, Unfit, host};
use db_engine::statement::Statement;
use serde_json::Value;

use super::draft::PlanDraft;
use super::{PlanInput, claims, condemned, growth, order, orphans, retirement, teardown};
use crate::desired::{DesiredPool, members};
use crate::object::{ObjectKey, at};
use crate::observed::{DatabaseScope, DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::stack::Cluster;
use crate::wording;

/// How long a member may take at least to hand over what it stores, in seconds.
const DRAIN_SECONDS_MIN: u64 = 1800;

/// Bytes a second a member hands over at least: half of the least an engine limits itself to
/// (`region_migration_speed_limit_bytes_per_second` of IoTDB, 48 MiB).
const DRAIN_BYTES_A_SECOND: u64 = 24 * 1024 * 1024;

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
    told: Option<Statement>,
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
        for ordinal in (self.desired.replicas()..self.has).rev() {
            leavers.push((ordinal, self.leaver(input, &mut topology, ordinal)?));
        }
        Ok(leavers)
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
        let pod = self.pod(ordinal);
        let listed = match topology.members.get(&address) {
            None => None,
            Some(member) => {
                let told = match member.state {
                    MemberState::Leaving => None,
                    _ => Some(self.statement(input, topology, &address)?),
                };
                let is_away = member.state != MemberState::Running;
                let away = is_away.then(|| member.status.clone());
                Some(Listed { id: member.id, regions: member.regions, away, told })
            }
        };
        topology.members.remove(&address);
        Ok(Leaver { pod, address, listed })
    }

    fn statement(
        &self,
        input: &PlanInput<'_>,
        topology: &Topology,
        address: &str,
    ) -> Result<Statement, Unfit> {
        let spec = members::spec(input.stack, self.cluster);
        driver(self.cluster.engine).leave(&spec, topology, address)
    }

    fn pod(&self, ordinal: u32) -> ObjectKey {
        ObjectKey::pod_of(&self.desired.set, ordinal)
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

/// What the end of a claim above all members relies on, and comes after: that its member has left. `None`
/// where that is not so, or not known. One that is listed although its pod is gone is removed first, if
/// nothing is lost with it; else it is told.
pub fn parted(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, desired): (&str, &DesiredPool),
    ordinal: u32,
) -> Option<(Expect, BTreeSet<StepId>)> {
    let shrinking = Shrinking::with(input, name, desired, desired.replicas())?;
    let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(name) else {
        return None;
    };
    let pod = shrinking.pod(ordinal);
    let mut stopped = BTreeSet::new();
    match input.observed.objects.get(&pod) {
        Some(live) if live.is_leaving() => drop(stopped.insert(stops(plan, &pod))),
        Some(_) => return None,
        None => {}
    }
    let address = members::address(input.stack, &desired.set.name, ordinal);
    let member = topology.members.get(&address);
    if member.is_some_and(|member| member.state == MemberState::Running) {
        // Its pod went a moment ago, or it is not where its name says.
        return None;
    }
    let leaver = match shrinking.leaver(input, &mut topology.clone(), ordinal) {
        Ok(leaver) => leaver,
        Err(why) => {
            let member = member?;
            let holds = wording::regions(member.regions);
            let back = match retirement::is_retired(desired) {
                true => "Put its pool back into the stack to bring it back".to_owned(),
                false => "Raise `nodes` to bring it back".to_owned(),
            };
            plan.note(format!(
                "The database lists {} as {} ({holds}), and its set has no such member. It is kept, \
                 and so is its claim: {}. {back}.",
                pod.name, member.status, why.reason
            ));
            return None;
        }
    };
    let left = shrinking.left(&leaver);
    let database = &input.desired.clusters.get(name)?.database;
    let drained = drain(plan, &shrinking, database, &leaver, &stopped);
    stopped.extend(drained);
    Some((left, stopped))
}

/// Waits until the last pod of a member has stopped.
fn stops(plan: &mut PlanDraft, pod: &ObjectKey) -> StepId {
    let id = StepId(format!("stopped/{pod}"));
    let (title, until) =
        (format!("wait until {pod} has stopped"), Until::Gone { object: pod.clone() });
    let step = Step::waiting(
        title,
        "its claim goes after it",
        BTreeSet::new(),
        until,
        teardown::STOP_SECONDS_MIN,
    );
    plan.step(id.clone(), step);
    id
}

/// Each hands over what it stores, then it goes, then its claim does. `goes` adds the step by which its pod
/// goes and nobody takes its place. Answers the last of those.
pub(super) fn leave_one_by_one(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    (database, after): (&DatabaseScope, &BTreeSet<StepId>),
    goes: impl Fn(&mut PlanDraft, (u32, &Leaver), BTreeSet<StepId>) -> BTreeSet<StepId>,
) -> BTreeSet<StepId> {
    let leavers = shrinking.leavers(input).unwrap_or_default();
    let mut before = after.clone();
    let is_whole = |live: &LiveObject| live.has_rolled(i64::from(shrinking.has));
    if leavers.iter().all(|(_, leaver)| leaver.listed.is_some())
        && shrinking.live.is_some_and(|live| !is_whole(live))
    {
        before = [whole(plan, shrinking, &before)].into();
    }
    for (ordinal, leaver) in &leavers {
        let mut after = before.clone();
        after.extend(drain(plan, shrinking, database, leaver, &before));
        if *ordinal >= shrinking.has {
            before = after;
            continue;
        }
        let gone = goes(plan, (*ordinal, leaver), after);
        for (claim, _) in claims::of_member(input, &shrinking.desired.set, *ordinal) {
            condemned::member_left(input, plan, claim, shrinking.left(leaver), &gone);
        }
        before = gone;
    }
    before
}

/// Waits until members that still restart have come back: nobody is drained beside them.
fn whole(plan: &mut PlanDraft, shrinking: &Shrinking<'_>, after: &BTreeSet<StepId>) -> StepId {
    let because = "nobody is drained while others restart";
    order::rolled(plan, shrinking.desired, shrinking.has, because, after.clone())
}

fn drain(
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    database: &DatabaseScope,
    leaver: &Leaver,
    after: &BTreeSet<StepId>,
) -> Option<StepId> {
    let Listed { id, regions, away, told } = leaver.listed.as_ref()?;
    let (pod, address, of) = (&leaver.pod, &leaver.address, &shrinking.cluster.name);
    let (object, cluster_name) = (pod.clone(), of.clone());
    let whole = Expect::Whole { object, cluster: cluster_name, address: address.clone(), id: *id };
    let (title, name, set) = (shrinking.desired.title, &pod.name, &shrinking.desired.set);
    let (action, expects, heading) = match told {
        Some(statement) => {
            let holds = wording::regions(*regions);
            let (heading, ready) = match away {
                Some(status) => {
                    let heading = format!("remove {title} {name}, which is {status} ({holds})");
                    (format!("{heading}: `{}`", statement.text), None)
                }
                None => (
                    format!("drain {title} {name} ({holds}): `{}`", statement.text),
                    Some(Expect::Ready { object: shrinking.live.map_or(pod, |_| set).clone() }),
                ),
            };
            let (member, database) = (pod.clone(), database.clone());
            let statement = statement.clone();
            let expects = std::iter::once(whole).chain(ready).collect();
            (Action::Say { member, database, statement }, expects, heading)
        }
        None => (Action::Await, Vec::new(), format!("see {title} {name} leave the database")),
    };
    let step_id = StepId(format!("drain/{pod}"));
    let step = Step {
        action,
        title: heading,
        because: format!("a {title} leaves only once it holds nothing"),
        expects,
        after: after.clone(),
        until: Until::Left { cluster: of.clone(), address: address.clone(), id: *id },
        limit_seconds: drain_seconds(shrinking.size),
        risk: Risk::Moves,
        bytes: 0,
    };
    plan.step(step_id.clone(), step);
    Some(step_id)
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
