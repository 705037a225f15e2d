//! World number one: a simulated Kubernetes with simulated databases, kept in a file.
//!
//! Deterministic: time is virtual, uids and addresses are counted from a seed, so that the same
//! actions make the same bytes. All behaviour is pure functions on one value, [`Cluster`]; only
//! `store` touches the outside. The behaviour follows Kubernetes 1.36 where it is followed at all.
//!
//! What is modelled: create, server-side apply with field owners and conflicts, defaults, immutable
//! fields, uid preconditions; the StatefulSet controller (order, rolling update, partition, claims);
//! scheduling by resources, taints, selectors, affinity to nodes, anti-affinity and spread; local and
//! provisioned volumes with both reclaim policies, protection and growth; deletions that orphan, and pods that
//! are taken in by another set; pods that pull, prepare,
//! start, get ready and stop; node ports and load balancers; budgets' status; IoTDB's members.
//!
//! What is not, so that nobody relies on it: admission webhooks, quotas, service accounts and RBAC;
//! eviction, and so enforcement of budgets, and percentages in them; nodes that fill up or are removed
//! under their pods, or fail by themselves (tests and rehearsals make them fail, and members crash);
//! probes as such (a pod answers when its database does); CronJobs, and Jobs but for
//! those that prepare directories (one pod after the other, their deadline; no TTL, no pauses); claim
//! retention other than Retain; controller revisions (a lost member comes back in the newest form even
//! in the midst of a rollout); pod affinity, preferences and priorities of the scheduler; a default
//! storage class; binding takes no time; a claim emptied or lost under a database that goes on; the
//! history of an object's field owners by operation and sub-resource.

mod values;
mod quantities;
mod selectors;
mod idle;
mod shared;
mod cluster;
mod denial;
mod defaults;
mod rules;
mod services;
mod api;
mod stateful_sets;
mod budgets;
mod volumes;
mod occupancy;
mod scheduler;
mod databases;
mod directories;
mod jobs;
mod nodes;
mod furniture;
mod copied;
mod trouble;
mod controllers;
mod look;
mod store;

use std::cell::RefCell;
use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;

pub use cluster::{Cluster, PodLife, SimEvent, Stage};
pub use db_engine::iotdb::sim::Load;
use denial::Denial;
pub use directories::Directories;
pub use furniture::Furniture;
pub use store::SandboxError;
use store::Store;
pub use trouble::{Mood, Trouble};

use crate::inventory::Inventory;
use crate::object::{FIELD_MANAGER, Labels, ObjectKey};
use crate::observed::{DatabaseScope, DatabaseView, Observed, Scope};
use crate::plan::change::Change;
use crate::plan::growth;
use crate::plan::job;
use crate::plan::labels;
use crate::plan::scale;
use crate::plan::step::Action;
use crate::plan::volume;
use crate::wording::with_causes;
use crate::world::{Draft, Preview, Refused, Unseen, World};

/// The machines of a fresh sandbox.
const FIRST_WORKERS: [&str; 3] = ["worker-1", "worker-2", "worker-3"];

/// A simulated Kubernetes with simulated databases.
#[derive(Debug)]
pub struct Sandbox {
    cluster: RefCell<Cluster>,
    store: Option<Store>,
    reads_only: bool,
    opened_at_ms: u64,
    /// Why the last change of a kind that cannot fail was not saved.
    unsaved: RefCell<Option<String>>,
}

impl Sandbox {
    /// The sandbox kept in a directory (made if it is not there), locked for this process as long as
    /// the value lives. A fresh one has three machines and nothing else.
    pub fn open(dir: &Path) -> Result<Self, SandboxError> {
        let store = Store::lock(dir)?;
        let mut cluster = store::load(dir)?.unwrap_or_else(fresh);
        if let Some(later) = controllers::after_a_while(&cluster) {
            store.save(&later)?;
            cluster = later;
        }
        Ok(Self::of(cluster, Some(store), false))
    }

    /// The sandbox kept in a directory as it is now, to look at and to plan on: needs no lock, saves
    /// nothing, refuses every action.
    pub fn read_only(dir: &Path) -> Result<Self, SandboxError> {
        Ok(Self::of(store::load(dir)?.unwrap_or_else(fresh), None, true))
    }

    /// A fresh sandbox that is kept nowhere.
    pub fn in_memory() -> Self {
        Self::of(fresh(), None, false)
    }

    /// A world as it was once seen, kept nowhere from now on.
    pub fn resumed(cluster: Cluster) -> Self {
        Self::of(cluster, None, false)
    }

