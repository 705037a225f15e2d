//! The journeys, each told once and taken in both places.

use std::collections::BTreeMap;

use serde_json::json;
use tsinfra::object::{Kind, LABEL_STACK, Labels, ObjectKey};
use tsinfra::observed::{List, Scope};

use crate::kubernetes::KubernetesStage;
use crate::live;
use crate::sandbox::SandboxStage;
use crate::stage::{Driver, IN_USE, Stage};
use crate::transcript::Transcript;

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
    growing, expanding, shrinking, keeping, prepared, recycled, returning, freeing, refused, saved,
    killed, waiting, locked, mended, moved,
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

/// Members get larger volumes, and none of them ever notices.
fn expanding(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let mut stack = named(CLOUD, "larger");
    let set = ObjectKey::within(Kind::StatefulSet, "larger", "db-data");
    let assert_sizes = |members: u32, size: &str| {
        let claim = |n| format!("data-db-data-{n}");
        let claim = |n| ObjectKey::within(Kind::PersistentVolumeClaim, "larger", claim(n));
        let claims: Vec<ObjectKey> = (0..members).map(claim).collect();
        let seen = stage.look(&Scope { gets: claims.clone(), ..Scope::default() });
        for claim in claims {
            let live = &seen.objects[&claim];
            assert_eq!(live.text("/spec/resources/requests/storage"), Some(size), "{claim}");
            assert_eq!(live.text("/status/capacity/storage"), Some(size), "{claim}");
        }
    };
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    let before = pods_in(stage, "larger");
    assert_eq!(before.len(), 6);
    let mut change = |told: &mut Transcript<'_>, what: &str, changes: &[(&str, &str)]| {
        told.remark(what);
        for (from, to) in changes {
            assert!(stack.contains(from), "the stack has no `{from}`");
            stack = stack.replacen(from, to, 1);
        }
        stage.write("stack.toml", &stack);
        told.run(&["apply", "--auto-approve"]);
        told.run(&["plan", "--detailed-exitcode"]);
        let now = pods_in(stage, "larger");
        assert!(before.iter().all(|(pod, uid)| now.get(pod) == Some(uid)), "{before:#?} {now:#?}");
    };
    let expandable = "reclaim = \"delete\"\nexpandable = true";
    change(
        told,
        "larger volumes for the DataNodes, of a class that lets them grow from now on",
        &[("reclaim = \"delete\"", expandable), ("size = \"20Gi\"", "size = \"40Gi\"")],
    );
    assert_sizes(3, "40Gi");
    told.state("larger", "larger");
    change(told, "a fourth DataNode", &[("nodes = 3 # data", "nodes = 4 # data")]);
    assert_sizes(4, "40Gi");
    change(
        told,
        "a fifth one, and more for all of them",
        &[("nodes = 4 # data", "nodes = 5 # data"), ("size = \"40Gi\"", "size = \"50Gi\"")],
    );
    assert_sizes(5, "50Gi");

    told.remark("somebody takes the StatefulSet away from around its members");
    stage.orphan(&set);
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    let now = pods_in(stage, "larger");
    assert!(before.iter().all(|(pod, uid)| now.get(pod) == Some(uid)), "{before:#?} {now:#?}");

    told.remark("and less");
    stage.write("smaller.toml", &stack.replacen("size = \"50Gi\"", "size = \"20Gi\"", 1));
    told.run(&["plan", "smaller.toml"]);

    told.remark("the StatefulSet is taken away again, and the stack destroyed");
    stage.orphan(&set);
    told.run(&["destroy", "--auto-approve"]);
    told.state("larger", "larger");
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

