//! Plans and events for programs: a format of its own, with a version, in the words of Terraform's
//! plan JSON and UI stream where the meaning is the same.

use serde_json::{Value, json};

use super::events;
use super::paint::Paint;
use super::steps;
use crate::apply::event::{self, Event};
use crate::lock::Lock;
use crate::object::ObjectKey;
use crate::plan::drift::{Drift, What};
use crate::plan::step::{Action, Risk, Step, StepId};
use crate::plan::{Change, FieldChange, Operation, Plan};
use crate::stack::Move;

/// Version of the plan JSON: a new minor number only adds, a new major number changes.
pub const FORMAT_VERSION: &str = "1.5";

/// A plan. Nothing in it is secret: a plan never holds one.
pub fn plan(plan: &Plan) -> Value {
    let order = plan.order().unwrap_or_default();
    let sum = plan.summary();
    json!({
        "format_version": FORMAT_VERSION,
        "tsinfra_version": plan.basis.tsinfra,
        "stack": plan.stack,
        "namespace": plan.namespace,
        "target": plan.basis.target,
        "purpose": plan.purpose,
        "resource_drift": plan.drift.iter().map(drift).collect::<Vec<Value>>(),
        "moved": plan.moved.iter().map(moved).collect::<Vec<Value>>(),
        "resource_changes": plan.changes.iter().map(change).collect::<Vec<Value>>(),
        "steps": order.iter().map(|id| step(id, &plan.steps[*id])).collect::<Vec<Value>>(),
        "blocked": plan.blocked,
        "conflicts": plan.conflicts,
        "regions": plan.outlooks,
        "notes": plan.notes,
        "summary": sum,
        "selection": plan.selection,
        "record_changes": plan.learns,
        "applyable": plan.blocked.is_empty() && plan.has_work(),
        "complete": plan.blocked.is_empty() && plan.selection.is_none(),
        "errored": false,
    })
}

fn moved(moved: &Move) -> Value {
    json!({ "previous_address": moved.from, "address": moved.to })
}

fn actions(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Create => &["create"],
        Operation::Update => &["update"],
        Operation::Delete => &["delete"],
        Operation::Replace | Operation::Recycle => &["delete", "create"],
        Operation::Keep | Operation::Forget => &["forget"],
        Operation::Adopt => &["adopt"],
    }
}

/// Drift in the shape of a change, as Terraform has it: from what was applied to what is there.
fn drift(drift: &Drift) -> Value {
    let actions: &[&str] = match drift.what {
        What::Changed => &["update"],
        What::Deleted => &["delete"],
        What::Replaced => &["delete", "create"],
    };
    let key = &drift.object;
    json!({
        "address": key,
        "type": key.kind.word(),
        "namespace": key.namespace,
        "name": key.name,
        "change": { "actions": actions, "fields": fields(&drift.fields) },
    })
}

fn fields(fields: &[FieldChange]) -> Vec<Value> {
    let one = |field: &FieldChange| {
        json!({
            "path": field.path,
            "before": field.before,
            "after": field.after,
            "drifted_by": field.drifted_by,
        })
    };
    fields.iter().map(one).collect()
}

fn change((key, change): (&ObjectKey, &Change)) -> Value {
    json!({
        "address": key,
        "type": key.kind.word(),
        "namespace": key.namespace,
        "name": key.name,
        "summary": change.summary,
        "change": { "actions": actions(change.operation), "fields": fields(&change.fields) },
        "action_reason": change.because,
    })
}

