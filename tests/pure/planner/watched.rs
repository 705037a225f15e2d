//! A sandbox under guard: after everything that happens in it the safety rules are checked.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tsinfra::inventory::Inventory;
use tsinfra::lock::Lock;
use tsinfra::object::{Kind, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_STACK, LABEL_TIER, ObjectKey};
use tsinfra::observed::{LiveObject, Observed, Scope};
use tsinfra::plan::step::Action;
use tsinfra::sandbox::{Cluster, Sandbox};
use tsinfra::stack::{Reclaim, Stack};
use tsinfra::world::{Draft, Preview, Refused, Unseen, World};

/// The stack every sketch is of.
const STACK: &str = "plant";

/// A world that notes what goes against the safety rules.
pub(super) struct Watched {
    pub(super) sandbox: Sandbox,
    guard: RefCell<Guard>,
    /// Actions until one whose answer is lost, and whether that one is carried out.
    lost: Cell<Option<(usize, bool)>>,
}

/// What the guard remembers from one look to the next.
#[derive(Default)]
struct Guard {
    wrong: BTreeSet<String>,
    /// Objects of others as they were in the beginning.
    foreign: BTreeMap<ObjectKey, Value>,
    /// Tiers whose claims must stay.
    keeping: BTreeSet<String>,
    /// Claims of such tiers, with their uids.
    kept: BTreeMap<ObjectKey, String>,
    /// Members each StatefulSet was asked for.
    replicas: BTreeMap<ObjectKey, u64>,
    /// Ready members of each quorum domain when all of it was last ready.
    full: BTreeMap<(String, String), usize>,
    /// Clusters being taken down, whose quorum no longer counts.
    ending: BTreeSet<String>,
}

impl Watched {
    /// Puts strangers' objects beside the stack and watches from then on.
    pub(super) fn over(sandbox: Sandbox, stack: &Stack) -> Self {
        plant(&sandbox);
        let mut guard = Guard::default();
        let keeping = stack.storage.values().filter(|tier| tier.reclaim == Reclaim::Retain);
        guard.keeping = keeping.map(|tier| tier.name.clone()).collect();
        sandbox.disturb(|cluster| {
            cluster.advance(Duration::from_secs(10));
            let foreign = cluster.objects.iter().filter(|(key, _)| is_foreign(key));
            guard.foreign =
                foreign.map(|(key, object)| (key.clone(), object.value.clone())).collect();
        });
        Self { sandbox, guard: RefCell::new(guard), lost: Cell::new(None) }
    }

    /// What went against the rules so far.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.guard.borrow().wrong.iter().cloned().collect()
    }

    /// Loses the answer to an action some actions ahead.
    pub(super) fn lose_answer(&self, ahead: usize, carried_out: bool) {
        self.lost.set(Some((ahead, carried_out)));
    }

    fn check(&self) {
        self.sandbox.disturb(|cluster| self.guard.borrow_mut().look(cluster));
    }
}

/// Names of what was planted.
fn is_foreign(key: &ObjectKey) -> bool {
    key.name.contains("stranger")
}

fn plant(sandbox: &Sandbox) {
    let labels = json!({ LABEL_STACK: "stranger", LABEL_CLUSTER: "alpha", "app": "stranger" });
    let within = |kind| ObjectKey::within(kind, "tsdb", "stranger");
    let pod = json!({ "containers": [{ "name": "main", "image": "stranger:1" }] });
    let set = json!({ "spec": {
        "replicas": 1, "serviceName": "stranger", "selector": { "matchLabels": { "app": "stranger" } },
        "template": { "metadata": { "labels": labels }, "spec": pod },
    }});
    let claim = json!({ "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": "none",
        "resources": { "requests": { "storage": "1Gi" } },
    }});
    let service = json!({ "spec": { "selector": { "app": "stranger" }, "ports": [
        { "name": "web", "port": 80, "protocol": "TCP", "targetPort": 80 }
    ]}});
    let budget = json!({ "spec": {
        "maxUnavailable": 1, "selector": { "matchLabels": { "app": "stranger" } },
    }});
    let class = json!({ "provisioner": "stranger.example.org", "reclaimPolicy": "Delete" });
    let mut objects = vec![
        (within(Kind::StatefulSet), set),
        (within(Kind::PersistentVolumeClaim), claim),
        (within(Kind::Service), service),
        (within(Kind::PodDisruptionBudget), budget),
        (within(Kind::ConfigMap), json!({ "data": { "key": "value" } })),
        (ObjectKey::global(Kind::StorageClass, "stranger"), class),
    ];
    for (_, manifest) in &mut objects {
        manifest["metadata"] = json!({ "labels": labels });
    }
    let namespace = ObjectKey::global(Kind::Namespace, "tsdb");
    objects.insert(0, (namespace, json!({ "metadata": {} })));
    for (object, manifest) in objects {
        super::block_on(sandbox.perform(&Action::Create { object, manifest })).unwrap();
    }
}