/// Directories are prepared by Jobs on their nodes, of which nothing is left; and where the namespace
/// does not admit those, this is known before anything is done.
fn prepared(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(LOCAL, "prepared")
        .replacen("\n\n[storage", "\npaths = [\"/mnt/prepared\"]\n\n[storage", 1)
        .replace("kind = \"local\"", "kind = \"local\"\nprepare = \"create\"");
    stage.write("stack.toml", &stack);
    told.run(&["apply", "--auto-approve"]);
    told.state("prepared", "prepared");
    told.run(&["plan", "--detailed-exitcode"]);

    told.remark("a volume to spare, and a namespace that admits no directories of nodes any more");
    let admit = |level: &str| {
        let label = json!({ "pod-security.kubernetes.io/enforce": level });
        let patch = json!({ "metadata": { "labels": label } });
        stage.edit_as("kubectl-label", &ObjectKey::global(Kind::Namespace, "prepared"), &patch);
    };
    admit("baseline");
    let last = "path = \"/mnt/prepared/ssd\", capacity = \"100Gi\" },\n]";
    let more = "path = \"/mnt/prepared/ssd\", capacity = \"100Gi\" },\n  \
                { node = \"worker-1\", path = \"/mnt/prepared/ssd-2\", capacity = \"100Gi\" },\n]";
    stage.write("stack.toml", &stack.replacen(last, more, 1));
    told.run(&["apply", "--auto-approve"]);

    told.remark("it admits them again");
    admit("privileged");
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["destroy", "--auto-approve", "--consent", "cluster.db"]);
    told.state("prepared", "prepared");
}

/// Volumes whose claims are gone are cleared and used again, once somebody says so of each.
fn recycled(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(LOCAL, "recycled")
        .replacen("\n\n[storage", "\npaths = [\"/mnt/recycled\"]\n\n[storage", 1)
        .replace("kind = \"local\"", "kind = \"local\"\nrecycle = \"scrub\"")
        .replace("protect = true\n", "");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    stage.tsinfra(&["destroy", "--auto-approve"]);
    told.remark("the cluster is gone, and somebody deletes the claims it has left");
    let claim = |name| ObjectKey::within(Kind::PersistentVolumeClaim, "recycled", name);
    let of_set = |set| (0..3).map(move |ordinal| format!("data-{set}-{ordinal}"));
    let claims: Vec<ObjectKey> =
        ["db-config", "db-data"].into_iter().flat_map(of_set).map(claim).collect();
    stage.delete(&claims);
    told.state("recycled", "recycled");
    told.run(&["apply", "--auto-approve"]);

    told.remark("nobody needs the data any more");
    let ours = Labels::from([(LABEL_STACK.to_owned(), "recycled".to_owned())]);
    let volumes = || {
        let kind = Kind::PersistentVolume;
        let list = List { kind, namespace: None, labels: ours.clone() };
        let seen = stage.look(&Scope { lists: vec![list], ..Scope::default() });
        let uids = seen.objects.iter().map(|(key, live)| (key.to_string(), live.uid().to_owned()));
        uids.collect::<BTreeMap<String, String>>()
    };
    let before = volumes();
    let mut apply = vec!["apply", "--auto-approve"];
    apply.extend(before.keys().flat_map(|volume| ["--consent", volume.as_str()]));
    told.run(&apply);
    told.state("recycled", "recycled");
    told.run(&["plan", "--detailed-exitcode"]);
    let after = volumes();
    assert_eq!(before.len(), 6);
    assert!(before.iter().all(|(key, uid)| after.get(key).is_some_and(|now| now != uid)));
    stage.tsinfra(&["destroy", "--auto-approve"]);
}

