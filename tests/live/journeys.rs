//! The journeys, each told once and taken in both places.

mod several;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tsinfra::object::{
    ANNOTATION_DATABASE, ANNOTATION_MEMBER, Kind, LABEL_STACK, Labels, ObjectKey,
};
use tsinfra::observed::{List, LiveObject, Scope};

use crate::kubernetes::KubernetesStage;
use crate::live;
use crate::sandbox::SandboxStage;
use crate::stage::{Driver, IN_USE, Stage};
use crate::transcript::Transcript;
use several::apart;
use storage::{exchanging, expanding, freeing, prepared, recycled, replaced, returning};

/// A journey: what is done, written down.
type Journey = fn(&dyn Stage, &mut Transcript<'_>);

fn on_sandbox(name: &str, journey: Journey) {
    let stage = SandboxStage::new();
    let mut transcript = Transcript::new(&stage);
    journey(&stage, &mut transcript);
    transcript.check(name);
}

fn on_kubernetes(name: &str, journey: Journey) {
    if !live() {
        return;
    }
    let stage = KubernetesStage::enter();
    let mut transcript = Transcript::new(&stage);
    journey(&stage, &mut transcript);
    transcript.check(name);
}

/// Two tests a journey: one in each place.
macro_rules! journeys {
    ($($name:ident),* $(,)?) => {
        mod sandbox {
            $(#[test] fn $name() { super::on_sandbox(stringify!($name), super::$name); })*
        }
        mod kubernetes {
            $(#[test] fn $name() { super::on_kubernetes(stringify!($name), super::$name); })*
        }
    };
}

journeys!(
    growing, expanding, apart, shrinking, exchanging, replaced, keeping, prepared, recycled,
    returning, freeing, refused, saved, killed, waiting, locked, mended, moved,
);

const CLOUD: &str = include_str!("stacks/cloud.toml");
const LOCAL: &str = include_str!("stacks/local.toml");

/// A stack under another name, so that journeys do not meet.
fn named(stack: &str, name: &str) -> String {
    stack.replace("NAME", name)
}

/// From nothing to a cluster, through every change that works today, and back.
fn growing(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let mut stack = named(CLOUD, "growing");
    let set = ObjectKey::within(Kind::StatefulSet, "growing", "db-data");
    stage.write("stack.toml", &stack);
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["apply", "--auto-approve"]);
    told.state("growing", "growing");
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches(" Running ").count(), 6, "{status}");
    assert_eq!(whose(stage, "growing").len(), 6, "each claim says whose it is");

    told.remark("more memory for the DataNodes, in rehearsal");
    stage.write("stack.toml", &stack.replacen("memory = \"4Gi\"", "memory = \"6Gi\"", 1));
    told.run(&["rehearse", "--quick"]);

    let mut change = |told: &mut Transcript<'_>, what: &str, from: &str, to: &str| {
        told.remark(what);
        stack = stack.replacen(from, to, 1);
        stage.write("stack.toml", &stack);
        told.run(&["apply", "--auto-approve"]);
        told.state("growing", "growing");
    };
    change(told, "more memory for the DataNodes", "memory = \"4Gi\"", "memory = \"6Gi\"");
    change(told, "a fourth DataNode", "nodes = 3 # data", "nodes = 4 # data");
    change(
        told,
        "open to the outside",
        "kind = \"cluster-ip\"",
        "kind = \"node-port\"\nport = 32101",
    );

    told.remark("somebody scales the DataNodes down by hand");
    stage.edit_as("kubectl", &set, &json!({ "spec": { "replicas": 3 } }));
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["apply", "--auto-approve"]);
    told.state("growing", "growing");

    told.remark("a controller sets a label of ours");
    stage.edit_as(
        "autoscaler",
        &set,
        &json!({ "metadata": { "annotations": { "tsinfra.dev/protect": "maybe" } } }),
    );
    told.run(&["plan"]);
    told.run(&["apply", "--auto-approve", "--consent", &set.to_string()]);
    told.run(&["plan", "--detailed-exitcode"]);

    told.run(&["plan", "--destroy"]);
    told.run(&["destroy", "--auto-approve"]);
    told.state("growing", "growing");
    told.run(&["destroy", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
}

/// The members that claims of a namespace say they are of, by their databases' ids.
fn whose(stage: &dyn Stage, namespace: &str) -> BTreeSet<(String, String)> {
    let (kind, namespace) = (Kind::PersistentVolumeClaim, Some(namespace.to_owned()));
    let list = List { kind, namespace, labels: Labels::new() };
    let seen = stage.look(&Scope { lists: vec![list], ..Scope::default() });
    let said = |claim: &LiveObject, name| claim.annotation(name).map(str::to_owned);
    let all = seen.objects.values();
    all.filter_map(|it| Some((said(it, ANNOTATION_DATABASE)?, said(it, ANNOTATION_MEMBER)?)))
        .collect()
}

/// A member is drained, its set shrinks, its claim and its data go; the next of its name is another.
fn shrinking(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let three = named(CLOUD, "shrinking");
    let four = three.replacen("nodes = 3 # data", "nodes = 4 # data", 1);
    stage.write("stack.toml", &four);
    stage.tsinfra(&["apply", "--auto-approve"]);
    told.state("shrinking", "shrinking");
    told.remark("fewer DataNodes");
    stage.write("stack.toml", &three);
    told.run(&["plan", "--out", "fewer.json"]);
    told.run(&["apply", "fewer.json"]);
    told.state("shrinking", "shrinking");
    told.run(&["plan", "--detailed-exitcode"]);
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches(" Running ").count(), 6, "{status}");

    told.remark("and one more again");
    stage.write("stack.toml", &four);
    told.run(&["apply", "--auto-approve"]);
    told.state("shrinking", "shrinking");

    told.remark("its removal is stopped while it leaves, and taken up");
    stage.write("stack.toml", &three);
    let mut apply = stage.program(&["apply", "--auto-approve"]);
    apply.args(stage.target()).stdout(std::process::Stdio::piped());
    let mut apply = apply.spawn().expect("the program starts");
    let out = std::io::BufReader::new(apply.stdout.take().expect("its output"));
    let mut lines = std::io::BufRead::lines(out);
    let leaves = |line: String| line.contains("db-data-3 is Removing");
    assert!(lines.any(|line| line.is_ok_and(leaves)), "it never began to leave");
    let pid = apply.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("told to stop");
    lines.for_each(drop);
    apply.wait().expect("gone");
    let resumed = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.text);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("shrinking", "shrinking");
    stage.tsinfra(&["destroy", "--auto-approve"]);
    told.state("shrinking", "shrinking");
}

