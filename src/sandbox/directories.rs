//! The directories of simulated nodes: which are missing and what is in them; what mounting them and a
//! helper's work come to. One that nobody spoke of is there, and empty.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::claims_of;
use super::cluster::Cluster;
use super::values::{at, list, text};
use crate::object::{Kind, LABEL_TASK, ObjectKey};
use crate::plan::job::TASK_SCRUB;

/// What a file system puts into its own root.
const LOST_AND_FOUND: &str = "lost+found";

/// What is known of directories, by `node:path`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directories {
    /// Those that are not there.
    missing: BTreeSet<String>,
    /// What is in others.
    filled: BTreeMap<String, BTreeSet<String>>,
}

impl Directories {
    /// Whether a directory is there.
    pub fn is_there(&self, node: &str, path: &str) -> bool {
        !self.missing.contains(&place(node, path))
    }

    /// The first of what is in a directory, but for what file systems put there themselves.
    pub fn first_in(&self, node: &str, path: &str) -> Option<&str> {
        let mut names = self.filled.get(&place(node, path))?.iter().map(String::as_str);
        names.find(|name| *name != LOST_AND_FOUND)
    }
}

impl Cluster {
    /// A directory of a node is not there, with whatever was in it.
    pub fn lose_directory(&mut self, node: &str, path: &str) {
        self.directories.filled.remove(&place(node, path));
        self.directories.missing.insert(place(node, path));
    }

    /// Somebody puts something into a directory of a node.
    pub fn fill_directory(&mut self, node: &str, path: &str, name: &str) {
        self.directories.missing.remove(&place(node, path));
        self.directories.filled.entry(place(node, path)).or_default().insert(name.to_owned());
    }

    /// Somebody makes a directory of a node, or clears it.
    pub fn clear_directory(&mut self, node: &str, path: &str) {
        self.directories.missing.remove(&place(node, path));
        self.directories.filled.remove(&place(node, path));
    }
}

fn place(node: &str, path: &str) -> String {
    format!("{node}:{path}")
}

/// What a node's kubelet does before it starts a pod; or why it cannot, in its words (`hostpath_type_check`
/// and `local` of `pkg/volume`, Kubernetes 1.36).
pub(super) fn mount(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) -> Result<(), String> {
    let node = text(pod, "/spec/nodeName");
    for volume in list(pod, "/spec/volumes") {
        let (path, kind) = (text(volume, "/hostPath/path"), text(volume, "/hostPath/type"));
        if path.is_empty() || cluster.directories.is_there(node, path) {
            continue;
        }
        if kind == "DirectoryOrCreate" {
            cluster.clear_directory(node, path);
        } else {
            return Err(format!(
                "MountVolume.SetUp failed for volume \"{}\" : hostPath type check failed: {path} is \
                 not a directory",
                text(volume, "/name")
            ));
        }
    }
    for (volume, path) in local_volumes(cluster, key, pod) {
        if !cluster.directories.is_there(node, &path) {
            return Err(format!(
                "MountVolume.NewMounter initialization failed for volume \"{volume}\" : path \
                 \"{path}\" does not exist"
            ));
        }
    }
    Ok(())
}

/// The containers of a pod begin to write to its local volumes.
pub(super) fn written(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let node = text(pod, "/spec/nodeName");
    for (_, path) in local_volumes(cluster, key, pod) {
        if cluster.directories.first_in(node, &path).is_none() {
            cluster.fill_directory(node, &path, "data");
        }
    }
}

/// What a helper's work comes to; its last words where it fails.
pub(super) fn helped(cluster: &mut Cluster, pod: &Value) -> Result<(), String> {
    let node = text(pod, "/spec/nodeName");
    let clears = at(pod, "/metadata/labels").get(LABEL_TASK) == Some(&TASK_SCRUB.into());
    let mounted = list(pod, "/spec/volumes").iter().map(|volume| text(volume, "/hostPath/path"));
    for path in mounted.filter(|path| !path.is_empty()) {
        if clears {
            cluster.clear_directory(node, path);
        }
        if let Some(first) = cluster.directories.first_in(node, path) {
            return Err(format!("it is not empty: it holds {first}"));
        }
    }
    Ok(())
}

/// The local volumes a pod's claims are bound to, and where they are.
fn local_volumes(cluster: &Cluster, key: &ObjectKey, pod: &Value) -> Vec<(String, String)> {
    let claims = claims_of(key, pod);
    let volumes = claims.iter().filter_map(|claim| {
        let name = text(cluster.get(claim)?, "/spec/volumeName");
        let volume = cluster.get(&ObjectKey::global(Kind::PersistentVolume, name))?;
        let path = text(volume, "/spec/local/path").trim_end_matches('/');
        (!path.is_empty()).then(|| (name.to_owned(), path.to_owned()))
    });
    volumes.collect()
}
