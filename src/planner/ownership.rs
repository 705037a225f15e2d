//! What comes to a stack that is there already, and what it lets go. Nothing of the objects changes but
//! their labels; the record says first whose they are, so that a run that stops between leaves no
//! doubt.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::draft::PlanDraft;
use super::growth::{self, Asks};
use super::{PlanInput, guards, immutable, objects, parts, record};
use crate::desired::Desired;
use crate::fields;
use crate::inventory::{Inventory, Item};
use crate::object::{
    FIELD_MANAGER, Kind, LABEL_CLUSTER, LABEL_MANAGED_BY, LABEL_PART_OF, LABEL_STACK, ObjectKey,
    at, claim_template,
};
use crate::observed::{LiveObject, Observed};
use crate::plan::labels::{self, Relabeling};
use crate::plan::selection::{Address, Parts, Selection};
use crate::plan::step::{Action, Expect, Step, StepId};
use crate::plan::{Change, FieldChange, Operation, Plan};
use crate::stack::Stack;
use crate::stack::parts::PartAddress;
use crate::world::{Draft, Preview};

/// How long Kubernetes may take to store a label, in seconds.
const LABEL_SECONDS: u64 = 60;

/// Labels that say whose an object is. What it is of a stack stays, for whoever takes it over.
const WHOSE: [&str; 3] = [LABEL_STACK, LABEL_PART_OF, LABEL_MANAGED_BY];

/// What Kubernetes has to be asked about: what an apply would make of all that could be taken over.
pub fn drafts(stack: &Stack, desired: &Desired, observed: &Observed) -> Vec<Draft> {
    let there = desired.objects.iter().filter_map(|(key, object)| {
        let live = observed.objects.get(key)?;
        let is_to_be_had = is_to_be_had(stack, observed, key, live);
        is_to_be_had.then(|| objects::draft(key, object, Some(live)))
    });
    there.collect()
}

/// Whether it is not the stack's, or is so by the record alone, as after an adoption that was stopped.
fn is_to_be_had(stack: &Stack, observed: &Observed, key: &ObjectKey, live: &LiveObject) -> bool {
    let is_whole = objects::is_ours(stack, observed, key, live)
        && live.bears_the_name_of(&stack.name, &stack.namespace, key);
    key.kind != Kind::Namespace && !is_whole
}

/// A plan that takes over what the stack asks for, is there, and is nobody's.
pub fn adopt(input: &PlanInput<'_>, mut plan: PlanDraft, selection: &Selection) -> Plan {
    guards::names(input, &mut plan);
    let parts = parts::parts(input.stack, input.desired, input.observed);
    let mut taken: BTreeMap<ObjectKey, &LiveObject> = BTreeMap::new();
    for (key, live) in &input.observed.objects {
        let Some(labels) = labels_wanted(input.desired, key) else { continue };
        if !selection.names(key, &parts) || !is_to_be_had(input.stack, input.observed, key, live) {
            continue;
        }
        let object = input.desired.objects.get(key);
        let previewed = input.previews.get(key);
        let mut fields = object
            .map(|object| objects::changed_fields(object, live, previewed))
            .unwrap_or_default();
        if refusals(input, &mut plan, (key, live), &fields) {
            continue;
        }
        // What says whose it is comes with the adoption itself.
        fields.retain(|it| !it.path.starts_with(".metadata.labels"));
        let change = Change {
            operation: Operation::Adopt,
            because: "the stack declares it, and it is nobody's".to_owned(),
            summary: object.map_or_else(|| claim_summary(live), |object| object.summary.clone()),
            fields,
        };
        plan.changes.insert(key.clone(), change);
        let because = "what the stack declares is the stack's to change";
        relabel(&mut plan, (key, live), ("take over", because), labels);
        taken.insert(key.clone(), live);
    }
    let mut record = record::known(input);
    for (key, live) in &taken {
        let mut item = Item { uid: live.uid().to_owned(), ..Item::default() };
        match input.desired.objects.get(key) {
            Some(object) if plan.changes[key].fields.is_empty() => {
                item.note_applied(&object.manifest);
            }
            _ => {}
        }
        record.items.insert(key.clone(), item);
    }
    record_clusters(input, &taken, &mut record);
    plan.finish(input, record)
}