/// The pods of a namespace, with their uids: who has restarted has another.
fn pods_in(stage: &dyn Stage, namespace: &str) -> BTreeMap<ObjectKey, String> {
    let pods =
        List { kind: Kind::Pod, namespace: Some(namespace.to_owned()), labels: Labels::new() };
    let seen = stage.look(&Scope { lists: vec![pods], ..Scope::default() });
    seen.objects.iter().map(|(key, pod)| (key.clone(), pod.uid().to_owned())).collect()
}

/// What a retain tier keeps is kept, and found again.
fn keeping(stage: &dyn Stage, told: &mut Transcript<'_>) {
    stage.write("stack.toml", &named(LOCAL, "keeping"));
    told.run(&["apply", "--auto-approve"]);
    told.state("keeping", "keeping");
    told.run(&["destroy", "--auto-approve"]);
    told.run(&["destroy", "--auto-approve", "--consent", "cluster.db"]);
    told.state("keeping", "keeping");
    told.run(&["apply", "--auto-approve"]);
    told.state("keeping", "keeping");
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["destroy", "--auto-approve", "--consent", "cluster.db"]);
    told.run(&["destroy", "--auto-approve"]);
}

/// What is not carried out yet, or never, is refused with the reason.
fn refused(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "refused");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    let changes = [
        ("fewer ConfigNodes", "nodes = 3\n", "nodes = 1\n"),
        ("another size", "size = \"20Gi\"", "size = \"40Gi\""),
        ("more replicas", "data_replication = 2", "data_replication = 3"),
        (
            "another tier for the DataNodes",
            "storage = { tier = \"disk\", size = \"20Gi\" }",
            "storage = { tier = \"slow\", size = \"20Gi\" }",
        ),
        (
            "a class that deletes, for a tier that keeps",
            "[cluster.db]",
            "[storage.kept]\nkind = \"csi\"\nclass = \"refused-disk\"\nreclaim = \"retain\"\n\n[cluster.db]",
        ),
        ("splitting regions", "role = \"mixed\"", "role = \"mixed\"\nscale_out = \"split\""),
        ("another name for the ConfigNodes' pool", "pool.config]", "pool.voters]"),
    ];
    for (what, from, to) in changes {
        told.remark(what);
        assert!(stack.contains(from), "the stack has no `{from}`");
        let changed = stack.replacen(from, to, 1);
        let slow = "[storage.slow]\nkind = \"csi\"\nprovisioner = \"csi.bed.tsinfra.dev\"\n\
                    reclaim = \"delete\"\n\n[cluster.db]";
        let changed = match to.contains("slow") {
            true => changed.replacen("[cluster.db]", slow, 1),
            false => changed,
        };
        stage.write("changed.toml", &changed);
        told.run(&["apply", "changed.toml", "--auto-approve"]);
    }
    told.run(&["plan", "--detailed-exitcode"]);
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

