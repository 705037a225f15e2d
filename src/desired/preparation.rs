//! Jobs that help: what is done to a directory on its node before the volume that offers it is made.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::labels;
use crate::fields::hex;
use crate::object::{Kind, LABEL_HOSTNAME, ObjectKey, at};
use crate::observed::LiveObject;
use crate::plan::job::{Directory, TASK_PREPARE, TASK_SCRUB};
use crate::stack::{Prepare, Stack, Tier};

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

/// Where its last words go.
const WORDS: &str = "/dev/termination-log";

/// A member that is given a directory with something in it would start on data that are not its own, or
/// mix them with its own. What file systems put into their root by themselves does not count.
const CHECK: &str = "\
set -eu
all=$(ls -A \"$1\")
found=$(printf '%s\\n' \"$all\" | grep -vxF lost+found | head -n 1)
if [ -n \"$found\" ]; then
  printf 'it is not empty: it holds %s' \"$found\" | tee \"$2\"
  exit 1
fi
";

/// Removes what is below the directory and not the directory. Links are removed and never followed, and
/// what is mounted below is left alone and fails the Job: it is on another file system.
const SCRUB: &str = "\
set -eu
find \"$1\" -xdev -mindepth 1 ! -path \"$1/lost+found\" ! -path \"$1/lost+found/*\" -delete
";

/// The capability to see into directories of whatever user.
const SEE: &str = "DAC_OVERRIDE";

/// The capability to remove what is in directories like `/tmp`.
const REMOVE: &str = "FOWNER";

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
    let directory = directory(volume)?;
    let kind = match how {
        // What the kubelet makes belongs to root and is readable by all. Members need no more: of a
        // local volume the kubelet gives the root to their group (`fsGroup`), before they start.
        Prepare::Create => "DirectoryOrCreate",
        Prepare::Expect => "Directory",
    };
    let work = Work {
        task: TASK_PREPARE,
        script: CHECK.to_owned(),
        kind,
        is_read_only: true,
        capabilities: &[SEE],
        is_suspended: false,
        of: "",
    };
    let (job, manifest) = work.job(stack, tier, &directory);
    Some(Preparation { job, manifest, directory, how })
}

/// The Job that clears the directory of a volume that is there, so that it can be made anew. It is another
/// one for each volume and each claim that has let go of it, and is made suspended: see
/// [`crate::plan::step::Action::Start`].
pub fn scrub(stack: &Stack, tier: &Tier, volume: &LiveObject) -> Option<(ObjectKey, Value)> {
    let of = format!("{} {}", volume.uid(), volume.text("/spec/claimRef/uid")?);
    let work = Work {
        task: TASK_SCRUB,
        script: format!("{SCRUB}{CHECK}"),
        kind: "Directory",
        is_read_only: false,
        capabilities: &[SEE, REMOVE],
        is_suspended: true,
        of: &of,
    };
    Some(work.job(stack, tier, &directory(&volume.value)?))
}

/// The directory a local volume offers, by the one node it is on.
pub fn directory(volume: &Value) -> Option<Directory> {
    let node = "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0";
    let text = |place: &str| Some(at(volume, place)?.as_str()?.to_owned());
    Some(Directory { node: text(node)?, path: text("/spec/local/path")? })
}

/// What a helper does, and what it needs for it.
struct Work<'a> {
    task: &'static str,
    script: String,
    /// The type of its `hostPath`.
    kind: &'static str,
    is_read_only: bool,
    capabilities: &'static [&'static str],
    /// Whether it is made without beginning.
    is_suspended: bool,
    /// What tells it from the same work at another time.
    of: &'a str,
}

impl Work<'_> {
    fn job(&self, stack: &Stack, tier: &Tier, directory: &Directory) -> (ObjectKey, Value) {
        let mut manifest = self.manifest(stack, tier, directory);
        let digest = Sha256::digest(format!("{manifest}{}", self.of).as_bytes());
        let hash = hex(&digest);
        let name = format!("{}-{}", self.named(tier, directory), &hash[..HASH_LENGTH]);
        manifest["metadata"]["name"] = json!(name);
        (ObjectKey::within(Kind::Job, &stack.namespace, name), manifest)
    }

    /// What a person knows a helper by: its task, its tier and its node, cut to what leaves room for the
    /// hash and for what Kubernetes adds to the names of its pods, which has to fit into a label.
    fn named(&self, tier: &Tier, directory: &Directory) -> String {
        let whole = format!("{}-{}-{}", self.task, tier.name, directory.node.replace('.', "-"));
        let cut: String = whole.chars().take(NAME_MAX).collect();
        cut.trim_end_matches('-').to_owned()
    }

    fn manifest(&self, stack: &Stack, tier: &Tier, directory: &Directory) -> Value {
        let labels = labels::of_helper(stack, &tier.name, self.task);
        json!({
            "apiVersion": Kind::Job.api_version(),
            "kind": Kind::Job.word(),
            "metadata": { "namespace": stack.namespace, "labels": labels },
            "spec": {
                "suspend": self.is_suspended,
                "backoffLimit": RETRIES,
                "activeDeadlineSeconds": HELPER_SECONDS,
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {
                    "metadata": { "labels": labels },
                    "spec": self.pod(stack, tier, directory),
                },
            },
        })
    }

    fn pod(&self, stack: &Stack, tier: &Tier, directory: &Directory) -> Value {
        let mut pod = json!({
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "nodeSelector": { LABEL_HOSTNAME: directory.node },
            // Taints keep work away from a storage node, not its preparation.
            "tolerations": [{ "operator": "Exists" }],
            "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [self.container(stack)],
            "volumes": [
                { "name": "directory", "hostPath": { "path": directory.path, "type": self.kind } },
            ],
        });
        let secrets = pull_secrets(stack, tier);
        if !secrets.is_empty() {
            pod["imagePullSecrets"] = secrets.iter().map(|name| json!({ "name": name })).collect();
        }
        pod
    }

    fn container(&self, stack: &Stack) -> Value {
        let resources = json!({ "cpu": "50m", "memory": "32Mi" });
        json!({
            "name": self.task,
            "image": stack.helper_image,
            "command": ["sh", "-c", self.script, self.task, PLACE, WORDS],
            "resources": { "requests": resources, "limits": resources },
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "runAsUser": 0,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"], "add": self.capabilities },
            },
            "volumeMounts": [
                { "name": "directory", "mountPath": PLACE, "readOnly": self.is_read_only },
            ],
        })
    }
}

/// The Secrets by which the clusters on a tier pull their images: a plant that keeps its images in a
/// registry of its own keeps the helper's there, too.
fn pull_secrets<'a>(stack: &'a Stack, tier: &Tier) -> BTreeSet<&'a str> {
    let uses = |cluster: &&crate::stack::Cluster| {
        cluster.pools.values().any(|pool| pool.volumes_from(&tier.name) > 0)
    };
    let clusters = stack.clusters.values().filter(uses);
    clusters.flat_map(|cluster| &cluster.image.pull_secrets).map(String::as_str).collect()
}
