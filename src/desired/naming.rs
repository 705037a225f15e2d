//! What the parts of a stack were made as and are called by now: from the stack's own `[[moved]]`, its
//! record, and what its objects say. Kubernetes renames nothing, so that a part that moves keeps the
//! names of its objects.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use db_engine::cluster::Content;

use crate::object::{
    ANNOTATION_CALLED, Kind, LABEL_CLUSTER, LABEL_POOL, LABEL_STACK, LABEL_TIER, ObjectKey,
    claim_templates, tier_called,
};
use crate::observed::{LiveObject, Observed};
use crate::stack::parts::{Names, PartAddress};
use crate::stack::{Move, POOL_NAME_MAX, Stack};

/// What parts are called, before and after a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// As they were called by what was last applied.
    pub before: Names,
    /// As the stack calls them.
    pub now: Names,
    /// Parts that cannot have their names.
    pub clashes: Vec<Clash>,
}

/// A part that cannot have its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The part, as the stack calls it.
    pub address: PartAddress,
    /// Why not.
    pub reason: String,
    /// The way on.
    pub help: String,
}

impl Naming {
    /// The parts that are called otherwise from now on; not those whose cluster alone is.
    pub fn moves(&self) -> Vec<Move> {
        let parts: BTreeSet<&PartAddress> =
            self.before.iter().chain(self.now.iter()).map(|(made, _)| made).collect();
        let moves = parts.into_iter().map(|made| (self.before.now(made), self.now.now(made)));
        let moves = moves.filter(|(from, to)| from.name() != to.name());
        moves.map(|(from, to)| Move { from, to }).collect()
    }

    fn clash(&mut self, address: PartAddress, reason: String, help: &str) {
        self.clashes.push(Clash { address, reason, help: help.to_owned() });
    }
}

/// Parts that have objects, by what they were made as, with what they are said to be called: by the
/// record first, which is written before the objects are.
type There = BTreeMap<PartAddress, Vec<PartAddress>>;

/// Finds what every part was made as.
pub fn naming(stack: &Stack, observed: &Observed) -> Naming {
    let there = there(stack, observed);
    let mut naming = Naming::default();
    for (made, called) in &there {
        naming.before.call(made.clone(), called.first().unwrap_or(made).clone());
    }
    let clusters = of_kind(&there, |made| matches!(made, PartAddress::Cluster(_)));
    let clusters = settle(stack, &clusters, PartAddress::cluster, &mut naming);
    for (name, made) in &clusters {
        let of_it = |part: &PartAddress| matches!(part, PartAddress::Pool(of, _) if of == made);
        let address = |pool: &str| PartAddress::pool(name, pool);
        let pools = settle(stack, &of_kind(&there, of_it), address, &mut naming);
        for (pool, as_pool) in pools {
            naming.now.call(PartAddress::Pool(made.clone(), as_pool), address(&pool));
        }
        naming.now.call(PartAddress::cluster(made), PartAddress::cluster(name));
    }
    let tiers = of_kind(&there, |made| matches!(made, PartAddress::Tier(_)));
    for (name, made) in settle(stack, &tiers, PartAddress::tier, &mut naming) {
        naming.now.call(PartAddress::Tier(made), PartAddress::Tier(name));
    }
    let declared: BTreeSet<PartAddress> =
        stack.parts().iter().map(|part| naming.now.made(part)).collect();
    for made in there.keys().filter(|made| !declared.contains(made)) {
        leave_undeclared(stack, made, &clusters, &mut naming);
    }
    composed(stack, &there, &mut naming);
    naming
}

/// What is declared no more is called as it was, but for its cluster's name.
fn leave_undeclared(
    stack: &Stack,
    made: &PartAddress,
    clusters: &BTreeMap<String, String>,
    naming: &mut Naming,
) {
    let called = naming.before.now(made);
    let called = match made {
        PartAddress::Pool(cluster, _) => {
            let of = clusters.iter().find(|(_, made)| *made == cluster).map(|(name, _)| name);
            of.map_or(called.clone(), |of| PartAddress::pool(of, called.name()))
        }
        PartAddress::Cluster(_) | PartAddress::Tier(_) => called,
    };
    if !stack.declares(&called) {
        naming.now.call(made.clone(), called);
    }
}

/// Parts of a kind, by their own names.
fn of_kind(there: &There, is_of_it: impl Fn(&PartAddress) -> bool) -> Vec<(String, Vec<String>)> {
    let parts = there.iter().filter(|(made, _)| is_of_it(made));
    let name = |part: &PartAddress| part.name().to_owned();
    parts.map(|(made, called)| (name(made), called.iter().map(name).collect())).collect()
}

