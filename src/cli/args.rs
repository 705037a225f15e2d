//! The words of the command line and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Plan, apply and destroy time-series databases on Kubernetes from one TOML file.
///
/// A stack describes clusters, their pools of nodes and their storage. tsinfra looks at Kubernetes
/// and at each database itself, and orders the changes so that data and quorum are kept.
#[derive(Debug, Parser)]
#[command(
    name = "tsinfra",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) verb: Verb,
    /// Which Kubernetes, when not the stack's own choice.
    #[command(flatten)]
    pub(super) target: TargetOptions,
    /// When to colour; `auto` colours on a terminal unless NO_COLOR is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    an error: bad input, or something could not be read
  2    plan --detailed-exitcode: there are changes
  3    the plan is stale, or an apply halted part-way: plan again
  4    blocked by a safety rule, or by what this version does not do yet
  5    a step passed its limit; apply again resumes
  130  interrupted";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Check a stack and report every mistake in it; touches no cluster
    Validate(ValidateOptions),
    /// Show what an apply would do, in which steps, and why; changes nothing
    Plan(PlanOptions),
    /// Make the world as the stack says, or carry out a saved plan
    Apply(ApplyOptions),
    /// Take down everything the stack owns; storage as each tier's `reclaim` says
    Destroy(DestroyOptions),
    /// Show a stack with all defaults filled in, or a saved plan
    Show(ShowOptions),
    /// Show members, pods, claims and the database's own view side by side
    Status(StatusOptions),
    /// Print the steps of a plan as a graph in DOT, for Graphviz
    Graph(GraphOptions),
    /// Print the version
    Version(VersionOptions),
    /// Print a completion script for a shell
    Completions(CompletionOptions),
}

impl Verb {
    /// Whether the verb speaks JSON.
    pub(super) fn json(&self) -> bool {
        match self {
            Self::Validate(options) => options.json,
            Self::Plan(options) => options.json,
            Self::Apply(options) => options.json,
            Self::Destroy(options) => options.json,
            Self::Show(options) => options.json,
            Self::Status(options) => options.json,
            Self::Version(options) => options.json,
            Self::Graph(_) | Self::Completions(_) => false,
        }
    }
}

/// Colour or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// Which Kubernetes; each flag wins over the stack's `[target]`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetOptions {
    /// Run in the sandbox: a simulated Kubernetes and database, kept in .tsinfra/
    #[arg(long, global = true, conflicts_with_all = ["kubeconfig", "context"])]
    pub(super) sandbox: bool,
    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Kubeconfig context [default: the stack's, then the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Namespace [default: the stack's]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(super) namespace: Option<String>,
}

/// A stack file.
#[derive(Clone, Debug, Args)]
pub(super) struct StackArgument {
    /// Stack file
    #[arg(value_name = "STACK", env = "TSINFRA_STACK", default_value = "stack.toml")]
    pub(super) stack: PathBuf,
}

/// Options of `validate`.
#[derive(Debug, Args)]
pub(super) struct ValidateOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Print mistakes as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub(super) struct PlanOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Plan the end of the stack instead
    #[arg(long)]
    pub(super) destroy: bool,
    /// Save the plan; `tsinfra apply FILE` then does exactly this
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Exit 2 when there are changes, 0 when there are none
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Show every field of new objects
    #[arg(long)]
    pub(super) full: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
}

/// What the user agrees to by address.
#[derive(Debug, Default, Args)]
pub(super) struct ConsentOptions {
    /// Agree to what is refused without: the end of a protected cluster (`cluster.NAME`), or
    /// taking an object's fields from another manager (the object's address); may be repeated
    #[arg(long = "consent", value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub(super) struct ApplyOptions {
    /// Stack file, or a plan saved by `plan --out`, which is its own approval
    #[arg(value_name = "STACK|PLAN", env = "TSINFRA_STACK", default_value = "stack.toml")]
    pub(super) file: PathBuf,
    /// Do not ask before changing anything
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// Show every field of new objects
    #[arg(long)]
    pub(super) full: bool,
    /// Print events as JSON, one a line; needs --auto-approve or a saved plan
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
}

/// Options of `destroy`.
#[derive(Debug, Args)]
pub(super) struct DestroyOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Do not ask for the stack's name; a protected cluster still needs --consent
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// Print events as JSON, one a line; needs --auto-approve
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub(super) struct ShowOptions {
    /// Stack file or saved plan
    #[arg(value_name = "STACK|PLAN", env = "TSINFRA_STACK", default_value = "stack.toml")]
    pub(super) file: PathBuf,
    /// Show every field of new objects
    #[arg(long)]
    pub(super) full: bool,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `graph`.
#[derive(Debug, Args)]
pub(super) struct GraphOptions {
    /// Stack file or saved plan
    #[arg(value_name = "STACK|PLAN", env = "TSINFRA_STACK", default_value = "stack.toml")]
    pub(super) file: PathBuf,
    /// Draw the end of the stack instead
    #[arg(long)]
    pub(super) destroy: bool,
}

/// Options of `version`.
#[derive(Debug, Args)]
pub(super) struct VersionOptions {
    /// Print as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionOptions {
    /// bash, elvish, fish, powershell or zsh
    pub(super) shell: Shell,
}
