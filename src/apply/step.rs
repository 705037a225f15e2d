//! One step: look once more, act, wait until it is done.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::plan::Plan;
use crate::plan::step::{Step, StepId};
use crate::wording::seconds;
use crate::world::{Refused, Unseen, World};

use super::event::{Event, What};
use super::expect;
use super::hold::Hold;
use super::identity::Identities;
use super::wait::{self, Progress};

/// How long to wait for news before looking again anyway.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often a wait without news is told again, so that silence never means "hung".
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Looks that may fail in a row before a wait is given up.
const FAILED_LOOKS_MAX: u32 = 5;

/// How often a step is carried out for pods that come back as what they were.
const TURNS_MAX: u32 = 10;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is done.
    Done,
    /// The world is no longer what the plan was made for; nothing was done in this step.
    Stale(String),
    /// Kubernetes said no, or something failed for good.
    Refused(String),
    /// It is not known whether the action was carried out.
    Unknown(String),
    /// Its limit passed; what it waits for may still come.
    TimedOut(String),
    /// The user stopped the run; what it waits for may still come.
    Interrupted,
    /// The world could not be read.
    Unseen(String),
    /// The stack's lock is somebody else's by now; nothing was done after that.
    Lost(String),
    /// Another database answers in the place of the one that is on record.
    Stranger(String),
}

impl End {
    /// One word for the way it ended, and the reason.
    pub fn tell(&self) -> (&'static str, &str) {
        match self {
            Self::Done => ("done", ""),
            Self::Stale(why) => ("stale", why),
            Self::Refused(why) => ("refused", why),
            Self::Unknown(why) => ("unknown", why),
            Self::TimedOut(why) => ("timed out", why),
            Self::Interrupted => ("interrupted", "stopped by the user; it may still come"),
            Self::Unseen(why) => ("unseen", why),
            Self::Lost(why) => ("lost the lock", why),
            Self::Stranger(why) => ("another database", why),
        }
    }
}

impl From<Refused> for End {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stale(why) => Self::Stale(why),
            Refused::Denied(why) => Self::Refused(why),
            Refused::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<Unseen> for End {
    fn from(unseen: Unseen) -> Self {
        Self::Unseen(unseen.to_string())
    }
}

/// What a step runs in.
pub struct Course<'a, W: World> {
    /// The world.
    pub world: &'a W,
    /// The plan the step is of.
    pub plan: &'a Plan,
    /// Set once the user stops the run.
    pub stop: &'a AtomicBool,
    /// What a run holds; nothing only while there is nothing yet to lock.
    pub held: Option<Held<'a, W>>,
}

/// What a run holds: the stack's lock, and who its databases are.
pub type Held<'a, W> = (&'a Hold<'a, W>, &'a Identities<'a, W>);

/// Runs one step to its end.
pub async fn run<W: World>(
    course: &Course<'_, W>,
    id: &StepId,
    tell: &RefCell<impl FnMut(&Event)>,
) -> End {
    let world = course.world;
    let say = |what: What| {
        let event = Event { at: world.elapsed(), step: id.clone(), what };
        (tell.borrow_mut())(&event);
    };
    let begun = world.elapsed();
    say(What::Begun);
    let end = carry_out(course, id, &say).await.err().unwrap_or(End::Done);
    if let (Some((hold, _)), End::Done) = (course.held, &end) {
        hold.finish(id).await;
    }
    match &end {
        End::Done => say(What::Done { took: world.elapsed().saturating_sub(begun) }),
        other => {
            let (how, why) = other.tell();
            say(What::Ended { how, why: why.to_owned() });
        }
    }
    end
}