fn label<'a>(value: &'a Value, name: &str) -> &'a str {
    let labels = value.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(name)?.as_str()).unwrap_or_default()
}

fn is_ours(value: &Value) -> bool {
    label(value, LABEL_STACK) == STACK
}

/// Whether a volume is bound to a claim of the stack.
fn is_of_our_claim(cluster: &Cluster, volume: &Value) -> bool {
    let claim = volume.pointer("/spec/claimRef/uid");
    let mut claims = cluster.of_kind(Kind::PersistentVolumeClaim);
    claim.is_some()
        && claims.any(|(_, live)| is_ours(live) && live.pointer("/metadata/uid") == claim)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && conditions.is_some_and(|all| all.iter().any(ready))
}

impl Guard {
    fn say(&mut self, what: String) {
        self.wrong.insert(what);
    }

    /// Before something is done.
    fn before(&mut self, cluster: &Cluster, action: &Action) {
        let Some(object) = action.object() else { return };
        let live = cluster.get(object);
        if let Action::Delete { .. } = action {
            if object.kind == Kind::Namespace {
                self.say(format!("{object} is deleted"));
            }
            if object.kind == Kind::PersistentVolumeClaim {
                self.claim_goes(cluster, object);
            }
            if let (Kind::StatefulSet, Some(set)) = (object.kind, live) {
                self.ending.insert(label(set, LABEL_CLUSTER).to_owned());
            }
        }
        if let Action::Purge { claim, .. } = action {
            self.data_goes(cluster, object, claim);
        }
        let theirs = live.is_some_and(|live| !is_ours(live) && !is_of_our_claim(cluster, live));
        if theirs && !matches!(action, Action::Create { .. }) {
            self.say(format!("{object} is not of the stack and is changed"));
        }
    }

    /// Data goes only once its claim is gone and its volume is released, and never with the claim.
    fn data_goes(&mut self, cluster: &Cluster, volume: &ObjectKey, claim: &str) {
        let alive = cluster
            .of_kind(Kind::PersistentVolumeClaim)
            .any(|(_, live)| live["metadata"]["uid"] == json!(claim));
        let phase = cluster.get(volume).map(|live| live["status"]["phase"].clone());
        if alive || phase.is_some_and(|phase| phase != "Released") {
            self.say(format!("{volume} is purged while its claim may have it"));
        }
    }

    fn claim_goes(&mut self, cluster: &Cluster, claim: &ObjectKey) {
        let user = cluster.of_kind(Kind::Pod).find(|(_, pod)| {
            let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
            volumes.into_iter().flatten().any(|volume| {
                volume.pointer("/persistentVolumeClaim/claimName") == Some(&json!(claim.name))
            })
        });
        if let Some((pod, _)) = user {
            self.say(format!("{claim} is deleted while {pod} uses it"));
        }
        let volume = cluster.get(claim).and_then(|live| live.pointer("/spec/volumeName")?.as_str());
        let volume = volume.map(|name| ObjectKey::global(Kind::PersistentVolume, name));
        let volume = volume.and_then(|key| cluster.get(&key));
        if volume.is_some_and(|live| live["spec"]["persistentVolumeReclaimPolicy"] != "Retain") {
            self.say(format!("{claim} is deleted while its data would go with it"));
        }
    }

    /// After anything happened.
    fn look(&mut self, cluster: &Cluster) {
        for (key, before) in &self.foreign {
            if cluster.get(key) != Some(before) {
                self.wrong.insert(format!("{key} of strangers is not as it was"));
            }
        }
        self.claims_stay(cluster);
        self.sets_never_shrink(cluster);
        self.quorums_hold(cluster);
    }

    fn claims_stay(&mut self, cluster: &Cluster) {
        for (claim, uid) in &self.kept {
            let live = cluster.get(claim).and_then(|live| live.pointer("/metadata/uid")?.as_str());
            if live != Some(uid.as_str()) {
                self.wrong.insert(format!("{claim} is gone though its tier says retain"));
            }
        }
        for (key, claim) in cluster.of_kind(Kind::PersistentVolumeClaim) {
            if is_ours(claim) && self.keeping.contains(label(claim, LABEL_TIER)) {
                let uid = claim["metadata"]["uid"].as_str().unwrap_or_default();
                self.kept.entry(key.clone()).or_insert_with(|| uid.to_owned());
                let volume = claim.pointer("/spec/volumeName").and_then(Value::as_str);
                let volume = volume.map(|name| ObjectKey::global(Kind::PersistentVolume, name));
                if volume.as_ref().is_some_and(|volume| cluster.get(volume).is_none()) {
                    self.wrong.insert(format!("{key} lost its volume though its tier says retain"));
                }
            }
        }
    }

