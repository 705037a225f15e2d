//! The end of data. Deleting a claim is never safely conditional: somebody may have begun to use it
//! since it was looked at, and its volume goes with it. So a volume is first held, then its claim is
//! deleted, and only when all claims are gone and released are the volumes purged, one by one, as
//! steps of their own (research E §0, findings 3 and 4).

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{PlanDraft, delete_id};
use super::order::PROMPT_SECONDS;
use super::removal::{FREE_SECONDS, delete, keep, removed};
use super::{PlanInput, claims, guards, leavers, objects, retirement};
use crate::desired::{DesiredPool, labels};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_TIER, Labels, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::identity::another_database;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::volume::{condemned_with, is_held};
use crate::plan::{Change, Operation};
use crate::stack::Reclaim;
use crate::stack::quantity::Quantity;
use crate::wording::count;

/// Where a volume says what becomes of it once its claim is gone.
const RECLAIM: &str = "/spec/persistentVolumeReclaimPolicy";

/// What becomes of a claim's data.
enum Fate<'a> {
    /// It is kept, and so is the claim; why.
    Kept(&'static str),
    /// There is none: no volume is bound to the claim.
    None,
    /// It is deleted with this volume.
    Purged(&'a ObjectKey, &'a LiveObject),
}

/// Takes a cluster's claims down once its members have stopped, each as its tier says, and last the
/// data of all that are to be deleted.
pub fn claims_down(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &[(&ObjectKey, &LiveObject)],
    stopped: &BTreeSet<StepId>,
) {
    let claims = || cluster.iter().filter(|(key, _)| key.kind == Kind::PersistentVolumeClaim);
    let mut purges = Vec::new();
    // What is on one volume of a member is worth nothing without the others.
    let kept: BTreeMap<&str, &'static str> = claims()
        .filter_map(|(key, live)| {
            let why = match fate(input, live) {
                _ if of_another_database(input, live).is_some() => BESIDE_ANOTHERS,
                Fate::Kept(why) => why,
                Fate::None | Fate::Purged(..) => return None,
            };
            Some((key.member_of_claim()?, why))
        })
        .collect();
    for (key, live) in claims() {
        if let Some(other) = of_another_database(input, live) {
            let why = format!("it says that it is of database {other}");
            keep(plan, key, live, &why);
            continue;
        }
        let with_it = key.member_of_claim().and_then(|member| kept.get(member));
        match with_it.map_or_else(|| fate(input, live), |why| Fate::Kept(why)) {
            Fate::Kept(why) => {
                keep(plan, key, live, why);
                if let Some((volume, live)) = volume_of(input, live) {
                    keep(plan, volume, live, &format!("{why}, and a claim has it"));
                }
            }
            Fate::None => {
                let until = removed(key, live);
                delete(plan, key, live, NO_VOLUME, stopped.clone(), until, FREE_SECONDS);
            }
            Fate::Purged(volume, volume_live) => {
                let mut after = stopped.clone();
                after.extend(hold(input, plan, (key, live), (volume, volume_live)));
                let until = Until::Released { claim: (*key).clone(), volume: volume.clone() };
                delete(plan, key, live, DELETED, after, until, FREE_SECONDS);
                purges.push(Purge::of((*key).clone(), live.uid(), volume, volume_live));
            }
        }
    }
    for (key, live) in cluster.iter().filter(|(key, _)| key.kind == Kind::PersistentVolume) {
        purges.extend(left_released(input, plan, key, live));
    }
    let mut after = stopped.clone();
    after.extend(claims().map(|(key, _)| delete_id(key)));
    for purge in purges {
        purge.step(plan, after.clone());
    }
}

const BESIDE_ANOTHERS: &str = "another claim of its member says that it is of another database";
const DELETED: &str = "its tier says delete";
const NO_VOLUME: &str = "its tier says delete, and no volume is bound to it";

/// What the claim's class does with the data once the claim is gone.
fn reclaim(input: &PlanInput<'_>, claim: &LiveObject) -> Reclaim {
    let declared = claim.label(LABEL_TIER).and_then(|tier| input.stack.storage.get(tier));
    let class = claim.text("/spec/storageClassName").unwrap_or_default();
    let live = input.observed.objects.get(&ObjectKey::global(Kind::StorageClass, class));
    let live = live.and_then(|class| class.text("/reclaimPolicy"));
    match (declared.map(|tier| tier.reclaim), live) {
        (Some(Reclaim::Delete), Some("Delete") | None) | (None, Some("Delete")) => Reclaim::Delete,
        // Whoever says retain is believed: data kept by mistake can still be deleted.
        _ => Reclaim::Retain,
    }
}

