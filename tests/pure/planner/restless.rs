//! Controllers that rest while there is nothing to do miss nothing: the same life in a world that always
//! has all of them look again ends in the same state, to the letter.

use proptest::prelude::*;
use tsinfra::observed::Scope;
use tsinfra::sandbox::Cluster;

use super::sketch::{sketches, wishes};
use super::*;

/// A sandbox that forgets, at every turn, that no controller had anything to do: it is not saved.
struct Restless(Sandbox);

fn forget(cluster: &mut Cluster) {
    let saved = serde_json::to_vec(cluster).unwrap();
    *cluster = serde_json::from_slice(&saved).unwrap();
}

impl World for Restless {
    tsinfra::pass_on!(me => me.0;
        target, look, preview, perform, keep, drop_record, swap, time_of_day, elapsed);

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        self.0.disturb(forget);
        self.0.stir(scope, at_most).await;
        self.0.disturb(forget);
    }
}

/// What happens to a world behind tsinfra's back, and, of storage, before all that is asked for.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Crash,
    LostNode,
    LostPod,
    Storage,
}

fn strike(cluster: &mut Cluster, trouble: Trouble) {
    const A_WHILE: Duration = Duration::from_secs(30);
    let pod = cluster.keys_of(Kind::Pod).pop();
    match (trouble, pod) {
        (Trouble::Crash, Some(pod)) => cluster.crash(&pod, A_WHILE),
        (Trouble::LostPod, Some(pod)) => cluster.delete(&pod),
        (Trouble::LostNode, _) => cluster.lose_node("worker-2", A_WHILE),
        (Trouble::Storage, _) => cluster.stall_storage(A_WHILE),
        (Trouble::Crash | Trouble::LostPod, _) => {}
    }
}

/// Made, changed after some trouble, taken down; the state after each of them.
fn lives<W: World>(
    world: &W,
    sandbox: &impl Fn(&W) -> &Sandbox,
    (first, second): (&Stack, &Stack),
    trouble: Trouble,
    turn: &impl Fn(&mut Cluster),
) -> Vec<String> {
    let mut states = Vec::new();
    let mut settle = |seconds: u64| {
        for _ in 0..2 * seconds {
            sandbox(world).disturb(|cluster| {
                turn(cluster);
                cluster.advance(Duration::from_millis(500));
            });
        }
        states.push(bytes(sandbox(world)));
    };
    let stall = || {
        if matches!(trouble, Trouble::Storage) {
            sandbox(world).disturb(|cluster| strike(cluster, trouble));
        }
    };
    stall();
    apply_all(world, first);
    sandbox(world).disturb(|cluster| strike(cluster, trouble));
    settle(60);
    stall();
    let change = plan(world, second);
    if change.blocked.is_empty() {
        run(world, &change);
    }
    settle(20);
    destroy_all(world, second);
    settle(5);
    states
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn resting_controllers_miss_nothing(sketch in sketches(), wishes in wishes()) {
        let (first, second) = (sketch.stack(), sketch.after(&wishes).stack());
        for trouble in [Trouble::Storage, Trouble::Crash, Trouble::LostNode, Trouble::LostPod] {
            let resting = lives(&sandbox(), &|it| it, (&first, &second), trouble, &|_| ());
            let restless =
                lives(&Restless(sandbox()), &|it| &it.0, (&first, &second), trouble, &forget);
            prop_assert!(resting == restless, "{:?}", trouble);
        }
    }
}
