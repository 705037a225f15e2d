//! Engine kind to engine: the only `match` on [`EngineKind`].

use crate::cluster::EngineKind;
use crate::engine::Engine;
use crate::iotdb::Iotdb;

/// The engine of a kind.
pub fn driver(kind: EngineKind) -> &'static dyn Engine {
    match kind {
        EngineKind::Iotdb => &Iotdb,
    }
}
