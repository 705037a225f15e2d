//! Fields Kubernetes fixes when an object is made, found before Kubernetes refuses the change.

use crate::fields::path::covers;
use crate::object::Kind;

/// Fields of a StatefulSet's spec that may change (kube-apiserver 1.36, verified there).
const STATEFUL_SET_MUTABLE: [&str; 7] = [
    ".spec.replicas",
    ".spec.ordinals",
    ".spec.template",
    ".spec.updateStrategy",
    ".spec.revisionHistoryLimit",
    ".spec.persistentVolumeClaimRetentionPolicy",
    ".spec.minReadySeconds",
];

/// Why a field cannot change, and the way on; `None`: it can.
pub fn fixed(kind: Kind, path: &str) -> Option<(&'static str, &'static str)> {
    let within = |field: &str| covers(field, path);
    match kind {
        Kind::StatefulSet if within(".spec.volumeClaimTemplates") => Some((
            "the size and the tier of a pool's claims are fixed when its StatefulSet is made",
            "put `storage` back as it was; for other storage declare another pool",
        )),
        Kind::StatefulSet
            if within(".spec") && !STATEFUL_SET_MUTABLE.iter().any(|field| within(field)) =>
        {
            Some((
                "this field is fixed when a StatefulSet is made",
                "put it back as it was, or declare another pool",
            ))
        }
        Kind::StorageClass
            if [".provisioner", ".parameters", ".reclaimPolicy", ".volumeBindingMode"]
                .iter()
                .any(|field| within(field)) =>
        {
            Some((
                "a StorageClass is fixed when it is made",
                "put the tier back as it was; for other storage declare another tier",
            ))
        }
        Kind::PersistentVolume
            if [".spec.local", ".spec.nodeAffinity"].iter().any(|field| within(field)) =>
        {
            Some((
                "the place of a volume is fixed when it is made",
                "put the volume back as it was; for another place declare another volume",
            ))
        }
        Kind::Service if path == ".spec.clusterIP" => Some((
            "a Service cannot change between headless and not",
            "delete the Service by hand after checking who uses it, then plan again",
        )),
        Kind::PersistentVolumeClaim if within(".spec") => {
            Some(("a claim is fixed when it is made", "put it back as it was"))
        }
        _ => None,
    }
}
