//! Mistakes in dealing with the world: answers that are misread, requests that are sent otherwise.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use db_engine::engine::{MemberState, Topology, TopologyMember};
use serde_json::{Value, json};
use tsinfra::inventory::Inventory;
use tsinfra::lock::Lock;
use tsinfra::object::{Kind, Labels, ObjectKey};
use tsinfra::observed::{DatabaseView, List, LiveObject, Observed, Scope};
use tsinfra::plan::Plan;
use tsinfra::plan::step::Action;
use tsinfra::rehearsal::fault::Fault;
use tsinfra::rehearsal::faulty::Faulty;
use tsinfra::world::{Refused, Unseen, World};

use super::Mistake;
use super::plans::no_expectations;

/// How what is seen or asked for is twisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// Not at all.
    None,
    /// The record is not kept.
    NoRecord,
    /// The record is kept without uids.
    NoUids,
    /// A destroy drops the record first.
    RecordFirst,
    /// The lock says what was done, not what will be.
    SaysAfter,
    /// The lock says nothing of steps.
    SaysNothing,
    /// It is not heeded that somebody else has the lock by now.
    NoFence,
    /// Nothing is locked.
    NoLock,
    /// The lock is taken from whoever has it.
    Robs,
    /// The lock is never let go.
    Clings,
    /// A dead holder is waited for for ever.
    Waits,
    /// An answer that never came is taken for a no.
    UnknownIsNo,
    /// An answer that never came is taken for a yes.
    UnknownIsYes,
    /// A request without an answer is sent again.
    Retries,
    /// A refusal is passed over.
    RefusedIsDone,
    /// What is of the name is deleted, whatever it is.
    ByName,
    /// What others have changed since is overwritten.
    LastWins,
    /// Changing is deleting and making anew.
    Recreates,
    /// What belongs to a StatefulSet goes with it.
    Cascades,
    /// Pods are deleted so that they restart sooner.
    Hastens,
    /// All claims of the namespace are deleted with one's own.
    Sweeps,
    /// What cannot be read is not there.
    BlindIsEmpty,
    /// Members that are ready are all that is asked of a rollout.
    ReadyIsDone,
    /// A database that gives no answer is well.
    SilenceIsWell,
    /// Whatever database answers is the one.
    AnyDatabase,
    /// What was true while planning is true.
    OnceIsEnough,
    /// What was seen once is seen for ever.
    NeverLooksAgain,
}

/// All mistakes of this kind.
pub(super) fn all() -> Vec<Mistake> {
    use Fault as F;
    use Twist as T;
    let of = |what, during, under, told, twist| Mistake {
        what,
        during,
        under,
        told,
        spoil: |_| (),
        twist,
    };
    let unasked = |mistake| Mistake { spoil: no_expectations, ..mistake };
    const EDITS: &[Fault] = &[F::Scaled, F::Autoscaled, F::FieldEdited, F::SetDeleted];
    const SILENCE: &[Fault] = &[F::DatabaseSilent];
    vec![
        of("nothing is put on record", "create", &[], "does not stand on the record", T::NoRecord),
        of("what is meant is put on record for good", "create", &[], "not converged", T::NoUids),
        of("the record goes first", "destroy", &[], "record: it is dropped", T::RecordFirst),
        of("the lock says what was done", "create", &[], "before the lock says so", T::SaysAfter),
        of("the lock says nothing of it", "create", &[], "before the lock says so", T::SaysNothing),
        of("a lost lock is not heeded", "create", &[F::Paused], "without the lock", T::NoFence),
        of("nothing is locked", "create", &[], "without the lock", T::NoLock),
        of("the lock is taken from the living", "create", &[F::Rival], "who lives", T::Robs),
        of("the lock is kept for ever", "create", &[], "lock: it is held", T::Clings),
        of("the dead are waited for", "create", &[F::CrashAfter], "not converged", T::Waits),
        of("no answer is a no", "create", &[F::Late], "an answer is outstanding", T::UnknownIsNo),
        of("no answer is a yes", "destroy", &[F::RequestLost], "rule 7: ", T::UnknownIsYes),
        of("no answer is asked again", "create", &[F::AnswerLost], "retry: ", T::Retries),
        of("a lost deletion is sent again", "destroy", &[F::AnswerLost], "retry: ", T::Retries),
        of("a no is passed over", "destroy", &[F::Refused], "rule 7: ", T::RefusedIsDone),
        unasked(of("a name is enough", "destroy", &[F::ServiceReplaced], "rule 1: ", T::ByName)),
        unasked(of("the last one wins", "restart", &[F::Autoscaled], "rule 2: ", T::LastWins)),
        of("changing is making anew", "restart", &[], "rule 9: ", T::Recreates),
        of("members go with their set", "grow", &[], "rule 9: ", T::Cascades),
        of("pods are pushed", "restart", &[], "rule 4: ", T::Hastens),
        of("a namespace is swept", "destroy beside strangers", &[], "rule 1: ", T::Sweeps),
        of("what cannot be read is gone", "destroy", &[F::LookFails], "rule 7: ", T::BlindIsEmpty),
        of("ready is all", "restart", &[], "rule 4: ", T::ReadyIsDone),
        of("silence is a yes", "restart", SILENCE, "rule 3: ", T::SilenceIsWell),
        of("an empty table is a yes", "restart", &[F::DatabaseEmpty], "rule 3: ", T::SilenceIsWell),
        of("an error is a yes", "restart", &[F::DatabaseRefuses], "rule 3: ", T::SilenceIsWell),
        of("any database will do", "restart", &[F::AnotherDatabase], "rule 10: ", T::AnyDatabase),
        of("a stale plan is carried out", "restart", EDITS, "rule 10: ", T::OnceIsEnough),
        of("a stale end is carried out", "destroy", EDITS, "rule 10: ", T::OnceIsEnough),
        of("one look is enough", "create", &[], "without a fault", T::NeverLooksAgain),
    ]
}

