//! `[storage.TIER]`: where volumes come from, and what becomes of them.

use std::collections::BTreeMap;

use crate::stack::diagnostics::quoted;
use crate::stack::findings::Findings;
use crate::stack::model::{Binding, LocalVolume, Prepare, Reclaim, Recycle, Tier, TierKind};
use crate::stack::names;
use crate::stack::quantity::Quantity;
use crate::stack::reader::{Table, Value};
use crate::stack::syntax::pod;

const TIER_KEYS: &[&str] = &[
    "kind",
    "reclaim",
    "volumes",
    "nodes",
    "path",
    "per_node",
    "capacity",
    "prepare",
    "recycle",
    "provisioner",
    "class",
    "parameters",
    "expandable",
    "binding",
];
const LOCAL_KEYS: [&str; 7] =
    ["volumes", "nodes", "path", "per_node", "capacity", "prepare", "recycle"];
const CSI_KEYS: [&str; 5] = ["provisioner", "class", "parameters", "expandable", "binding"];
const VOLUME_KEYS: &[&str] = &["node", "path", "capacity"];

/// Directories one node may offer to one tier: more is a slip of the keyboard.
const PER_NODE_MAX: i64 = 100;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Local,
    Csi,
}

/// Reads one tier.
pub(super) fn read(name: String, value: &Value<'_>, found: &mut Findings) -> Tier {
    let mut tier = Tier {
        name,
        reclaim: Reclaim::Retain,
        kind: TierKind::Local(Vec::new()),
        prepare: None,
        recycle: Recycle::Manual,
    };
    let Some(table) = Table::of(value, TIER_KEYS, found) else {
        return tier;
    };
    let kind = table.need("kind", "`kind = \"csi\"`", found);
    let kinds = [("local", Kind::Local), ("csi", Kind::Csi)];
    let Some(kind) = kind.and_then(|kind| kind.word("kind of storage", &kinds, found)) else {
        // Without the kind nothing else can be judged.
        found.flaw(value.path());
        return tier;
    };
    (tier.reclaim, tier.kind) = match kind {
        Kind::Local => {
            foreign(&table, &CSI_KEYS, "local", "csi", found);
            tier.prepare = read_prepare(&table, found);
            tier.recycle = read_recycle(&table, found);
            (local_reclaim(&table, found), read_local(&table, found))
        }
        Kind::Csi => {
            foreign(&table, &LOCAL_KEYS, "csi", "local", found);
            (csi_reclaim(&table, found), read_csi(&table, found))
        }
    };
    tier
}

/// Refuses keys that belong to the other kind of tier.
fn foreign(table: &Table<'_>, keys: &[&'static str], own: &str, other: &str, found: &mut Findings) {
    for key in keys {
        if let Some(value) = table.get(key, found) {
            let message = format!("`{key}` has no meaning for {own} storage");
            let help = format!("remove it, or make the tier `kind = \"{other}\"`");
            value.wrong(message, format!("only for kind `{other}`"), help, found);
        }
    }
}

const RECLAIMS: [(&str, Reclaim); 2] = [("retain", Reclaim::Retain), ("delete", Reclaim::Delete)];

fn local_reclaim(table: &Table<'_>, found: &mut Findings) -> Reclaim {
    if let Some(value) = table.get("reclaim", found)
        && value.word("reclaim policy", &RECLAIMS, found) == Some(Reclaim::Delete)
    {
        let message = "a local tier cannot have reclaim `delete`";
        let help = "no provisioner can delete a directory of a node, so such a volume would only \
                    end as `Failed`; write `reclaim = \"retain\"` and clear the directory by hand";
        value.wrong(message, "not for local volumes", help, found);
    }
    Reclaim::Retain
}

const PREPARATIONS: [(&str, Prepare); 2] =
    [("create", Prepare::Create), ("expect", Prepare::Expect)];

fn read_prepare(table: &Table<'_>, found: &mut Findings) -> Option<Prepare> {
    table.get("prepare", found)?.word("way to prepare a directory", &PREPARATIONS, found)
}

const RECYCLINGS: [(&str, Recycle); 2] = [("manual", Recycle::Manual), ("scrub", Recycle::Scrub)];

