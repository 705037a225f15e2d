//! `[cluster.NAME.pool.POOL]`: members that are alike.

use std::collections::BTreeMap;

use db_engine::cluster::{Content, EngineKind, Role, ScaleOut};
use db_engine::drivers::driver;

use crate::stack::findings::Findings;
use crate::stack::model::{PodOptions, Pool, Storage};
use crate::stack::quantity::Quantity;
use crate::stack::reader::{Table, Value};
use crate::stack::syntax::pod;

const POOL_KEYS: &[&str] = &[
    "role",
    "nodes",
    "storage",
    "resources",
    "scale_out",
    "settings",
    "pod",
    "grace",
    "ready_within",
];
const STORAGE_KEYS: &[&str] = &["tier", "size", Content::Wal.word()];
const APART_KEYS: &[&str] = &["tier", "size"];
const RESOURCES_KEYS: &[&str] = &["cpu", "memory"];

/// Members of one pool: beyond it a pod's name and a look at the cluster grow out of hand.
pub(super) const NODES_MAX: u32 = 1000;

/// A member stopped sooner may not have flushed what it holds.
const GRACE_SECONDS_MIN: u64 = 120;

/// Until a first start with an image to pull has likely ended.
const READY_SECONDS: u64 = 15 * 60;

const GIB: u64 = 1024 * 1024 * 1024;

/// Reads one pool of an engine; `around` is what its cluster says of pods.
pub(super) fn read(
    name: String,
    value: &Value<'_>,
    engine: EngineKind,
    around: &PodOptions,
    found: &mut Findings,
) -> Pool {
    let mut pool = stand_in(name, around);
    let Some(table) = Table::of(value, POOL_KEYS, found) else {
        return pool;
    };
    let roles = Role::ALL.map(|role| (role.word(), role));
    let role = table.need("role", "`role = \"mixed\"`", found);
    let titles = driver(engine).roles();
    let title = |role| titles.iter().find(|(known, _)| *known == role).map(|(_, title)| *title);
    if let Some(role) = role.and_then(|value| value.word_said("role", &roles, title, found)) {
        pool.role = role;
    }
    if let Some(nodes) = table.need("nodes", "`nodes = 3`", found) {
        let why = "it is how many members the pool has";
        let nodes = nodes.number(1..=i64::from(NODES_MAX), why, found);
        pool.nodes = nodes.unwrap_or(1).unsigned_abs() as u32;
    }
    read_storage(&table, &mut pool, found);
    read_resources(&table, &mut pool, found);
    let choices = ScaleOut::ALL.map(|choice| (choice.word(), choice));
    if let Some(value) = table.get("scale_out", found) {
        let choice = value.word("way to scale out", &choices, found);
        pool.scale_out = choice.unwrap_or_default();
    }
    if let Some(settings) = table.get("settings", found) {
        pool.settings = read_settings(&settings, found);
    }
    if let Some(value) = table.get("pod", found) {
        pool.pod = pod::over(around, pod::read(&value, found));
    }
    read_times(&table, &mut pool, found);
    pool
}

fn stand_in(name: String, around: &PodOptions) -> Pool {
    Pool {
        name,
        role: Role::Mixed,
        nodes: 1,
        data: no_storage(),
        apart: BTreeMap::new(),
        cpu: Quantity::from_bytes(0),
        memory: Quantity::from_bytes(0),
        scale_out: ScaleOut::None,
        settings: BTreeMap::new(),
        pod: around.clone(),
        grace_seconds: GRACE_SECONDS_MIN as i64,
        ready_within_seconds: READY_SECONDS,
    }
}

fn read_storage(table: &Table<'_>, pool: &mut Pool, found: &mut Findings) {
    let example = "`storage = { tier = \"ssd\", size = \"100Gi\" }`";
    let storage = table.need("storage", example, found);
    let Some(storage) = storage.and_then(|value| Table::of(&value, STORAGE_KEYS, found)) else {
        return;
    };
    pool.data = read_volume(&storage, found);
    for content in Content::APART {
        let apart = storage.get(content.word(), found);
        if let Some(apart) = apart.and_then(|value| Table::of(&value, APART_KEYS, found)) {
            pool.apart.insert(content, read_volume(&apart, found));
        }
    }
}

fn no_storage() -> Storage {
    Storage { tier: String::new(), size: Quantity::from_bytes(0) }
}

fn read_volume(table: &Table<'_>, found: &mut Findings) -> Storage {
    let mut storage = no_storage();
    let tier = table.need("tier", "`tier = \"ssd\"`", found);
    storage.tier = tier.and_then(|tier| tier.text(found)).unwrap_or_default();
    let size = table.need("size", "`size = \"100Gi\"`", found);
    if let Some(size) = size.and_then(|size| size.bytes("100Gi", found)) {
        storage.size = size;
    }
    storage
}

/// CPU and memory; a control member keeps metadata only and does with less.
fn read_resources(table: &Table<'_>, pool: &mut Pool, found: &mut Findings) {
    let (cpu, memory) = if pool.role == Role::Control { (1, 2 * GIB) } else { (2, 4 * GIB) };
    pool.cpu = Quantity::from_bytes(cpu);
    pool.memory = Quantity::from_bytes(memory);
    let table = table.get("resources", found);
    let Some(table) = table.and_then(|value| Table::of(&value, RESOURCES_KEYS, found)) else {
        return;
    };
    if let Some(cpu) = table.get("cpu", found).and_then(|value| value.quantity("500m", found)) {
        pool.cpu = cpu;
    }
    if let Some(memory) = table.get("memory", found).and_then(|value| value.bytes("4Gi", found)) {
        pool.memory = memory;
    }
}

fn read_times(table: &Table<'_>, pool: &mut Pool, found: &mut Findings) {
    if let Some(value) = table.get("grace", found)
        && let Some(seconds) = value.seconds(found)
    {
        if seconds < GRACE_SECONDS_MIN {
            let message = "`grace` must be at least `120s`";
            let help = "a member killed sooner may not have flushed what it holds in memory";
            value.wrong(message, "too short", help, found);
        }
        pool.grace_seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    }
    if let Some(seconds) = table.get("ready_within", found).and_then(|value| value.seconds(found)) {
        pool.ready_within_seconds = seconds;
    }
}

/// Settings of the engine: every value as the text its configuration would have.
pub(super) fn read_settings(value: &Value<'_>, found: &mut Findings) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, value) in value.named(found) {
        if let Some(text) = value.setting(found) {
            settings.insert(name, text);
        }
    }
    settings
}
