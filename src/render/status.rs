//! Members as Kubernetes sees them and as the database sees them, side by side.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};
use db_engine::cluster::Content;
use db_engine::engine::host;
use serde_json::{Value, json};

use super::outcome::held_by;
use super::text::{brief, fold, harmless};
use crate::apply::pods;
use crate::desired::{Desired, DesiredCluster, DesiredPool};
use crate::lock::Lock;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_STACK, ObjectKey};
use crate::observed::{DatabaseView, LiveObject, Observed};
use crate::stack::Stack;

/// Columns the pod's state may have in the table; what is longer is told below it.
const POD_WIDTH: usize = 20;

/// Characters of any cell: a name's length (RFC 1123).
const CELL_MAX: usize = 63;

/// One member, from both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The pod's name.
    pub name: String,
    /// e.g. `DataNode`.
    pub title: String,
    /// `ready`, or why not.
    pub pod: String,
    /// The node it runs on.
    pub node: String,
    /// Its claim: phase, size, volume.
    pub claim: String,
    /// The database's own word for it, e.g. `3 Running`.
    pub database: String,
    /// Region replicas it holds.
    pub regions: String,
}

/// The members of a cluster, in the order of its pools; last those of pools that are not declared any more.
pub fn members(stack: &Stack, cluster: &DesiredCluster, seen: &Observed) -> Vec<Member> {
    let mut members: Vec<Member> =
        cluster.pools.iter().flat_map(|pool| of_pool(cluster, pool, seen)).collect();
    let name = &cluster.database.cluster;
    let of_cluster = |pod: &LiveObject| {
        pod.label(LABEL_STACK) == Some(&stack.name) && pod.label(LABEL_CLUSTER) == Some(name)
    };
    let pods = seen.of_kind(Kind::Pod).filter(|(_, pod)| of_cluster(pod));
    let mut others: BTreeSet<String> = pods.map(|(key, _)| key.name.clone()).collect();
    let topology = match seen.databases.get(name) {
        Some(DatabaseView::Seen(topology)) => Some(topology),
        _ => None,
    };
    let listed = topology.into_iter().flat_map(|topology| topology.members.keys());
    others.extend(listed.map(|address| host(address).to_owned()));
    for member in &members {
        others.remove(&member.name);
    }
    let kind = |name: &str| {
        let mut all = topology.into_iter().flat_map(|topology| &topology.members);
        all.find(|(address, _)| host(address) == name).map(|(_, member)| member.kind.clone())
    };
    members.extend(others.into_iter().map(|pod| {
        let title = kind(&pod).unwrap_or_else(|| "-".to_owned());
        of_pod(cluster, ObjectKey::within(Kind::Pod, &stack.namespace, pod), title, seen)
    }));
    members
}

/// Members the stack asks for, and any that are there beyond.
fn of_pool(cluster: &DesiredCluster, pool: &DesiredPool, seen: &Observed) -> Vec<Member> {
    let there = seen.pods_of(&pool.set).filter_map(|(key, _)| key.ordinal());
    // Not all up to the last: a pod of any name may be there.
    let ordinals: BTreeSet<u32> = there.chain(0..pool.replicas()).collect();
    ordinals.into_iter().map(|n| member(cluster, pool, n, seen)).collect()
}

fn member(cluster: &DesiredCluster, pool: &DesiredPool, ordinal: u32, seen: &Observed) -> Member {
    of_pod(cluster, ObjectKey::pod_of(&pool.set, ordinal), pool.title.to_owned(), seen)
}

fn of_pod(cluster: &DesiredCluster, key: ObjectKey, title: String, seen: &Observed) -> Member {
    let name = key.name.clone();
    let live = seen.objects.get(&key);
    let pod = match live {
        None => "not there".to_owned(),
        Some(pod) => match pods::why_pod(&key, pod, seen) {
            None => "ready".to_owned(),
            Some((_, why)) => {
                why.trim_start_matches(&name).trim_start_matches([':', ' ']).to_owned()
            }
        },
    };
    let node = live.and_then(|pod| pod.text("/spec/nodeName")).unwrap_or("-").to_owned();
    let (database, regions) = in_database(cluster, &name, seen);
    let claim = claims(&key, seen);
    Member { claim, name, title, pod, node, database, regions }
}

/// How it stands with a member's claims: with that of its data, and with others as far as they differ from it.
fn claims(pod: &ObjectKey, seen: &Observed) -> String {
    let (Some(set), Some(ordinal)) = (pod.set_of_pod(), pod.ordinal()) else {
        return "-".to_owned();
    };
    let of = |content| seen.objects.get(&ObjectKey::claim_of(&set, content, ordinal));
    let phase = |claim: &LiveObject| match claim.is_leaving() {
        true => "Terminating".to_owned(),
        false => claim.text("/status/phase").unwrap_or("?").to_owned(),
    };
    let size = |claim: &LiveObject| {
        claim.text("/spec/resources/requests/storage").unwrap_or("?").to_owned()
    };
    let data = of(Content::Data);
    let said = data.map_or("-".to_owned(), |claim| format!("{} {}", phase(claim), size(claim)));
    let beside = Content::APART.into_iter().filter_map(|content| Some((content, of(content)?)));
    let beside = beside.map(|(content, claim)| match data.map(phase) == Some(phase(claim)) {
        true => format!(", {} {}", content.word(), size(claim)),
        false => format!(", {} {} {}", content.word(), phase(claim), size(claim)),
    });
    std::iter::once(said).chain(beside).collect()
}

