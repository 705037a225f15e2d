//! Writing on claims whose they are, by what the database says of its members.

use serde_json::Value;

use crate::live::amend::{Absence, Amend};
use crate::live::database;
use crate::live::request::Link;
use crate::observed::{DatabaseScope, DatabaseView};
use crate::plan::identity::{self, Members};
use crate::world::Refused;

/// Writes it, as far as the database says so: one that does not answer, or is another one, says nothing, and
/// the next plan knows what is left.
pub(crate) async fn identify(
    link: &Link,
    stack: &str,
    (scope, known): (&DatabaseScope, &str),
    claims: &Members,
) -> Result<(), Refused> {
    let Ok(DatabaseView::Seen(topology)) = database::view(link, scope).await else {
        return Ok(());
    };
    for (key, ids) in identity::all(&topology, known, claims) {
        let due = |live: &Value| identity::mark(key, live, stack, &ids);
        Amend { link, key, due }.run(&format!("marking {key}"), Absence::Done).await?;
    }
    Ok(())
}
