//! What a plan has seen of each object, and whether it is still so: what came, went, or was changed
//! where it matters. Status, versions, other managers' entries and pods do not matter. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fields;
use crate::object::{FIELD_MANAGER, Kind, LABEL_STACK, Labels, ObjectKey};
use crate::observed::{List, LiveObject, Observed, Scope};

/// What a plan relies on of a volume whoever has set it: whether its data outlive its claim.
const RECLAIM: &str = ".spec.persistentVolumeReclaimPolicy";

/// Changes named at once, at most.
const NAMED_MAX: usize = 3;

/// An object as a plan has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its uid.
    pub uid: String,
    /// How often its specification was changed, where the kind counts that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Digest of the fields the stack owns there; see [`fields::digest_owned`].
    pub digest: String,
    /// Whether its deletion had begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl Seen {
    /// An object as it is.
    pub fn of(key: &ObjectKey, live: &LiveObject) -> Self {
        let digest = live.digest_once(|| {
            let mut owned = Cow::Borrowed(live.owned_by(FIELD_MANAGER));
            if key.kind == Kind::PersistentVolume {
                owned.to_mut().insert(RECLAIM.to_owned());
            }
            fields::digest_owned(&owned, &live.value)
        });
        Self {
            uid: live.uid().to_owned(),
            generation: live.number("/metadata/generation"),
            digest,
            leaving: live.is_leaving(),
        }
    }

    /// What has become otherwise, as a clause after the object's name.
    fn departs(&self, now: &Self) -> Option<String> {
        if self.uid != now.uid {
            return Some("was replaced by another object of that name".to_owned());
        }
        if now.leaving && !self.leaving {
            return Some("is being deleted".to_owned());
        }
        let counted = |generation: Option<i64>| {
            generation.map_or_else(|| "none".to_owned(), |number| number.to_string())
        };
        let (was, is) = (counted(self.generation), counted(now.generation));
        match (self.digest == now.digest, was == is) {
            (true, true) => None,
            (true, false) => Some(format!("was changed (generation {was} -> {is})")),
            (false, true) => Some("was changed in fields the stack sets".to_owned()),
            (false, false) => {
                Some(format!("was changed in fields the stack sets (generation {was} -> {is})"))
            }
        }
    }
}

/// Kinds of the stack's namespace that count. Pods come and go, and the record and the lock are
/// tsinfra's own.
const NAMESPACED: [Kind; 4] =
    [Kind::Service, Kind::PodDisruptionBudget, Kind::StatefulSet, Kind::PersistentVolumeClaim];

/// What has to be looked at to tell: what bears the stack's name, by LIST; and the namespace.
pub fn scope(stack: &str, namespace: &str) -> Scope {
    let labels: Labels = [(LABEL_STACK.to_owned(), stack.to_owned())].into();
    let list = |kind: Kind, namespace: Option<&str>| List {
        kind,
        namespace: namespace.map(str::to_owned),
        labels: labels.clone(),
    };
    let within = NAMESPACED.into_iter().map(|kind| list(kind, Some(namespace)));
    let global = [Kind::StorageClass, Kind::PersistentVolume].map(|kind| list(kind, None));
    Scope {
        lists: within.chain(global).collect(),
        gets: vec![ObjectKey::global(Kind::Namespace, namespace)],
        ..Scope::default()
    }
}

/// What has to be looked at besides: objects that bear the stack's name no more, or never did.
pub fn rest(known: &BTreeMap<ObjectKey, Seen>, listed: &Observed) -> Scope {
    let unseen = known.keys().filter(|key| !listed.objects.contains_key(key));
    Scope { gets: unseen.cloned().collect(), ..Scope::default() }
}

/// What has become otherwise since a plan was made, as a sentence.
pub fn departs(
    known: &BTreeMap<ObjectKey, Seen>,
    (stack, namespace): (&str, &str),
    now: &Observed,
) -> Option<String> {
    let changed = known.iter().filter_map(|(key, seen)| match now.objects.get(key) {
        None => Some(format!("{key} was deleted")),
        Some(live) => seen.departs(&Seen::of(key, live)).map(|what| format!("{key} {what}")),
    });
    let came = now.objects.iter().filter(|(key, live)| {
        !known.contains_key(key)
            && live.bears_the_name_of(stack, namespace, key)
            && !is_brought_by_its_set(key, known, now)
    });
    let came = came.map(|(key, _)| format!("{key} is new"));
    let all: Vec<String> = changed.chain(came).collect();
    let named = all.get(..NAMED_MAX.min(all.len()))?.join("; ");
    match all.len().saturating_sub(NAMED_MAX) {
        _ if all.is_empty() => None,
        0 => Some(named),
        more => Some(format!("{named}; and {more} more")),
    }
}

/// Whether a claim is one that a StatefulSet, as it was seen, was yet to make for its members: a
/// plan made while members come up is not stale when the next of them comes.
fn is_brought_by_its_set(
    claim: &ObjectKey,
    known: &BTreeMap<ObjectKey, Seen>,
    now: &Observed,
) -> bool {
    let is_of = |set: &ObjectKey, live: &LiveObject| {
        let ordinal = claim.name.rsplit_once('-').and_then(|(rest, ordinal)| {
            rest.ends_with(&format!("-{}", set.name)).then(|| ordinal.parse::<i64>().ok())?
        });
        set.namespace == claim.namespace
            && ordinal.is_some_and(|n| n < live.number("/spec/replicas").unwrap_or(1))
    };
    let mut sets = now.of_kind(Kind::StatefulSet).filter(|(set, _)| known.contains_key(set));
    claim.kind == Kind::PersistentVolumeClaim && sets.any(|(set, live)| is_of(set, live))
}
