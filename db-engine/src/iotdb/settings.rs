//! Settings of IoTDB that cannot be changed later, and those tsinfra writes itself.

/// Settings fixed at a cluster's first start, with the reason.
///
/// From the System-Config-Manual of apache/iotdb-docs at ec936229 ("effective mode: only allowed to
/// be modified in the first start up"), and runs of 2.0.1-beta.
pub const FIXED: &[(&str, &str)] = &[
    (
        "cluster_name",
        "members keep the name they first started with, and one started under another may refuse to.",
    ),
    (
        "schema_replication_factor",
        "a database keeps the number of replicas it was created with; only new databases get another.",
    ),
    (
        "data_replication_factor",
        "a database keeps the number of replicas it was created with; only new databases get another.",
    ),
    (
        "config_node_consensus_protocol_class",
        "ConfigNodes cannot read metadata another protocol wrote.",
    ),
    (
        "schema_region_consensus_protocol_class",
        "schema regions cannot be carried from one protocol to another.",
    ),
    (
        "data_region_consensus_protocol_class",
        "data regions cannot be carried from one protocol to another.",
    ),
    (
        "series_slot_num",
        "series are spread over this many slots once and for all; another number would look for them elsewhere.",
    ),
    (
        "series_partition_executor_class",
        "it decides the slot of a series; another one would look for existing series elsewhere.",
    ),
    ("time_partition_origin", "existing time partitions were cut from this origin."),
    ("time_partition_interval", "existing time partitions were cut at this interval."),
    (
        "timestamp_precision",
        "stored timestamps were written in this unit and would be read in another.",
    ),
    ("cn_internal_address", "members know a ConfigNode by the address it registered with."),
    ("cn_internal_port", "members know a ConfigNode by the port it registered with."),
    ("cn_consensus_port", "the ConfigNodes' group knows its peers by this port."),
    ("dn_internal_address", "members know a DataNode by the address it registered with."),
    ("dn_internal_port", "members know a DataNode by the port it registered with."),
    ("dn_mpp_data_exchange_port", "members know a DataNode by the ports it registered with."),
    ("dn_schema_region_consensus_port", "regions know their peers by this port."),
    ("dn_data_region_consensus_port", "regions know their peers by this port."),
    ("cn_system_dir", "a ConfigNode that finds this directory empty has lost its identity."),
    (
        "cn_consensus_dir",
        "a ConfigNode that finds this directory empty has lost the cluster's metadata.",
    ),
    (
        "dn_system_dir",
        "a DataNode that finds this directory empty has lost its identity and its schema.",
    ),
    ("dn_data_dirs", "data already written stays behind in the old directories."),
    ("dn_wal_dirs", "writes not yet flushed stay behind in the old directories."),
    (
        "dn_consensus_dir",
        "a DataNode that finds this directory empty has lost its part in every region.",
    ),
];

/// Settings tsinfra writes itself, with the way on.
pub const RESERVED: &[(&str, &str)] = &[
    ("cluster_name", "it is the name of the [cluster.X] table; rename that."),
    ("schema_replication_factor", "set schema_replication in [cluster.X.iotdb]."),
    ("data_replication_factor", "set data_replication in [cluster.X.iotdb]."),
    ("cn_internal_address", ADDRESS),
    ("cn_internal_port", PORT),
    ("cn_consensus_port", PORT),
    ("cn_seed_config_node", SEED),
    ("dn_rpc_address", ADDRESS),
    ("dn_rpc_port", "pods listen on 6667; choose the port clients see in [cluster.X.expose]."),
    ("dn_internal_address", ADDRESS),
    ("dn_internal_port", PORT),
    ("dn_mpp_data_exchange_port", PORT),
    ("dn_schema_region_consensus_port", PORT),
    ("dn_data_region_consensus_port", PORT),
    ("dn_seed_config_node", SEED),
    ("enable_rest_service", REST),
    ("rest_service_port", REST),
    ("enable_https", REST),
    ("IOTDB_JMX_OPTS", MEMORY),
    ("CONFIGNODE_JMX_OPTS", MEMORY),
    ("MEMORY_SIZE", MEMORY),
    ("POD_NAME", "it carries the pod's own name, which addresses are made of."),
];

const ADDRESS: &str = "addresses follow from the names of the stack, the cluster and the pool.";
const PORT: &str = "every pod has an address of its own, so the default port is always free.";
const SEED: &str = "newcomers ask the first member of the control pool.";
const REST: &str =
    "tsinfra asks the cluster's state over plain REST at port 18080 of each DataNode.";
const MEMORY: &str = "heap and direct memory follow from the pool's `memory`.";