/// A saved plan does exactly what it says, or nothing.
fn saved(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "saved");
    let set = ObjectKey::within(Kind::StatefulSet, "saved", "db-data");
    stage.write("stack.toml", &stack);
    told.run(&["plan", "--out", "first.json"]);
    told.run(&["apply", "first.json"]);
    told.run(&["apply", "first.json"]);
    stage.write("stack.toml", &stack.replacen("memory = \"4Gi\"", "memory = \"5Gi\"", 1));
    told.run(&["plan", "--out", "second.json"]);
    told.remark("somebody scales the DataNodes by hand between plan and apply");
    stage.edit_as("kubectl", &set, &json!({ "spec": { "replicas": 4 } }));
    told.run(&["apply", "second.json"]);
    told.state("saved", "saved");
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

/// An apply that is killed is resumed by the next from what is there.
fn killed(stage: &dyn Stage, told: &mut Transcript<'_>) {
    stage.write("stack.toml", &named(CLOUD, "killed"));
    told.remark("an apply is killed while the ConfigNodes come up");
    let mut apply = stage.program(&["apply", "--auto-approve"]);
    apply.args(stage.target()).stdout(std::process::Stdio::piped());
    let mut apply = apply.spawn().expect("the program starts");
    let out = std::io::BufReader::new(apply.stdout.take().expect("its output"));
    let started = "create StatefulSet/killed/db-config: started";
    let seen = std::io::BufRead::lines(out).any(|line| line.is_ok_and(|line| line == started));
    assert!(seen, "it never began with the ConfigNodes");
    apply.kill().expect("killed");
    apply.wait().expect("gone");
    let resumed = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.text);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("killed", "killed");
    told.run(&["destroy", "--auto-approve"]);
}

/// A step that cannot end says why it waits, and passing its limit is an exit code of its own.
fn waiting(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack =
        named(CLOUD, "waiting").replace("nodes = 3\n", "nodes = 1\nready_within = \"6s\"\n");
    let stuck = "version = \"2.0.5\"\nimage = { tag = \"does-not-exist\" }\n\
                 pod.annotations = { \"bed.tsinfra.dev/stuck\" = \"ImagePullBackOff\" }";
    let large = stack.replacen("cpu = \"500m\"", "cpu = \"900\"", 1);
    let cases = [
        (
            "an image nobody has",
            stack.replacen("version = \"2.0.5\"", stuck, 1),
            "ImagePullBackOff",
        ),
        ("more CPUs than any node has", large, "db-config-0 is unschedulable: 0/"),
    ];
    for (what, stack, why) in cases {
        told.remark(what);
        stage.write("stack.toml", &stack);
        let run = stage.tsinfra(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(5), "{}", run.text);
        assert!(run.text.contains(why), "{}", run.text);
        assert!(run.text.contains("timed out: not done after 6s"), "{}", run.text);
        assert!(stage.tsinfra(&["status"]).text.contains(why.split(": ").last().unwrap_or(why)));
        told.run(&["destroy", "--auto-approve"]);
    }
}

