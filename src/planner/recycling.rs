//! Local volumes that are released, cleared by a Job on their node and made anew: with consent to each, for
//! a member that lacks one, and only once nobody counts on the data (rules 7 and 8).

use std::collections::BTreeSet;

use super::condemned::claim_of;
use super::draft::{PlanDraft, create_id, delete_id};
use super::jobs::{Helper, admitted};
use super::order::PROMPT_SECONDS;
use super::removal::{FREE_SECONDS, removed};
use super::{PlanInput, lost, objects, tiers};
use crate::desired::preparation;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject};
use crate::plan::step::{Action, Expect, Risk, Step, Until};
use crate::plan::volume::condemned_with;
use crate::plan::{Change, Operation};
use crate::stack::quantity::Quantity;
use crate::stack::{Recycle, Tier, is_within};

/// Volumes named at once in a help, at most.
const NAMED_MAX: usize = 6;

/// Clears what is to be used again, and makes it anew; answers the Jobs.
pub fn steps(input: &PlanInput<'_>, plan: &mut PlanDraft) -> BTreeSet<ObjectKey> {
    let volumes = tiers::recycled(input);
    let jobs: BTreeSet<ObjectKey> =
        volumes.iter().filter_map(|(volume, tier)| recycle(input, plan, volume, tier)).collect();
    if let Some((_, tier)) = volumes.first() {
        admitted(input, plan, &tier.name, (jobs.len(), "clear"), || {
            let volumes: Vec<&ObjectKey> = volumes.iter().map(|(volume, _)| *volume).collect();
            by_hand(input, &volumes)
        });
    }
    jobs
}

/// Why a released volume may not be cleared; `None`: with consent it may.
pub fn unfit(input: &PlanInput<'_>, tier: &Tier, key: &ObjectKey) -> Option<String> {
    let (live, desired) = (input.observed.objects.get(key)?, input.desired.objects.get(key)?);
    let there = preparation::directory(&live.value);
    let is_asked_for = there.is_some() && there == preparation::directory(&desired.manifest);
    let is_inside = |outer: &String| there.as_ref().is_some_and(|it| is_within(outer, &it.path));
    let Some(claim) = claim_of(live) else { return Some("it names no claim".to_owned()) };
    if tier.recycle != Recycle::Scrub {
        Some("its tier does not say recycle = \"scrub\"".to_owned())
    } else if !objects::is_ours(input.stack, input.observed, key, live) {
        Some("it is not this stack's".to_owned())
    } else if lost::is_on_a_machine_that_is_gone(input, &live.value) {
        Some("its machine does not run".to_owned())
    } else if live.is_leaving() || condemned_with(&live.value).is_some() {
        Some("it is on its way out".to_owned())
    } else if !is_asked_for || !input.stack.paths.iter().any(is_inside) {
        Some("its directory is not the one the stack declares inside its `paths`".to_owned())
    } else if input.observed.objects.contains_key(&claim) {
        Some(format!("a claim {} is there", claim.name))
    } else {
        in_use(input, &claim)
    }
}

/// Whether somebody still counts on the data of a claim that is gone: a pod that mounts it, or a database
/// that lists its member, or that cannot be asked while members of it are there.
fn in_use(input: &PlanInput<'_>, claim: &ObjectKey) -> Option<String> {
    let mounts = |pod: &LiveObject| {
        let volumes = pod.value.pointer("/spec/volumes").and_then(|all| all.as_array());
        let name = "/persistentVolumeClaim/claimName";
        volumes
            .into_iter()
            .flatten()
            .any(|it| it.pointer(name) == Some(&claim.name.as_str().into()))
    };
    let mut pods = input.observed.of_kind(Kind::Pod);
    if let Some((pod, _)) =
        pods.find(|(pod, live)| pod.namespace == claim.namespace && mounts(live))
    {
        return Some(format!("pod {} uses its claim", pod.name));
    }
    let set = claim.set_of_claim()?;
    let member = claim.member_of_claim()?;
    let Some((cluster, _, _)) = input.desired.pool_of(&set) else {
        return Some(format!(
            "{} is not declared, so that nobody can be asked for {member}",
            set.name
        ));
    };
    if let Some(DatabaseView::Seen(topology)) = input.observed.databases.get(cluster) {
        return topology
            .lists(member)
            .then(|| format!("the database lists {member}, whose data are on it"));
    }
    // What is left of a cluster brings its list of members back with it.
    let is_left = |(key, live): (&ObjectKey, &LiveObject)| {
        matches!(key.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim)
            && live.label(LABEL_STACK) == Some(&input.stack.name)
            && live.label(LABEL_CLUSTER) == Some(cluster)
    };
    input.observed.objects.iter().any(is_left).then(|| {
        format!("no answer of the database tells whether it lists {member}, whose data are on it")
    })
}

