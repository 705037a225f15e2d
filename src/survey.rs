//! From a stack and a world to a plan: look, ask Kubernetes what it would make of each draft, decide.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;

use crate::desired::naming::{Naming, naming};
use crate::desired::{self, Desired, members, scope};
use crate::object::ObjectKey;
use crate::observed::{DatabaseScope, DatabaseView, Observed, Scope};
use crate::plan::selection::{Address, Selected, Selection, Unknown};
use crate::plan::{Basis, Circle, Connection, Membership, Plan, Purpose};
use crate::planner::replacing::{self, NoMember};
use crate::planner::{self, PlanInput, Previewed, managers};
use crate::stack::{Stack, Target};
use crate::world::{Draft, Preview, Unseen, World};

/// Previews asked for at once, at most (research G §1.2: LISTs and dry runs are the dear requests).
const PREVIEWS_AT_ONCE_MAX: usize = 8;

/// Looks taken for one plan, at most, while the world moves between each look and what is asked of it.
const LOOKS_MAX: usize = 4;

/// What a plan is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// SHA-256 of its text, in hex.
    pub digest: &'a str,
    /// What the plan is for.
    pub purpose: Purpose,
    /// Addresses the user consents to.
    pub consents: &'a [String],
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// Something could not be read.
    #[error(transparent)]
    Unseen(#[from] Unseen),
    /// The plan goes round in a circle.
    #[error(transparent)]
    Circle(#[from] Circle),
    /// An address selects nothing.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The stack has no such member.
    #[error(transparent)]
    NoMember(#[from] NoMember),
}

/// What a stack is planned from.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The stack, its parts under the names they were made with.
    pub stack: Stack,
    /// What they were called, and are called by now.
    pub naming: Naming,
    /// What the stack asks for.
    pub desired: Desired,
    /// What is there.
    pub observed: Observed,
}

/// Looks at a stack, and at whatever else `more` adds to the scope. Which names to look for is known
/// only once something was seen: where parts were renamed, it takes a second look.
pub async fn sight<W: World>(
    world: &W,
    stack: &Stack,
    more: impl Fn(&mut Scope),
) -> Result<Survey, Unseen> {
    let look = async |stack: &Stack| {
        let mut scope = scope::scope(stack);
        more(&mut scope);
        world.look(&scope).await
    };
    let mut observed = look(stack).await?;
    let naming = naming(stack, &observed);
    let stack = stack.as_made(&naming.now);
    if !naming.now.is_empty() {
        observed = look(&stack).await?;
    }
    let desired = desired::lower(&stack, &observed);
    Ok(Survey { stack, naming, desired, observed })
}

/// Looks at everything a stack is planned from.
pub async fn look<W: World>(world: &W, stack: &Stack, purpose: Purpose) -> Result<Survey, Unseen> {
    let mut survey = sight(world, stack, |_| ()).await?;
    let Survey { stack, desired, observed, .. } = &survey;
    let ends = |cluster: &str| purpose == Purpose::Destroy || !stack.clusters.contains_key(cluster);
    let mut more = scope::volumes(stack, desired, observed, ends);
    if purpose == Purpose::Adopt {
        // Outside namespaces only what bears the stack's name was listed.
        let unseen = desired.objects.keys().filter(|key| !observed.objects.contains_key(key));
        more.gets.extend(unseen.cloned());
    }
    let held = planner::outlook::asks_for_holdings(desired, observed);
    if purpose == Purpose::Apply && !held.is_empty() {
        let asked = |it: &DatabaseScope| held.contains(&it.cluster);
        let databases = members::databases(stack).into_iter().filter(asked).collect();
        let scope = Scope { databases, holdings: true, ..Scope::default() };
        survey.observed.holdings = world.look(&scope).await?.holdings;
    }
    if !more.gets.is_empty() {
        survey.observed.objects.extend(world.look(&more).await?.objects);
    }
    Ok(survey)
}

/// Makes a plan. Writes nothing.
pub async fn plan<W: World>(world: &W, request: &Request<'_>) -> Result<Plan, NoPlan> {
    part(world, request, &Selection::default()).await
}

/// Makes the plan by which one member, named by its pod, is replaced, and nothing else of the stack is done
/// but what that comes after. Writes nothing.
pub async fn replacement<W: World>(
    world: &W,
    request: &Request<'_>,
    member: &str,
) -> Result<Plan, NoPlan> {
    let Survey { stack, desired, observed, .. } = sight(world, request.stack, |_| ()).await?;
    let (pod, pool) = replacing::member(&stack, &desired, &observed, member)?;
    let consents: Vec<String> = request.consents.iter().cloned().chain([pod.to_string()]).collect();
    let request = Request { consents: &consents, ..request.clone() };
    let selection = Selection { targets: vec![Address::Part(pool)], excludes: Vec::new() };
    let plan = part(world, &request, &selection).await?;
    // A part that is all there is is none.
    match plan.selection.as_ref().is_some_and(Selected::leaves_nothing_out) {
        true => self::plan(world, &request).await,
        false => Ok(plan),
    }
}

/// Makes a plan, and keeps the part of it that is asked for. Writes nothing.
pub async fn part<W: World>(
    world: &W,
    request: &Request<'_>,
    selection: &Selection,
) -> Result<Plan, NoPlan> {
    let consents: BTreeSet<String> = request.consents.iter().cloned().collect();
    let Sighting { survey, previews, .. } = sighting(world, request, &consents).await?;
    let Survey { stack, naming, desired, observed } = survey;
    if !selection.is_all() {
        let flags = match request.purpose {
            Purpose::Adopt | Purpose::Forget => ["the address"; 2],
            Purpose::Apply | Purpose::Destroy | Purpose::Refresh => ["--target", "--exclude"],
        };
        selection.check(&planner::parts::parts(&stack, &desired, &observed), flags)?;
    }
    let basis = Basis {
        target: world.target(),
        connection: connection(request.stack),
        stack_digest: request.digest.to_owned(),
        tsinfra: env!("CARGO_PKG_VERSION").to_owned(),
        stack_file: None,
        databases: memberships(&observed),
        ids: planner::basis::ids(&observed),
        objects: planner::basis::objects(&stack, &observed),
    };
    let input = PlanInput {
        stack: &stack,
        naming: &naming,
        desired: &desired,
        observed: &observed,
        previews: &previews,
        purpose: request.purpose,
        basis: &basis,
        consents: &consents,
    };
    let plan = planner::part(&input, selection);
    plan.order()?;
    Ok(plan)
}

/// What each database that answered says of itself.
fn memberships(observed: &Observed) -> BTreeMap<String, Membership> {
    let seen = observed.databases.iter().filter_map(|(cluster, view)| match view {
        DatabaseView::Seen(topology) => Some((cluster.clone(), Membership::of(topology))),
        DatabaseView::Absent | DatabaseView::Unreachable { .. } => None,
    });
    seen.collect()
}

/// How a stack's target is reached, as a plan remembers it.
pub fn connection(stack: &Stack) -> Connection {
    match &stack.target {
        Target::Sandbox => Connection::Sandbox,
        Target::Kubernetes { kubeconfig, context } => {
            Connection::Kubernetes { kubeconfig: kubeconfig.clone(), context: context.clone() }
        }
    }
}

/// What is there, and what Kubernetes would make of the drafts made from it.
struct Sighting {
    survey: Survey,
    previews: BTreeMap<ObjectKey, Previewed>,
    /// The drafts that no longer fitted what was there when they were asked about, and why.
    moved: Vec<(Draft, String)>,
}

/// Looks and asks; and again while the world moves in between, as it does while somebody else applies.
/// What is answered the same a second time is no movement: it is there and the look does not show it.
async fn sighting<W: World>(
    world: &W,
    request: &Request<'_>,
    consents: &BTreeSet<String>,
) -> Result<Sighting, Unseen> {
    let mut seen = sighting_once(world, request, consents).await?;
    for _ in 1..LOOKS_MAX {
        if seen.moved.is_empty() {
            break;
        }
        let before = std::mem::replace(&mut seen, sighting_once(world, request, consents).await?);
        if seen.moved == before.moved {
            break;
        }
    }
    match seen.moved.iter().find(|(draft, _)| draft.uid.is_some()) {
        Some((Draft { object, .. }, why)) => {
            Err(Unseen { doing: format!("trying out {object}"), why: why.clone() })
        }
        None => Ok(seen),
    }
}

async fn sighting_once<W: World>(
    world: &W,
    request: &Request<'_>,
    consents: &BTreeSet<String>,
) -> Result<Sighting, Unseen> {
    let survey = look(world, request.stack, request.purpose).await?;
    let drafts = planner::drafts(&survey.stack, &survey.desired, &survey.observed, request.purpose);
    let asked = drafts.into_iter().map(|draft| {
        let consented = consents.contains(&draft.object.to_string());
        async move {
            let previewed = preview(world, &draft, consented).await?;
            Ok::<_, Unseen>((draft, previewed))
        }
    });
    let mut answers = stream::iter(asked).buffer_unordered(PREVIEWS_AT_ONCE_MAX);
    let (mut previews, mut moved) = (BTreeMap::new(), Vec::new());
    while let Some(answer) = answers.next().await {
        let (draft, previewed) = answer?;
        if let Preview::Moved(why) = &previewed.result {
            moved.push((draft.clone(), why.clone()));
        }
        previews.insert(draft.object, previewed);
    }
    moved.sort_by(|(one, _), (other, _)| one.object.cmp(&other.object));
    Ok(Sighting { survey, previews, moved })
}

/// Asks once; and once more with the contested fields taken, where they may be.
async fn preview<W: World>(world: &W, draft: &Draft, consented: bool) -> Result<Previewed, Unseen> {
    match world.preview(draft).await? {
        Preview::Conflict(conflicts) if managers::may_take(&conflicts, consented) => {
            let forced = Draft { force: true, ..draft.clone() };
            Ok(Previewed { conflicts, result: world.preview(&forced).await? })
        }
        Preview::Conflict(conflicts) => {
            Ok(Previewed { result: Preview::Conflict(conflicts.clone()), conflicts })
        }
        result => Ok(Previewed { conflicts: Vec::new(), result }),
    }
}
