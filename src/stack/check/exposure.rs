//! Node ports: a port of every node answers for one cluster.

use std::collections::BTreeMap;

use crate::stack::diagnostics::Mistake;
use crate::stack::findings::Findings;
use crate::stack::model::{ExposeKind, Stack};

/// Checks that no two clusters ask for one node port.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
    for cluster in stack.clusters.values() {
        let ExposeKind::NodePort(Some(port)) = cluster.expose.kind else {
            continue;
        };
        let Some(first) = taken.insert(port, &cluster.name) else {
            continue;
        };
        let place = |name: &str| found.value(&["cluster", name, "expose", "port"]);
        let (name, there) = (&cluster.name, place(first));
        let mistake = Mistake::new(format!(
            "clusters `{first}` and `{name}` share node port {port}"
        ))
        .label(place(name), "again here")
        .label(there, "first here")
        .help("give one of them another port from 30000 to 32767, or none to let Kubernetes pick");
        found.unfit(mistake);
    }
}