fn read_recycle(table: &Table<'_>, found: &mut Findings) -> Recycle {
    let value = table.get("recycle", found);
    let recycle = value.and_then(|value| value.word("way to recycle a volume", &RECYCLINGS, found));
    recycle.unwrap_or(Recycle::Manual)
}

fn csi_reclaim(table: &Table<'_>, found: &mut Findings) -> Reclaim {
    // No default: what becomes of data is not to be guessed.
    let example =
        "`reclaim = \"retain\"` to keep data whose claim is gone, or `reclaim = \"delete\"`";
    let value = table.need("reclaim", example, found);
    let reclaim = value.and_then(|value| value.word("reclaim policy", &RECLAIMS, found));
    reclaim.unwrap_or(Reclaim::Retain)
}

fn read_local(table: &Table<'_>, found: &mut Findings) -> TierKind {
    let Some(volumes) = table.get("volumes", found) else {
        return read_on_nodes(table, found);
    };
    for key in ["nodes", "path", "per_node", "capacity"] {
        if let Some(value) = table.get(key, found) {
            let message = format!("`{key}` does not go together with `volumes`");
            let help = "list each volume in `volumes`, or describe alike ones by `nodes`, `path` \
                        and `capacity`";
            value.wrong(message, "either this or `volumes`", help, found);
        }
    }
    let list = volumes.list(found);
    if list.is_empty() && found.sound(&borrowed(volumes.path())) {
        let help =
            "list them like `{ node = \"worker-1\", path = \"/mnt/ssd0\", capacity = \"200Gi\" }`";
        volumes.wrong("the tier has no volumes", "empty", help, found);
    }
    TierKind::Local(list.iter().map(|volume| read_volume(volume, found)).collect())
}

fn read_volume(value: &Value<'_>, found: &mut Findings) -> LocalVolume {
    let mut volume =
        LocalVolume { node: String::new(), path: String::new(), capacity: Quantity::from_bytes(0) };
    let Some(table) = Table::of(value, VOLUME_KEYS, found) else {
        return volume;
    };
    if let Some(node) = table.need("node", "`node = \"worker-1\"`", found) {
        let node = node.text_by("name of a node", names::node, names::SUBDOMAIN_HELP, found);
        volume.node = node.unwrap_or_default();
    }
    if let Some(path) = table.need("path", "`path = \"/mnt/ssd0\"`", found) {
        volume.path = read_path(&path, found).unwrap_or_default();
        if volume.path.contains(['{', '}']) {
            let help = "write the directory out; `{index}` is for `nodes` with `per_node`";
            path.wrong("a volume in `volumes` has one directory", "not filled in", help, found);
        }
    }
    if let Some(capacity) = table.need("capacity", "`capacity = \"200Gi\"`", found)
        && let Some(capacity) = capacity.bytes("200Gi", found)
    {
        volume.capacity = capacity;
    }
    volume
}

/// The directories inside which local volumes may be.
pub(super) fn read_paths(value: &Value<'_>, found: &mut Findings) -> Vec<String> {
    let list = value.list(found);
    if list.is_empty() && found.sound(&borrowed(value.path())) {
        let help = "list directories like `[\"/mnt/disks\"]`, or leave `paths` out to allow any";
        value.wrong("no directory is allowed to local volumes", "empty", help, found);
    }
    list.iter().filter_map(|path| read_path(path, found)).collect()
}

/// A directory on a node, without a trailing `/`.
fn read_path(value: &Value<'_>, found: &mut Findings) -> Option<String> {
    let path = value.text_by("directory for volumes", directory, PATH_HELP, found)?;
    Some(path.trim_end_matches('/').to_owned())
}

fn directory(path: &str) -> Result<(), String> {
    names::printable(path)?;
    if !path.starts_with('/') {
        return Err("it is not absolute; start it with `/`".to_owned());
    }
    if path.trim_end_matches('/').is_empty() {
        return Err("it is the node's whole file system".to_owned());
    }
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    if parts.iter().any(|part| matches!(*part, ".." | "." | "")) {
        return Err("it has a part that is empty, `.` or `..`".to_owned());
    }
    names::fits(path, PATH_MAX)
}

const PATH_HELP: &str = "write a directory of the node such as `/mnt/ssd0`";

