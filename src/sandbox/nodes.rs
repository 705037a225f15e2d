//! The simulated machines, and how a pod comes up and goes down on one: pull, prepare, run, stop.

use serde_json::{Value, json};

use super::cluster::{Cluster, PodLife, Stage, leaving};
use super::values::{at, each_in, list, put, text};
use super::{databases, directories, jobs};
use crate::object::{Kind, Labels, ObjectKey};

/// An image whose tag holds this cannot be pulled, so that failures can be shown and tested.
const NO_SUCH_IMAGE: &str = "does-not-exist";
const PULL_MS: u64 = 2_000;
const BACK_OFF_MS: u64 = 1_000;
const PREPARE_MS: u64 = 1_000;
const STOP_MS: u64 = 2_000;
const PLAIN_START_MS: u64 = 1_000;

/// CPUs of a machine.
pub(super) const CPU: u64 = 32;
/// Its memory in GiB.
pub(super) const MEMORY_GIB: u64 = 128;
/// The pods it takes at most.
pub(super) const PODS: u64 = 110;

/// Adds a machine, or gives an old one more labels.
pub(super) fn add_worker(cluster: &mut Cluster, name: &str, labels: &Labels) {
    let key = ObjectKey::global(Kind::Node, name);
    if cluster.get(&key).is_none() {
        let size = json!({
            "cpu": CPU.to_string(), "memory": format!("{MEMORY_GIB}Gi"), "pods": PODS.to_string(),
            "ephemeral-storage": "500Gi",
        });
        let value = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": { "name": name, "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            }},
            "spec": {},
            "status": {
                "allocatable": size,
                "capacity": size,
                "conditions": [readiness(true)],
            },
        });
        cluster.insert(&key, value, "kubelet");
    }
    cluster.change("sandbox", &key, |node| {
        for (label, value) in labels {
            put(node, &["metadata", "labels", label], json!(value));
        }
    });
}

/// One pass of every node over its pods.
pub(super) fn run(cluster: &mut Cluster) {
    databases::part(cluster);
    back(cluster, cluster.clock_ms);
    forget_pods_of_machines_that_are_gone(cluster);
    let is_busy = |key: &ObjectKey, pod: &Value| {
        let rests = |life: &PodLife| matches!(life.stage, Stage::Ready | Stage::Ended);
        !cluster.pods.get(key).is_some_and(rests) || leaving(pod)
    };
    for key in cluster.keys_where(Kind::Pod, is_busy) {
        let Some(held) = cluster.shared(&key) else { continue };
        let pod = &held.value;
        if cluster.trouble.is_away(text(pod, "/spec/nodeName"), cluster.clock_ms) {
            continue;
        }
        if leaving(pod) {
            stop(cluster, &key, pod);
        } else if !text(pod, "/spec/nodeName").is_empty() {
            advance(cluster, &key, pod);
        }
    }
}

/// Machines that were away until now say again that they are ready.
pub(super) fn back(cluster: &mut Cluster, now: u64) {
    for node in cluster.trouble.take_back(now) {
        say_whether_ready(cluster, &node, true);
    }
}

/// Writes into a Node whether its kubelet was heard, as the controller of Nodes does after some 50 s; here, at once.
pub(super) fn say_whether_ready(cluster: &mut Cluster, node: &str, is_ready: bool) {
    let key = ObjectKey::global(Kind::Node, node);
    cluster.change("kube-controller-manager", &key, |node| {
        put(node, &["status", "conditions"], json!([readiness(is_ready)]));
    });
}

