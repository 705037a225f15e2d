//! The journeys of claims and volumes.

use super::*;

/// Another pool, of smaller volumes, takes over from one that the stack declares no more.
pub(super) fn exchanging(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let stack = named(CLOUD, "another");
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    told.remark("another pool, of smaller volumes, in place of the DataNodes'");
    let other = stack.replace("pool.data]", "pool.rows]").replacen("\"20Gi\"", "\"10Gi\"", 1);
    stage.write("stack.toml", &other);
    told.run(&["apply", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("another", "another");
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches(" Running ").count(), 6, "{status}");

    told.remark(
        "a pool comes; somebody scales it, between the plan that takes it out and its apply",
    );
    let pool = "\n[cluster.db.pool.more]\nrole = \"mixed\"\nnodes = 1\n\
                storage = { tier = \"disk\", size = \"10Gi\" }\n";
    stage.write("stack.toml", &(other.clone() + pool));
    stage.tsinfra(&["apply", "--auto-approve"]);
    let set = ObjectKey::within(Kind::StatefulSet, "another", "db-more");
    stage.write("stack.toml", &other);
    told.run(&["plan", "--out", "away.json"]);
    stage.edit_as("kubectl", &set, &json!({ "spec": { "replicas": 2 } }));
    told.run(&["apply", "away.json"]);
    let resumed = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.text);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("another", "another");

    // A pool is put back when its only member has left: what is kept of it is in the way, or gone by then.
    stage.write("stack.toml", &(other.clone() + pool));
    stage.tsinfra(&["apply", "--auto-approve"]);
    stage.write("stack.toml", &other);
    let shrunk = "shrink StatefulSet/another/db-more to 0 members, without db-more-0: done";
    interrupted(stage, &["apply", "--auto-approve"], |line| line.starts_with(shrunk));
    stage.write("stack.toml", &(other + pool));
    let mut back = stage.tsinfra(&["apply", "--auto-approve"]);
    if back.code == Some(4) {
        assert!(back.text.contains("stale-claim"), "{}", back.text);
        let claim = ObjectKey::within(Kind::PersistentVolumeClaim, "another", "data-db-more-0");
        stage.delete(&[claim]);
        back = stage.tsinfra(&["apply", "--auto-approve"]);
    }
    assert_eq!(back.code, Some(0), "{}", back.text);
    let plan = stage.tsinfra(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(0), "{}", plan.text);
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches(" Running ").count(), 7, "{status}");
    stage.tsinfra(&["destroy", "--auto-approve"]);
    told.state("another", "another");
}

/// Runs the program and interrupts it as soon as it says such a line.
fn interrupted(stage: &dyn Stage, arguments: &[&str], until: impl Fn(&str) -> bool) {
    let mut program = stage.program(arguments);
    program.args(stage.target()).stdout(std::process::Stdio::piped());
    let mut program = program.spawn().expect("the program starts");
    let out = std::io::BufReader::new(program.stdout.take().expect("its output"));
    let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
    assert!(lines.any(|line| until(&line)), "it never came to that");
    let pid = program.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("told to stop");
    lines.for_each(drop);
    program.wait().expect("gone");
}

/// Members get larger volumes, and none of them ever notices.
pub(super) fn expanding(stage: &dyn Stage, told: &mut Transcript<'_>) {
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

/// Directories are prepared by Jobs on their nodes, of which nothing is left; and where the namespace
/// does not admit those, this is known before anything is done.
pub(super) fn prepared(stage: &dyn Stage, told: &mut Transcript<'_>) {
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
pub(super) fn recycled(stage: &dyn Stage, told: &mut Transcript<'_>) {
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
pub(super) fn freeing(stage: &dyn Stage, told: &mut Transcript<'_>) {
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
    // The text is folded at a blank.
    let reason = IN_USE.rsplit_once(' ').expect("two words").1;
    let seen = std::cell::RefCell::new(String::new());
    interrupted(stage, &["destroy", "--auto-approve"], |line| {
        seen.borrow_mut().push_str(line);
        seen.borrow().contains("is Failed") && line.contains(reason)
    });
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
pub(super) fn returning(stage: &dyn Stage, told: &mut Transcript<'_>) {
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

/// A member whose machine is gone for good gets an empty one in its place, on another volume.
pub(super) fn replaced(stage: &dyn Stage, told: &mut Transcript<'_>) {
    const DOOMED: &str = "doomed-1";
    stage.joins(DOOMED);
    let volume = |node: &str| {
        format!("  {{ node = \"{node}\", path = \"/mnt/lost/ssd\", capacity = \"100Gi\" }},\n")
    };
    let on = |nodes: &[&str], members: u32| {
        let stack = named(LOCAL, "lost").replace("protect = true", "protect = false");
        let (before, ssd) = stack.split_at(stack.find("[storage.ssd]").expect("the tier"));
        let volumes: String = nodes.iter().map(|node| volume(node)).collect();
        let all: String = ["worker-1", "worker-2", "worker-3"].map(volume).concat();
        let ssd = ssd.replace(&all, &volumes);
        let (cluster, pool) = ssd.split_at(ssd.find("[cluster.db.pool.data]").expect("a pool"));
        let cluster = cluster.replacen(
            "\n[cluster.db.pool.config]",
            "\n[cluster.db.iotdb]\nschema_replication = 2\ndata_replication = 2\n\n[cluster.db.pool.config]",
            1,
        );
        before.to_owned() + &cluster + &pool.replacen("nodes = 3", &format!("nodes = {members}"), 1)
    };
    // The last to come has the last volume.
    stage.write("stack.toml", &on(&["worker-1", "worker-2"], 2));
    stage.tsinfra(&["apply", "--auto-approve"]);
    stage.write("stack.toml", &on(&["worker-1", "worker-2", DOOMED], 3));
    let three = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(three.code, Some(0), "{}", three.text);
    let pod = ObjectKey::within(Kind::Pod, "lost", "db-data-2");
    let place = || {
        let seen = stage.look(&Scope { gets: vec![pod.clone()], ..Scope::default() });
        seen.objects.get(&pod).and_then(|pod| Some(pod.text("/spec/nodeName")?.to_owned()))
    };
    assert_eq!(place().as_deref(), Some(DOOMED));

    told.remark("the machine of a DataNode is gone for good, and its Node with it");
    stage.loses(DOOMED);
    assert_eq!(place(), None, "{}", stage.tsinfra(&["status"]).text);
    stage.write("stack.toml", &on(&["worker-1", "worker-2", "worker-3"], 3));
    told.run(&["plan", "--detailed-exitcode"]);
    told.run(&["replace", "stack.toml", "db-data-2", "--auto-approve"]);
    told.run(&["replace", "stack.toml", "db-data-2", "--auto-approve"]);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("lost", "lost");
    assert_eq!(place().as_deref(), Some("worker-3"));
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches(" Running ").count(), 6, "{status}");
    stage.tsinfra(&["destroy", "--auto-approve"]);
}
