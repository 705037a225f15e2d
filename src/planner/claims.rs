//! Claims left over from an earlier life of a cluster, found before anything mounts them (rule 7).

use db_engine::cluster::{Content, Role};

use super::draft::PlanDraft;
use super::{PlanInput, halves, objects, orphans, teardown};
use crate::desired::{DesiredCluster, DesiredPool};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};

/// The claims of a pool that are there.
pub fn of_pool<'a>(input: &PlanInput<'a>, set: &ObjectKey) -> Vec<(&'a ObjectKey, &'a LiveObject)> {
    let claims = input.observed.of_kind(Kind::PersistentVolumeClaim);
    claims.filter(|(key, _)| key.is_claim_of(set)).collect()
}

/// The claims of one of its members that are there.
pub fn of_member<'a>(
    input: &PlanInput<'a>,
    set: &ObjectKey,
    ordinal: u32,
) -> Vec<(&'a ObjectKey, &'a LiveObject)> {
    let claims = Content::ALL.map(|content| ObjectKey::claim_of(set, content, ordinal));
    claims.iter().filter_map(|claim| input.observed.objects.get_key_value(claim)).collect()
}

/// The claims of a declared pool that are there and its members mount.
fn mounted<'a>(
    input: &PlanInput<'a>,
    pool: &DesiredPool,
) -> impl Iterator<Item = (&'a ObjectKey, &'a LiveObject)> + use<'a> {
    let mut claims = of_pool(input, &pool.set);
    claims.retain(|(key, _)| key.content_of_claim().is_some_and(|it| pool.claims.contains(&it)));
    claims.into_iter()
}

/// Refuses claims nobody can account for: of strangers, beyond the members a set has, or of data
/// members whose ConfigNodes would start empty.
pub fn stale(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        for pool in &cluster.pools {
            strangers(input, plan, name, pool);
            beyond_the_set(input, plan, name, pool);
        }
        founded_anew(input, plan, name);
    }
}

fn strangers(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str, pool: &DesiredPool) {
    for (key, claim) in mounted(input, pool) {
        if claim.label(LABEL_STACK) != Some(&input.stack.name) {
            plan.block(
                key,
                "stale-claim",
                format!(
                    "a {} of this stack would mount it, but it is not this stack's",
                    pool.title
                ),
                "rename the pool, remove the claim once its data is not needed, or, if it is this \
                 pool's data, take it over with `tsinfra adopt`",
            );
        } else if let (Some(of), Some(other)) =
            (claim.label(LABEL_CLUSTER), claim.label(LABEL_POOL))
            && (of, other) != (cluster, pool.name.as_str())
        {
            let of = input.stack.pool_address(of, other);
            plan.block(
                key,
                "stale-claim",
                format!(
                    "a {} would mount it, but it is of {of}, whose name is composed alike",
                    pool.title
                ),
                "rename the pool, or remove the claim once its data is not needed",
            );
        }
    }
}

/// A claim above the highest member is of a member that left: the next one of that ordinal would
/// wake up with its data. Unless the database still lists that member: then it only sleeps.
fn beyond_the_set(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str, pool: &DesiredPool) {
    let alone = orphans::of_set(input, &pool.set);
    let has = match input.observed.objects.get(&pool.set) {
        Some(live) => live.number("/spec/replicas").unwrap_or(0),
        None if alone.is_empty() => return,
        None => i64::from(orphans::members(&alone)),
    };
    for (key, _) in mounted(input, pool) {
        let ordinal = key.ordinal().unwrap_or(0);
        if i64::from(ordinal) < has || ordinal >= pool.replicas() {
            continue;
        }
        match is_listed(input, cluster, pool, ordinal) {
            Some(true) => {}
            // Whoever was lost while its StatefulSet was away must come back without being asked for.
            None if !alone.is_empty() => {}
            // Where all were stopped, nobody is left who could be asked.
            None if has == 0 && was_applied(input, pool) => {}
            Some(false) => plan.block(
                key,
                "stale-claim",
                format!(
                    "the database lists no {} of that name; a new one would mount old data",
                    pool.title
                ),
                "remove the claim once its data is not needed, then plan again",
            ),
            None => plan.block(
                key,
                "stale-claim",
                format!(
                    "a {} would mount it, and without an answer from the database it cannot be \
                     told whether it is that member's",
                    pool.title
                ),
                "keep the claim, bring the database to answer (`tsinfra status` says why it does \
                 not), then plan again",
            ),
        }
    }
}

/// Whether the set as the stack has it was the last one that was applied: what is there of it since is of others.
fn was_applied(input: &PlanInput<'_>, pool: &DesiredPool) -> bool {
    let item = input.observed.inventory.as_ref().and_then(|all| all.items.get(&pool.set));
    let wanted = input.desired.objects.get(&pool.set);
    item.zip(wanted).is_some_and(|(item, wanted)| item.is_as_applied(&wanted.manifest))
}

/// Whether the database still knows the member of that ordinal; `None`: it does not answer.
fn is_listed(
    input: &PlanInput<'_>,
    cluster: &str,
    pool: &DesiredPool,
    ordinal: u32,
) -> Option<bool> {
    let name = format!("{}-{ordinal}", pool.set.name);
    match input.observed.databases.get(cluster) {
        Some(DatabaseView::Seen(topology)) => Some(topology.lists(&name)),
        _ => None,
    }
}