/// What Linux takes.
const PATH_MAX: usize = 1024;

fn read_on_nodes(table: &Table<'_>, found: &mut Findings) -> TierKind {
    let example =
        "`volumes = [{ node = \"worker-1\", path = \"/mnt/ssd0\", capacity = \"200Gi\" }]`";
    if !["nodes", "path", "per_node", "capacity"].iter().any(|key| table.has(key)) {
        let _ = table.need("volumes", example, found);
        return TierKind::Local(Vec::new());
    }
    let mut labels = BTreeMap::new();
    if let Some(nodes) = table.need("nodes", "`nodes = { disktype = \"ssd\" }`", found) {
        labels = pod::read_labels(&nodes, found);
        if labels.is_empty() && found.sound(&borrowed(nodes.path())) {
            let help = "name labels, such as `nodes = { disktype = \"ssd\" }`";
            nodes.wrong("the tier does not say which nodes", "every node would match", help, found);
        }
    }
    let per_node = table.get("per_node", found).and_then(|value| {
        value.number(1..=PER_NODE_MAX, "it is how many such directories each node has", found)
    });
    let per_node = per_node.unwrap_or(1).unsigned_abs() as u32;
    let mut path = String::new();
    if let Some(value) = table.need("path", "`path = \"/mnt/disks/{index}\"`", found) {
        path = read_path(&value, found).unwrap_or_default();
        check_pattern(&value, &path, per_node, found);
    }
    let capacity = table.need("capacity", "`capacity = \"200Gi\"`", found);
    let capacity = capacity.and_then(|value| value.bytes("200Gi", found));
    let capacity = capacity.unwrap_or(Quantity::from_bytes(0));
    TierKind::LocalOnNodes { labels, path, per_node, capacity }
}

/// A path for several directories tells them apart by `{index}`, and has nothing else in braces.
fn check_pattern(value: &Value<'_>, path: &str, per_node: u32, found: &mut Findings) {
    if path.replace("{index}", "").contains(['{', '}']) {
        let message = format!("{} has braces that stand for nothing", quoted(path));
        value.wrong(message, "only `{index}` is filled in", "write `/mnt/disks/{index}`", found);
    } else if !path.is_empty() && per_node > 1 && !path.contains("{index}") {
        let message = format!("{per_node} volumes of a node would share one directory");
        let help = "put `{index}` in the path: it becomes 0, 1, ... up to `per_node`";
        value.wrong(message, "no `{index}` in it", help, found);
    }
}

const BINDINGS: [(&str, Binding); 2] =
    [("wait-for-first-consumer", Binding::WaitForFirstConsumer), ("immediate", Binding::Immediate)];

fn read_csi(table: &Table<'_>, found: &mut Findings) -> TierKind {
    let Some(class) = table.get("class", found) else {
        let example =
            "`provisioner = \"ebs.csi.aws.com\"`, or `class` with the name of an existing one";
        let provisioner = table.need("provisioner", example, found);
        let provisioner = provisioner.and_then(|value| {
            value.text_by("name of a driver", names::subdomain, names::SUBDOMAIN_HELP, found)
        });
        let parameters = table.get("parameters", found).map(|value| value.texts(found));
        let expandable = table.get("expandable", found).and_then(|value| value.flag(found));
        let binding = table.get("binding", found);
        let binding = binding.and_then(|value| value.word("way to bind", &BINDINGS, found));
        return TierKind::Csi {
            provisioner: provisioner.unwrap_or_default(),
            parameters: parameters.unwrap_or_default(),
            expandable: expandable.unwrap_or(false),
            binding: binding.unwrap_or(Binding::WaitForFirstConsumer),
        };
    };
    for key in ["provisioner", "parameters", "expandable", "binding"] {
        if let Some(value) = table.get(key, found) {
            let message = format!("`{key}` does not go together with `class`");
            let help = "an existing class is used as it is; remove `class` to have one made";
            value.wrong(message, "either this or `class`", help, found);
        }
    }
    let class =
        class.text_by("name of a StorageClass", names::subdomain, names::SUBDOMAIN_HELP, found);
    TierKind::CsiClass { class: class.unwrap_or_default() }
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}
