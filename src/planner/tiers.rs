//! Whether tiers can keep their promise on the cluster that is there.

use std::collections::BTreeSet;

use super::PlanInput;
use super::condemned::claim_of;
use super::draft::PlanDraft;
use super::{claims, directories, halves, lost, machines, recycling, replacing};
use crate::desired::storage::{self, policy};
use crate::desired::{DesiredPool, labels};
use crate::object::{Kind, ObjectKey};
use crate::observed::LiveObject;
use crate::stack::{Pool, Recycle, Storage, Tier, TierKind};
use crate::wording::count;

/// Whether local tiers have a volume for every member: one that nobody's data are on.
pub fn volumes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for tier in input.stack.storage.values().filter(|tier| tier.is_local()) {
        if !declares_too_few(input, plan, tier) {
            Room::of(input, tier).check(input, plan, tier);
        }
    }
}

/// The volumes of the stack that are cleared and made anew, for members that lack one.
pub fn recycled<'a>(input: &PlanInput<'a>) -> Vec<(&'a ObjectKey, &'a Tier)> {
    let tiers = input.stack.storage.values().filter(|tier| tier.recycle == Recycle::Scrub);
    let volumes = tiers.flat_map(|tier| {
        let volumes = Room::of(input, tier).recycled(input, tier);
        volumes.into_iter().map(move |volume| (volume, tier))
    });
    volumes.collect()
}

/// The volumes of a tier that members which lack one may have: those that are nobody's, and those that are
/// cleared for them.
pub(super) fn free<'a>(input: &PlanInput<'a>, tier: &Tier) -> Vec<&'a ObjectKey> {
    let room = Room::of(input, tier);
    let recycled = room.recycled(input, tier);
    room.free.into_iter().chain(recycled).collect()
}

/// The volumes of a tier that are nobody's.
pub(super) fn unused<'a>(input: &PlanInput<'a>, tier: &Tier) -> Vec<&'a ObjectKey> {
    Room::of(input, tier).free
}

/// The claims that need a volume of a tier.
pub(super) fn needed(input: &PlanInput<'_>, tier: &Tier) -> BTreeSet<ObjectKey> {
    Room::of(input, tier).needed
}

/// The volumes of a tier whose claims are gone, and that may be cleared and made anew.
pub(super) fn fit_to_clear<'a>(input: &PlanInput<'a>, tier: &Tier) -> Vec<&'a ObjectKey> {
    Room::of(input, tier).fit(input, tier)
}

/// Only the live nodes tell how many volumes a tier has that chooses them by label.
fn declares_too_few(input: &PlanInput<'_>, plan: &mut PlanDraft, tier: &Tier) -> bool {
    let TierKind::LocalOnNodes { labels, per_node, .. } = &tier.kind else { return false };
    let volumes = storage::volumes(tier, input.observed).len();
    let pools = input.stack.clusters.values().flat_map(|cluster| cluster.pools.values());
    let asked = |pool: &Pool| pool.nodes * pool.volumes_from(&tier.name);
    let members: u32 = pools.map(asked).sum();
    let too_few = volumes < members as usize;
    if too_few {
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let nodes = count(volumes / (*per_node).max(1) as usize, "node");
        plan.block(
            input.stack.tier_address(&tier.name),
            "volumes",
            format!(
                "{nodes} with {} and {per_node} each give {}, but {members} members need one",
                labels.join(", "),
                count(volumes, "volume")
            ),
            "label more nodes, raise per_node, or lower the members",
        );
    }
    too_few
}

/// The volumes of a tier, and the claims that need one of them.
struct Room<'a> {
    /// Claims no volume is bound to.
    needed: BTreeSet<ObjectKey>,
    /// Whether no claim has a volume yet.
    is_new: bool,
    /// Volumes that are nobody's, those to be made among them.
    free: Vec<&'a ObjectKey>,
    /// Volumes whose claim is gone. They still hold its data: Kubernetes gives them to nobody, and a
    /// member that counts on one would wait for ever.
    released: Vec<&'a ObjectKey>,
    /// Volumes on machines that do not run.
    away: Vec<&'a ObjectKey>,
}

