//! A digest of an object that all its copies share: worlds and plans look at the same one again and
//! again, and working it out costs most of a look.

use std::sync::{Arc, OnceLock, Weak};

use serde_json::Value;

use super::Managers;

/// Good only for the very value and owners it was worked out of; no part of the object.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo(Arc<OnceLock<Known>>);

#[derive(Debug)]
struct Known {
    /// Held weakly: the place in memory stays taken, and whoever changes the object need not copy it.
    value: Weak<Value>,
    managers: Weak<Managers>,
    digest: String,
}

impl Memo {
    /// What was worked out of these two before, or is now.
    pub(super) fn digest(
        &self,
        value: &Arc<Value>,
        managers: &Arc<Managers>,
        work_out: impl FnOnce() -> String,
    ) -> String {
        let known = self.0.get();
        if let Some(known) = known.filter(|known| known.is_of(value, managers)) {
            return known.digest.clone();
        }
        let digest = work_out();
        if known.is_none() {
            let (value, managers) = (Arc::downgrade(value), Arc::downgrade(managers));
            // Where another copy was quicker, its word stands.
            drop(self.0.set(Known { value, managers, digest: digest.clone() }));
        }
        digest
    }
}

impl Known {
    fn is_of(&self, value: &Arc<Value>, managers: &Arc<Managers>) -> bool {
        self.value.as_ptr() == Arc::as_ptr(value) && self.managers.as_ptr() == Arc::as_ptr(managers)
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}
