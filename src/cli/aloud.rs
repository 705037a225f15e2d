//! Saying why something takes longer while it does: a server that turns requests away, say.

use std::future::poll_fn;
use std::pin::pin;

use crate::render::text::fold;
use crate::world::World;

/// Waits for what a world was asked for, and says each thing that hinders it as it comes up. What is
/// being waited for wakes this task when it begins to wait, so that nothing need be looked at by
/// the clock.
pub(super) async fn aloud<W: World, T>(
    world: &W,
    asked: impl Future<Output = T>,
    mut say: impl FnMut(&str),
) -> T {
    let mut asked = pin!(asked);
    let mut said = None;
    poll_fn(|task| {
        let answer = asked.as_mut().poll(task);
        let now = world.hindrance();
        if now != said {
            if let Some(why) = &now {
                say(&fold(why, "Note: ", "  "));
            }
            said = now;
        }
        answer
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::inventory::Inventory;
    use crate::object::ObjectKey;
    use crate::observed::{Observed, Scope};
    use crate::plan::step::Action;
    use crate::sandbox::Sandbox;
    use crate::world::{Draft, Preview, Refused, Unseen};

    /// A world that is hindered whenever it is said to be.
    struct Slow(Sandbox, Cell<Option<&'static str>>);

    impl World for Slow {
        fn target(&self) -> String {
            self.0.target()
        }
        async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
            self.0.look(scope).await
        }
        async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen> {
            self.0.preview(draft).await
        }
        async fn perform(&self, action: &Action) -> Result<(), Refused> {
            self.0.perform(action).await
        }
        async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
            self.0.keep(inventory).await
        }
        async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused> {
            self.0.drop_record(namespace, stack).await
        }
        async fn swap(
            &self,
            object: &ObjectKey,
            manifest: &Value,
            version: Option<&str>,
        ) -> Result<String, Refused> {
            self.0.swap(object, manifest, version).await
        }
        fn time_of_day(&self) -> String {
            self.0.time_of_day()
        }
        async fn stir(&self, scope: &Scope, at_most: Duration) {
            self.0.stir(scope, at_most).await;
        }
        fn hindrance(&self) -> Option<String> {
            self.1.get().map(str::to_owned)
        }
        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }
    }

    #[tokio::test]
    async fn each_hindrance_is_said_once_and_made_harmless() {
        let world = Slow(Sandbox::in_memory(), Cell::new(None));
        let mut said = Vec::new();
        let work = async {
            for hindrance in [None, Some("busy"), Some("busy"), None, Some("\u{1b}[2J"), None] {
                world.1.set(hindrance);
                tokio::task::yield_now().await;
            }
            7
        };
        let answer = aloud(&world, work, |why| said.push(why.to_owned())).await;
        assert_eq!(answer, 7);
        assert_eq!(said, ["Note: busy", "Note: \\u{1b}[2J"]);
    }
}
