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

    use super::*;
    use crate::sandbox::Sandbox;

    /// A world that is hindered whenever it is said to be.
    struct Slow(Sandbox, Cell<Option<&'static str>>);

    impl World for Slow {
        crate::pass_on!(me => me.0;
            target, look, preview, perform, keep, drop_record, swap, time_of_day, stir, elapsed);

        fn hindrance(&self) -> Option<String> {
            self.1.get().map(str::to_owned)
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
