//! From TOML text to a stack: every table and key, each value held against what it must be by itself.
//!
//! What is wrong leaves a stand-in behind, marked as not to be relied on, so that the rest of the
//! file is still read and checked; a stack with stand-ins is never handed out.

mod cluster;
mod moved;
mod pod;
mod pool;
mod storage;
mod tear;

use toml::de::DeTable;

use crate::stack::diagnostics::Mistake;
use crate::stack::findings::Findings;
use crate::stack::model::{HELPER_IMAGE, Stack, Target};
use crate::stack::names;
use crate::stack::reader::Table;

const ROOT_KEYS: &[&str] = &["stack", "target", "storage", "cluster", "moved"];
const STACK_KEYS: &[&str] = &["name", "namespace", "cluster_domain", "paths", "helper_image"];
const TARGET_KEYS: &[&str] = &["sandbox", "context", "kubeconfig"];

/// Reads a stack and everything that is wrong with its values.
pub(super) fn read(text: &str) -> (Stack, Findings) {
    let mut found = Findings::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    tear::report(text, &errors, &mut found);
    let mut entries = document.into_inner();
    refuse_modules(&mut entries, &mut found);
    let root = Table::root(&entries, ROOT_KEYS, &mut found);
    let mut stack = read_header(&root, &mut found);
    stack.target = read_target(&root, &mut found);
    if let Some(tiers) = root.get("storage", &mut found) {
        for (name, tier) in tiers.named(&mut found) {
            stack.storage.insert(name.clone(), storage::read(name, &tier, &mut found));
        }
    }
    if let Some(clusters) = root.get("cluster", &mut found) {
        for (name, cluster) in clusters.named(&mut found) {
            stack.clusters.insert(name.clone(), cluster::read(name, &cluster, &mut found));
        }
    }
    if let Some(entries) = root.get("moved", &mut found) {
        stack.moved = moved::read(&entries, &mut found);
    }
    (stack, found)
}

/// Says once that modules are to come, and takes the table out.
fn refuse_modules(entries: &mut DeTable<'_>, found: &mut Findings) {
    if let Some((key, _)) = entries.remove_entry("module") {
        let mistake = Mistake::new("modules are not there yet")
            .label(key.span(), "not read by this version")
            .help("write the module's tables out in this file");
        found.strange(mistake);
    }
}

fn read_header(root: &Table<'_>, found: &mut Findings) -> Stack {
    let mut stack = Stack {
        name: String::new(),
        namespace: String::new(),
        cluster_domain: "cluster.local".to_owned(),
        paths: Vec::new(),
        helper_image: HELPER_IMAGE.to_owned(),
        target: Target::Sandbox,
        storage: Default::default(),
        clusters: Default::default(),
        moved: Vec::new(),
        names: Default::default(),
    };
    let table = root.need("stack", "`[stack]` with a line `name = \"plant\"`", found);
    let Some(table) = table.and_then(|table| Table::of(&table, STACK_KEYS, found)) else {
        return stack;
    };
    if let Some(name) = table.need("name", "`name = \"plant\"`", found) {
        let name = name.text_by("name for a stack", names::dns_label, names::DNS_LABEL_HELP, found);
        stack.name = name.unwrap_or_default();
    }
    stack.namespace = stack.name.clone();
    if let Some(value) = table.get("namespace", found)
        && let Some(namespace) =
            value.text_by("name for a namespace", names::dns_label, names::DNS_LABEL_HELP, found)
    {
        if namespace.starts_with("kube-") {
            let message = format!("namespace `{namespace}` belongs to Kubernetes itself");
            value.wrong(message, "reserved", "choose a namespace of the stack's own", found);
        }
        stack.namespace = namespace;
    }
    if let Some(domain) = table.get("cluster_domain", found)
        && let Some(domain) =
            domain.text_by("DNS domain", names::subdomain, names::SUBDOMAIN_HELP, found)
    {
        stack.cluster_domain = domain;
    }
    if let Some(paths) = table.get("paths", found) {
        stack.paths = storage::read_paths(&paths, found);
    }
    if let Some(image) = table.get("helper_image", found)
        && let Some(image) =
            image.text_by("image for helper Jobs", cluster::image, cluster::IMAGE_HELP, found)
    {
        stack.helper_image = image;
    }
    stack
}

fn read_target(root: &Table<'_>, found: &mut Findings) -> Target {
    let nowhere = Target::Kubernetes { kubeconfig: None, context: None };
    let table = root.get("target", found);
    let Some(table) = table.and_then(|table| Table::of(&table, TARGET_KEYS, found)) else {
        return nowhere;
    };
    let sandbox = table.get("sandbox", found);
    let place = sandbox.as_ref().map(|sandbox| sandbox.place());
    if sandbox.and_then(|sandbox| sandbox.flag(found)) == Some(true) {
        for key in ["context", "kubeconfig"] {
            if let Some(other) = table.get(key, found) {
                let message = format!("a stack for the sandbox has no `{key}`");
                let mistake = Mistake::new(message)
                    .label(other.key_place(), "for a real cluster")
                    .label(place.clone().unwrap_or_default(), "for the simulated one")
                    .help("remove one of the two; `--sandbox` runs any stack in the sandbox");
                found.wrong(other.path(), mistake);
            }
        }
        return Target::Sandbox;
    }
    let mut text = |key| {
        let value = table.get(key, found)?;
        value.text_by(
            &format!("{key} to use"),
            names::printable,
            "write it as kubectl would take it",
            found,
        )
    };
    Target::Kubernetes { kubeconfig: text("kubeconfig"), context: text("context") }
}
