//! Compare-and-swap of an object of tsinfra's own.

use hyper::Method;
use serde_json::Value;

use crate::live::errors::Trouble;
use crate::live::request::{BodyKind, Call, Link, asked, item_path};
use crate::live::write::{Run, create};
use crate::object::{FIELD_MANAGER, ObjectKey};
use crate::world::Refused;

/// Makes the object, or replaces it if it is still of this version. An answer that was lost is read
/// again: what is there is ours if it says what was sent.
pub(crate) async fn swap(
    link: &Link,
    object: &ObjectKey,
    manifest: &Value,
    version: Option<&str>,
) -> Result<String, Refused> {
    let call = match version {
        None => create(object, manifest, Run::Real),
        Some(version) => replace(object, manifest, version),
    };
    let doing = format!("writing {object}");
    let ask = asked("get,create,update", object.kind, object.namespace.as_deref());
    match link.ask(&call).await {
        Ok(written) => Ok(version_of(&written)),
        Err(Trouble::Failed(failure)) if matches!(failure.code, 404 | 409) => {
            if failure.lacks_namespace() {
                return Err(Refused::Denied(format!("{doing}: its namespace does not exist")));
            }
            Err(Refused::Stale(format!("{doing}: {}", failure.message)))
        }
        Err(trouble) if trouble.leaves_doubt() => match link.find(object).await {
            Ok(Some(found)) if found["spec"] == manifest["spec"] => Ok(version_of(&found)),
            Ok(_) => Err(Refused::Stale(format!("{doing}: {}", trouble.explain(&ask)))),
            Err(second) => Err(Refused::Unknown(format!("{doing}: {}", second.explain(&ask)))),
        },
        Err(trouble) => Err(trouble.denied(&doing, &ask)),
    }
}

fn replace(object: &ObjectKey, manifest: &Value, version: &str) -> Call {
    let mut body = manifest.clone();
    body["metadata"]["resourceVersion"] = version.into();
    let path = format!("{}?fieldManager={FIELD_MANAGER}", item_path(object));
    Call::with(Method::PUT, path, BodyKind::Plain, body)
}

fn version_of(written: &Value) -> String {
    written["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}
