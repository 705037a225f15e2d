//! `[cluster.NAME]`: one database, its image, its engine's own table, how clients reach it.

use std::collections::BTreeMap;

use db_engine::cluster::EngineKind;

use crate::stack::findings::Findings;
use crate::stack::model::{Cluster, Expose, ExposeKind, Image};
use crate::stack::names;
use crate::stack::reader::{Table, Value};
use crate::stack::syntax::{pod, pool};

const CLUSTER_KEYS: &[&str] =
    &["engine", "version", "protect", "image", "pod", "credentials", "iotdb", "pool", "expose"];
const IMAGE_KEYS: &[&str] = &["repository", "tag", "pull_policy", "pull_secrets"];
const CREDENTIALS_KEYS: &[&str] = &["secret"];
const ENGINE_KEYS: &[&str] = &["schema_replication", "data_replication", "settings"];
const EXPOSE_KEYS: &[&str] = &["kind", "port", "annotations"];

/// Replicas of schema unless the stack says otherwise: three members survive the loss of one.
const SCHEMA_REPLICAS: u32 = 3;

/// Replicas of data unless the stack says otherwise: each costs a full copy on disk.
const DATA_REPLICAS: u32 = 2;

const SECRET_EXAMPLE: &str = "`secret = \"NAME\"`, a Secret with the keys `user` and `password`; \
                              they are never written into a stack";
const VERSION_HELP: &str =
    "write the engine's version, such as `2.0.5`; an image of another tag goes into `image`";
const REPOSITORY_HELP: &str = "write it without a tag, such as `registry.plant.local/iotdb`";
const TAG_HELP: &str = "write a tag such as `2.0.5-standalone`, perhaps with its `@sha256:` digest";

/// Reads one cluster.
pub(super) fn read(name: String, value: &Value<'_>, found: &mut Findings) -> Cluster {
    let mut cluster = stand_in(name);
    let Some(table) = Table::of(value, CLUSTER_KEYS, found) else {
        return cluster;
    };
    let engines: Vec<_> = EngineKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    let engine = table.need("engine", "`engine = \"iotdb\"`", found);
    if let Some(engine) = engine.and_then(|value| value.word("engine", &engines, found)) {
        cluster.engine = engine;
    }
    if let Some(value) = table.need("version", "`version = \"2.0.5\"`", found) {
        let text = value.text_by("version", version, VERSION_HELP, found);
        cluster.version = text.unwrap_or_default();
    }
    if let Some(value) = table.get("protect", found) {
        cluster.protect = value.flag(found).unwrap_or(true);
    }
    cluster.image = read_image(&table, found);
    let credentials = table.get("credentials", found);
    let credentials = credentials.and_then(|value| Table::of(&value, CREDENTIALS_KEYS, found));
    if let Some(credentials) = credentials
        && let Some(value) = credentials.need("secret", SECRET_EXAMPLE, found)
    {
        cluster.credentials = value.text(found).filter(|name| {
            let reason = names::subdomain(name).err();
            if let Some(reason) = &reason {
                // Not quoted: what is no name may be the password itself.
                let message = format!("{} is no name of a Secret: {reason}", value.name());
                value.wrong(message, "cannot be used", names::SUBDOMAIN_HELP, found);
            }
            reason.is_none()
        });
    }
    let pod_options = table.get("pod", found).map(|value| pod::read(&value, found));
    let pod_options = pod_options.unwrap_or_default();
    if let Some(pools) = table.get("pool", found) {
        for (name, pool) in pools.named(found) {
            let pool = pool::read(name.clone(), &pool, cluster.engine, &pod_options, found);
            cluster.pools.insert(name, pool);
        }
    }
    // After the pools: the defaults depend on how many members store data.
    read_engine(&table, &mut cluster, found);
    if let Some(expose) = table.get("expose", found) {
        cluster.expose = read_expose(&expose, found);
    }
    cluster
}

fn stand_in(name: String) -> Cluster {
    Cluster {
        name,
        engine: EngineKind::Iotdb,
        version: String::new(),
        protect: false,
        image: Image::default(),
        credentials: None,
        schema_replication: 1,
        data_replication: 1,
        settings: BTreeMap::new(),
        pools: BTreeMap::new(),
        expose: Expose { kind: ExposeKind::ClusterIp, annotations: BTreeMap::new() },
    }
}

/// Numbers with dots, then perhaps `-` and a word.
fn version(text: &str) -> Result<(), String> {
    let (numbers, suffix) = match text.split_once('-') {
        Some((numbers, suffix)) => (numbers, Some(suffix)),
        None => (text, None),
    };
    let parts: Vec<&str> = numbers.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if parts.len() < 2 || !parts.iter().all(number) {
        return Err("it is not numbers with dots between them".to_owned());
    }
    if let Some(suffix) = suffix {
        if suffix.is_empty() {
            return Err("nothing follows its `-`".to_owned());
        }
        names::label_value(suffix).map_err(|reason| format!("after `-`, {reason}"))?;
    }
    names::fits(text, names::LABEL_MAX)
}

