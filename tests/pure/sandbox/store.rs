//! The sandbox's file is whole, locked, and never overwritten when it cannot be read.

use super::*;
use std::fs;
use tsinfra::sandbox::SandboxError;

fn with_a_set(dir: &std::path::Path) -> Sandbox {
    let sandbox = Sandbox::open(dir).unwrap();
    create(&sandbox, &key(Kind::Namespace, NS), json!({})).unwrap();
    create(&sandbox, &key(Kind::StatefulSet, "db"), set(1, "cloud", "db:1")).unwrap();
    now(sandbox.stir(&Scope::default(), Duration::from_secs(5)));
    sandbox
}

#[test]
fn what_was_done_is_there_when_it_is_opened_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("below");
    let sandbox = with_a_set(&dir);
    sandbox.disturb(|cluster| cluster.advance(Duration::from_secs(60)));
    let before = sandbox.snapshot();
    drop(sandbox);
    let again = Sandbox::open(&dir).unwrap();
    assert_eq!(again.snapshot(), before);
    assert_eq!(again.elapsed(), Duration::ZERO);
    let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "no temporary file stays behind: {files:?}");
}

/// Else what nobody waits for would never come to its end.
#[test]
fn time_passes_between_two_commands_for_what_is_on_its_way() {
    let home = tempfile::tempdir().unwrap();
    let clock = || Sandbox::open(home.path()).unwrap().snapshot().clock_ms;
    let sandbox = with_a_set(home.path());
    let class = ObjectKey::global(Kind::StorageClass, "cloud");
    let manifest = json!({
        "provisioner": "csi.example.org", "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    });
    create(&sandbox, &class, manifest).unwrap();
    drop(sandbox);
    let first = clock();
    assert!(clock() > first, "its pod is on its way");
    let sandbox = Sandbox::open(home.path()).unwrap();
    sandbox.disturb(|cluster| cluster.delete(&key(Kind::StatefulSet, "db")));
    sandbox.disturb(|cluster| cluster.advance(Duration::from_secs(600)));
    drop(sandbox);
    let rested = clock();
    assert_eq!(clock(), rested, "nothing is");
}

#[test]
fn two_cannot_work_on_it_and_many_can_look() {
    let home = tempfile::tempdir().unwrap();
    let first = with_a_set(home.path());
    match Sandbox::open(home.path()) {
        Err(error @ SandboxError::Locked { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let reader = Sandbox::read_only(home.path()).unwrap();
    assert_eq!(reader.snapshot(), first.snapshot());
    let refused = create(&reader, &key(Kind::ConfigMap, "x"), json!({}));
    assert!(matches!(refused, Err(Refused::Denied(_))));
    now(reader.stir(&Scope::default(), Duration::from_secs(5)));
    assert_eq!(Sandbox::read_only(home.path()).unwrap().snapshot(), first.snapshot());
    drop(first);
    Sandbox::open(home.path()).unwrap();
}

#[test]
fn looking_at_a_sandbox_that_is_not_there_makes_none() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("below");
    assert_eq!(names(&Sandbox::read_only(&dir).unwrap(), Kind::Node).len(), 3);
    assert!(!dir.exists());
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_left_as_it_is() {
    for (text, words) in [
        ("", "cannot be read as a sandbox"),
        ("{\"format\":1,\"seed\":", "cannot be read as a sandbox"),
        ("{\"format\":1}", "cannot be read as a sandbox"),
        ("{\"format\":99,\"other\":true}", "written by a newer tsinfra"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sandbox.json");
        fs::write(&file, text).unwrap();
        for opened in [Sandbox::open(home.path()), Sandbox::read_only(home.path())] {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("sandbox.json"), "{error}");
            assert!(error.contains("delete the file"), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[test]
fn a_change_that_cannot_be_saved_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("below");
    let sandbox = with_a_set(&dir);
    let before = sandbox.snapshot();
    fs::remove_dir_all(&dir).unwrap();
    let refused = create(&sandbox, &key(Kind::ConfigMap, "x"), json!({}));
    assert!(matches!(refused, Err(Refused::Denied(_))));
    assert_eq!(sandbox.snapshot(), before);
}
