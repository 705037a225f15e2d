//! What members keep on volumes beside that of their data: what their engine can keep apart, on volumes that are
//! lost and kept together.

use db_engine::cluster::Content;
use db_engine::drivers::driver;

use super::volumes::User;
use crate::stack::diagnostics::{Mistake, quoted};
use crate::stack::findings::Findings;
use crate::stack::model::{Reclaim, Stack, Tier};

/// Checks the pools whose members have more than one volume.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for user in User::all(stack).filter(|user| user.content != Content::Data) {
        if found.sound(&user.volume()) {
            can_be_apart(&user, found);
            one_fate(stack, &user, found);
        }
    }
}

/// Whether the engine has such members keep it apart.
fn can_be_apart(user: &User<'_>, found: &mut Findings) {
    let User { cluster, pool, content, .. } = user;
    let of_cluster = ["cluster", &cluster.name, cluster.engine.word(), "settings"];
    let is_sound = |key| found.sound(&user.of_pool(key));
    if !is_sound("role") || !is_sound("settings") || !found.sound(&of_cluster) {
        return;
    }
    let mut settings = cluster.settings.clone();
    settings.extend(pool.settings.clone());
    if let Err(unfit) = driver(cluster.engine).keeps_apart(pool.role, *content, &settings) {
        let mistake = Mistake::new(unfit.reason)
            .label(found.key(&user.volume()), "a volume of its own")
            .help(unfit.help);
        found.unfit(mistake);
    }
}

/// What is on one volume of a member is worth nothing without the others: they are lost with a machine, or not,
/// and kept, or not, together.
fn one_fate(stack: &Stack, user: &User<'_>, found: &mut Findings) {
    let of_data = user.of_data();
    let tier = |user: &User<'_>| stack.storage.get(&user.storage.tier);
    let (Some(data), Some(apart)) = (tier(&of_data), tier(user)) else { return };
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
    let what = user.content.title();
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
    let [of_apart, its_data] = label;
    let mistake = Mistake::new(message)
        .label(found.value(&user.place("tier")), format!("{} is {of_apart}", quoted(&apart.name)))
        .label(found.value(&of_data.place("tier")), format!("{} is {its_data}", quoted(&data.name)))
        .help(help);
    found.unfit(mistake);
}
