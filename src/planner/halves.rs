//! Members of which one volume is there and another is not: started so, they would wake up with half of what they
//! kept (rule 7). Kubernetes makes a claim that is missing without a word, so that an empty one in its place is as
//! good as none.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::cluster::{Content, Role};
use serde_json::Value;

use super::condemned::{claim_of, volume_of};
use super::draft::PlanDraft;
use super::{PlanInput, claims, objects, orphans, replacing, tiers};
use crate::desired::{DesiredPool, labels, members, preparation};
use crate::object::{
    ANNOTATION_MEMBER, Kind, LABEL_GIVEN_UP, LABEL_TIER, ObjectKey, at, claim_template,
};
use crate::observed::{DatabaseView, LiveObject};
use crate::stack::parts::PartAddress;

/// The rule by which they are refused.
pub const RULE: &str = "kept-claims";

/// Refuses to start such members, and tells of those that run so.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (cluster, desired) in &input.desired.clusters {
        for pool in &desired.pools {
            let address = input.stack.pool_address(cluster, &pool.name);
            let all = (0..pool.replicas()).filter_map(|it| Half::of(input, pool, it));
            let halves: Vec<Half> = all.filter(|half| !half.is_replaced(input)).collect();
            of_pool(input, plan, (&address, pool), &halves);
            put_together_otherwise(input, plan, (&address, pool));
        }
    }
}

fn of_pool(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (address, pool): (&PartAddress, &DesiredPool),
    halves: &[Half],
) {
    let lacking: Vec<&Half> = halves.iter().filter(|half| !half.missing.is_empty()).collect();
    if let Some((reason, help)) = all_lack_one(input, pool, &lacking) {
        plan.block(address, RULE, reason, help);
    } else {
        for half in &lacking {
            let (reason, help) = half.lacks_one(input, pool.role);
            plan.block(address, RULE, reason, help);
        }
    }
    bars_new_volumes(input, plan, pool, &lacking);
    let beside: Vec<&str> =
        halves.iter().flat_map(|half| &half.beside).map(|it| it.name.as_str()).collect();
    if !beside.is_empty() {
        let reason = format!(
            "its members have kept {}, and would start without: the stack gives them no such volume",
            beside.join(", ")
        );
        plan.block(address, RULE, reason, PUT_BACK);
    }
    for half in halves {
        half.tell_new(plan);
        if let Some((one, other)) = &half.of_two_members {
            plan.block(
                address,
                "stale-claim",
                format!("{one} and {other} say that they are of two members, by their member-id"),
                "bring back the claim that is the member's; or, if it is, mend its annotation \
                 tsinfra.dev/member-id",
            );
        }
    }
}

const PUT_BACK: &str = "put `storage` of the pool back as it was; for other volumes, declare another pool in place of \
                        this one once it is back";

/// A claim that is not there, or is empty, of a member that has kept another.
pub fn is_missed(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    half_of(input, claim)
        .is_some_and(|half| half.missing.contains(claim) && !half.is_replaced(input))
}

/// Whether a claim took the place of one that its running member had: nothing says that what was on that is on it.
pub fn is_new(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    half_of(input, claim).is_some_and(|half| half.new.contains(claim))
}

fn half_of(input: &PlanInput<'_>, claim: &ObjectKey) -> Option<Half> {
    let (_, _, pool) = input.desired.pool_of(&claim.set_of_claim()?)?;
    Half::of(input, pool, claim.ordinal()?)
}

/// The volumes to be made that a member which lacks one would take as soon as they are there: those on the machine
/// of what it has kept, if it has kept any.
pub fn waits_for(input: &PlanInput<'_>, pool: &DesiredPool, ordinal: u32) -> BTreeSet<ObjectKey> {
    let half = Half::of(input, pool, ordinal)
        .filter(|half| input.observed.objects.contains_key(&half.pod) && !half.missing.is_empty());
    let Some(half) = half else { return BTreeSet::new() };
    let made = to_be_made(input, pool);
    let is_there = half.could_take(input);
    let made = made.into_iter().filter(|(_, manifest)| is_there(manifest));
    made.map(|(volume, _)| volume.clone()).collect()
}

/// The volumes of a pool's tiers that are not there yet, or are cleared and made anew.
fn to_be_made<'a>(input: &PlanInput<'a>, pool: &'a DesiredPool) -> Vec<(&'a ObjectKey, &'a Value)> {
    let recycled: BTreeSet<&ObjectKey> =
        tiers::recycled(input).into_iter().map(|(volume, _)| volume).collect();
    let volumes = pool.needs.iter().filter(|need| need.kind == Kind::PersistentVolume);
    let is_made = |volume: &&ObjectKey| {
        !input.observed.objects.contains_key(*volume) || recycled.contains(*volume)
    };
    let made = volumes.filter(is_made);
    made.filter_map(|volume| Some((volume, &input.desired.objects.get(volume)?.manifest))).collect()
}

