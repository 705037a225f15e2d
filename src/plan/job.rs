//! How far a helper Job is, and whether it may be removed once it has done its work. Pure; every world
//! removes it by the uid of the very Job that was judged.

use serde_json::{Value, json};

use crate::object::{LABEL_HOSTNAME, Labels, ObjectKey, at};
use crate::observed::LiveObject;

/// The task of a Job that prepares a directory, as its label says.
pub const TASK_PREPARE: &str = "prepare";

/// The task of a Job that clears a directory, as its label says.
pub const TASK_SCRUB: &str = "scrub";

/// A directory of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directory {
    /// The node's host name.
    pub node: String,
    /// Where it is there.
    pub path: String,
}

impl Directory {
    /// The directory a helper Job works on, by the Job as it is there.
    pub fn of_job(job: &LiveObject) -> Option<Self> {
        let node =
            at(&job.value, "/spec/template/spec/nodeSelector")?.get(LABEL_HOSTNAME)?.as_str()?;
        let path = job.text("/spec/template/spec/volumes/0/hostPath/path")?;
        Some(Self { node: node.to_owned(), path: path.to_owned() })
    }
}

/// Whether a Job has a condition of this type.
pub fn is(job: &Value, condition: &str) -> bool {
    self::condition(job, condition).is_some()
}

/// A condition of a Job that holds: `Complete` or `Failed` once it has ended.
pub fn condition<'a>(job: &'a Value, condition: &str) -> Option<&'a Value> {
    let all = at(job, "/status/conditions")?.as_array()?;
    all.iter().find(|one| one["type"] == *condition && one["status"] == *"True")
}

/// The merge patch that lets a helper begin; `None`: it has begun. An error says how it is not the one that
/// was meant.
pub fn start(key: &ObjectKey, live: &Value, labels: &Labels) -> Result<Option<Value>, String> {
    ours(key, live, labels)?;
    let is_suspended = at(live, "/spec/suspend") == Some(&true.into());
    Ok(is_suspended.then(|| json!({ "spec": { "suspend": false } })))
}

fn ours(key: &ObjectKey, live: &Value, labels: &Labels) -> Result<(), String> {
    let bears = |(name, value): (&String, &String)| {
        at(live, "/metadata/labels").and_then(|all| all.get(name)) == Some(&value.as_str().into())
    };
    match labels.iter().all(bears) {
        true => Ok(()),
        false => Err(format!("{key} is not the helper that was made")),
    }
}

/// The uid of a helper that has done its work; an error says how it is not the one that was meant.
pub fn done(key: &ObjectKey, live: &Value, labels: &Labels) -> Result<String, String> {
    ours(key, live, labels)?;
    if !is(live, "Complete") {
        return Err(format!("{key} has not done its work"));
    }
    let uid = at(live, "/metadata/uid").and_then(Value::as_str);
    uid.map(str::to_owned).ok_or_else(|| format!("{key} has no uid"))
}
