//! The reading statements in use, with the columns of their answers and where those were seen.
//!
//! "Recorded" is 2.0.1-beta; the documentation of later releases (apache/iotdb-docs at ec936229,
//! Maintenance-commands) lists the same columns but for what is noted.

/// A reading statement and the columns of its answer, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// The statement.
    pub text: &'static str,
    /// Its answer's columns.
    pub columns: &'static [&'static str],
}

/// The id a cluster got at its first start. Recorded.
pub const CLUSTER_ID: Show = Show { text: "SHOW CLUSTERID", columns: &["ClusterId"] };

/// The release of the node asked. Recorded.
pub const VERSION: Show = Show { text: "SHOW VERSION", columns: &["Version", "BuildInfo"] };

/// Every registered node, by NodeID. Recorded.
pub const CLUSTER: Show = Show {
    text: "SHOW CLUSTER",
    columns: &[
        "NodeID",
        "NodeType",
        "Status",
        "InternalAddress",
        "InternalPort",
        "Version",
        "BuildInfo",
    ],
};

/// The same with all ports, as text, empty where a node has none. Recorded.
pub const CLUSTER_DETAILS: Show = Show {
    text: "SHOW CLUSTER DETAILS",
    columns: &[
        "NodeID",
        "NodeType",
        "Status",
        "InternalAddress",
        "InternalPort",
        "ConfigConsensusPort",
        "RpcAddress",
        "RpcPort",
        "MppPort",
        "SchemaConsensusPort",
        "DataConsensusPort",
        "Version",
        "BuildInfo",
    ],
};

/// Every DataNode, with the region replicas it holds, those being added included. Recorded.
pub const DATA_NODES: Show = Show {
    text: "SHOW DATANODES",
    columns: &["NodeID", "Status", "RpcAddress", "RpcPort", "DataRegionNum", "SchemaRegionNum"],
};

/// Every ConfigNode, with its part in their group. Recorded.
pub const CONFIG_NODES: Show = Show {
    text: "SHOW CONFIGNODES",
    columns: &["NodeID", "Status", "InternalAddress", "InternalPort", "Role"],
};

/// One row for each region replica. Recorded; 2.0.10 is documented to add `CompressionRatio`.
pub const REGIONS: Show = Show {
    text: "SHOW REGIONS",
    columns: &[
        "RegionId",
        "Type",
        "Status",
        "Database",
        "SeriesSlotNum",
        "TimeSlotNum",
        "DataNodeId",
        "RpcAddress",
        "RpcPort",
        "InternalAddress",
        "Role",
        "CreateTime",
        "TsFileSize",
    ],
};

/// Every database. Recorded.
pub const DATABASES: Show = Show {
    text: "SHOW DATABASES",
    columns: &[
        "Database",
        "SchemaReplicationFactor",
        "DataReplicationFactor",
        "TimePartitionOrigin",
        "TimePartitionInterval",
    ],
};

/// The same with how many region groups each has, and may have. Recorded.
pub const DATABASES_DETAILS: Show = Show {
    text: "SHOW DATABASES DETAILS",
    columns: &[
        "Database",
        "SchemaReplicationFactor",
        "DataReplicationFactor",
        "TimePartitionOrigin",
        "TimePartitionInterval",
        "SchemaRegionGroupNum",
        "MinSchemaRegionGroupNum",
        "MaxSchemaRegionGroupNum",
        "DataRegionGroupNum",
        "MinDataRegionGroupNum",
        "MaxDataRegionGroupNum",
    ],
};

/// The settings all nodes share; values are text. Recorded.
pub const VARIABLES: Show = Show { text: "SHOW VARIABLES", columns: &["Variable", "Value"] };