/// The labels an object of the stack has to bear; `None`: the stack asks for no such object. Claims
/// have those of their set's template.
fn labels_wanted(desired: &Desired, key: &ObjectKey) -> Option<Relabeling> {
    let labels = match key.kind {
        Kind::PersistentVolumeClaim => {
            let set = &desired.objects.get(&key.set_of_claim()?)?.manifest;
            at(claim_template(set, key.content_of_claim()?)?, "/metadata/labels")?
        }
        _ => desired.objects.get(key)?.manifest.pointer("/metadata/labels")?,
    };
    let labels = labels.as_object()?.iter();
    let text =
        |(name, value): (&String, &Value)| Some((name.clone(), Some(value.as_str()?.to_owned())));
    labels.map(text).collect()
}

fn claim_summary(claim: &LiveObject) -> String {
    let size = claim.text("/spec/resources/requests/storage").unwrap_or("no size");
    let class = claim.text("/spec/storageClassName").unwrap_or("none");
    format!("{size} of class {class}")
}

/// Whether something cannot be taken over; why is in the plan then.
fn refusals(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (key, live): (&ObjectKey, &LiveObject),
    fields: &[FieldChange],
) -> bool {
    let before = plan.blocked.len();
    if live.is_leaving() {
        plan.block(key, "leaving", "it is being deleted", "wait until it is gone, then apply");
    }
    let (stack, namespace) = (&input.stack.name, &input.stack.namespace);
    match live.label(LABEL_STACK) {
        Some(owner) if !live.bears_the_name_of(stack, namespace, key) => {
            let reason = objects::owner(owner, stack);
            plan.block(key, "foreign", reason, "let it go there first: `tsinfra forget`");
        }
        _ => {}
    }
    let (of_all, of_the_rest) = (fields, growth::but_for_the_size(fields));
    // Whoever asks for more storage gets it with the next apply.
    let grows = growth::asks(key, fields) == Asks::More;
    let found = immutable::reasons(key.kind, if grows { &of_the_rest } else { of_all });
    for (reason, fixed) in &found {
        plan.block(
            key,
            "immutable",
            format!("it could never be as the stack says: {reason} ({})", fixed.paths.join(", ")),
            "name only what can be taken over, or say in the stack what is there",
        );
    }
    let previewed = input.previews.get(key).map(|previewed| &previewed.result);
    if let (Some(Preview::Refused(why)), true) = (previewed, found.is_empty()) {
        let reason = format!("Kubernetes would refuse what the stack says of it: {why}");
        plan.block(key, "refused", reason, "name only what can be taken over, or mend the stack");
    }
    plan.blocked.len() > before
}

/// Adds a step that sets or removes labels.
fn relabel(
    plan: &mut PlanDraft,
    (key, live): (&ObjectKey, &LiveObject),
    (verb, because): (&str, &str),
    labels: Relabeling,
) {
    let uid = live.uid().to_owned();
    let digest = fields::digest(&labels::manifest(&labels), &live.value);
    let expects = vec![Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest }];
    let (action, title) =
        (Action::Relabel { object: key.clone(), uid, labels }, format!("{verb} {key}"));
    let step =
        Step { expects, ..Step::said(action, title, because, BTreeSet::new(), LABEL_SECONDS) };
    plan.step(StepId(format!("relabel/{key}")), step);
}

/// Clusters whose members or claims are taken over are on record from now on.
fn record_clusters(
    input: &PlanInput<'_>,
    taken: &BTreeMap<ObjectKey, &LiveObject>,
    record: &mut Inventory,
) {
    for (name, cluster) in &input.desired.clusters {
        let sets: BTreeSet<&ObjectKey> = cluster.pools.iter().map(|pool| &pool.set).collect();
        let is_of_it = |key: &ObjectKey| {
            sets.contains(key) || key.set_of_claim().is_some_and(|set| sets.contains(&set))
        };
        if taken.keys().any(is_of_it) {
            let entry = record.clusters.entry(name.clone()).or_default();
            entry.protect |= cluster.protect;
        }
    }
    record::identify(input, record);
}

