//! What a ConfigNode and a DataNode run in the vendor's image.
//!
//! The image's contract, as read in apache/iotdb (path at commit):
//! - `docker/src/main/DockerCompose/entrypoint.sh` at 00149575: the argument is `confignode` or
//!   `datanode`; it edits the configuration, then `exec`s the start script, so the JVM gets the stop
//!   signal itself (the script's own stop trap is gone by then).
//! - `docker/src/main/DockerCompose/replace-conf-from-env.sh` at 0d2db5fe: every exported variable
//!   whose name is all lower case and does not begin with `_` is put into
//!   `conf/iotdb-system.properties` as `name=value`, in place (`sed -i`); values of several lines are
//!   skipped. Hence one variable for each property, and a writable `conf`, filled from the image. The
//!   script finds a key by its text anywhere in a line; the shipped file (`iotdb-core/node-commons/
//!   src/assembly/resources/conf/iotdb-system.properties` at 06cf546a) is short, and each key written
//!   here stands in at most one line of it.
//! - `scripts/conf/datanode-env.sh` at 0e9ab549 and `confignode-env.sh` at 01180dcf: if
//!   `IOTDB_JMX_OPTS` (DataNode) or `CONFIGNODE_JMX_OPTS` (ConfigNode) hold `-Xmx`, heap and direct
//!   memory are taken from there, in whole `M` or `G`. Pull request 15413 (2025-04) brought that, and
//!   issue 16873 tells users of 2.0.5 to do so; older scripts append their own sizes behind, which
//!   wins. So `prepare` also fills in the line `MEMORY_SIZE=` of the env script, which all of them
//!   obey and cut into the same sizes.
//! - the same scripts make `logs` below `/iotdb`, and the JVM and bash want `/tmp`.
//! - `docker/src/main/Dockerfile-1.0.0-datanode` at 1313d10b and `...-standalone` at 0b2c81bf:
//!   `/usr/bin/dumb-init` comes first, `IOTDB_HOME` is `/iotdb`, no `USER` is set and nothing but the
//!   directories above needs to be written, so any user id will do. Tags are
//!   `<version>-standalone`, `-confignode`, `-datanode` (`docker/ReadMe.md`); standalone holds both
//!   kinds, so that one image has to be brought to an air-gapped site.
//! - functions, triggers and pipe plug-ins that users install are kept in `ext` (`udf_lib_dir` and
//!   its like default to `ext/...`), by ConfigNodes too: it goes on the claim. The vendor's chart
//!   (apache/iotdb-extras `helm` at de991c4) mounts `/iotdb/ext` in the same way.

use std::collections::BTreeMap;

use crate::cluster::{ClusterSpec, Content, PoolSpec, Role};
use crate::iotdb::apart;
use crate::iotdb::memory::{self, Memory};
use crate::iotdb::settings::RESERVED;
use crate::workload::{Check, EnvValue, KeptDir, Port, Prepare, Probe, VendorImage, Workload};

/// Where clients connect to a DataNode (`dn_rpc_port`).
pub const CLIENT_PORT: u16 = 6667;
/// Where a DataNode's REST service listens (`rest_service_port`).
pub const REST_PORT: u16 = 18080;
/// Where members speak to a ConfigNode (`cn_internal_port`).
pub const CONFIG_NODE_PORT: u16 = 10710;
/// Where members speak to a DataNode (`dn_internal_port`).
pub const DATA_NODE_PORT: u16 = 10730;

const CONFIG_NODE_PORTS: [Port; 2] = [
    Port { name: "internal", number: CONFIG_NODE_PORT },
    Port { name: "consensus", number: 10720 },
];
const DATA_NODE_PORTS: [Port; 6] = [
    Port { name: "client", number: CLIENT_PORT },
    Port { name: "internal", number: DATA_NODE_PORT },
    Port { name: "exchange", number: 10740 },
    Port { name: "schema-regions", number: 10750 },
    Port { name: "data-regions", number: 10760 },
    Port { name: "rest", number: REST_PORT },
];

