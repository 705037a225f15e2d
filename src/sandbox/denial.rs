//! Why the simulated API server did not do something.

use crate::object::ObjectKey;
use crate::world::{Preview, Refused};

/// Why the simulated API server did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// The object is not the one that was meant, or is there or not there against expectation.
    Stale(String),
    /// The namespace is not there.
    NoNamespace(String),
    /// Others own fields: manager and path.
    Conflict(ObjectKey, Vec<(String, String)>),
    /// It breaks a rule of the API, or of a database.
    Invalid(String),
    /// A database gave no answer.
    Unanswered(String),
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Stale(why) => Self::Stale(why),
            Denial::NoNamespace(name) => Self::Denied(format!("namespaces \"{name}\" not found")),
            Denial::Conflict(key, fields) => Self::Denied(conflict_text(&key, &fields)),
            Denial::Invalid(why) => Self::Denied(why),
            Denial::Unanswered(why) => Self::Unknown(why),
        }
    }
}

impl From<Denial> for Preview {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Stale(why) => Self::Moved(why),
            Denial::Invalid(why) => Self::Refused(why),
            Denial::NoNamespace(name) => {
                Self::Unchecked(format!("namespace `{name}` does not exist yet"))
            }
            Denial::Unanswered(why) => Self::Unchecked(why),
            Denial::Conflict(_, fields) => Self::Conflict(fields),
        }
    }
}

/// The API server's sentence for conflicts of server-side apply.
fn conflict_text(key: &ObjectKey, fields: &[(String, String)]) -> String {
    let api = key.kind.api_version();
    if let [(manager, path)] = fields {
        return format!(
            "Apply failed with 1 conflict: conflict with \"{manager}\" using {api}: {path}"
        );
    }
    let mut text = format!("Apply failed with {} conflicts:", fields.len());
    let mut last = None;
    for (manager, path) in fields {
        if last != Some(manager) {
            text.push_str(&format!(" conflicts with \"{manager}\" using {api}:"));
            last = Some(manager);
        }
        text.push_str(&format!("\n- {path}"));
    }
    text
}