/// A claim whose deletion has begun goes as soon as its member restarts, and its data with it.
pub fn leaving(input: &PlanInput<'_>, plan: &mut PlanDraft, pool: &DesiredPool) -> bool {
    let leaving = mounted(input, pool).filter(|(_, claim)| claim.is_leaving());
    let mut found = false;
    for (key, _) in leaving {
        found = true;
        plan.block(
            key,
            "leaving-claim",
            "it is being deleted; a restart of its member lets it go, and the data with it",
            "save the member's data first; a deletion that has begun cannot be taken back",
        );
    }
    found
}

/// Says which claims are on their way out although nothing restarts.
pub fn tell_leaving(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for pool in input.desired.clusters.values().flat_map(|cluster| &cluster.pools) {
        for (key, claim) in mounted(input, pool) {
            if claim.is_leaving() {
                plan.note(format!("{key} is being deleted and goes once its member restarts."));
            }
        }
    }
}

fn founded_anew(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &str) {
    let Some(desired) = input.desired.clusters.get(cluster) else { return };
    let absent = |pool: &DesiredPool| !input.observed.objects.contains_key(&pool.set);
    let (control, storing): (Vec<&DesiredPool>, Vec<&DesiredPool>) =
        desired.pools.iter().partition(|pool| pool.role == Role::Control);
    let founds = !others_vote(input, cluster, None)
        && control.iter().all(|pool| absent(pool) && mounted(input, pool).next().is_none());
    let old: Vec<String> = storing
        .iter()
        .flat_map(|pool| mounted(input, pool))
        .map(|(key, _)| key.name.clone())
        .collect();
    if founds && !old.is_empty() {
        plan.block(
            input.stack.cluster_address(cluster),
            "stale-claim",
            format!("new ConfigNodes would found a new cluster over old data: {}", old.join(", ")),
            "bring the ConfigNodes' claims back, or remove these once their data is not needed",
        );
    } else {
        founder_lost(input, plan, desired);
    }
}

/// Whether a StatefulSet of a cluster's ConfigNodes is there, beside one.
fn others_vote(input: &PlanInput<'_>, cluster: &str, beside: Option<&ObjectKey>) -> bool {
    input.observed.of_kind(Kind::StatefulSet).any(|(key, live)| {
        Some(key) != beside
            && objects::is_ours(input.stack, input.observed, key, live)
            && live.label(LABEL_CLUSTER) == Some(cluster)
            && teardown::is_control(live)
    })
}

/// The claim of a first ConfigNode that is not there, and those of its cluster that have kept data.
fn missed_founder<'a>(
    input: &PlanInput<'a>,
    cluster: &DesiredCluster,
) -> Option<(ObjectKey, Vec<&'a str>)> {
    let pool = cluster.pools.iter().find(|pool| pool.role == Role::Control)?;
    let claim = ObjectKey::claim_of(&pool.set, Content::Data, 0);
    let runs = input.observed.objects.get(&ObjectKey::pod_of(&pool.set, 0));
    let runs = runs.is_some_and(|pod| pod.text("/spec/nodeName").is_some());
    let is_kept = |live: &LiveObject| halves::is_bound(input, live) && (!live.is_leaving() || runs);
    let is_there = input.observed.objects.get(&claim).is_some_and(is_kept);
    let others_vote = || others_vote(input, &cluster.database.cluster, Some(&pool.set));
    if is_there || others_vote() || halves::is_set_aside(input, &claim) {
        return None;
    }
    let others = cluster.pools.iter().flat_map(|pool| mounted(input, pool));
    let kept = others.filter(|(key, live)| **key != claim && is_kept(live));
    let kept: Vec<&str> = kept.map(|(key, _)| key.name.as_str()).collect();
    (!kept.is_empty()).then_some((claim, kept))
}

/// Whether this is the claim of a first ConfigNode that must not start without it.
pub fn is_a_missed_founders(input: &PlanInput<'_>, claim: &ObjectKey) -> bool {
    let set = claim.set_of_claim().filter(|_| claim.ordinal() == Some(0));
    let cluster = set.and_then(|set| input.desired.pool_of(&set)).map(|(_, cluster, _)| cluster);
    let missed = cluster.and_then(|cluster| missed_founder(input, cluster));
    missed.is_some_and(|(missed, _)| missed == *claim)
}

/// The first ConfigNode of a cluster, empty, founds another one, also while the others wait for it. Where the database
/// answers, it says itself who is missed.
fn founder_lost(input: &PlanInput<'_>, plan: &mut PlanDraft, cluster: &DesiredCluster) {
    let Some((claim, kept)) = missed_founder(input, cluster) else { return };
    if halves::is_missed(input, &claim) {
        return;
    }
    let back = halves::set_aside_again(input, std::slice::from_ref(&claim), "it")
        .unwrap_or_else(|| "bring the claim back, on the volume it had".to_owned());
    plan.block(
        &claim,
        "stale-claim",
        format!(
            "it is gone, and the first ConfigNode would start empty and found a new cluster over the data of \
             {}",
            named(&kept)
        ),
        format!("{back}; or, remove all of the cluster's claims once their data are not needed"),
    );
}

/// Names, the first few of them.
fn named(names: &[&str]) -> String {
    const NAMED_MAX: usize = 4;
    let first = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
