//! The journey of members with two volumes each.

use super::*;

/// Members come with two volumes, one grows by itself, both go; and on volumes of machines, where one of the two is
/// lost, its member is not started with half.
pub(super) fn apart(stage: &dyn Stage, told: &mut Transcript<'_>) {
    on_a_driver(stage, told);
    on_machines(stage, told);
}

fn on_a_driver(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let log = ", wal = { tier = \"fast\", size = \"5Gi\" } }";
    let fast = "\n[storage.fast]\nkind = \"csi\"\nprovisioner = \"csi.bed.tsinfra.dev\"\n\
                reclaim = \"delete\"\nexpandable = true\n\n[cluster.db]";
    let four = named(CLOUD, "apart")
        .replacen("\n[cluster.db]", fast, 1)
        .replacen("size = \"20Gi\" }", &format!("size = \"20Gi\"{log}"), 1)
        .replacen("nodes = 3 # data", "nodes = 4 # data", 1);
    stage.write("stack.toml", &four);
    told.run(&["apply", "--auto-approve"]);
    told.state("apart", "apart");
    told.run(&["plan", "--detailed-exitcode"]);
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches("Bound 20Gi, wal 5Gi").count(), 4, "{status}");
    let before = pods_in(stage, "apart");

    told.remark("larger logs");
    let larger = four.replacen("size = \"5Gi\" } }", "size = \"8Gi\" } }", 1);
    stage.write("stack.toml", &larger);
    told.run(&["apply", "--auto-approve"]);
    assert_eq!(pods_in(stage, "apart"), before);
    let status = stage.tsinfra(&["status"]).text;
    assert_eq!(status.matches("Bound 20Gi, wal 8Gi").count(), 4, "{status}");

    told.remark("fewer DataNodes");
    stage.write("stack.toml", &larger.replacen("nodes = 4 # data", "nodes = 3 # data", 1));
    told.run(&["apply", "--auto-approve"]);
    told.state("apart", "apart");

    told.remark("no log apart any more");
    let without = CLOUD.replacen("NAME", "apart", 1);
    stage.write("without.toml", &without);
    told.run(&["plan", "without.toml"]);
    told.run(&["destroy", "--auto-approve"]);
    told.state("apart", "apart");
}

fn on_machines(stage: &dyn Stage, told: &mut Transcript<'_>) {
    let (stack, ssd) = (named(LOCAL, "halves"), "[storage.ssd]");
    let (_, volumes) = stack.split_once(ssd).expect("the tier");
    let (volumes, _) = volumes.split_once("\n\n").expect("its end");
    let log = volumes.replace("/ssd\"", "/log\"").replace("100Gi", "10Gi");
    let stack = stack
        .replacen(ssd, &format!("[storage.log]{log}\n\n{ssd}"), 1)
        .replacen(
            "size = \"100Gi\" }",
            "size = \"100Gi\", wal = { tier = \"log\", size = \"10Gi\" } }",
            1,
        )
        .replacen("protect = true", "protect = false", 1);
    stage.write("stack.toml", &stack);
    stage.tsinfra(&["apply", "--auto-approve"]);
    told.remark("on volumes of machines");
    told.state("halves", "halves");
    let claim = |name: &str| ObjectKey::within(Kind::PersistentVolumeClaim, "halves", name);
    let volume = |claim: &ObjectKey| {
        let seen = stage.look(&Scope { gets: vec![claim.clone()], ..Scope::default() });
        let name = seen.objects[claim].text("/spec/volumeName").expect("a volume").to_owned();
        ObjectKey::global(Kind::PersistentVolume, name)
    };
    let lost = claim("wal-db-data-1");
    let had = volume(&lost);

    told.remark("the cluster is gone, and so is the claim of one log");
    stage.tsinfra(&["destroy", "--auto-approve"]);
    stage.delete(std::slice::from_ref(&lost));
    let refused = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(refused.code, Some(4), "{}", refused.text);
    assert!(refused.text.contains("start with half"), "{}", refused.text);
    assert!(refused.text.contains(&had.to_string()), "{}", refused.text);

    told.remark("its volume is set aside for it");
    let reference = json!({ "uid": null, "resourceVersion": null });
    stage.edit_as("kubectl", &had, &json!({ "spec": { "claimRef": reference } }));
    // Which one it is, the scheduler chose.
    let back = stage.tsinfra(&["apply", "--auto-approve"]);
    assert_eq!(back.code, Some(0), "{}", back.text);
    told.run(&["plan", "--detailed-exitcode"]);
    told.state("halves", "halves");
    assert_eq!(volume(&lost), had);
    stage.tsinfra(&["destroy", "--auto-approve"]);
}
