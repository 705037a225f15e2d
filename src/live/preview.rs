//! What Kubernetes would make of a draft: a dry run, which stores nothing.

use serde_json::Value;

use crate::live::errors::{Failure, Trouble};
use crate::live::request::{Link, asked};
use crate::live::write::{Run, apply, conflicts, create, is_another_object};
use crate::world::{Draft, Preview, Unseen};

/// Asks for a dry run. New objects are sent as creations, since that is how they will be made.
pub(crate) async fn preview(link: &Link, draft: &Draft) -> Result<Preview, Unseen> {
    let result = run(link, draft, draft.force).await;
    let Err(Trouble::Failed(failure)) = &result else {
        return finish(draft, result);
    };
    match conflicts(failure) {
        // Fields we made and do not hold by apply yet: taking them takes from nobody.
        Some(others) if others.is_empty() => finish(draft, run(link, draft, true).await),
        Some(others) => Ok(Preview::Conflict(others)),
        None => finish(draft, result),
    }
}

async fn run(link: &Link, draft: &Draft, force: bool) -> Result<Value, Trouble> {
    let Draft { object, manifest, uid, .. } = draft;
    let call = match uid {
        Some(uid) => apply(object, manifest, Some(uid), force, Run::Dry),
        None => create(object, manifest, Run::Dry),
    };
    link.ask(&call).await
}

fn finish(draft: &Draft, result: Result<Value, Trouble>) -> Result<Preview, Unseen> {
    let object = &draft.object;
    let doing = || format!("trying out {object}");
    let verb = if draft.uid.is_some() { "patch" } else { "create" };
    let ask = asked(verb, object.kind, object.namespace.as_deref());
    let trouble = match result {
        Ok(mut stored) => {
            if let Some(metadata) = stored["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            return Ok(Preview::Stored(stored));
        }
        Err(trouble) => trouble,
    };
    match &trouble {
        Trouble::Failed(failure) if failure.lacks_namespace() && draft.uid.is_none() => {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            Ok(Preview::Unchecked(format!("namespace `{namespace}` does not exist yet")))
        }
        Trouble::Failed(failure) if is_another_object(failure) || failure.code == 404 => {
            let why =
                format!("{object} was replaced or removed while the plan was made; plan again");
            Ok(Preview::Moved(why))
        }
        Trouble::Failed(failure) if failure.reason == "AlreadyExists" => {
            Ok(Preview::Moved(failure.message.clone()))
        }
        Trouble::Failed(failure) if is_refusal(failure) => {
            Ok(Preview::Refused(trouble.explain(&ask)))
        }
        _ => Err(trouble.unseen(doing(), &ask)),
    }
}

/// Whether the server judged the draft itself. A field its schema does not have is answered with
/// code 500 by server-side apply.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.code, 400 | 403 | 405 | 409 | 413 | 415 | 422)
        || failure.message.contains("failed to create typed patch object")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::{Kind, ObjectKey};

    fn draft(uid: Option<&str>) -> Draft {
        let object = ObjectKey::within(Kind::ConfigMap, "tsdb", "x");
        Draft { object, manifest: json!({}), uid: uid.map(str::to_owned), force: false }
    }

    fn failed(code: u16, message: &str) -> Result<Value, Trouble> {
        Err(Trouble::Failed(Failure::read(code, &json!({ "message": message }))))
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let stored = json!({ "metadata": { "name": "x", "managedFields": [] } });
        assert_eq!(
            finish(&draft(None), Ok(stored)),
            Ok(Preview::Stored(json!({ "metadata": { "name": "x" } })))
        );
        let missing = failed(404, "namespaces \"tsdb\" not found");
        assert_eq!(
            finish(&draft(None), missing),
            Ok(Preview::Unchecked("namespace `tsdb` does not exist yet".into()))
        );
        let refused = finish(&draft(Some("u")), failed(422, "spec: Forbidden: immutable"));
        assert_eq!(refused, Ok(Preview::Refused("spec: Forbidden: immutable".into())));
        let typo =
            "failed to create typed patch object (a/b): .spec.x: field not declared in schema";
        assert_eq!(finish(&draft(Some("u")), failed(500, typo)), Ok(Preview::Refused(typo.into())));
        assert!(finish(&draft(Some("u")), failed(500, "etcd is gone")).is_err());
        let replaced =
            "ConfigMap/tsdb/x was replaced or removed while the plan was made; plan again";
        let moved = |why: &str| Ok(Preview::Moved(why.to_owned()));
        assert_eq!(finish(&draft(Some("u")), failed(409, "uid mismatch")), moved(replaced));
        let there = "configmaps \"x\" already exists";
        let exists = json!({ "message": there, "reason": "AlreadyExists" });
        let exists = Err(Trouble::Failed(Failure::read(409, &exists)));
        assert_eq!(finish(&draft(None), exists), moved(there));
        assert!(finish(&draft(None), failed(401, "Unauthorized")).is_err());
    }
}