/// A world as a mistaken executor has it.
pub(super) struct Twisted<'a> {
    world: &'a Faulty<'a>,
    twist: Twist,
    plan: &'a Plan,
    looks: RefCell<BTreeMap<String, Observed>>,
    keeps: Cell<usize>,
    version: Cell<u64>,
    /// What is to be said once it is done.
    unsaid: RefCell<Option<(ObjectKey, Value, Option<String>)>>,
}

impl<'a> Twisted<'a> {
    pub(super) fn new(world: &'a Faulty<'a>, twist: Twist, plan: &'a Plan) -> Self {
        Self {
            world,
            twist,
            plan,
            looks: RefCell::default(),
            keeps: Cell::new(0),
            version: Cell::new(0),
            unsaid: RefCell::default(),
        }
    }

    async fn now(&self, object: &ObjectKey) -> Option<LiveObject> {
        let scope = Scope { gets: vec![object.clone()], ..Scope::default() };
        self.world.look(&scope).await.ok()?.objects.remove(object)
    }

    async fn delete_all(&self, kind: Kind, own: Option<&str>) {
        let namespace = Some(self.plan.namespace.clone());
        let lists = vec![List { kind, namespace, labels: Labels::new() }];
        let Ok(seen) = self.world.look(&Scope { lists, ..Scope::default() }).await else { return };
        for (object, live) in seen.objects {
            if own.is_none_or(|prefix| object.name.starts_with(prefix)) {
                let action = Action::Delete { object, uid: live.uid().to_owned() };
                drop(self.world.perform(&action).await);
            }
        }
    }

    fn seen(&self, seen: &mut Observed) {
        match self.twist {
            Twist::Robs => seen.objects.retain(|key, live| {
                if key.kind == Kind::Lease {
                    live.value_mut()["spec"]["holderIdentity"] = json!("");
                }
                true
            }),
            Twist::Waits => {
                self.version.set(self.version.get() + 1);
                let leases = seen.objects.iter_mut().filter(|(key, _)| key.kind == Kind::Lease);
                for (_, live) in leases.filter(|(_, live)| Lock::from_lease(live).is_some()) {
                    let version = format!("{}", self.version.get());
                    live.value_mut()["metadata"]["resourceVersion"] = json!(version);
                }
            }
            Twist::ReadyIsDone => {
                for (key, live) in &mut seen.objects {
                    let value = live.value_mut();
                    if key.kind == Kind::StatefulSet {
                        value["status"]["observedGeneration"] =
                            value["metadata"]["generation"].clone();
                        value["status"]["updatedReplicas"] = value["spec"]["replicas"].clone();
                    }
                    if let Some(metadata) = value["metadata"].as_object_mut() {
                        metadata.remove("deletionTimestamp");
                    }
                }
            }
            Twist::SilenceIsWell => {
                for view in seen.databases.values_mut() {
                    if !matches!(view, DatabaseView::Seen(_)) {
                        *view = DatabaseView::Seen(self.all_well());
                    }
                }
            }
            Twist::AnyDatabase => {
                for (name, view) in &mut seen.databases {
                    let known = self.plan.basis.databases.get(name);
                    if let (DatabaseView::Seen(topology), Some(known)) = (view, known) {
                        topology.cluster_id.clone_from(&known.cluster_id);
                    }
                }
            }
            _ => {}
        }
    }

    /// The database as it should be.
    fn all_well(&self) -> Topology {
        let known = self.plan.basis.databases.values().next();
        let well = |address: String| {
            let (kind, status) = ("DataNode".to_owned(), "Running".to_owned());
            let state = MemberState::Running;
            (address, TopologyMember { id: 1, kind, state, status, regions: 0 })
        };
        Topology {
            cluster_id: known.map(|it| it.cluster_id.clone()).unwrap_or_default(),
            version: "2.0.5".to_owned(),
            members: self.plan.members_to_come().into_iter().map(well).collect(),
        }
    }
}

