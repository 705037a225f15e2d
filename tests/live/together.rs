//! Two real processes that do the same to one stack at the same time.

use crate::bench::{Bench, Phase};
use crate::live;
use crate::lives::tell;
use crate::proxy::Proxy;
use crate::record::Asked;

/// How often both begin at once.
const TIMES: usize = 2;

#[test]
fn two_at_once_write_one_after_the_other() {
    if !live() {
        return;
    }
    let mut bench = Bench::new("together");
    let other = Proxy::start(bench.stage.kubeconfig(), &bench.record);
    let (mut pairs, mut writes) = (0, 0);
    for _ in 0..TIMES {
        for phase in Phase::LIFE {
            let before = bench.record.all().len();
            let runs = bench.live_twice(phase, &other);
            for run in &runs {
                assert!(matches!(run.code, Some(0 | 3)), "{phase:?}: {:?} {}", run.code, run.text);
                let knows_the_end = run.code == Some(0) || run.unfolded().contains(" stale: ");
                assert!(knows_the_end, "{phase:?}: {}", run.text);
            }
            assert!(runs.iter().any(|run| run.code == Some(0)), "{phase:?}: {}", runs[0].text);
            let asked = bench.record.all().split_off(before);
            writes += take_turns(&asked);
            assert!(bench.is_settled(phase), "{phase:?}: something is left to do");
            pairs += 1;
        }
    }
    bench.check_rules();
    tell(&format!("together: {pairs} pairs of processes, {writes} writes, none between another's"));
}

/// Holds that one process has written all it wrote before the other began, but for the lock itself
/// and the namespace that is made before it. Gives how many writes there were.
fn take_turns(asked: &[Asked]) -> usize {
    let guarded =
        |asked: &&Asked| asked.is_write() && !asked.is_of_the_lock() && !asked.is_of_a_namespace();
    let writes: Vec<&Asked> = asked.iter().filter(guarded).collect();
    let turns: Vec<&[&Asked]> = writes.chunk_by(|one, next| one.run == next.run).collect();
    assert!(turns.len() <= 2, "they take turns {} times", turns.len());
    if let [first, second] = turns.as_slice() {
        let ended = first.iter().filter_map(|asked| asked.ended).max();
        let begun = second.iter().map(|asked| asked.begun).min();
        assert!(ended < begun, "the second begins before the first has ended");
    }
    writes.len()
}
