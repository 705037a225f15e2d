//! How a member's memory limit is cut into Java heap, direct memory and the JVM's own needs.
//!
//! The image's start scripts size the JVM from the machine, not from the container's limit: releases
//! before apache/iotdb `scripts/conf/iotdb-common.sh` at 313a390d read `free -m` only (apache/iotdb
//! issue 17764: pods killed for lack of memory). So the sizes are always given. The part handed to
//! the JVM is cut the way `calculate_memory_sizes` of `scripts/conf/datanode-env.sh` at 0e9ab549
//! cuts a `MEMORY_SIZE`, in the same whole-MiB arithmetic: below 4 GiB 3/4 of it is heap, below
//! 16 GiB 4/5, below 128 GiB 7/8, above that all but 16 GiB; the rest is direct memory. Both ways of
//! telling the image (JVM options, and `MEMORY_SIZE` in its env script) therefore agree.
//!
//! What stays outside (class metadata, compiled code, thread stacks of 512 KiB, the collector's
//! tables) is an eighth of the limit and at least 192 MiB. Measured on 2.0.1-beta with a heap of
//! 256 MiB: a ConfigNode held 139-300 MiB in all, so the margin is on the safe side.

use crate::cluster::Role;

const MIB: u64 = 1024 * 1024;

/// The smallest limit that is cut as it is, in MiB. A smaller one is treated as this one, which then
/// exceeds it: `least` says what to refuse before it comes to that.
const SMALLEST_MIB: u64 = 512;

/// Smallest share of the limit the JVM itself is left, in MiB.
const LEAST_OVERHEAD_MIB: u64 = 192;

/// A limit cut in three, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Java heap, `-Xms` and `-Xmx`.
    pub heap_mib: u64,
    /// Direct memory, `-XX:MaxDirectMemorySize`; write-ahead-log buffers live here (32 MiB for each
    /// data region unless `wal_buffer_size_in_byte` says otherwise, in at most 4/5 of it).
    pub direct_mib: u64,
    /// Left to the JVM itself.
    pub overhead_mib: u64,
}

impl Memory {
    /// Heap and direct memory together, in MiB: what the env scripts call `MEMORY_SIZE`.
    pub fn size_mib(self) -> u64 {
        self.heap_mib + self.direct_mib
    }

    /// The JVM options that set the sizes. The scripts read them back and know the unit `M`.
    pub fn jvm_options(self) -> String {
        let Self { heap_mib, direct_mib, .. } = self;
        format!("-Xms{heap_mib}M -Xmx{heap_mib}M -XX:MaxDirectMemorySize={direct_mib}M")
    }
}

/// Cuts a limit given in bytes. From 512 MiB on, the three parts never exceed it; below, they are
/// those of 512 MiB, since a JVM with less does not start at all.
pub fn split(limit_bytes: u64) -> Memory {
    let limit = (limit_bytes / MIB).max(SMALLEST_MIB);
    let overhead_mib = (limit / 8).max(LEAST_OVERHEAD_MIB);
    let size = limit - overhead_mib;
    let heap_mib = if size < 4096 {
        size / 4 * 3
    } else if size < 16_384 {
        size / 5 * 4
    } else if size < 131_072 {
        size / 8 * 7
    } else {
        size - 16_384
    };
    Memory { heap_mib, direct_mib: size - heap_mib, overhead_mib }
}

/// The smallest limit, in bytes, a member of a role is worth starting with: 512 MiB for a ConfigNode
/// (measured with a heap of 256 MiB), 1 GiB for a DataNode (measured with 384 MiB and up).
pub fn least(role: Role) -> u64 {
    match role {
        Role::Control => 512 * MIB,
        Role::Mixed | Role::Compute | Role::Storage => 1024 * MIB,
    }
}