fn step(id: &StepId, step: &Step) -> Value {
    json!({
        "id": id,
        "title": step.title,
        "op": match step.action {
            Action::Create { .. } => "create",
            Action::Update { .. } => "update",
            Action::Delete { .. } | Action::Dissolve { .. } => "delete",
            Action::Hold { .. } => "hold",
            Action::Relabel { .. } => "relabel",
            Action::Abandon { .. } => "abandon",
            Action::Purge { .. } => "purge",
            Action::Say { .. } => "say",
            Action::Start { .. } => "start",
            Action::Retire { .. } => "retire",
            Action::Expand { .. } => "expand",
            Action::Orphan { .. } => "orphan",
            Action::Scale { .. } => "scale",
            Action::Identify { .. } => "identify",
            Action::Await => "wait",
        },
        "address": step.action.object(),
        "needs": step.after,
        "because": step.because,
        "waits": step.until.waits().then(|| json!({
            "predicate": steps::until(&step.until),
            "timeout_s": step.limit_seconds,
        })),
        "data_effect": match step.risk {
            Risk::None => "none",
            Risk::Moves => "moves",
            Risk::Restarts => "restarts",
            Risk::Deletes => "deletes",
            Risk::Exposes => "exposes",
        },
        "bytes_deleted": step.bytes,
    })
}

/// The first line of a stream: who speaks, in which format.
pub fn version() -> Value {
    json!({
        "@level": "info",
        "@message": format!("tsinfra {}", env!("CARGO_PKG_VERSION")),
        "@module": "tsinfra",
        "type": "version",
        "tsinfra": env!("CARGO_PKG_VERSION"),
        "ui": FORMAT_VERSION,
    })
}

/// A plan as a line of a stream.
pub fn planned(made: &Plan) -> Value {
    line("info", "change_summary", "plan made", json!({ "plan": plan(made) }))
}

/// What happened, as a line of a stream.
pub fn event(plan: &Plan, event: &Event) -> Value {
    let message = events::line(plan, event, Paint::default());
    let (level, kind, more) = match &event.what {
        event::What::Begun => ("info", "apply_start", json!({})),
        event::What::Waiting { done, of, why } => {
            ("info", "apply_progress", json!({ "done": done, "of": of, "why": why }))
        }
        event::What::Done { took } => {
            ("info", "apply_complete", json!({ "elapsed_seconds": took.as_secs_f64() }))
        }
        event::What::Ended { how, why } => {
            ("error", "apply_errored", json!({ "how": how, "why": why }))
        }
    };
    let address = plan.steps.get(&event.step).and_then(|step| step.action.object());
    let hook =
        json!({ "id": event.step, "address": address, "at_seconds": event.at.as_secs_f64() });
    line(level, kind, &message, json!({ "hook": hook, "detail": more }))
}

/// Who holds the lock that is waited for, as a line of a stream.
pub fn lock_wait(held: &Lock) -> Value {
    let message = format!("locked by {}", held.holder);
    line("info", "lock_wait", &message, json!({ "lock": lock(held) }))
}

/// From whom the lock was taken over, as a line of a stream.
pub fn lock_taken_over(dead: &Lock) -> Value {
    let message = format!("lock taken over from {}", dead.holder);
    line("warn", "lock_taken_over", &message, json!({ "lock": lock(dead) }))
}

/// A lock, for programs.
pub fn lock(lock: &Lock) -> Value {
    let Lock { holder, purpose, acquired, renewed, epoch, begun } = lock;
    json!({
        "holder": holder, "purpose": purpose, "acquired": acquired, "renewed": renewed,
        "epoch": epoch, "begun": begun,
    })
}

/// Why it takes longer at the moment, as a line of a stream.
pub fn hindrance(why: &str) -> Value {
    line("warn", "hindrance", why, json!({}))
}

/// The end of a stream.
pub fn ended(plan: &Plan, complete: bool, left: usize) -> Value {
    let verb = plan.purpose.verb();
    let word = if complete { "complete" } else { "halted part-way" };
    let more = json!({ "complete": complete, "steps_left": left, "summary": plan.summary() });
    line(if complete { "info" } else { "error" }, "outcome", &format!("{verb} {word}"), more)
}

/// An error, as a line of a stream.
pub fn diagnostic(summary: &str) -> Value {
    line("error", "diagnostic", summary, json!({ "severity": "error", "summary": summary }))
}

fn line(level: &str, kind: &str, message: &str, more: Value) -> Value {
    let mut line = json!({
        "@level": level,
        "@message": message,
        "@module": "tsinfra",
        "type": kind,
    });
    if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
    line
}
