//! `tsinfra apply`, and what it shares with `destroy`: carrying out a plan in front of a user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::aloud::aloud;
use super::args::{ApplyOptions, RunOptions, TargetOptions};
use super::exit::{Exit, Failure};
use super::progress::Progress;
use super::screen::Screen;
use super::source::{Input, Source};
use super::worlds::{self, AnyWorld};
use super::{confirm, holder, plan_verb, planning, source};
use crate::apply::event::Event;
use crate::apply::hold::{Claim, News};
use crate::apply::{self, Outcome};
use crate::plan::{Plan, Purpose};
use crate::render;
use crate::world::World;

/// Applies a stack or a saved plan.
pub(super) fn run(
    options: &ApplyOptions,
    target: &TargetOptions,
    screen: &Screen,
) -> Result<Exit, Failure> {
    match source::either(&options.file, target)? {
        Input::Stack(source) => stack(options, &source, screen),
        Input::Plan(plan) => saved_plan(options, target, &plan, screen),
    }
}

fn stack(options: &ApplyOptions, source: &Source, screen: &Screen) -> Result<Exit, Failure> {
    json_needs_approval(options.json, options.auto_approve)?;
    let world = worlds::of(&source.stack, worlds::Purpose::Act)?;
    let runtime = planning::runtime()?;
    let consents = &options.consent.addresses;
    let purpose = if options.refresh_only { Purpose::Refresh } else { Purpose::Apply };
    let plan = runtime.block_on(planning::plan(
        &world,
        source,
        purpose,
        consents,
        &options.selection.all(),
    ))?;
    let ApplyOptions { auto_approve, full, json, lock, .. } = *options;
    let manner = Manner { auto_approve, full, json, patience: lock.patience };
    let exit = with_approval(&world, &runtime, &plan, manner, screen)?;
    let reached = plan.purpose == Purpose::Apply && !plan.steps.is_empty();
    if exit == Exit::Done && !options.json && reached {
        screen.print(&render::outcome::reach(&source.stack.as_made(&plan.names)));
    }
    Ok(exit)
}

/// How a plan is shown, approved and carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Nobody is asked.
    pub(super) auto_approve: bool,
    /// Every field of new objects is shown.
    pub(super) full: bool,
    /// Events are JSON.
    pub(super) json: bool,
    /// How long another apply is waited for.
    pub(super) patience: Duration,
}

impl From<&RunOptions> for Manner {
    fn from(options: &RunOptions) -> Self {
        let RunOptions { auto_approve, json, lock } = *options;
        Self { auto_approve, full: false, json, patience: lock.patience }
    }
}

/// Shows a plan, and carries it out once it was approved.
pub(super) fn with_approval(
    world: &AnyWorld,
    runtime: &Runtime,
    plan: &Plan,
    manner: Manner,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let Manner { auto_approve, full, json, patience } = manner;
    present(plan, full, json, screen);
    if !plan.blocked.is_empty() {
        return Ok(Exit::Blocked);
    }
    if !plan.has_work() {
        return Ok(Exit::Done);
    }
    // A record that is only behind is tsinfra's own affair.
    if !auto_approve && !plan.only_keeps_the_record() {
        let (question, word) = question(plan);
        confirm::ask(&question, word, "--auto-approve", screen)?;
    }
    runtime.block_on(carry_out(world, plan, patience, json, screen))
}

/// What is asked before a plan is carried out, and the word that approves.
fn question(plan: &Plan) -> (String, &str) {
    let (stack, place) = (&plan.stack, render::plan::place(plan));
    match plan.purpose {
        Purpose::Refresh => {
            (format!("Bring the record of stack `{stack}` up to date {place}?"), YES)
        }
        Purpose::Apply => (format!("Apply this to stack `{stack}` {place}?"), YES),
        Purpose::Destroy => {
            (format!("Destroy stack `{stack}` {place}? Type its name to confirm."), stack)
        }
        Purpose::Adopt => (format!("Take these over into stack `{stack}` {place}?"), YES),
        Purpose::Forget => (format!("Let these go from stack `{stack}` {place}?"), YES),
    }
}

/// The word that approves whatever ends nothing.
const YES: &str = "yes";

/// `apply --json` answers programs, which cannot be asked.
pub(super) fn json_needs_approval(json: bool, approved: bool) -> Result<(), Failure> {
    if json && !approved {
        return Err(Failure::new(
            "--json asks no questions",
            "add --auto-approve, or apply a saved plan",
        ));
    }
    Ok(())
}

