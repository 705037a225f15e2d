//! A sandbox as one actor of a trial sees it: every request that may change something is an effect with
//! a number, and at chosen numbers something goes wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use db_engine::iotdb::sim::IotdbSim;
use serde_json::{Value, json};

use super::conduct::{Conduct, Moment};
use super::fault::Fault;
use super::mischief::Mischief;
use super::rules::Actor;
use super::scene::{Deed, Scene, now};
use super::way::{Before, Way};
use crate::inventory::Inventory;
use crate::lock::{Lock, REQUEST, TERM};
use crate::object::ObjectKey;
use crate::observed::{Observed, Scope};
use crate::plan::Plan;
use crate::plan::step::Action;
use crate::sandbox::{Cluster, Sandbox, others_first};
use crate::world::{Refused, Unseen, World};

/// How long a request may be held up and still be carried out.
const HELD_UP: Duration = Duration::from_secs(20);

/// Turns after which a run is taken for endless.
const TURNS_MAX: usize = 20_000;

/// One actor's world.
#[derive(Debug)]
pub struct Faulty<'a> {
    scene: &'a Scene,
    holder: String,
    may_end: bool,
    /// What goes wrong at which of its effects.
    faults: BTreeMap<usize, Fault>,
    effects: Cell<usize>,
    turns: Cell<usize>,
    dead: Cell<bool>,
    /// The world as the next look shows it, if not as it is.
    stale: RefCell<Option<Cluster>>,
    known: RefCell<Option<Cluster>>,
    /// Whether the next look is answered by an error.
    blind: Cell<bool>,
    conduct: RefCell<Conduct>,
    /// Whether its actions are listed, and its way kept where one is.
    is_watched: bool,
    /// The way it goes up to its first fault.
    way: Option<&'a Way>,
    /// How many stops of the way are behind it; `None`: it is on none.
    stops: Cell<Option<usize>>,
    /// Picks among pods, machines and sets.
    pick: usize,
}

impl<'a> Faulty<'a> {
    /// An actor's world, with faults at some of its effects.
    pub fn new(
        scene: &'a Scene,
        holder: &str,
        may_end: bool,
        faults: BTreeMap<usize, Fault>,
    ) -> Self {
        let pick = faults.keys().sum();
        Self {
            scene,
            holder: holder.to_owned(),
            may_end,
            faults,
            effects: Cell::new(0),
            turns: Cell::new(0),
            dead: Cell::new(false),
            stale: RefCell::default(),
            known: RefCell::default(),
            blind: Cell::new(false),
            conduct: RefCell::default(),
            is_watched: false,
            way: None,
            stops: Cell::default(),
            pick,
        }
    }

    /// The same, and its actions are listed in the scene.
    pub(super) fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    /// The same, going a way that was gone before up to the first fault.
    pub(super) fn on(self, way: Option<&'a Way>) -> Self {
        let first = self.faults.keys().next();
        let leads_there = |way: &&Way| first.is_some_and(|effect| way.before(*effect).is_some());
        let way = way.filter(leads_there);
        Self { way, stops: Cell::new(way.map(|_| 0)), ..self }
    }

    /// The next stop of the way, if it is on one: the world is as it was there.
    fn next_stop(&self) -> Option<Option<Result<String, Refused>>> {
        let number = self.stops.get()?;
        let (after, answer) = self.way?.stop(number);
        self.stops.set(Some(number + 1));
        self.scene.sandbox.disturb(|cluster| *cluster = after);
        Some(answer)
    }

    /// Leaves the way where the first fault is.
    fn leave_the_way(&self, effect: usize) {
        if !self.faults.contains_key(&effect) || self.stops.take().is_none() {
            return;
        }
        let Some(before) = self.way.and_then(|way| way.before(effect)).cloned() else { return };
        *self.scene.rules.borrow_mut() = before.rules;
        *self.scene.journal.borrow_mut() = before.journal;
        *self.scene.actions.borrow_mut() = before.actions;
        *self.conduct.borrow_mut() = before.conduct;
        *self.known.borrow_mut() = before.known;
    }

    /// Keeps how it is before an effect, where the way is kept.
    fn keep_what_was_before(&self) {
        if let Some(way) = self.scene.way.borrow_mut().as_mut().filter(|_| self.is_watched) {
            way.comes_to(Before {
                rules: self.scene.rules.borrow().clone(),
                conduct: self.conduct.borrow().clone(),
                known: self.known.borrow().clone(),
                journal: self.scene.journal.borrow().clone(),
                actions: self.scene.actions.borrow().clone(),
            });
        }
    }

