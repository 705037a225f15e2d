//! The end of data. Deleting a claim is never safely conditional: somebody may have begun to use it
//! since it was looked at, and its volume goes with it. So a volume is first held, then its claim is
//! deleted, and only when all claims are gone and released are the volumes purged, one by one, as
//! steps of their own (research E §0, findings 3 and 4).

use std::collections::{BTreeMap, BTreeSet};

use super::PlanInput;
use super::draft::{PlanDraft, delete_id};
use super::order::PROMPT_SECONDS;
use super::removal::{FREE_SECONDS, delete, keep, removed};
use crate::desired::labels;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_TIER, Labels, ObjectKey};
use crate::observed::LiveObject;
use crate::plan::step::{Action, Expect, Risk, Step, StepId, Until};
use crate::plan::volume::{condemned_with, is_held};
use crate::plan::{Change, Operation};
use crate::stack::Reclaim;
use crate::stack::quantity::Quantity;
use crate::wording::count;

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
    for (key, live) in claims() {
        match fate(input, live) {
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
            let retains = volume.text("/spec/persistentVolumeReclaimPolicy") == Some("Retain");
            if retains && !is_held(&volume.value, claim.uid()) {
                return Fate::Kept("its volume was set to retain, though its tier says delete");
            }
            Fate::Purged(key, volume)
        }
        _ => Fate::None,
    }
}

fn volume_of<'a>(
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
    let step = Step {
        action: Action::Hold { volume: volume.clone(), uid, claim: claim_uid, labels },
        title: format!("keep the volume of {claim} beyond its claim"),
        because: "nothing is lost yet when the claim goes".to_owned(),
        expects,
        after: BTreeSet::new(),
        until: Until::Said,
        limit_seconds: PROMPT_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    plan.step(id.clone(), step);
    Some(id)
}

/// A volume whose data are deleted for good, and the claim it is known by.
struct Purge {
    claim: ObjectKey,
    claim_uid: String,
    volume: ObjectKey,
    uid: String,
    bytes: u64,
}

impl Purge {
    fn of(claim: ObjectKey, claim_uid: &str, volume: &ObjectKey, live: &LiveObject) -> Self {
        let size = live.text("/spec/capacity/storage").unwrap_or_default();
        Self {
            claim,
            claim_uid: claim_uid.to_owned(),
            volume: volume.clone(),
            uid: live.uid().to_owned(),
            bytes: size.parse::<Quantity>().map_or(0, |size| size.bytes()),
        }
    }

    fn step(self, plan: &mut PlanDraft, after: BTreeSet<StepId>) {
        let Self { claim, claim_uid, volume, uid, bytes } = self;
        let belongs = Expect::BelongsTo {
            object: volume.clone(),
            uid: uid.clone(),
            claim: claim_uid.clone(),
        };
        let step = Step {
            title: format!("purge the volume of {claim}"),
            because: DELETED.to_owned(),
            expects: vec![belongs, Expect::LetGo { object: claim.clone() }],
            after,
            until: Until::Gone { object: volume.clone() },
            action: Action::Purge { volume, uid, claim: claim_uid },
            limit_seconds: FREE_SECONDS,
            risk: Risk::Deletes,
            bytes,
        };
        plan.step(StepId(format!("purge/{claim}")), step);
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
    Some(Purge::of(claim, claim_uid, key, live))
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

/// Tells of volumes that an interrupted end of a cluster has left, while the cluster is declared.
pub fn tell_left(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut left: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    for (_, live) in super::objects::owned(input).filter(|(key, live)| is_condemned(key, live)) {
        let Some(cluster) = live.label(LABEL_CLUSTER) else { continue };
        let declared = input.desired.clusters.contains_key(cluster);
        let lives = |claim: &ObjectKey, uid: &str| {
            input.observed.objects.get(claim).is_some_and(|live| live.uid() == uid)
        };
        if let (true, Some((claim, uid))) = (declared, released_claim(live)) {
            *left.entry((cluster, lives(&claim, uid))).or_default() += 1;
        }
    }
    for ((cluster, has_claim), volumes) in left {
        let cluster = input.stack.cluster_address(cluster);
        let (cluster, volumes) = (cluster.name(), count(volumes, "volume"));
        plan.note(match has_claim {
            true => format!(
                "A destroy that was begun holds {volumes} of cluster `{cluster}` beyond their claims. \
                 Until the stack is destroyed they are kept, though their tier says delete."
            ),
            false => format!(
                "A destroy that did not come to its end has left {volumes} of cluster `{cluster}` with \
                 data, without claims. They are kept until the stack is destroyed."
            ),
        });
    }
}
