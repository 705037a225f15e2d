//! One look: every list and object a scope names, its events, its databases, the record.

use std::collections::BTreeMap;

use futures_util::future::{Either, LocalBoxFuture};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde_json::Value;

use crate::inventory::Inventory;
use crate::live::database;
use crate::live::listing::{list, live_object, pages};
use crate::live::request::{Link, asked, encoded};
use crate::live::watch::{Query, Watches, list_query};
use crate::object::ObjectKey;
use crate::observed::{DatabaseView, EventNote, List, LiveObject, Observed, Scope};
use crate::world::Unseen;

/// Requests under way at once: six large lists are what an ordinary user's share of a server bears.
const AT_ONCE: usize = 8;
/// Events kept.
const EVENTS: usize = 200;

/// Looks at everything a scope names, all at once. One failure is the whole answer, since half a
/// look would pass for a look at less; but it names all that failed, so that rights which are
/// missing need not be found out one by one.
pub(crate) async fn look(
    link: &Link,
    watches: &Watches,
    scope: &Scope,
) -> Result<Observed, Unseen> {
    let known = watches.before(scope);
    let databases = stream::iter(&scope.databases)
        .map(|wanted| async {
            let view = database::view(link, wanted).await?;
            let held = match &view {
                DatabaseView::Seen(topology) if scope.holdings => {
                    database::holdings(link, wanted, topology).await
                }
                _ => None,
            };
            Ok::<_, Unseen>((wanted.cluster.clone(), view, held))
        })
        .buffered(scope.databases.len().max(1))
        .collect::<Vec<Result<_, Unseen>>>();
    let (objects, events, inventory, databases) = tokio::join!(
        objects(link, scope),
        events(link, scope.events_in.as_deref()),
        record(link, scope.inventory.as_ref()),
        databases,
    );
    let mut failed = Vec::new();
    let objects = whole(objects, &mut failed);
    let (mut views, mut holdings) = (BTreeMap::new(), BTreeMap::new());
    for (cluster, view, held) in whole(databases, &mut failed) {
        holdings.extend(held.map(|held| (cluster.clone(), held.into())));
        views.insert(cluster, view);
    }
    let events = whole(vec![events], &mut failed).into_iter().flatten().collect();
    let inventory = whole(vec![inventory], &mut failed).into_iter().flatten().next();
    if let Some(unseen) = all_of(failed) {
        return Err(unseen);
    }
    let (objects, versions): (Vec<Found>, Vec<Option<(Query, String)>>) =
        objects.into_iter().unzip();
    watches.after(scope, known, versions.into_iter().flatten().collect());
    let objects = objects.into_iter().flatten().collect();
    Ok(Observed { objects, events, databases: views, holdings, inventory })
}

/// What was read; what was not is put aside.
fn whole<T>(results: Vec<Result<T, Unseen>>, failed: &mut Vec<Unseen>) -> Vec<T> {
    results
        .into_iter()
        .filter_map(|result| result.map_err(|unseen| failed.push(unseen)).ok())
        .collect()
}

/// Several failures as one: the first in full, the others by what they were about.
fn all_of(failed: Vec<Unseen>) -> Option<Unseen> {
    let mut failed = failed.into_iter();
    let first = failed.next()?;
    // A server that is gone is one trouble, however many requests it met.
    let others = failed.filter(|unseen| unseen.why != first.why);
    let others: Vec<String> = others.map(|unseen| unseen.doing).collect();
    if others.is_empty() {
        return Some(first);
    }
    let why = format!("{}. Nor could be done: {}", first.why, others.join("; "));
    Some(Unseen { why, ..first })
}

type Found = Vec<(ObjectKey, LiveObject)>;
/// What one request brought, and, for a list, the moment it shows.
type Part = (Found, Option<(Query, String)>);

