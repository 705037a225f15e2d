//! A member's memory: the parts fit the limit, and agree with the image's own arithmetic.

use db_engine::cluster::Role;
use db_engine::iotdb::memory::{least, split};
use proptest::prelude::*;

const MIB: u64 = 1024 * 1024;

#[test]
fn sizes_of_everyday_limits() {
    let sizes = |gib: u64| {
        let memory = split(gib * 1024 * MIB);
        (memory.heap_mib, memory.direct_mib, memory.overhead_mib)
    };
    assert_eq!(sizes(1), (624, 208, 192));
    assert_eq!(sizes(4), (2688, 896, 512));
    assert_eq!(sizes(8), (5732, 1436, 1024));
    assert_eq!(sizes(32), (25_088, 3584, 4096));
    assert_eq!(sizes(256), (212_992, 16_384, 32_768));
}

#[test]
fn below_the_smallest_limit_the_sizes_are_those_of_the_smallest() {
    assert_eq!(split(0), split(512 * MIB));
    assert_eq!(split(512 * MIB - 1), split(512 * MIB));
    assert_eq!(least(Role::Control), 512 * MIB);
    assert_eq!(least(Role::Mixed), 1024 * MIB);
}

#[test]
fn the_options_are_in_the_unit_the_scripts_know() {
    let options = split(1024 * MIB).jvm_options();
    assert_eq!(options, "-Xms624M -Xmx624M -XX:MaxDirectMemorySize=208M");
}

proptest! {
    #[test]
    fn the_parts_never_exceed_the_limit(limit in prop_oneof![
        512 * MIB..64 * 1024 * MIB,
        512 * MIB..=u64::MAX,
    ]) {
        let memory = split(limit);
        let sum = memory.heap_mib + memory.direct_mib + memory.overhead_mib;
        prop_assert!(sum <= limit / MIB);
        prop_assert!(memory.overhead_mib >= 192 && memory.overhead_mib >= limit / MIB / 8);
        prop_assert!(memory.heap_mib > memory.direct_mib && memory.direct_mib > 0);
    }

    #[test]
    fn more_memory_is_never_less_in_all(limit in 0..256 * 1024 * MIB, more in 0..1024 * MIB) {
        prop_assert!(split(limit).size_mib() <= split(limit + more).size_mib());
    }
}
