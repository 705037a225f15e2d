//! A broken pod that is deleted, and made anew of the form it had.

use std::cell::Cell;
use std::sync::Arc;

use tsinfra::observed::{Observed, Scope};
use tsinfra::plan::step::Action;
use tsinfra::world::{Refused, Unseen, World};

use super::*;

const STACK: &str = include_str!("cases/first-apply/stack.toml");

/// A world whose controller makes a pod that is deleted anew of its old form, a number of times.
struct Slow<'a> {
    world: &'a Sandbox,
    left: Cell<usize>,
    deleted: Cell<usize>,
}

impl World for Slow<'_> {
    tsinfra::pass_on!(me => me.world;
        target, preview, keep, drop_record, swap, time_of_day, stir, elapsed);

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        let mut seen = self.world.look(scope).await?;
        let pods = seen.objects.iter_mut().filter(|(key, _)| key.kind == Kind::Pod);
        for (_, pod) in pods.filter(|_| self.left.get() > 0) {
            let pod = Arc::make_mut(&mut pod.value);
            pod["metadata"]["labels"]["controller-revision-hash"] = "old".into();
            pod["status"]["conditions"] = serde_json::json!([]);
        }
        Ok(seen)
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        let done = self.world.perform(action).await;
        if matches!(action, Action::Delete { object, .. } if object.kind == Kind::Pod) {
            done.as_ref().unwrap();
            self.deleted.set(self.deleted.get() + 1);
            self.left.set(self.left.get().saturating_sub(1));
        }
        done
    }
}

/// Seen on a kube-controller-manager 1.36 under load, once in three runs.
#[test]
fn a_pod_that_comes_back_in_its_old_form_is_deleted_again() {
    for (times, is_done) in [(1, true), (3, true), (20, false)] {
        let world = sandbox();
        let asked = |cpu: &str| {
            let resources = format!("size = \"5Gi\" }}\nresources = {{ cpu = \"{cpu}\" }}");
            stack(&STACK.replacen("size = \"5Gi\" }", &resources, 1))
        };
        let broken = plan(&world, &asked("900"));
        assert!(!run(&world, &broken).is_complete(&broken));
        let mend = plan(&world, &asked("1"));
        let deletions = mend.steps.keys().filter(|id| id.0.starts_with("delete/Pod/")).count();
        assert_eq!(deletions, 1, "{:#?}", mend.steps.keys());
        let slow = Slow { world: &world, left: Cell::new(times), deleted: Cell::new(0) };
        let outcome = run(&slow, &mend);
        assert_eq!(outcome.is_complete(&mend), is_done, "{times}: {outcome:#?}");
        assert_eq!(slow.deleted.get(), times.min(10));
    }
}