impl<'a> Room<'a> {
    fn of(input: &PlanInput<'a>, tier: &Tier) -> Self {
        let all = of_members(input, tier);
        let mut needed: BTreeSet<ObjectKey> =
            all.iter().filter(|claim| needs_a_volume(input, claim)).cloned().collect();
        let of_tier = input.desired.objects.iter().filter(|(key, object)| {
            key.kind == Kind::PersistentVolume
                && labels::tier_of(&object.manifest) == Some(&tier.name)
        });
        let named: BTreeSet<&str> = input
            .observed
            .of_kind(Kind::PersistentVolumeClaim)
            .filter_map(|(_, claim)| claim.text("/spec/volumeName"))
            .collect();
        let (mut free, mut released, mut away) = (Vec::new(), Vec::new(), Vec::new());
        for (key, object) in of_tier {
            let live = input.observed.objects.get(key);
            match live.and_then(|live| Some((live, live.text("/status/phase")?))) {
                // The volume is bound a moment before its claim says so, and a moment longer than there
                // is one.
                Some((live, "Bound")) => match claim_of(live) {
                    Some(claim) if all.contains(&claim) && is_gone(input, &claim, live) => {
                        released.push(key);
                    }
                    Some(claim) if replacing::is_given_up(input, &claim) => {}
                    claim => drop(claim.map(|claim| needed.remove(&claim))),
                },
                Some((_, "Released" | "Failed")) => released.push(key),
                // Of machines that are not there `directories` says it where volumes are not made yet.
                _ if match live {
                    Some(live) => lost::is_on_a_machine_that_is_gone(input, &live.value),
                    None => directories::is_on_a_machine_in_trouble(input, &object.manifest),
                } =>
                {
                    away.push(key);
                }
                // It was deleted from under its claim, whose member still writes to its directory.
                None if named.contains(key.name.as_str()) => {}
                // Somebody has set it aside for a claim that does not ask for it now.
                _ if live.and_then(claim_of).is_some_and(|claim| !needed.contains(&claim)) => {}
                _ => free.push(key),
            }
        }
        Self { is_new: needed.len() == all.len(), needed, free, released, away }
    }

    /// The released volumes that are made anew for the members that lack one: the first of those the user
    /// consents to. Where members need others on the same machine, that counts, too.
    fn recycled(&self, input: &PlanInput<'_>, tier: &Tier) -> Vec<&'a ObjectKey> {
        let mut consented = self.fit(input, tier);
        consented.retain(|key| input.consents.contains(&key.to_string()));
        if consented.is_empty() {
            return consented;
        }
        let short: Vec<(&Pool, &DesiredPool)> = pools_on(input, tier)
            .filter(|(it, pool)| machines::is_short(input, it, pool))
            .collect();
        let lacking = match short.is_empty() {
            true => self.needed.len().saturating_sub(self.free.len()),
            false => self.needed.len(),
        };
        let has_all = |volume: &ObjectKey| {
            short.iter().any(|(declared, _)| machines::could_take(input, declared, volume))
        };
        consented.sort_by_key(|volume| !has_all(volume));
        consented.truncate(lacking);
        consented
    }

    /// The released volumes that may be cleared and made anew.
    fn fit(&self, input: &PlanInput<'_>, tier: &Tier) -> Vec<&'a ObjectKey> {
        let fit = |key: &&&ObjectKey| recycling::unfit(input, tier, key).is_none();
        self.released.iter().filter(fit).copied().collect()
    }

    /// Refuses what would wait for ever; else says what the members to come will have.
    fn check(&self, input: &PlanInput<'_>, plan: &mut PlanDraft, tier: &Tier) {
        let mut free = self.free.clone();
        free.extend(self.recycled(input, tier));
        if self.needed.len() > free.len() {
            self.refuse(input, plan, tier);
        } else if !self.needed.is_empty() && !self.is_new {
            plan.note(self.what_is_bound(input, tier, &free));
        }
    }

    fn refuse(&self, input: &PlanInput<'_>, plan: &mut PlanDraft, tier: &Tier) {
        let needed = match self.needed.len() {
            1 => "1 member needs".to_owned(),
            needed => format!("{needed} members need"),
        };
        let free = match self.free.len() {
            0 => "none is free".to_owned(),
            1 => "1 is free".to_owned(),
            free => format!("{free} are free"),
        };
        let (why, help) = match self.released.is_empty() {
            true if !self.away.is_empty() => (
                format!("the machine of {} does not run", listed(&self.away)),
                "bring the machine back, or add volumes to the tier".to_owned(),
            ),
            true => ("the others are bound".to_owned(), "add volumes to the tier".to_owned()),
            false => (
                format!("data of claims that are gone are still on {}", listed(&self.released)),
                recycling::way_on(input, tier, &self.released),
            ),
        };
        plan.block(
            input.stack.tier_address(&tier.name),
            "volumes",
            format!("{needed} a volume and {free}; {why}"),
            help,
        );
    }

    /// Which volume it will be is the scheduler's to say, where there is a choice.
    fn what_is_bound(&self, input: &PlanInput<'_>, tier: &Tier, free: &[&ObjectKey]) -> String {
        let claims: Vec<&ObjectKey> = self.needed.iter().collect();
        let address = input.stack.tier_address(&tier.name);
        let (claims, volumes) = (listed(&claims), listed(free));
        match (self.needed.len(), free.len()) {
            (1, 1) => {
                format!("{claims} will be bound to {volumes}, all that is free of `{address}`.")
            }
            (1, _) => format!("{claims} will be bound to one volume of `{address}`: {volumes}."),
            _ => format!("{claims} will be bound to one volume of `{address}` each: {volumes}."),
        }
    }
}

/// Names, one after the other.
fn listed(keys: &[&ObjectKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether the claim of the stack a volume says it is bound to is there no more.
fn is_gone(input: &PlanInput<'_>, claim: &ObjectKey, volume: &LiveObject) -> bool {
    let live = input.observed.objects.get(claim);
    live.is_none_or(|live| volume.text("/spec/claimRef/uid") != Some(live.uid()))
}

/// Whether a claim of this name needs a volume: it has none, or is given up with the one it has.
pub(super) fn is_without_volume(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let live = input.observed.objects.get(claim);
    let has = live.is_some_and(|claim| claim.text("/spec/volumeName").is_some());
    !has || replacing::is_given_up(input, claim)
}

/// Whether a claim needs a volume that is free: not one that is missed, whose volume is to be brought back.
fn needs_a_volume(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    is_without_volume(input, claim)
        && !halves::is_missed(input, claim)
        && !claims::is_a_missed_founders(input, claim)
}

/// The claims of the tier's members, those yet to come among them.
fn of_members(input: &PlanInput<'_>, tier: &Tier) -> BTreeSet<ObjectKey> {
    let claims = pools_on(input, tier).flat_map(|(declared, pool)| {
        let of_tier = declared.storage().filter(|(_, storage)| storage.tier == tier.name);
        of_tier.flat_map(move |(content, _)| {
            (0..pool.replicas()).map(move |it| ObjectKey::claim_of(&pool.set, content, it))
        })
    });
    claims.collect()
}

/// The pools whose members have volumes from a tier, each as it is declared and as it is to be.
fn pools_on<'a>(
    input: &PlanInput<'a>,
    tier: &'a Tier,
) -> impl Iterator<Item = (&'a Pool, &'a DesiredPool)> + use<'a> {
    pools(input).filter(|(declared, _)| declared.volumes_from(&tier.name) > 0)
}

/// All pools, each as it is declared and as it is to be.
pub(super) fn pools<'a>(
    input: &PlanInput<'a>,
) -> impl Iterator<Item = (&'a Pool, &'a DesiredPool)> + use<'a> {
    let (stack, desired) = (input.stack, input.desired);
    desired.clusters.iter().flat_map(move |(name, cluster)| {
        let declared = stack.clusters.get(name);
        cluster.pools.iter().filter_map(move |pool| Some((declared?.pools.get(&pool.name)?, pool)))
    })
}

