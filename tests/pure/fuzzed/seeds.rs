//! What inputs are made from: the kept corpus, the shipped stacks, recorded answers, and what this
//! program itself writes today.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};
use tsinfra::apply::hold::Claim;
use tsinfra::apply::{self};
use tsinfra::inventory::Inventory;
use tsinfra::lock::Lock;
use tsinfra::object::Kind;
use tsinfra::observed::Observed;
use tsinfra::plan::{Plan, Purpose, saved};
use tsinfra::sandbox::Sandbox;
use tsinfra::survey::{self, Request};

use super::targets::{TARGETS, quickstart};

/// What the program writes of a small stack's life.
pub(crate) struct Made {
    /// A plan that makes it.
    pub(crate) first: Plan,
    /// A plan that changes one setting of it.
    pub(crate) change: Plan,
    /// Looks at it before, after and while it is changed.
    pub(crate) looks: Vec<Observed>,
    /// The ConfigMap of its record.
    pub(crate) record: Value,
}

/// The small stack's life; lived once.
pub(crate) fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(live)
}

fn live() -> Made {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sandbox, stack) = (Sandbox::in_memory(), quickstart());
    let mut changed = quickstart();
    let settings = &mut changed.clusters.get_mut("demo").unwrap().settings;
    settings.insert("dn_metric_level".to_owned(), "OFF".to_owned());
    let plan = |stack| {
        let request = Request { stack, digest: "d", purpose: Purpose::Apply, consents: &[] };
        runtime.block_on(survey::plan(&sandbox, &request)).unwrap()
    };
    let look =
        || runtime.block_on(survey::look(&sandbox, &stack, Purpose::Apply)).unwrap().observed;
    let first = plan(&stack);
    let before = look();
    let (holder, purpose) = ("a test".to_owned(), "apply".to_owned());
    let claim = Claim { holder, purpose, patience: Duration::ZERO };
    let stop = AtomicBool::new(false);
    let outcome = runtime.block_on(apply::run(&sandbox, &first, &claim, &stop, |_| (), |_| ()));
    assert!(outcome.is_complete(&first), "{outcome:?}");
    let (change, after) = (plan(&changed), look());
    let pod = after.of_kind(Kind::Pod).next().unwrap().0.clone();
    sandbox.disturb(|cluster| cluster.delete(&pod));
    let record = Inventory::key(&stack.namespace, &stack.name);
    let record = sandbox.snapshot().get(&record).cloned().unwrap();
    Made { first, change, looks: vec![before, after, look()], record }
}

/// A target's seeds, in an order that does not change.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = files(&root.join("tests/fuzz/corpus").join(target), "");
    match target {
        "stack" => {
            seeds.extend(files(&root.join("stacks"), "toml"));
            seeds.extend(files(&root.join("tests/pure/stacks/bad"), "toml"));
        }
        "plan_file" => {
            let plans = [&made().change, &made().first];
            seeds.extend(plans.map(|plan| saved::text(plan).unwrap().into_bytes()));
        }
        "record" => {
            let text = made().record["data"]["inventory.json"].as_str().unwrap();
            seeds.push(text.as_bytes().to_vec());
            seeds.push(made().record.to_string().into_bytes());
        }
        "lease" => {
            let text = |text: &str| text.to_owned();
            let lock = Lock {
                holder: text("ana@host (process 7)"),
                purpose: text("apply"),
                acquired: text("2026-11-22T09:00:00.000000Z"),
                renewed: text("2026-11-22T09:00:10.000000Z"),
                epoch: 3,
                begun: [text("create/StatefulSet/tsdb/history-data")].into(),
            };
            seeds.push(lock.to_lease("tsdb", "plant").to_string().into_bytes());
        }
        "database" => seeds.extend(recorded(root)),
        "object" => {
            let objects = made().looks.iter().flat_map(|look| look.objects.values());
            let objects = objects.map(|live| live.value.to_string().into_bytes());
            seeds.extend(objects.step_by(5));
        }
        "world" => {
            seeds.extend(made().looks.iter().map(|look| json!(look).to_string().into_bytes()));
        }
        _ => {}
    }
    seeds
}

/// The answers of each recorded moment, and of every recorded statement, a line each.
fn recorded(root: &Path) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for name in ["survey", "statements", "refusals"] {
        let path = root.join(format!("db-engine/tests/pure/recorded/{name}.jsonl"));
        let mut moment = Value::Null;
        for line in fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let answer = line["answer"].to_string();
            match seeds.last_mut() {
                Some(seed) if line["moment"].is_string() && line["moment"] == moment => {
                    seed.extend(format!("\n{answer}").bytes());
                }
                _ => seeds.push(answer.into_bytes()),
            }
            moment = line["moment"].clone();
        }
    }
    seeds
}

fn files(folder: &Path, ending: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Writes every target's seeds below a folder, for cargo-fuzz to start from.
pub(super) fn write(folder: &Path) {
    for (name, _) in TARGETS {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (n, seed) in of(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:03}")), seed).unwrap();
        }
    }
}
