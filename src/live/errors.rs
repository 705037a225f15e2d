//! What went wrong with a request, in words a user can act on.

use std::error::Error as _;
use std::fmt;

use hyper_util::client::legacy;
use kube::client::AuthError;
use serde_json::Value;

use crate::world::{Refused, Unseen};

/// No answer came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// What happened.
    pub(crate) why: String,
    /// Whether the request may have reached the server all the same.
    pub(crate) sent: bool,
    /// Whether it may be otherwise a moment later.
    pub(crate) passing: bool,
}

/// The server answered, but not what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) code: u16,
    /// One word for programs, e.g. `AlreadyExists`.
    pub(crate) reason: String,
    /// The server's sentence.
    pub(crate) message: String,
    /// Parts of the object it is about.
    pub(crate) causes: Vec<Cause>,
}

/// One part of an object a failure is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cause {
    /// One word for programs, e.g. `FieldManagerConflict`.
    pub(crate) reason: String,
    /// The server's words.
    pub(crate) message: String,
    /// The field, as the server writes it.
    pub(crate) field: String,
}

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No answer.
    Broken(Broken),
    /// A refusal.
    Failed(Failure),
}

impl Failure {
    /// A failure read from the `Status` object a server sends; other bodies count by their code.
    pub(crate) fn read(code: u16, body: &Value) -> Self {
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let causes = body.pointer("/details/causes").and_then(Value::as_array);
        let cause = |cause: &Value| Cause {
            reason: text(cause, "reason"),
            message: text(cause, "message"),
            field: text(cause, "field"),
        };
        let message = match text(body, "message") {
            empty if empty.is_empty() => format!("the server answered HTTP {code}"),
            message => message,
        };
        Self {
            code,
            reason: text(body, "reason"),
            message,
            causes: causes.into_iter().flatten().map(cause).collect(),
        }
    }

    /// Whether the object's namespace is what is not there.
    pub(crate) fn lacks_namespace(&self) -> bool {
        self.code == 404 && self.message.starts_with("namespaces \"")
    }

    /// Whether the user may not do this at all, whatever the object says.
    fn lacks_permission(&self) -> bool {
        self.code == 403 && self.message.contains(" cannot ") && self.message.contains(" resource ")
    }
}

impl Trouble {
    /// Whether it says that the object is not there.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.code == 404)
    }

    /// Whether the object has changed since it was read.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.code == 409)
    }

    /// Whether the request may have been carried out nonetheless.
    pub(crate) fn leaves_doubt(&self) -> bool {
        match self {
            Self::Broken(broken) => broken.sent,
            Self::Failed(failure) => failure.code >= 500,
        }
    }

    /// What happened, in short.
    pub(crate) fn plain(&self) -> &str {
        match self {
            Self::Broken(broken) => &broken.why,
            Self::Failed(failure) => &failure.message,
        }
    }

    /// As the answer to a reading.
    pub(crate) fn unseen(&self, doing: impl Into<String>, ask: &Asked<'_>) -> Unseen {
        Unseen { doing: doing.into(), why: self.explain(ask) }
    }

    /// As the answer to an action that was certainly not carried out.
    pub(crate) fn denied(&self, doing: &str, ask: &Asked<'_>) -> Refused {
        Refused::Denied(format!("{doing}: {}", self.explain(ask)))
    }

    /// What happened and, where it is known, what the user can do.
    pub(crate) fn explain(&self, ask: &Asked<'_>) -> String {
        match self {
            Self::Broken(broken) => broken.why.clone(),
            Self::Failed(failure) if failure.code == 401 => {
                "the server does not accept the credentials of this kubeconfig; log in again, or \
                 name another one with --kubeconfig or --context"
                    .to_owned()
            }
            Self::Failed(failure) if failure.lacks_permission() => {
                format!("{}; {}", failure.message, ask.grant())
            }
            Self::Failed(failure) => failure.message.clone(),
        }
    }
}

/// Whether the user must be granted something, and what: the request in RBAC's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// e.g. `list`; several are written `get,create`.
    pub(crate) verb: &'a str,
    /// e.g. `statefulsets`, `pods/portforward`.
    pub(crate) resource: &'a str,
    /// The API group; empty for the core one.
    pub(crate) group: &'a str,
    /// `None` for kinds outside namespaces.
    pub(crate) namespace: Option<&'a str>,
}