/// Tells of members that are to share a machine, because their local tier is on too few: Kubernetes can
/// spread them no further, and who loses that machine loses both.
pub fn shared_machines(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (declared, pool) in pools(input) {
        let local = || local(input, declared).map(|(_, tier)| tier);
        let Some(machines) = storage::hosts_in_common(local(), input.observed) else { continue };
        let (machines, members) = (machines.len(), pool.addresses.len());
        if machines < members && plan.changes.contains_key(&pool.set) {
            let addresses: BTreeSet<String> =
                local().map(|tier| format!("`{}`", input.stack.tier_address(&tier.name))).collect();
            plan.note(format!(
                "{} has {}, and the volumes of {} are on {}: some members will share one, and be lost \
                 together with it.",
                pool.set,
                count(members, "member"),
                addresses.into_iter().collect::<Vec<_>>().join(" and "),
                count(machines, "machine"),
            ));
        }
    }
}

/// The local volumes each member of a pool has, with their tiers.
pub(super) fn local<'a>(
    input: &PlanInput<'a>,
    pool: &'a Pool,
) -> impl Iterator<Item = (&'a Storage, &'a Tier)> + use<'a> {
    let tiers = &input.stack.storage;
    let with_tier =
        move |(_, storage): (_, &'a Storage)| Some((storage, tiers.get(&storage.tier)?));
    pool.storage().filter_map(with_tier).filter(|(_, tier)| tier.is_local())
}

/// Classes the stack uses but does not make: they must be there and keep the tier's promise.
pub fn classes(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (class, (reclaim, tier)) in &input.desired.foreign_classes {
        let key = ObjectKey::global(Kind::StorageClass, class);
        let address = input.stack.tier_address(tier);
        let Some(live) = input.observed.objects.get(&key) else {
            let help = "create it, name another class, or give a provisioner instead of a class";
            plan.block(address, "class", format!("StorageClass `{class}` does not exist"), help);
            continue;
        };
        let live_policy = live.text("/reclaimPolicy").unwrap_or("Delete");
        if live_policy != policy(*reclaim) {
            plan.block(
                address,
                "class",
                format!("StorageClass `{class}` says {live_policy}, the tier {}", policy(*reclaim)),
                format!("set reclaim = \"{}\", or name another class", live_policy.to_lowercase()),
            );
        }
    }
}
