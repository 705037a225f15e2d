//! A stack as the rooms after this one take it: checked, every default filled in, every name resolved.

use std::collections::BTreeMap;

use db_engine::cluster::{Content, EngineKind, Role, ScaleOut};

use crate::stack::moves::Move;
use crate::stack::parts::Names;
use crate::stack::quantity::Quantity;

/// One TOML file's worth of clusters and storage, owned and named as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Owns everything it makes, under this name.
    pub name: String,
    /// Where its namespaced objects live.
    pub namespace: String,
    /// The cluster's DNS domain, `cluster.local` unless the platform says otherwise.
    pub cluster_domain: String,
    /// Directories of nodes inside which its local volumes must be; none: they may be anywhere.
    pub paths: Vec<String>,
    /// The image its helper Jobs run, with its tag; see [`HELPER_IMAGE`].
    pub helper_image: String,
    /// Which Kubernetes it is for.
    pub target: Target,
    /// Storage tiers by name.
    pub storage: BTreeMap<String, Tier>,
    /// Database clusters by name.
    pub clusters: BTreeMap<String, Cluster>,
    /// Parts that were called otherwise before: `[[moved]]`.
    pub moved: Vec<Move>,
    /// What parts are called whose objects were made under other names; none in a stack as it is
    /// read, see [`Stack::as_made`].
    pub names: Names,
}

/// Which Kubernetes a stack is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The simulated one built into tsinfra.
    Sandbox,
    /// A real one, found through a kubeconfig.
    Kubernetes {
        /// A kubeconfig file; absent: the usual places.
        kubeconfig: Option<String>,
        /// A context of it; absent: the current one.
        context: Option<String>,
    },
}

/// A storage tier: where claims of a pool get their volumes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// The tier's name in the stack.
    pub name: String,
    /// What happens to the data once its claim is gone.
    pub reclaim: Reclaim,
    /// How volumes come to be.
    pub kind: TierKind,
    /// What is done about a directory before its volume is made; `None`, as always without local
    /// volumes: nothing.
    pub prepare: Option<Prepare>,
    /// What may be done with a volume whose claim is gone, so that it can be used again.
    pub recycle: Recycle,
}

/// What may be done with a local volume that is released, where a member needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recycle {
    /// Nothing: somebody clears its directory and deletes it.
    Manual,
    /// With consent to each, a Job clears its directory, and it is made anew.
    Scrub,
}

/// What is done about a directory of a node before the volume that offers it is made, by a Job there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// It is made if it is missing, and must be empty.
    Create,
    /// It must be there and be empty; nothing is made.
    Expect,
}

/// The image of helper Jobs where the stack names none: small, with a shell (`sh`, `ls`, `grep`, `find`). Its
/// tag is pinned, so that what runs on the nodes changes only with tsinfra or the stack.
pub const HELPER_IMAGE: &str = "busybox:1.37.0";

/// Whether a directory is another one or inside of it; neither ends with `/`.
pub fn is_within(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Tier {
    /// Whether its volumes are directories of nodes.
    pub fn is_local(&self) -> bool {
        matches!(self.kind, TierKind::Local(_) | TierKind::LocalOnNodes { .. })
    }
}

/// What happens to a volume once its claim is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaim {
    /// The volume and its data stay.
    Retain,
    /// The volume and its data go.
    Delete,
}

/// How the volumes of a tier come to be.
#[derive(Clone, Debug, PartialEq)]
pub enum TierKind {
    /// Static local PersistentVolumes, one a declared directory.
    Local(Vec<LocalVolume>),
    /// Static local PersistentVolumes on every node that carries the labels.
    LocalOnNodes {
        /// Labels a node must carry.
        labels: BTreeMap<String, String>,
        /// Directory on the node; `{index}` becomes 0, 1, … up to `per_node`.
        path: String,
        /// Volumes a node has.
        per_node: u32,
        /// Size of each.
        capacity: Quantity,
    },
    /// A StorageClass tsinfra makes for a CSI driver.
    Csi {
        /// The driver's name, e.g. `ebs.csi.aws.com`.
        provisioner: String,
        /// The driver's own parameters.
        parameters: BTreeMap<String, String>,
        /// Whether claims may grow.
        expandable: bool,
        /// When a volume is made for a claim.
        binding: Binding,
    },
    /// A StorageClass that exists already and is not touched.
    CsiClass {
        /// Its name.
        class: String,
    },
}

/// When a volume of a driver is made for a claim, in Kubernetes' own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Once a pod that mounts it is placed, where that pod is.
    WaitForFirstConsumer,
    /// At once, wherever the driver likes; the pod is placed where the volume can be reached.
    Immediate,
}

/// One directory of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalVolume {
    /// The node's `kubernetes.io/hostname`.
    pub node: String,
    /// Absolute path on the node.
    pub path: String,
    /// Size of the volume.
    pub capacity: Quantity,
}

