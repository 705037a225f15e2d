//! Fewer members: each hands what it stores to the others and leaves the database, then its StatefulSet
//! shrinks by one, then its claim goes. From the highest ordinal, one after the other (rules 2, 6, 7).

use std::collections::BTreeSet;

use db_engine::cluster::Role;
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, Topology, Unfit};
use db_engine::statement::Statement;
use serde_json::{Value, json};

use super::draft::{PlanDraft, ready_id, update_id};
use super::restarts::restarts_members;
use super::{PlanInput, condemned};
use crate::desired::{DesiredCluster, DesiredPool, members};
use crate::fields;
use crate::object::ObjectKey;
use crate::observed::{DatabaseScope, DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, Operation};
use crate::stack::{Cluster, Pool};
use crate::wording::{self, count};

/// How long a member may take at least to hand over what it stores, in seconds.
const DRAIN_SECONDS_MIN: u64 = 1800;

/// Bytes a second a member hands over at least: half of the least an engine limits itself to
/// (`region_migration_speed_limit_bytes_per_second` of IoTDB, 48 MiB).
const DRAIN_BYTES_A_SECOND: u64 = 24 * 1024 * 1024;

/// A pool that has more members than it is to have.
struct Shrinking<'a> {
    cluster: &'a Cluster,
    pool: &'a Pool,
    desired: &'a DesiredPool,
    /// Members its StatefulSet has.
    has: u32,
}

/// A member that leaves.
struct Leaver {
    pod: ObjectKey,
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
    fn of(
        input: &PlanInput<'a>,
        cluster: &str,
        desired: &'a DesiredPool,
        live: &LiveObject,
    ) -> Option<Self> {
        let has = u32::try_from(live.number("/spec/replicas")?).ok()?;
        let cluster = input.stack.clusters.get(cluster)?;
        let pool = cluster.pools.get(&desired.name)?;
        (has > desired.replicas()).then_some(Self { cluster, pool, desired, has })
    }

    /// Those that leave, the highest ordinal first, or why they cannot.
    fn leavers(&self, input: &PlanInput<'_>) -> Result<Vec<Leaver>, Unfit> {
        if self.desired.role == Role::Control {
            return Err(Unfit::new(
                format!("{}s vote, and are not removed yet", self.desired.title),
                format!("set nodes = {}", self.has),
            ));
        }
        let mut topology = match input.observed.databases.get(&self.cluster.name) {
            Some(DatabaseView::Seen(topology)) => topology.clone(),
            Some(DatabaseView::Unreachable { why }) => return Err(self.unheard(why)),
            Some(DatabaseView::Absent) | None => return Err(self.unheard("no member is ready")),
        };
        let ordinals = (self.desired.replicas()..self.has).rev();
        ordinals.map(|ordinal| self.leaver(input, &mut topology, ordinal)).collect()
    }

    fn unheard(&self, why: &str) -> Unfit {
        Unfit::new(
            format!("without an answer from the database nobody can be drained: {why}"),
            format!("bring the database to answer, or set nodes = {}", self.has),
        )
    }

    /// One of them; what comes after it finds it gone.
    fn leaver(
        &self,
        input: &PlanInput<'_>,
        topology: &mut Topology,
        ordinal: u32,
    ) -> Result<Leaver, Unfit> {
        let address = members::address(input.stack, self.cluster, self.pool, ordinal);
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
        let spec = members::spec(input.stack, self.cluster, self.pool);
        driver(self.cluster.engine).leave(&spec, topology, address)
    }

    /// How long one of its members may take to hand over all it can store.
    fn drain_seconds(&self) -> u64 {
        let seconds = DRAIN_SECONDS_MIN + self.pool.size.bytes() / DRAIN_BYTES_A_SECOND;
        // Nobody reads seconds of hours.
        seconds.next_multiple_of(60)
    }

    fn pod(&self, ordinal: u32) -> ObjectKey {
        ObjectKey::pod_of(&self.desired.set, ordinal)
    }

    fn claim(&self, ordinal: u32) -> ObjectKey {
        ObjectKey::claim_of(&self.desired.set, ordinal)
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
    let cluster = input.stack.clusters.get(name)?;
    let pool = cluster.pools.get(&desired.name)?;
    let shrinking = Shrinking { cluster, pool, desired, has: desired.replicas() };
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
    let address = members::address(input.stack, cluster, pool, ordinal);
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
            plan.note(format!(
                "The database lists {} as {} ({holds}), and its set has no such member. It is kept, \
                 and so is its claim: {}. Raise `nodes` to bring it back.",
                pod.name, member.status, why.reason
            ));
            return None;
        }
    };
    let left = left(name, &leaver);
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
        super::teardown::STOP_SECONDS_MIN,
    );
    plan.step(id.clone(), step);
    id
}

/// Whether a pool has more members than it is to have, and they store.
pub fn shrinks(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    let live = input.observed.objects.get(&pool.set);
    let has = live.and_then(|live| live.number("/spec/replicas")).unwrap_or(0);
    pool.role != Role::Control && has > i64::from(pool.replicas())
}

