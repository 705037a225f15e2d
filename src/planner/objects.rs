//! Objects one by one: new ones, changed ones, and those that must be left alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::draft::PlanDraft;
use super::growth::{self, Asks};
use super::{PlanInput, Previewed, because, guards, immutable, managers, orphans, restarts};
use crate::desired::{Desired, DesiredObject};
use crate::fields::walk::walk;
use crate::fields::{self, merge, path::Element, path::Path};
use crate::object::{FIELD_MANAGER, Kind, LABEL_STACK, ObjectKey, at};
use crate::observed::{LiveObject, Observed};
use crate::plan::{Change, Conflict, FieldChange, NOT_THERE, Operation};
use crate::stack::Stack;
use crate::world::{Draft, Preview};

/// Whether a live object is this stack's: because its record lists it, or by its labels.
pub fn is_ours(stack: &Stack, observed: &Observed, key: &ObjectKey, live: &LiveObject) -> bool {
    let item = observed.inventory.as_ref().and_then(|record| record.items.get(key));
    match item.filter(|item| !item.uid.is_empty() && item.uid == live.uid()) {
        Some(item) => !item.released,
        None => {
            live.bears_the_name_of(&stack.name, &stack.namespace, key)
                && !is_of_anothers_set(stack, observed, key)
        }
    }
}

/// Whether a claim is of a StatefulSet that is there and is not this stack's. Such a set goes on to make
/// claims under the labels it was made with, also once it was let go.
fn is_of_anothers_set(stack: &Stack, observed: &Observed, key: &ObjectKey) -> bool {
    let Some(set) = key.set_of_claim() else { return false };
    observed.objects.get(&set).is_some_and(|live| !is_ours(stack, observed, &set, live))
}

/// Whether a live object is this stack's or bears its name, as what was let go does until it is really
/// gone.
pub fn concerns(stack: &Stack, observed: &Observed, key: &ObjectKey, live: &LiveObject) -> bool {
    is_ours(stack, observed, key, live)
        || live.bears_the_name_of(&stack.name, &stack.namespace, key)
}

/// Objects of the stack that are there, by label, and that are on its record: no helpers, which come and
/// go within a run.
pub fn owned<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let (stack, observed) = (input.stack, input.observed);
    observed.objects.iter().filter(move |(key, live)| {
        is_ours(stack, observed, key, live)
            && !matches!(key.kind, Kind::Pod | Kind::Job | Kind::Node | Kind::Namespace)
    })
}

/// What Kubernetes has to be asked about: objects that are new, or ours and different.
pub fn drafts(stack: &Stack, desired: &Desired, observed: &Observed) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (key, object) in &desired.objects {
        match observed.objects.get(key) {
            None => drafts.push(draft(key, object, None)),
            Some(_) if key.kind == Kind::Namespace => {}
            Some(live)
                if !may_touch(stack, observed, key, live)
                    || departures(object, live).is_empty() => {}
            Some(live) => drafts.push(draft(key, object, Some(live))),
        }
    }
    drafts
}

/// What Kubernetes is asked of one object. Of a StatefulSet's storage it is not: it would refuse that, and
/// say nothing of the rest.
pub(super) fn draft(key: &ObjectKey, object: &DesiredObject, live: Option<&LiveObject>) -> Draft {
    let uid = live.map(|live| live.uid().to_owned());
    let manifest = match live.filter(|_| key.kind == Kind::StatefulSet) {
        Some(live) => growth::with_size_of(&object.manifest, &live.value),
        None => object.manifest.clone(),
    };
    Draft { object: key.clone(), manifest, uid, force: false }
}

fn may_touch(stack: &Stack, observed: &Observed, key: &ObjectKey, live: &LiveObject) -> bool {
    is_ours(stack, observed, key, live) && !live.is_leaving()
}

/// The fields in which a live object is not what its manifest asks for.
pub fn departures(object: &DesiredObject, live: &LiveObject) -> Vec<String> {
    fields::departures(&object.manifest, &live.value, ours(live))
}

fn ours(live: &LiveObject) -> &BTreeSet<String> {
    live.owned_by(FIELD_MANAGER)
}

/// Adds a change for every object that is new or different, or says why it cannot be.
pub fn changes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let namespace = ObjectKey::global(Kind::Namespace, &input.stack.namespace);
    if input.observed.objects.get(&namespace).is_some_and(LiveObject::is_leaving) {
        let help = "wait until it is gone, or use another namespace, then plan again";
        plan.block(namespace, "leaving", "it is being deleted, and all in it", help);
        return;
    }
    for (key, object) in &input.desired.objects {
        match input.observed.objects.get(key) {
            None => creation(input, plan, key, object),
            Some(_) if key.kind == Kind::Namespace => {}
            Some(live) if live.is_leaving() => plan.block(
                key,
                "leaving",
                "it is being deleted",
                "wait until it is gone, then plan again",
            ),
            Some(live) if !may_touch(input.stack, input.observed, key, live) => {
                foreign(input, plan, key, live);
            }
            Some(live) if departures(object, live).is_empty() => {}
            Some(live) => update(input, plan, key, object, live),
        }
    }
}

