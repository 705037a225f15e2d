//! Whether a helper Job has done its work, why it takes long, and what to do where it fails.

use serde_json::Value;

use super::pods;
use super::wait::Progress;
use crate::object::{Kind, LABEL_TASK, ObjectKey};
use crate::observed::{EventNote, LiveObject, Observed};
use crate::plan::job::{self, Directory, TASK_PREPARE};

/// What Kubernetes puts before a warning that it gives often, each time in slightly other words.
const COMBINED: &str = "(combined from similar events): ";

/// How far a Job is.
pub fn finished(job: &ObjectKey, seen: &Observed) -> Progress {
    let Some(live) = seen.objects.get(job) else {
        return Progress::Failed(format!(
            "{job} is gone, and nobody knows whether it did its work"
        ));
    };
    if job::is(&live.value, "Complete") {
        return Progress::Done;
    }
    match job::condition(&live.value, "Failed") {
        Some(condition) => Progress::Failed(failed(job, live, condition, seen)),
        None => Progress::Going { done: 0, of: 1, why: why(job, seen).into_iter().collect() },
    }
}

/// Why a Job is not done yet.
fn why(job: &ObjectKey, seen: &Observed) -> Option<String> {
    let pods = seen.pods_of(job).filter(|(_, pod)| exit(pod).is_none());
    let mut reasons: Vec<(u8, String)> =
        pods.filter_map(|(key, pod)| pods::why_pod(key, pod, seen)).collect();
    reasons.sort();
    let said =
        seen.pods_of(job).find_map(|(key, pod)| Some(format!("{}: {}", key.name, exit(pod)?)));
    let of_pods = reasons.into_iter().next().map(|(_, reason)| reason).or(said);
    of_pods.or_else(|| event(seen, |event| is_not_made(event, job)))
}

/// Why a Job failed, and the way on. What its container or its mount said is about the directory; all
/// else kept anybody from looking at it.
fn failed(job: &ObjectKey, live: &LiveObject, condition: &Value, seen: &Observed) -> String {
    let of_container = seen.pods_of(job).find_map(|(_, pod)| exit(pod));
    let is_of_mount = |event: &EventNote| is_of_a_pod(event, job) && event.reason == "FailedMount";
    let of_directory = of_container.or_else(|| event(seen, is_of_mount));
    let of_anything = || {
        let not_made = event(seen, |event| is_not_made(event, job));
        not_made.or_else(|| event(seen, |event| is_of_a_pod(event, job))).unwrap_or_else(|| {
            let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", text("reason"), text("message"))
        })
    };
    let Some(Directory { node, path }) = Directory::of_job(live) else {
        return format!("{job} failed: {}", of_directory.unwrap_or_else(of_anything));
    };
    if live.label(LABEL_TASK) != Some(TASK_PREPARE) {
        let why = of_directory.unwrap_or_else(of_anything);
        return format!(
            "{path} on {node} could not be cleared: {why}. Mend that and plan again, with the same \
             consent; or clear it by hand and delete its volume"
        );
    }
    match of_directory {
        Some(why) => format!(
            "{path} on {node} is not fit for a volume: {why}. See to it on that node, then plan again: \
             `mkdir -p {path}` if it is missing; if it is not empty, clear it once nobody needs what \
             is in it, or name another. Without `prepare` in its tier nothing is done about it"
        ),
        None => format!(
            "nobody could look at {path} on {node}: {}. Mend that and plan again; or do it by hand, \
             `mkdir -p {path}` on that node, and leave out `prepare`",
            of_anything()
        ),
    }
}

/// The last words of a pod whose container ended otherwise than well.
fn exit(pod: &LiveObject) -> Option<String> {
    let ended = pod.value.pointer("/status/containerStatuses/0/state/terminated")?;
    let code = ended.get("exitCode").and_then(Value::as_i64).filter(|code| *code != 0)?;
    let said = ended.get("message").and_then(Value::as_str).map(str::trim);
    Some(match said.filter(|said| !said.is_empty()) {
        Some(said) => said.to_owned(),
        None => format!("the helper ended with exit code {code}"),
    })
}

/// The newest warning of a kind, in its own words.
fn event(seen: &Observed, is_it: impl Fn(&EventNote) -> bool) -> Option<String> {
    let event = seen.events.iter().find(|event| is_it(event))?;
    let said = event.message.strip_prefix(COMBINED).unwrap_or(&event.message);
    Some(format!("{}: {said}", event.reason))
}

fn is_not_made(event: &EventNote, job: &ObjectKey) -> bool {
    event.kind == Kind::Job.word() && event.name == job.name && event.reason == "FailedCreate"
}

/// Whether it is about a pod of the Job, also if that one was stopped since: Kubernetes calls them by
/// the Job's name, `-` and five characters.
fn is_of_a_pod(event: &EventNote, job: &ObjectKey) -> bool {
    let rest = event.name.strip_prefix(&job.name).and_then(|rest| rest.strip_prefix('-'));
    event.kind == Kind::Pod.word() && rest.is_some()
}