/// A driver that takes its time is waited for; one that cannot delete a volume is told with its reason,
/// and once it is mended the next destroy ends what was begun.
fn freeing(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "freeing").replace("nodes = 3\n", "nodes = 1\n");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    let volume = |member: &str| {
        let claim = format!("data-{member}");
        let claim = ObjectKey::within(Kind::PersistentVolumeClaim, "freeing", claim);
        let seen = stage.look(&Scope { gets: vec![claim.clone()], ..Scope::default() });
        let name = seen.objects[&claim].text("/spec/volumeName").expect("a volume").to_owned();
        ObjectKey::global(Kind::PersistentVolume, name)
    };
    let (slow, failing) = (volume("db-config-0"), volume("db-data-1"));
    stage.driver(&slow, Driver::Slow);
    stage.driver(&failing, Driver::Failing);
    told.remark("the driver deletes one volume slowly, and another not at all");
    let mut destroy = stage.program(&["destroy", "--auto-approve"]);
    destroy.args(stage.target()).stdout(std::process::Stdio::piped());
    let mut destroy = destroy.spawn().expect("the program starts");
    let out = std::io::BufReader::new(destroy.stdout.take().expect("its output"));
    let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
    // The text is folded at a blank.
    let reason = IN_USE.rsplit_once(' ').expect("two words").1;
    let mut seen = Vec::new();
    let says_why = |line: String| {
        seen.push(line.clone());
        seen.concat().contains("is Failed") && line.contains(reason)
    };
    assert!(lines.any(says_why), "it never said why");
    let pid = destroy.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("told to stop");
    lines.for_each(drop);
    destroy.wait().expect("gone");
    let there = |volume: &ObjectKey| {
        let seen = stage.look(&Scope { gets: vec![volume.clone()], ..Scope::default() });
        seen.objects.contains_key(volume)
    };
    assert!(there(&failing));
    told.remark("the driver is mended");
    stage.driver(&failing, Driver::Mended);
    let ended = stage.tsinfra(&["destroy", "--auto-approve"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    told.run(&["destroy", "--auto-approve"]);
    told.state("freeing", "freeing");
    assert!(!there(&failing) && !there(&slow));
}

/// A member comes, leaves, and comes again onto the very volume it had, once that is cleared.
fn returning(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let three = named(LOCAL, "returning")
        .replacen("\n\n[storage", "\npaths = [\"/mnt/returning\"]\n\n[storage", 1)
        .replace("kind = \"local\"", "kind = \"local\"\nprepare = \"create\"\nrecycle = \"scrub\"")
        .replace("protect = true\n", "");
    let volume = |node: u32| {
        format!(
            "  {{ node = \"worker-{node}\", path = \"/mnt/returning/ssd\", capacity = \"100Gi\" }},\n"
        )
    };
    let with_volume = three.replacen(&volume(3), &(volume(3) + &volume(4)), 1);
    assert_ne!(three, with_volume);
    let (before, after) =
        with_volume.split_at(with_volume.find("pool.data").expect("the DataNodes"));
    let four = before.to_owned() + &after.replacen("nodes = 3", "nodes = 4", 1);
    stage.write("stack.toml", &three);
    stage.tsinfra(&["apply", "--auto-approve"]);
    let bound = || {
        let claim = "data-db-data-3".to_owned();
        let claim = ObjectKey::within(Kind::PersistentVolumeClaim, "returning", claim);
        let seen = stage.look(&Scope { gets: vec![claim.clone()], ..Scope::default() });
        let live = seen.objects.get(&claim)?;
        Some((live.text("/spec/volumeName")?.to_owned(), live.uid().to_owned()))
    };

    told.remark("a fourth DataNode, and a volume for it");
    stage.write("stack.toml", &four);
    told.run(&["apply", "--auto-approve"]);
    told.state("returning", "returning");
    let (volume, claim) = bound().expect("a volume");

    told.remark("three again: the volume stays in the stack");
    stage.write("stack.toml", &with_volume);
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("returning", "returning");
    assert_eq!(bound(), None);

    told.remark("four again, and what the fourth has left is in the way");
    stage.write("stack.toml", &four);
    told.run(&["apply", "--auto-approve"]);
    let volume = format!("PersistentVolume/{volume}");
    told.run(&["apply", "--auto-approve", "--consent", &volume]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("returning", "returning");
    let (again, another_claim) =
        bound().unwrap_or_else(|| panic!("{}", stage.tsinfra(&["plan"]).text));
    assert_eq!(format!("PersistentVolume/{again}"), volume);
    assert_ne!(another_claim, claim);
    stage.tsinfra(&["destroy", "--auto-approve"]);
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
        ("splitting regions", "role = \"mixed\"", "role = \"mixed\"\nscale_out = \"split\""),
        ("another name for a pool", "pool.data]", "pool.rows]"),
    ];
    for (what, from, to) in changes {
        told.remark(what);
        assert!(stack.contains(from), "the stack has no `{from}`");
        stage.write("changed.toml", &stack.replacen(from, to, 1));
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