/// Whose an object is that bears the label of a stack and is not this one's.
pub fn owner(owner: &str, stack: &str) -> String {
    if owner == stack {
        return "it belongs to a stack of the same name in another namespace, or was let go"
            .to_owned();
    }
    format!("it belongs to stack `{owner}`")
}

fn foreign(input: &PlanInput<'_>, plan: &mut PlanDraft, key: &ObjectKey, live: &LiveObject) {
    let (reason, help) = match live.label(LABEL_STACK) {
        Some(owner) => (
            self::owner(owner, &input.stack.name),
            "rename the stack, cluster, pool or tier, or remove that object",
        ),
        None => (
            "it is there already, and it is not this stack's".to_owned(),
            "see what `tsinfra adopt` says of taking it over, rename that part of the stack, or \
             remove that object",
        ),
    };
    plan.block(key, "foreign", reason, help);
}

fn creation(input: &PlanInput<'_>, plan: &mut PlanDraft, key: &ObjectKey, object: &DesiredObject) {
    let mut fields = Vec::new();
    walk(&object.manifest, None, &mut |field| {
        fields.push(FieldChange {
            path: field.name.to_owned(),
            before: None,
            after: Some(field.value.clone()),
            drifted_by: None,
        });
    });
    let because = match orphans::of_set(input, key).is_empty() {
        true => NOT_THERE,
        false => orphans::BECAUSE,
    };
    let change = Change {
        operation: Operation::Create,
        because: because.to_owned(),
        summary: object.summary.clone(),
        fields,
    };
    plan.changes.insert(key.clone(), change);
    match input.previews.get(key).map(|previewed| &previewed.result) {
        Some(Preview::Refused(why) | Preview::Moved(why)) => refused(plan, key, why),
        Some(Preview::Unchecked(why)) => {
            plan.note(format!("Kubernetes could not be asked about new objects yet: {why}."));
        }
        Some(Preview::Stored(_) | Preview::Conflict(_)) | None => {}
    }
}

fn refused(plan: &mut PlanDraft, key: &ObjectKey, why: &str) {
    let help = match key.kind.namespaced() {
        true => "mend the stack",
        // What bears no label of the stack is not seen there before.
        false => "mend the stack; if it is there already, see what `tsinfra adopt` says of it",
    };
    plan.block(key, "refused", format!("Kubernetes would refuse it: {why}"), help);
}

/// The fields an object differs in from what the stack asks for, by what Kubernetes would store.
pub fn changed_fields(
    object: &DesiredObject,
    live: &LiveObject,
    previewed: Option<&Previewed>,
) -> Vec<FieldChange> {
    let stored = match previewed.map(|previewed| &previewed.result) {
        Some(Preview::Stored(value)) => Some(value),
        _ => None,
    };
    let none = Vec::new();
    let conflicts = previewed.map_or(&none, |previewed| &previewed.conflicts);
    let mut fields = match stored {
        Some(after) => {
            // Of its storage nobody could be asked.
            let after = growth::with_size_of(after, &object.manifest);
            differences(&live.value, &after, conflicts)
        }
        None => {
            let after = merge::applied(&live.value, &object.manifest, ours(live));
            differences(&live.value, &after, conflicts)
        }
    };
    if stored.is_none() {
        // Without the server's word, what a list loses may be a default the server fills in again.
        fields.retain(|field| field.after.is_some() || !is_in_an_element(&field.path));
    }
    let asked = fields::names(&object.manifest);
    fields.retain(|field| !is_invented(&asked, field));
    fields
}

fn update(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    object: &DesiredObject,
    live: &LiveObject,
) {
    let previewed = input.previews.get(key);
    let none = Vec::new();
    let conflicts = previewed.map_or(&none, |previewed| &previewed.conflicts);
    let fields = changed_fields(object, live, previewed);
    if fields.is_empty() {
        return;
    }
    let asks = growth::asks(key, &fields);
    let restarts = fields.iter().any(|field| restarts::restarts_members(key, field));
    let barred = fixed_fields(plan, key, &growth::but_for_the_size(&fields))
        | growth::refuse(plan, key, asks, restarts)
        | guards::fixed_settings(input, plan, key, live, &fields)
        | restarts::restart(input, plan, key, live, &fields);
    match previewed.map(|previewed| &previewed.result) {
        Some(Preview::Refused(why)) if !barred => refused(plan, key, why),
        _ => {}
    }
    contested(input, plan, key, conflicts);
    let change = Change {
        operation: if asks == Asks::More { Operation::Replace } else { Operation::Update },
        because: because::update(input.stack, key, live, &fields),
        summary: object.summary.clone(),
        fields,
    };
    plan.changes.insert(key.clone(), change);
}

