//! Files the user names: stacks and saved plans.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::args::TargetOptions;
use super::exit::{Exit, Failure};
use super::saved;
use super::screen::Screen;
use crate::fields::hex;
use crate::plan::Plan;
use crate::stack::{self, Stack, Target};
use crate::wording::harmless;

/// The largest saved plan that is read.
const PLAN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A stack and the digest of its text.
#[derive(Debug)]
pub(super) struct Source {
    /// The stack, with the command line's target.
    pub(super) stack: Stack,
    /// SHA-256 of its text, in hex.
    pub(super) digest: String,
    /// Its file, as it was named.
    pub(super) file: String,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Input {
    /// A stack.
    Stack(Box<Source>),
    /// A saved plan.
    Plan(Box<Plan>),
}

/// Reads a stack file and lets the command line choose another target.
pub(super) fn stack(path: &Path, target: &TargetOptions) -> Result<Source, Failure> {
    let bytes = bytes(path, PLAN_BYTES_MAX)?;
    if is_json(&bytes) {
        return Err(Failure::new(
            format!("{} is JSON, and a stack is TOML", path.display()),
            "a saved plan is for `tsinfra apply` and `tsinfra show`",
        ));
    }
    of_bytes(path, &bytes, target)
}

/// Reads a file that is a stack or a saved plan; a plan is JSON.
pub(super) fn either(path: &Path, target: &TargetOptions) -> Result<Input, Failure> {
    let bytes = bytes(path, PLAN_BYTES_MAX)?;
    if is_json(&bytes) {
        return saved::read(path, &bytes).map(|plan| Input::Plan(Box::new(plan)));
    }
    of_bytes(path, &bytes, target).map(|source| Input::Stack(Box::new(source)))
}

/// No stack begins with a brace, and every plan does.
fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(
            format!("there is no file {shown}"),
            "name the stack: `tsinfra VERB STACK`, or set TSINFRA_STACK",
        ),
        _ => Failure::plain(format!("{shown} cannot be read: {error}")),
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Failure::new(format!("{shown} is a folder"), "name the stack file in it"));
    }
    if metadata.len() > most {
        let size = metadata.len();
        return Err(Failure::plain(format!(
            "{shown} is {size} bytes, more than the {most} a file may have"
        )));
    }
    std::fs::read(path).map_err(unreadable)
}

fn of_bytes(path: &Path, bytes: &[u8], target: &TargetOptions) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let mut stack =
        stack::read_bytes(&name, bytes).map_err(|mistakes| Failure::Stack(Box::new(mistakes)))?;
    retarget(&mut stack, target)?;
    Ok(Source { stack, digest: hex(&Sha256::digest(bytes)), file: name })
}

/// Checks that a saved plan's stack still says what it was made from. A file that is not there, in
/// another folder or on another machine, is no proof of change; that it was not compared is told.
pub(super) fn as_planned(plan: &Plan, screen: &Screen) -> Result<(), Failure> {
    let Some(file) = &plan.basis.stack_file else { return Ok(()) };
    let shown = harmless(file);
    let Ok(text) = bytes(Path::new(file), PLAN_BYTES_MAX) else {
        screen.remark(&format!(
            "Note: {shown} cannot be read here, so whether the stack has changed since was not \
             compared."
        ));
        return Ok(());
    };
    if hex(&Sha256::digest(text)) == plan.basis.stack_digest {
        return Ok(());
    }
    Err(Failure::Other {
        what: format!("{shown} is not what this plan was made from; nothing was changed"),
        help: Some("make a new plan of it, or put the file back as it was".to_owned()),
        exit: Exit::Halted,
    })
}

/// The command line's target wins over the stack's.
fn retarget(stack: &mut Stack, options: &TargetOptions) -> Result<(), Failure> {
    let TargetOptions { sandbox, kubeconfig, context, namespace } = options;
    if let Some(namespace) = namespace {
        if !stack::is_dns_label(namespace) {
            return Err(Failure::new(
                format!("`{namespace}` is no namespace name"),
                "use at most 63 lower-case letters, digits and dashes",
            ));
        }
        stack.namespace.clone_from(namespace);
    }
    if *sandbox {
        stack.target = Target::Sandbox;
    } else if kubeconfig.is_some() || context.is_some() {
        let (old_file, old_context) = match &stack.target {
            Target::Kubernetes { kubeconfig, context } => (kubeconfig.clone(), context.clone()),
            Target::Sandbox => (None, None),
        };
        let file = kubeconfig.as_ref().map(|path| path.display().to_string());
        stack.target = Target::Kubernetes {
            kubeconfig: file.or(old_file),
            context: context.clone().or(old_context),
        };
    }
    Ok(())
}