/// Acts and waits, once more for each pod that came back as what it was.
async fn carry_out<W: World>(
    course: &Course<'_, W>,
    id: &StepId,
    say: &impl Fn(What),
) -> Result<(), End> {
    let mut step = Cow::Borrowed(&course.plan.steps[id]);
    for _ in 0..TURNS_MAX {
        act(course, id, &step).await?;
        match until(course, &step, say).await? {
            Waited::Done => return Ok(()),
            Waited::Again { uid, why } => {
                say(What::Waiting { done: 0, of: 1, why: vec![why] });
                step = Cow::Owned(step.of_pod(&uid));
            }
        }
    }
    Err(End::TimedOut(format!("not done in {TURNS_MAX} turns")))
}

/// How a wait ended.
enum Waited {
    /// It is done.
    Done,
    /// It is to be done again, for the pod with this uid.
    Again { uid: String, why: String },
}

async fn act<W: World>(course: &Course<'_, W>, id: &StepId, step: &Step) -> Result<(), End> {
    let fence = course.held.filter(|_| step.action.object().is_some());
    // Taken before the look: what it shows must still be so when the effect follows.
    let turn = match fence {
        Some((hold, _)) => Some(hold.turn().await),
        None => None,
    };
    if !step.expects.is_empty() {
        let observed = course.world.look(&expect::scope(step, course.plan)).await?;
        if let Some((_, identities)) = course.held {
            identities.meet(&observed).await?;
        }
        if let Some(why) = expect::broken(step, &observed) {
            return Err(End::Stale(why));
        }
    }
    if let Some((hold, _)) = fence {
        hold.begin(id).await?;
    }
    let performed = course.world.perform(&step.action).await;
    let not_done = matches!(performed, Err(Refused::Stale(_) | Refused::Denied(_)));
    if let (Some((hold, _)), true) = (course.held, not_done) {
        hold.finish(id).await;
    }
    drop(turn);
    Ok(performed?)
}

async fn until<W: World>(
    course: &Course<'_, W>,
    step: &Step,
    say: &impl Fn(What),
) -> Result<Waited, End> {
    if !step.until.waits() {
        return Ok(Waited::Done);
    }
    let world = course.world;
    let scope = wait::scope(&step.until, course.plan);
    let deadline = world.elapsed() + Duration::from_secs(step.limit_seconds);
    let (mut told, mut told_at, mut failed_looks) = (None, world.elapsed(), 0);
    loop {
        let progress = match world.look(&scope).await {
            Ok(observed) => {
                failed_looks = 0;
                if let Some((_, identities)) = course.held {
                    identities.meet(&observed).await?;
                }
                wait::judge(&step.until, &observed)
            }
            Err(unseen) if failed_looks < FAILED_LOOKS_MAX => {
                failed_looks += 1;
                Progress::Going { done: 0, of: 0, why: vec![unseen.to_string()] }
            }
            Err(unseen) => return Err(unseen.into()),
        };
        match progress {
            Progress::Done => return Ok(Waited::Done),
            Progress::Again { uid, why } => return Ok(Waited::Again { uid, why }),
            Progress::Failed(why) => return Err(End::Refused(why)),
            Progress::Going { done, of, why } => {
                let last = why.first().cloned();
                let news = What::Waiting { done, of, why };
                let stale = world.elapsed().saturating_sub(told_at) >= HEARTBEAT;
                if told.as_ref() != Some(&news) || stale {
                    told_at = world.elapsed();
                    say(news.clone());
                    told = Some(news);
                }
                if world.elapsed() >= deadline {
                    let limit = seconds(step.limit_seconds);
                    let why = last.unwrap_or_default();
                    return Err(End::TimedOut(format!("not done after {limit}: {why}")));
                }
            }
        }
        if course.stop.load(Ordering::Relaxed) {
            return Err(End::Interrupted);
        }
        if let Some((hold, _)) = course.held {
            hold.renew().await?;
        }
        world.stir(&scope, LOOK_AGAIN.min(deadline.saturating_sub(world.elapsed()))).await;
        // A world that never sleeps must still let the steps beside this one have their turn.
        tokio::task::yield_now().await;
    }
}
