//! When a claim has grown, why it has not yet, and what is still to be asked of it.

use tsinfra::plan::growth::{expand, orphan};

use super::*;

fn claim() -> ObjectKey {
    key(Kind::PersistentVolumeClaim, "data-hot-0")
}

fn until() -> Until {
    Until::Expanded { claim: claim(), size: "40Gi".to_owned() }
}

/// A claim that has a size, with a condition that is true.
fn has(size: &str, condition: Option<(&str, &str)>) -> Observed {
    let conditions = condition
        .map(|(name, message)| json!({ "type": name, "status": "True", "message": message }));
    let conditions: Vec<Value> = conditions.into_iter().collect();
    let mut seen = Observed::default();
    let status = json!({ "capacity": { "storage": size }, "conditions": conditions });
    put(&mut seen, Kind::PersistentVolumeClaim, "data-hot-0", json!({ "status": status }));
    seen
}

fn why(seen: &Observed) -> Vec<String> {
    match judge(&until(), seen) {
        Progress::Going { done: 0, of: 1, why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_has_grown_once_the_file_system_has_too() {
    assert_eq!(judge(&until(), &has("40Gi", None)), Progress::Done);
    // In another unit, and with more than was asked for.
    assert_eq!(judge(&until(), &has("40960Mi", None)), Progress::Done);
    assert_eq!(judge(&until(), &has("41Gi", None)), Progress::Done);
    assert_eq!(why(&has("20Gi", None)), ["its volume has 20Gi"]);
    for (condition, means) in [
        ("FileSystemResizePending", "its node has yet to grow the file system"),
        ("Resizing", "its driver is growing the volume"),
    ] {
        for size in ["20Gi", "40Gi"] {
            assert_eq!(why(&has(size, Some((condition, "")))), [means], "{size}");
        }
    }
    assert!(matches!(judge(&until(), &Observed::default()), Progress::Failed(_)));
}

#[test]
fn growth_that_takes_long_says_why() {
    let failed = has("20Gi", Some(("ControllerResizeError", "quota exceeded")));
    assert_eq!(why(&failed), ["its driver cannot grow the volume: quota exceeded"]);
    let mut seen = has("20Gi", Some(("NodeResizeError", "resize2fs: no")));
    seen.objects.get_mut(&claim()).unwrap().value_mut()["status"]["allocatedResourceStatuses"] =
        json!({ "storage": "NodeResizeInfeasible" });
    let event = |name: &str| EventNote {
        kind: "PersistentVolumeClaim".to_owned(),
        name: name.to_owned(),
        reason: "VolumeResizeFailed".to_owned(),
        message: format!("resize of {name} failed"),
    };
    seen.events = vec![event("data-hot-1"), event("data-hot-0")];
    assert_eq!(
        why(&seen),
        [
            "its node cannot grow the file system: resize2fs: no",
            "its growth is said to be NodeResizeInfeasible",
            "resize of data-hot-0 failed",
        ]
    );
}

/// Only the claim that was seen, only of the volume that was seen, and only up: an answer that was lost may
/// be asked for again, and what somebody made larger since stays as it is.
#[test]
fn a_claim_is_asked_to_grow_only_as_it_was_seen() {
    let live = |uid: &str, volume: &str, asks: &str| {
        json!({
            "metadata": { "uid": uid },
            "spec": { "volumeName": volume, "resources": { "requests": { "storage": asks } } },
        })
    };
    let due = |live: &Value| expand(&claim(), live, "u", "v", "40Gi");
    let patch = json!({ "spec": { "resources": { "requests": { "storage": "40Gi" } } } });
    assert_eq!(due(&live("u", "v", "20Gi")), Ok(Some(patch)));
    assert_eq!(due(&live("u", "v", "40Gi")), Ok(None));
    assert_eq!(due(&live("u", "v", "50Gi")), Ok(None));
    assert!(due(&live("w", "v", "20Gi")).unwrap_err().contains("another object"));
    assert!(due(&live("u", "w", "20Gi")).unwrap_err().contains("another volume"));
}

#[test]
fn a_set_is_taken_away_only_as_it_was_seen() {
    let live = |uid: &str, generation: i64| json!({ "metadata": { "uid": uid, "generation": generation } });
    assert_eq!(orphan(&set(), &live("u", 4), "u", 4), Ok(()));
    assert!(orphan(&set(), &live("w", 4), "u", 4).unwrap_err().contains("another object"));
    assert!(orphan(&set(), &live("u", 5), "u", 4).unwrap_err().contains("was changed"));
}
