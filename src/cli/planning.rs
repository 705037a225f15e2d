//! From a stack and a world to a plan: look, ask what Kubernetes would make of it, decide.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;

use super::exit::Failure;
use super::source::Source;
use super::worlds::connection;
use crate::desired::{self, Desired, scope};
use crate::object::ObjectKey;
use crate::observed::Observed;
use crate::plan::{Basis, Plan, Purpose};
use crate::planner::{self, PlanInput, Previewed, managers};
use crate::world::{Draft, Preview, Unseen, World};

/// Previews asked for at once, at most (research G §1.2: LISTs and dry runs are the dear requests).
const PREVIEWS_AT_ONCE_MAX: usize = 8;

/// What a look at the world gave.
pub(super) struct Look {
    /// What the stack asks for.
    pub(super) desired: Desired,
    /// What is there.
    pub(super) observed: Observed,
}

/// Looks at everything a stack is planned from.
pub(super) async fn look<W: World>(world: &W, source: &Source) -> Result<Look, Failure> {
    let observed = world.look(&scope::scope(&source.stack)).await?;
    let desired = desired::lower(&source.stack, &observed);
    Ok(Look { desired, observed })
}

/// Makes a plan.
pub(super) async fn plan<W: World>(
    world: &W,
    source: &Source,
    purpose: Purpose,
    consents: &[String],
) -> Result<Plan, Failure> {
    let Look { desired, observed } = look(world, source).await?;
    let consents: BTreeSet<String> = consents.iter().cloned().collect();
    let drafts = planner::drafts(&desired, &observed, purpose);
    let previews = previews(world, drafts, &consents).await?;
    let basis = Basis {
        target: world.target(),
        connection: connection(&source.stack),
        stack_digest: source.digest.clone(),
        tsinfra: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let plan = planner::plan(&PlanInput {
        stack: &source.stack,
        desired: &desired,
        observed: &observed,
        previews: &previews,
        purpose,
        basis: &basis,
        consents: &consents,
    });
    plan.order().map_err(|circle| Failure::plain(circle.to_string()))?;
    Ok(plan)
}

async fn previews<W: World>(
    world: &W,
    drafts: Vec<Draft>,
    consents: &BTreeSet<String>,
) -> Result<BTreeMap<ObjectKey, Previewed>, Failure> {
    let asked = drafts.into_iter().map(|draft| {
        let consented = consents.contains(&draft.object.to_string());
        async move {
            let previewed = preview(world, &draft, consented).await?;
            Ok::<_, Unseen>((draft.object, previewed))
        }
    });
    let mut answers = stream::iter(asked).buffer_unordered(PREVIEWS_AT_ONCE_MAX);
    let mut previews = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let (key, previewed) = answer?;
        previews.insert(key, previewed);
    }
    Ok(previews)
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

/// The runtime verbs that touch a world run on: one thread, built only when needed.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::plain(format!("no runtime could be started: {error}")))
}
