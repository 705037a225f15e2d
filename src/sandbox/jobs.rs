//! The Job controller, as far as helpers need it: one pod at a time, tries, a deadline; and what a
//! namespace's Pod Security level does not admit.

use serde_json::{Value, json};

use super::api;
use super::cluster::{Cluster, leaving, uid};
use super::stateful_sets::{CONTROLLER, owner_uid};
use super::values::{at, list, put, text};
use crate::object::{Kind, LABEL_JOB, ObjectKey};
use crate::plan::job;

/// One pass over every Job.
pub(super) fn run(cluster: &mut Cluster) {
    for key in cluster.keys_where(Kind::Job, |_, job| is_under_way(job)) {
        if let Some(held) = cluster.shared(&key) {
            step(cluster, &key, &held.value);
        }
    }
}

/// Whether a Job has begun and not ended.
pub(super) fn is_under_way(job: &Value) -> bool {
    at(job, "/spec/suspend") != true && !job::is(job, "Complete") && !job::is(job, "Failed")
}

/// Whether a pod is a Job's.
pub(super) fn is_of_one(pod: &Value) -> bool {
    text(pod, "/metadata/ownerReferences/0/kind") == Kind::Job.word()
}

fn step(cluster: &mut Cluster, key: &ObjectKey, job: &Value) {
    if at(job, "/spec/suspend") == true {
        return;
    }
    if at(job, "/status/startTime").is_null() {
        cluster.set_status(key, &["startTime"], json!(cluster.timestamp()));
        return;
    }
    let is_its = |_: &ObjectKey, pod: &Value| owner_uid(pod) == uid(job);
    let pods = cluster.keys_where(Kind::Pod, is_its);
    let phase = |pod: &ObjectKey| cluster.get(pod).map_or("", |pod| text(pod, "/status/phase"));
    let failed = pods.iter().filter(|pod| phase(pod) == "Failed").count();
    if pods.iter().any(|pod| phase(pod) == "Succeeded") {
        let time = cluster.timestamp();
        cluster.set_status(key, &["completionTime"], json!(time));
        end(
            cluster,
            key,
            "Complete",
            ("CompletionsReached", "Reached expected number of succeeded pods"),
        );
        return;
    }
    let limit = at(job, "/spec/activeDeadlineSeconds").as_i64();
    let is_late =
        limit.is_some_and(|it| cluster.seconds_since(text(job, "/status/startTime")) >= it);
    if failed as u64 > at(job, "/spec/backoffLimit").as_u64().unwrap_or(6) {
        let why = ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        end(cluster, key, "Failed", why);
    } else if is_late {
        for pod in pods.iter().filter(|pod| !cluster.is_leaving(pod)).cloned().collect::<Vec<_>>() {
            api::begin_deletion(cluster, &pod);
        }
        end(
            cluster,
            key,
            "Failed",
            ("DeadlineExceeded", "Job was active longer than specified deadline"),
        );
    } else if pods.len() == failed {
        make_pod(cluster, key, job, failed);
    }
}

fn end(cluster: &mut Cluster, key: &ObjectKey, kind: &str, (reason, message): (&str, &str)) {
    let ended = json!([{ "type": kind, "status": "True", "reason": reason, "message": message }]);
    cluster.set_status(key, &["conditions"], ended);
}

fn make_pod(cluster: &mut Cluster, key: &ObjectKey, job: &Value, number: usize) {
    let template = at(job, "/spec/template");
    let namespace = key.namespace.as_deref().unwrap_or_default();
    // Five characters, as good as chance.
    let end = uid(job).get(..4).unwrap_or_default();
    let name = format!("{}-{end}{}", key.name, number % 10);
    if let Some(why) = forbidden(cluster, namespace, template) {
        let why = format!("Error creating: pods \"{name}\" is forbidden: {why}");
        cluster.warn(key, "FailedCreate", &why);
        return;
    }
    let mut pod = json!({ "metadata": at(template, "/metadata"), "spec": at(template, "/spec") });
    put(&mut pod, &["metadata", "labels", LABEL_JOB], json!(key.name));
    let owner = json!([{
        "apiVersion": Kind::Job.api_version(), "kind": Kind::Job.word(), "name": key.name,
        "uid": uid(job), "controller": true, "blockOwnerDeletion": true,
    }]);
    put(&mut pod, &["metadata", "ownerReferences"], owner);
    let pod_key = ObjectKey::within(Kind::Pod, namespace, name);
    if let Err(denial) = api::create(cluster, &pod_key, &pod, CONTROLLER) {
        let why = crate::world::Refused::from(denial);
        cluster.warn(key, "FailedCreate", &format!("Error creating: {why}"));
    }
}

/// Why a namespace does not admit a pod: of Pod Security Standards only that levels below `privileged`
/// forbid directories of the node.
fn forbidden(cluster: &Cluster, namespace: &str, template: &Value) -> Option<String> {
    let namespace = cluster.get(&ObjectKey::global(Kind::Namespace, namespace))?;
    let level =
        at(namespace, "/metadata/labels").get("pod-security.kubernetes.io/enforce")?.as_str()?;
    let mut volumes = list(template, "/spec/volumes").iter();
    let mounted = volumes.find(|volume| volume.get("hostPath").is_some())?;
    (level != "privileged" && !leaving(namespace)).then(|| {
        format!(
            "violates PodSecurity \"{level}:latest\": hostPath volumes (volume \"{}\")",
            text(mounted, "/name")
        )
    })
}
