//! Holding a stack's lock while a plan is carried out: taking it, showing signs of life, and a
//! compare-and-swap before each effect.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::step::End;
use crate::lock::{self, ANSWER, Lock, TERM, Turn, Watch};
use crate::observed::{LiveObject, Scope};
use crate::plan::step::{Action, StepId};
use crate::world::{Refused, World};

/// How long to wait between two looks at a lock that somebody else holds.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often it is tried to be sure that the lock was written.
const TRIES: usize = 3;

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

impl Claim {
    fn to_lock(&self, now: String, epoch: i64) -> Lock {
        Lock {
            holder: self.holder.clone(),
            purpose: self.purpose.clone(),
            acquired: now.clone(),
            renewed: now,
            epoch,
            begun: BTreeSet::new(),
        }
    }
}

/// Why a lock is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotHeld {
    /// Somebody else has it.
    Taken(Lock),
    /// It could not be read or written.
    Failed(String),
}

/// What is heard while a lock is sought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Somebody has it, and it is waited for.
    Waiting(Lock),
    /// It was taken over from somebody who was not heard of for too long. What had begun by then may
    /// be half done; the plan is held against the world again before anything is done.
    TakenOver(Lock),
}

/// A lock that is held.
pub struct Hold<'a, W: World> {
    world: &'a W,
    namespace: &'a str,
    stack: &'a str,
    state: Mutex<State>,
    turn: Mutex<()>,
}

struct State {
    /// As it was last known to be written.
    lock: Lock,
    version: String,
    /// When that was begun, by this world's clock.
    spoke: Duration,
    /// Steps begun and not known to be done.
    begun: BTreeSet<String>,
    /// Written since, and not known whether it got through.
    unsure: Vec<Lock>,
}