    /// Keeps what came of what was asked, where the way is kept.
    fn keep_what_came(&self, answer: Option<&Result<String, Refused>>) {
        if let Some(way) = self.scene.way.borrow_mut().as_mut().filter(|_| self.is_watched) {
            way.passes(self.scene.sandbox.snapshot(), answer.cloned());
        }
    }

    /// How many effects there were.
    pub fn effects(&self) -> usize {
        self.effects.get()
    }

    /// This actor carries out a plan.
    pub(super) fn begins(&self, plan: &Plan) {
        self.conduct.borrow_mut().begins(plan);
    }

    /// This actor has done all it meant to: the lock must not be its any more.
    pub(super) fn has_let_go(&self) {
        let scene = self.scene;
        let lease = Lock::key(&scene.namespace, &scene.stack);
        let held = scene.sandbox.disturb(|cluster| {
            let holder = cluster.get(&lease).and_then(|it| it.pointer("/spec/holderIdentity"));
            holder.and_then(Value::as_str) == Some(&self.holder)
        });
        if held && !self.faults.values().any(|fault| fault.leaves_the_lock()) {
            scene.rules.borrow_mut().say("lock: it is held though all is done");
        }
    }

    /// Runs until it ends, or the process dies.
    pub async fn survive<T>(&self, run: impl Future<Output = T>) -> Option<T> {
        let mut run = pin!(run);
        poll_fn(|task| match run.as_mut().poll(task) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if self.dead.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    async fn die<T>(&self) -> T {
        self.scene.note(&format!("{}: is killed", self.holder));
        self.dead.set(true);
        *self.scene.at_the_crash.borrow_mut() = Some(self.scene.sandbox.snapshot());
        pending().await
    }

    /// A request of this actor, with what goes wrong at it.
    async fn effect(&self, deed: Deed) -> Result<String, Refused> {
        let number = self.effects.get();
        self.effects.set(number + 1);
        self.leave_the_way(number);
        if let Some(answer) = self.next_stop() {
            return answer.unwrap_or_else(|| Err(unknown()));
        }
        self.scene.arrivals();
        self.keep_what_was_before();
        let fault = self.faults.get(&number).copied();
        self.watch(&deed);
        let with = fault.map_or(String::new(), |fault| format!("  <- {fault}"));
        self.scene.note(&format!("{} {number}: {deed}{with}", self.holder));
        if self.is_watched && matches!(deed, Deed::Perform(_)) {
            self.scene.actions.borrow_mut().push((number, deed.to_string()));
        }
        match fault {
            Some(Fault::CrashBefore) => return self.die().await,
            Some(Fault::RequestLost) => {
                self.conduct.borrow_mut().unanswered(&deed);
                return Err(unknown());
            }
            Some(Fault::Refused) => {
                return Err(Refused::Denied("refused for no reason".to_owned()));
            }
            Some(Fault::Late) => {
                self.conduct.borrow_mut().unanswered(&deed);
                let at = self.scene.sandbox.elapsed() + HELD_UP;
                let late = (at, self.holder.clone(), self.may_end, deed);
                self.scene.held_up.borrow_mut().push(late);
                return Err(unknown());
            }
            Some(Fault::Slow) => self.scene.pass(REQUEST / 2),
            Some(Fault::StaleLook) => {
                *self.stale.borrow_mut() = Some(self.scene.sandbox.snapshot())
            }
            Some(Fault::LookFails) => self.blind.set(true),
            Some(Fault::Paused) => self.pause().await,
            Some(Fault::Rival) => self.scene.rival_begins.set(true),
            Some(fault) => self.disturb(fault),
            None => {}
        }
        let known = self.known.borrow().clone();
        let actor = Actor {
            holder: Some(&self.holder),
            may_end: self.may_end,
            late: false,
            known: known.as_ref(),
        };
        let outcome = self.scene.carry(&actor, &deed);
        self.keep_what_came(Some(&outcome));
        match fault {
            Some(Fault::CrashAfter) => self.die().await,
            Some(Fault::AnswerLost) => {
                self.conduct.borrow_mut().unanswered(&deed);
                Err(unknown())
            }
            Some(Fault::Twice) => {
                drop(self.scene.carry(&actor, &deed));
                outcome
            }
            _ => outcome,
        }
    }

    /// Asks how this actor behaves with what it is about to ask for.
    fn watch(&self, deed: &Deed) {
        let known = self.known.borrow();
        let wrong = self.scene.sandbox.disturb(|cluster| {
            let mut rules = self.scene.rules.borrow_mut();
            rules.note_the_lock(cluster);
            let moment = Moment {
                holder: &self.holder,
                now: cluster,
                known: known.as_ref(),
                lock_written_ms: rules.lock_written_ms(),
            };
            self.conduct.borrow_mut().judge(deed, &moment)
        });
        wrong.into_iter().for_each(|wrong| self.scene.rules.borrow_mut().say(wrong));
    }

    /// Stands still until the lock has run out and another apply has run through.
    async fn pause(&self) {
        self.scene.pass(TERM + REQUEST);
        self.scene.rival_begins.set(true);
        let mut turns = 0;
        poll_fn(|task| {
            turns += 1;
            if self.scene.other_is_through.get() || turns > TURNS_MAX {
                return Poll::Ready(());
            }
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// What happens to the world, or is done by somebody else.
    fn disturb(&self, fault: Fault) {
        if fault.takes_members() {
            self.scene.rules.borrow_mut().be_lenient();
        }
        if fault == Fault::RecordDeleted {
            self.scene.rules.borrow_mut().miss_the_record();
        }
        let (namespace, stack) = (&self.scene.namespace, &self.scene.stack);
        let mischief = Mischief { namespace, stack, pick: self.pick };
        let replaced = self.scene.sandbox.disturb(|cluster| mischief.strike(cluster, fault));
        if let Some(service) = replaced {
            self.plant(&service);
        }
    }

    /// Somebody else's Service under a name that was ours.
    fn plant(&self, service: &ObjectKey) {
        let manifest = json!({ "metadata": { "labels": { "app": "somebody-elses" } }, "spec": {
            "selector": { "app": "somebody-elses" },
            "ports": [{ "name": "web", "port": 80, "protocol": "TCP", "targetPort": 80 }],
        }});
        let action = Action::Create { object: service.clone(), manifest };
        drop(now(self.scene.sandbox.perform(&action)));
        self.scene.sandbox.disturb(|cluster| {
            let named = |key: &ObjectKey| key == service;
            self.scene.rules.borrow_mut().remember_foreign(cluster, named);
        });
    }

    /// From now on this actor knows the world as it is. A copy costs, so one that still holds is kept.
    fn know_the_world(&self) {
        let mut known = self.known.borrow_mut();
        // Who leaves a database does so by the clock alone.
        let parting = |known: &Cluster| known.databases.values().any(IotdbSim::is_parting);
        let now = self.scene.sandbox.disturb(|cluster| cluster.revision);
        if known.as_ref().is_none_or(|known| known.revision != now || parting(known)) {
            *known = Some(self.scene.sandbox.snapshot());
        }
    }

    async fn turn(&self) {
        self.turns.set(self.turns.get() + 1);
        if self.turns.get() > TURNS_MAX {
            self.scene.rules.borrow_mut().say("rule 13: a run does not end");
            self.die::<()>().await;
        }
    }
}

fn unknown() -> Refused {
    Refused::Unknown("no answer came".to_owned())
}

impl World for Faulty<'_> {
    crate::pass_on!(me => me.scene.sandbox; target, preview, time_of_day, elapsed);

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        self.turn().await;
        if self.blind.take() {
            let why = "the server does not answer".to_owned();
            return Err(Unseen { doing: "looking".to_owned(), why });
        }
        if self.stops.get().is_some() {
            return self.scene.sandbox.look(scope).await;
        }
        let stale = self.stale.borrow_mut().take();
        let seen = match stale {
            Some(old) => {
                let old = Sandbox::resumed(old);
                let seen = old.look(scope).await;
                *self.known.borrow_mut() = Some(old.snapshot());
                seen
            }
            None => {
                self.know_the_world();
                self.scene.sandbox.look(scope).await
            }
        };
        if let Ok(seen) = &seen {
            self.conduct.borrow_mut().looked(scope, seen);
        }
        seen
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        if *action == Action::Await {
            return Ok(());
        }
        self.effect(Deed::Perform(action.clone())).await.map(drop)
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        self.effect(Deed::Keep(Box::new(inventory.clone()))).await.map(drop)
    }

    async fn drop_record(&self, _namespace: &str, _stack: &str) -> Result<(), Refused> {
        self.effect(Deed::Drop).await.map(drop)
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        let deed = Deed::Swap(object.clone(), manifest.clone(), version.map(str::to_owned));
        self.effect(deed).await
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        self.turn().await;
        let wait = self.scene.sandbox.begin_wait(scope, at_most);
        others_first().await;
        if self.next_stop().is_some() {
            return;
        }
        self.scene.sandbox.go_on_waiting(scope, &wait);
        self.scene.arrivals();
        self.scene.check();
        self.keep_what_came(None);
    }
}