/// How members come to volumes where only released ones are left.
pub fn way_on(input: &PlanInput<'_>, tier: &Tier, released: &[&ObjectKey]) -> String {
    let mut fit = Vec::new();
    let mut others = Vec::new();
    for key in released {
        match unfit(input, tier, key) {
            None => fit.push(format!("--consent {key}")),
            Some(why) => others.push(format!("{} is not: {why}", key.name)),
        }
    }
    let more = |list: &mut Vec<String>| {
        let more = list.len().saturating_sub(NAMED_MAX);
        list.truncate(NAMED_MAX);
        if more > 0 {
            list.push(format!("and {more} more"));
        }
    };
    more(&mut fit);
    more(&mut others);
    let by_hand = "delete it and clear its directory: the next apply makes it anew";
    let manual = tier.recycle == Recycle::Manual;
    match (manual, fit.is_empty()) {
        (true, _) => format!(
            "add volumes to the tier; or, once nobody needs the data on one of these, {by_hand}"
        ),
        (false, true) => format!(
            "add volumes to the tier; none of these can be cleared: {}",
            others.join("; ").replace(" is not: ", ": ")
        ),
        (false, false) => {
            let others = match others.as_slice() {
                [] => String::new(),
                others => format!("; {}", others.join("; ")),
            };
            format!(
                "add volumes to the tier; or, once nobody needs the data on it, have a volume cleared \
                 and used again with {}, or {by_hand}{others}",
                fit.join(" or ")
            )
        }
    }
}

/// What to do on which node, so that volumes can be used again.
fn by_hand(input: &PlanInput<'_>, volumes: &[&ObjectKey]) -> String {
    let places = volumes.iter().take(NAMED_MAX).filter_map(|volume| {
        let directory = preparation::directory(&input.observed.objects.get(*volume)?.value)?;
        Some(format!("{} on {} and delete {volume}", directory.path, directory.node))
    });
    format!("do it by hand: clear {}", places.collect::<Vec<_>>().join(", "))
}

/// Clears a volume's directory, removes the volume, and makes it anew; answers the Job.
fn recycle(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    key: &ObjectKey,
    tier: &Tier,
) -> Option<ObjectKey> {
    let live = input.observed.objects.get(key)?;
    let manifest = input.desired.objects.get(key)?.manifest.clone();
    let (claim, claim_uid) = (claim_of(live)?, live.text("/spec/claimRef/uid")?);
    let (job, work) = preparation::scrub(input.stack, tier, live)?;
    let uid = live.uid().to_owned();
    let belongs =
        Expect::BelongsTo { object: key.clone(), uid: uid.clone(), claim: claim_uid.to_owned() };
    let let_go = Expect::LetGo { object: claim.clone() };
    let because = "its claim is gone, and its end is consented to".to_owned();
    let size = live.text("/spec/capacity/storage").unwrap_or_default();
    let helper = Helper {
        job: &job,
        manifest: &work,
        directory: &preparation::directory(&live.value)?,
        verb: "clear",
        because: because.clone(),
        is_suspended: true,
        expects: vec![belongs.clone(), let_go.clone()],
        risk: Risk::Deletes,
        bytes: size.parse::<Quantity>().map_or(0, |size| size.bytes()),
    };
    let cleared = helper.steps(input, plan);
    let unchanged =
        Expect::Unchanged { object: key.clone(), uid: uid.clone(), digest: String::new() };
    let deletion = Step {
        action: Action::Delete { object: key.clone(), uid },
        title: format!("delete {key}"),
        because: because.clone(),
        expects: vec![unchanged, belongs, let_go],
        after: [cleared].into(),
        until: removed(key, live),
        limit_seconds: FREE_SECONDS,
        risk: Risk::None,
        bytes: 0,
    };
    let creation = Step {
        action: Action::Create { object: key.clone(), manifest },
        title: format!("create {key}"),
        because: because.clone(),
        expects: vec![Expect::LetGo { object: key.clone() }],
        after: [delete_id(key)].into(),
        until: Until::Said,
        limit_seconds: PROMPT_SECONDS,
        ..deletion.clone()
    };
    plan.step(delete_id(key), deletion);
    plan.step(create_id(key), creation);
    let (operation, summary) = (Operation::Recycle, size.to_owned());
    plan.changes.insert(key.clone(), Change { operation, because, summary, fields: Vec::new() });
    Some(job)
}
