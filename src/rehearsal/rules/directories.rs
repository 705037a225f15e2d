//! What must be true of directories on nodes: prepared before their volumes are made, and cleared only with
//! consent, once nobody has them.

use serde_json::Value;

use super::{Actor, Rules, label, text};
use crate::object::{Kind, LABEL_HOSTNAME, LABEL_TASK, LABEL_TIER, ObjectKey, at};
use crate::plan::job::TASK_SCRUB;
use crate::sandbox::{Cluster, Stage};

impl Rules {
    /// Rules 8 and 9: a directory is cleared with consent, and while its volume is released by a claim that
    /// is gone.
    pub(super) fn directory_goes(
        &mut self,
        cluster: &Cluster,
        actor: &Actor<'_>,
        manifest: &Value,
    ) {
        if label(manifest, LABEL_TASK) != TASK_SCRUB {
            return;
        }
        let path = text(manifest, "/spec/template/spec/volumes/0/hostPath/path");
        let nodes = at(manifest, "/spec/template/spec/nodeSelector");
        let node = nodes.and_then(|it| it.get(LABEL_HOSTNAME)?.as_str()).unwrap_or_default();
        if !actor.may_end {
            self.say(format!("rule 9: {path} on {node} is cleared without consent"));
        }
        let mut claims = cluster.of_kind(Kind::PersistentVolumeClaim);
        let volume = cluster.of_kind(Kind::PersistentVolume).find(|(_, it)| offers(it, node, path));
        let is_let_go = volume.is_some_and(|(_, volume)| {
            let claim = text(volume, "/spec/claimRef/uid");
            text(volume, "/status/phase") == "Released"
                && !claims.any(|(_, live)| text(live, "/metadata/uid") == claim)
        });
        if !is_let_go {
            self.say(format!("rule 8: {path} on {node} is cleared while it may be in use"));
        }
    }

    /// Rule 8: no member has a volume while a helper clears its directory.
    pub(super) fn nobody_is_at_what_is_cleared(&mut self, cluster: &Cluster) {
        for (pod, value) in cluster.of_kind(Kind::Pod) {
            let is_over = cluster.pods.get(pod).is_none_or(|life| life.stage == Stage::Ended);
            if is_over || label(value, LABEL_TASK) != TASK_SCRUB {
                continue;
            }
            let (node, path) =
                (text(value, "/spec/nodeName"), text(value, "/spec/volumes/0/hostPath/path"));
            let mut volumes = cluster.of_kind(Kind::PersistentVolume);
            let bound = |it: &Value| offers(it, node, path) && text(it, "/status/phase") == "Bound";
            if volumes.any(|(_, volume)| bound(volume)) {
                self.say(format!("rule 8: {path} on {node} is cleared under a member"));
            }
        }
    }

    /// A volume of a tier that has its directories prepared comes once there is one, with nothing in it,
    /// and once nobody is at it any more.
    pub(super) fn volume_comes(&mut self, cluster: &Cluster, object: &ObjectKey, manifest: &Value) {
        let is_prepared = self.prepared.contains(label(manifest, LABEL_TIER));
        if object.kind != Kind::PersistentVolume || !is_prepared {
            return;
        }
        let (node, path) = (text(manifest, NODE_OF_VOLUME), text(manifest, "/spec/local/path"));
        if !cluster.directories.is_there(node, path) {
            self.say(format!("prepared: {object} is made and its directory is missing"));
        }
        if cluster.directories.first_in(node, path).is_some() {
            self.say(format!("prepared: {object} is made and its directory is not empty"));
        }
        let is_at_it = |pod: &Value| {
            text(pod, "/spec/nodeName") == node
                && text(pod, "/spec/volumes/0/hostPath/path") == path
        };
        if cluster.of_kind(Kind::Pod).any(|(_, pod)| is_at_it(pod)) {
            self.say(format!("prepared: {object} is made while a helper is at its directory"));
        }
    }
}

/// Whether a local volume is this directory of this node.
fn offers(volume: &Value, node: &str, path: &str) -> bool {
    text(volume, NODE_OF_VOLUME) == node && text(volume, "/spec/local/path") == path
}

/// Where a local volume says which node it is on.
const NODE_OF_VOLUME: &str =
    "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0";

/// Whether nothing is left in the directory of a local volume.
pub(super) fn is_cleared(cluster: &Cluster, volume: &Value) -> bool {
    let (node, path) = (text(volume, NODE_OF_VOLUME), text(volume, "/spec/local/path"));
    !path.is_empty() && cluster.directories.first_in(node, path).is_none()
}