/// A member with some of the volumes it had.
struct Half {
    pod: ObjectKey,
    /// Claims that have kept what is on their volumes.
    kept: Vec<ObjectKey>,
    /// Claims it would start with, and which are gone, or are others.
    missing: Vec<ObjectKey>,
    /// Claims it had, and would start without.
    beside: Vec<ObjectKey>,
    /// Claims it runs with, and which may be others than it had.
    new: Vec<ObjectKey>,
    /// Claims that are of two members.
    of_two_members: Option<(ObjectKey, ObjectKey)>,
    /// Whether it was given up, so that nothing of it matters any more.
    is_given_up: bool,
}

impl Half {
    fn of(input: &PlanInput<'_>, pool: &DesiredPool, ordinal: u32) -> Option<Self> {
        let pod = ObjectKey::pod_of(&pool.set, ordinal);
        let live_pod = input.observed.objects.get(&pod);
        let is_said = |live: &LiveObject| live.annotation(ANNOTATION_MEMBER).is_some();
        let is_bound = |live: &LiveObject| is_bound(input, live);
        // What is being deleted is there as long as its pod runs with it.
        let runs_with = |content: Content| {
            live_pod.is_some_and(|live| {
                live.text("/spec/nodeName").is_some() && mounted(live, &pool.set).contains(&content)
            })
        };
        let there = |content: Content| {
            let claim = ObjectKey::claim_of(&pool.set, content, ordinal);
            let live = input.observed.objects.get(&claim).filter(|live| {
                (!live.is_leaving() || runs_with(content))
                    && objects::is_ours(input.stack, input.observed, &claim, live)
            });
            (claim, live)
        };
        let all = Content::ALL.map(there);
        // Before a pod has run, nothing but its volume says that a claim is a member's.
        // Where none of its claims says so, as after `adopt`, the database does.
        let is_known = all.iter().any(|(_, live)| live.is_some_and(is_said));
        let is_listed = is_listed(input, pool, ordinal);
        let has_kept = |live: &LiveObject| {
            is_bound(live) && (is_said(live) || live_pod.is_none() || is_listed && !is_known)
        };
        let has_some = all.iter().any(|(_, live)| live.is_some_and(is_bound));
        if !all.iter().any(|(_, live)| live.is_some_and(has_kept)) && (has_some || !is_listed) {
            return None;
        }
        let asked = match live_pod {
            Some(live) => mounted(live, &pool.set),
            None => pool.claims.iter().copied().collect(),
        };
        let is_asked = |claim: &ObjectKey| {
            claim.content_of_claim().is_some_and(|content| asked.contains(&content))
        };
        let mut half = Self {
            pod,
            kept: Vec::new(),
            missing: Vec::new(),
            beside: Vec::new(),
            new: Vec::new(),
            of_two_members: None,
            is_given_up: false,
        };
        for (claim, live) in &all {
            match live {
                Some(live) if has_kept(live) => half.kept.push(claim.clone()),
                // Ids come to the claim of the data last, so that it may not have got them yet.
                Some(live) if is_bound(live) && is_asked(claim) => {
                    let is_beside = claim.content_of_claim() != Some(Content::Data);
                    half.new.extend(is_beside.then(|| claim.clone()));
                }
                // What is of others is refused as such.
                None if is_of_others(input, claim) => {}
                _ if is_asked(claim) && !is_set_aside(input, claim) => {
                    half.missing.push(claim.clone());
                }
                _ => {}
            }
            half.is_given_up |= live.is_some_and(|live| live.label(LABEL_GIVEN_UP).is_some());
        }
        if !has_set(input, pool) {
            half.beside = half.kept.iter().filter(|claim| !is_asked(claim)).cloned().collect();
        }
        let mut ids = all
            .iter()
            .filter_map(|(claim, live)| Some((claim, (*live)?.annotation(ANNOTATION_MEMBER)?)));
        if let (Some((one, id)), Some((other, other_id))) = (ids.next(), ids.next())
            && id != other_id
        {
            half.of_two_members = Some((one.clone(), other.clone()));
        }
        let is_whole = half.missing.is_empty()
            && half.beside.is_empty()
            && half.new.is_empty()
            && half.of_two_members.is_none();
        (!is_whole).then_some(half)
    }