/// A stack that somebody else is at is left alone; a lock can be taken away.
fn locked(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "locked").replace("nodes = 3\n", "nodes = 1\n");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    told.run(&["unlock", "--auto-approve"]);
    stage.write("stack.toml", &stack.replacen("memory = \"4Gi\"", "memory = \"5Gi\"", 1));
    told.remark("anna's apply is under way, and does not come back");
    stage.lock_as("anna@elsewhere, process 7", "locked", "locked");
    told.run(&["apply", "--auto-approve", "--lock-timeout", "0"]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["unlock", "--auto-approve"]);
    told.run(&["apply", "--auto-approve"]);
    told.remark("the same again, but ben waits until her lock runs out");
    stage.lock_as("anna@elsewhere, process 7", "locked", "locked");
    let run = stage.tsinfra(&["destroy", "--auto-approve"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert!(run.text.contains("locked by anna@elsewhere, process 7"), "{}", run.text);
    told.state("locked", "locked");
}

/// A file that no machine can carry out is mended by the right one: in the first apply and later.
fn mended(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let good = named(CLOUD, "mended").replace("nodes = 3\n", "nodes = 3\nready_within = \"10s\"\n");
    let bad = good.replacen("cpu = \"500m\"", "cpu = \"900\"", 1);
    for what in ["the first file asks for more than any machine has", "so does a later one"] {
        told.remark(what);
        stage.write("stack.toml", &bad);
        let run = stage.tsinfra(&["apply", "--auto-approve"]);
        assert_eq!(run.code, Some(5), "{}", run.text);
        stage.write("stack.toml", &good);
        told.run(&["apply", "--auto-approve"]);
        told.run(&["plan", "--detailed-exitcode"]);
    }
    told.state("mended", "mended");
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

/// Parts of a stack get other names, are let go and come back, and no member ever notices.
fn moved(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "moved");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    let before = pods_in(stage, "moved");
    told.remark("the cluster, its DataNodes and the tier get other names");
    let names = [
        ("cluster.db", "cluster.shop"),
        ("pool.data]", "pool.rows]"),
        ("storage.disk", "storage.ssd"),
        ("tier = \"disk\"", "tier = \"ssd\""),
    ];
    let stack = names.iter().fold(stack, |text, (from, to)| text.replace(from, to));
    let moved = [
        ("cluster.db", "cluster.shop"),
        ("cluster.db.pool.data", "cluster.shop.pool.rows"),
        ("storage.disk", "storage.ssd"),
    ];
    let moved = moved.map(|(from, to)| format!("\n[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n"));
    stage.write("stack.toml", &(stack.clone() + &moved.concat()));
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);

    told.remark("the tables have done their work; a fourth DataNode");
    let stack = stack.replacen("nodes = 3 # data", "nodes = 4 # data", 1);
    stage.write("stack.toml", &stack);
    told.run(&["apply", "--auto-approve"]);
    told.state("moved", "moved");

    told.remark("the cluster is let go");
    let alone = stack.split("[cluster.").next().unwrap_or_default();
    stage.write("alone.toml", alone);
    told.run(&["forget", "stack.toml", "cluster.shop", "--auto-approve"]);
    told.run(&["forget", "alone.toml", "cluster.shop", "--auto-approve"]);
    told.state("moved", "moved");
    told.run(&["plan", "alone.toml", "--detailed-exitcode"]);

    told.remark("and taken back");
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["adopt", "stack.toml", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    let after = pods_in(stage, "moved");
    assert!(before.iter().all(|(pod, uid)| after.get(pod) == Some(uid)), "{before:#?} {after:#?}");
    stage.tsinfra(&["destroy", "--auto-approve"]);
    told.state("moved", "moved");
}