fn fate<'a>(input: &PlanInput<'a>, claim: &LiveObject) -> Fate<'a> {
    if reclaim(input, claim) == Reclaim::Retain {
        return Fate::Kept("its tier says retain");
    }
    match volume_of(input, claim) {
        Some((key, volume)) if volume.text("/spec/claimRef/uid") == Some(claim.uid()) => {
            let retains = volume.text(RECLAIM) == Some("Retain");
            if retains && !is_held(&volume.value, claim.uid()) {
                return Fate::Kept("its volume was set to retain, though its tier says delete");
            }
            Fate::Purged(key, volume)
        }
        _ => Fate::None,
    }
}

/// The volume a claim is bound to, if it was looked at.
pub(super) fn volume_of<'a>(
    input: &PlanInput<'a>,
    claim: &LiveObject,
) -> Option<(&'a ObjectKey, &'a LiveObject)> {
    let name = claim.text("/spec/volumeName")?;
    input.observed.objects.get_key_value(&ObjectKey::global(Kind::PersistentVolume, name))
}

/// Has a claim's volume kept when the claim goes; nothing to do where an earlier apply did it.
fn hold(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (claim, claim_live): (&ObjectKey, &LiveObject),
    (volume, live): (&ObjectKey, &LiveObject),
) -> Option<StepId> {
    if is_held(&live.value, claim_live.uid()) {
        return None;
    }
    let (uid, claim_uid) = (live.uid().to_owned(), claim_live.uid().to_owned());
    let mut labels: Labels = labels::of_stack(input.stack);
    for name in [LABEL_CLUSTER, LABEL_POOL, LABEL_TIER] {
        labels.extend(claim_live.label(name).map(|value| (name.to_owned(), value.to_owned())));
    }
    let id = StepId(format!("hold/{claim}"));
    let expects = vec![Expect::BelongsTo {
        object: volume.clone(),
        uid: uid.clone(),
        claim: claim_uid.clone(),
    }];
    let action = Action::Hold { volume: volume.clone(), uid, claim: claim_uid, labels };
    let title = format!("keep the volume of {claim} beyond its claim");
    let because = "nothing is lost yet when the claim goes";
    let said = Step::said(action, title, because, BTreeSet::new(), PROMPT_SECONDS);
    let step = Step { expects, ..said };
    plan.step(id.clone(), step);
    Some(id)
}

/// The size of a volume.
fn bytes_of(volume: &LiveObject) -> u64 {
    let size = volume.text("/spec/capacity/storage").unwrap_or_default();
    size.parse::<Quantity>().map_or(0, |size| size.bytes())
}

/// Says that the volume of a claim that goes is kept; refuses it where it would go with the claim.
pub(super) fn keep_volume(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    claim: &ObjectKey,
    live: &LiveObject,
    why: &str,
) {
    let Some((volume, volume_live)) = volume_of(input, live) else { return };
    if volume_live.text(RECLAIM) == Some("Delete") {
        let reason = format!("{why}, and its volume {} would go with it", volume.name);
        let help =
            format!("set persistentVolumeReclaimPolicy: Retain for {volume}, then plan again");
        plan.block(claim, "reclaim", reason, help);
    }
    keep(plan, volume, volume_live, &format!("{why}, also once its member is gone"));
}

/// A volume whose data are deleted for good, and the claim it is known by.
struct Purge {
    claim: ObjectKey,
    claim_uid: String,
    volume: ObjectKey,
    uid: String,
    bytes: u64,
    /// Whether an earlier run has left it.
    was_left: bool,
}

impl Purge {
    fn of(claim: ObjectKey, claim_uid: &str, volume: &ObjectKey, live: &LiveObject) -> Self {
        Self {
            claim,
            claim_uid: claim_uid.to_owned(),
            volume: volume.clone(),
            uid: live.uid().to_owned(),
            bytes: bytes_of(live),
            was_left: false,
        }
    }

    /// Of a member that has left: all that says so is asked once more.
    fn of_a_leaver(self, plan: &mut PlanDraft, after: BTreeSet<StepId>, expects: Vec<Expect>) {
        let id = self.id();
        self.step(plan, after);
        if let Some(step) = plan.steps.get_mut(&id) {
            step.expects.extend(expects);
        }
    }

    /// A volume that was left and a living one may be of claims of one name.
    fn id(&self) -> StepId {
        match self.was_left {
            true => StepId(format!("purge/{}/{}", self.claim, self.volume.name)),
            false => StepId(format!("purge/{}", self.claim)),
        }
    }

