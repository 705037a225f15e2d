//! The outside as the applier sees it: facts in, actions out. A world delivers facts and carries out
//! actions; what the facts mean is decided by pure rooms, so that two worlds cannot disagree on it.

use std::time::Duration;

use serde_json::Value;

use crate::inventory::Inventory;
use crate::object::ObjectKey;
use crate::observed::{Observed, Scope};
use crate::plan::step::Action;

/// A Kubernetes with databases on it: the live one, or the sandbox.
#[allow(async_fn_in_trait, reason = "one thread drives a world; its futures need not be Send")]
pub trait World {
    /// Which one it is: `sandbox`, or the API server's address.
    fn target(&self) -> String;

    /// Looks at what the scope names. What is not there is simply missing from the answer; what
    /// could not be read is an error, never a missing object.
    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen>;

    /// What Kubernetes would make of a draft, without doing it.
    async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen>;

    /// Carries out an action. [`Action::Await`] does nothing.
    async fn perform(&self, action: &Action) -> Result<(), Refused>;

    /// Keeps the stack's record beside what it describes (creates or replaces it).
    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused>;

    /// Removes the stack's record, once nothing is left that it describes.
    async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused>;

    /// Writes an object of tsinfra's own by compare-and-swap: makes it if `version` is `None` and it
    /// is not there, replaces it if its `resourceVersion` is still that. Anything else is
    /// [`Refused::Stale`]. Answers the new version.
    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused>;

    /// The time of day in RFC 3339, with microseconds: for people to read, never to decide by.
    fn time_of_day(&self) -> String;

    /// Returns as soon as something in the scope may have changed, or after `at_most`.
    async fn stir(&self, scope: &Scope, at_most: Duration);

    /// Why something that was asked of this world takes longer, at this moment: a server that turns
    /// requests away, say. For people to read, never to decide by.
    fn hindrance(&self) -> Option<String> {
        None
    }

    /// Time since this world was opened; the sandbox's is virtual.
    fn elapsed(&self) -> Duration;
}

/// An object to preview.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name.
    pub object: ObjectKey,
    /// Its manifest, as it would be sent.
    pub manifest: Value,
    /// The uid of the live object it changes; `None`: it is new.
    pub uid: Option<String>,
    /// Whether fields of other managers would be taken.
    pub force: bool,
}

/// What Kubernetes would make of a draft.
#[derive(Clone, Debug, PartialEq)]
pub enum Preview {
    /// It would store this (without `metadata.managedFields`).
    Stored(Value),
    /// Others own fields of it: manager and path, in the server's order.
    Conflict(Vec<(String, String)>),
    /// It would refuse, in its own words.
    Refused(String),
    /// What is to be made is there, or what is to be changed is another one or no more: the world has
    /// moved since it was looked at, or a look does not show it all.
    Moved(String),
    /// It cannot be asked yet, e.g. because the namespace is not there.
    Unchecked(String),
}

/// Something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct Unseen {
    /// What was being read.
    pub doing: String,
    /// What happened, and what the user can do where that is known.
    pub why: String,
}

/// An action was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The world is no longer what the plan was made for: plan again.
    #[error("{0}")]
    Stale(String),
    /// Kubernetes said no.
    #[error("{0}")]
    Denied(String),
    /// It is not known whether it was carried out: look again before saying it again.
    #[error("{0}")]
    Unknown(String),
}

/// Has a world that stands around another one pass on what it does not do otherwise, so that only
/// what it changes is written: `pass_on!(me => me.inner; target, look, elapsed);` in its
/// `impl World`.
#[macro_export]
macro_rules! pass_on {
    ($me:ident => $inner:expr; $($what:ident),+ $(,)?) => {
        $($crate::pass_on!(@ $what $me $inner);)+
    };
    (@ target $me:ident $inner:expr) => {
        fn target(&self) -> String {
            let $me = self;
            $inner.target()
        }
    };
    (@ look $me:ident $inner:expr) => {
        async fn look(
            &self,
            scope: &$crate::observed::Scope,
        ) -> Result<$crate::observed::Observed, $crate::world::Unseen> {
            let $me = self;
            $inner.look(scope).await
        }
    };
    (@ preview $me:ident $inner:expr) => {
        async fn preview(
            &self,
            draft: &$crate::world::Draft,
        ) -> Result<$crate::world::Preview, $crate::world::Unseen> {
            let $me = self;
            $inner.preview(draft).await
        }
    };
    (@ perform $me:ident $inner:expr) => {
        async fn perform(
            &self,
            action: &$crate::plan::step::Action,
        ) -> Result<(), $crate::world::Refused> {
            let $me = self;
            $inner.perform(action).await
        }
    };
    (@ keep $me:ident $inner:expr) => {
        async fn keep(
            &self,
            inventory: &$crate::inventory::Inventory,
        ) -> Result<(), $crate::world::Refused> {
            let $me = self;
            $inner.keep(inventory).await
        }
    };
    (@ drop_record $me:ident $inner:expr) => {
        async fn drop_record(
            &self,
            namespace: &str,
            stack: &str,
        ) -> Result<(), $crate::world::Refused> {
            let $me = self;
            $inner.drop_record(namespace, stack).await
        }
    };
    (@ swap $me:ident $inner:expr) => {
        async fn swap(
            &self,
            object: &$crate::object::ObjectKey,
            manifest: &::serde_json::Value,
            version: Option<&str>,
        ) -> Result<String, $crate::world::Refused> {
            let $me = self;
            $inner.swap(object, manifest, version).await
        }
    };
    (@ time_of_day $me:ident $inner:expr) => {
        fn time_of_day(&self) -> String {
            let $me = self;
            $inner.time_of_day()
        }
    };
    (@ stir $me:ident $inner:expr) => {
        async fn stir(&self, scope: &$crate::observed::Scope, at_most: ::std::time::Duration) {
            let $me = self;
            $inner.stir(scope, at_most).await;
        }
    };
    (@ elapsed $me:ident $inner:expr) => {
        fn elapsed(&self) -> ::std::time::Duration {
            let $me = self;
            $inner.elapsed()
        }
    };
}
