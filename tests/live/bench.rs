//! A stack whose life is lived through the proxy: runs with a fault in them, and the way back.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use crate::kubernetes::KubernetesStage;
use crate::process::{Process, Victim};
use crate::proxy::{Fault, Proxy};
use crate::record::{Record, broken_rules};
use crate::stage::{Run, Stage};

const CLOUD: &str = include_str!("stacks/cloud.toml");

/// How many plain runs may be needed after a fault.
const PLAIN_RUNS_MAX: usize = 3;

/// A part of a life: what the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Create,
    Grow,
    Destroy,
}

impl Phase {
    /// A whole life.
    pub(crate) const LIFE: [Self; 3] = [Self::Create, Self::Grow, Self::Destroy];

    fn verb(self) -> &'static str {
        match self {
            Self::Create | Self::Grow => "apply",
            Self::Destroy => "destroy",
        }
    }
}

/// A stack of one ConfigNode and one DataNode, and the proxy its program goes through.
pub(crate) struct Bench {
    pub(crate) stage: KubernetesStage,
    pub(crate) proxy: Proxy,
    pub(crate) record: Arc<Record>,
    victim: Arc<Victim>,
    name: String,
    destroys: BTreeSet<usize>,
}

impl Bench {
    /// A bench in a namespace of its own.
    pub(crate) fn new(name: &str) -> Self {
        let (stage, record) = (KubernetesStage::enter(), Arc::new(Record::default()));
        let proxy = Proxy::start(stage.kubeconfig(), &record);
        let (victim, name) = (Arc::default(), name.to_owned());
        Self { stage, proxy, record, victim, name, destroys: BTreeSet::new() }
    }

    /// Writes the stack as a part of its life wants it.
    pub(crate) fn write(&self, phase: Phase) {
        self.stage
            .write("stack.toml", &small(&self.name, if phase == Phase::Create { 1 } else { 2 }));
    }

    /// The program, to be started through the proxy.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.program(arguments);
        command.arg("--kubeconfig").arg(self.proxy.kubeconfig());
        command
    }

    /// Starts what a part of a life asks for; with a fault at the n-th write, counted from 0.
    pub(crate) fn start(
        &mut self,
        phase: Phase,
        fault: Option<(usize, Fault)>,
    ) -> (usize, Process) {
        self.write(phase);
        let run = self.proxy.begin_run();
        if phase == Phase::Destroy {
            self.destroys.insert(run);
        }
        if let Some((at, fault)) = fault {
            self.proxy.set_trap(at, fault, &self.victim);
        }
        let command = self.program(&[phase.verb(), "--auto-approve"]);
        (run, Process::start(command, &self.victim))
    }

    /// One run to its end.
    pub(crate) fn live(&mut self, phase: Phase, fault: Option<(usize, Fault)>) -> (usize, Run) {
        let (run, process) = self.start(phase, fault);
        (run, process.wait())
    }

    /// `kill -9` of the process that was started last.
    pub(crate) fn kill(&self) {
        self.victim.kill();
    }

    /// Any other verb, to its end.
    fn ask(&self, arguments: &[&str]) -> (usize, Run) {
        let run = self.proxy.begin_run();
        (run, Process::start(self.program(arguments), &self.victim).wait())
    }

    /// Two processes at once, each with a proxy of its own.
    pub(crate) fn live_twice(&mut self, phase: Phase, other: &Proxy) -> [Run; 2] {
        let (_, first) = self.start(phase, None);
        let run = other.begin_run();
        if phase == Phase::Destroy {
            self.destroys.insert(run);
        }
        let mut command = self.stage.program(&[phase.verb(), "--auto-approve"]);
        command.arg("--kubeconfig").arg(other.kubeconfig());
        let second = Process::start(command, &Arc::default());
        [first.wait(), second.wait()]
    }

    /// Whether everything is as a part of a life asks for: says `plan`, which writes nothing.
    pub(crate) fn is_settled(&self, phase: Phase) -> bool {
        let asked: &[&str] = match phase {
            Phase::Destroy => &["plan", "--destroy", "--detailed-exitcode"],
            Phase::Create | Phase::Grow => &["plan", "--detailed-exitcode"],
        };
        let (run, plan) = self.ask(asked);
        assert_eq!(self.record.writes_of(run), 0, "{}: a plan wrote", self.name);
        plan.code == Some(0)
    }

    /// Plain runs until everything is as it is asked for. Gives how many it took.
    pub(crate) fn recover(&mut self, phase: Phase, after: &str) -> usize {
        let mut told = String::new();
        for times in 1..=PLAIN_RUNS_MAX {
            let (_, run) = self.live(phase, None);
            told += &run.text;
            if run.code == Some(0) && self.is_settled(phase) {
                return times;
            }
        }
        panic!("{}: {after}: not there after {PLAIN_RUNS_MAX} plain runs: {told}", self.name);
    }

    /// Takes away the lock of a process that is known to be dead, rather than to wait until it runs
    /// out. Gives whether there was one.
    pub(crate) fn unlock(&self) -> bool {
        let (_, run) = self.ask(&["unlock", "--auto-approve"]);
        assert_eq!(run.code, Some(0), "{}: {}", self.name, run.text);
        !run.text.contains("is not locked")
    }

    /// Holds all that was asked so far, and what is left, against the rules.
    pub(crate) fn check_rules(&self) {
        let broken = broken_rules(&self.record.all(), &self.destroys);
        assert!(broken.is_empty(), "{}: {}", self.name, broken.join("\n"));
        let said = self.stage.twin().changes(&self.name, "db");
        let twice: Vec<_> = said.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{}: said twice to the database: {twice:?}", self.name);
    }
}

/// The stack of all these lives: with so many DataNodes.
pub(crate) fn small(name: &str, data_nodes: usize) -> String {
    CLOUD
        .replace("NAME", name)
        .replace("nodes = 3 # data", &format!("nodes = {data_nodes} # data"))
        .replace("nodes = 3\n", "nodes = 1\n")
        .replace("schema_replication = 3", "schema_replication = 1")
        .replace("data_replication = 2", "data_replication = 1")
}
