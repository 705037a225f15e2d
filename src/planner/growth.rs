//! Larger storage: claims that are asked to grow, and the StatefulSet that is made anew around its members
//! so that those to come get the size. Nothing restarts by it.
//!
//! Kubernetes fixes a StatefulSet's claims when it is made (KEP-4650, mutable claims, is not merged). So
//! its claims are expanded one by one; then the StatefulSet is deleted from around its members and one
//! with the new size is made, which takes them in: on a real control plane (1.36) their uids stay, since
//! claims are no part of the revision that pods are known by.

use std::collections::BTreeSet;

use db_engine::cluster::Content;
use serde_json::Value;

use super::draft::{PlanDraft, create_id, settled};
use super::{PlanInput, claims, objects};
use crate::desired::{DesiredObject, DesiredPool};
use crate::object::{Kind, NO_PROVISIONER, ObjectKey, at, claim_template, claim_templates};
use crate::observed::LiveObject;
use crate::plan::growth::bytes;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::{Change, FieldChange, Operation};
use crate::wording::count;

/// Where a claim, and its template, say how much is asked for.
const REQUEST: &str = "/spec/resources/requests/storage";

/// The same as a field's path.
const REQUEST_FIELD: &str = ".spec.resources.requests.storage";

/// How long a volume may take to grow, in seconds: drivers of clouds take minutes for the volume and
/// let one wait behind the other, and a driver that failed is asked again with growing pauses.
const EXPAND_SECONDS: u64 = 3600;

/// How long Kubernetes may take to let the members of a StatefulSet go, in seconds.
const RELEASE_SECONDS: u64 = 120;

/// The way on where storage cannot become what the stack says in place.
const ANOTHER_POOL: &str = "declare another pool with that size in its place: this one's members hand over to it and leave";

/// What storage a stack asks of a StatefulSet that has other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// As much as it has.
    Same,
    /// More.
    More,
    /// Less.
    Less,
}

/// What is asked of a StatefulSet by the fields that are to change.
pub fn asks(key: &ObjectKey, fields: &[FieldChange]) -> Asks {
    let size = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map_or(0, bytes);
    let is_of_a_set = |_: &&FieldChange| key.kind == Kind::StatefulSet;
    let sizes: Vec<(u64, u64)> = fields
        .iter()
        .filter(is_of_a_set)
        .filter(|field| is_size(&field.path))
        .map(|field| (size(&field.before), size(&field.after)))
        .collect();
    match () {
        () if sizes.iter().any(|(before, after)| before > after) => Asks::Less,
        () if sizes.iter().any(|(before, after)| before < after) => Asks::More,
        () => Asks::Same,
    }
}

/// Whether a field of a StatefulSet is how much storage a claim of its members asks for.
fn is_size(path: &str) -> bool {
    let of_template = path.strip_prefix(".spec.volumeClaimTemplates[");
    let (number, rest) = of_template.and_then(|rest| rest.split_once(']')).unwrap_or_default();
    rest == REQUEST_FIELD && number.bytes().all(|it| it.is_ascii_digit())
}

/// The fields but for the size.
pub fn but_for_the_size(fields: &[FieldChange]) -> Vec<FieldChange> {
    fields.iter().filter(|field| !is_size(&field.path)).cloned().collect()
}

/// A manifest with the size a live StatefulSet has: so far Kubernetes can be asked what it would store.
pub fn with_size_of(manifest: &Value, other: &Value) -> Value {
    let mut manifest = manifest.clone();
    let templates =
        manifest.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for (template, of_other) in templates.into_iter().flatten().zip(claim_templates(other)) {
        if let (Some(size), Some(of_other)) = (template.pointer_mut(REQUEST), at(of_other, REQUEST))
        {
            let differ = size.as_str().map(bytes) != of_other.as_str().map(bytes);
            if differ {
                *size = of_other.clone();
            }
        }
    }
    manifest
}

/// How much a StatefulSet's members may store, each.
pub(super) fn data_bytes(set: &Value) -> u64 {
    let size = claim_template(set, Content::Data).and_then(|template| at(template, REQUEST));
    size.and_then(Value::as_str).map_or(0, bytes)
}

/// Refuses what cannot be, once the fields are known that a StatefulSet is to change in.
pub fn refuse(plan: &mut PlanDraft, key: &ObjectKey, asks: Asks, restarts: bool) -> bool {
    match asks {
        Asks::Less => plan.block(
            key,
            "growth",
            "storage does not shrink: a volume has no way to become smaller with its data on it",
            format!("put `size` back as it was; or {ANOTHER_POOL}"),
        ),
        Asks::More if restarts => plan.block(
            key,
            "growth",
            "its storage grows without a restart, and the stack changes what its members run, too",
            "apply the new `size` alone, with the rest as it was; then the rest",
        ),
        Asks::More | Asks::Same => return false,
    }
    true
}