/// The condition of a Node whose kubelet is heard, or not.
fn readiness(is_ready: bool) -> Value {
    match is_ready {
        true => json!({ "type": "Ready", "status": "True", "reason": "KubeletReady" }),
        false => json!({ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" }),
    }
}

/// As the garbage collector of pods does some 40 s after a Node is gone; here, at once.
fn forget_pods_of_machines_that_are_gone(cluster: &mut Cluster) {
    let is_lost = |_: &ObjectKey, pod: &Value| {
        let node = text(pod, "/spec/nodeName");
        !node.is_empty() && cluster.get(&ObjectKey::global(Kind::Node, node)).is_none()
    };
    for key in cluster.keys_where(Kind::Pod, is_lost) {
        vanished(cluster, &key);
    }
}

/// Brings a pod to its next stage when its time has come.
fn advance(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let now = cluster.clock_ms;
    let Some(life) = cluster.pods.get(key).copied() else {
        if let Err(why) = directories::mount(cluster, key, pod) {
            report(cluster, key, Stage::Pulling, None);
            cluster.warn(key, "FailedMount", &why);
            return;
        }
        let stage =
            if missing_images(cluster, pod).is_empty() { Stage::Preparing } else { Stage::Pulling };
        enter(cluster, key, stage);
        return;
    };
    if cluster.trouble.keeps_down(key, pod, now) {
        return;
    }
    let for_ms = now.saturating_sub(life.since_ms);
    match life.stage {
        Stage::Pulling if for_ms >= PULL_MS => pulled(cluster, key, pod),
        Stage::PullFailed if for_ms >= BACK_OFF_MS => {
            if let Some(image) = unavailable_image(pod) {
                let why = format!("Back-off pulling image \"{image}\"");
                report(cluster, key, Stage::PullFailed, Some(("ImagePullBackOff", &why)));
                cluster.warn(key, "Failed", "Error: ImagePullBackOff");
            }
        }
        Stage::Preparing if for_ms >= prepare_ms(pod) => {
            enter(cluster, key, Stage::Starting);
            directories::written(cluster, key, pod);
            databases::started(cluster, key, pod);
        }
        Stage::Starting => {
            let takes = databases::start_ms(pod).unwrap_or(PLAIN_START_MS);
            if jobs::is_of_one(pod) && for_ms >= takes {
                end(cluster, key, pod);
            } else if for_ms >= takes && databases::answers(cluster, key, pod) {
                enter(cluster, key, Stage::Ready);
            }
        }
        _ => {}
    }
}

/// A pod's containers ended of themselves; whether they ran.
pub(super) fn crashed(cluster: &mut Cluster, key: &ObjectKey) -> bool {
    let running = cluster.pods.get(key).map(|life| life.stage);
    if !matches!(running, Some(Stage::Starting | Stage::Ready)) {
        return false;
    }
    let since_ms = cluster.clock_ms;
    cluster.pods.insert(key.clone(), PodLife { stage: Stage::Preparing, since_ms });
    let why = ("CrashLoopBackOff", "back-off restarting failed container");
    report(cluster, key, Stage::Preparing, Some(why));
    cluster.warn(key, "BackOff", "Back-off restarting failed container");
    true
}

/// A pod's containers ended and are started again.
pub(super) fn restart(cluster: &mut Cluster, key: &ObjectKey) {
    if cluster.pods.contains_key(key) {
        enter(cluster, key, Stage::Preparing);
    }
}

/// A pod's containers run on and answer no probe.
pub(super) fn stop_answering(cluster: &mut Cluster, key: &ObjectKey) {
    if cluster.pods.get(key).is_some_and(|life| life.stage == Stage::Ready) {
        enter(cluster, key, Stage::Starting);
    }
}

fn prepare_ms(pod: &Value) -> u64 {
    if list(pod, "/spec/initContainers").is_empty() { 0 } else { PREPARE_MS }
}

fn images(pod: &Value) -> Vec<String> {
    let containers = ["/spec/initContainers", "/spec/containers"];
    let containers = containers.into_iter().flat_map(|place| list(pod, place));
    containers.map(|container| text(container, "/image").to_owned()).collect()
}

fn unavailable_image(pod: &Value) -> Option<String> {
    images(pod)
        .into_iter()
        .find(|image| image.rsplit_once(':').is_some_and(|(_, tag)| tag.contains(NO_SUCH_IMAGE)))
}

fn missing_images(cluster: &Cluster, pod: &Value) -> Vec<String> {
    let there = cluster.images.get(text(pod, "/spec/nodeName"));
    let here = |image: &String| there.is_some_and(|images| images.contains(image));
    images(pod).into_iter().filter(|image| !here(image)).collect()
}

fn pulled(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    if let Some(image) = unavailable_image(pod) {
        let why = format!("failed to pull and unpack image \"{image}\": {image}: not found");
        enter(cluster, key, Stage::PullFailed);
        report(cluster, key, Stage::PullFailed, Some(("ErrImagePull", &why)));
        cluster.warn(key, "Failed", &format!("Failed to pull image \"{image}\": {why}"));
        return;
    }
    let node = text(pod, "/spec/nodeName").to_owned();
    cluster.images.entry(node).or_default().extend(images(pod));
    enter(cluster, key, Stage::Preparing);
}

/// Stops a pod's processes and, a moment later, removes it.
fn stop(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let now = cluster.clock_ms;
    match cluster.pods.get(key).copied() {
        // It never came to a node, or has ended: nothing has to be stopped.
        None | Some(PodLife { stage: Stage::Ended, .. }) => cluster.remove(key),
        Some(PodLife { stage: Stage::Stopping, since_ms }) if now >= since_ms + STOP_MS => {
            databases::ended(cluster, key, pod);
            cluster.remove(key);
        }
        Some(PodLife { stage: Stage::Stopping, .. }) => {}
        Some(_) => {
            cluster.pods.insert(key.clone(), PodLife { stage: Stage::Stopping, since_ms: now });
        }
    }
}

/// A pod is gone at once, and what it ran with it.
pub(super) fn vanished(cluster: &mut Cluster, key: &ObjectKey) {
    let Some(held) = cluster.shared(key) else { return };
    databases::ended(cluster, key, &held.value);
    cluster.remove(key);
}

/// A helper's container ends, well or with its last words.
fn end(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let outcome = directories::helped(cluster, pod);
    let since_ms = cluster.clock_ms;
    cluster.pods.insert(key.clone(), PodLife { stage: Stage::Ended, since_ms });
    let (phase, code, reason) = match outcome {
        Ok(()) => ("Succeeded", 0, "Completed"),
        Err(_) => ("Failed", 1, "Error"),
    };
    let mut ended = json!({ "exitCode": code, "reason": reason });
    if let Err(words) = outcome {
        put(&mut ended, &["message"], json!(words));
    }
    cluster.change("kubelet", key, |pod| {
        put(pod, &["status", "phase"], json!(phase));
        for condition in each_in(pod, "/status/conditions") {
            if matches!(text(condition, "/type"), "Ready" | "ContainersReady") {
                put(condition, &["status"], json!("False"));
            }
        }
        for container in each_in(pod, "/status/containerStatuses") {
            put(container, &["state"], json!({ "terminated": ended }));
            put(container, &["ready"], json!(false));
            put(container, &["started"], json!(false));
        }
    });
}

fn enter(cluster: &mut Cluster, key: &ObjectKey, stage: Stage) {
    cluster.pods.insert(key.clone(), PodLife { stage, since_ms: cluster.clock_ms });
    report(cluster, key, stage, None);
}

/// Writes a pod's stage into its status as a kubelet would; `waits` is why its image is not there.
fn report(cluster: &mut Cluster, key: &ObjectKey, stage: Stage, waits: Option<(&str, &str)>) {
    let Some(held) = cluster.shared(key) else { return };
    let pod = &held.value;
    let now = cluster.timestamp();
    let running = matches!(stage, Stage::Starting | Stage::Ready);
    let ready = stage == Stage::Ready;
    let is = |yes: bool| if yes { "True" } else { "False" };
    let containers = list(pod, "/spec/containers").iter().map(|container| {
        let mut status = container_status(pod, container, waits);
        if running {
            let since = text(pod, "/status/containerStatuses/0/state/running/startedAt");
            let since = if since.is_empty() { now.as_str() } else { since };
            put(&mut status, &["state"], json!({ "running": { "startedAt": since } }));
            put(&mut status, &["started"], json!(ready));
            put(&mut status, &["ready"], json!(ready));
        }
        status
    });
    let preparations = list(pod, "/spec/initContainers").iter().map(|container| {
        let mut status = container_status(pod, container, waits);
        if running {
            let done = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
            put(&mut status, &["state"], done);
            put(&mut status, &["ready"], json!(true));
        }
        status
    });
    let mut status = json!({
        "phase": if running { "Running" } else { "Pending" },
        "startTime": at(pod, "/status/startTime"),
        "podIP": at(pod, "/status/podIP"),
        "conditions": [
            { "type": "PodScheduled", "status": "True" },
            { "type": "Initialized", "status": is(running) },
            { "type": "ContainersReady", "status": is(ready) },
            { "type": "Ready", "status": is(ready) },
        ],
        "containerStatuses": containers.collect::<Vec<_>>(),
    });
    if preparations.len() > 0 {
        put(&mut status, &["initContainerStatuses"], preparations.collect());
    }
    if at(&status, "/startTime").is_null() {
        put(&mut status, &["startTime"], json!(now));
        put(&mut status, &["podIP"], json!(cluster.next_address("10.244")));
    }
    cluster.set_status(key, &[], status);
}

/// The status of a container that does not run yet.
fn container_status(pod: &Value, container: &Value, waits: Option<(&str, &str)>) -> Value {
    let image = text(container, "/image");
    let has_init = !list(pod, "/spec/initContainers").is_empty();
    let preparing = if has_init { "PodInitializing" } else { "ContainerCreating" };
    let waiting = match waits {
        Some((reason, message)) if unavailable_image(pod).is_none_or(|none| none == image) => {
            json!({ "reason": reason, "message": message })
        }
        _ => json!({ "reason": preparing }),
    };
    json!({
        "name": at(container, "/name"), "image": image, "ready": false, "started": false,
        "restartCount": 0, "state": { "waiting": waiting },
    })
}