    fn of(cluster: Cluster, store: Option<Store>, reads_only: bool) -> Self {
        Self {
            opened_at_ms: cluster.clock_ms,
            cluster: RefCell::new(cluster),
            store,
            reads_only,
            unsaved: RefCell::default(),
        }
    }

    /// Sees to it that there is what a stack expects to find on a real cluster.
    pub fn furnish(&self, furniture: &Furniture) {
        let before = self.cluster.borrow().revision;
        furniture::bring(&mut self.cluster.borrow_mut(), furniture);
        if self.cluster.borrow().revision != before {
            self.save_quietly();
        }
    }

    /// Does anything to the world behind tsinfra's back, for tests and rehearsals.
    pub fn disturb<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let result = change(&mut self.cluster.borrow_mut());
        self.save_quietly();
        result
    }

    /// A copy of the whole state.
    pub fn snapshot(&self) -> Cluster {
        self.cluster.borrow().clone()
    }

    /// Makes a change on a copy, saves it, and only then lets it be so.
    fn transact(
        &self,
        change: impl FnOnce(&mut Cluster) -> Result<(), Denial>,
    ) -> Result<(), Refused> {
        if self.reads_only {
            return Err(Refused::Denied("this sandbox was opened for reading only".to_owned()));
        }
        if let Some(why) = &*self.unsaved.borrow() {
            return Err(Refused::Denied(why.clone()));
        }
        let mut next = self.cluster.borrow().clone();
        change(&mut next)?;
        // Whatever is written makes a new revision.
        if next.revision != self.cluster.borrow().revision {
            self.save(&next).map_err(|why| Refused::Denied(with_causes(&why)))?;
            self.cluster.replace(next);
        }
        Ok(())
    }

    fn save(&self, cluster: &Cluster) -> Result<(), SandboxError> {
        self.store.as_ref().map_or(Ok(()), |store| store.save(cluster))
    }

    fn save_quietly(&self) {
        if let Err(why) = self.save(&self.cluster.borrow()) {
            self.unsaved.replace(Some(with_causes(&why)));
        }
    }

    /// Begins to wait for a change, at most so long; [`others_first`] comes next, then
    /// [`Self::go_on_waiting`].
    pub(crate) fn begin_wait(&self, scope: &Scope, at_most: Duration) -> Wait {
        let at_most = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        let end_ms = self.cluster.borrow().clock_ms.saturating_add(at_most);
        Wait { end_ms, before: self.signs(&scope.databases) }
    }

    /// Lets time pass until something has changed since the wait began.
    pub(crate) fn go_on_waiting(&self, scope: &Scope, wait: &Wait) {
        let mut ticked = false;
        while self.signs(&scope.databases) == wait.before
            && self.cluster.borrow().clock_ms < wait.end_ms
        {
            let mut cluster = self.cluster.borrow_mut();
            let left = wait.end_ms - cluster.clock_ms;
            if scope.databases.is_empty() {
                controllers::advance_until_change(&mut cluster, left);
            } else {
                // What a database says changes with time alone.
                controllers::tick(&mut cluster, left.min(controllers::TICK_MS));
            }
            ticked = true;
        }
        if ticked {
            self.save_quietly();
        }
    }

    /// What tells that something a reader could notice has changed.
    fn signs(&self, databases: &[DatabaseScope]) -> (u64, Vec<DatabaseView>) {
        let cluster = self.cluster.borrow();
        let views = databases.iter().map(|scope| databases::view(&cluster, scope)).collect();
        (cluster.revision, views)
    }
}

/// A wait for a change that has begun.
pub(crate) struct Wait {
    end_ms: u64,
    before: (u64, Vec<DatabaseView>),
}