impl World for Twisted<'_> {
    tsinfra::pass_on!(me => me.world; target, preview, drop_record, time_of_day, stir, elapsed);

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        let seen = self.world.look(scope).await;
        if self.twist == Twist::BlindIsEmpty && seen.is_err() {
            return Ok(Observed::default());
        }
        let mut seen = seen?;
        self.seen(&mut seen);
        let of_the_lock = scope.gets.iter().any(|key| key.kind == Kind::Lease);
        let remembers = match self.twist {
            Twist::OnceIsEnough => self.keeps.get() == 0 && scope.inventory.is_none(),
            Twist::NeverLooksAgain => true,
            _ => false,
        };
        if remembers && !of_the_lock {
            let first = self.looks.borrow_mut().entry(format!("{scope:?}")).or_insert(seen).clone();
            return Ok(first);
        }
        Ok(seen)
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        if *action == Action::Await {
            return Ok(());
        }
        let mut action = action.clone();
        match (self.twist, &mut action) {
            (Twist::ByName, Action::Delete { object, uid }) => {
                if let Some(live) = self.now(object).await {
                    live.uid().clone_into(uid);
                }
            }
            (Twist::LastWins, Action::Update { object, uid, digest, manifest, force }) => {
                if let Some(live) = self.now(object).await {
                    live.uid().clone_into(uid);
                    *digest = tsinfra::fields::digest(manifest, &live.value);
                    *force = true;
                }
            }
            (Twist::Recreates, Action::Update { object, uid, manifest, .. }) => {
                let (object, uid, manifest) = (object.clone(), uid.clone(), manifest.clone());
                self.world.perform(&Action::Delete { object: object.clone(), uid }).await?;
                action = Action::Create { object, manifest };
            }
            (Twist::Cascades, Action::Orphan { object, uid, .. }) => {
                action = Action::Delete { object: object.clone(), uid: uid.clone() };
            }
            (Twist::Hastens, Action::Update { object, .. }) => {
                let prefix = format!("{}-", object.name);
                self.delete_all(Kind::Pod, Some(&prefix)).await;
            }
            (Twist::Sweeps, Action::Delete { object, .. })
                if object.kind == Kind::PersistentVolumeClaim =>
            {
                self.delete_all(Kind::PersistentVolumeClaim, None).await;
            }
            _ => {}
        }
        let outcome = self.world.perform(&action).await;
        let unsaid = self.unsaid.borrow_mut().take();
        if let Some((key, manifest, version)) = unsaid {
            drop(self.world.swap(&key, &manifest, version.as_deref()).await);
        }
        match (self.twist, outcome) {
            (Twist::UnknownIsNo, Err(Refused::Unknown(why))) => Err(Refused::Denied(why)),
            (Twist::UnknownIsYes, Err(Refused::Unknown(_)))
            | (Twist::RefusedIsDone, Err(Refused::Denied(_))) => Ok(()),
            (Twist::Retries, Err(Refused::Unknown(_))) => self.world.perform(&action).await,
            (_, outcome) => outcome,
        }
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        self.keeps.set(self.keeps.get() + 1);
        match self.twist {
            Twist::NoRecord => Ok(()),
            Twist::NoUids => {
                let mut inventory = inventory.clone();
                inventory.items.values_mut().for_each(|item| item.uid.clear());
                self.world.keep(&inventory).await
            }
            Twist::RecordFirst if self.keeps.get() == 1 => {
                self.world.drop_record(&inventory.namespace, &inventory.stack).await
            }
            _ => self.world.keep(inventory).await,
        }
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        let holder = manifest.pointer("/spec/holderIdentity").and_then(Value::as_str);
        let begun = manifest["metadata"]["annotations"].to_string();
        let says_a_step =
            begun.contains('/') && begun.contains("Set/") || begun.contains("create/");
        match self.twist {
            Twist::NoLock => return Ok("1".to_owned()),
            Twist::Clings if holder.is_none() => return Ok("1".to_owned()),
            Twist::SaysNothing if says_a_step => {
                return Ok(version.unwrap_or_default().to_owned());
            }
            Twist::SaysAfter if says_a_step => {
                let later = (object.clone(), manifest.clone(), version.map(str::to_owned));
                *self.unsaid.borrow_mut() = Some(later);
                return Ok(version.unwrap_or_default().to_owned());
            }
            _ => {}
        }
        match self.world.swap(object, manifest, version).await {
            Err(Refused::Stale(_)) if self.twist == Twist::NoFence && version.is_some() => {
                Ok(version.unwrap_or_default().to_owned())
            }
            outcome => outcome,
        }
    }
}
