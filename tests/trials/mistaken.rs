//! Executors with deliberate mistakes, each of which the safety rules must catch: tests of the tests.
//! What no rule tells is a hole in the rules.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod plans;
mod worlds;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use tsinfra::apply::hold::Claim;
use tsinfra::apply::{self, Outcome};
use tsinfra::object::{Kind, LABEL_STACK, ObjectKey};
use tsinfra::plan::step::Action;
use tsinfra::plan::{Plan, Purpose};
use tsinfra::rehearsal::fault::Fault;
use tsinfra::rehearsal::faulty::Faulty;
use tsinfra::rehearsal::matrix::{self, Operation};
use tsinfra::rehearsal::trial::Executor;
use tsinfra::sandbox::{Cluster, Sandbox};
use tsinfra::stack::Stack;
use tsinfra::world::World as _;

use super::simulated::block_on;
use worlds::{Twist, Twisted};

/// A mistake an executor may make.
#[derive(Clone, Copy)]
struct Mistake {
    /// What it does wrong.
    what: &'static str,
    /// The operation it shows in, of [`operations`].
    during: &'static str,
    /// The faults at some effect of it, one at a time; none: it shows without.
    under: &'static [Fault],
    /// What the rules say of it, among other things.
    told: &'static str,
    /// What it makes of a plan.
    spoil: fn(&mut Plan),
    /// What it makes of what it sees and asks for.
    twist: Twist,
}

impl Executor for Mistake {
    fn read(&self, mut plan: Plan) -> Plan {
        (self.spoil)(&mut plan);
        plan
    }

    async fn run(&self, world: &Faulty<'_>, plan: &Plan, claim: &Claim) -> Outcome {
        let twisted = Twisted::new(world, self.twist, plan);
        let stop = AtomicBool::new(false);
        apply::run(&twisted, plan, claim, &stop, |_| (), |_| ()).await
    }
}

const PAIR: &str = r#"
[stack]
name = "pair"
[target]
sandbox = true
[storage.swift]
kind = "csi"
provisioner = "sandbox.tsinfra.dev"
reclaim = "delete"
[storage.vault]
kind = "csi"
provisioner = "sandbox.tsinfra.dev"
reclaim = "retain"
[cluster.duo]
engine = "iotdb"
version = "2.0.5"
[cluster.duo.iotdb]
schema_replication = 2
data_replication = 2
[cluster.duo.pool.config]
role = "control"
nodes = 1
storage = { tier = "swift", size = "5Gi" }
[cluster.duo.pool.hot]
role = "mixed"
nodes = 2
storage = { tier = "swift", size = "20Gi" }
[cluster.duo.pool.warm]
role = "mixed"
nodes = 2
storage = { tier = "vault", size = "20Gi" }
"#;

const DIRECTORIES: &str = r#"
[stack]
name = "pair"
paths = ["/mnt"]
[target]
sandbox = true
[storage.disk]
kind = "local"
prepare = "create"
volumes = [
  { node = "worker-1", path = "/mnt/a", capacity = "20Gi" },
  { node = "worker-2", path = "/mnt/b", capacity = "20Gi" },
]
[cluster.one]
engine = "iotdb"
version = "2.0.5"
[cluster.one.iotdb]
schema_replication = 1
data_replication = 1
[cluster.one.pool.config]
role = "control"
nodes = 1
storage = { tier = "disk", size = "5Gi" }
[cluster.one.pool.data]
role = "mixed"
nodes = 1
storage = { tier = "disk", size = "20Gi" }
"#;

const MACHINES: &str = r#"
[stack]
name = "pair"
[target]
sandbox = true
[storage.meta]
kind = "local"
volumes = [
  { node = "worker-1", path = "/mnt/meta", capacity = "5Gi" },
]
[storage.disk]
kind = "local"
volumes = [
  { node = "worker-1", path = "/mnt/data", capacity = "20Gi" },
  { node = "worker-2", path = "/mnt/data", capacity = "20Gi" },
  { node = "worker-3", path = "/mnt/data", capacity = "20Gi" },
]
[cluster.one]
engine = "iotdb"
version = "2.0.5"
[cluster.one.iotdb]
schema_replication = 2
data_replication = 2
[cluster.one.pool.config]
role = "control"
nodes = 1
storage = { tier = "meta", size = "5Gi" }
[cluster.one.pool.data]
role = "mixed"
nodes = 3
storage = { tier = "disk", size = "20Gi" }
"#;

fn read(text: &str) -> Stack {
    tsinfra::stack::read("pair", text)
        .unwrap_or_else(|wrong| panic!("{}", wrong.render(false, 100)))
}

