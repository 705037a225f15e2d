//! Members of which one volume is there and another is not: started so, they would wake up with half of what they
//! kept (rule 7). Kubernetes makes a claim that is missing without a word.

use std::collections::BTreeSet;

use super::condemned::claim_of;
use super::draft::PlanDraft;
use super::{PlanInput, claims, replacing};
use crate::desired::DesiredPool;
use crate::object::{Kind, LABEL_GIVEN_UP, ObjectKey};
use crate::observed::LiveObject;

/// Refuses to start such members.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (cluster, desired) in &input.desired.clusters {
        for pool in &desired.pools {
            let address = input.stack.pool_address(cluster, &pool.name);
            let halves: Vec<Half> =
                (0..pool.replicas()).filter_map(|it| Half::of(input, pool, it)).collect();
            let lacking: Vec<&Half> =
                halves.iter().filter(|half| !half.missing.is_empty()).collect();
            if let Some((reason, help)) = all_lack_one(input, pool, &lacking) {
                plan.block(&address, RULE, reason, help);
            } else {
                for half in lacking {
                    let (reason, help) = half.lacks_one(input, pool);
                    plan.block(&address, RULE, reason, help);
                }
            }
            let beside: Vec<&str> =
                halves.iter().flat_map(|half| &half.beside).map(|it| it.name.as_str()).collect();
            if !beside.is_empty() {
                let reason = format!(
                    "its members have kept {}, and would start without: the stack gives them no such volume",
                    beside.join(", ")
                );
                let help = "put `storage` of the pool back as it was; for other volumes, declare another pool \
                            in place of this one once it is back";
                plan.block(&address, RULE, reason, help);
            }
        }
    }
}

/// The rule by which they are refused.
pub const RULE: &str = "kept-claims";

/// Where no member of a pool has such a claim, and no volume of one is left, they may never have had any.
fn all_lack_one(
    input: &PlanInput<'_>,
    pool: &DesiredPool,
    halves: &[&Half],
) -> Option<(String, String)> {
    let missing: Vec<ObjectKey> = halves.iter().flat_map(|half| half.missing.clone()).collect();
    let kept: Vec<ObjectKey> = halves.iter().flat_map(|half| half.kept.clone()).collect();
    let is_of_all = (0..pool.replicas()).all(|ordinal| {
        missing.iter().any(|claim| claim.ordinal() == Some(ordinal))
            || claims::of_member(input, &pool.set, ordinal).is_empty()
    });
    let is_left = missing.iter().any(|claim| released(input, claim).is_some());
    let is_so = missing.len() > 1 && is_of_all && !is_left;
    is_so.then(|| {
        (
            format!(
                "its members have kept {} and not {}: they would wake up with half of what they had, or \
                 with their volumes put together otherwise",
                names(&kept),
                names(&missing)
            ),
            "if they never had these volumes, put `storage` of the pool back as it was, and for others \
             declare another pool in place of this one once it is back; else bring the claims back, on the \
             volumes they had"
                .to_owned(),
        )
    })
}

/// Whether a claim that is not there is missed by a member that has kept another.
pub fn is_missed(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let pool = claim.set_of_claim().and_then(|set| input.desired.pool_of(&set));
    let half = pool
        .zip(claim.ordinal())
        .and_then(|((_, _, pool), ordinal)| Half::of(input, pool, ordinal));
    half.is_some_and(|half| half.missing.contains(claim))
}

/// A member that is not there, with some of the volumes it had.
struct Half {
    pod: ObjectKey,
    /// Claims that have kept what is on their volumes.
    kept: Vec<ObjectKey>,
    /// Claims it would start with, and which are gone.
    missing: Vec<ObjectKey>,
    /// Claims it had, and would start without.
    beside: Vec<ObjectKey>,
}

impl Half {
    fn of(input: &PlanInput<'_>, pool: &DesiredPool, ordinal: u32) -> Option<Self> {
        let pod = ObjectKey::pod_of(&pool.set, ordinal);
        let of_member = claims::of_member(input, &pool.set, ordinal);
        let is_given_up = |(claim, live): &(&ObjectKey, &LiveObject)| {
            live.label(LABEL_GIVEN_UP).is_some() || replacing::is_given_up(input, claim)
        };
        // One that runs keeps its claims; one that has just been made is given all at once.
        if of_member.is_empty()
            || input.observed.objects.contains_key(&pod)
            || of_member.iter().any(is_given_up)
        {
            return None;
        }
        let is_bound = |(_, live): &(&ObjectKey, &LiveObject)| {
            live.text("/spec/volumeName").is_some() && !live.is_leaving()
        };
        let kept: Vec<ObjectKey> =
            of_member.into_iter().filter(is_bound).map(|(claim, _)| claim.clone()).collect();
        let asked: BTreeSet<ObjectKey> = pool.claims_of(ordinal).collect();
        let is_missing = |claim: &&ObjectKey| !kept.contains(claim) && !is_set_aside(input, claim);
        let missing: Vec<ObjectKey> = asked.iter().filter(is_missing).cloned().collect();
        let is_beside = |claim: &&ObjectKey| !has_set(input, pool) && !asked.contains(claim);
        let beside: Vec<ObjectKey> = kept.iter().filter(is_beside).cloned().collect();
        let is_whole = missing.is_empty() && beside.is_empty();
        (!kept.is_empty() && !is_whole).then_some(Self { pod, kept, missing, beside })
    }

    fn lacks_one(&self, input: &PlanInput<'_>, pool: &DesiredPool) -> (String, String) {
        let Self { pod, kept, missing, .. } = self;
        let (kept, missing_names) = (names(kept), names(missing));
        let reason = format!(
            "{} has kept {kept} and not {missing_names}: it would wake up with half of what it had",
            pod.name,
        );
        let back = match missing.iter().find_map(|claim| released(input, claim)) {
            Some(volume) => format!(
                "bring {missing_names} back: take `uid` and `resourceVersion` out of spec.claimRef of \
                 {volume}, which still has what was on it"
            ),
            None => format!("bring {missing_names} back, on the volume it had"),
        };
        let way = match (has_set(input, pool), pod.ordinal()) {
            (true, Some(ordinal)) => format!("set nodes = {ordinal}, so that the member leaves"),
            _ => format!(
                "remove {kept} too, once nobody needs the data on it, and have the database give the \
                 member up with `tsinfra replace STACK {}` when its set is there",
                pod.name
            ),
        };
        (reason, format!("{back}; or {way}"))
    }
}

fn names(claims: &[ObjectKey]) -> String {
    claims.iter().map(|claim| claim.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn has_set(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    input.observed.objects.contains_key(&pool.set)
}

/// The volume a claim that is gone had, if it still has what was on it.
fn released<'a>(input: &PlanInput<'a>, claim: &ObjectKey) -> Option<&'a ObjectKey> {
    let mut volumes = input.observed.of_kind(Kind::PersistentVolume);
    let is_its = |live: &LiveObject| {
        claim_of(live).as_ref() == Some(claim) && live.text("/spec/claimRef/uid").is_some()
    };
    volumes.find(|(_, live)| is_its(live)).map(|(volume, _)| volume)
}

/// Whether somebody has set a volume aside for the next claim of this name.
fn is_set_aside(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let mut volumes = input.observed.of_kind(Kind::PersistentVolume);
    volumes.any(|(_, live)| {
        claim_of(live).as_ref() == Some(claim) && live.text("/spec/claimRef/uid").is_none()
    })
}