async fn objects(link: &Link, scope: &Scope) -> Vec<Result<Part, Unseen>> {
    let lists = scope.lists.iter().map(|list| Either::Left(listed(link, list)));
    let gets = scope.gets.iter().map(|key| Either::Right(got(link, key)));
    let requests: Vec<LocalBoxFuture<'_, _>> =
        lists.chain(gets).map(|request| request.boxed_local()).collect();
    stream::iter(requests).buffered(AT_ONCE).collect().await
}

async fn listed(link: &Link, wanted: &List) -> Result<Part, Unseen> {
    let listed = list(link, wanted).await?;
    let found = listed.items.into_iter().map(|item| live_object(wanted.kind, item)).collect();
    Ok((found, Some((list_query(wanted), listed.version))))
}

async fn got(link: &Link, key: &ObjectKey) -> Result<Part, Unseen> {
    let found = link.find(key).await.map_err(|trouble| {
        let ask = asked("get", key.kind, key.namespace.as_deref());
        trouble.unseen(format!("reading {key}"), &ask)
    })?;
    Ok((found.map(|value| live_object(key.kind, value)).into_iter().collect(), None))
}

async fn events(link: &Link, namespace: Option<&str>) -> Result<Vec<EventNote>, Unseen> {
    let Some(namespace) = namespace else { return Ok(Vec::new()) };
    let path = format!("/api/v1/namespaces/{}/events", encoded(namespace));
    let listed = pages(link, &format!("{path}?fieldSelector=type%3DWarning")).await;
    let listed = listed.map_err(|trouble| {
        let ask = crate::live::errors::Asked {
            verb: "list",
            resource: "events",
            group: "",
            namespace: Some(namespace),
        };
        trouble.unseen(format!("listing events in namespace `{namespace}`"), &ask)
    })?;
    Ok(newest(listed.items))
}

/// The newest warnings, each said once.
pub(crate) fn newest(mut events: Vec<Value>) -> Vec<EventNote> {
    events.retain(|event| event["type"] == "Warning");
    events.sort_by_cached_key(|event| std::cmp::Reverse(moment(event)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let note = |event: &Value| EventNote {
        kind: text(&event["involvedObject"]["kind"]),
        name: text(&event["involvedObject"]["name"]),
        reason: text(&event["reason"]),
        message: text(&event["message"]),
    };
    events.iter().take(EVENTS).map(note).collect()
}

/// When an event was last seen: which field says so depends on who wrote it.
fn moment(event: &Value) -> String {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .into_iter()
        .filter_map(|field| event.pointer(field)?.as_str())
        .max()
        .unwrap_or_default()
        .to_owned()
}

async fn record(
    link: &Link,
    wanted: Option<&(String, String)>,
) -> Result<Option<Inventory>, Unseen> {
    let Some((namespace, stack)) = wanted else { return Ok(None) };
    let key = Inventory::key(namespace, stack);
    let doing = || format!("reading the record of stack `{stack}` in {key}");
    let found = link
        .find(&key)
        .await
        .map_err(|trouble| trouble.unseen(doing(), &asked("get", key.kind, Some(namespace))))?;
    let Some(found) = found else { return Ok(None) };
    let record = Inventory::from_config_map(&found);
    record.map(Some).map_err(|bad| Unseen { doing: doing(), why: bad.to_string() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_warnings_come_first() {
        let event = |name: &str, kind: &str, fields: Value| {
            let mut event = json!({
                "type": kind, "reason": "FailedScheduling", "message": "m",
                "involvedObject": { "kind": "Pod", "name": name },
            });
            for (field, value) in fields.as_object().expect("an object") {
                event[field] = value.clone();
            }
            event
        };
        let names: Vec<String> = newest(vec![
            event("a", "Warning", json!({ "lastTimestamp": "2026-11-22T09:00:00Z" })),
            event("b", "Normal", json!({ "lastTimestamp": "2026-11-22T09:09:00Z" })),
            event(
                "c",
                "Warning",
                json!({ "eventTime": "2026-11-22T09:05:00.123456Z", "lastTimestamp": null }),
            ),
        ])
        .into_iter()
        .map(|note| note.name)
        .collect();
        assert_eq!(names, ["c", "a"]);
    }
}