fn read_image(table: &Table<'_>, found: &mut Findings) -> Image {
    let mut image = Image::default();
    let table = table.get("image", found).and_then(|value| Table::of(&value, IMAGE_KEYS, found));
    let Some(table) = table else {
        return image;
    };
    if let Some(value) = table.get("repository", found) {
        image.repository =
            value.text_by("repository of an image", repository, REPOSITORY_HELP, found);
    }
    if let Some(value) = table.get("tag", found) {
        image.tag = value.text_by("tag of an image", tag, TAG_HELP, found);
    }
    let policies = ["Always", "IfNotPresent", "Never"].map(|policy| (policy, policy));
    if let Some(value) = table.get("pull_policy", found) {
        image.pull_policy = value.word("pull policy", &policies, found).map(str::to_owned);
    }
    if let Some(secrets) = table.get("pull_secrets", found) {
        let list = secrets.list(found);
        let name = |value: &Value<'_>| {
            value.text_by("name of a Secret", names::subdomain, names::SUBDOMAIN_HELP, found)
        };
        image.pull_secrets = list.iter().filter_map(name).collect();
    }
    image
}

/// A whole image: `busybox:1.37.0`, perhaps of a registry with a port, perhaps pinned by a digest.
pub(super) fn image(text: &str) -> Result<(), String> {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, format!("@{digest}")),
        None => (text, String::new()),
    };
    match named.rsplit_once(':') {
        Some((name, version)) if !version.contains('/') => {
            repository(name)?;
            tag(&format!("{version}{digest}"))
        }
        _ => Err("it has no tag, and what runs on nodes is not left to chance".to_owned()),
    }
}

pub(super) const IMAGE_HELP: &str =
    "write it with its tag, such as `registry.plant.local/busybox:1.37.0`; it needs a shell";

fn repository(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
    let (host, path) = text.split_once('/').unwrap_or(("", text));
    if path.contains(':') || text.contains('@') {
        return Err("it has a tag or a digest; that goes into `tag`".to_owned());
    }
    if text.is_empty() || text.split('/').any(str::is_empty) {
        return Err("a part of it is empty".to_owned());
    }
    if !text.chars().all(allowed) || path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("it has characters that registries refuse".to_owned());
    }
    names::fits(host, 253)?;
    names::fits(text, 512)
}

/// A tag, perhaps pinned by a digest: `2.0.5-standalone` or `2.0.5@sha256:...`.
fn tag(text: &str) -> Result<(), String> {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (text, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if tag.is_empty() || tag.starts_with(['.', '-']) || !tag.chars().all(allowed) {
        return Err("it is not letters, digits, `.`, `_` and `-`".to_owned());
    }
    let hex = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if digest.is_some_and(|digest| !digest.strip_prefix("sha256:").is_some_and(hex)) {
        return Err("what follows `@` is not `sha256:` and 64 hex digits".to_owned());
    }
    names::fits(tag, 128)
}

/// The engine's own table. The defaults do not depend on how many members there are: the number of
/// replicas is fixed at a cluster's start, so that adding a member must not ask for another.
fn read_engine(table: &Table<'_>, cluster: &mut Cluster, found: &mut Findings) {
    cluster.schema_replication = SCHEMA_REPLICAS;
    cluster.data_replication = DATA_REPLICAS;
    let own = table.get("iotdb", found).and_then(|value| Table::of(&value, ENGINE_KEYS, found));
    let Some(own) = own else {
        return;
    };
    let mut factor = |key: &'static str| {
        let value = own.get(key, found)?;
        let why = "it is on how many members each piece is kept; 1 to 3 are usual";
        value.number(1..=i64::from(pool::NODES_MAX), why, found)
    };
    if let Some(number) = factor("schema_replication") {
        cluster.schema_replication = number.unsigned_abs() as u32;
    }
    if let Some(number) = factor("data_replication") {
        cluster.data_replication = number.unsigned_abs() as u32;
    }
    if let Some(settings) = own.get("settings", found) {
        cluster.settings = pool::read_settings(&settings, found);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    ClusterIp,
    NodePort,
    LoadBalancer,
}

fn read_expose(value: &Value<'_>, found: &mut Findings) -> Expose {
    let mut expose = Expose { kind: ExposeKind::ClusterIp, annotations: BTreeMap::new() };
    let Some(table) = Table::of(value, EXPOSE_KEYS, found) else {
        return expose;
    };
    let kinds = [
        ("cluster-ip", Kind::ClusterIp),
        ("node-port", Kind::NodePort),
        ("load-balancer", Kind::LoadBalancer),
    ];
    let kind = table.need("kind", "`kind = \"node-port\"`", found);
    let kind = kind.and_then(|value| value.word("kind of access", &kinds, found));
    let mut port = None;
    if let Some(value) = table.get("port", found) {
        if kind.is_none_or(|kind| kind == Kind::NodePort) {
            let why = "Kubernetes gives out node ports from 30000 to 32767 only";
            port = value.number(30_000..=32_767, why, found);
        } else {
            let message = "`port` goes with kind `node-port` only";
            let help = "remove it: in all other kinds clients use the database's own port";
            value.wrong(message, "not for this kind", help, found);
        }
    }
    expose.kind = match kind {
        Some(Kind::NodePort) => {
            ExposeKind::NodePort(port.and_then(|port| u16::try_from(port).ok()))
        }
        Some(Kind::LoadBalancer) => ExposeKind::LoadBalancer,
        Some(Kind::ClusterIp) | None => ExposeKind::ClusterIp,
    };
    if let Some(annotations) = table.get("annotations", found) {
        expose.annotations = pod::read_annotations(&annotations, found);
    }
    expose
}
