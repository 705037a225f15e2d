//! How one actor of a trial behaves: what can be told from what it asked for and what it was answered,
//! whatever becomes of the world. What the rules of the world are to states, these are to manners.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::engine::MemberState;
use serde_json::Value;

use super::reading::pod_parts;
use super::scene::Deed;
use crate::inventory::Inventory;
use crate::lock::{REQUEST, TERM};
use crate::object::{Kind, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, Observed, Scope};
use crate::plan::step::Action;
use crate::plan::{Plan, seen};
use crate::sandbox::{Cluster, Sandbox};
use crate::world::World;

/// What is remembered of an actor.
#[derive(Clone, Debug, Default)]
pub(super) struct Conduct {
    /// The plan it carries out.
    plan: Option<Plan>,
    /// Whether it has kept its intent on record.
    is_under_way: bool,
    /// Objects of requests whose answers never came, and which it has not looked at since.
    unread: BTreeSet<ObjectKey>,
    /// Whether the answer to a request of it never came.
    is_in_doubt: bool,
    /// Who each database was when it was first seen.
    known: BTreeMap<String, String>,
    /// That another database answered, as a clause.
    stranger: Option<String>,
    /// What each database said of its members when it was last asked: which are running.
    running: BTreeMap<String, BTreeSet<String>>,
    /// StatefulSets whose members it has had restarted, with how many they are.
    restarted: BTreeMap<ObjectKey, u64>,
}

/// What an actor is about to ask for.
pub(super) struct Moment<'a> {
    /// Its name.
    pub(super) holder: &'a str,
    /// The world.
    pub(super) now: &'a Cluster,
    /// The world at its last look.
    pub(super) known: Option<&'a Cluster>,
    /// When the lock was last written, on the virtual clock, in milliseconds.
    pub(super) lock_written_ms: u64,
}

impl Conduct {
    /// It carries out this plan from now on.
    pub(super) fn begins(&mut self, plan: &Plan) {
        let known = plan.basis.databases.iter().map(|(name, it)| (name, &it.cluster_id));
        let known = known.chain(&plan.basis.ids);
        self.known.extend(known.map(|(name, id)| (name.clone(), id.clone())));
        self.plan = Some(plan.clone());
    }

    /// It has looked at something, and seen this.
    pub(super) fn looked(&mut self, scope: &Scope, seen: &Observed) {
        let listed = |key: &ObjectKey| scope.lists.iter().any(|list| list.kind == key.kind);
        self.unread.retain(|key| !scope.gets.contains(key) && !listed(key));
        for (name, view) in &seen.databases {
            let DatabaseView::Seen(topology) = view else { continue };
            let members = topology.members.iter();
            let running = members.filter(|(_, member)| member.state == MemberState::Running);
            let running = running.filter_map(|(address, _)| address.split('.').next());
            self.running.insert(name.clone(), running.map(str::to_owned).collect());
            if topology.cluster_id.is_empty() {
                continue;
            }
            let known = self.known.entry(name.clone());
            let known = known.or_insert_with(|| topology.cluster_id.clone());
            if *known != topology.cluster_id {
                self.stranger = Some(format!("the database of `{name}` is another one"));
            }
        }
    }

    /// No answer came to a request of it.
    pub(super) fn unanswered(&mut self, deed: &Deed) {
        if !matches!(deed, Deed::Swap(..)) {
            self.is_in_doubt = true;
        }
        if let Deed::Perform(action) = deed {
            self.unread.extend(action.object().cloned());
        }
    }

    /// What is wrong with what it is about to ask for.
    pub(super) fn judge(&mut self, deed: &Deed, moment: &Moment<'_>) -> Vec<String> {
        match deed {
            Deed::Perform(action) => {
                let again = action.object().filter(|object| self.unread.contains(*object));
                let again = again.map(|object| {
                    format!("retry: {object} is written again before it was looked at")
                });
                let strange = self
                    .stranger
                    .as_ref()
                    // It looks whose the claims are when it writes.
                    .filter(|_| !matches!(action, Action::Identify { .. }))
                    .zip(action.object())
                    .map(|(why, object)| format!("rule 10: {object} is written though {why}"));
                let hasty = self.is_hasty(action, moment.now);
                again.into_iter().chain(strange).chain(hasty).collect()
            }
            Deed::Keep(_) if !std::mem::replace(&mut self.is_under_way, true) => {
                self.is_stale(moment).into_iter().collect()
            }
            Deed::Keep(_) => Vec::new(),
            Deed::Drop => self.leaves_behind(moment.now).into_iter().collect(),
            Deed::Swap(key, manifest, version) if key.kind == Kind::Lease => {
                let holder = manifest.pointer("/spec/holderIdentity").and_then(Value::as_str);
                match holder {
                    Some(_) => is_robbed(moment, key, version.as_deref()).into_iter().collect(),
                    None if self.is_in_doubt => {
                        vec!["lock: it is let go while an answer is outstanding".to_owned()]
                    }
                    None => Vec::new(),
                }
            }
            Deed::Swap(..) => Vec::new(),
        }
    }