/// What each declared part of a kind was made as. A name that is said of a part counts only where it
/// leads to one that is declared: what was moved and is declared by its old name again is back.
fn settle(
    stack: &Stack,
    there: &[(String, Vec<String>)],
    address: impl Fn(&str) -> PartAddress,
    naming: &mut Naming,
) -> BTreeMap<String, String> {
    let by_now = |name: &String| {
        let after = stack.after_moves(&address(name))?;
        stack.declares(&after).then(|| after.name().to_owned())
    };
    // Whoever has a name of its own keeps it.
    let mut there: Vec<&(String, Vec<String>)> = there.iter().collect();
    there.sort_by_key(|(made, called)| !(called.is_empty() && stack.declares(&address(made))));
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (made, called) in there {
        let Some(name) = called.iter().chain([made]).find_map(by_now) else { continue };
        match found.entry(name) {
            Entry::Vacant(free) => drop(free.insert(made.clone())),
            Entry::Occupied(taken) => {
                let reason = format!("it is there, and so is {}, which is to be it", address(made));
                let help =
                    "remove the [[moved]] that leads from one to the other: no part becomes two";
                naming.clash(address(taken.key()), reason, help);
            }
        }
    }
    let same_kind = |part: &PartAddress| part.what() == address("").what();
    let declared = stack.parts().into_iter().filter(|part| {
        same_kind(part) && address(part.name()) == *part && !found.contains_key(part.name())
    });
    let mut new: BTreeMap<String, String> = BTreeMap::new();
    for part in declared {
        match found.iter().find(|(_, made)| *made == part.name()) {
            Some((holder, _)) => {
                let holder = address(holder);
                let reason =
                    format!("{holder} was called so before, and its objects keep their names");
                naming.clash(part, reason, "give it a name that was not used before");
            }
            None => drop(new.insert(part.name().to_owned(), part.name().to_owned())),
        }
    }
    found.extend(new);
    found
}

/// Names of pools are made of two: with parts renamed, they may be too long, or meet.
fn composed(stack: &Stack, there: &There, naming: &mut Naming) {
    if naming.now.is_empty() {
        return;
    }
    let made = stack.as_made(&naming.now);
    let clusters = made.clusters.keys().map(|name| (name.clone(), PartAddress::cluster(name)));
    let pools = made.clusters.iter().flat_map(|(cluster, it)| {
        it.pools
            .keys()
            .map(move |pool| (Stack::pool_name(cluster, pool), PartAddress::pool(cluster, pool)))
    });
    // Those that are there come first: it is the new ones that have to give way.
    let mut all: Vec<(String, PartAddress)> = clusters.chain(pools).collect();
    all.sort_by_key(|(_, part)| !there.contains_key(part));
    let mut taken: BTreeMap<String, PartAddress> = BTreeMap::new();
    for (name, part) in all {
        let address = naming.now.now(&part);
        if let Some(other) = taken.get(&name) {
            let other = naming.now.now(other);
            let reason = format!("its objects would be named `{name}`, as those of {other} are");
            naming.clash(address, reason, "give it another name");
        } else if name.len() > POOL_NAME_MAX && !there.contains_key(&part) {
            let reason = format!(
                "its objects would be named `{name}`, as its cluster keeps the name it was made \
                 with; that is {} characters, {POOL_NAME_MAX} at most",
                name.len()
            );
            naming.clash(address, reason, "give it a shorter name");
        }
        taken.entry(name).or_insert(part);
    }
}

/// The parts that have objects or are on record, and what they are said to be called.
fn there(stack: &Stack, observed: &Observed) -> There {
    let mut there = There::new();
    for (made, now) in observed.inventory.iter().flat_map(|record| record.names.iter()) {
        there.entry(made.clone()).or_default().push(now.clone());
    }
    for (key, live) in &observed.objects {
        if live.bears_the_name_of(&stack.name, &stack.namespace, key)
            || was_let_go(stack, key, live)
        {
            testimony(key, live, &mut there);
        }
    }
    there
}

/// Whether an object is nobody's and where this stack makes its own: should it be declared again, it is
/// under the names it was made with that it is found, and not beside it that another one is made.
fn was_let_go(stack: &Stack, key: &ObjectKey, live: &LiveObject) -> bool {
    let is_here = match (&key.namespace, live.label(LABEL_TIER)) {
        (Some(namespace), _) => *namespace == stack.namespace,
        (None, Some(tier)) => key.name == format!("{}-{tier}", stack.name),
        (None, None) => false,
    };
    is_here && live.label(LABEL_STACK).is_none()
}

/// What one object says of the parts it is of.
fn testimony(key: &ObjectKey, live: &LiveObject, there: &mut There) {
    let mut say = |made: PartAddress, called: Option<PartAddress>| {
        there.entry(made).or_default().extend(called);
    };
    let address = |name: &str| live.annotation(name)?.parse::<PartAddress>().ok();
    let called = address(ANNOTATION_CALLED);
    if matches!(key.kind, Kind::StatefulSet | Kind::PersistentVolumeClaim)
        && let (Some(cluster), Some(pool)) = (live.label(LABEL_CLUSTER), live.label(LABEL_POOL))
    {
        let (of, pool_called) = match called.clone() {
            Some(PartAddress::Pool(cluster, pool)) => {
                (Some(PartAddress::cluster(&cluster)), Some(PartAddress::Pool(cluster, pool)))
            }
            _ => (None, None),
        };
        say(PartAddress::cluster(cluster), of);
        say(PartAddress::pool(cluster, pool), pool_called);
    }
    let is_tier = |part: &PartAddress| matches!(part, PartAddress::Tier(_));
    match key.kind {
        Kind::StorageClass | Kind::PersistentVolumeClaim => {
            if let Some(tier) = live.label(LABEL_TIER) {
                say(PartAddress::tier(tier), called.filter(is_tier));
            }
        }
        Kind::StatefulSet => {
            for template in claim_templates(&live.value) {
                let name = template["metadata"]["name"].as_str().and_then(Content::by_word);
                let tier = template["metadata"]["labels"][LABEL_TIER].as_str();
                if let (Some(content), Some(tier)) = (name, tier) {
                    say(PartAddress::tier(tier), address(tier_called(content)).filter(is_tier));
                }
            }
        }
        _ => {}
    }
}