/// Takes the lock, waiting as long as the claim is patient. `hear` is told once who has it, and from
/// whom it was taken over.
pub async fn take<'a, W: World>(
    world: &'a W,
    namespace: &'a str,
    stack: &'a str,
    claim: &Claim,
    stop: &AtomicBool,
    mut hear: impl FnMut(&News),
) -> Result<Hold<'a, W>, NotHeld> {
    let key = Lock::key(namespace, stack);
    let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
    let failed = |why: String| NotHeld::Failed(why);
    let begun = world.elapsed();
    let (mut watch, mut told, mut unsure) = (Watch::default(), false, Vec::new());
    loop {
        let seen = world.look(&scope).await.map_err(|unseen| failed(unseen.to_string()))?;
        let lease = seen.objects.get(&key);
        let spoke = world.elapsed();
        let held = |lock: Lock, version: String, spoke: Duration| {
            let (begun, unsure) = (BTreeSet::new(), Vec::new());
            let state = Mutex::new(State { lock, version, spoke, begun, unsure });
            Hold { world, namespace, stack, state, turn: Mutex::new(()) }
        };
        if let Some((lock, version)) = lease.and_then(|lease| landed(lease, &unsure)) {
            return Ok(held(lock, version, spoke));
        }
        match watch.judge(lease, spoke) {
            Turn::Free { version, epoch, dead } => {
                let lock = claim.to_lock(world.time_of_day(), epoch);
                let lease = lock.to_lease(namespace, stack);
                match world.swap(&key, &lease, version.as_deref()).await {
                    Ok(version) => {
                        dead.into_iter().for_each(|dead| hear(&News::TakenOver(dead)));
                        return Ok(held(lock, version, spoke));
                    }
                    // Somebody was quicker: look again.
                    Err(Refused::Stale(_)) => {}
                    Err(Refused::Unknown(_)) if unsure.len() < TRIES => unsure.push(lock),
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
                if !std::mem::replace(&mut told, true) {
                    hear(&News::Waiting(lock));
                }
                world.stir(&scope, LOOK_AGAIN).await;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Which of the writes whose answers were lost a Lease holds, with its version.
fn landed(lease: &LiveObject, unsure: &[Lock]) -> Option<(Lock, String)> {
    let lock = Lock::from_lease(lease)?;
    let version = lease.text("/metadata/resourceVersion").unwrap_or_default();
    unsure.contains(&lock).then(|| (lock, version.to_owned()))
}

impl<W: World> Hold<'_, W> {
    /// Waits until no other effect is under way; it is the caller's turn as long as it keeps the answer.
    /// A process that is paused, and has lost the lock when it wakes up, so writes at most the one
    /// effect whose compare-and-swap came before.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Writes the name of a step into the Lease, before the step's effect: whoever has lost the
    /// lock finds out here and does nothing.
    pub async fn begin(&self, step: &StepId) -> Result<(), End> {
        self.state.lock().await.begun.insert(step.0.clone());
        let spoken = self.speak().await;
        if spoken.is_err() {
            self.finish(step).await;
        }
        spoken
    }

    /// A step is done, or is known not to have been carried out. The next writing says so.
    pub async fn finish(&self, step: &StepId) {
        self.state.lock().await.begun.remove(&step.0);
    }

    /// Makes sure that the lock is still held, before something is written that is no step.
    pub async fn confirm(&self) -> Result<(), End> {
        self.speak().await
    }

    /// Shows a sign of life, if it is time for one. One that does not get through is no loss yet:
    /// the next one may.
    pub async fn renew(&self) -> Result<(), End> {
        let mut state = self.state.lock().await;
        if self.world.elapsed().saturating_sub(state.spoke) < TERM / 3 {
            return Ok(());
        }
        match self.write(&mut state).await {
            Ok(()) | Err(Miss::NotSure(_)) => Ok(()),
            Err(Miss::Lost) => Err(lost()),
        }
    }

    /// Writes the Lease, and is sure of it in time for an effect to follow.
    async fn speak(&self) -> Result<(), End> {
        let mut state = self.state.lock().await;
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.write(&mut state).await {
                Ok(()) if self.world.elapsed().saturating_sub(state.spoke) <= ANSWER => {
                    return Ok(());
                }
                Ok(()) => why = format!("writing it took more than {} s", ANSWER.as_secs()),
                Err(Miss::NotSure(reason)) => why = reason,
                Err(Miss::Lost) => return Err(lost()),
            }
        }
        Err(End::Unknown(format!("the stack's lock: {why}; the step was not begun")))
    }

    /// Writes the Lease as things are. An answer that is lost is looked up.
    async fn write(&self, state: &mut State) -> Result<(), Miss> {
        let spoke = self.world.elapsed();
        let (renewed, begun) = (self.world.time_of_day(), state.begun.clone());
        let lock = Lock { renewed, begun, ..state.lock.clone() };
        let lease = lock.to_lease(self.namespace, self.stack);
        let key = Lock::key(self.namespace, self.stack);
        let refused = match self.world.swap(&key, &lease, Some(&state.version)).await {
            Ok(version) => {
                (state.lock, state.version, state.spoke) = (lock, version, spoke);
                state.unsure.clear();
                return Ok(());
            }
            Err(Refused::Stale(_)) if state.unsure.is_empty() => return Err(Miss::Lost),
            Err(Refused::Denied(why)) => return Err(Miss::NotSure(why)),
            Err(Refused::Stale(why)) => why,
            Err(Refused::Unknown(why)) => {
                state.unsure.push(lock.clone());
                why
            }
        };
        let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
        let seen = self.world.look(&scope).await;
        let seen = seen.map_err(|unseen| Miss::NotSure(unseen.to_string()))?;
        let lease = seen.objects.get(&key).ok_or(Miss::Lost)?;
        if lease.text("/metadata/resourceVersion") == Some(&state.version) {
            return Err(Miss::NotSure(refused));
        }
        let (written, version) = landed(lease, &state.unsure).ok_or(Miss::Lost)?;
        let is_all = written == lock;
        (state.lock, state.version) = (written, version);
        state.unsure.clear();
        if !is_all {
            return Err(Miss::NotSure(refused));
        }
        state.spoke = spoke;
        Ok(())
    }

    /// Takes the Lease away with the last of the stack; where that is not to be, lets go of it.
    pub async fn remove(self) {
        let key = Lock::key(self.namespace, self.stack);
        let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
        let version = self.state.lock().await.version.clone();
        if let Ok(seen) = self.world.look(&scope).await
            && let Some(lease) = seen.objects.get(&key)
            && lease.text("/metadata/resourceVersion") == Some(&version)
        {
            let uid = lease.uid().to_owned();
            match self.world.perform(&Action::Delete { object: key, uid }).await {
                // A deletion that may still be carried out would take the lock from whoever has
                // it by then: it runs out by itself.
                Ok(()) | Err(Refused::Unknown(_)) => return,
                Err(Refused::Denied(_) | Refused::Stale(_)) => {}
            }
        }
        self.release().await;
    }

    /// Lets go. What is left is a Lease without a holder, so that its count goes on.
    pub async fn release(self) {
        let mut state = self.state.into_inner();
        let free = lock::free(self.namespace, self.stack, state.lock.epoch);
        let key = Lock::key(self.namespace, self.stack);
        let scope = Scope { gets: vec![key.clone()], ..Scope::default() };
        state.unsure.push(state.lock.clone());
        // If this does not get through, the lock runs out by itself.
        for _ in 0..TRIES {
            match self.world.swap(&key, &free, Some(&state.version)).await {
                Ok(_) | Err(Refused::Denied(_)) => return,
                Err(Refused::Stale(_) | Refused::Unknown(_)) => {}
            }
            let Ok(seen) = self.world.look(&scope).await else { return };
            let lease = seen.objects.get(&key);
            match lease.and_then(|lease| landed(lease, &state.unsure)) {
                Some((_, version)) => state.version = version,
                None => return,
            }
        }
    }
}

/// Why a lock was not written.
enum Miss {
    /// Somebody else has it.
    Lost,
    /// It is not known whether it was; why.
    NotSure(String),
}

fn lost() -> End {
    End::Lost(
        "somebody else took the stack's lock, or unlocked it; nothing more is written".to_owned(),
    )
}