/// An unprivileged user that owns nothing in the image; Kubernetes gives it the volumes.
const USER_ID: i64 = 1000;

/// A stop took up to 45 s in the recordings, on a database of a few kilobytes.
const GRACE_SECONDS: i64 = 180;

/// What a member of this pool runs.
pub fn workload(cluster: &ClusterSpec, pool: &PoolSpec) -> Workload {
    let kind = if pool.role == Role::Control { CONFIG_NODE } else { DATA_NODE };
    let memory = memory::split(pool.memory_bytes);
    let command = ["/usr/bin/dumb-init", "--", "/iotdb/sbin/entrypoint.sh", kind.argument];
    Workload {
        title: kind.title,
        container: kind.argument,
        image: VendorImage {
            repository: "apache/iotdb",
            tag: format!("{}-standalone", cluster.version),
        },
        command: command.map(str::to_owned).to_vec(),
        env: env(&kind, memory, cluster, pool),
        ports: kind.ports.to_vec(),
        // Half an hour: a DataNode replays its write-ahead log and finishes broken compactions
        // before it takes clients, and being killed half-way only makes it begin again.
        startup: tcp(kind.ready_port, 5, 360),
        // Not HTTP /ping: by 2.0.10 the REST service has left the server jar for a plug-in in a zip
        // of its own (`distribution/src/assembly/external-service-impl.xml` at 22d73425), which an
        // image made of the all-in-one zip may lack, and clients are served without it.
        readiness: tcp(kind.ready_port, 5, 3),
        liveness: tcp(kind.live_port, 10, 6),
        kept_dirs: kept_dirs(pool),
        scratch_dirs: vec![("conf", "/iotdb/conf"), ("logs", "/iotdb/logs"), ("tmp", "/tmp")],
        prepare: Some(prepare(&kind, memory)),
        user_id: USER_ID,
        grace_seconds: GRACE_SECONDS,
        client_port: pool.role.serves().then_some(CLIENT_PORT),
        survey_port: (pool.role != Role::Control).then_some(REST_PORT),
    }
}

fn kept_dirs(pool: &PoolSpec) -> Vec<KeptDir> {
    let on = |content, sub_path, place| KeptDir { content, sub_path, place };
    let mut dirs =
        vec![on(Content::Data, "data", "/iotdb/data"), on(Content::Data, "ext", "/iotdb/ext")];
    dirs.extend(
        pool.apart.contains(&Content::Wal).then(|| on(Content::Wal, "wal", apart::WAL_DIR)),
    );
    dirs
}

/// What differs between the two kinds of members.
struct Kind {
    title: &'static str,
    /// The entrypoint's argument, and the container's name.
    argument: &'static str,
    /// The variable the kind's env script takes JVM options from.
    jvm_options: &'static str,
    env_script: &'static str,
    ports: &'static [Port],
    /// Open once the member does its work.
    ready_port: u16,
    /// Open as long as the member's own service runs.
    live_port: u16,
}

const CONFIG_NODE: Kind = Kind {
    title: "ConfigNode",
    argument: "confignode",
    jvm_options: "CONFIGNODE_JMX_OPTS",
    env_script: "confignode-env.sh",
    ports: &CONFIG_NODE_PORTS,
    ready_port: CONFIG_NODE_PORT,
    live_port: CONFIG_NODE_PORT,
};

const DATA_NODE: Kind = Kind {
    title: "DataNode",
    argument: "datanode",
    jvm_options: "IOTDB_JMX_OPTS",
    env_script: "datanode-env.sh",
    ports: &DATA_NODE_PORTS,
    ready_port: CLIENT_PORT,
    live_port: DATA_NODE_PORT,
};

fn tcp(port: u16, period_seconds: u32, failures: u32) -> Probe {
    Probe { check: Check::Tcp(port), period_seconds, timeout_seconds: 3, failures }
}

