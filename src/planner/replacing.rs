//! A member whose machine or disk is gone for good: the database gives it up and makes what it stored anew on
//! the others, its claim and its pod go, and Kubernetes makes an empty one of its name (rules 2, 3, 7).
//!
//! That it is gone for good nobody but the user can say: by `tsinfra replace`, which consents to the pod.

mod steps;

use db_engine::cluster::{Content, Role};
use db_engine::drivers::driver;
use db_engine::engine::{MemberState, TopologyMember, Unfit};
use db_engine::statement::Statement;

pub use steps::steps;

use super::draft::PlanDraft;
use super::lost::{
    Machine, STARTED_ELSEWHERE, is_bound_to_machines, is_volume_gone, is_without_its_machine,
    machine,
};
use super::{PlanInput, claims, leavers};
use crate::desired::{Desired, DesiredCluster, DesiredPool, members};
use crate::object::{ANNOTATION_MEMBER, Kind, LABEL_GIVEN_UP, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject, Observed};
use crate::plan::Purpose;
use crate::stack::Stack;
use crate::stack::nearest::nearest;
use crate::stack::parts::PartAddress;

/// A member the user says is gone for good.
struct Lost<'a> {
    name: &'a str,
    cluster: &'a DesiredCluster,
    pool: &'a DesiredPool,
    ordinal: u32,
    pod: ObjectKey,
    address: String,
}

/// What is left to be done about it.
struct Due<'a> {
    /// What the database is told, with its id of the member and the region replicas it holds; `None`: it
    /// lists it no more.
    told: Option<(Statement, i64, u64)>,
    /// Its claims that are there and have volumes, that of its data last: as long as that is there, it is known
    /// by it.
    claims: Vec<(ObjectKey, &'a LiveObject)>,
    /// Its pod, if it is there.
    pod: Option<&'a LiveObject>,
}

/// How it stands with a member the user says is gone for good.
enum Standing<'a> {
    /// It is, and this is left to be done.
    Lost(Due<'a>),
    /// It is not: it runs.
    Lives,
    /// It was, and the empty one in its place is on its way.
    Comes,
}

/// A member that the stack does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMember {
    /// One is there, of a pool that is not declared.
    #[error(
        "the stack no longer declares the pool of `{0}`; put it back into the stack to replace a member of it"
    )]
    Undeclared(String),
    /// There is none.
    #[error("the stack has no member `{name}`; {}", way_on(.near.as_deref()))]
    None {
        /// What was asked for.
        name: String,
        /// One that is called nearly so.
        near: Option<String>,
    },
}

fn way_on(near: Option<&str>) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "members are named by their pods, see `tsinfra status`".to_owned(),
    }
}

/// The pod of a member a user has named, and the address of its pool.
///
/// # Errors
/// [`NoMember`]: the stack has none of that name.
pub fn member(
    stack: &Stack,
    desired: &Desired,
    observed: &Observed,
    name: &str,
) -> Result<(ObjectKey, PartAddress), NoMember> {
    let pools = desired.clusters.iter().flat_map(|(cluster, it)| {
        it.pools.iter().map(move |pool| (stack.pool_address(cluster, &pool.name), pool))
    });
    let members = pools.flat_map(|(address, pool)| {
        (0..pool.replicas()).map(move |it| (ObjectKey::pod_of(&pool.set, it), address.clone()))
    });
    let members: Vec<(ObjectKey, PartAddress)> = members.collect();
    let is_it = |pod: &ObjectKey| pod.name == name || pod.to_string() == name;
    if let Some(found) = members.iter().find(|(pod, _)| is_it(pod)) {
        return Ok(found.clone());
    }
    let is_there = |(key, live): (&ObjectKey, &LiveObject)| {
        live.label(LABEL_STACK) == Some(&stack.name)
            && (key.kind == Kind::Pod && is_it(key) || key.member_of_claim() == Some(name))
    };
    if observed.objects.iter().any(is_there) {
        return Err(NoMember::Undeclared(name.to_owned()));
    }
    let near = nearest(name, members.iter().map(|(pod, _)| pod.name.as_str()));
    Err(NoMember::None { name: name.to_owned(), near: near.map(str::to_owned) })
}

impl<'a> Lost<'a> {
    /// The members the user has named, by their pods.
    fn all(input: &PlanInput<'a>) -> Vec<Self> {
        let named = input.consents.iter().filter_map(|consent| consent.parse::<ObjectKey>().ok());
        let pods = named.filter(|key| key.kind == Kind::Pod && input.purpose == Purpose::Apply);
        pods.filter_map(|pod| Self::of(input, pod)).collect()
    }

