//! How an apply ended: what was done, what is left, how to reach the clusters.

use std::fmt::Write as _;

use super::paint::Paint;
use super::plan::anew;
use super::text::{count, fold, harmless};
use crate::apply::Outcome;
use crate::apply::hold::NotHeld;
use crate::apply::step::End;
use crate::lock::Lock;
use crate::plan::step::Action;
use crate::plan::{Plan, Purpose};
use crate::stack::{Cluster, ExposeKind, Stack};

/// The closing lines of a complete run.
pub fn complete(plan: &Plan, paint: Paint) -> String {
    if plan.only_keeps_the_record() {
        return "The stack's record is up to date.\n".to_owned();
    }
    let sum = plan.summary();
    let mut text = match plan.purpose {
        Purpose::Apply => format!(
            "\n{} Resources: {} added, {} changed,{} {} destroyed.\n",
            paint.strong("Apply complete!"),
            sum.add,
            sum.change,
            anew(sum.replace, "made anew"),
            sum.destroy
        ),
        Purpose::Destroy => format!(
            "\n{} Resources: {} destroyed.\n",
            paint.strong("Destroy complete!"),
            sum.destroy
        ),
        Purpose::Refresh => format!(
            "\n{} {} to the record, and to nothing else.\n",
            paint.strong("Refresh complete!"),
            count(plan.learns.len(), "change")
        ),
        Purpose::Adopt => format!(
            "\n{} {} taken over; nothing else of them was changed.\n",
            paint.strong("Adopt complete!"),
            count(sum.adopt, "object")
        ),
        Purpose::Forget => format!(
            "\n{} {} let go; nothing else of them was changed.\n",
            paint.strong("Forget complete!"),
            count(sum.forget, "object")
        ),
    };
    if plan.selection.is_some() {
        let verb = plan.purpose.verb();
        let line = format!(
            "Only part of the plan was carried out. Run `tsinfra {verb}` without --target and \
             --exclude to see what is left."
        );
        text.push_str(&format!("{}\n", fold(&line, "Note: ", "      ")));
    }
    text
}

/// Who holds a stack, in two lines.
pub fn held_by(lock: &Lock) -> String {
    let Lock { holder, purpose, acquired, renewed, epoch: _, begun: _ } = lock;
    let line = format!("The stack is locked by {holder}, for `{purpose}`, since {acquired}.");
    let more = format!("Last sign of life {renewed}; begun and not done: {}.", begun(lock));
    format!("{}\n{}\n", fold(&line, "", "  "), fold(&more, "", "  "))
}

/// The steps that stand in a lock.
fn begun(lock: &Lock) -> String {
    match lock.begun.iter().map(String::as_str).collect::<Vec<&str>>().join(", ") {
        none if none.is_empty() => "no step".to_owned(),
        steps => steps,
    }
}

/// What is said when a lock was taken over.
pub fn taken_over(lock: &Lock) -> String {
    let Lock { holder, purpose, renewed, .. } = lock;
    let line = format!(
        "The lock was taken over from {holder} (`{purpose}`), not heard of since {renewed}. Begun and \
         not done by then: {}. What came of it is looked at before anything is written.",
        begun(lock)
    );
    fold(&line, "Note: ", "  ")
}

/// What is said while a lock is waited for.
pub fn lock_wait(lock: &Lock) -> String {
    format!("{}Waiting for it to let go.", held_by(lock))
}

