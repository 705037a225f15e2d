//! Names of tables: what Kubernetes takes, alone and once composed, each used once.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{Cluster, POOL_NAME_MAX, Stack};
use crate::stack::names;

/// Checks every name a user chose as a table's key.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for tier in stack.storage.keys() {
        check_tier(&stack.name, tier, found);
    }
    let mut taken = BTreeMap::new();
    for name in stack.clusters.keys() {
        let path = ["cluster", name];
        let place = found.key(&path);
        let rule = (names::service_label(name), names::SERVICE_LABEL_HELP);
        if keep_rule("cluster", name, rule, place.clone(), found) {
            taken.insert(name.clone(), (format!("cluster `{name}`"), place));
        }
    }
    for cluster in stack.clusters.values() {
        check_pools(cluster, &mut taken, found);
    }
}

fn check_tier(stack: &str, tier: &str, found: &mut Findings) {
    let place = found.key(&["storage", tier]);
    if !keep_rule(
        "storage tier",
        tier,
        (names::dns_label(tier), names::DNS_LABEL_HELP),
        place.clone(),
        found,
    ) {
        return;
    }
    let composed = format!("{stack}-{tier}");
    if composed.len() > names::LABEL_MAX {
        let max = names::LABEL_MAX;
        let mistake = Mistake::new(format!("the name {} is too long", quoted(&composed)))
            .label(place, format!("{} with the stack's name", composed.len()))
            .help(format!(
                "a tier's StorageClass is named `STACK-TIER`, {max} characters at most; shorten one"
            ));
        found.unfit(mistake);
    }
}

/// Names already used, with what has them and where.
type Taken = BTreeMap<String, (String, Range<usize>)>;

fn check_pools(cluster: &Cluster, taken: &mut Taken, found: &mut Findings) {
    for pool in cluster.pools.keys() {
        let place = found.key(&["cluster", &cluster.name, "pool", pool]);
        if !keep_rule(
            "pool",
            pool,
            (names::dns_label(pool), names::DNS_LABEL_HELP),
            place.clone(),
            found,
        ) {
            continue;
        }
        let composed = Stack::pool_name(&cluster.name, pool);
        if composed.len() > POOL_NAME_MAX {
            let mistake = Mistake::new(format!("the name {} is too long", quoted(&composed)))
                .label(place.clone(), format!("{} with the cluster's name", composed.len()))
                .help(format!(
                    "members are named `CLUSTER-POOL-N`, and `CLUSTER-POOL` has room for \
                     {POOL_NAME_MAX} characters beside what Kubernetes adds to it; shorten one"
                ));
            found.unfit(mistake);
        }
        let who = format!("pool `{pool}` of cluster `{}`", cluster.name);
        if let Some((other, there)) = taken.get(&composed) {
            let message = format!("{who} and {other} would both be named {}", quoted(&composed));
            let mistake = Mistake::new(message)
                .label(place, "the same name again")
                .label(there.clone(), "first here")
                .help("a pool's objects are named `CLUSTER-POOL`; rename one of them");
            found.unfit(mistake);
        } else {
            taken.insert(composed, (who, place));
        }
    }
}

/// Whether a name keeps its rule; if not, the reason is reported.
fn keep_rule(
    what: &str,
    name: &str,
    (rule, help): (Result<(), String>, &str),
    place: Range<usize>,
    found: &mut Findings,
) -> bool {
    let Err(reason) = rule else {
        return true;
    };
    let mistake = Mistake::new(format!("{} is no name for a {what}: {reason}", quoted(name)))
        .label(place, "not a name")
        .help(help);
    found.unfit(mistake);
    false
}
