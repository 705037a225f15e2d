//! The words of the command line and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use crate::plan::selection::{Address, Selection};
use crate::stack;
use crate::stack::quantity::Quantity;

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
    /// When to colour; `auto` colours on a terminal unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: ColorChoice,
    /// Which Kubernetes, when not the stack's own choice.
    #[command(flatten)]
    pub(super) target: TargetOptions,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, or nothing to do
  1    an error: bad input, or something could not be read
  2    plan --detailed-exitcode: there are changes, or drift with --refresh-only
  3    the plan is stale, or an apply halted part-way: plan again
  4    blocked by a safety rule, or by what this version does not do yet
  5    a step passed its limit; apply again resumes
  130  interrupted";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  tsinfra validate stacks/iotdb-local.toml
  tsinfra validate --json stack.toml         in an editor or a pipeline
All mistakes of the file are reported at once, each with its place and the way on.";

const PLAN_EXAMPLES: &str = "\
Examples:
  tsinfra plan stack.toml
  tsinfra plan stack.toml --detailed-exitcode    0 no changes, 2 changes, 4 blocked
  tsinfra plan stack.toml --out today.json       then: tsinfra apply today.json
  tsinfra plan stack.toml --destroy              what `destroy` would do
  tsinfra plan stack.toml --exclude cluster.history.pool.cold    on past what is refused there
  tsinfra plan stack.toml --refresh-only         only what others changed since the last apply
A plan is made from Kubernetes and from each database's own view of itself. It lists what changes
and why, the steps in the order they run, and what is refused. Drift, which is what others did to
what the stack owns, is told apart from what the stack asks for anew. Nothing is written.";

const APPLY_EXAMPLES: &str = "\
Examples:
  tsinfra apply stack.toml
  tsinfra apply stack.toml --auto-approve        in a pipeline
  tsinfra apply stack.toml --target cluster.events         one cluster, and what it needs
  tsinfra apply stack.toml --refresh-only        writes nothing but the stack's own record
  tsinfra apply today.json                       exactly what `plan --out` saved, or nothing
Each step is checked once more just before it acts, and waits until it is really done, saying what
it waits for. The first Ctrl-C starts nothing new and ends the waits; apply again resumes.";

const DESTROY_EXAMPLES: &str = "\
Examples:
  tsinfra plan stack.toml --destroy              look first
  tsinfra destroy stack.toml                     asks for the stack's name
  tsinfra destroy stack.toml --consent cluster.history     a protected cluster too
Claims and volumes of a tier with reclaim = \"retain\" are kept, and found again by a later apply;
those of a tier with \"delete\" are deleted with their data. The namespace is never deleted.";

const ADOPT_EXAMPLES: &str = "\
Examples:
  tsinfra adopt stack.toml                       all that the stack declares and nobody owns
  tsinfra adopt stack.toml cluster.history       of one cluster
  tsinfra adopt stack.toml PersistentVolumeClaim/tsdb/data-history-data-0
Shows what is there under the names the stack uses and what an apply would then change of it, and asks.
Of the objects only labels change. What could never be as the stack says is refused.";

const FORGET_EXAMPLES: &str = "\
Examples:
  tsinfra forget stack.toml cluster.archive      once it is taken out of the stack's text
  tsinfra forget stack.toml storage.old Service/tsdb/spare
The objects stay as they are and lose the labels that say whose they are. An apply or destroy of the
stack does not touch them any more; `adopt` is the way back.";

const REPLACE_EXAMPLES: &str = "\
Examples:
  tsinfra status stack.toml                      who is lost, and what the database says of it
  tsinfra replace stack.toml history-data-1
  tsinfra plan stack.toml --consent Pod/tsdb/history-data-1      the same in the whole plan
The database gives the member up and makes what it stored anew on the others, then its claim and
its pod go, and an empty member of its name joins. Refused while the member lives, while another
one is away, where the last replica of something would go, and where no volume is left for the
new one: put another into its tier. Node objects are never touched.";

const SHOW_EXAMPLES: &str = "\
Examples:
  tsinfra show stack.toml                        with all defaults filled in
  tsinfra show stack.toml --json | kubectl diff -f -       the objects, as Kubernetes takes them
  tsinfra show today.json --full                 a saved plan, with every field";

const STATUS_EXAMPLES: &str = "\
Examples:
  tsinfra status stack.toml
  tsinfra status stack.toml --json