/// A claim that is to become larger.
struct Growing<'a> {
    key: &'a ObjectKey,
    live: &'a LiveObject,
    from: &'a str,
    to: &'a str,
}

impl Growing<'_> {
    fn is_small(&self) -> bool {
        let has = self.live.text("/status/capacity/storage").map(bytes);
        self.is_to_be_asked() || has.is_some_and(|has| has < bytes(self.to))
    }

    /// Whether it does not even ask for as much as the stack says.
    fn is_to_be_asked(&self) -> bool {
        bytes(self.from) < bytes(self.to)
    }
}

/// The claims of a pool that are smaller than the stack says.
fn growing<'a>(input: &PlanInput<'a>, pool: &DesiredPool) -> Vec<Growing<'a>> {
    of_members(input, pool).filter(Growing::is_small).collect()
}

/// The claims of the members a pool is to have, with how much the stack says of each.
fn of_members<'a>(
    input: &PlanInput<'a>,
    pool: &DesiredPool,
) -> impl Iterator<Item = Growing<'a>> + use<'a> {
    let (stack, observed, members) = (input.stack, input.observed, pool.replicas());
    let set = input.desired.objects.get(&pool.set).map(|object| &object.manifest);
    claims::of_pool(input, &pool.set)
        .into_iter()
        .filter(move |(key, _)| key.ordinal().is_some_and(|ordinal| ordinal < members))
        .filter(move |(key, live)| objects::is_ours(stack, observed, key, live))
        .filter_map(move |(key, live)| {
            let template = claim_template(set?, key.content_of_claim()?)?;
            let to = at(template, REQUEST)?.as_str()?;
            Some(Growing { key, live, from: live.text(REQUEST).unwrap_or_default(), to })
        })
}

/// Adds a change for each claim that is to become larger, or says why it cannot be; and tells of those
/// that are larger than the stack says.
pub fn claims(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for pool in input.desired.clusters.values().flat_map(|cluster| &cluster.pools) {
        larger(input, plan, pool);
        let growing = growing(input, pool);
        if growing.is_empty() || claims::leaving(input, plan, pool) {
            continue;
        }
        if let Some((why, help)) = growing.iter().find_map(|claim| cannot(input, claim)) {
            plan.block(&pool.set, "growth", why, help);
        }
        for claim in growing {
            let size = claim.to;
            let change = Change {
                operation: Operation::Update,
                because: "the stack gives its pool more storage".to_owned(),
                summary: match claim.is_to_be_asked() {
                    true => format!("grows to {size}, its member goes on"),
                    false => format!("was asked to grow to {size}, and has not yet"),
                },
                fields: fields(&claim),
            };
            plan.changes.insert(claim.key.clone(), change);
        }
    }
}

/// What changes of a claim: what it asks for, or, where that was asked before, what it has.
fn fields(claim: &Growing<'_>) -> Vec<FieldChange> {
    let has = claim.live.text("/status/capacity/storage").unwrap_or_default();
    let (path, before) = match claim.is_to_be_asked() {
        true => (REQUEST_FIELD, claim.from),
        false => (".status.capacity.storage", has),
    };
    vec![FieldChange {
        path: path.to_owned(),
        before: Some(before.into()),
        after: Some(claim.to.into()),
        drifted_by: None,
    }]
}

/// Tells of claims that are larger than the stack says; not where the stack asks for less than before, which is
/// refused.
fn larger(input: &PlanInput<'_>, plan: &mut PlanDraft, pool: &DesiredPool) {
    let live = input.observed.objects.get(&pool.set);
    let of_set = |claim: &Growing<'_>| {
        let template = claim_template(&live?.value, claim.key.content_of_claim()?)?;
        at(template, REQUEST)?.as_str().map(bytes)
    };
    for claim in of_members(input, pool).filter(|claim| bytes(claim.from) > bytes(claim.to)) {
        if of_set(&claim).is_none_or(|has| has <= bytes(claim.to)) {
            plan.note(format!(
                "{} asks for {}, more than the {} of the stack; it is left as it is.",
                claim.key, claim.from, claim.to
            ));
        }
    }
}

/// Why a claim cannot grow, and the way on; `None`: it can.
fn cannot(input: &PlanInput<'_>, claim: &Growing<'_>) -> Option<(String, String)> {
    let name = claim.live.text("/spec/storageClassName").unwrap_or_default();
    let key = ObjectKey::global(Kind::StorageClass, name);
    let live = input.observed.objects.get(&key);
    let made = input.desired.objects.get(&key).map(|object| &object.manifest);
    // What the stack makes of a class comes before its claims are asked to grow.
    let Some(class) = made.or(live.map(|live| &*live.value)) else {
        let why = format!("{} is of class `{name}`, which is not there", claim.key);
        return Some((why, format!("bring the class back, then plan again; or {ANOTHER_POOL}")));
    };
    // The API takes the wish for a larger volume also where such a class allows expansion, and nobody
    // ever fulfils it.
    if class.get("provisioner").and_then(Value::as_str) == Some(NO_PROVISIONER) {
        let why = format!("volumes of class `{name}` are made by hand, and nobody would grow them");
        return Some((why, format!("put `size` back as it was; or {ANOTHER_POOL}")));
    }
    if class.get("allowVolumeExpansion") != Some(&Value::Bool(true)) {
        let allow = match made {
            Some(_) => "if its driver can grow volumes, set expandable = true for the tier",
            None => "if its driver can grow volumes, set allowVolumeExpansion: true in the class",
        };
        let why = format!("class `{name}` does not let volumes grow");
        return Some((why, format!("{allow}; or {ANOTHER_POOL}")));
    }
    if claim.live.text("/status/phase") != Some("Bound") {
        let why = format!("{} is not bound, and only what is bound can grow", claim.key);
        let help = "bring its member up first; `tsinfra status` says what it waits for";
        return Some((why, help.to_owned()));
    }
    None
}