    /// Whether this very run gives it up, with all it has kept.
    fn is_replaced(&self, input: &PlanInput<'_>) -> bool {
        let mut claims = self.kept.iter().chain(&self.missing);
        claims.any(|claim| replacing::is_given_up(input, claim))
    }

    /// Whether its pod could come to where a volume is.
    fn could_take<'a>(&'a self, input: &'a PlanInput<'_>) -> impl Fn(&Value) -> bool + use<'a> {
        let machine = |claim: &ObjectKey| {
            let (_, volume) = volume_of(input, input.observed.objects.get(claim)?)?;
            Some(preparation::directory(&volume.value)?.node)
        };
        let machines: BTreeSet<String> = self.kept.iter().filter_map(machine).collect();
        move |manifest| {
            self.kept.is_empty()
                || preparation::directory(manifest).is_some_and(|it| machines.contains(&it.node))
        }
    }

    fn lacks_one(&self, input: &PlanInput<'_>, role: Role) -> (String, String) {
        let Self { pod, kept, missing, .. } = self;
        let (has_none, missing_names) = (kept.is_empty(), names(missing));
        let kept = names(kept);
        let reason = match has_none {
            true => {
                let are = if missing.len() == 1 { "is" } else { "are" };
                format!(
                    "the database lists {}, and {missing_names} {are} gone: it would start empty as that \
                     member",
                    pod.name
                )
            }
            false => format!(
                "{} has kept {kept} and not {missing_names}: it would start with half of what it had",
                pod.name,
            ),
        };
        if self.is_given_up {
            let help = format!("`tsinfra replace STACK {}` goes on with it", pod.name);
            return (reason, help);
        }
        let back = set_aside_again(input, missing, &missing_names)
            .unwrap_or_else(|| format!("bring {missing_names} back, on the volume it had"));
        if role == Role::Control {
            let name = &pod.name;
            let help = format!(
                "{back}; if it is lost for good, `tsinfra replace STACK {name}` says what is left to do"
            );
            return (reason, help);
        }
        let is_there = input.observed.objects.contains_key(pod) || has_none;
        let way = match is_there {
            true if !replacing::may_be_lost(input, pod) => format!(
                "if it is lost for good, have the database give {} up by hand (`tsinfra status` shows its id): \
                 the next apply brings it up empty, as a new member",
                pod.name
            ),
            true => format!(
                "if it is lost for good, `tsinfra replace STACK {}`, with other volumes for it in the stack",
                pod.name
            ),
            false => format!(
                "if it is lost for good, remove {kept} too, so that the member comes back empty; should \
                 the database not take it, label its claim {LABEL_GIVEN_UP}=true and run `tsinfra replace \
                 STACK {}`",
                pod.name
            ),
        };
        (reason, format!("{back}; or, {way}"))
    }

    fn tell_new(&self, plan: &mut PlanDraft) {
        if self.new.is_empty() || !self.missing.is_empty() {
            return;
        }
        let (new, pod) = (names(&self.new), &self.pod.name);
        plan.note(format!(
            "{new} is another claim than {pod} had, and does not say that it is its own. If the volume was \
             brought back, give it the annotation {ANNOTATION_MEMBER} that {} has. Else what was only on the \
             one it had is missing there, and maybe in no other replica: see that the others have it.",
            names(&self.kept)
        ));
    }
}

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
    let is_so = missing.len() > 1 && is_of_all && !is_left && !has_set(input, pool);
    is_so.then(|| {
        (
            format!(
                "its members have kept {} and not {}: they would start with half of what they had, or with \
                 their volumes put together otherwise",
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

/// A volume that is made now would be given to such a member at once.
fn bars_new_volumes(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    pool: &DesiredPool,
    lacking: &[&Half],
) {
    let waiting = lacking.iter().filter(|half| input.observed.objects.contains_key(&half.pod));
    let waiting: Vec<&&Half> = waiting.collect();
    if waiting.is_empty() {
        return;
    }
    let made = to_be_made(input, pool);
    let could_take = |half: &Half, tier: &str| {
        let is_there = half.could_take(input);
        let of_tier = made.iter().filter(|(_, it)| labels::tier_of(it) == Some(tier));
        of_tier.into_iter().any(|(_, manifest)| is_there(manifest))
    };
    let set = input.desired.objects.get(&pool.set).map(|object| &object.manifest);
    let mut by_tier: BTreeMap<&str, Vec<ObjectKey>> = BTreeMap::new();
    let missing = waiting.iter().flat_map(|half| half.missing.iter().map(move |it| (*half, it)));
    for (half, claim) in missing {
        let template = claim.content_of_claim().and_then(|it| claim_template(set?, it));
        let labels = template.and_then(|template| at(template, "/metadata/labels"));
        let tier = labels.and_then(|labels| labels.get(LABEL_TIER)?.as_str());
        if let Some(tier) = tier.filter(|tier| could_take(half, tier)) {
            by_tier.entry(tier).or_default().push(claim.clone());
        }
    }
    for (tier, claims) in by_tier {
        plan.block(
            input.stack.tier_address(tier),
            RULE,
            format!(
                "a new volume of it could go to {}, of a member that has lost what was on the one it had",
                names(&claims)
            ),
            "leave new volumes out until that member is whole, or have it replaced",
        );
    }
}

/// A StatefulSet that is made again around its members gives them other volumes than they have.
fn put_together_otherwise(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (address, pool): (&PartAddress, &DesiredPool),
) {
    let asked: BTreeSet<Content> = pool.claims.iter().copied().collect();
    let alone = orphans::of_set(input, &pool.set);
    let other = alone.iter().find(|(_, pod)| mounted(pod, &pool.set) != asked);
    if let Some((pod, live)) = other {
        let words = |contents: &BTreeSet<Content>| {
            contents.iter().map(|it| it.title()).collect::<Vec<_>>().join(" and ")
        };
        plan.block(
            address,
            RULE,
            format!(
                "{} goes on without its StatefulSet, with volumes for {}, and the stack gives it such for {}: \
                 it would restart without what is on the one it has",
                pod.name,
                words(&mounted(live, &pool.set)),
                words(&asked),
            ),
            PUT_BACK,
        );
    }
}

/// What a member's pod has volumes for.
fn mounted(pod: &LiveObject, set: &ObjectKey) -> BTreeSet<Content> {
    let volumes = at(&pod.value, "/spec/volumes").and_then(Value::as_array);
    let content = |volume: &Value| {
        let name = at(volume, "/persistentVolumeClaim/claimName")?.as_str()?.to_owned();
        let claim = ObjectKey { kind: Kind::PersistentVolumeClaim, name, ..set.clone() };
        claim.content_of_claim().filter(|_| claim.is_claim_of(set))
    };
    volumes.into_iter().flatten().filter_map(content).collect()
}

/// Whether a claim has a volume, which says so a moment before the claim does.
pub(super) fn is_bound(input: &PlanInput<'_>, claim: &LiveObject) -> bool {
    let mut volumes = input.observed.of_kind(Kind::PersistentVolume);
    claim.text("/spec/volumeName").is_some()
        || volumes.any(|(_, live)| live.text("/spec/claimRef/uid") == Some(claim.uid()))
}

/// Whether a claim is there, and not the stack's.
fn is_of_others(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let live = input.observed.objects.get(claim);
    live.is_some_and(|live| !objects::is_ours(input.stack, input.observed, claim, live))
}

/// Whether the database knows a member.
fn is_listed(input: &PlanInput<'_>, pool: &DesiredPool, ordinal: u32) -> bool {
    let address = members::address(input.stack, &pool.set.name, ordinal);
    let cluster = input.desired.pool_of(&pool.set).map(|(cluster, _, _)| cluster);
    match cluster.and_then(|cluster| input.observed.databases.get(cluster)) {
        Some(DatabaseView::Seen(topology)) => topology.members.contains_key(&address),
        _ => false,
    }
}

fn names(claims: &[ObjectKey]) -> String {
    claims.iter().map(|claim| claim.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn has_set(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    input.observed.objects.contains_key(&pool.set)
}

/// How claims that are gone get the volumes back which still have what was on them, if any has.
pub(super) fn set_aside_again(
    input: &PlanInput<'_>,
    claims: &[ObjectKey],
    them: &str,
) -> Option<String> {
    let volumes = claims.iter().filter_map(|claim| released(input, claim));
    let volumes: Vec<String> = volumes.map(ToString::to_string).collect();
    let have = if volumes.len() == 1 { "has" } else { "have" };
    (!volumes.is_empty()).then(|| {
        format!(
            "take `uid` and `resourceVersion` out of spec.claimRef of {}, which still {have} what was on {them}",
            volumes.join(" and ")
        )
    })
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
pub(super) fn is_set_aside(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let mut volumes = input.observed.of_kind(Kind::PersistentVolume);
    volumes.any(|(_, live)| {
        claim_of(live).as_ref() == Some(claim) && live.text("/spec/claimRef/uid").is_none()
    })
}