POD says `ready` or why not; DATABASE is the member's id and state in the database's own words.";

const REHEARSE_EXAMPLES: &str = "\
Examples:
  tsinfra rehearse stack.toml
  tsinfra rehearse stack.toml --destroy --consent cluster.history
  tsinfra rehearse stack.toml --quick            crashes only
The live state is read once and copied into the sandbox; the plan is run there, again with a crash
after each of its actions, and with every kind of fault at each of its requests. Nothing is written.";

const UNLOCK_EXAMPLES: &str = "\
Examples:
  tsinfra unlock stack.toml
A dead holder's lock runs out by itself after 60 s without a sign of life, so this is rarely
needed. A holder that lives finds out before its next write, writes nothing more, and halts.";

const LOAD_EXAMPLES: &str = "\
Examples:
  tsinfra load stacks/quickstart.toml
  tsinfra load stack.toml --sandbox --groups 1000 --size 500Mi
Then a plan with other `nodes` tells what moves. It is told for up to 10,000 region replicas.";

const GRAPH_EXAMPLES: &str = "\
Examples:
  tsinfra graph stack.toml | dot -Tsvg > plan.svg
  tsinfra graph today.json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tsinfra completions bash > ~/.local/share/bash-completion/completions/tsinfra";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Check a stack and report every mistake in it; touches no cluster
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateOptions),
    /// Show what an apply would do, in which steps, and why; changes nothing
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanOptions),
    /// Make the world as the stack says, or carry out a saved plan
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(ApplyOptions),
    /// Take down everything the stack owns; storage as each tier's `reclaim` says
    #[command(after_help = DESTROY_EXAMPLES)]
    Destroy(DestroyOptions),
    /// Take over what is there and the stack declares; changes nothing of it but labels
    #[command(after_help = ADOPT_EXAMPLES)]
    Adopt(AdoptOptions),
    /// Let go of what the stack owns and does not declare any more; changes nothing of it but labels
    #[command(after_help = FORGET_EXAMPLES)]
    Forget(ForgetOptions),
    /// Replace a member whose machine or disk is gone for good by an empty one
    #[command(after_help = REPLACE_EXAMPLES)]
    Replace(ReplaceOptions),
    /// Show a stack with all defaults filled in, or a saved plan
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowOptions),
    /// Run the plan on a simulated copy of the world, with and without faults; changes nothing
    #[command(after_help = REHEARSE_EXAMPLES)]
    Rehearse(RehearseOptions),
    /// Show members, pods, claims and the database's own view side by side
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusOptions),
    /// Take the lock away from an apply that will not let go; look at `status` first
    #[command(after_help = UNLOCK_EXAMPLES)]
    Unlock(UnlockOptions),
    /// Write data to a simulated database, for plans to tell of; in the sandbox only
    #[command(after_help = LOAD_EXAMPLES)]
    Load(LoadOptions),
    /// Print the steps of a plan as a graph in DOT, for Graphviz
    #[command(after_help = GRAPH_EXAMPLES)]
    Graph(GraphOptions),
    /// Print the version
    Version(VersionOptions),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
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
            Self::Adopt(options) => options.run.json,
            Self::Forget(options) => options.run.json,
            Self::Replace(options) => options.run.json,
            Self::Show(options) => options.json,
            Self::Rehearse(options) => options.json,
            Self::Status(options) => options.json,
            Self::Version(options) => options.json,
            Self::Graph(_) | Self::Completions(_) | Self::Unlock(_) | Self::Load(_) => false,
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
    /// Tell only what others did to what the stack owns, and what the record would learn of it
    #[arg(long, conflicts_with_all = ["destroy", "addresses", "targets", "excludes"])]
    pub(super) refresh_only: bool,
    /// Save the plan; `tsinfra apply FILE` then does exactly this
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Exit 2 when there are changes (with --refresh-only: drift), 0 when there are none
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
    #[command(flatten)]
    pub(super) selection: SelectionOptions,
}

/// What the user agrees to by address.
#[derive(Debug, Default, Args)]
pub(super) struct ConsentOptions {
    /// Agree to what is refused without: the end of a protected cluster (`cluster.NAME`), taking an
    /// object's fields from another manager (the object's address), clearing a released volume
    /// (`PersistentVolume/NAME`), or replacing a lost member (`Pod/NAMESPACE/NAME`); may be repeated
    #[arg(long = "consent", value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
}