fn saved_plan(
    options: &ApplyOptions,
    target: &TargetOptions,
    plan: &Plan,
    screen: &Screen,
) -> Result<Exit, Failure> {
    if target.sandbox || target.context.is_some() || target.namespace.is_some() {
        return Err(Failure::new(
            "a saved plan has its target in it",
            "leave out --sandbox, --context and --namespace, or plan again with them",
        ));
    }
    if !options.consent.addresses.is_empty() {
        return Err(Failure::new(
            "a saved plan has its consents in it",
            "plan again with --consent",
        ));
    }
    if !options.selection.all().is_all() {
        return Err(Failure::new(
            "a saved plan has its selection in it",
            "leave out --target and --exclude, or plan again with them",
        ));
    }
    if options.refresh_only {
        return Err(Failure::new(
            "a saved plan has its purpose in it",
            "leave out --refresh-only, or plan again with it",
        ));
    }
    // That there is nothing to do is not said of a stack that says otherwise by now.
    let as_planned = source::as_planned(plan, screen);
    if plan.has_work() || !plan.blocked.is_empty() || as_planned.is_ok() {
        present(plan, options.full, options.json, screen);
    }
    if !plan.blocked.is_empty() {
        return Ok(Exit::Blocked);
    }
    as_planned?;
    let mut connection = plan.basis.connection.clone();
    if let (Some(file), crate::plan::Connection::Kubernetes { kubeconfig, .. }) =
        (&target.kubeconfig, &mut connection)
    {
        *kubeconfig = Some(file.display().to_string());
    }
    let world = worlds::open(&connection, None, worlds::Purpose::Act)?;
    if world.target() != plan.basis.target {
        return Err(Failure::Other {
            what: format!(
                "the plan was made for {}, but the kubeconfig leads to {}",
                plan.basis.target,
                world.target()
            ),
            help: Some("name the kubeconfig the plan was made with, or plan again".to_owned()),
            exit: Exit::Halted,
        });
    }
    if !plan.has_work() {
        return Ok(Exit::Done);
    }
    planning::runtime()?.block_on(carry_out(
        &world,
        plan,
        options.lock.patience,
        options.json,
        screen,
    ))
}

/// Shows the plan that is about to be carried out.
fn present(plan: &Plan, full: bool, json: bool, screen: &Screen) {
    if json {
        screen.json_line(&render::json::version());
        screen.json_line(&render::json::planned(plan));
    } else {
        plan_verb::show(plan, full, screen);
    }
}

/// Carries a plan out: events to the screen, Ctrl-C to a halt.
async fn carry_out(
    world: &AnyWorld,
    plan: &Plan,
    patience: Duration,
    json: bool,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    // Heard from this line on: a task is begun only when this one waits for something.
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let watch = tokio::spawn(interrupts(signals, Arc::clone(&stop), *screen));
    if !json && !plan.steps.is_empty() {
        screen.line("");
    }
    let progress = Progress::new(screen, json);
    let claim = Claim { holder: holder::name(), purpose: plan.purpose.verb().to_owned(), patience };
    let tell = |event: &Event| progress.tell(plan, event);
    let hear = |news: &News| progress.of_the_lock(news);
    let running = apply::run(world, plan, &claim, &stop, tell, hear);
    let outcome = aloud(world, running, |why| progress.hindered(why)).await;
    progress.finish();
    watch.abort();
    conclude(plan, &outcome, json, screen);
    Ok(Exit::of(plan, &outcome, stop.load(Ordering::Relaxed)))
}

fn conclude(plan: &Plan, outcome: &Outcome, json: bool, screen: &Screen) {
    let complete = outcome.is_complete(plan);
    if json {
        let left = plan.steps.len() - outcome.done.len();
        screen.json_line(&render::json::ended(plan, complete, left));
    } else if complete && plan.has_work() {
        screen.print(&render::outcome::complete(plan, screen.paint));
    } else if !complete {
        screen.print(&render::outcome::halted(plan, outcome, screen.paint));
    }
}

/// The first Ctrl-C (or SIGTERM) stops what has not begun; the second leaves at once.
async fn interrupts(signals: [std::io::Result<Signal>; 2], stop: Arc<AtomicBool>, screen: Screen) {
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else { return };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.swap(true, Ordering::Relaxed) {
            screen.remark(
                "Interrupted twice: leaving at once. `tsinfra apply` resumes from what is there.",
            );
            #[expect(clippy::disallowed_methods, reason = "the second Ctrl-C asks for just this")]
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
        screen.remark("Interrupted: nothing new is started. Interrupt again to leave at once.");
    }
}
