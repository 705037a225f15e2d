//! One apply at a time: a stack's lock as a value, and whose turn it is. Pure.
//!
//! The lock is a Lease beside the stack's record. Clocks of two machines are never compared: a
//! holder is taken for dead when its Lease has not changed for [`TERM`] and [`REQUEST`] by the
//! watcher's own clock (as client-go's leader election judges it; that one gives no fencing). What
//! fences is the Lease itself: before each effect its holder writes the step's name into it by
//! compare-and-swap, so that whoever lost it finds out before it acts. So it is a journal too: the
//! steps that stand in it were begun and are not known to be done.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::object::{FIELD_MANAGER, Kind, LABEL_MANAGED_BY, LABEL_STACK, ObjectKey};
use crate::observed::LiveObject;

/// How long a holder may be silent; it speaks three times as often.
pub const TERM: Duration = Duration::from_secs(30);

/// How long after the lock was written, as far as its holder knows, the last request of an effect may
/// be sent: so that it has ended, [`REQUEST`] later, when the holder can first be taken for dead.
pub const EFFECT: Duration = Duration::from_secs(20);

/// How long writing the lock may take before an effect: with [`EFFECT`] a whole [`TERM`].
pub const ANSWER: Duration = Duration::from_secs(10);

/// How long a request of a holder that is dead may still be under way: the limit of one request.
pub const REQUEST: Duration = Duration::from_secs(30);

/// Annotation: what the holder does, e.g. `apply`.
const PURPOSE: &str = "tsinfra.dev/purpose";
/// Annotation: the steps that are begun and not done, a JSON list; each is written before its effect.
const BEGUN: &str = "tsinfra.dev/begun";

/// Who holds a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Who: user, host and process.
    pub holder: String,
    /// What for: `apply` or `destroy`.
    pub purpose: String,
    /// Since when, RFC 3339.
    pub acquired: String,
    /// Last sign of life, RFC 3339.
    pub renewed: String,
    /// How many holders there were before.
    pub epoch: i64,
    /// Steps begun and not seen to be done: after a crash these may be half done.
    pub begun: BTreeSet<String>,
}

impl Lock {
    /// The Lease of a stack.
    pub fn key(namespace: &str, stack: &str) -> ObjectKey {
        ObjectKey::within(Kind::Lease, namespace, format!("tsinfra-{stack}"))
    }

    /// The Lease while it is held.
    pub fn to_lease(&self, namespace: &str, stack: &str) -> Value {
        let mut lease = free(namespace, stack, self.epoch);
        let begun = json!(self.begun).to_string();
        lease["metadata"]["annotations"] = json!({ PURPOSE: self.purpose, BEGUN: begun });
        lease["spec"]["holderIdentity"] = json!(self.holder);
        lease["spec"]["leaseDurationSeconds"] = json!(TERM.as_secs());
        lease["spec"]["acquireTime"] = json!(self.acquired);
        lease["spec"]["renewTime"] = json!(self.renewed);
        lease
    }

    /// Who holds a Lease; `None`: nobody.
    pub fn from_lease(lease: &LiveObject) -> Option<Self> {
        let text = |pointer: &str| lease.text(pointer).unwrap_or_default().to_owned();
        let holder = text("/spec/holderIdentity");
        let annotation = |name: &str| lease.annotation(name).unwrap_or_default().to_owned();
        (!holder.is_empty()).then(|| Self {
            holder,
            purpose: annotation(PURPOSE),
            acquired: text("/spec/acquireTime"),
            renewed: text("/spec/renewTime"),
            epoch: epoch(lease),
            begun: serde_json::from_str(&annotation(BEGUN)).unwrap_or_default(),
        })
    }
}

fn epoch(lease: &LiveObject) -> i64 {
    lease.number("/spec/leaseTransitions").unwrap_or(0)
}

/// The epoch after this one. The API server keeps 32 bits of it; nothing is compared by it, so that
/// one which somebody has set to the last of them may stay there.
pub fn next_epoch(epoch: i64) -> i64 {
    epoch.saturating_add(1).clamp(1, i64::from(i32::MAX))
}

/// The Lease while nobody holds it.
pub fn free(namespace: &str, stack: &str, epoch: i64) -> Value {
    json!({
        "apiVersion": Kind::Lease.api_version(),
        "kind": Kind::Lease.word(),
        "metadata": {
            "name": Lock::key(namespace, stack).name,
            "namespace": namespace,
            "labels": { LABEL_MANAGED_BY: FIELD_MANAGER, LABEL_STACK: stack },
        },
        "spec": { "leaseTransitions": epoch },
    })
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody's: to be taken over this version (`None`: there is no Lease yet).
    Free {
        /// `resourceVersion` of the Lease.
        version: Option<String>,
        /// The epoch to take it with.
        epoch: i64,
        /// Who had it and has not been heard of for too long.
        dead: Option<Lock>,
    },
    /// Somebody's.
    Taken(Lock),
}

/// A watch over a lock from one place, by one clock.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The version seen last, and since when it has not changed.
    unchanged: Option<(String, Duration)>,
}

impl Watch {
    /// Judges the Lease as it is at `now` by the watcher's own clock.
    pub fn judge(&mut self, lease: Option<&LiveObject>, now: Duration) -> Turn {
        let Some(lease) = lease else {
            return Turn::Free { version: None, epoch: 1, dead: None };
        };
        let version = lease.text("/metadata/resourceVersion").unwrap_or_default();
        let since = match &self.unchanged {
            Some((seen, since)) if seen == version => *since,
            _ => {
                self.unchanged = Some((version.to_owned(), now));
                now
            }
        };
        let silent = now.saturating_sub(since) >= TERM + REQUEST;
        match Lock::from_lease(lease) {
            Some(lock) if !silent => Turn::Taken(lock),
            dead => Turn::Free {
                version: Some(version.to_owned()),
                epoch: next_epoch(epoch(lease)),
                dead,
            },
        }
    }
}