/// Whoever else has something to do at this instant does it before time passes; they may let it pass
/// too, then it has passed for this one as well.
pub(crate) async fn others_first() {
    let mut had_their_turn = false;
    poll_fn(|task| {
        if std::mem::replace(&mut had_their_turn, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The world before anyone has done anything.
fn fresh() -> Cluster {
    let mut cluster = Cluster::empty(1);
    for name in FIRST_WORKERS {
        nodes::add_worker(&mut cluster, name, &Labels::new());
    }
    cluster
}

impl Cluster {
    /// Lets virtual time pass.
    pub fn advance(&mut self, time: Duration) {
        controllers::advance(self, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }

    /// Lets virtual time pass until something changes, at most so long.
    pub fn advance_until_change(&mut self, at_most: Duration) {
        let at_most = u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX);
        controllers::advance_until_change(self, at_most);
    }

    /// What another tool does with an object: a JSON merge patch. The fields it changes become its
    /// own, as the API server has it for every write that is no server-side apply.
    pub fn edit_as(
        &mut self,
        manager: &str,
        key: &ObjectKey,
        patch: &Value,
    ) -> Result<(), Refused> {
        api::edit(self, key, manager, patch).map_err(Refused::from)
    }

    /// What another tool does that deletes a StatefulSet from around its members; fine if it is gone.
    pub fn orphan(&mut self, set: &ObjectKey) {
        api::begin_release(self, set);
    }

    /// What another tool does that deletes an object; fine if it is gone.
    pub fn delete(&mut self, key: &ObjectKey) {
        if self.get(key).is_some() {
            api::begin_deletion(self, key);
        }
    }
}

impl World for Sandbox {
    fn target(&self) -> String {
        "sandbox".to_owned()
    }

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        if let Some(why) = &*self.unsaved.borrow() {
            return Err(Unseen { doing: "saving the sandbox".to_owned(), why: why.clone() });
        }
        look::look(&self.cluster.borrow(), scope)
    }

    async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen> {
        let mut trial = self.cluster.borrow().clone();
        let outcome = match &draft.uid {
            None => api::create(&mut trial, &draft.object, &draft.manifest, FIELD_MANAGER),
            Some(uid) => api::apply(&mut trial, &draft.object, uid, &draft.manifest, draft.force),
        };
        Ok(match outcome {
            Ok(()) => Preview::Stored(trial.get(&draft.object).cloned().unwrap_or_default()),
            Err(denial) => denial.into(),
        })
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        self.transact(|cluster| match action {
            Action::Create { object, manifest } => {
                api::create(cluster, object, manifest, FIELD_MANAGER)
            }
            Action::Update { object, uid, digest, manifest, force } => {
                api::update(cluster, &Change { object, uid, digest, manifest }, *force)
            }
            Action::Delete { object, uid } => api::delete(cluster, object, uid),
            Action::Hold { volume: key, uid, claim, labels } => {
                api::amend(cluster, key, |live| volume::hold(key, live, uid, claim, labels))
            }
            Action::Purge { volume: key, uid, claim } if cluster.get(key).is_some() => {
                api::amend(cluster, key, |live| volume::purge(key, live, uid, claim))
            }
            Action::Purge { .. } => Ok(()),
            Action::Relabel { object, uid, labels } => {
                api::amend(cluster, object, |live| labels::relabel(object, live, uid, labels))
            }
            Action::Say { member, database, statement } => {
                databases::say(cluster, database, member, statement)
            }
            Action::Start { job: key, labels } => {
                api::amend(cluster, key, |live| job::start(key, live, labels))
            }
            Action::Retire { job, labels } => api::retire(cluster, job, labels),
            Action::Expand { claim, uid, volume, to, .. } => {
                api::amend(cluster, claim, |live| growth::expand(claim, live, uid, volume, to))
            }
            Action::Scale { object: key, uid, from, to } => {
                api::amend(cluster, key, |live| scale::scale(key, live, uid, (*from, *to)))
            }
            Action::Identify { stack, database, known, claims, .. } => {
                databases::identify(cluster, stack, (database, known), claims)
            }
            Action::Abandon { pod, uid } => api::abandon(cluster, pod, uid),
            Action::Dissolve { object, uid } => api::dissolve(cluster, object, uid),
            Action::Orphan { object, uid, generation } => {
                api::orphan(cluster, object, uid, *generation)
            }
            Action::Await => Ok(()),
        })
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        let key = Inventory::key(&inventory.namespace, &inventory.stack);
        let manifest = inventory.to_config_map();
        self.transact(|cluster| {
            let uid = cluster.get(&key).map(|record| cluster::uid(record).to_owned());
            match uid {
                None => api::create(cluster, &key, &manifest, FIELD_MANAGER),
                Some(uid) => api::apply(cluster, &key, &uid, &manifest, true),
            }
        })
    }

    async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused> {
        let key = Inventory::key(namespace, stack);
        self.transact(|cluster| {
            cluster.delete(&key);
            Ok(())
        })
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        self.transact(|cluster| api::swap(cluster, object, manifest, version))?;
        let cluster = self.cluster.borrow();
        let written =
            cluster.get(object).map(|value| values::text(value, "/metadata/resourceVersion"));
        Ok(written.unwrap_or_default().to_owned())
    }

    fn time_of_day(&self) -> String {
        self.cluster.borrow().timestamp()
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        let wait = self.begin_wait(scope, at_most);
        others_first().await;
        self.go_on_waiting(scope, &wait);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.cluster.borrow().clock_ms.saturating_sub(self.opened_at_ms))
    }
}
