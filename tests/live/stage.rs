//! A place where a journey happens: the binary under test, another tool's hand, and a look around.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::Value;
use tsinfra::apply::hold::{self, Claim};
use tsinfra::object::ObjectKey;
use tsinfra::observed::{Observed, Scope};
use tsinfra::world::World;

/// How a run of the program ended.
pub(crate) struct Run {
    /// Its exit code; `None`: killed.
    pub(crate) code: Option<i32>,
    /// Standard output, then standard error.
    pub(crate) text: String,
}

impl Run {
    /// What it said, without the ends of lines that depend on the length of names.
    pub(crate) fn unfolded(&self) -> String {
        self.text.split_whitespace().collect::<Vec<&str>>().join(" ")
    }
}

/// A place where a journey happens.
/// How a driver deletes a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Driver {
    /// Some seconds later.
    Slow,
    /// Not at all, and it says why.
    Failing,
    /// As it should.
    Mended,
}

/// What a driver that fails says.
pub(crate) const IN_USE: &str = "the snapshot of this volume is still in use";

pub(crate) trait Stage {
    /// The folder stacks and saved plans are in.
    fn folder(&self) -> &Path;

    /// Flags that choose this place, for verbs that need one.
    fn target(&self) -> Vec<String>;

    /// What another manager does to an object: a JSON merge patch.
    fn edit_as(&self, manager: &str, object: &ObjectKey, patch: &Value);

    /// What `kubectl delete --cascade=orphan` does to a StatefulSet.
    fn orphan(&self, set: &ObjectKey);
    /// What a driver does with a volume it is to delete: it takes its time, or fails until it is mended.
    fn driver(&self, volume: &ObjectKey, does: Driver);
    /// A machine joins, and is ready.
    fn joins(&self, node: &str);
    /// A machine is gone for good, its Node with it, and Kubernetes has noticed.
    fn loses(&self, node: &str);
    /// What another tool deletes.
    fn delete(&self, objects: &[ObjectKey]);

    /// What is there, seen through the product's own eyes.
    fn look(&self, scope: &Scope) -> Observed;

    /// Takes a stack's lock as somebody who is never heard of again.
    fn lock_as(&self, holder: &str, namespace: &str, stack: &str);

    /// The program, ready to be started in this place.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsinfra"));
        command.args(arguments).current_dir(self.folder()).stdin(Stdio::null());
        for variable in ["KUBECONFIG", "TSINFRA_STACK", "NO_COLOR"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program to its end; `apply PLANFILE` takes its target from the plan.
    fn tsinfra(&self, arguments: &[&str]) -> Run {
        let mut command = self.program(arguments);
        let chooses = !arguments.iter().any(|argument| argument.ends_with(".json"));
        if chooses || arguments.first() == Some(&"plan") {
            command.args(self.target());
        }
        let output = command.output().expect("the program starts");
        let text = [output.stdout, output.stderr].concat();
        Run { code: output.status.code(), text: String::from_utf8(text).expect("text") }
    }

    /// Writes a file into the folder.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).expect("the folder takes a file");
    }
}

/// Takes a lock and forgets that it did.
pub(crate) async fn lock<W: World>(world: &W, holder: &str, namespace: &str, stack: &str) {
    let claim =
        Claim { holder: holder.to_owned(), purpose: "apply".to_owned(), patience: Duration::ZERO };
    let taken = hold::take(world, namespace, stack, &claim, &AtomicBool::new(false), |_| ()).await;
    assert!(taken.is_ok(), "the lock was not free");
}
