//! What the actors of a trial share: the world, the rules that watch it, and what was asked of it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;

use super::rules::{Actor, Rules};
use super::way::Way;
use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::plan::step::Action;
use crate::sandbox::{Cluster, Sandbox};
use crate::stack::Stack;
use crate::world::{Refused, World};

/// What is shared by all actors of a trial.
#[derive(Debug)]
pub struct Scene {
    /// The world.
    pub sandbox: Sandbox,
    /// The rules.
    pub rules: RefCell<Rules>,
    /// What happened, one line an effect.
    pub journal: RefCell<Vec<String>>,
    pub(super) namespace: String,
    pub(super) stack: String,
    /// Requests under way: when they arrive, whose they are.
    pub(super) held_up: RefCell<Vec<(Duration, String, bool, Deed)>>,
    /// Whether the other actor is through.
    pub other_is_through: Cell<bool>,
    /// Whether another actor is to begin.
    pub rival_begins: Cell<bool>,
    /// The world at the moment an actor was killed.
    pub at_the_crash: RefCell<Option<Cluster>>,
    /// Actions that were asked for by the actor with faults: the number of the effect, and what.
    pub actions: RefCell<Vec<(usize, String)>>,
    /// The way of the actor that is watched, if it is to be gone again.
    pub(super) way: RefCell<Option<Way>>,
}

/// A request that may change something.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Perform(Action),
    Keep(Box<Inventory>),
    Drop,
    Swap(ObjectKey, Value, Option<String>),
}

impl Scene {
    /// A scene for a stack in a world.
    pub fn new(base: &Cluster, stack: &Stack) -> Self {
        Self {
            sandbox: Sandbox::resumed(base.clone()),
            rules: RefCell::new(Rules::over(base, stack)),
            journal: RefCell::default(),
            namespace: stack.namespace.clone(),
            stack: stack.name.clone(),
            held_up: RefCell::default(),
            other_is_through: Cell::new(false),
            rival_begins: Cell::new(false),
            at_the_crash: RefCell::default(),
            actions: RefCell::default(),
            way: RefCell::default(),
        }
    }

    /// The same, and the way of the actor that is watched is kept.
    pub(super) fn recording(self) -> Self {
        Self { way: RefCell::new(Some(Way::default())), ..self }
    }

    /// Lets time pass under the rules' eyes.
    pub fn pass(&self, time: Duration) {
        let end = self.sandbox.elapsed() + time;
        while self.sandbox.elapsed() < end {
            let left = end.saturating_sub(self.sandbox.elapsed());
            let next = self.held_up.borrow().iter().map(|(at, ..)| *at).min();
            let left = next.map_or(left, |at| left.min(at.saturating_sub(self.sandbox.elapsed())));
            let left = left.max(Duration::from_millis(1));
            self.sandbox.disturb(|cluster| cluster.advance_until_change(left));
            self.arrivals();
            self.check();
        }
    }

    pub(super) fn check(&self) {
        self.sandbox.disturb(|cluster| self.rules.borrow_mut().after(cluster));
    }

    pub(super) fn note(&self, line: &str) {
        let at = self.sandbox.elapsed().as_secs_f32();
        self.journal.borrow_mut().push(format!("{at:8.1}s  {line}"));
    }

    /// Carries out what was held up and whose time has come.
    pub(super) fn arrivals(&self) {
        loop {
            let now = self.sandbox.elapsed();
            let due = self.held_up.borrow().iter().position(|(at, ..)| *at <= now);
            let Some(index) = due else { return };
            let (_, holder, may_end, deed) = self.held_up.borrow_mut().remove(index);
            self.note(&format!("{holder}: arrives late: {deed}"));
            let actor = Actor { holder: Some(&holder), may_end, late: true, known: None };
            drop(self.carry(&actor, &deed));
        }
    }

    /// Carries a request out, asking the rules before and after. The answer of a swap is the version.
    pub(super) fn carry(&self, actor: &Actor<'_>, deed: &Deed) -> Result<String, Refused> {
        // The lock itself is judged by how it is asked for.
        let is_judged = !matches!(deed, Deed::Swap(..));
        let before = is_judged.then(|| self.sandbox.snapshot());
        let outcome = now(async {
            match deed {
                Deed::Perform(action) => self.sandbox.perform(action).await.map(|()| String::new()),
                Deed::Keep(record) => self.sandbox.keep(record).await.map(|()| String::new()),
                Deed::Drop => {
                    let dropped = self.sandbox.drop_record(&self.namespace, &self.stack);
                    dropped.await.map(|()| String::new())
                }
                Deed::Swap(key, manifest, version) => {
                    self.sandbox.swap(key, manifest, version.as_deref()).await
                }
            }
        });
        // What the server refuses is no harm done.
        match (deed, before, &outcome) {
            (Deed::Perform(action), Some(before), Ok(_)) => {
                self.rules.borrow_mut().judge(&before, actor, action);
            }
            (Deed::Keep(_) | Deed::Drop, Some(before), Ok(_)) => {
                self.rules.borrow_mut().judge_record(&before, actor);
            }
            _ => {}
        }
        self.check();
        outcome
    }
}

/// The sandbox answers at once.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task) {
            return value;
        }
    }
}

/// An action in a few words.
pub(super) fn named(action: &Action) -> String {
    match action {
        Action::Create { object, .. } => format!("create {object}"),
        Action::Update { object, .. } => format!("update {object}"),
        Action::Delete { object, .. } | Action::Dissolve { object, .. } => {
            format!("delete {object}")
        }
        Action::Abandon { pod, .. } => format!("abandon {pod}"),
        Action::Hold { volume, .. } => format!("hold {volume}"),
        Action::Relabel { object, .. } => format!("relabel {object}"),
        Action::Purge { volume, .. } => format!("purge {volume}"),
        Action::Say { statement, .. } => format!("say {}", statement.text),
        Action::Start { job, .. } => format!("start {job}"),
        Action::Retire { job, .. } => format!("retire {job}"),
        Action::Expand { claim, .. } => format!("expand {claim}"),
        Action::Orphan { object, .. } => format!("orphan {object}"),
        Action::Scale { object, to, .. } => format!("scale {object} to {to}"),
        Action::Identify { set, .. } => format!("identify {set}"),
        Action::Await => "wait".to_owned(),
    }
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Perform(action) => f.write_str(&named(action)),
            Self::Keep(_) => f.write_str("keep the record"),
            Self::Drop => f.write_str("drop the record"),
            Self::Swap(_, manifest, _) => {
                let step = manifest.pointer("/metadata/annotations");
                write!(f, "write the lock {}", step.cloned().unwrap_or_default())
            }
        }
    }
}
