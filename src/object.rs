//! The name of a Kubernetes object as every room says it, and the labels that say whose it is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use db_engine::cluster::Content;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The field manager tsinfra writes as.
pub const FIELD_MANAGER: &str = "tsinfra";
/// Label: the stack an object belongs to.
pub const LABEL_STACK: &str = "tsinfra.dev/stack";
/// Label of ApplySet members (KEP-3659): which record lists an object. Unlike the stack's name it
/// tells stacks of one name in two namespaces apart.
pub const LABEL_PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Label: the cluster of that stack.
pub const LABEL_CLUSTER: &str = "tsinfra.dev/cluster";
/// Label: the pool of that cluster.
pub const LABEL_POOL: &str = "tsinfra.dev/pool";
/// Label: the storage tier of the stack.
pub const LABEL_TIER: &str = "tsinfra.dev/tier";
/// Label: the name of a node that volumes and pods are bound by.
pub const LABEL_HOSTNAME: &str = "kubernetes.io/hostname";
/// Label: what a helper Job does (`prepare`), on it and on its pods.
pub const LABEL_TASK: &str = "tsinfra.dev/task";
/// Label Kubernetes puts on the pods of a Job: the Job's name (stable since 1.27).
pub const LABEL_JOB: &str = "batch.kubernetes.io/job-name";
/// Label: the quorum domain of a pod (`control` or `storing`), which disruption budgets select.
pub const LABEL_DOMAIN: &str = "tsinfra.dev/quorum-domain";
/// Label: `true` on pods the client Service sends clients to.
pub const LABEL_SERVES: &str = "tsinfra.dev/serves-clients";
/// Label every tool understands: who manages an object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation: `true` while deletion of the cluster's data is refused.
pub const ANNOTATION_PROTECT: &str = "tsinfra.dev/protect";
/// Annotation: the address its part of the stack has by now, where it was made under another.
pub const ANNOTATION_CALLED: &str = "tsinfra.dev/called";

/// Annotation of a StatefulSet: the address the tier of these volumes has by now, where it was made under
/// another.
pub const fn tier_called(content: Content) -> &'static str {
    match content {
        Content::Data => "tsinfra.dev/tier-called",
        Content::Wal => "tsinfra.dev/wal-tier-called",
    }
}

/// Annotation of a claim: the id of the database its member is of.
pub const ANNOTATION_DATABASE: &str = "tsinfra.dev/database-id";
/// Annotation of a claim: the database's own id of its member.
pub const ANNOTATION_MEMBER: &str = "tsinfra.dev/member-id";

/// Label on a claim whose member is gone for good, and is to have another: `true`, and `told-ID` once the database
/// was told to give up its member of that id.
pub const LABEL_GIVEN_UP: &str = "tsinfra.dev/given-up";

/// The provisioner of classes whose volumes are made by hand.
pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// Annotation of a volume: the uid of the claim its data are to be deleted with.
pub const ANNOTATION_CONDEMNED: &str = "tsinfra.dev/condemned-with";

/// The kinds tsinfra reads or writes, in the order they come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A machine; read only.
    Node,
    /// Created when missing, never deleted.
    Namespace,
    /// A storage tier's class.
    StorageClass,
    /// A helper that prepares a directory of a node; comes and goes within a run.
    Job,
    /// A volume; made by us for local tiers only.
    PersistentVolume,
    /// The inventory.
    ConfigMap,
    /// The stack's lock.
    Lease,
    /// Governing (headless) and client Services.
    Service,
    /// One a quorum domain.
    PodDisruptionBudget,
    /// A pool.
    StatefulSet,
    /// A member's claim; made by the StatefulSet.
    PersistentVolumeClaim,
    /// A member; made by the StatefulSet.
    Pod,
}

impl Kind {
    /// Every kind, in the order they come to be.
    pub const ALL: [Self; 12] = [
        Self::Node,
        Self::Namespace,
        Self::StorageClass,
        Self::Job,
        Self::PersistentVolume,
        Self::ConfigMap,
        Self::Lease,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::StatefulSet,
        Self::PersistentVolumeClaim,
        Self::Pod,
    ];

    /// `apiVersion` of its manifests.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::StorageClass => "storage.k8s.io/v1",
            Self::PodDisruptionBudget => "policy/v1",
            Self::StatefulSet => "apps/v1",
            Self::Job => "batch/v1",
            Self::Lease => "coordination.k8s.io/v1",
            Self::Node
            | Self::Namespace
            | Self::PersistentVolume
            | Self::ConfigMap
            | Self::Service
            | Self::PersistentVolumeClaim
            | Self::Pod => "v1",
        }
    }

    /// `kind` of its manifests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Namespace => "Namespace",
            Self::StorageClass => "StorageClass",
            Self::Job => "Job",
            Self::PersistentVolume => "PersistentVolume",
            Self::ConfigMap => "ConfigMap",
            Self::Lease => "Lease",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::StatefulSet => "StatefulSet",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Pod => "Pod",
        }
    }

    /// The resource name in API paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Node => "nodes",
            Self::Namespace => "namespaces",
            Self::StorageClass => "storageclasses",
            Self::Job => "jobs",
            Self::PersistentVolume => "persistentvolumes",
            Self::ConfigMap => "configmaps",
            Self::Lease => "leases",
            Self::Service => "services",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::StatefulSet => "statefulsets",
            Self::PersistentVolumeClaim => "persistentvolumeclaims",
            Self::Pod => "pods",
        }
    }

    /// Whether objects of it live in a namespace.
    pub fn namespaced(self) -> bool {
        !matches!(self, Self::Node | Self::Namespace | Self::StorageClass | Self::PersistentVolume)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One object's name: kind, namespace, name. Printed and parsed as `StatefulSet/tsdb/history-hot`
/// or, outside namespaces, `StorageClass/plant-ssd`. This is the address users write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// What it is.
    pub kind: Kind,
    /// Where it is; `None` for kinds outside namespaces.
    pub namespace: Option<String>,
    /// What it is called.
    pub name: String,
}