/// Whether the member whose claim it is is there, and its StatefulSet, which would bring it back.
fn has_member(input: &PlanInput<'_>, pool: &DesiredPool, claim: &ObjectKey) -> bool {
    let number = claim.ordinal();
    let mut pods = input.observed.pods_of(&pool.set);
    input.observed.objects.contains_key(&pool.set)
        && pods.any(|(pod, live)| pod.ordinal() == number && !live.is_leaving())
}

/// The name of the step that grows a claim.
fn expand_id(claim: &ObjectKey) -> StepId {
    StepId(format!("expand/{claim}"))
}

/// Adds the steps that grow claims. One whose member is not there comes after its StatefulSet is as it shall
/// be: only the node of a member grows a file system.
pub fn expansions(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    pool: &DesiredPool,
    after: &BTreeSet<StepId>,
) {
    for claim in growing(input, pool) {
        let Growing { key, live, from, to: size } = claim;
        let class = live.text("/spec/storageClassName").unwrap_or_default();
        let mut after = after.clone();
        after.extend(settled(&ObjectKey::global(Kind::StorageClass, class)));
        if !has_member(input, pool, key) {
            after.extend(settled(&pool.set));
        }
        let uid = live.uid().to_owned();
        let expects =
            Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest: String::new() };
        let step = Step {
            action: Action::Expand {
                claim: key.clone(),
                uid,
                volume: live.text("/spec/volumeName").unwrap_or_default().to_owned(),
                from: from.to_owned(),
                to: size.to_owned(),
            },
            title: match claim.is_to_be_asked() {
                true => format!("expand {key} to {size}"),
                false => format!("see {key} grow to {size}, as it was asked to"),
            },
            because: "the stack gives its pool more storage".to_owned(),
            expects: vec![expects],
            after,
            until: Until::Expanded { claim: key.clone(), size: size.to_owned() },
            limit_seconds: EXPAND_SECONDS,
            risk: Risk::None,
            bytes: 0,
        };
        plan.step(expand_id(key), step);
    }
}

/// Adds the steps that make a StatefulSet anew around its members, once all its claims have grown: what
/// is left to do then shows by the StatefulSet, wherever a run is stopped. It does not ask that members be
/// ready: a full volume, which keeps one from running, is what growth mends.
pub fn anew(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (key, object, live): (&ObjectKey, &DesiredObject, &LiveObject),
    mut after: BTreeSet<StepId>,
    (until, limit_seconds): (Until, u64),
) {
    if let Some((_, _, pool)) = input.desired.pool_of(key) {
        expansions(input, plan, pool, &after);
    }
    let grown = plan.steps.iter().filter(|(_, step)| {
        let claim = step.action.object().filter(|_| matches!(step.action, Action::Expand { .. }));
        claim.and_then(ObjectKey::set_of_claim).as_ref() == Some(key)
            && !step.after.contains(&create_id(key))
    });
    after.extend(grown.map(|(id, _)| id.clone()));
    let orphan = StepId(format!("orphan/{key}"));
    let uid = live.uid().to_owned();
    let members = live.number("/spec/replicas").and_then(|members| usize::try_from(members).ok());
    let members = count(members.unwrap_or(0), "member");
    let expects =
        vec![Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest: String::new() }];
    let step = Step {
        action: Action::Orphan {
            object: key.clone(),
            uid,
            generation: live.number("/metadata/generation").unwrap_or(0),
        },
        title: format!("take {key} away from around its {members}, which go on"),
        because: "what its members claim is fixed when it is made".to_owned(),
        expects,
        after: after.clone(),
        until: Until::Gone { object: key.clone() },
        limit_seconds: RELEASE_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(orphan.clone(), step);
    after.insert(orphan);
    let step = Step {
        action: Action::Create { object: key.clone(), manifest: object.manifest.clone() },
        title: format!("create {key} around them, with the new size"),
        because: "members to come get the new size".to_owned(),
        expects: vec![Expect::LetGo { object: key.clone() }],
        after,
        until,
        limit_seconds,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(create_id(key), step);
}
