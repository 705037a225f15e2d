//! The state of the simulated world as one value, and the writes everything else is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use db_engine::iotdb::sim::IotdbSim;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::directories::Directories;
use super::idle::Idleness;
use super::shared::Shared;
use super::trouble::Trouble;
use super::values::{put, text};
use crate::fields::path::touches;
use crate::fields::walk::walk;
use crate::fields::{hex, names};
use crate::object::{Kind, ObjectKey, at};
use crate::observed::{EventNote, LiveObject};

/// Version of the saved state; a file with a higher one is refused.
pub(super) const FORMAT: u32 = 1;
/// When virtual time begins: 2026-01-01T00:00:00Z.
const EPOCH_SECONDS: i64 = 1_767_225_600;
/// Kubernetes forgets events after an hour.
const EVENT_LIFE_MS: u64 = 3_600_000;

/// The whole simulated world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Version of this format.
    pub format: u32,
    /// What uids are made from, beside their number.
    pub seed: u64,
    /// Virtual time since the world began, in milliseconds.
    pub clock_ms: u64,
    /// How many uids were given.
    pub uids: u64,
    /// The last `resourceVersion` given; it grows with every write and every new warning.
    pub revision: u64,
    /// How many addresses were given.
    pub addresses: u64,
    /// Every object. Shared, because a world is copied before each change and hardly differs.
    pub objects: Shared<BTreeMap<ObjectKey, Arc<LiveObject>>>,
    /// What nodes know of their pods beyond the pods' status.
    pub pods: Shared<BTreeMap<ObjectKey, PodLife>>,
    /// Images each node has pulled.
    pub images: Shared<BTreeMap<String, BTreeSet<String>>>,
    /// Simulated databases, by `namespace/cluster`.
    pub databases: Shared<BTreeMap<String, IotdbSim>>,
    /// Warning events, oldest first.
    pub events: Shared<Vec<SimEvent>>,
    /// What is known of directories on nodes.
    #[serde(default)]
    pub directories: Shared<Directories>,
    /// What goes wrong at present.
    #[serde(default)]
    pub trouble: Trouble,
    /// Which controllers need not look again.
    #[serde(skip)]
    pub(super) idleness: Idleness,
}

/// How far a pod has come on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodLife {
    /// The stage.
    pub stage: Stage,
    /// When the stage was entered, on the virtual clock.
    pub since_ms: u64,
}

/// Stages of a pod on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The image is being pulled.
    Pulling,
    /// The image could not be pulled; it is tried again.
    PullFailed,
    /// Init containers run.
    Preparing,
    /// The containers run and do not answer yet.
    Starting,
    /// The containers answer.
    Ready,
    /// The containers ended, as those of a Job do.
    Ended,
    /// The containers were told to stop.
    Stopping,
}

/// A warning and when it was last given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimEvent {
    /// Namespace of the object.
    pub namespace: String,
    /// When, on the virtual clock.
    pub at_ms: u64,
    /// The warning.
    pub note: EventNote,
}

impl Cluster {
    /// An empty world without nodes. Two of the same seed give the same uids in the same order.
    pub fn empty(seed: u64) -> Self {
        Self {
            format: FORMAT,
            seed,
            clock_ms: 0,
            uids: 0,
            revision: 0,
            addresses: 0,
            objects: Shared::default(),
            pods: Shared::default(),
            images: Shared::default(),
            databases: Shared::default(),
            events: Shared::default(),
            directories: Shared::default(),
            trouble: Trouble::default(),
            idleness: Idleness::default(),
        }
    }

    /// An object's value, if it is there.
    pub fn get(&self, key: &ObjectKey) -> Option<&Value> {
        self.objects.get(key).map(|object| &*object.value)
    }

    /// An object as it is now, to look at while the world changes.
    pub(super) fn shared(&self, key: &ObjectKey) -> Option<Arc<LiveObject>> {
        self.objects.get(key).cloned()
    }

    /// The names of all objects of a kind, in order.
    pub fn keys_of(&self, kind: Kind) -> Vec<ObjectKey> {
        self.keys_where(kind, |_, _| true)
    }

    /// The names of those objects of a kind that are meant, in order.
    pub(super) fn keys_where(
        &self,
        kind: Kind,
        is_meant: impl Fn(&ObjectKey, &Value) -> bool,
    ) -> Vec<ObjectKey> {
        let meant = self.of_kind(kind).filter(|(key, value)| is_meant(key, value));
        meant.map(|(key, _)| key.clone()).collect()
    }

