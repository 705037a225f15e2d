//! Opening the world a stack is for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Failure;
use serde_json::Value;

use crate::inventory::Inventory;
use crate::live::{Live, LiveOptions};
use crate::object::ObjectKey;
use crate::observed::{Observed, Scope};
use crate::plan::Connection;
use crate::plan::step::Action;
use crate::sandbox::{Furniture, Sandbox};
use crate::stack::Stack;
use crate::survey::connection;
use crate::wording::with_causes;
use crate::world::{Draft, Preview, Refused, Unseen, World};

/// Where the sandbox is kept, below the current folder.
const SANDBOX_FOLDER: &str = ".tsinfra";

/// One of the two worlds.
pub(super) enum AnyWorld {
    /// The simulated one.
    Sandbox(Box<Sandbox>),
    /// The real one.
    Live(Box<Live>),
}

/// Whether a world is opened to look or to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing is written.
    Look,
    /// Things are written; no other tsinfra may write to the same sandbox meanwhile.
    Act,
}

/// Opens the world a stack is meant for.
pub(super) fn of(stack: &Stack, purpose: Purpose) -> Result<AnyWorld, Failure> {
    open(&connection(stack), Some(stack), purpose)
}

/// Opens the world at a connection. A sandbox is furnished with what the stack finds on a real
/// cluster: nodes with the names and labels it asks for, and classes it names.
pub(super) fn open(
    connection: &Connection,
    stack: Option<&Stack>,
    purpose: Purpose,
) -> Result<AnyWorld, Failure> {
    match connection {
        Connection::Sandbox => {
            let folder = Path::new(SANDBOX_FOLDER);
            let opened = match purpose {
                Purpose::Look => Sandbox::read_only(folder),
                Purpose::Act => Sandbox::open(folder),
            };
            let sandbox = opened.map_err(|error| Failure::plain(with_causes(&error)))?;
            if let Some(stack) = stack {
                sandbox.furnish(&Furniture::of(stack));
            }
            Ok(AnyWorld::Sandbox(Box::new(sandbox)))
        }
        Connection::Kubernetes { kubeconfig, context } => {
            let options = LiveOptions {
                kubeconfig: kubeconfig.as_ref().map(PathBuf::from),
                context: context.clone(),
            };
            Ok(AnyWorld::Live(Box::new(Live::open(options))))
        }
    }
}

impl World for AnyWorld {
    fn target(&self) -> String {
        match self {
            Self::Sandbox(world) => world.target(),
            Self::Live(world) => world.target(),
        }
    }

    async fn look(&self, scope: &Scope) -> Result<Observed, Unseen> {
        match self {
            Self::Sandbox(world) => world.look(scope).await,
            Self::Live(world) => world.look(scope).await,
        }
    }

    async fn preview(&self, draft: &Draft) -> Result<Preview, Unseen> {
        match self {
            Self::Sandbox(world) => world.preview(draft).await,
            Self::Live(world) => world.preview(draft).await,
        }
    }

    async fn perform(&self, action: &Action) -> Result<(), Refused> {
        match self {
            Self::Sandbox(world) => world.perform(action).await,
            Self::Live(world) => world.perform(action).await,
        }
    }

    async fn keep(&self, inventory: &Inventory) -> Result<(), Refused> {
        match self {
            Self::Sandbox(world) => world.keep(inventory).await,
            Self::Live(world) => world.keep(inventory).await,
        }
    }

    async fn drop_record(&self, namespace: &str, stack: &str) -> Result<(), Refused> {
        match self {
            Self::Sandbox(world) => world.drop_record(namespace, stack).await,
            Self::Live(world) => world.drop_record(namespace, stack).await,
        }
    }

    async fn swap(
        &self,
        object: &ObjectKey,
        manifest: &Value,
        version: Option<&str>,
    ) -> Result<String, Refused> {
        match self {
            Self::Sandbox(world) => world.swap(object, manifest, version).await,
            Self::Live(world) => world.swap(object, manifest, version).await,
        }
    }

    fn time_of_day(&self) -> String {
        match self {
            Self::Sandbox(world) => world.time_of_day(),
            Self::Live(world) => world.time_of_day(),
        }
    }

    async fn stir(&self, scope: &Scope, at_most: Duration) {
        match self {
            Self::Sandbox(world) => world.stir(scope, at_most).await,
            Self::Live(world) => world.stir(scope, at_most).await,
        }
    }

    fn hindrance(&self) -> Option<String> {
        match self {
            Self::Sandbox(world) => world.hindrance(),
            Self::Live(world) => world.hindrance(),
        }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Sandbox(world) => world.elapsed(),
            Self::Live(world) => world.elapsed(),
        }
    }
}
