//! What happens to the world in a trial, and what somebody else does to it.

use std::time::Duration;

use serde_json::json;

use super::fault::Fault;
use crate::inventory::Inventory;
use crate::lock::Lock;
use crate::object::{Kind, LABEL_STACK, ObjectKey};
use crate::sandbox::Cluster;

/// How long a trouble of the world lasts: longer than a member takes to start, shorter than a step.
const TROUBLE: Duration = Duration::from_secs(40);

/// Against whose objects it goes.
pub(super) struct Mischief<'a> {
    /// The stack's namespace.
    pub(super) namespace: &'a str,
    /// The stack's name.
    pub(super) stack: &'a str,
    /// Picks among pods, machines and sets.
    pub(super) pick: usize,
}

impl Mischief<'_> {
    /// Does it. Answers a Service of the stack that is gone and that somebody else now makes anew.
    pub(super) fn strike(&self, cluster: &mut Cluster, fault: Fault) -> Option<ObjectKey> {
        match fault {
            Fault::StorageStalls => cluster.stall_storage(TROUBLE),
            Fault::LockDeleted => cluster.delete(&Lock::key(self.namespace, self.stack)),
            Fault::RecordDeleted => cluster.delete(&Inventory::key(self.namespace, self.stack)),
            Fault::NodeLost => {
                let nodes = cluster.keys_of(Kind::Node);
                cluster.lose_node(&nodes[self.pick % nodes.len()].name, TROUBLE);
            }
            Fault::AnotherDatabase => self.forget_who_they_were(cluster),
            Fault::MemberCrashes => cluster.crash(&self.one(cluster, Kind::Pod)?, TROUBLE),
            Fault::PodDeleted => cluster.delete(&self.one(cluster, Kind::Pod)?),
            Fault::SetDeleted => cluster.delete(&self.one(cluster, Kind::StatefulSet)?),
            Fault::SetOrphaned => cluster.orphan(&self.one(cluster, Kind::StatefulSet)?),
            Fault::Scaled => self.scale(cluster, "kubectl", -1),
            Fault::Autoscaled => self.scale(cluster, "autoscaler", 1),
            Fault::FieldEdited => {
                let set = self.one(cluster, Kind::StatefulSet)?;
                let annotations = json!({ "tsinfra.dev/protect": "x" });
                let patch = json!({ "metadata": { "annotations": annotations } });
                drop(cluster.edit_as("kubectl-edit", &set, &patch));
            }
            Fault::ServiceReplaced => {
                let service = self.one(cluster, Kind::Service)?;
                cluster.delete(&service);
                return Some(service);
            }
            _ => trouble_databases(cluster, fault),
        }
        None
    }

    /// The stack's objects of a kind.
    fn ours(&self, cluster: &Cluster, kind: Kind) -> Vec<ObjectKey> {
        let all = cluster.of_kind(kind);
        let ours = all.filter(|(_, value)| value["metadata"]["labels"][LABEL_STACK] == *self.stack);
        ours.map(|(key, _)| key.clone()).collect()
    }

    /// One of them, if there is one.
    fn one(&self, cluster: &Cluster, kind: Kind) -> Option<ObjectKey> {
        let all = self.ours(cluster, kind);
        (!all.is_empty()).then(|| all[self.pick % all.len()].clone())
    }

    fn scale(&self, cluster: &mut Cluster, manager: &str, by: i64) {
        let Some(set) = self.one(cluster, Kind::StatefulSet) else { return };
        let has = cluster.get(&set).and_then(|set| set["spec"]["replicas"].as_i64());
        let patch = json!({ "spec": { "replicas": has.unwrap_or(1) + by } });
        drop(cluster.edit_as(manager, &set, &patch));
    }

    /// As after a loss of all disks: what comes up is another database.
    fn forget_who_they_were(&self, cluster: &mut Cluster) {
        cluster.databases.clear();
        for pod in self.ours(cluster, Kind::Pod) {
            cluster.crash(&pod, Duration::from_secs(1));
        }
    }
}

fn trouble_databases(cluster: &mut Cluster, fault: Fault) {
    let Some(mood) = fault.mood() else { return };
    let names: Vec<String> = cluster.databases.keys().cloned().collect();
    for name in names {
        cluster.trouble_database(&name, mood, TROUBLE);
    }
}
