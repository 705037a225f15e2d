//! Stacks drawn at random from those tsinfra carries out, and the changes that are allowed to them.

use proptest::prelude::*;
use tsinfra::stack::Stack;

/// A stack in outline.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    pub(super) clusters: Vec<ClusterSketch>,
}

/// One cluster of it.
#[derive(Clone, Debug)]
pub(super) struct ClusterSketch {
    pub(super) name: &'static str,
    pub(super) storage: Storage,
    /// Whether its DataNodes have a volume of their own for the write-ahead log.
    pub(super) wal: bool,
    pub(super) control: u32,
    /// Members of each mixed pool.
    pub(super) pools: Vec<u32>,
    /// Replicas of schema and data: fixed at the first start.
    pub(super) replicas: u32,
    pub(super) expose: u8,
    pub(super) cpu: u8,
    pub(super) setting: u8,
    pub(super) label: u8,
    /// How often its storage was made larger.
    pub(super) growth: u8,
}

/// Where a cluster's claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Volumes made on demand, deleted with their claims.
    Cloud,
    /// Volumes made on demand, kept.
    Vault,
    /// Directories of machines, kept.
    Local,
}

impl Storage {
    /// The tiers of ConfigNodes, of DataNodes and of their write-ahead logs.
    fn tiers(self) -> [&'static str; 3] {
        match self {
            Self::Cloud => ["cloud"; 3],
            Self::Vault => ["vault"; 3],
            Self::Local => ["meta", "ssd", "log"],
        }
    }
}

/// Names of mixed pools.
const POOLS: [&str; 2] = ["hot", "warm"];

impl Sketch {
    /// The stack as a user would write it.
    pub(super) fn text(&self) -> String {
        let mut text =
            "[stack]\nname = \"plant\"\nnamespace = \"tsdb\"\n\n[target]\nsandbox = true\n"
                .to_owned();
        for (tier, reclaim) in [("cloud", "delete"), ("vault", "retain")] {
            if self.uses(tier) {
                text += &format!(
                    "\n[storage.{tier}]\nkind = \"csi\"\nprovisioner = \"sandbox.tsinfra.dev\"\n\
                     reclaim = \"{reclaim}\"\nexpandable = true\n"
                );
            }
        }
        // Each machine has a volume for one member of every pool.
        let local = self.clusters.iter().filter(|cluster| cluster.storage == Storage::Local);
        let meta = local.clone().count();
        let ssd = local.clone().map(|cluster| cluster.pools.len()).sum();
        let log = local.filter(|cluster| cluster.wal).map(|cluster| cluster.pools.len()).sum();
        let tiers = [("meta", meta, "10Gi"), ("ssd", ssd, "100Gi"), ("log", log, "10Gi")];
        for (tier, each, capacity) in tiers {
            if self.uses(tier) {
                text += &format!(
                    "\n[storage.{tier}]\nkind = \"local\"\nreclaim = \"retain\"\nvolumes = [\n"
                );
                for (machine, index) in (1..=5).flat_map(|m| (0..each).map(move |i| (m, i))) {
                    text += &format!(
                        "  {{ node = \"worker-{machine}\", path = \"/mnt/{tier}/{index}\", \
                         capacity = \"{capacity}\" }},\n"
                    );
                }
                text += "]\n";
            }
        }
        self.clusters.iter().for_each(|cluster| text += &cluster.text());
        text
    }

    fn uses(&self, tier: &str) -> bool {
        let uses = |cluster: &ClusterSketch| match (cluster.storage.tiers(), cluster.wal) {
            (all, true) => all.contains(&tier),
            ([meta, data, _], false) => [meta, data].contains(&tier),
        };
        self.clusters.iter().any(uses)
    }

    pub(super) fn stack(&self) -> Stack {
        super::stack(&self.text())
    }
}

impl ClusterSketch {
    /// A cluster of three ConfigNodes and two pools.
    pub(super) fn two_pools(name: &'static str, storage: Storage) -> Self {
        Self {
            name,
            storage,
            wal: false,
            control: 3,
            pools: vec![3, 2],
            replicas: 2,
            expose: 0,
            cpu: 0,
            setting: 0,
            label: 0,
            growth: 0,
        }
    }

    /// How many claims its members have.
    pub(super) fn claims(&self) -> u32 {
        let each = if self.wal { 2 } else { 1 };
        self.control + each * self.pools.iter().sum::<u32>()
    }

