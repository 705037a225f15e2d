//! What an IoTDB member can keep on a volume of its own: a DataNode its write-ahead log.
//!
//! Read in apache/iotdb, `iotdb-core/datanode/src/main/java/org/apache/iotdb/db/conf`:
//! - `IoTDBConfig.java` at 00111da3: directories that are not absolute are below `IOTDB_HOME`; absolute ones are
//!   taken as they are.
//! - `IoTDBStartCheck.java` at 0c37ee3a: each of `dn_wal_dirs` is locked by a file in it, but under
//!   RatisConsensus, whose own log takes the place of the write-ahead log. `system.properties`, which a restart is
//!   checked against, does not hold them: a DataNode starts with another directory, and without what was in the
//!   first.
//!
//! Tiers of data directories (`;` in `dn_data_dirs`) are none of it: only TimechoDB moves data from one to the
//! next (iotdb-docs, `Tiered-Storage_timecho.md`); Apache IoTDB has no code for it (apache/iotdb, no
//! `storageengine/dataregion/migration`), so that a cold tier would stay empty.

use std::collections::BTreeMap;

use crate::cluster::{Content, Role};
use crate::engine::Unfit;

/// Where a DataNode sees the volume of its write-ahead log. Not below `/iotdb/data`, so that what is mounted
/// where can be told apart.
pub const WAL_DIR: &str = "/iotdb/wal";

const PROTOCOL: &str = "data_region_consensus_protocol_class";

/// Whether members of a role can keep this apart under these settings.
///
/// # Errors
/// [`Unfit`]: why they cannot.
pub fn check(
    role: Role,
    content: Content,
    settings: &BTreeMap<String, String>,
) -> Result<(), Unfit> {
    match content {
        Content::Data => Ok(()),
        Content::Wal if role == Role::Control => Err(Unfit::new(
            "a ConfigNode has no write-ahead log of its own",
            "leave `wal` out: what ConfigNodes log is small, and kept with their data",
        )),
        Content::Wal if !role.stores() => {
            Err(Unfit::new("members that store nothing write no log ahead", "leave `wal` out"))
        }
        Content::Wal if settings.contains_key("dn_wal_dirs") => Err(Unfit::new(
            "the settings say where the write-ahead log is, too",
            "leave `dn_wal_dirs` out of the settings: tsinfra sets it to the volume",
        )),
        Content::Wal if settings.get(PROTOCOL).is_some_and(|it| it.ends_with("RatisConsensus")) => {
            Err(Unfit::new(
                "under RatisConsensus a DataNode writes no log beside that of Ratis, which is with its data",
                format!("leave `wal` out, or `{PROTOCOL}`"),
            ))
        }
        Content::Wal => Ok(()),
    }
}
