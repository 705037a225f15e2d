//! The parts of a stack by their addresses, and what they are called by now: a part that moved to
//! another name keeps the names its objects were made with, since Kubernetes renames nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stack::model::Stack;

/// The address of a part, as users write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartAddress {
    /// `cluster.NAME`.
    Cluster(String),
    /// `cluster.NAME.pool.POOL`.
    Pool(String, String),
    /// `storage.TIER`.
    Tier(String),
}

impl PartAddress {
    /// The address of a cluster.
    pub fn cluster(name: &str) -> Self {
        Self::Cluster(name.to_owned())
    }

    /// The address of a pool.
    pub fn pool(cluster: &str, pool: &str) -> Self {
        Self::Pool(cluster.to_owned(), pool.to_owned())
    }

    /// The address of a storage tier.
    pub fn tier(name: &str) -> Self {
        Self::Tier(name.to_owned())
    }

    /// The part's own name, without that of what it is a part of.
    pub fn name(&self) -> &str {
        match self {
            Self::Cluster(name) | Self::Pool(_, name) | Self::Tier(name) => name,
        }
    }

    /// What kind of part it is, with an article.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Cluster(_) => "a cluster",
            Self::Pool(..) => "a pool",
            Self::Tier(_) => "a storage tier",
        }
    }
}

impl fmt::Display for PartAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(cluster) => write!(f, "cluster.{cluster}"),
            Self::Pool(cluster, pool) => write!(f, "cluster.{cluster}.pool.{pool}"),
            Self::Tier(tier) => write!(f, "storage.{tier}"),
        }
    }
}

/// A text that is no address of a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of cluster.NAME, cluster.NAME.pool.POOL and storage.TIER")]
pub struct NoPart;

impl FromStr for PartAddress {
    type Err = NoPart;

    fn from_str(text: &str) -> Result<Self, NoPart> {
        match text.split('.').collect::<Vec<&str>>().as_slice() {
            ["cluster", name] if !name.is_empty() => Ok(Self::cluster(name)),
            ["cluster", name, "pool", pool] if !name.is_empty() && !pool.is_empty() => {
                Ok(Self::pool(name, pool))
            }
            ["storage", tier] if !tier.is_empty() => Ok(Self::tier(tier)),
            _ => Err(NoPart),
        }
    }
}

impl Serialize for PartAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PartAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What parts are called by now, by what they were called when their objects were made. A part that
/// is not in it is still called so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Names(BTreeMap<PartAddress, PartAddress>);

impl Names {
    /// Whether every part is called as it was made.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts that are called otherwise than they were made, with what they are called.
    pub fn iter(&self) -> impl Iterator<Item = (&PartAddress, &PartAddress)> {
        self.0.iter()
    }

    /// Notes what a part is called by now.
    pub fn call(&mut self, made: PartAddress, now: PartAddress) {
        if made == now {
            self.0.remove(&made);
        } else {
            self.0.insert(made, now);
        }
    }

    /// Keeps some, by what they were made as.
    pub fn retain(&mut self, mut keep: impl FnMut(&PartAddress) -> bool) {
        self.0.retain(|made, _| keep(made));
    }

    /// What a part is called by now.
    pub fn now(&self, made: &PartAddress) -> PartAddress {
        self.0.get(made).unwrap_or(made).clone()
    }

    /// What the part that is called so by now was made as.
    pub fn made(&self, now: &PartAddress) -> PartAddress {
        let renamed = self.0.iter().find(|(_, called)| *called == now);
        renamed.map_or(now, |(made, _)| made).clone()
    }
}

impl Stack {
    /// The stack with every part under the name its objects were made with, which everything after
    /// the reading of the file goes by. Of two parts that would come under one name, the one that
    /// has its objects keeps it; [`crate::desired::naming`] tells of the other.
    #[must_use]
    pub fn as_made(&self, names: &Names) -> Self {
        let mut made = self.clone();
        made.names = names.clone();
        if names.is_empty() {
            return made;
        }
        made.storage = renamed(&self.storage, |name, tier| {
            tier.name = made_as(names, &PartAddress::tier(name));
            tier.name.clone()
        });
        made.clusters = renamed(&self.clusters, |name, cluster| {
            cluster.pools = renamed(&cluster.pools, |pool, it| {
                for storage in it.storage_mut() {
                    storage.tier = made_as(names, &PartAddress::tier(&storage.tier));
                }
                it.name = made_as(names, &PartAddress::pool(name, pool));
                it.name.clone()
            });
            cluster.name = made_as(names, &PartAddress::cluster(name));
            cluster.name.clone()
        });
        made
    }

    /// The address of a cluster as users write it, from the name it was made with.
    pub fn cluster_address(&self, made: &str) -> PartAddress {
        self.names.now(&PartAddress::cluster(made))
    }

    /// The address of a pool as users write it, from the names it was made with.
    pub fn pool_address(&self, cluster: &str, pool: &str) -> PartAddress {
        self.names.now(&PartAddress::pool(cluster, pool))
    }

    /// The address of a tier as users write it, from the name it was made with.
    pub fn tier_address(&self, made: &str) -> PartAddress {
        self.names.now(&PartAddress::tier(made))
    }
}

/// The name of its own that a part was made with.
fn made_as(names: &Names, now: &PartAddress) -> String {
    names.made(now).name().to_owned()
}

/// The same parts under the names a change gives them. Those that were renamed come first, since it
/// is they that have objects.
fn renamed<T: Clone>(
    parts: &BTreeMap<String, T>,
    rename: impl Fn(&str, &mut T) -> String,
) -> BTreeMap<String, T> {
    let renamed = parts.iter().map(|(name, part)| {
        let mut part = part.clone();
        let new = rename(name, &mut part);
        (new == *name, new, part)
    });
    let mut renamed: Vec<(bool, String, T)> = renamed.collect();
    renamed.sort_by_key(|(is_same, _, _)| *is_same);
    let mut under = BTreeMap::new();
    for (_, name, part) in renamed {
        under.entry(name).or_insert(part);
    }
    under
}