    fn sets_never_shrink(&mut self, cluster: &Cluster) {
        let sets: BTreeMap<ObjectKey, u64> = cluster
            .of_kind(Kind::StatefulSet)
            .map(|(key, set)| (key.clone(), set["spec"]["replicas"].as_u64().unwrap_or(1)))
            .collect();
        for (key, now) in &sets {
            if self.replicas.get(key).is_some_and(|before| before > now) {
                self.wrong.insert(format!("{key} shrinks"));
            }
        }
        self.replicas = sets;
    }

    /// Once all members of a quorum domain were ready, at most one of them is ever away; and
    /// members that store do not exist before all that vote were ready.
    fn quorums_hold(&mut self, cluster: &Cluster) {
        let mut asked: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut ready: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (_, set) in cluster.of_kind(Kind::StatefulSet).filter(|(_, set)| is_ours(set)) {
            let domain = set["spec"]["template"]["metadata"]["labels"][LABEL_DOMAIN].as_str();
            let place =
                (label(set, LABEL_CLUSTER).to_owned(), domain.unwrap_or_default().to_owned());
            let replicas = set["spec"]["replicas"].as_u64().unwrap_or(1);
            *asked.entry(place).or_default() += usize::try_from(replicas).unwrap();
        }
        let mut storing: BTreeSet<String> = BTreeSet::new();
        for (_, pod) in cluster.of_kind(Kind::Pod).filter(|(_, pod)| is_ours(pod)) {
            let place = (label(pod, LABEL_CLUSTER).to_owned(), label(pod, LABEL_DOMAIN).to_owned());
            if place.1 == "storing" {
                storing.insert(place.0.clone());
            }
            if is_ready(pod) {
                *ready.entry(place).or_default() += 1;
            }
        }
        // A cluster that is all gone may begin anew.
        let there: BTreeSet<&str> = asked.keys().map(|(cluster, _)| cluster.as_str()).collect();
        self.full.retain(|(cluster, _), _| {
            there.contains(cluster.as_str()) || storing.contains(cluster)
        });
        self.ending.retain(|cluster| there.contains(cluster.as_str()) || storing.contains(cluster));
        for (place, asked) in &asked {
            let ready = ready.get(place).copied().unwrap_or(0);
            let full = self.full.get(place).copied();
            if ready == *asked {
                self.full.insert(place.clone(), ready);
            } else if full.is_some_and(|full| ready + 1 < full) && !self.ending.contains(&place.0) {
                self.say(format!("{} of {full:?} of {place:?} are ready", ready));
            }
        }
        for cluster in storing {
            if !self.full.contains_key(&(cluster.clone(), "control".to_owned()))
                && !self.ending.contains(&cluster)
            {
                self.say(format!("{cluster} has DataNodes before its ConfigNodes were all ready"));
            }
        }
    }
}

impl Watched {
    /// The steps that stand in the stack's Lease as begun.
    pub(super) fn begun(&self) -> BTreeSet<String> {
        let snapshot = self.sandbox.snapshot();
        let lease = snapshot.of_kind(Kind::Lease).next().map(|(_, lease)| lease.clone());
        let lease = LiveObject { value: lease.unwrap_or_default(), ..LiveObject::default() };
        Lock::from_lease(&lease).map(|lock| lock.begun).unwrap_or_default()
    }
}

impl World for Watched {
    fn target(&self) -> String {
        self.sandbox.target()
    }

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        self.sandbox.look(scope).await
    }

    async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen> {
        self.sandbox.preview(draft).await
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        self.sandbox.disturb(|cluster| self.guard.borrow_mut().before(cluster, action));
        let lost = self.lost.take();
        self.lost.set(lost.and_then(|(ahead, done)| Some((ahead.checked_sub(1)?, done))));
        let unknown = Err(Refused::Unknown("the answer was lost".to_owned()));
        if lost == Some((0, false)) {
            return unknown;
        }
        let outcome = self.sandbox.perform(action).await;
        self.check();
        if lost == Some((0, true)) { unknown } else { outcome }
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        self.sandbox.keep(inventory).await
    }

    async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused> {
        self.sandbox.drop_record(namespace, stack).await
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        self.sandbox.swap(object, manifest, version).await
    }

    fn time_of_day(&self) -> String {
        self.sandbox.time_of_day()
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        self.sandbox.stir(scope, at_most).await;
        self.check();
    }

    fn elapsed(&self) -> Duration {
        self.sandbox.elapsed()
    }
}
