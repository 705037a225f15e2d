//! Claims that say whose they are: written once the database has given their members ids, and read where it
//! cannot be asked, or lists another member of that name (rule 7).

use std::collections::BTreeMap;

use super::draft::{PlanDraft, join_id};
use super::order::PROMPT_SECONDS;
use super::{PlanInput, claims, guards, halves, objects, replacing};
use crate::desired::{DesiredCluster, DesiredPool, members};
use crate::object::{ANNOTATION_DATABASE, ANNOTATION_MEMBER, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::identity::{self, Members};
use crate::plan::step::{Action, Step, StepId};
use crate::wording::count;

/// Adds a step for each pool whose claims do not say whose they are, or will not once members have joined. Pools
/// that join without being waited for, as ConfigNodes do while there is nobody to ask, are seen to with the last
/// of the others.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let joins = |pool: &&DesiredPool| plan.steps.contains_key(&join_id(name, &pool.name));
        let last = cluster.pools.iter().rfind(joins);
        let mut found: BTreeMap<&str, (&DesiredPool, Members)> = BTreeMap::new();
        for pool in &cluster.pools {
            let by = if joins(&pool) { pool } else { last.unwrap_or(pool) };
            let claims = those_that_do_not_say(input, name, pool, last.is_some());
            found.entry(&by.name).or_insert_with(|| (by, Members::new())).1.extend(claims);
        }
        for (pool, claims) in found.into_values().filter(|(_, claims)| !claims.is_empty()) {
            step(input, plan, (name, cluster, pool), claims);
        }
    }
}

/// The claims of all members a pool is to have.
fn all(input: &PlanInput<'_>, pool: &DesiredPool) -> Members {
    let claims = |ordinal| {
        let address = members::address(input.stack, &pool.set.name, ordinal);
        pool.claims_of(ordinal).map(move |claim| (claim, address.clone()))
    };
    (0..pool.replicas()).flat_map(claims).collect()
}

/// The claims that do not say whose they are; `yet`: those that are yet to be, too.
fn those_that_do_not_say(
    input: &PlanInput<'_>,
    name: &str,
    pool: &DesiredPool,
    yet: bool,
) -> Members {
    let topology = match input.observed.databases.get(name) {
        Some(DatabaseView::Seen(topology)) => Some(topology),
        _ => None,
    };
    let mut found = all(input, pool);
    found.retain(|claim, address| {
        let Some(live) = input.observed.objects.get(claim) else { return yet };
        if replacing::is_given_up(input, claim) {
            return true;
        }
        if halves::is_new(input, claim) {
            return false;
        }
        let ids = topology.and_then(|topology| identity::of(topology, address));
        let says = match ids {
            Some(ids) => identity::is_said(&live.value, &ids),
            None => !yet || live.annotation(ANNOTATION_DATABASE).is_some(),
        };
        !says && !live.is_leaving() && objects::is_ours(input.stack, input.observed, claim, live)
    });
    found
}

fn step(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    (name, cluster, pool): (&str, &DesiredCluster, &DesiredPool),
    claims: Members,
) {
    let called = input.stack.cluster_address(name);
    let called = called.name();
    let title = match claims.len() {
        1 => format!("write on 1 claim of cluster `{called}` whose it is"),
        many => format!("write on {} of cluster `{called}` whose they are", count(many, "claim")),
    };
    let action = Action::Identify {
        set: pool.set.clone(),
        stack: input.stack.name.clone(),
        database: cluster.database.clone(),
        // The record may be of a cluster that is gone.
        known: guards::seen_id(input.observed, name).unwrap_or_default().to_owned(),
        claims,
    };
    let because = "a claim is known by its member's id, also where the database is silent";
    let after = [join_id(name, &pool.name)].into();
    let step = Step::said(action, title, because, after, PROMPT_SECONDS);
    plan.step(StepId(format!("identify/{}", pool.set)), step);
}

/// Refuses claims that say they are of another database: whoever starts on them wakes up with its data.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let Some(known) = guards::known_id(input, name) else { continue };
        for pool in &cluster.pools {
            for (claim, live) in claims::of_pool(input, &pool.set) {
                of_another_database(plan, claim, live, known);
            }
        }
    }
}

fn of_another_database(plan: &mut PlanDraft, claim: &ObjectKey, live: &LiveObject, known: &str) {
    if let Some(other) = identity::another_database(&live.value, known) {
        let member = live.annotation(ANNOTATION_MEMBER).unwrap_or("?");
        plan.block(
            claim,
            "stale-claim",
            format!("it says that it is of member {member} of database {other}, not of {known}"),
            "if that is wrong, mend its annotation tsinfra.dev/database-id; else rename the pool, or remove the \
             claim once its data is not needed",
        );
    }
}
