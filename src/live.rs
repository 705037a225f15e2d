//! World number two: a real Kubernetes with real databases on it. The only room with a door.
//!
//! Nothing is opened until the first call. Requests are plain JSON over kube's client; whether one
//! is said again is decided here alone, since only here is known what is safe to repeat.

mod again;
mod amend;
pub mod answers;
mod connect;
mod database;
mod errors;
mod identify;
mod listing;
mod look;
mod orphan;
mod ownership;
mod perform;
mod preview;
mod record;
mod request;
mod swap;
#[cfg(test)]
mod scripted;
mod watch;
mod write;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell as AsyncOnceCell;

pub use connect::LiveOptions;

use serde_json::Value;

use crate::inventory::Inventory;
use crate::lock::EFFECT;
use crate::object::ObjectKey;
use crate::observed::{Observed, Scope};
use crate::plan::step::Action;
use crate::world::{Draft, Preview, Refused, Unseen, World};
use connect::Choice;
use request::Link;
use watch::Watches;

/// A Kubernetes reached by a kubeconfig. Needs a tokio runtime with I/O and time once it is used.
pub struct Live {
    options: LiveOptions,
    opened: Instant,
    choice: OnceCell<Result<Choice, Unseen>>,
    link: AsyncOnceCell<Arc<Link>>,
    watches: Watches,
}

impl Live {
    /// Opens nothing yet: the kubeconfig is read, and the server spoken to, when first needed.
    pub fn open(options: LiveOptions) -> Self {
        Self {
            options,
            opened: Instant::now(),
            choice: OnceCell::new(),
            link: AsyncOnceCell::new(),
            watches: Watches::default(),
        }
    }

    fn choice(&self) -> Result<&Choice, Unseen> {
        let choice = self.choice.get_or_init(|| connect::choose(&self.options));
        choice.as_ref().map_err(Clone::clone)
    }

    async fn link(&self) -> Result<&Arc<Link>, Unseen> {
        self.link
            .get_or_try_init(|| async {
                let choice = self.choice()?;
                let client = connect::connect(choice).await?;
                Ok(Arc::new(Link::new(client, choice.server.clone(), seed())))
            })
            .await
    }

    /// For actions: what cannot even be sent was not carried out, and what is sent is sent within
    /// the time the lock gives an effect.
    async fn door(&self) -> Result<Link, Refused> {
        let link = self.link().await.map_err(|unseen| Refused::Denied(unseen.to_string()))?;
        Ok(link.within(EFFECT))
    }
}

/// Two programs that were turned away together do not come back together.
fn seed() -> u64 {
    let nanoseconds = jiff::Timestamp::now().subsec_nanosecond();
    u64::from(std::process::id()) << 32 | u64::from(nanoseconds.unsigned_abs())
}

impl World for Live {
    fn target(&self) -> String {
        // A kubeconfig that cannot be read is reported by whatever is done next.
        self.choice()
            .map_or_else(|_| "an unknown server".to_owned(), |choice| choice.server.clone())
    }

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        look::look(self.link().await?, &self.watches, scope).await
    }

    async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen> {
        preview::preview(self.link().await?, draft).await
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        perform::perform(&self.door().await?, action).await
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        record::keep(&self.door().await?, inventory).await
    }

    async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused> {
        record::drop_record(&self.door().await?, namespace, stack).await
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        swap::swap(&self.door().await?, object, manifest, version).await
    }

    fn time_of_day(&self) -> String {
        format!("{:.6}", jiff::Timestamp::now())
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        let link = self.link().await.ok();
        self.watches.stir(link, scope, at_most).await;
    }

    fn hindrance(&self) -> Option<String> {
        self.link.get()?.again.oldest()
    }

    fn elapsed(&self) -> Duration {
        self.opened.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What acts goes through this door; a request that is late has ended when its lock's holder may be
    /// taken for dead.
    #[tokio::test]
    async fn an_effect_is_sent_within_the_time_its_lock_gives_it() {
        let run = async {
            let (link, _) = scripted::server(Vec::new()).await;
            let live = Live::open(LiveOptions::default());
            assert!(live.link.set(Arc::new(link)).is_ok());
            let (door, moment) = (live.door().await.expect("a door"), Duration::from_secs(1));
            assert!(door.is_over_after(EFFECT + moment) && !door.is_over_after(EFFECT - moment));
        };
        tokio::task::LocalSet::new().run_until(run).await;
    }
}