    fn text(&self) -> String {
        let Self { name, storage, control, pools, replicas, expose, cpu, .. } = self;
        let Self { setting, label, growth, wal, .. } = self;
        let (vote, store, write) = (5 + growth, 20 + 10 * growth, 5 + growth);
        let [meta, data, log] = storage.tiers();
        let wal = match wal {
            true => format!(", wal = {{ tier = \"{log}\", size = \"{write}Gi\" }}"),
            false => String::new(),
        };
        let mut text = format!(
            "\n[cluster.{name}]\nengine = \"iotdb\"\nversion = \"2.0.5\"\n\
             pod = {{ labels = {{ team = \"team-{label}\" }} }}\n\n[cluster.{name}.iotdb]\n\
             schema_replication = {replicas}\ndata_replication = {replicas}\n\
             settings = {{ heartbeat_interval_in_ms = {} }}\n\n[cluster.{name}.pool.config]\n\
             role = \"control\"\nnodes = {control}\nstorage = {{ tier = \"{meta}\", size = \"{vote}Gi\" }}\n",
            1000 + u32::from(*setting),
        );
        for (pool, nodes) in POOLS.iter().zip(pools) {
            text += &format!(
                "\n[cluster.{name}.pool.{pool}]\nrole = \"mixed\"\nnodes = {nodes}\n\
                 storage = {{ tier = \"{data}\", size = \"{store}Gi\"{wal} }}\n\
                 resources = {{ cpu = \"{}\", memory = \"4Gi\" }}\n",
                1 + cpu
            );
        }
        let kinds = ["cluster-ip", "node-port", "load-balancer"];
        text += &format!("\n[cluster.{name}.expose]\nkind = \"{}\"\n", kinds[usize::from(*expose)]);
        text
    }
}

/// Stacks of one or two clusters.
pub(super) fn sketches() -> impl Strategy<Value = Sketch> {
    (cluster("alpha"), prop::option::weighted(0.25, cluster("beta"))).prop_map(|(first, second)| {
        Sketch { clusters: [first].into_iter().chain(second).collect() }
    })
}

fn cluster(name: &'static str) -> impl Strategy<Value = ClusterSketch> {
    let storage = prop_oneof![Just(Storage::Cloud), Just(Storage::Vault), Just(Storage::Local)];
    let control = prop_oneof![2 => Just(1_u32), 3 => Just(3), 1 => Just(5)];
    let pools = prop::collection::vec(1_u32..4, 1..3);
    (storage, any::<bool>(), control, pools, 0_u8..3, 0_u8..2, 0_u8..2, 0_u8..2).prop_map(
        move |(storage, wal, control, pools, expose, cpu, setting, label)| ClusterSketch {
            name,
            storage,
            wal,
            control,
            replicas: pools.iter().sum::<u32>().min(2),
            pools,
            expose,
            cpu,
            setting,
            label,
            growth: 0,
        },
    )
}

/// What an owner may do to a running stack.
#[derive(Clone, Debug)]
pub(super) enum Wish {
    Raise { pool: usize, by: u32 },
    RaiseControl,
    Cpu,
    Setting,
    Label,
    Expose(u8),
    Grow,
}

impl Wish {
    /// Whether members restart when it comes true.
    pub(super) fn restarts(&self) -> bool {
        matches!(self, Self::Cpu | Self::Setting | Self::Label)
    }
}

/// A few wishes for the first cluster.
pub(super) fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let one = prop_oneof![
        (0_usize..2, 1_u32..3).prop_map(|(pool, by)| Wish::Raise { pool, by }),
        Just(Wish::RaiseControl),
        Just(Wish::Cpu),
        Just(Wish::Setting),
        Just(Wish::Label),
        (0_u8..3).prop_map(Wish::Expose),
        Just(Wish::Grow),
    ];
    prop::collection::vec(one, 1..4)
}

impl Sketch {
    /// The stack with wishes come true in its first cluster.
    pub(super) fn after(&self, wishes: &[Wish]) -> Self {
        let mut sketch = self.clone();
        let cluster = &mut sketch.clusters[0];
        for wish in wishes {
            match wish {
                Wish::Raise { pool, by } => {
                    let pool = pool % cluster.pools.len();
                    cluster.pools[pool] = (cluster.pools[pool] + by).min(5);
                }
                Wish::RaiseControl => cluster.control = (cluster.control + 2).min(5),
                Wish::Cpu => cluster.cpu += 1,
                Wish::Setting => cluster.setting += 1,
                Wish::Label => cluster.label += 1,
                Wish::Expose(kind) => cluster.expose = *kind,
                // Neither what has no driver grows, nor together with a restart.
                Wish::Grow if cluster.storage == Storage::Local => {}
                Wish::Grow if wishes.iter().any(Wish::restarts) => {}
                Wish::Grow => cluster.growth += 1,
            }
        }
        sketch
    }
}