    fn step(self, plan: &mut PlanDraft, after: BTreeSet<StepId>) {
        let id = self.id();
        let Self { claim, claim_uid, volume, uid, bytes, was_left } = self;
        let belongs = Expect::BelongsTo {
            object: volume.clone(),
            uid: uid.clone(),
            claim: claim_uid.clone(),
        };
        let step = Step {
            title: match was_left {
                true => format!("purge {volume}, left of {claim}"),
                false => format!("purge the volume of {claim}"),
            },
            because: DELETED.to_owned(),
            expects: vec![belongs, Expect::LetGo { object: claim.clone() }],
            after,
            until: Until::Gone { object: volume.clone() },
            action: Action::Purge { volume, uid, claim: claim_uid },
            limit_seconds: FREE_SECONDS,
            risk: Risk::Deletes,
            bytes,
        };
        plan.step(id, step);
    }
}

/// A volume an earlier run held, whose claim it deleted before it was stopped.
fn left_released(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    live: &LiveObject,
) -> Option<Purge> {
    let (claim, claim_uid) = released_claim(live)?;
    if input.observed.objects.get(&claim).is_some_and(|live| live.uid() == claim_uid) {
        return None;
    }
    let summary = live.text("/spec/capacity/storage").unwrap_or_default().to_owned();
    let because = format!("its claim {} was deleted by an earlier run", claim.name);
    let operation = Operation::Delete;
    plan.changes.insert(key.clone(), Change { operation, because, summary, fields: Vec::new() });
    Some(Purge { was_left: true, ..Purge::of(claim, claim_uid, key, live) })
}

/// The claim a volume of ours was held for, and is not bound to any more.
fn released_claim(volume: &LiveObject) -> Option<(ObjectKey, &str)> {
    let uid = condemned_with(&volume.value)?;
    if volume.text("/spec/claimRef/uid") != Some(uid) {
        return None;
    }
    Some((claim_of(volume)?, uid))
}

/// The claim a volume says it is bound to.
pub fn claim_of(volume: &LiveObject) -> Option<ObjectKey> {
    let part = |name: &str| volume.text(&format!("/spec/claimRef/{name}"));
    Some(ObjectKey::within(Kind::PersistentVolumeClaim, part("namespace")?, part("name")?))
}

/// Whether a volume was held for a claim: it belongs to a claim, not to a tier.
pub fn is_condemned(key: &ObjectKey, live: &LiveObject) -> bool {
    key.kind == Kind::PersistentVolume && condemned_with(&live.value).is_some()
}

/// Takes a claim down whose member has left its database and whose StatefulSet has shrunk, each as its
/// tier says: what it stored is with the other members now.
pub fn member_left(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    claim: &ObjectKey,
    left: Expect,
    after: &BTreeSet<StepId>,
) {
    let Some(live) = input.observed.objects.get(claim) else { return };
    if !objects::is_ours(input.stack, input.observed, claim, live) || live.is_leaving() {
        return;
    }
    if let Some(other) = of_another_database(input, live) {
        let why = format!("it says that it is of database {other}, which cannot be asked");
        keep(plan, claim, live, &why);
        return;
    }
    let fate = fate(input, live);
    let (mut after, volume) = (after.clone(), volume_of(input, live));
    let expects = nobody_needs(input, claim, left);
    if let (Fate::Kept(why), Some((volume, volume_live))) = (&fate, volume)
        && volume_live.text(RECLAIM) == Some("Delete")
    {
        let why = format!("{why}, and its volume would go with it");
        keep(plan, claim, live, &why);
        keep(plan, volume, volume_live, &why);
        return;
    }
    let (because, until) = match fate {
        Fate::Kept(why) => {
            let until = match volume {
                Some((volume, live)) => {
                    keep(plan, volume, live, &format!("{why}, also once its member has left"));
                    Until::Released { claim: claim.clone(), volume: volume.clone() }
                }
                None => Until::Gone { object: claim.clone() },
            };
            (LEFT, until)
        }
        Fate::None => (LEFT, removed(claim, live)),
        Fate::Purged(volume, volume_live) => {
            let held = hold(input, plan, (claim, live), (volume, volume_live));
            // Before its member has left, nothing is to become of a volume.
            if let Some(step) = held.as_ref().and_then(|id| plan.steps.get_mut(id)) {
                step.after.clone_from(&after);
                step.expects.extend(expects.clone());
            }
            after.extend(held);
            (LEFT, Until::Released { claim: claim.clone(), volume: volume.clone() })
        }
    };
    delete(plan, claim, live, because, after, until, FREE_SECONDS);
    if let Some(step) = plan.steps.get_mut(&delete_id(claim)) {
        step.expects.extend(expects.clone());
    }
    if let Fate::Purged(volume, volume_live) = fate {
        let purge = Purge::of(claim.clone(), live.uid(), volume, volume_live);
        purge.of_a_leaver(plan, [delete_id(claim)].into(), expects);
    }
}