/// One database cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The cluster's name in the stack.
    pub name: String,
    /// Which database.
    pub engine: EngineKind,
    /// The engine's version, e.g. `2.0.5`.
    pub version: String,
    /// Whether deleting anything that holds its data is refused.
    pub protect: bool,
    /// Where the image comes from.
    pub image: Image,
    /// Secret with `user` and `password` tsinfra logs in to the database with; absent: the engine's default.
    pub credentials: Option<String>,
    /// Replicas of schema.
    pub schema_replication: u32,
    /// Replicas of data.
    pub data_replication: u32,
    /// Settings passed on in the engine's own names and units.
    pub settings: BTreeMap<String, String>,
    /// Pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// How clients outside reach it.
    pub expose: Expose,
}

/// Where a cluster's image comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Without a tag; absent: the vendor's.
    pub repository: Option<String>,
    /// Absent: the vendor's for the version.
    pub tag: Option<String>,
    /// `Always`, `IfNotPresent` or `Never`; absent: Kubernetes' own rule.
    pub pull_policy: Option<String>,
    /// Secrets to pull it with.
    pub pull_secrets: Vec<String>,
}

/// What is the user's to say of pods; a pool's is its cluster's with its own on top.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodOptions {
    /// Labels a node must carry.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are no obstacle.
    pub tolerations: Vec<Toleration>,
    /// A PriorityClass.
    pub priority_class: Option<String>,
    /// Extra labels.
    pub labels: BTreeMap<String, String>,
    /// Extra annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A taint that is no obstacle; the words are Kubernetes' own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toleration {
    /// Taint key; absent: every key.
    pub key: Option<String>,
    /// `Exists` or `Equal`.
    pub operator: Option<String>,
    /// Taint value for `Equal`.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; absent: every effect.
    pub effect: Option<String>,
    /// How long a `NoExecute` taint is borne.
    pub toleration_seconds: Option<i64>,
}

/// Members that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// The pool's name in its cluster.
    pub name: String,
    /// What its members do.
    pub role: Role,
    /// How many members.
    pub nodes: u32,
    /// Where the volume of each member's data comes from.
    pub data: Storage,
    /// Where the volumes come from of what its members keep beside their data.
    pub apart: BTreeMap<Content, Storage>,
    /// CPUs of one member (request and limit).
    pub cpu: Quantity,
    /// Memory of one member (request and limit).
    pub memory: Quantity,
    /// What new members get of the data that is there.
    pub scale_out: ScaleOut,
    /// Settings of this pool only.
    pub settings: BTreeMap<String, String>,
    /// Pods of this pool.
    pub pod: PodOptions,
    /// How long a stop may take, in seconds.
    pub grace_seconds: i64,
    /// How long one member may take until it is ready, in seconds.
    pub ready_within_seconds: u64,
}

/// Where the volumes of a pool's members come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The tier.
    pub tier: String,
    /// Size of each claim.
    pub size: Quantity,
}

/// How clients reach a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expose {
    /// The client Service's type.
    pub kind: ExposeKind,
    /// Annotations of the client Service (load balancers are told things this way).
    pub annotations: BTreeMap<String, String>,
}

/// The client Service's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExposeKind {
    /// Inside the cluster only.
    ClusterIp,
    /// On a port of every node; absent: Kubernetes picks one.
    NodePort(Option<u16>),
    /// Through the platform's load balancer.
    LoadBalancer,
}

/// A StatefulSet's pods carry its name and a hash of eleven characters in one label of 63.
pub(crate) const POOL_NAME_MAX: usize = 52;

impl Stack {
    /// The name of everything a pool has: StatefulSet, governing Service, pods before their ordinal.
    pub fn pool_name(cluster: &str, pool: &str) -> String {
        format!("{cluster}-{pool}")
    }

    /// The StorageClass a pool of this tier names in its claims.
    pub fn storage_class(&self, tier: &Tier) -> String {
        match &tier.kind {
            TierKind::CsiClass { class } => class.clone(),
            TierKind::Local(_) | TierKind::LocalOnNodes { .. } | TierKind::Csi { .. } => {
                format!("{}-{}", self.name, tier.name)
            }
        }
    }
}

impl Pool {
    /// The volumes each of its members has, by what is on them, the data first.
    pub fn storage(&self) -> impl Iterator<Item = (Content, &Storage)> {
        let apart = self.apart.iter().map(|(content, storage)| (*content, storage));
        std::iter::once((Content::Data, &self.data)).chain(apart)
    }

    /// The same, to be changed.
    pub fn storage_mut(&mut self) -> impl Iterator<Item = &mut Storage> {
        std::iter::once(&mut self.data).chain(self.apart.values_mut())
    }

    /// How many of its members' volumes come from a tier, for each member.
    pub fn volumes_from(&self, tier: &str) -> u32 {
        self.storage().map(|(_, storage)| u32::from(storage.tier == tier)).sum()
    }
}

impl Cluster {
    /// Members that hold replicas of data.
    pub fn storing_members(&self) -> u32 {
        self.pools.values().filter(|pool| pool.role.stores()).map(|pool| pool.nodes).sum()
    }
}
