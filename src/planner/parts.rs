//! Which part of the stack each object is of, that is wanted or there.

use super::objects;
use crate::desired::{Desired, preparation};
use crate::object::{Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_TIER, ObjectKey};
use crate::observed::{LiveObject, Observed};
use crate::plan::selection::{Part, Parts};
use crate::stack::Stack;
use crate::stack::parts::PartAddress;

/// Every object a plan of the stack may be about. What the labels of a live object leave open is
/// filled in by what the stack wants under its name.
pub fn parts(stack: &Stack, desired: &Desired, observed: &Observed) -> Parts {
    let mut parts = Parts::new();
    for (key, object) in &desired.objects {
        if let Some(helper) = preparation::preparation(stack, &object.manifest) {
            let labels = |name: &str| helper.manifest["metadata"]["labels"][name].as_str();
            parts.insert(helper.job.clone(), part(stack, labels));
        }
        let labels = |name: &str| object.manifest["metadata"]["labels"][name].as_str();
        parts.insert(key.clone(), part(stack, labels));
    }
    for (key, live) in &observed.objects {
        let ours = key.kind == Kind::Namespace && key.name == stack.namespace
            || objects::concerns(stack, observed, key, live);
        if ours || parts.contains_key(key) {
            fill(parts.entry(key.clone()).or_default(), part(stack, |name| live.label(name)));
        }
        if ours && key.kind == Kind::Pod {
            set_of(stack, &mut parts, key, live);
        }
    }
    claims_to_be(&mut parts, observed);
    volumes(&mut parts, observed);
    parts
}

/// A claim that nobody owns and a pool would use is where the pool is.
fn claims_to_be(parts: &mut Parts, observed: &Observed) {
    for (claim, _) in observed.of_kind(Kind::PersistentVolumeClaim) {
        if let Some(part) = claim.set_of_claim().and_then(|set| parts.get(&set)).cloned() {
            parts.entry(claim.clone()).or_insert(part);
        }
    }
}

/// The parts an object's labels say it is of, as the stack calls them by now.
fn part<'a>(stack: &Stack, label: impl Fn(&str) -> Option<&'a str>) -> Part {
    let cluster = label(LABEL_CLUSTER);
    let pool = cluster.zip(label(LABEL_POOL)).map(|(of, pool)| stack.pool_address(of, pool));
    let name = |address: PartAddress| address.name().to_owned();
    Part {
        cluster: cluster.map(|cluster| name(stack.cluster_address(cluster))),
        pool: pool.map(name),
        tier: label(LABEL_TIER).map(|tier| name(stack.tier_address(tier))),
    }
}

fn fill(part: &mut Part, more: Part) {
    part.cluster = part.cluster.take().or(more.cluster);
    part.pool = part.pool.take().or(more.pool);
    part.tier = part.tier.take().or(more.tier);
}

/// A StatefulSet may be gone while its pods still stop, and be waited for.
fn set_of(stack: &Stack, parts: &mut Parts, pod: &ObjectKey, live: &LiveObject) {
    if let (Some(cluster), Some(pool)) = (live.label(LABEL_CLUSTER), live.label(LABEL_POOL)) {
        let name = Stack::pool_name(cluster, pool);
        let set = ObjectKey { kind: Kind::StatefulSet, name, ..pod.clone() };
        fill(parts.entry(set).or_default(), part(stack, |name| live.label(name)));
    }
}

/// A volume that a provisioner made says nothing of the stack: it is where its claim is.
fn volumes(parts: &mut Parts, observed: &Observed) {
    let bound: Vec<(ObjectKey, Part)> = observed
        .of_kind(Kind::PersistentVolumeClaim)
        .filter_map(|(claim, live)| {
            let volume = ObjectKey::global(Kind::PersistentVolume, live.text("/spec/volumeName")?);
            Some((volume, parts.get(claim)?.clone()))
        })
        .collect();
    for (volume, part) in bound {
        fill(parts.entry(volume).or_default(), part);
    }
}
