//! Who each database says it is, at every look of a run. An emptied first member can found a second
//! cluster that answers in the old one's place (rule 10): the id is put on record the moment it is
//! first seen, and another one ends the run.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::hold::Hold;
use super::step::End;
use crate::inventory::Inventory;
use crate::observed::{DatabaseView, Observed, Scope};
use crate::plan::Plan;
use crate::world::{Refused, World};

/// The record a run goes on with: as the plan means it, with the ids that were put on record since.
/// An error says what is amiss.
pub async fn on_record<W: World>(world: &W, plan: &Plan) -> Result<Inventory, End> {
    let place = (plan.namespace.clone(), plan.stack.clone());
    let seen = world.look(&Scope { inventory: Some(place), ..Scope::default() }).await?;
    let mut record = plan.inventory.clone();
    let known_then = &plan.basis.ids;
    for (name, cluster) in seen.inventory.map(|found| found.clusters).unwrap_or_default() {
        let (id, Some(meant)) = (cluster.cluster_id, record.clusters.get_mut(&name)) else {
            continue;
        };
        // What was known then and is not meant is of a cluster that is gone.
        if id.is_empty() || known_then.get(&name) == Some(&id) {
            continue;
        }
        if !meant.cluster_id.is_empty() && meant.cluster_id != id {
            return Err(End::Stranger(another(&plan.called(&name), &meant.cluster_id, &id)));
        }
        meant.cluster_id = id;
    }
    Ok(record)
}

/// The identities of a run's databases, and the record they stand in.
pub struct Identities<'a, W: World> {
    world: &'a W,
    plan: &'a Plan,
    hold: &'a Hold<'a, W>,
    record: Mutex<Inventory>,
    /// Whether it is not known if the record was kept.
    in_doubt: AtomicBool,
}

impl<'a, W: World> Identities<'a, W> {
    /// Those of a run whose record was kept as this.
    pub fn of(world: &'a W, plan: &'a Plan, hold: &'a Hold<'a, W>, record: Inventory) -> Self {
        Self { world, plan, hold, record: Mutex::new(record), in_doubt: AtomicBool::new(false) }
    }

    /// Compares every database that was seen with who it was. One that is seen for the first time is
    /// put on record before anything goes on, so that a crash leaves it there.
    pub async fn meet(&self, seen: &Observed) -> Result<(), End> {
        for (name, view) in &seen.databases {
            let DatabaseView::Seen(topology) = view else { continue };
            let id = &topology.cluster_id;
            let mut record = self.record.lock().await;
            let before = self.plan.basis.databases.get(name).map(|it| &it.cluster_id);
            let pinned = record.clusters.get(name).map(|it| &it.cluster_id);
            match pinned.filter(|id| !id.is_empty()).or(before) {
                Some(known) if known == id || id.is_empty() => {}
                Some(known) => {
                    return Err(End::Stranger(another(&self.plan.called(name), known, id)));
                }
                None => {
                    let Some(cluster) = record.clusters.get_mut(name) else { continue };
                    cluster.cluster_id.clone_from(id);
                    let _turn = self.hold.turn().await;
                    self.hold.confirm().await?;
                    let kept = self.world.keep(&record).await;
                    if let Err(Refused::Unknown(_)) = kept {
                        self.in_doubt.store(true, Ordering::Relaxed);
                    }
                    kept?;
                }
            }
        }
        Ok(())
    }

    /// That no answer came when the record was last written, if so.
    pub fn record_in_doubt(&self) -> Option<End> {
        let why = "no answer came when it was last written; it may still be written";
        self.in_doubt.load(Ordering::Relaxed).then(|| End::Unknown(why.to_owned()))
    }

    /// The record with all that was put on it.
    pub async fn record(&self) -> Inventory {
        self.record.lock().await.clone()
    }
}

/// That a database is another one, as a sentence.
fn another(cluster: &str, known: &str, seen: &str) -> String {
    format!(
        "the database of cluster `{cluster}` says its id is {seen}, but it was {known}: another \
         database answers in its place"
    )
}