/// Fills the scratch `conf`. Nothing a user wrote gets into the shell: only a number of ours does.
fn prepare(kind: &Kind, memory: Memory) -> Prepare {
    let (script, size) = (kind.env_script, memory.size_mib());
    let line = format!(
        "set -e; cp -R /iotdb/conf/. /prepared/; \
         sed -i 's/^MEMORY_SIZE=.*/MEMORY_SIZE={size}M/' /prepared/{script}"
    );
    Prepare {
        container: "conf",
        command: vec!["/bin/bash".to_owned(), "-c".to_owned(), line],
        fills: ("conf", "/prepared"),
    }
}

/// The environment: the pod's name first, since addresses refer to it, then by name. Settings are
/// taken over but for reserved names, which a stack is refused for before it gets here.
fn env(
    kind: &Kind,
    memory: Memory,
    cluster: &ClusterSpec,
    pool: &PoolSpec,
) -> Vec<(String, EnvValue)> {
    let mut all: BTreeMap<String, String> = defaults();
    let reserved = |name: &str| RESERVED.iter().any(|&(it, _)| it == name);
    for (name, value) in cluster.settings.iter().chain(&pool.settings) {
        if !reserved(name) {
            all.insert(name.clone(), literal(value));
        }
    }
    all.extend(identity(cluster, pool).into_iter().map(|(name, value)| (name.to_owned(), value)));
    all.insert(kind.jvm_options.to_owned(), memory.jvm_options());
    let pod_name = ("POD_NAME".to_owned(), EnvValue::PodName);
    let rest = all.into_iter().map(|(name, value)| (name, EnvValue::Text(value)));
    std::iter::once(pod_name).chain(rest).collect()
}

/// What a user may set otherwise at a cluster's first start. Written out even where it is the
/// vendor's default, so that a later release with another default changes nothing.
fn defaults() -> BTreeMap<String, String> {
    const RATIS: &str = "org.apache.iotdb.consensus.ratis.RatisConsensus";
    const IOT: &str = "org.apache.iotdb.consensus.iot.IoTConsensus";
    [
        ("config_node_consensus_protocol_class", RATIS),
        ("schema_region_consensus_protocol_class", RATIS),
        ("data_region_consensus_protocol_class", IOT),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What makes a member this member of this cluster. Replication factors are read by ConfigNodes;
/// DataNodes get them too, since `SHOW VARIABLES` must not differ by the node asked.
fn identity(cluster: &ClusterSpec, pool: &PoolSpec) -> Vec<(&'static str, String)> {
    let own = format!("$(POD_NAME).{}", pool.domain);
    let seed = format!("{}:{CONFIG_NODE_PORT}", cluster.seed_host);
    let common = [
        ("cluster_name", literal(&cluster.name)),
        ("schema_replication_factor", cluster.schema_replication.to_string()),
        ("data_replication_factor", cluster.data_replication.to_string()),
    ];
    let special = if pool.role == Role::Control {
        vec![
            ("cn_internal_address", own),
            ("cn_internal_port", CONFIG_NODE_PORT.to_string()),
            ("cn_consensus_port", "10720".to_owned()),
            ("cn_seed_config_node", seed),
        ]
    } else {
        vec![
            ("dn_rpc_address", own.clone()),
            ("dn_rpc_port", CLIENT_PORT.to_string()),
            ("dn_internal_address", own),
            ("dn_internal_port", DATA_NODE_PORT.to_string()),
            ("dn_mpp_data_exchange_port", "10740".to_owned()),
            ("dn_schema_region_consensus_port", "10750".to_owned()),
            ("dn_data_region_consensus_port", "10760".to_owned()),
            ("dn_seed_config_node", seed),
            ("enable_rest_service", "true".to_owned()),
            ("rest_service_port", REST_PORT.to_string()),
        ]
    };
    let wal =
        pool.apart.contains(&Content::Wal).then(|| ("dn_wal_dirs", apart::WAL_DIR.to_owned()));
    common.into_iter().chain(special).chain(wal).collect()
}

/// A value that reaches the process as written: `$(NAME)` in it must not be replaced on the way.
fn literal(value: &str) -> String {
    value.replace('$', "$$")
}
