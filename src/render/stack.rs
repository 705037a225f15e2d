//! A stack with every default filled in, as text.

use std::fmt::Write as _;

use db_engine::cluster::Content;

use super::text::{count, fold, harmless, seconds};
use crate::desired::members;
use crate::stack::{
    Binding, Cluster, ExposeKind, Pool, Prepare, Reclaim, Recycle, Stack, Storage, Target, Tier,
    TierKind,
};

/// The whole stack.
pub fn text(stack: &Stack) -> String {
    let target = match &stack.target {
        Target::Sandbox => "the sandbox".to_owned(),
        Target::Kubernetes { context: Some(context), .. } => {
            format!("context `{}`", harmless(context))
        }
        Target::Kubernetes { context: None, .. } => "the current kubeconfig context".to_owned(),
    };
    let mut text =
        format!("Stack `{}` in namespace `{}`, for {target}\n", stack.name, stack.namespace);
    // Writing to a String cannot fail.
    for tier in stack.storage.values() {
        let line = format!("Storage tier `{}`: {}", tier.name, storage(stack, tier));
        let _ = writeln!(text, "\n{}", fold(&line, "", "  "));
    }
    for cluster in stack.clusters.values() {
        let _ = writeln!(text, "\n{}", heading(cluster));
        for pool in cluster.pools.values() {
            let line = members_of(stack, cluster, pool);
            let _ = writeln!(text, "{}", fold(&line, "  ", "    "));
        }
        let _ = writeln!(text, "  clients: {}", clients(cluster));
        for (name, value) in &cluster.settings {
            let _ = writeln!(text, "  setting {name} = {}", harmless(value));
        }
    }
    text
}

fn storage(stack: &Stack, tier: &Tier) -> String {
    let reclaim = match tier.reclaim {
        Reclaim::Retain => "kept when its claim goes",
        Reclaim::Delete => "deleted with its claim",
    };
    let kind = match &tier.kind {
        TierKind::Local(volumes) => format!("{} local volumes", volumes.len()),
        TierKind::LocalOnNodes { path, per_node, .. } => {
            format!("{per_node} local volumes at {path} on each node with its labels")
        }
        TierKind::Csi { provisioner, binding: Binding::Immediate, .. } => {
            format!("volumes made by {provisioner} before pods are placed")
        }
        TierKind::Csi { provisioner, .. } => format!("volumes made by {provisioner}"),
        TierKind::CsiClass { .. } => "volumes of an existing class".to_owned(),
    };
    let prepare = match tier.prepare {
        Some(Prepare::Create) => {
            format!(", directories made and checked by {}", stack.helper_image)
        }
        Some(Prepare::Expect) => format!(", directories checked by {}", stack.helper_image),
        None => String::new(),
    };
    let recycle = match tier.recycle {
        Recycle::Scrub => ", cleared and used again with consent",
        Recycle::Manual => "",
    };
    format!("{kind}, class `{}`, {reclaim}{prepare}{recycle}", stack.storage_class(tier))
}

fn heading(cluster: &Cluster) -> String {
    format!(
        "Cluster `{}`: {} {}, schema x{}, data x{}{}",
        cluster.name,
        cluster.engine,
        cluster.version,
        cluster.schema_replication,
        cluster.data_replication,
        if cluster.protect { ", protected" } else { "" },
    )
}

fn members_of(stack: &Stack, cluster: &Cluster, pool: &Pool) -> String {
    let workload = members::workload(stack, cluster, pool);
    let volumes = pool.storage().map(|(content, storage)| {
        let Storage { tier, size } = storage;
        match content {
            Content::Data => format!("{size} on tier `{tier}`"),
            other => format!("{size} for the {} on tier `{tier}`", other.title()),
        }
    });
    format!(
        "pool `{}` ({}): {}, {} CPU, {} memory, {} each; \
         a member is ready within {} and stops within {}",
        pool.name,
        pool.role,
        count(pool.nodes as usize, workload.title),
        pool.cpu,
        pool.memory,
        volumes.collect::<Vec<_>>().join(" and "),
        seconds(pool.ready_within_seconds),
        seconds(pool.grace_seconds.max(workload.grace_seconds).unsigned_abs()),
    )
}

fn clients(cluster: &Cluster) -> String {
    match cluster.expose.kind {
        ExposeKind::ClusterIp => "inside Kubernetes only".to_owned(),
        ExposeKind::NodePort(Some(port)) => format!("port {port} of every node"),
        ExposeKind::NodePort(None) => "a port of every node that Kubernetes picks".to_owned(),
        ExposeKind::LoadBalancer => "the platform's load balancer".to_owned(),
    }
}
