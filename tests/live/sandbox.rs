//! The sandbox as a stage.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tsinfra::object::{Kind, Labels, ObjectKey};
use tsinfra::observed::{Observed, Scope};
use tsinfra::sandbox::{Furniture, Sandbox};
use tsinfra::world::World;

use crate::stage::{Driver, IN_USE, Stage, lock};

/// A sandbox in a folder of its own.
pub(crate) struct SandboxStage {
    folder: TempDir,
}

impl SandboxStage {
    /// A fresh one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }
}

impl Stage for SandboxStage {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn target(&self) -> Vec<String> {
        vec!["--sandbox".to_owned()]
    }

    fn edit_as(&self, manager: &str, object: &ObjectKey, patch: &Value) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        sandbox.disturb(|cluster| {
            cluster.edit_as(manager, object, patch).expect("an edit");
            cluster.advance(std::time::Duration::from_secs(30));
        });
    }

    fn orphan(&self, set: &ObjectKey) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        sandbox.disturb(|cluster| {
            cluster.orphan(set);
            cluster.advance(std::time::Duration::from_secs(30));
        });
    }

    fn driver(&self, volume: &ObjectKey, does: Driver) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        let hours = std::time::Duration::from_secs(100 * 3600);
        sandbox.disturb(|cluster| match does {
            // Counted from now: long enough for the members to stop first.
            Driver::Slow => {
                cluster.keep_volume(volume, None, std::time::Duration::from_secs(90));
            }
            Driver::Failing => cluster.keep_volume(volume, Some(IN_USE), hours),
            Driver::Mended => cluster.heal(),
        });
    }

    fn joins(&self, node: &str) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        let nodes = [(node.to_owned(), Labels::new())].into();
        sandbox.furnish(&Furniture { nodes, ..Furniture::default() });
    }

    fn loses(&self, node: &str) {
        self.delete(&[ObjectKey::global(Kind::Node, node)]);
    }

    fn delete(&self, objects: &[ObjectKey]) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        sandbox.disturb(|cluster| {
            objects.iter().for_each(|object| cluster.delete(object));
            cluster.advance(std::time::Duration::from_secs(30));
        });
    }

    fn lock_as(&self, holder: &str, namespace: &str, stack: &str) {
        let sandbox = Sandbox::open(&self.folder().join(".tsinfra")).expect("the sandbox");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(lock(&sandbox, holder, namespace, stack));
    }

    fn look(&self, scope: &Scope) -> Observed {
        let sandbox = Sandbox::read_only(&self.folder().join(".tsinfra")).expect("the sandbox");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(sandbox.look(scope)).expect("a look")
    }
}