/// The closing lines of a run that ended early: what was done, what was not, the way on.
pub fn halted(plan: &Plan, outcome: &Outcome, paint: Paint) -> String {
    let (done, all) = (outcome.done.len(), count(plan.steps.len(), "step"));
    if let Some(not_held) = &outcome.not_held {
        return no_lock(not_held, paint);
    }
    let mut text = format!("\n{} {done} of {all} done.\n", paint.removed("Halted part-way."));
    for (id, end) in &outcome.ended {
        let title = plan.steps.get(id).map_or(id.0.as_str(), |step| &step.title);
        let (how, why) = end.tell();
        text.push_str(&fold(&format!("{title}: {how}: {}", harmless(why)), "  ! ", "    "));
        text.push('\n');
    }
    if let Some(change) = &outcome.stale {
        text.push_str(&fold(&format!("stale: {}", harmless(change)), "  ! ", "    "));
        text.push('\n');
    }
    if let Some(why) = &outcome.stranger {
        text.push_str(&fold(&format!("another database: {}", harmless(why)), "  ! ", "    "));
        text.push('\n');
    }
    if let Some(end) = &outcome.record {
        let why = end.tell().1;
        let line = format!("the stack's record could not be kept: {}", harmless(why));
        text.push_str(&fold(&line, "  ! ", "    "));
        text.push('\n');
    }
    let verb = plan.command();
    let begun = |end: &End| {
        matches!(
            end,
            End::TimedOut(_)
                | End::Interrupted
                | End::Unknown(_)
                | End::Unseen(_)
                | End::Stranger(_)
        )
    };
    let acted = plan.steps.iter().any(|(id, step)| {
        let said = outcome.done.contains(id) || outcome.ended.get(id).is_some_and(begun);
        said && !matches!(step.action, Action::Await)
    });
    let stale =
        outcome.stale.is_some() || outcome.ended.values().any(|end| matches!(end, End::Stale(_)));
    let strange = outcome.stranger.is_some()
        || outcome.ended.values().any(|end| matches!(end, End::Stranger(_)));
    let way_on = match (acted, stale) {
        _ if strange => {
            "Nothing more was written. Before anything else look at the first member of \
                         that database, and at its claim: was it emptied, and has it founded a \
                         cluster of its own?"
                .to_owned()
        }
        (false, true) => "Nothing was changed. The world is not what this plan was made for: make \
                          a new plan, and apply that."
            .to_owned(),
        (false, false) => format!(
            "Nothing was changed. Run `tsinfra {verb}` again for a plan of what is there now."
        ),
        (true, _) => format!(
            "What is done stays done, and what was begun goes on. Run `tsinfra {verb}` again: it \
             plans from what is there now."
        ),
    };
    let _ = writeln!(text, "{}", fold(&way_on, "", ""));
    text
}

fn no_lock(not_held: &NotHeld, paint: Paint) -> String {
    let head = paint.removed("Not applied: the stack's lock was not to be had.");
    match not_held {
        NotHeld::Taken(lock) => format!(
            "\n{head}\n{}{}\n",
            held_by(lock),
            fold(
                "Wait for it with --lock-timeout; if it hangs, see `tsinfra unlock --help`.",
                "",
                ""
            )
        ),
        NotHeld::Failed(why) => format!("\n{head}\n{}\n", fold(&harmless(why), "", "  ")),
    }
}

/// How to reach every cluster of a stack.
pub fn reach(stack: &Stack) -> String {
    let mut text = String::new();
    for cluster in stack.clusters.values() {
        let _ = writeln!(
            text,
            "\nCluster `{}` ({} {}):",
            stack.cluster_address(&cluster.name).name(),
            cluster.engine,
            cluster.version
        );
        for (from, address) in addresses(stack, cluster) {
            let _ = writeln!(text, "  {from:<22} {address}");
        }
    }
    text
}

fn addresses(stack: &Stack, cluster: &Cluster) -> Vec<(&'static str, String)> {
    let Some(port) = crate::desired::members::client_port(stack, cluster) else {
        return Vec::new();
    };
    let host = format!("{}.{}.svc.{}", cluster.name, stack.namespace, stack.cluster_domain);
    let mut addresses = vec![("inside Kubernetes", format!("{host}:{port}"))];
    match cluster.expose.kind {
        ExposeKind::ClusterIp => addresses.push((
            "from this machine",
            format!("kubectl -n {} port-forward service/{} {port}", stack.namespace, cluster.name),
        )),
        ExposeKind::NodePort(Some(node_port)) => {
            addresses.push(("from outside", format!("any node's address, port {node_port}")));
        }
        ExposeKind::NodePort(None) | ExposeKind::LoadBalancer => addresses.push((
            "from outside",
            format!("kubectl -n {} get service {}", stack.namespace, cluster.name),
        )),
    }
    addresses
}
