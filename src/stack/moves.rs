//! Where parts have moved to, by the stack's own `[[moved]]` tables.

use serde::{Deserialize, Serialize};

use crate::stack::model::Stack;
use crate::stack::parts::PartAddress;

/// A part that is called otherwise than it was: an entry of `[[moved]]`, or what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// What it was called.
    pub from: PartAddress,
    /// What it is called.
    pub to: PartAddress,
}

impl Stack {
    /// Whether a part is declared; a pool also by an earlier name of its cluster.
    pub fn declares(&self, part: &PartAddress) -> bool {
        match self.in_its_cluster(part) {
            Some(PartAddress::Cluster(name)) => self.clusters.contains_key(&name),
            Some(PartAddress::Tier(name)) => self.storage.contains_key(&name),
            Some(PartAddress::Pool(cluster, pool)) => {
                self.clusters.get(&cluster).is_some_and(|it| it.pools.contains_key(&pool))
            }
            None => false,
        }
    }

    /// A pool's address with what its cluster is called after all moves, any other one as it is;
    /// `None` where they go round in a circle.
    pub fn in_its_cluster(&self, part: &PartAddress) -> Option<PartAddress> {
        match part {
            PartAddress::Pool(cluster, pool) => {
                Some(PartAddress::Pool(self.cluster_after(cluster)?, pool.clone()))
            }
            PartAddress::Cluster(_) | PartAddress::Tier(_) => Some(part.clone()),
        }
    }

    /// The addresses of all that is declared.
    pub fn parts(&self) -> Vec<PartAddress> {
        let pools = |cluster: &str| {
            let pools = self.clusters.get(cluster).into_iter().flat_map(|it| it.pools.keys());
            pools.map(|pool| PartAddress::pool(cluster, pool)).collect::<Vec<PartAddress>>()
        };
        let clusters = self
            .clusters
            .keys()
            .flat_map(|name| [PartAddress::cluster(name)].into_iter().chain(pools(name)));
        clusters.chain(self.storage.keys().map(|name| PartAddress::tier(name))).collect()
    }

    /// What a part is called after all moves, one after the other; `None` where they go round in a
    /// circle.
    pub fn after_moves(&self, part: &PartAddress) -> Option<PartAddress> {
        match part {
            PartAddress::Cluster(name) => self.cluster_after(name).map(PartAddress::Cluster),
            PartAddress::Pool(cluster, pool) => {
                let cluster = self.cluster_after(cluster)?;
                let pool = self.last(pool, |pool| self.pool_moves_to(&cluster, pool))?;
                Some(PartAddress::Pool(cluster, pool))
            }
            PartAddress::Tier(name) => {
                let to = |name: &str| self.moves_to(&PartAddress::tier(name));
                self.last(name, to).map(PartAddress::Tier)
            }
        }
    }

    fn cluster_after(&self, name: &str) -> Option<String> {
        self.last(name, |name| self.moves_to(&PartAddress::cluster(name)))
    }

    fn moves_to(&self, from: &PartAddress) -> Option<&str> {
        self.moved.iter().find(|it| it.from == *from).map(|it| it.to.name())
    }

    /// The next name of a pool in a cluster, whichever of its names the cluster is given there.
    fn pool_moves_to(&self, cluster: &str, pool: &str) -> Option<&str> {
        let moves = self.moved.iter().find(|it| match &it.from {
            PartAddress::Pool(of, from) if from == pool => {
                self.cluster_after(of).as_deref() == Some(cluster)
            }
            _ => false,
        });
        moves.map(|it| it.to.name())
    }

    /// The name at the end of a chain.
    fn last<'a>(&'a self, name: &str, next: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut name = name.to_owned();
        for _ in 0..=self.moved.len() {
            match next(&name) {
                Some(further) => further.clone_into(&mut name),
                None => return Some(name),
            }
        }
        None
    }
}