    fn of(input: &PlanInput<'a>, pod: ObjectKey) -> Option<Self> {
        let (name, cluster, pool) = input.desired.pool_of(&pod.set_of_pod()?)?;
        let ordinal = pod.ordinal().filter(|ordinal| *ordinal < pool.replicas())?;
        let address = members::address(input.stack, &pool.set.name, ordinal);
        Some(Self { name, cluster, pool, ordinal, pod, address })
    }

    /// The claim it is known by.
    fn claim(&self) -> ObjectKey {
        ObjectKey::claim_of(&self.pool.set, Content::Data, self.ordinal)
    }

    /// How it stands with it, or why nothing may be done about it.
    fn standing(&self, input: &PlanInput<'a>) -> Result<Standing<'a>, Unfit> {
        let topology = match input.observed.databases.get(self.name) {
            Some(DatabaseView::Seen(topology)) => topology,
            Some(DatabaseView::Unreachable { why }) => return Err(unheard(why)),
            Some(DatabaseView::Absent) | None => return Err(unheard("no member is ready")),
        };
        let pod = input.observed.objects.get(&self.pod);
        let live = input.observed.objects.get(&self.claim());
        let claims = self.claims(input);
        let is_given_up = claims.iter().any(|(_, live)| live.label(LABEL_GIVEN_UP).is_some());
        let is_ready = pod.is_some_and(LiveObject::is_ready);
        let member = topology.members.get(&self.address);
        match member {
            Some(member) if is_ready && member.state == MemberState::Running => {
                return Ok(Standing::Lives);
            }
            // It was given up, and what runs there is none of the database's any more.
            None if is_ready && is_given_up => {}
            _ if is_ready => {
                let why = "its pod is ready, though the database does not say that it runs";
                return Err(Unfit::new(why, "see `tsinfra status`: it may only take its time"));
            }
            _ => {}
        }
        self.may_be_lost(input)?;
        if !is_given_up && !self.is_the_lost_one(input, live, member) {
            return Ok(Standing::Comes);
        }
        let told = match member {
            Some(member) => {
                let cluster = input.stack.clusters.get(self.name);
                let cluster = cluster.ok_or_else(|| unheard("its cluster is not declared"))?;
                let spec = members::spec(input.stack, cluster);
                let there = leavers::with_those_to_come(input, [self.pool], topology);
                let statement = driver(cluster.engine).give_up(&spec, &there, &self.address)?;
                Some((statement, member.id, member.regions))
            }
            None => None,
        };
        Ok(Standing::Lost(Due { told, claims, pod }))
    }

    /// Its claims that are there, that of its data last. One that has no volume is of the member to come.
    fn claims(&self, input: &PlanInput<'a>) -> Vec<(ObjectKey, &'a LiveObject)> {
        let claims = claims::of_member(input, &self.pool.set, self.ordinal).into_iter().rev();
        let bound = claims.filter(|(_, live)| live.text("/spec/volumeName").is_some());
        bound.map(|(claim, live)| (claim.clone(), live)).collect()
    }

    /// Whether members of its pool can be lost with a machine, and its StatefulSet makes another in its place.
    fn may_be_lost(&self, input: &PlanInput<'_>) -> Result<(), Unfit> {
        if !is_bound_to_machines(input, self.name, &self.pool.name) {
            return Err(Unfit::new(
                "its volume is not bound to a machine, and outlives one",
                STARTED_ELSEWHERE,
            ));
        }
        set_refuses(input, self).map_or(Ok(()), Err)
    }

    /// What is left to be done about it, if anything is and may be.
    fn due(&self, input: &PlanInput<'a>) -> Option<Due<'a>> {
        match self.standing(input) {
            Ok(Standing::Lost(due)) => Some(due),
            Ok(Standing::Lives | Standing::Comes) | Err(_) => None,
        }
    }

    /// Whether what is there, and was not given up yet, is of the member that was lost, and not of the empty one that
    /// comes in its place: its claim says whose it is, or the machine of its volume or its pod is gone.
    fn is_the_lost_one(
        &self,
        input: &PlanInput<'_>,
        claim: Option<&LiveObject>,
        member: Option<&TopologyMember>,
    ) -> bool {
        let pod = input.observed.objects.get(&self.pod);
        let bound = claim.filter(|claim| claim.text("/spec/volumeName").is_some());
        let Some(claim) = bound else { return member.is_some() };
        let says = claim.annotation(ANNOTATION_MEMBER);
        says.is_some_and(|id| member.is_none_or(|member| member.id.to_string() == id))
            || self.pool.claims_of(self.ordinal).any(|claim| is_volume_gone(input, &claim))
            || pod.is_some_and(|pod| machine(input, pod) == Machine::Gone)
    }
}

fn unheard(why: &str) -> Unfit {
    Unfit::new(
        format!("without an answer from the database nobody knows what would be lost: {why}"),
        "bring the database to answer first",
    )
}

/// Whether a claim is of a member that is given up, with what is on it.
pub fn is_given_up(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let all = Lost::all(input);
    let is_its = |lost: &&Lost<'_>| lost.pool.claims_of(lost.ordinal).any(|it| it == *claim);
    let lost = all.iter().find(is_its);
    lost.is_some_and(|lost| lost.due(input).is_some())
}

/// Whether members like this one can be replaced at all: their volumes are bound to machines, and their StatefulSet is
/// there to make another.
pub fn may_be_lost(input: &PlanInput<'_>, pod: &ObjectKey) -> bool {
    Lost::of(input, pod.clone()).is_some_and(|lost| lost.may_be_lost(input).is_ok())
}

/// Whether a consent names a member of the stack.
pub fn is_a_member(input: &PlanInput<'_>, consent: &str) -> bool {
    let pod = consent.parse::<ObjectKey>().ok().filter(|key| key.kind == Kind::Pod);
    pod.is_some_and(|pod| Lost::of(input, pod).is_some())
}

/// Refuses to give up who lives, who has the last replica of something, and more than one at a time.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut is_first = true;
    for lost in &Lost::all(input) {
        let address = input.stack.pool_address(lost.name, &lost.pool.name);
        let refused = match lost.standing(input) {
            Ok(Standing::Lives) => {
                plan.note(format!("{} lives, and is not replaced.", lost.pod.name));
                None
            }
            Ok(Standing::Comes) => {
                plan.note(format!(
                    "Nothing of a {} that was lost is left: an empty one is coming up. `tsinfra status` says \
                     what it waits for. If it is the one that was lost, label its claim {LABEL_GIVEN_UP}=true.",
                    lost.pod.name
                ));
                None
            }
            Ok(Standing::Lost(_)) if std::mem::replace(&mut is_first, false) => None,
            Ok(Standing::Lost(_)) => Some(Unfit::new(
                "members are replaced one after the other",
                "name it in the next run, once the others have made anew what the first one stored",
            )),
            Err(unfit) => Some(unfit),
        };
        if let Some(Unfit { reason, help }) = refused {
            plan.block(&address, "replace", format!("{}: {reason}", lost.pod.name), help);
        }
    }
}

/// Why the StatefulSet of a member would not make another in its place.
fn set_refuses(input: &PlanInput<'_>, lost: &Lost<'_>) -> Option<Unfit> {
    match input.observed.objects.get(&lost.pool.set) {
        Some(live) if live.is_leaving() => Some("is being deleted"),
        Some(live) if live.number("/spec/replicas") <= Some(i64::from(lost.ordinal)) => {
            Some("has no such member")
        }
        Some(_) => None,
        None => Some("is gone"),
    }
    .map(|what| {
        let help = "apply the stack first, so that it is whole; then replace the member";
        Unfit::new(format!("its StatefulSet {what}"), help)
    })
}

/// Tells of members that look as if their machine was gone, and what to do if it is for good; and of those whose
/// replacement was begun and has not come to its end.
pub fn tell(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(name) else {
            continue;
        };
        for pool in &cluster.pools {
            for ordinal in 0..pool.replicas() {
                let address = members::address(input.stack, &pool.set.name, ordinal);
                tell_of(input, plan, (pool, ordinal), topology.members.get(&address));
            }
        }
    }
}

fn tell_of(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (pool, ordinal): (&DesiredPool, u32),
    member: Option<&TopologyMember>,
) {
    let pod = ObjectKey::pod_of(&pool.set, ordinal);
    let runs = member.is_some_and(|member| member.state != MemberState::Unknown);
    if runs || input.consents.contains(&pod.to_string()) {
        return;
    }
    let is_without = is_without_its_machine(input, pool, ordinal);
    let is_begun = claims::of_member(input, &pool.set, ordinal)
        .into_iter()
        .any(|(_, claim)| claim.label(LABEL_GIVEN_UP).is_some() && !claim.is_leaving());
    let name = &pod.name;
    if is_begun {
        plan.note(format!(
            "{name} was given up, and is not replaced yet: `tsinfra replace STACK {name}` goes on with it."
        ));
    } else if is_without && member.is_some() {
        let says_how = match pool.role {
            Role::Control => "says what to do by hand",
            _ => "puts an empty one in its place",
        };
        plan.note(format!(
            "The machine of {name} does not run, and the database has lost that member. If this is for good, \
             `tsinfra replace STACK {name}` {says_how}."
        ));
    }
}
