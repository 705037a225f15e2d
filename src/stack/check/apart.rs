//! What members keep on volumes beside that of their data: what their engine can keep apart, on volumes that are
//! lost and kept together.

use db_engine::cluster::Content;
use db_engine::drivers::driver;

use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{Cluster, Pool, Reclaim, Stack, Storage, Tier};

/// Checks the pools whose members have more than one volume.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for cluster in stack.clusters.values() {
        for pool in cluster.pools.values() {
            for (content, storage) in &pool.apart {
                let place =
                    ["cluster", &cluster.name, "pool", &pool.name, "storage", content.word()];
                if found.sound(&place) {
                    can_be_apart(cluster, pool, *content, &place, found);
                    one_fate(stack, pool, (*content, storage), &place, found);
                }
            }
        }
    }
}

/// Whether the engine has such members keep it apart.
fn can_be_apart(
    cluster: &Cluster,
    pool: &Pool,
    content: Content,
    place: &[&str],
    found: &mut Findings,
) {
    let of_pool = |key| ["cluster", cluster.name.as_str(), "pool", pool.name.as_str(), key];
    let of_cluster = ["cluster", &cluster.name, cluster.engine.word(), "settings"];
    if !found.sound(&of_pool("role"))
        || !found.sound(&of_pool("settings"))
        || !found.sound(&of_cluster)
    {
        return;
    }
    let mut settings = cluster.settings.clone();
    settings.extend(pool.settings.clone());
    if let Err(unfit) = driver(cluster.engine).keeps_apart(pool.role, content, &settings) {
        let mistake = Mistake::new(unfit.reason)
            .label(found.key(place), "a volume of its own")
            .help(unfit.help);
        found.unfit(mistake);
    }
}

/// What is on one volume of a member is worth nothing without the others: they are lost with a machine, or not,
/// and kept, or not, together.
fn one_fate(
    stack: &Stack,
    pool: &Pool,
    (content, storage): (Content, &Storage),
    place: &[&str],
    found: &mut Findings,
) {
    let (data, apart) = (stack.storage.get(&pool.data.tier), stack.storage.get(&storage.tier));
    let (Some(data), Some(apart)) = (data, apart) else { return };
    if !found.sound(&["storage", &data.name]) || !found.sound(&["storage", &apart.name]) {
        return;
    }
    let bound = |tier: &Tier| match tier.is_local() {
        true => "bound to a machine",
        false => "of a driver",
    };
    let kept = |tier: &Tier| match tier.reclaim {
        Reclaim::Retain => "kept",
        Reclaim::Delete => "deleted",
    };
    let what = content.title();
    let (message, label, help) = if data.is_local() != apart.is_local() {
        (
            format!("a member's data and its {what} would be on volumes of two kinds"),
            [bound(apart), bound(data)],
            "one is worth nothing without the other, and with a machine only one would be lost: take both \
             from `local` tiers, or both from `csi` tiers",
        )
    } else if data.reclaim != apart.reclaim {
        (
            format!("only one of a member's data and its {what} would outlive its claim"),
            [kept(apart), kept(data)],
            "one is worth nothing without the other: take both from tiers with the same `reclaim`",
        )
    } else {
        return;
    };
    let tier = |place: &[&str], found: &Findings| {
        let mut place = place.to_vec();
        place.push("tier");
        found.value(&place)
    };
    let of_data = place.split_last().map_or(place, |(_, rest)| rest);
    let [of_apart, its_data] = label;
    let mistake = Mistake::new(message)
        .label(tier(place, found), format!("{} is {of_apart}", quoted(&apart.name)))
        .label(tier(of_data, found), format!("{} is {its_data}", quoted(&data.name)))
        .help(help);
    found.unfit(mistake);
}