/// Refuses members to leave that cannot be drained, or not now.
pub fn check(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &str,
    pool: &DesiredPool,
    live: &LiveObject,
) {
    let Some(shrinking) = Shrinking::of(input, cluster, pool, live) else { return };
    if let Err(Unfit { reason, help }) = shrinking.leavers(input) {
        let address = input.stack.pool_address(cluster, &pool.name);
        let (has, wanted) = (count(shrinking.has as usize, "member"), pool.replicas());
        let reason = format!("it has {has} and the stack asks for {wanted}: {reason}");
        plan.block(address, "scale-in", reason, help);
    }
}

/// Adds the steps by which a pool's members leave; whether there are any.
pub fn steps(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, cluster): (&str, &DesiredCluster),
    pool: &DesiredPool,
    change: &Change,
    after: &BTreeSet<StepId>,
) -> bool {
    let Some(live) = input.observed.objects.get(&pool.set) else { return false };
    let Some(shrinking) = Shrinking::of(input, name, pool, live) else { return false };
    let restart = change.fields.iter().any(|field| restarts_members(&pool.set, field));
    if restart || change.operation != Operation::Update {
        let meanwhile = if restart { "those that stay restart" } else { "their set is made anew" };
        plan.block(
            input.stack.pool_address(name, &pool.name),
            "scale-in",
            format!("members would leave while {meanwhile}"),
            format!("set nodes = {} and apply the rest first, then lower it", shrinking.has),
        );
    }
    let leavers = shrinking.leavers(input).unwrap_or_default();
    let mut before = after.clone();
    if leavers.iter().all(|leaver| leaver.listed.is_some())
        && !live.has_rolled(i64::from(shrinking.has))
    {
        before = [whole(plan, &shrinking, &before)].into();
    }
    for (leaver, ordinal) in leavers.iter().zip((pool.replicas()..shrinking.has).rev()) {
        let drained = drain(plan, &shrinking, &cluster.database, leaver, &before);
        let mut after = before.clone();
        after.extend(drained);
        let shrunk = shrink(input, plan, &shrinking, live, change, (leaver, ordinal), after);
        let claim = shrinking.claim(ordinal);
        let left = left(&shrinking.cluster.name, leaver);
        condemned::member_left(input, plan, &claim, left, &[shrunk.clone()].into());
        before = [shrunk].into();
    }
    true
}

/// Waits until members that still restart have come back: nobody is drained beside them.
fn whole(plan: &mut PlanDraft, shrinking: &Shrinking<'_>, after: &BTreeSet<StepId>) -> StepId {
    let (set, replicas) = (&shrinking.desired.set, shrinking.has);
    let id = ready_id(set);
    let members = count(replicas as usize, shrinking.desired.title);
    let (title, until) = (
        format!("wait for {members} of `{}` to be ready", set.name),
        Until::Rolled { object: set.clone(), replicas },
    );
    let step = Step::waiting(
        title,
        "nobody is drained while others restart",
        after.clone(),
        until,
        super::order::limit(shrinking.desired),
    );
    plan.step(id.clone(), step);
    id
}

/// What everything that comes after a drain relies on.
fn left(cluster: &str, leaver: &Leaver) -> Expect {
    Expect::Left {
        object: leaver.pod.clone(),
        cluster: cluster.to_owned(),
        address: leaver.address.clone(),
    }
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
    let (title, name) = (shrinking.desired.title, &pod.name);
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
                    Some(Expect::Ready { object: shrinking.desired.set.clone() }),
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
        limit_seconds: shrinking.drain_seconds(),
        risk: Risk::Moves,
        bytes: 0,
    };
    plan.step(step_id.clone(), step);
    Some(step_id)
}

/// Shrinks the set by the member that left.
fn shrink(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    shrinking: &Shrinking<'_>,
    live: &LiveObject,
    change: &Change,
    (leaver, ordinal): (&Leaver, u32),
    after: BTreeSet<StepId>,
) -> StepId {
    let (set, is_last) = (&shrinking.desired.set, ordinal == shrinking.desired.replicas());
    let manifest = input.desired.objects.get(set).map(|object| with(&object.manifest, ordinal));
    let manifest = manifest.unwrap_or_default();
    let digest = fields::digest(&manifest, &with(&live.value, ordinal + 1));
    let mut expects = vec![left(&shrinking.cluster.name, leaver)];
    if ordinal + 1 == shrinking.has {
        let (object, uid) = (set.clone(), live.uid().to_owned());
        expects.push(Expect::Unchanged { object, uid, digest: digest.clone() });
    }
    let id = match is_last {
        true => update_id(set),
        false => StepId(format!("shrink/{set}/{ordinal}")),
    };
    let members = count(ordinal as usize, "member");
    let step = Step {
        action: Action::Update {
            object: set.clone(),
            uid: live.uid().to_owned(),
            digest,
            manifest,
            force: change.fields.iter().any(|field| field.drifted_by.is_some()),
        },
        title: format!("shrink {set} to {members}, without {}", leaver.pod.name),
        because: change.because.clone(),
        expects,
        after,
        until: Until::Rolled { object: set.clone(), replicas: ordinal },
        limit_seconds: super::order::limit(shrinking.desired),
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id.clone(), step);
    id
}

/// A StatefulSet with this many members.
fn with(set: &Value, replicas: u32) -> Value {
    let mut set = set.clone();
    set["spec"]["replicas"] = json!(replicas);
    set
}