    /// Rule 3: the members of the next set restart only when the database was seen to list those of the
    /// one before as running. A pod that is ready is no member yet.
    fn is_hasty(&mut self, action: &Action, now: &Cluster) -> Option<String> {
        let Action::Update { object, manifest, .. } = action else { return None };
        let live = now.get(object).filter(|_| object.kind == Kind::StatefulSet)?;
        if pod_parts(manifest) == pod_parts(live) {
            return None;
        }
        let listed = |set: &ObjectKey, replicas: u64| {
            let mut members = (0..replicas).map(|ordinal| format!("{}-{ordinal}", set.name));
            members.all(|member| self.running.values().any(|running| running.contains(&member)))
        };
        let mut before = self.restarted.iter().filter(|(set, _)| *set != object);
        let unseen = before.find(|(set, replicas)| !listed(set, **replicas));
        let unseen = unseen.map(|(set, _)| {
            format!("rule 3: {object} restarts before the database lists all members of {set}")
        });
        let replicas = manifest.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        self.restarted.insert(object.clone(), replicas);
        // What was running before the restart is no news of after it.
        self.running.clear();
        unseen
    }

    /// Rule 10: a plan is begun only in a world that is what it was made from, as far as its last look
    /// under the lock could show.
    fn is_stale(&self, moment: &Moment<'_>) -> Option<String> {
        let (plan, known) = (self.plan.as_ref()?, moment.known?);
        let world = Sandbox::resumed(known.clone());
        let scope = seen::scope(&plan.stack, &plan.namespace);
        let mut now = super::scene::now(world.look(&scope)).ok()?;
        let rest = seen::rest(&plan.basis.objects, &now);
        now.objects.extend(super::scene::now(world.look(&rest)).ok()?.objects);
        // Of the namespace, which is made before the lock, the plan has seen nothing.
        let whose = (plan.stack.as_str(), plan.namespace.as_str());
        let change = seen::departs(&plan.basis.objects, whose, &now)?;
        Some(format!("rule 10: a stale plan is begun: {change}"))
    }

    /// The record goes last of all.
    fn leaves_behind(&self, now: &Cluster) -> Option<String> {
        let stack = &self.plan.as_ref()?.stack;
        let is_left = |key: &ObjectKey| {
            !matches!(key.kind, Kind::Namespace | Kind::Lease | Kind::ConfigMap | Kind::Pod)
        };
        let mut left = now.objects.iter().filter(|(key, object)| {
            is_left(key) && object.value["metadata"]["labels"][LABEL_STACK] == *stack.as_str()
        });
        let (key, _) = left.next()?;
        Some(format!("record: it is dropped while {key} is there"))
    }
}

/// Rule 11: the lock is taken only from nobody, or from one who has been silent for too long. Who does
/// not know yet that it was lost, and writes a version that is gone, takes nothing.
fn is_robbed(moment: &Moment<'_>, key: &ObjectKey, version: Option<&str>) -> Option<String> {
    let lease = moment.now.get(key)?;
    let is_current = lease.pointer("/metadata/resourceVersion").and_then(Value::as_str) == version;
    if !is_current {
        return None;
    }
    let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str)?;
    let silent_ms = moment.now.clock_ms.saturating_sub(moment.lock_written_ms);
    let dead = u128::from(silent_ms) >= (TERM + REQUEST).as_millis();
    (holder != moment.holder && !holder.is_empty() && !dead)
        .then(|| format!("rule 11: {} takes the lock from {holder}, who lives", moment.holder))
}

/// What of the record is not true in the end.
pub(super) fn at_the_end(left: &Cluster, stack: &str, namespace: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let record = left.get(&Inventory::key(namespace, stack));
    let record = record.and_then(|record| Inventory::from_config_map(record).ok());
    for (key, item) in record.map(|record| record.items).unwrap_or_default() {
        let uid = left.get(&key).and_then(|live| live.pointer("/metadata/uid")?.as_str());
        match uid {
            None => wrong.push(format!("record: {key} stands on it and is gone")),
            Some(uid) if uid != item.uid => {
                wrong.push(format!("record: {key} stands on it under another uid"));
            }
            Some(_) => {}
        }
    }
    wrong
}