impl Asked<'_> {
    /// What an administrator has to grant.
    fn grant(&self) -> String {
        match self.namespace {
            Some(namespace) => {
                format!("ask for a Role in namespace `{namespace}` that allows {self}")
            }
            None => format!("ask for a ClusterRole that allows {self}"),
        }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on `{}`", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, " of API group `{}`", self.group) }
    }
}

/// Why kube's client brought no answer. Nothing of a credential gets into the words.
pub(crate) fn broken(server: &str, error: &kube::Error) -> Broken {
    if let kube::Error::Auth(auth) = error {
        return Broken { why: auth_words(auth), sent: false, passing: false };
    }
    if let Some(auth) = find::<AuthError>(error) {
        return Broken { why: auth_words(auth), sent: false, passing: false };
    }
    let connecting = find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect);
    let root = root_of(error);
    if root.contains("certificate") {
        let why = format!(
            "cannot trust {server}: {root}; check `certificate-authority-data` and `server` in \
             the kubeconfig"
        );
        return Broken { why, sent: false, passing: false };
    }
    let why = if connecting {
        format!(
            "cannot connect to {server}: {root}; is it the right context, and is the server up?"
        )
    } else {
        format!("the connection to {server} broke: {root}")
    };
    Broken { why, sent: !connecting, passing: true }
}

/// A credential program's output and call may hold a token, so only how it ended is told.
fn auth_words(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => {
            format!("the kubeconfig's credential program cannot be started: {error}")
        }
        AuthError::AuthExecRun { out, .. } => format!(
            "the kubeconfig's credential program failed ({}); `kubectl get namespaces` shows what it says",
            out.status
        ),
        AuthError::ReadTokenFile(error, path) => {
            format!("cannot read the token file {}: {error}", path.display())
        }
        AuthError::MissingCommand => {
            "the kubeconfig names a credential program without its command".to_owned()
        }
        _ => "the kubeconfig's credentials cannot be used".to_owned(),
    }
}

/// The innermost error, in its own words.
fn root_of(error: &kube::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// An error of a type in the chain of sources.
fn find<T: std::error::Error + 'static>(error: &kube::Error) -> Option<&T> {
    if let kube::Error::Service(service) = error
        && let Some(found) = service.downcast_ref::<T>()
    {
        return Some(found);
    }
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref::<T>() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_permission_says_what_to_grant() {
        let body = json!({
            "kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403,
            "message": "nodes is forbidden: User \"operator\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
        });
        let trouble = Trouble::Failed(Failure::read(403, &body));
        let ask = Asked { verb: "list", resource: "nodes", group: "", namespace: None };
        let why = trouble.explain(&ask);
        assert!(why.contains("User \"operator\" cannot list"), "{why}");
        assert!(why.ends_with("ask for a ClusterRole that allows `list` on `nodes`"), "{why}");
    }

    #[test]
    fn a_policy_that_says_no_is_no_missing_permission() {
        let body = json!({ "message": "pods \"x\" is forbidden: exceeded quota: q", "code": 403 });
        let trouble = Trouble::Failed(Failure::read(403, &body));
        let ask = Asked { verb: "create", resource: "pods", group: "", namespace: Some("a") };
        assert_eq!(trouble.explain(&ask), "pods \"x\" is forbidden: exceeded quota: q");
    }

    #[test]
    fn a_body_that_is_no_status_counts_by_its_code() {
        let failure = Failure::read(502, &Value::Null);
        assert_eq!(failure.message, "the server answered HTTP 502");
        assert!(Trouble::Failed(failure).leaves_doubt());
        assert!(Trouble::Failed(Failure::read(404, &Value::Null)).is_absence());
    }

    #[test]
    fn a_missing_namespace_is_told_from_a_missing_object() {
        let says = |message: &str| Failure::read(404, &json!({ "message": message }));
        assert!(says("namespaces \"tsdb\" not found").lacks_namespace());
        assert!(!says("statefulsets.apps \"namespaces\" not found").lacks_namespace());
    }
}