impl ObjectKey {
    /// An object of a kind that lives in namespaces.
    pub fn within(kind: Kind, namespace: &str, name: impl Into<String>) -> Self {
        assert!(kind.namespaced(), "{kind} lives in no namespace");
        Self { kind, namespace: Some(namespace.to_owned()), name: name.into() }
    }

    /// The StatefulSet whose member a claim is of, by its name `<content>-<set>-<ordinal>`.
    pub fn set_of_claim(&self) -> Option<Self> {
        let (set, ordinal) = self.member_of_claim()?.rsplit_once('-')?;
        let is_one = self.kind == Kind::PersistentVolumeClaim && ordinal.parse::<u32>().is_ok();
        is_one.then(|| Self { kind: Kind::StatefulSet, name: set.to_owned(), ..self.clone() })
    }

    /// Whether it is the name of a claim of a member of this StatefulSet.
    pub fn is_claim_of(&self, set: &Self) -> bool {
        let number = self.member_of_claim().and_then(|it| it.strip_prefix(set.name.as_str()));
        let number = number.and_then(|it| it.strip_prefix('-'));
        self.kind == Kind::PersistentVolumeClaim
            && self.namespace == set.namespace
            && number.is_some_and(|number| number.parse::<u32>().is_ok())
    }

    /// The StatefulSet whose member a pod is, by its name `<set>-<ordinal>`.
    pub fn set_of_pod(&self) -> Option<Self> {
        let (set, _) = self.name.rsplit_once('-')?;
        Some(Self { kind: Kind::StatefulSet, name: set.to_owned(), ..self.clone() })
    }

    /// The member a claim is of, by the name of its pod.
    pub fn member_of_claim(&self) -> Option<&str> {
        self.content_and_member().map(|(_, member)| member)
    }

    /// What is on the volume of a claim.
    pub fn content_of_claim(&self) -> Option<Content> {
        self.content_and_member().map(|(content, _)| content)
    }

    /// Claims are called `<content>-<pod>`, by the template they are made of and the member they are made for.
    fn content_and_member(&self) -> Option<(Content, &str)> {
        let (word, member) = self.name.split_once('-')?;
        Content::by_word(word).map(|content| (content, member))
    }

    /// The claim a StatefulSet's member has for this.
    pub fn claim_of(set: &Self, content: Content, ordinal: u32) -> Self {
        let name = format!("{}-{}-{ordinal}", content.word(), set.name);
        Self { kind: Kind::PersistentVolumeClaim, name, ..set.clone() }
    }

    /// The pod of a StatefulSet's member.
    pub fn pod_of(set: &Self, ordinal: u32) -> Self {
        Self { kind: Kind::Pod, name: format!("{}-{ordinal}", set.name), ..set.clone() }
    }

    /// The number at the end of its name, as members of a StatefulSet and their claims have one.
    pub fn ordinal(&self) -> Option<u32> {
        self.name.rsplit_once('-')?.1.parse().ok()
    }

    /// An object of a kind that lives outside namespaces.
    pub fn global(kind: Kind, name: impl Into<String>) -> Self {
        assert!(!kind.namespaced(), "{kind} lives in a namespace");
        Self { kind, namespace: None, name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// A text that is no address of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address; write `Kind/namespace/name`, or `Kind/name` outside namespaces")]
pub struct BadAddress(pub String);

impl FromStr for ObjectKey {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadAddress(text.to_owned());
        let mut parts = text.split('/');
        let word = parts.next().ok_or_else(bad)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(bad)?;
        let rest: Vec<&str> = parts.collect();
        if rest.iter().any(|part| part.is_empty()) {
            return Err(bad());
        }
        match (kind.namespaced(), rest.as_slice()) {
            (true, [namespace, name]) => Ok(Self::within(kind, namespace, *name)),
            (false, [name]) => Ok(Self::global(kind, *name)),
            _ => Err(bad()),
        }
    }
}

impl Serialize for ObjectKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The templates of what each member of a StatefulSet claims.
pub fn claim_templates(set: &Value) -> &[Value] {
    let templates = at(set, "/spec/volumeClaimTemplates").and_then(Value::as_array);
    templates.map_or(&[], Vec::as_slice)
}

/// The template of the claim a StatefulSet's members have for this.
pub fn claim_template(set: &Value, content: Content) -> Option<&Value> {
    let name = |template: &Value| template["metadata"]["name"] == content.word();
    claim_templates(set).iter().find(|template| name(template))
}

/// Labels, as selectors and metadata hold them.
pub type Labels = BTreeMap<String, String>;

/// What stands at a place of a value, e.g. `/metadata/uid`; names with `/` or `~` in them cannot be
/// said. Unlike [`Value::pointer`], which makes a text of each name, this costs no memory; simulated
/// worlds ask it some hundred thousand times a second.
pub fn at<'a>(value: &'a Value, place: &str) -> Option<&'a Value> {
    let mut value = value;
    let mut rest = place.strip_prefix('/')?;
    loop {
        let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
        let name = rest.get(..end)?;
        value = match value {
            Value::Object(map) => map.get(name)?,
            Value::Array(list) => list.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
        match rest.get(end + 1..) {
            Some(further) => rest = further,
            None => return Some(value),
        }
    }
}