    /// All objects of a kind, in order of their names.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        let start = ObjectKey { kind, namespace: None, name: String::new() };
        let of_kind = self.objects.range(start..).take_while(move |(key, _)| key.kind == kind);
        of_kind.map(|(key, object)| (key, &*object.value))
    }

    /// Virtual time as Kubernetes writes it.
    pub fn timestamp(&self) -> String {
        let seconds = EPOCH_SECONDS.saturating_add_unsigned(self.clock_ms / 1000);
        jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
    }

    /// Seconds since a time Kubernetes has written.
    pub(super) fn seconds_since(&self, time: &str) -> i64 {
        let then = time.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH).as_second();
        EPOCH_SECONDS.saturating_add_unsigned(self.clock_ms / 1000).saturating_sub(then)
    }

    /// A uid nobody has: the same seed gives the same ones in the same order.
    pub(super) fn next_uid(&mut self) -> String {
        self.uids += 1;
        let digest = Sha256::digest(format!("{}/{}", self.seed, self.uids).as_bytes());
        let text = hex(&digest);
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        format!("{a}-{b}-4{c}-8{d}-{e}")
    }

    /// An address nobody has, in a network of 65 000: `10.96` for Services, `10.244` for pods.
    pub(super) fn next_address(&mut self, network: &str) -> String {
        self.addresses += 1;
        format!("{network}.{}.{}", self.addresses / 250 % 250, self.addresses % 250 + 1)
    }

    /// Puts a new object into the world as its manager made it.
    pub(super) fn insert(&mut self, key: &ObjectKey, mut value: Value, manager: &str) {
        let owned = if keeps_owners(key) { owned_by_setting(&value) } else { BTreeSet::new() };
        let uid = self.next_uid();
        put(&mut value, &["metadata", "uid"], json!(uid));
        put(&mut value, &["metadata", "creationTimestamp"], json!(self.timestamp()));
        if matches!(key.kind, Kind::StatefulSet | Kind::PodDisruptionBudget) {
            put(&mut value, &["metadata", "generation"], json!(1));
        }
        let managers = BTreeMap::from([(manager.to_owned(), owned)]);
        self.replace(key, LiveObject::owned(value, managers));
    }

    /// Stores an object under a new `resourceVersion`.
    pub(super) fn replace(&mut self, key: &ObjectKey, mut object: LiveObject) {
        self.revision += 1;
        self.idleness.note_change(key.kind, self.revision);
        let version = json!(self.revision.to_string());
        put(object.value_mut(), &["metadata", "resourceVersion"], version);
        self.objects.insert(key.clone(), Arc::new(object));
    }

    /// Changes an object as a controller does: what it changes becomes its own. Nothing happens
    /// where nothing changes.
    pub(super) fn change(&mut self, manager: &str, key: &ObjectKey, edit: impl FnOnce(&mut Value)) {
        let Some(old) = self.objects.get(key) else { return };
        let mut new = LiveObject::clone(old);
        edit(new.value_mut());
        if new.value != old.value {
            if keeps_owners(key) {
                transfer(manager, &old.value, &mut new);
            }
            self.replace(key, new);
        }
    }

    /// Changes a status, which belongs to no manager.
    pub(super) fn set_status(&mut self, key: &ObjectKey, place: &[&str], status: Value) {
        let whole: Vec<&str> = ["status"].iter().chain(place).copied().collect();
        let Some(old) = self.objects.get(key) else { return };
        let found = whole.iter().try_fold(&*old.value, |value, name| value.get(*name));
        if found != Some(&status) {
            let mut new = LiveObject::clone(old);
            put(new.value_mut(), &whole, status);
            self.replace(key, new);
        }
    }

    /// Takes an object out of the world.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        if self.objects.remove(key).is_some() {
            self.revision += 1;
            self.idleness.note_change(key.kind, self.revision);
            if key.kind == Kind::Pod {
                self.pods.remove(key);
            }
        }
    }

    /// Whether an object's deletion has begun.
    pub(super) fn is_leaving(&self, key: &ObjectKey) -> bool {
        self.get(key).is_some_and(leaving)
    }

    /// Gives a warning about an object; the same warning again only renews it.
    pub(super) fn warn(&mut self, key: &ObjectKey, reason: &str, message: &str) {
        let note = EventNote {
            kind: key.kind.word().to_owned(),
            name: key.name.clone(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let namespace = key.namespace.clone().unwrap_or_default();
        let oldest = self.clock_ms.saturating_sub(EVENT_LIFE_MS);
        let is_this = |event: &SimEvent| event.namespace == namespace && event.note == note;
        if !self.events.iter().any(is_this) {
            self.revision += 1;
        }
        self.events.retain(|event| event.at_ms >= oldest && !is_this(event));
        self.events.push(SimEvent { namespace, at_ms: self.clock_ms, note });
    }
}

/// Whether it is worth knowing who owns an object's fields: nobody applies pods, and they change
/// more than all else together.
fn keeps_owners(key: &ObjectKey) -> bool {
    key.kind != Kind::Pod
}

/// Whether an object's deletion has begun.
pub(super) fn leaving(value: &Value) -> bool {
    at(value, "/metadata/deletionTimestamp").is_some()
}

/// An object's uid.
pub(super) fn uid(value: &Value) -> &str {
    text(value, "/metadata/uid")
}

/// The fields a manager owns that sends this object: all it sets but its name.
pub(super) fn owned_by_setting(value: &Value) -> BTreeSet<String> {
    let mut names = names(value);
    names.retain(|name| name != ".metadata.name" && name != ".metadata.namespace");
    names
}

/// Gives a manager every field that is not as it was, as the API server does for writes that are
/// not server-side apply; fields that are gone are nobody's.
pub(super) fn transfer(manager: &str, old: &Value, new: &mut LiveObject) {
    let (mut names, mut changed) = (BTreeSet::new(), BTreeSet::new());
    walk(&new.value, Some(old), &mut |field| {
        names.insert(field.name.to_owned());
        if field.beside != Some(field.value) {
            changed.insert(field.name.to_owned());
        }
    });
    let stays = |path: &String| touches(&names, path) && !touches(&changed, path);
    let managers = Arc::make_mut(&mut new.managers);
    for paths in managers.values_mut() {
        paths.retain(stays);
    }
    managers.entry(manager.to_owned()).or_default().extend(changed);
    managers.retain(|_, paths| !paths.is_empty());
}