/// The fields two states of an object differ in, with who set those that are contested.
pub fn differences(
    before: &Value,
    after: &Value,
    conflicts: &[(String, String)],
) -> Vec<FieldChange> {
    let unlike = fields::leaves_unlike;
    let (before, after) = (unlike(before, after), unlike(after, before));
    let paths: BTreeSet<&Path> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let contest = |field: &str| {
            let contested = conflicts.iter().find(|(_, other)| fields::path::covers(other, field));
            contested.map(|(manager, _)| manager.clone())
        };
        narrow(path.to_string(), before.get(path), after.get(path), &mut |path, before, after| {
            let drifted_by = contest(&path);
            let (before, after) = (before.cloned(), after.cloned());
            found.push(FieldChange { path, before, after, drifted_by });
        });
    }
    found
}

/// Tells where two values differ: within lists of objects as narrowly as can be told, so that a
/// reader need not compare whole templates.
fn narrow(
    path: String,
    before: Option<&Value>,
    after: Option<&Value>,
    tell: &mut impl FnMut(String, Option<&Value>, Option<&Value>),
) {
    match (before, after) {
        _ if before == after => {}
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if old.iter().chain(new).all(Value::is_object)
                && (old.len() == new.len() || one_goes_on_the_other(old, new)) =>
        {
            for index in 0..old.len().max(new.len()) {
                let place = format!("{path}[{index}]");
                match (old.get(index), new.get(index)) {
                    (Some(old), Some(new)) => narrow_object(&place, old, new, tell),
                    (old, new) => tell(place, old, new),
                }
            }
        }
        _ => tell(path, before, after),
    }
}

/// Whether the objects of two lists are the same by name, but for some at the end of one.
fn one_goes_on_the_other(old: &[Value], new: &[Value]) -> bool {
    let name = |one: &Value| at(one, "/metadata/name").cloned();
    old.iter().zip(new).all(|(old, new)| name(old).is_some() && name(old) == name(new))
}

fn narrow_object(
    path: &str,
    old: &Value,
    new: &Value,
    tell: &mut impl FnMut(String, Option<&Value>, Option<&Value>),
) {
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    for name in names(old).union(&names(new)) {
        let place = format!("{path}{}", Element::Field(name.clone()));
        match (old.get(name), new.get(name)) {
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                narrow_object(&place, old, new, tell);
            }
            (old, new) => narrow(place, old, new, tell),
        }
    }
}

/// Whether a field is of an element that is told by its place in a list.
fn is_in_an_element(path: &str) -> bool {
    path.split('[').skip(1).any(|rest| {
        let number = rest.split_once("].").map_or("", |(number, _)| number);
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Fields the server fills in where a manifest leaves them out; what a dry run shows for them is
/// plausible and false (research A §4).
const INVENTED: [&str; 4] = [".nodePort", ".clusterIP", ".clusterIPs", ".healthCheckNodePort"];

fn is_invented(asked: &BTreeSet<String>, field: &FieldChange) -> bool {
    field.after.is_some()
        && INVENTED.iter().any(|name| field.path.ends_with(name))
        && !asked.contains(&field.path)
}

fn fixed_fields(plan: &mut PlanDraft, key: &ObjectKey, fields: &[FieldChange]) -> bool {
    let found = immutable::reasons(key.kind, fields);
    for (reason, fixed) in &found {
        let reason = format!("{reason} ({})", fixed.paths.join(", "));
        plan.block(key, "immutable", reason, fixed.help);
    }
    !found.is_empty()
}

fn contested(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    conflicts: &[(String, String)],
) {
    let consented = input.consents.contains(&key.to_string());
    let taken = managers::may_take(conflicts, consented);
    for (manager, field) in conflicts {
        plan.conflicts.insert(Conflict {
            object: key.clone(),
            field: field.clone(),
            manager: manager.clone(),
            taken,
        });
        if !taken && !managers::by_hand(manager) {
            plan.block(
                key,
                "conflict",
                format!("`{manager}` has set {field} and may set it again"),
                format!("stop `{manager}` from setting it, or take it with --consent {key}"),
            );
        }
    }
}
