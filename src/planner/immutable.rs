//! Fields Kubernetes fixes when an object is made, found before Kubernetes refuses the change.

use std::collections::BTreeMap;

use crate::fields::path::covers;
use crate::object::Kind;
use crate::plan::FieldChange;

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

/// The fields that cannot change among those that are to: by the reason, with the way on.
pub fn reasons(kind: Kind, fields: &[FieldChange]) -> BTreeMap<&'static str, Fixed<'_>> {
    let mut found: BTreeMap<&str, Fixed<'_>> = BTreeMap::new();
    for field in fields {
        if let Some((reason, help)) = fixed(kind, &field.path) {
            let of_it = found.entry(reason).or_insert(Fixed { help, paths: Vec::new() });
            of_it.paths.push(&field.path);
        }
    }
    found
}

/// Fields that cannot change for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed<'a> {
    /// The way on.
    pub help: &'static str,
    /// Their names.
    pub paths: Vec<&'a str>,
}

/// Whether a field is of what the members of a StatefulSet claim.
pub fn is_about_claims(kind: Kind, path: &str) -> bool {
    kind == Kind::StatefulSet && covers(".spec.volumeClaimTemplates", path)
}

/// Why a field cannot change, and the way on; `None`: it can.
pub fn fixed(kind: Kind, path: &str) -> Option<(&'static str, &'static str)> {
    let within = |field: &str| covers(field, path);
    match kind {
        Kind::StatefulSet if is_about_claims(kind, path) => Some((
            "a pool's claims are fixed when its StatefulSet is made",
            "put `storage` back as it was; or declare another pool with it in place of this one, whose members \
             then hand over to the new ones and leave",
        )),
        Kind::StatefulSet
            if within(".spec") && !STATEFUL_SET_MUTABLE.iter().any(|field| within(field)) =>
        {
            Some((
                "this field is fixed when a StatefulSet is made",
                "put it back as it was, or declare another pool in place of this one",
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