/// A plan that lets go of what the stack owns and does not declare.
pub fn forget(input: &PlanInput<'_>, mut plan: PlanDraft, selection: &Selection) -> Plan {
    let parts = parts::parts(input.stack, input.desired, input.observed);
    let mut record = record::known(input);
    let mut let_go: BTreeSet<&ObjectKey> = BTreeSet::new();
    for (key, live) in owned(input) {
        if !selection.names(key, &parts) {
            continue;
        }
        if let Some(address) = declared(input, &parts, key, selection) {
            plan.block(
                address,
                "declared",
                "the stack declares it: an apply would want it back",
                "take it out of the stack first",
            );
            continue;
        }
        let change = Change {
            operation: Operation::Forget,
            because: "it is to be let go".to_owned(),
            summary: String::new(),
            fields: Vec::new(),
        };
        plan.changes.insert(key.clone(), change);
        relabel(
            &mut plan,
            (key, live),
            ("let go of", "the stack is not to own it"),
            unlabelled(live),
        );
        let item = Item { uid: live.uid().to_owned(), released: true, ..Item::default() };
        record.items.insert(key.clone(), item);
        let_go.insert(key);
    }
    whole_clusters(input, &mut plan, &let_go);
    if plan.changes.keys().any(|key| key.kind == Kind::StatefulSet) {
        plan.note(
            "Pods keep their labels, and claims that a StatefulSet makes later will have them, too: \
             they are its template's. tsinfra leaves both alone."
                .to_owned(),
        );
    }
    let left = owned(input).filter(|(key, _)| {
        matches!(key.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim) && !let_go.contains(key)
    });
    let left: BTreeSet<&str> = left.filter_map(|(_, live)| live.label(LABEL_CLUSTER)).collect();
    record.clusters.retain(|name, _| left.contains(name.as_str()));
    record.names.retain(|made| match made {
        PartAddress::Cluster(name) | PartAddress::Pool(name, _) => left.contains(name.as_str()),
        PartAddress::Tier(_) => true,
    });
    plan.finish(input, record)
}

/// The members of one database have one owner: some of its pools cannot be let go without the others.
fn whole_clusters(input: &PlanInput<'_>, plan: &mut PlanDraft, let_go: &BTreeSet<&ObjectKey>) {
    let (mut going, mut staying): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    for (key, live) in owned(input).filter(|(key, _)| key.kind == Kind::StatefulSet) {
        let side = if let_go.contains(key) { &mut going } else { &mut staying };
        side.extend(live.label(LABEL_CLUSTER));
    }
    for name in going.intersection(&staying) {
        let address = input.stack.cluster_address(name);
        plan.block(
            &address,
            "part-of-a-cluster",
            "members of one database would have two owners: of its pools some stay with the stack",
            format!("let all of it go: forget {address}, once it is taken out of the stack"),
        );
    }
}

/// What can be let go: what the stack owns, and what an interrupted letting go has left half done.
fn owned<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let items = input.observed.inventory.as_ref().map(|record| &record.items);
    let stack = &input.stack.name;
    let half_done = move |key: &ObjectKey, live: &LiveObject| {
        items.and_then(|items| items.get(key)).is_some_and(|item| item.released)
            && live.label(LABEL_STACK) == Some(stack)
    };
    let (stack, observed) = (input.stack, input.observed);
    observed.objects.iter().filter(move |(key, live)| {
        let kind = matches!(
            key.kind,
            Kind::Service
                | Kind::PodDisruptionBudget
                | Kind::StatefulSet
                | Kind::PersistentVolumeClaim
                | Kind::StorageClass
                | Kind::PersistentVolume
        );
        kind && (objects::is_ours(stack, observed, key, live) || half_done(key, live))
    })
}

/// The address by which the stack declares an object, as near to what was asked for as can be.
fn declared(
    input: &PlanInput<'_>,
    parts: &Parts,
    key: &ObjectKey,
    selection: &Selection,
) -> Option<Address> {
    let of_set = key.set_of_claim();
    let is_declared = input.desired.objects.contains_key(key)
        || of_set.is_some_and(|set| input.desired.objects.contains_key(&set));
    let asked = || {
        let part = parts.get(key)?;
        selection.targets.iter().find(|address| address.names(key, part)).cloned()
    };
    is_declared.then(|| asked().unwrap_or_else(|| Address::Object(key.clone())))
}

/// The labels to take away: all that say whose it is.
fn unlabelled(live: &LiveObject) -> Relabeling {
    let ours = WHOSE.iter().filter(|name| match live.label(name) {
        Some(value) => **name != LABEL_MANAGED_BY || value == FIELD_MANAGER,
        None => false,
    });
    ours.map(|name| ((*name).to_owned(), None)).collect()
}