/// The operations mistakes show in, by name: two storing pools, of a tier that deletes and of one
/// that retains; and some that the product refuses.
fn operations() -> &'static BTreeMap<&'static str, Operation> {
    static ALL: OnceLock<BTreeMap<&'static str, Operation>> = OnceLock::new();
    ALL.get_or_init(|| {
        block_on(async {
            let stack = read(PAIR);
            let empty = matrix::furnished(&stack);
            let created = matrix::lived(&empty, &stack).await;
            let guarded = read(&PAIR.replace("version =", "protect = true\nversion ="));
            let fewer = read(&PAIR.replacen("nodes = 2", "nodes = 1", 1));
            let hot = PAIR.find("[cluster.duo.pool.hot]").unwrap();
            let warm = PAIR.find("[cluster.duo.pool.warm]").unwrap();
            let one_pool = read(&[&PAIR[..hot], &PAIR[warm..]].concat());
            let heavier = read(&PAIR.replace("nodes =", "resources = { cpu = \"3\" }\nnodes ="));
            let larger = read(
                &PAIR.replace("Gi\"", "0Gi\"").replace("reclaim =", "expandable = true\nreclaim ="),
            );
            let none = read(PAIR.split("[cluster").next().unwrap());
            let directories = read(DIRECTORIES);
            let bare = matrix::furnished(&directories);
            let (apply, destroy) = (Purpose::Apply, Purpose::Destroy);
            let all = [
                ("create", &empty, &stack, apply),
                ("restart", &created, &heavier, apply),
                ("grow", &created, &larger, apply),
                ("destroy", &created, &stack, destroy),
                ("destroy beside strangers", &beside_strangers(&created).await, &stack, destroy),
                ("destroy what is protected", &created, &guarded, destroy),
                ("drop a cluster", &created, &none, apply),
                ("scale in", &created, &fewer, apply),
                ("take a pool out", &created, &one_pool, apply),
                ("prepare", &bare, &directories, apply),
                ("create without storage", &without_storage(&empty), &stack, apply),
            ];
            let (machine_lost, with_spare, pod) = {
                let stack = read(MACHINES);
                let lived = matrix::lived(&matrix::furnished(&stack), &stack).await;
                matrix::one_lost(&lived, &stack).unwrap()
            };
            let replace = Operation::new(
                "replace".to_owned(),
                machine_lost,
                with_spare,
                apply,
                vec![pod.to_string()],
            );
            let replace = replace.await;
            assert_eq!(replace.straight.wrong, Vec::<String>::new());
            let mut operations = BTreeMap::from([("replace", replace)]);
            for (name, base, stack, purpose) in all {
                let (base, stack) = (base.clone(), stack.clone());
                let operation = Operation::new(name.to_owned(), base, stack, purpose, Vec::new());
                let operation = operation.await;
                let goes =
                    !["create without storage", "destroy what is protected", "drop a cluster"]
                        .contains(&name);
                assert!(!goes || operation.straight.wrong.is_empty(), "{:#?}", operation.straight);
                operations.insert(name, operation);
            }
            operations
        })
    })
}

/// A claim of another stack in the same namespace.
async fn beside_strangers(base: &Cluster) -> Cluster {
    let sandbox = Sandbox::resumed(base.clone());
    let object = ObjectKey::within(Kind::PersistentVolumeClaim, "pair", "of-a-stranger");
    let manifest = json!({ "metadata": { "labels": { LABEL_STACK: "stranger" } }, "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    }});
    sandbox.perform(&Action::Create { object, manifest }).await.unwrap();
    sandbox.snapshot()
}

/// Storage that never gives a volume.
fn without_storage(base: &Cluster) -> Cluster {
    let mut base = base.clone();
    base.stall_storage(std::time::Duration::from_secs(u64::from(u32::MAX)));
    base
}

/// The place at which the rules tell of a mistake, and how many trials it took to find it.
fn caught(mistake: &Mistake) -> Result<(BTreeMap<usize, Fault>, usize), usize> {
    let operation = &operations()[mistake.during];
    let effects = operation.straight.effects.max(1);
    let places: Vec<BTreeMap<usize, Fault>> = match mistake.under {
        [] => vec![BTreeMap::new()],
        faults => (0..effects)
            .flat_map(|effect| faults.iter().map(move |fault| BTreeMap::from([(effect, *fault)])))
            .collect(),
    };
    let tells = |wrong: &[String]| wrong.iter().any(|wrong| wrong.contains(mistake.told));
    for (tried, faults) in places.iter().enumerate() {
        let report = block_on(operation.by(mistake, faults.clone()));
        if tells(&report.wrong) {
            let ours = block_on(operation.under(faults.clone()));
            assert!(!tells(&ours.wrong), "{}: told of the product too: {ours:?}", mistake.what);
            return Ok((faults.clone(), tried + 1));
        }
    }
    Err(places.len())
}

#[test]
fn every_planted_mistake_is_caught() {
    let mistakes: Vec<Mistake> = plans::all().into_iter().chain(worlds::all()).collect();
    let (mut told, mut missed, mut trials) = (Vec::new(), Vec::new(), 0);
    for mistake in &mistakes {
        match caught(mistake) {
            Ok((faults, tried)) => {
                trials += tried;
                told.push(format!("{}: `{}` {faults:?}", mistake.what, mistake.told));
            }
            Err(tried) => missed.push(format!("{} ({tried} trials)", mistake.what)),
        }
    }
    assert!(
        missed.is_empty(),
        "not caught:\n{}\n\ncaught:\n{}",
        missed.join("\n"),
        told.join("\n")
    );
    assert!(mistakes.len() >= 30);
    #[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
    {
        println!("{} planted mistakes, all caught, in {trials} trials", mistakes.len());
    }
}
