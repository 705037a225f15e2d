//! Holding a stack's lock while a plan is carried out: taking it, showing signs of life, and a
//! compare-and-swap before each effect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::step::End;
use crate::lock::{self, Lock, TERM, Turn, Watch};
use crate::observed::Scope;
use crate::plan::step::{Action, StepId};
use crate::world::{Refused, World};

/// How long to wait between two looks at a lock that somebody else holds.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who wants a lock, for what, and how long it is worth waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// User, host and process.
    pub holder: String,
    /// `apply` or `destroy`.
    pub purpose: String,
    /// How long to wait for somebody else to let go.
    pub patience: Duration,
}

/// Why a lock is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// Somebody else has it.
    Taken(Lock),
    /// It could not be read or written.
    Failed(String),
}

/// A lock that is held.
pub struct Hold<'a, W: World> {
    world: &'a W,
    namespace: &'a str,
    stack: &'a str,
    state: Mutex<State>,
}

struct State {
    lock: Lock,
    version: String,
    /// When it was last written, by this world's clock.
    spoke: Duration,
}

/// Takes the lock, waiting as long as the claim is patient. `waiting` is told once who has it.
pub async fn take<'a, W: World>(
    world: &'a W,
    namespace: &'a str,
    stack: &'a str,
    claim: &Claim,
    stop: &AtomicBool,
    mut waiting: impl FnMut(&Lock),
) -> Result<Hold<'a, W>, NotHeld> {
    let key = Lock::key(namespace, stack);
    let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
    let failed = |why: String| NotHeld::Failed(why);
    let begun = world.elapsed();
    let (mut watch, mut told) = (Watch::default(), false);
    loop {
        let seen = world.look(&scope).await.map_err(|unseen| failed(unseen.to_string()))?;
        match watch.judge(seen.objects.get(&key), world.elapsed()) {
            Turn::Free { version, epoch } => {
                let now = world.time_of_day();
                let lock = Lock {
                    holder: claim.holder.clone(),
                    purpose: claim.purpose.clone(),
                    acquired: now.clone(),
                    renewed: now,
                    epoch,
                    step: String::new(),
                };
                let lease = lock.to_lease(namespace, stack);
                match world.swap(&key, &lease, version.as_deref()).await {
                    Ok(version) => {
                        let spoke = world.elapsed();
                        let state = Mutex::new(State { lock, version, spoke });
                        return Ok(Hold { world, namespace, stack, state });
                    }
                    // Somebody was quicker: look again.
                    Err(Refused::Stale(_)) => {}
                    Err(refused) => return Err(failed(refused.to_string())),
                }
            }
            Turn::Taken(lock)
                if stop.load(Ordering::Relaxed)
                    || world.elapsed().saturating_sub(begun) >= claim.patience =>
            {
                return Err(NotHeld::Taken(lock));
            }
            Turn::Taken(lock) => {
                if !told {
                    waiting(&lock);
                    told = true;
                }
                world.stir(&scope, LOOK_AGAIN).await;
                tokio::task::yield_now().await;
            }
        }
    }
}

impl<W: World> Hold<'_, W> {
    /// Writes the name of a step into the Lease, before the step's effect: whoever has lost the
    /// lock finds out here and does nothing.
    pub async fn begin(&self, step: &StepId) -> Result<(), End> {
        self.speak(Some(step)).await
    }

    /// Shows a sign of life, if it is time for one.
    pub async fn renew(&self) -> Result<(), End> {
        let due = {
            let state = self.state.lock().await;
            self.world.elapsed().saturating_sub(state.spoke) >= TERM / 3
        };
        if due { self.speak(None).await } else { Ok(()) }
    }

    async fn speak(&self, step: Option<&StepId>) -> Result<(), End> {
        let mut state = self.state.lock().await;
        let mut lock = state.lock.clone();
        lock.renewed = self.world.time_of_day();
        if let Some(step) = step {
            lock.step.clone_from(&step.0);
        }
        let lease = lock.to_lease(self.namespace, self.stack);
        let key = Lock::key(self.namespace, self.stack);
        match self.world.swap(&key, &lease, Some(&state.version)).await {
            Ok(version) => {
                *state = State { lock, version, spoke: self.world.elapsed() };
                Ok(())
            }
            Err(Refused::Stale(_)) => Err(End::Lost(
                "somebody else took the stack's lock, or unlocked it; nothing more is written"
                    .to_owned(),
            )),
            // A sign of life that did not get through is no loss yet: the next one may.
            Err(_) if step.is_none() => Ok(()),
            Err(refused) => Err(End::Unknown(format!("the stack's lock: {refused}"))),
        }
    }

    /// Takes the Lease away with the last of the stack.
    pub async fn remove(self) {
        let key = Lock::key(self.namespace, self.stack);
        let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
        let version = self.state.into_inner().version;
        if let Ok(seen) = self.world.look(&scope).await
            && let Some(lease) = seen.objects.get(&key)
            && lease.text("/metadata/resourceVersion") == Some(&version)
        {
            let uid = lease.uid().to_owned();
            // If this does not get through, the lock runs out by itself.
            let _ = self.world.perform(&Action::Delete { object: key, uid }).await;
        }
    }

    /// Lets go. What is left is a Lease without a holder, so that its count goes on.
    pub async fn release(self) {
        let state = self.state.into_inner();
        let lease = lock::free(self.namespace, self.stack, state.lock.epoch);
        let key = Lock::key(self.namespace, self.stack);
        // If this does not get through, the lock runs out by itself.
        let _ = self.world.swap(&key, &lease, Some(&state.version)).await;
    }
}
