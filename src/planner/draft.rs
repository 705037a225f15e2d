//! A plan in the making: what each situation adds to it.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanInput;
use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::plan::drift::Drift;
use crate::plan::outlook::Outlook;
use crate::plan::step::{Step, StepId};
use crate::plan::{Blocked, Change, Conflict, PLAN_FORMAT, Plan, Purpose};

/// What has been decided so far.
#[derive(Clone, Debug, Default)]
pub struct PlanDraft {
    /// What others did.
    pub drift: Vec<Drift>,
    /// Changes by object.
    pub changes: BTreeMap<ObjectKey, Change>,
    /// Steps by name.
    pub steps: BTreeMap<StepId, Step>,
    /// What is refused.
    pub blocked: BTreeSet<Blocked>,
    /// Fields others have set.
    pub conflicts: BTreeSet<Conflict>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// What a change of members means for region replicas.
    pub outlooks: Vec<Outlook>,
    /// The member that is replaced.
    pub replaces: Option<String>,
}

impl PlanDraft {
    /// Refuses something, with the way on.
    pub fn block(
        &mut self,
        address: impl ToString,
        rule: &str,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.blocked.insert(Blocked {
            address: address.to_string(),
            rule: rule.to_owned(),
            reason: reason.into(),
            help: help.into(),
        });
    }

    /// Tells the reader something, once.
    pub fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Adds a step; edges to steps that are not in the plan are dropped by [`Self::finish`].
    pub fn step(&mut self, id: StepId, step: Step) {
        self.steps.insert(id, step);
    }

    /// The plan. Edges to what needs no doing are dropped here, so that each situation may name
    /// all it comes after without asking what is in the plan.
    pub fn finish(mut self, input: &PlanInput<'_>, inventory: Inventory) -> Plan {
        let ids: BTreeSet<StepId> = self.steps.keys().cloned().collect();
        for step in self.steps.values_mut() {
            step.after.retain(|before| ids.contains(before));
        }
        Plan {
            format: PLAN_FORMAT,
            stack: input.stack.name.clone(),
            namespace: input.stack.namespace.clone(),
            purpose: input.purpose,
            basis: input.basis.clone(),
            drift: self.drift,
            learns: Vec::new(),
            replaces: self.replaces,
            selection: None,
            moved: match input.purpose {
                Purpose::Apply => input.naming.moves(),
                Purpose::Destroy | Purpose::Refresh | Purpose::Adopt | Purpose::Forget => {
                    Vec::new()
                }
            },
            names: input.naming.now.clone(),
            changes: self.changes,
            steps: self.steps,
            blocked: self.blocked.into_iter().collect(),
            conflicts: self.conflicts.into_iter().collect(),
            outlooks: self.outlooks,
            notes: self.notes,
            inventory,
            is_record_due: false,
            databases: crate::desired::members::databases(input.stack),
        }
    }
}

/// The name of the step that makes an object.
pub fn create_id(object: &ObjectKey) -> StepId {
    StepId(format!("create/{object}"))
}

/// The name of the step that changes an object.
pub fn update_id(object: &ObjectKey) -> StepId {
    StepId(format!("update/{object}"))
}

/// The name of the step that deletes an object.
pub fn delete_id(object: &ObjectKey) -> StepId {
    StepId(format!("delete/{object}"))
}

/// The name of the step that waits until a set's members are ready.
pub fn ready_id(set: &ObjectKey) -> StepId {
    StepId(format!("ready/{set}"))
}

/// The step by which a member leaves, by its pod.
pub fn drain_id(pod: impl std::fmt::Display) -> StepId {
    StepId(format!("drain/{pod}"))
}

/// The name of the step that waits until the database lists a pool's members.
pub fn join_id(cluster: &str, pool: &str) -> StepId {
    StepId(format!("join/{cluster}/{pool}"))
}

/// Every step that brings an object to what the stack says.
pub fn settled(object: &ObjectKey) -> [StepId; 3] {
    [create_id(object), update_id(object), ready_id(object)]
}
