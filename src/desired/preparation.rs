//! Jobs that help: what is done to a directory on its node before the volume that offers it is made.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::labels;
use crate::fields::hex;
use crate::object::{Kind, LABEL_HOSTNAME, ObjectKey, at};
use crate::plan::job::Directory;
use crate::stack::{Prepare, Stack, Tier};

/// The task of a Job that prepares a directory, as its label says.
pub const TASK_PREPARE: &str = "prepare";

/// How long a helper Job may take, in seconds: its work is done in one, an image may take minutes to
/// be pulled. After it Kubernetes gives it up and stops its pods.
pub const HELPER_SECONDS: u64 = 300;

/// How often a helper that failed is tried again: a node may be short of something for a moment, but a
/// directory that is not empty stays so.
const RETRIES: u32 = 1;

/// How long a Job that ended and that nobody removed is kept, in seconds: a day to look at it.
const KEPT_SECONDS: u32 = 86_400;

/// Characters of a helper's name before its hash: with `-`, the hash, and `-` and five characters of a
/// pod's name, they make 57 of the 63 a label may have.
const NAME_MAX: usize = 40;

/// Characters of a hash that tell helpers apart.
const HASH_LENGTH: usize = 10;

/// Where the helper finds the directory.
const PLACE: &str = "/directory";

/// A member that is given a directory with something in it would start on data that are not its own, or
/// mix them with its own. What file systems put into their root by themselves does not count.
const SCRIPT: &str = "\
set -eu
all=$(ls -A \"$1\")
found=$(printf '%s\\n' \"$all\" | grep -vxF lost+found | head -n 1)
if [ -n \"$found\" ]; then
  printf 'it is not empty: it holds %s' \"$found\" | tee /dev/termination-log
  exit 1
fi
";

/// A Job that prepares the directory of a local volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// The Job's name. It is made from all the Job is, so that one left over by an earlier run is the
    /// same one or has another name.
    pub job: ObjectKey,
    /// Its manifest.
    pub manifest: Value,
    /// What is prepared.
    pub directory: Directory,
    /// How.
    pub how: Prepare,
}

/// The Job that prepares the directory of a volume, by that one's manifest; `None`: its tier has nothing
/// done about it.
pub fn preparation(stack: &Stack, volume: &Value) -> Option<Preparation> {
    let tier = stack.storage.get(labels::tier_of(volume)?)?;
    let how = tier.prepare?;
    let node = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0";
    let text = |place: &str| Some(at(volume, place)?.as_str()?.to_owned());
    let directory = Directory { node: text(node)?, path: text("/spec/local/path")? };
    let mut manifest = manifest(stack, tier, &directory, how);
    let hash = hex(&Sha256::digest(manifest.to_string().as_bytes()));
    let name = format!("{}-{}", named(tier, &directory), &hash[..HASH_LENGTH]);
    manifest["metadata"]["name"] = json!(name);
    let job = ObjectKey::within(Kind::Job, &stack.namespace, name);
    Some(Preparation { job, manifest, directory, how })
}

/// What a person knows a helper by: its task, its tier and its node, cut to what leaves room for the hash
/// and for what Kubernetes adds to the names of its pods, which has to fit into a label.
fn named(tier: &Tier, directory: &Directory) -> String {
    let whole = format!("{TASK_PREPARE}-{}-{}", tier.name, directory.node.replace('.', "-"));
    let cut: String = whole.chars().take(NAME_MAX).collect();
    cut.trim_end_matches('-').to_owned()
}

fn manifest(stack: &Stack, tier: &Tier, directory: &Directory, how: Prepare) -> Value {
    let labels = labels::of_helper(stack, &tier.name, TASK_PREPARE);
    json!({
        "apiVersion": Kind::Job.api_version(),
        "kind": Kind::Job.word(),
        "metadata": { "namespace": stack.namespace, "labels": labels },
        "spec": {
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": HELPER_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": { "labels": labels },
                "spec": pod(stack, tier, directory, how),
            },
        },
    })
}

fn pod(stack: &Stack, tier: &Tier, directory: &Directory, how: Prepare) -> Value {
    // What the kubelet makes belongs to root and is readable by all. Members need no more: of a local
    // volume the kubelet gives the root to their group (`fsGroup`), before they start.
    let kind = match how {
        Prepare::Create => "DirectoryOrCreate",
        Prepare::Expect => "Directory",
    };
    let mut pod = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "nodeSelector": { LABEL_HOSTNAME: directory.node },
        // Taints keep work away from a storage node, not its preparation.
        "tolerations": [{ "operator": "Exists" }],
        "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": TASK_PREPARE,
            "image": stack.helper_image,
            "command": ["sh", "-c", SCRIPT, TASK_PREPARE, PLACE],
            "resources": {
                "requests": { "cpu": "50m", "memory": "32Mi" },
                "limits": { "cpu": "50m", "memory": "32Mi" },
            },
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "runAsUser": 0,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                // To see into directories of whatever user.
                "capabilities": { "drop": ["ALL"], "add": ["DAC_OVERRIDE"] },
            },
            "volumeMounts": [{ "name": "directory", "mountPath": PLACE, "readOnly": true }],
        }],
        "volumes": [{ "name": "directory", "hostPath": { "path": directory.path, "type": kind } }],
    });
    let secrets = pull_secrets(stack, tier);
    if !secrets.is_empty() {
        pod["imagePullSecrets"] = secrets.iter().map(|name| json!({ "name": name })).collect();
    }
    pod
}

/// The Secrets by which the clusters on a tier pull their images: a plant that keeps its images in a
/// registry of its own keeps the helper's there, too.
fn pull_secrets<'a>(stack: &'a Stack, tier: &Tier) -> BTreeSet<&'a str> {
    let uses = |cluster: &&crate::stack::Cluster| {
        cluster.pools.values().any(|pool| pool.tier == tier.name)
    };
    let clusters = stack.clusters.values().filter(uses);
    clusters.flat_map(|cluster| &cluster.image.pull_secrets).map(String::as_str).collect()
}
