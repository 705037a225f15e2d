//! Volumes of local tiers, in states that pass too quickly or come from too far away to be met.

use super::*;

const LOCAL: &str = include_str!("../cases/volume-released/stack.toml");

fn applied() -> (Sandbox, Stack) {
    let (world, stack) = (sandbox(), stack(LOCAL));
    apply_all(&world, &stack);
    (world, stack)
}

fn volume_on(seen: &Observed, node: &str) -> ObjectKey {
    let of_node = |key: &&ObjectKey| key.name.contains(&format!("ssd-{node}-"));
    let mut volumes = seen.of_kind(Kind::PersistentVolume).map(|(key, _)| key);
    volumes.find(of_node).unwrap().clone()
}

/// The claim that the volume on a node is bound to.
fn claim_on(seen: &Observed, node: &str) -> ObjectKey {
    let volume = &seen.objects[&volume_on(seen, node)];
    within(Kind::PersistentVolumeClaim, volume.text("/spec/claimRef/name").unwrap())
}

/// What is refused of the tier once something has changed.
fn refused(change: impl FnOnce(&mut Observed)) -> Vec<String> {
    let (world, stack) = applied();
    let plan = plan_of(&world, &stack, Purpose::Apply, change);
    plan.blocked.iter().map(|entry| format!("{}: {}", entry.rule, entry.reason)).collect()
}

#[test]
fn a_volume_is_a_members_a_moment_before_its_claim_says_so() {
    assert_eq!(refused(|_| ()), Vec::<String>::new());
    let unbound = |seen: &mut Observed| {
        let claim = claim_on(seen, "worker-1");
        value(seen, &claim)["spec"].as_object_mut().unwrap().remove("volumeName");
    };
    assert_eq!(refused(unbound), Vec::<String>::new());
}

#[test]
fn a_volume_that_another_claim_has_taken_is_no_members() {
    let taken = refused(|seen| {
        let (claim, volume) = (claim_on(seen, "worker-1"), volume_on(seen, "worker-1"));
        value(seen, &claim)["spec"].as_object_mut().unwrap().remove("volumeName");
        value(seen, &volume)["spec"]["claimRef"]["name"] = json!("somebody-elses");
        value(seen, &volume)["spec"]["claimRef"]["uid"] = json!("another");
    });
    let told = "kept-claims: the database lists history-data-0, and data-history-data-0 is gone: it would start \
                empty as that member";
    assert_eq!(taken, [told]);
}

/// A volume says that it is bound a moment longer than its claim is there: what is on it is of that claim.
#[test]
fn a_volume_whose_claim_has_just_gone_is_not_free() {
    let gone = refused(|seen| {
        let claim = claim_on(seen, "worker-1");
        seen.objects.remove(&claim);
    });
    assert!(gone[0].contains("data-history-data-0 is gone: it would start empty"), "{gone:?}");
}

/// A host path without a node is on every node; one beside a directory is not inside of it.
#[test]
fn a_directory_of_every_node_is_given_away_on_each() {
    let (world, stack) = (sandbox(), stack(LOCAL));
    let refused = |path: &str| {
        let plan = plan_of(&world, &stack, Purpose::Apply, |seen| {
            let volume = json!({ "spec": { "hostPath": { "path": path } } });
            let key = ObjectKey::global(Kind::PersistentVolume, "by-hand");
            seen.objects.insert(key, LiveObject::of(volume));
        });
        plan.blocked.iter().filter(|entry| entry.rule == "directory").count()
    };
    assert_eq!(["/", "/mnt/iotdb/", "/mnt/iotdb/data/x"].map(refused), [6, 6, 3]);
    assert_eq!(["/mnt/iotdb/database", "/srv"].map(refused), [0, 0]);
}

/// The stack with more DataNodes and volumes for them, each a node and a directory.
fn wider(nodes: u8, volumes: &[(&str, &str)]) -> Stack {
    let row = "  { node = \"worker-3\", path = \"/mnt/iotdb/data\", capacity = \"200Gi\" },\n";
    let more = |(node, path): &(&str, &str)| {
        row.replace("worker-3", node).replace("/mnt/iotdb/data", path)
    };
    let rows = row.to_owned() + &volumes.iter().map(more).collect::<String>();
    let text = LOCAL.replacen(row, &rows, 1);
    stack(&text.replacen("nodes     = 3", &format!("nodes     = {nodes}"), 1))
}

/// The notes of a plan that makes the stack so.
fn notes(wider: &Stack) -> Vec<String> {
    let (world, _) = applied();
    world.furnish(&tsinfra::sandbox::Furniture::of(wider));
    plan_of(&world, wider, Purpose::Apply, |_| ()).notes
}

/// Which volume it will be is the scheduler's to say, where there is a choice; of a first life nothing is
/// said.
#[test]
fn members_to_come_are_told_which_volumes_there_are() {
    let free = [4, 5].map(|n| format!("PersistentVolume/plant-ssd-worker-{n}-a47263c1")).join(", ");
    let claims = [3, 4].map(|n| format!("PersistentVolumeClaim/tsdb/data-history-data-{n}"));
    let two = [("worker-4", "/mnt/iotdb/data"), ("worker-5", "/mnt/iotdb/data")];
    let one_of = format!("{} will be bound to one volume of `storage.ssd`: {free}.", claims[0]);
    assert_eq!(notes(&wider(4, &two)), [one_of]);
    let claims = claims.join(", ");
    let one_each = format!("{claims} will be bound to one volume of `storage.ssd` each: {free}.");
    assert_eq!(notes(&wider(5, &two)), [one_each]);
    assert_eq!(notes(&wider(3, &two[..1])), Vec::<String>::new());
    let first = plan_of(&sandbox(), &wider(4, &two), Purpose::Apply, |_| ());
    assert!(first.notes.iter().all(|note| !note.contains("bound")), "{:?}", first.notes);
}

/// Two members on one machine are lost together: whoever reads the plan has to know.
#[test]
fn members_that_are_to_share_a_machine_are_told() {
    let told = |nodes: u8, node: &str| -> Vec<String> {
        let notes = notes(&wider(nodes, &[(node, "/mnt/iotdb/more")]));
        notes.into_iter().filter(|note| note.contains("share")).collect()
    };
    let shared = "StatefulSet/tsdb/history-data has 4 members, and the volumes of `storage.ssd` are on 3 \
                  machines: some members will share one, and be lost together with it.";
    assert_eq!(told(4, "worker-1"), [shared]);
    assert_eq!(told(4, "worker-4"), Vec::<String>::new());
    assert_eq!(told(3, "worker-1"), Vec::<String>::new());
}