/// Part of a plan.
#[derive(Debug, Default, Args)]
pub(super) struct SelectionOptions {
    /// Only this, and all it comes after: cluster.NAME, cluster.NAME.pool.POOL, storage.TIER, or an
    /// object as plans show it; may be repeated
    #[arg(long = "target", value_name = "ADDRESS")]
    targets: Vec<Address>,
    /// All but this, and what comes after it; may be repeated
    #[arg(long = "exclude", value_name = "ADDRESS")]
    excludes: Vec<Address>,
}

impl SelectionOptions {
    /// As a value.
    pub(super) fn all(&self) -> Selection {
        Selection { targets: self.targets.clone(), excludes: self.excludes.clone() }
    }
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
    /// Only bring the stack's record up to date with what is there
    #[arg(long, conflicts_with_all = ["addresses", "targets", "excludes"])]
    pub(super) refresh_only: bool,
    /// Show every field of new objects
    #[arg(long)]
    pub(super) full: bool,
    /// Print events as JSON, one a line; needs --auto-approve or a saved plan
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) lock: LockOptions,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
    #[command(flatten)]
    pub(super) selection: SelectionOptions,
}

/// How long to wait for another apply.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct LockOptions {
    /// How long to wait for another apply or destroy of the stack to end; a dead one's lock runs
    /// out after 60s
    #[arg(long = "lock-timeout", value_name = "DURATION", default_value = "90s", value_parser = patience)]
    pub(super) patience: Duration,
}

fn patience(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    stack::duration::seconds(text).map(Duration::from_secs).map_err(|error| error.to_string())
}

/// Options of `unlock`.
#[derive(Debug, Args)]
pub(super) struct UnlockOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Do not ask
    #[arg(long)]
    pub(super) auto_approve: bool,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub(super) struct LoadOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// The cluster [default: the stack's only one]
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<String>,
    /// Databases; each has one region group of schema besides
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = value_parser!(u32).range(1..=1_000))]
    pub(super) databases: u32,
    /// Region groups of data, of all databases together
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(super) groups: u32,
    /// Bytes of each of their replicas
    #[arg(long, default_value = "96Mi")]
    pub(super) size: Quantity,
    /// Time partitions they were written in, of a week each
    #[arg(long, value_name = "COUNT", default_value = "52", value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(super) partitions: u64,
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
    pub(super) lock: LockOptions,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
    #[command(flatten)]
    pub(super) selection: SelectionOptions,
}

/// Options of `adopt`.
#[derive(Debug, Args)]
pub(super) struct AdoptOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Only these: cluster.NAME, cluster.NAME.pool.POOL, storage.TIER, or an object as plans show it
    /// [default: all that can be had]
    #[arg(value_name = "ADDRESS")]
    pub(super) addresses: Vec<Address>,
    #[command(flatten)]
    pub(super) run: RunOptions,
}

/// Options of `forget`.
#[derive(Debug, Args)]
pub(super) struct ForgetOptions {
    /// Stack file
    #[arg(value_name = "STACK")]
    pub(super) stack: PathBuf,
    /// What to let go: cluster.NAME, cluster.NAME.pool.POOL, storage.TIER, or an object as plans show it
    #[arg(value_name = "ADDRESS", required = true)]
    pub(super) addresses: Vec<Address>,
    #[command(flatten)]
    pub(super) run: RunOptions,
}

/// How `adopt`, `forget` and `replace` are carried out.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// Do not ask before changing anything
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// Print events as JSON, one a line; needs --auto-approve
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) lock: LockOptions,
}

/// Options of `replace`.
#[derive(Debug, Args)]
pub(super) struct ReplaceOptions {
    /// Stack file
    #[arg(value_name = "STACK")]
    pub(super) stack: PathBuf,
    /// The member, by the name of its pod
    #[arg(value_name = "MEMBER")]
    pub(super) member: String,
    #[command(flatten)]
    pub(super) run: RunOptions,
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

/// Options of `rehearse`.
#[derive(Debug, Args)]
pub(super) struct RehearseOptions {
    #[command(flatten)]
    pub(super) stack: StackArgument,
    /// Rehearse the end of the stack instead
    #[arg(long)]
    pub(super) destroy: bool,
    /// Try only a crash after each action, no other faults
    #[arg(long)]
    pub(super) quick: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) consent: ConsentOptions,
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
    #[command(flatten)]
    pub(super) selection: SelectionOptions,
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