fn in_database(cluster: &DesiredCluster, pod: &str, seen: &Observed) -> (String, String) {
    let unknown = || ("?".to_owned(), "?".to_owned());
    match seen.databases.get(&cluster.database.cluster) {
        Some(DatabaseView::Seen(topology)) => {
            let mine = |address: &str| address.split('.').next() == Some(pod);
            match topology.members.iter().find(|(address, _)| mine(address)) {
                Some((_, member)) => {
                    (format!("{} {}", member.id, member.status), member.regions.to_string())
                }
                None => ("not listed".to_owned(), "-".to_owned()),
            }
        }
        _ => unknown(),
    }
}

/// The id a database is on record with.
fn on_record<'a>(cluster: &str, seen: &'a Observed) -> Option<&'a str> {
    let record = seen.inventory.as_ref()?.clusters.get(cluster)?;
    (!record.cluster_id.is_empty()).then_some(record.cluster_id.as_str())
}

/// What is known of a database as a whole, in one line.
pub fn database_line(cluster: &DesiredCluster, seen: &Observed) -> String {
    match seen.databases.get(&cluster.database.cluster) {
        Some(DatabaseView::Seen(topology)) => {
            let line = format!("version {}, id {}", topology.version, topology.cluster_id);
            match on_record(&cluster.database.cluster, seen) {
                Some(id) if id != topology.cluster_id => {
                    format!("{line}, but it was {id}: another database answers in its place")
                }
                _ => line,
            }
        }
        Some(DatabaseView::Unreachable { why }) => format!("does not answer: {why}"),
        Some(DatabaseView::Absent) | None => "no ready member to ask".to_owned(),
    }
}

/// Who is at work on a stack.
fn lock(stack: &Stack, seen: &Observed) -> Option<Lock> {
    Lock::from_lease(seen.objects.get(&Lock::key(&stack.namespace, &stack.name))?)
}

/// The status of a stack as text.
pub fn text(stack: &Stack, desired: &Desired, seen: &Observed) -> String {
    let mut text = format!("Stack `{}` in namespace `{}`\n", stack.name, stack.namespace);
    text.push_str(&lock(stack, seen).map_or_else(String::new, |lock| held_by(&lock)));
    for (name, cluster) in &desired.clusters {
        let engine = cluster.database.engine;
        let called = stack.cluster_address(name);
        let (name, line) = (called.name(), database_line(cluster, seen));
        let line = format!("Cluster `{name}` ({engine}): {line}");
        text.push_str(&format!("\n{}\n\n", fold(&line, "", "  ")));
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["MEMBER", "RUNS", "POD", "NODE", "CLAIM", "DATABASE", "REGIONS"]);
        let mut reasons = String::new();
        for member in members(stack, cluster, seen) {
            let Member { name, title, pod, node, claim, database, regions } = member;
            let pod = if pod.chars().count() > POD_WIDTH {
                reasons.push_str(&fold(&format!("{name}: {pod}"), "  ", "    "));
                reasons.push('\n');
                "see below".to_owned()
            } else {
                pod
            };
            let row = [name, title, pod, node, claim, database, regions];
            table.add_row(row.map(|cell| harmless(&brief(&cell, CELL_MAX))));
        }
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if !reasons.is_empty() {
            text.push('\n');
            text.push_str(&reasons);
        }
    }
    text
}

/// The status of a stack for programs.
pub fn json(stack: &Stack, desired: &Desired, seen: &Observed) -> Value {
    let clusters = desired.clusters.iter().map(|(name, cluster)| {
        let members: Vec<Value> = members(stack, cluster, seen)
            .into_iter()
            .map(|member| {
                json!({
                    "name": member.name,
                    "runs": member.title,
                    "pod": member.pod,
                    "node": member.node,
                    "claim": member.claim,
                    "database": member.database,
                    "regions": member.regions,
                })
            })
            .collect();
        let view = seen.databases.get(name);
        (
            stack.cluster_address(name).name().to_owned(),
            json!({
                "members": members, "database": view, "id_on_record": on_record(name, seen),
            }),
        )
    });
    json!({
        "format_version": super::json::FORMAT_VERSION,
        "stack": stack.name,
        "namespace": stack.namespace,
        "lock": lock(stack, seen).as_ref().map(super::json::lock),
        "clusters": clusters.collect::<serde_json::Map<String, Value>>(),
    })
}