/// The database a claim says it is of, if it is not the one of its cluster.
fn of_another_database<'a>(input: &PlanInput<'_>, claim: &'a LiveObject) -> Option<&'a str> {
    let known = guards::known_id(input, claim.label(LABEL_CLUSTER)?)?;
    another_database(&claim.value, known)
}

/// What every step relies on that takes from a member which has left: the database lists it no more, no
/// pod of it is there, and its set is not to have it again.
fn nobody_needs(input: &PlanInput<'_>, claim: &ObjectKey, left: Expect) -> Vec<Expect> {
    let pod = Expect::LetGo { object: left.object().clone() };
    let set = claim.set_of_claim().zip(claim.ordinal());
    let set = set.map(|(object, replicas)| match input.observed.objects.contains_key(&object) {
        true => Expect::AtMost { object, replicas },
        false => Expect::LetGo { object },
    });
    set.into_iter().chain([pod, left]).collect()
}

const LEFT: &str = "nobody needs it once its member has left";

/// Takes down what a scale-in that was stopped has left: claims above the members of their set, and
/// volumes it held. Only where the database says that it lists no such member.
pub fn left_claims(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let retired = retirement::pools(input, name, cluster);
        for pool in cluster.pools.iter().chain(&retired) {
            for (claim, _) in claims::of_pool(input, &pool.set) {
                let ordinal = above(input, pool, claim);
                let found = ordinal.and_then(|it| leavers::parted(input, plan, (name, pool), it));
                if let Some((left, after)) = found {
                    member_left(input, plan, claim, left, &after);
                }
            }
            let volumes: Vec<(&ObjectKey, &LiveObject)> =
                objects::owned(input).filter(|(key, live)| is_condemned(key, live)).collect();
            for (volume, live) in volumes {
                let claim = released_claim(live).map(|(claim, _)| claim);
                let ordinal = claim.and_then(|claim| above(input, pool, &claim));
                let found = ordinal.and_then(|it| leavers::parted(input, plan, (name, pool), it));
                if let Some((left, after)) = found
                    && let Some(purge) = left_released(input, plan, volume, live)
                {
                    let expects = nobody_needs(input, &purge.claim, left);
                    purge.of_a_leaver(plan, after, expects);
                }
            }
        }
    }
}

/// The ordinal of a pool's claim that is above all members its set has or is to have.
fn above(input: &PlanInput<'_>, pool: &DesiredPool, claim: &ObjectKey) -> Option<u32> {
    let has = match input.observed.objects.get(&pool.set) {
        Some(set) => u32::try_from(set.number("/spec/replicas")?).ok()?,
        None if retirement::is_retired(pool) => 0,
        None => return None,
    };
    let is_its = claim.set_of_claim().as_ref() == Some(&pool.set);
    claim.ordinal().filter(|ordinal| is_its && *ordinal >= has.max(pool.replicas()))
}

/// Tells of volumes that an interrupted end of a cluster has left, while the cluster is declared.
pub fn tell_left(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut left: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let mut retired: BTreeMap<&str, Vec<DesiredPool>> = BTreeMap::new();
    for (_, live) in super::objects::owned(input).filter(|(key, live)| is_condemned(key, live)) {
        let Some(cluster) = live.label(LABEL_CLUSTER) else { continue };
        let lives = |claim: &ObjectKey, uid: &str| {
            input.observed.objects.get(claim).is_some_and(|live| live.uid() == uid)
        };
        let Some(desired) = input.desired.clusters.get(cluster) else { continue };
        let Some((claim, uid)) = released_claim(live) else { continue };
        let retired =
            retired.entry(cluster).or_insert_with(|| retirement::pools(input, cluster, desired));
        let mut pools = desired.pools.iter().chain(&*retired);
        if !pools.any(|pool| above(input, pool, &claim).is_some()) {
            *left.entry((cluster, lives(&claim, uid))).or_default() += 1;
        }
    }
    for ((cluster, has_claim), volumes) in left {
        let cluster = input.stack.cluster_address(cluster);
        let (cluster, volumes) = (cluster.name(), count(volumes, "volume"));
        plan.note(match has_claim {
            true => format!(
                "A run that was stopped holds {volumes} of cluster `{cluster}` beyond their claims. \
                 Until the stack is destroyed they are kept, though their tier says delete."
            ),
            false => format!(
                "A run that did not come to its end has left {volumes} of cluster `{cluster}` with \
                 data, without claims. They are kept until the stack is destroyed."
            ),
        });
    }
}
