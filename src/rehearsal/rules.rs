//! The safety rules as monitors: what is asked before every effect and after everything that happens
//! (DESIGN §9). A rule that is broken is said once, in a sentence.

mod directories;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::reading::{
    claim_of, domain, has_left, holds_data, is_given_up, is_left_alone, is_member, is_no_member,
    is_nobodys, is_ready, label, pod_parts, pods_of, replicas, text,
};
use crate::inventory::Inventory;
use crate::lock::Lock;
use crate::object::{Kind, LABEL_CLUSTER, LABEL_DOMAIN, LABEL_STACK, LABEL_TIER, ObjectKey, at};
use crate::plan::labels::Relabeling;
use crate::plan::step::Action;
use crate::sandbox::Cluster;
use crate::stack::parts::PartAddress;
use crate::stack::{Reclaim, Stack};

/// Who acts, and what may be known of it.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The name it holds the lock under; `None`: it is not asked for one.
    pub holder: Option<&'a str>,
    /// Whether the user has agreed to the end of clusters and their data.
    pub may_end: bool,
    /// Whether its request was held up: by now the lock may name a later step.
    pub late: bool,
    /// The world as the actor saw it last.
    pub known: Option<&'a Cluster>,
}

/// What is remembered from one moment to the next.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    stack: String,
    namespace: String,
    wrong: BTreeSet<String>,
    /// Objects of others as they were when they were first seen.
    foreign: BTreeMap<ObjectKey, Arc<Value>>,
    /// StatefulSets the stack declares, by the names they were made with.
    declared: BTreeSet<String>,
    /// Tiers whose claims must stay.
    keeping: BTreeSet<String>,
    /// Tiers whose directories are prepared.
    prepared: BTreeSet<String>,
    /// Claims of tiers that keep, with their uids and volumes.
    kept: BTreeMap<ObjectKey, (String, String)>,
    /// Claims whose deletion was begun as that of a member that has left.
    let_go: BTreeSet<ObjectKey>,
    /// Sets an actor has shrunk, and to what: judged by what it knew, not by who has come back since.
    shrunk: BTreeSet<(ObjectKey, u64)>,
    /// Members each StatefulSet was asked for.
    replicas: BTreeMap<ObjectKey, u64>,
    /// Ready members of each quorum domain when all of it was last ready.
    full: BTreeMap<(String, String), usize>,
    /// The fewest members of each quorum domain that were ready since all of it were, and how many
    /// that was.
    fewest: BTreeMap<(String, String), (usize, usize)>,
    /// Clusters being taken down, whose quorum no longer counts.
    ending: BTreeSet<String>,
    /// Whether somebody else takes members away, so that their number says nothing of us.
    lenient: bool,
    /// Whether somebody else took the record away.
    recordless: bool,
    /// Effects of each actor that no longer held the lock: those it sent, and those held up on the way.
    late: BTreeMap<(String, bool), usize>,
    /// The version of the lock, and when it was written, on the virtual clock in milliseconds.
    lock_written: (String, u64),
}

impl Rules {
    /// Watches a stack in a world from now on.
    pub fn over(cluster: &Cluster, stack: &Stack) -> Self {
        let record = cluster.get(&Inventory::key(&stack.namespace, &stack.name));
        let record = record.and_then(|record| Inventory::from_config_map(record).ok());
        let names = record.map(|record| record.names).unwrap_or_default();
        let keeping = stack.storage.values().filter(|tier| tier.reclaim == Reclaim::Retain);
        let keeping: Vec<PartAddress> = keeping.map(|tier| PartAddress::tier(&tier.name)).collect();
        let moved = stack.moved.iter().map(|it| &it.from);
        let moved =
            moved.filter(|from| stack.after_moves(from).is_some_and(|to| keeping.contains(&to)));
        let made = keeping.iter().map(|tier| names.made(tier));
        let keeping = keeping.iter().chain(moved).cloned().chain(made);
        let pools = stack.clusters.iter().flat_map(|(cluster, it)| {
            it.pools.keys().map(move |pool| PartAddress::pool(cluster, pool))
        });
        let declared = pools.filter_map(|pool| match names.made(&pool) {
            PartAddress::Pool(cluster, pool) => Some(Stack::pool_name(&cluster, &pool)),
            PartAddress::Tier(_) | PartAddress::Cluster(_) => None,
        });
        let prepared = stack.storage.values().filter(|tier| tier.prepare.is_some());
        let mut rules = Self {
            stack: stack.name.clone(),
            namespace: stack.namespace.clone(),
            declared: declared.collect(),
            keeping: keeping.map(|tier| tier.name().to_owned()).collect(),
            prepared: prepared.map(|tier| tier.name.clone()).collect(),
            ..Self::default()
        };
        rules.remember_foreign(cluster, |key| {
            !matches!(key.kind, Kind::Node | Kind::Pod | Kind::PersistentVolume)
        });
        rules.after(cluster);
        rules
    }

    /// Objects that are not the stack's must stay as they are from now on.
    pub fn remember_foreign(&mut self, cluster: &Cluster, which: impl Fn(&ObjectKey) -> bool) {
        let theirs = cluster.objects.iter().filter(|(key, object)| {
            which(key) && key.kind != Kind::Namespace && !self.is_ours(&object.value)
        });
        let theirs: Vec<(ObjectKey, Arc<Value>)> =
            theirs.map(|(key, object)| (key.clone(), object.value.clone())).collect();
        self.foreign.extend(theirs);
    }

    /// From now on somebody else takes members away: their number is no proof against us.
    pub fn be_lenient(&mut self) {
        self.lenient = true;
    }

    /// What was broken so far.
    pub fn wrong(&self) -> Vec<String> {
        self.wrong.iter().cloned().collect()
    }

    /// The fewest members of each quorum domain (cluster, domain) that were ready since all of it were,
    /// and how many all are.
    pub fn fewest(&self) -> BTreeMap<(String, String), (usize, usize)> {
        self.fewest.clone()
    }

    /// Notes that a rule is broken.
    pub fn say(&mut self, what: impl Into<String>) {
        self.wrong.insert(what.into());
    }

    /// From now on the record may be missing, because somebody else has taken it away.
    pub fn miss_the_record(&mut self) {
        self.recordless = true;
    }

    /// Judges an action of ours that was carried out, by the world as it was before.
    pub fn judge(&mut self, cluster: &Cluster, actor: &Actor<'_>, action: &Action) {
        let Some(object) = action.object() else { return };
        let live = cluster.get(object);
        let theirs =
            live.is_some_and(|live| !self.is_ours(live) && !self.is_of_our_claim(cluster, live));
        let comes_or_goes = matches!(action, Action::Create { .. } | Action::Relabel { .. });
        if theirs && !comes_or_goes {
            self.say(format!("rule 1: {object} is not the stack's and is changed"));
        }
        if !matches!(object.kind, Kind::Namespace | Kind::Lease) {
            self.lock_is_held(cluster, actor, object);
        }
        match action {
            Action::Create { manifest, .. } => {
                self.creation(cluster, object);
                self.volume_comes(cluster, object, manifest);
            }
            Action::Update { manifest, .. } => self.update(cluster, actor, object, manifest),
            Action::Delete { .. } | Action::Dissolve { .. } | Action::Abandon { .. } => {
                self.deletion(cluster, actor, object);
            }
            Action::Purge { claim, .. } => self.data_goes(cluster, actor, object, claim),
            Action::Relabel { labels, .. } => self.relabelling(live, object, labels),
            Action::Start { .. } => {
                live.inspect(|job| self.directory_goes(cluster, actor, job));
            }
            Action::Orphan { .. } => self.orphaning(cluster, object),
            Action::Scale { to, .. } => self.resize(cluster, actor, object, u64::from(*to)),
            Action::Expand { .. }
            | Action::Hold { .. }
            | Action::Say { .. }
            | Action::Identify { .. }
            | Action::Retire { .. }
            | Action::Await => {}
        }
    }

    /// Nothing is taken from another stack, nor let go that is not this one's.
    fn relabelling(&mut self, live: Option<&Value>, object: &ObjectKey, labels: &Relabeling) {
        let whose = live.map_or("", |live| label(live, LABEL_STACK)).to_owned();
        let comes = labels.get(LABEL_STACK).is_some_and(Option::is_some);
        if !whose.is_empty() && whose != self.stack || whose.is_empty() && !comes {
            self.say(format!("rule 1: {object} of another is taken over or let go"));
        }
    }

    /// Judges a writing of the record that was carried out, by the world as it was before (rule 11).
    pub fn judge_record(&mut self, cluster: &Cluster, actor: &Actor<'_>) {
        let Some(holder) = actor.holder else { return };
        let record = Inventory::key(&self.namespace, &self.stack);
        self.holds_the_lock(cluster, (holder, actor.late), &record);
    }

    /// When the lock was last written, on the virtual clock in milliseconds.
    pub fn lock_written_ms(&self) -> u64 {
        self.lock_written.1
    }

    /// Whether an actor holds the lock; it may write once without, see [`Self::lock_is_held`].
    fn holds_the_lock(
        &mut self,
        cluster: &Cluster,
        (holder, late): (&str, bool),
        object: &ObjectKey,
    ) -> bool {
        let lease = cluster.get(&Lock::key(&self.namespace, &self.stack));
        let held = lease.map(|lease| text(lease, "/spec/holderIdentity")) == Some(holder);
        if !held {
            let count = self.late.entry((holder.to_owned(), late)).or_default();
            *count += 1;
            if *count > 1 {
                self.say(format!("rule 11: {holder} writes {object} without the lock"));
            }
        }
        held
    }

    /// Rule 11: only the holder of the lock writes, and its intent stands in the lock; but for the one
    /// effect whose compare-and-swap came before the lock was lost.
    fn lock_is_held(&mut self, cluster: &Cluster, actor: &Actor<'_>, object: &ObjectKey) {
        let Some(holder) = actor.holder else { return };
        if !self.holds_the_lock(cluster, (holder, actor.late), object) {
            return;
        }
        let lease = cluster.get(&Lock::key(&self.namespace, &self.stack));
        let intent = actor.late
            || lease.is_some_and(|lease| {
                lease["metadata"]["annotations"].to_string().contains(&object.to_string())
                    || object.kind == Kind::PersistentVolume
            });
        if !intent {
            self.say(format!("intent: {object} is written before the lock says so"));
        }
    }

    /// What is made stands on the record before.
    fn creation(&mut self, cluster: &Cluster, object: &ObjectKey) {
        if matches!(object.kind, Kind::Namespace | Kind::Job) || self.recordless {
            return;
        }
        let record = cluster.get(&Inventory::key(&self.namespace, &self.stack));
        let on_record = record.and_then(|record| Inventory::from_config_map(record).ok());
        if !on_record.is_some_and(|record| record.items.contains_key(object)) {
            self.say(format!("intent: {object} is made and does not stand on the record"));
        }
    }

    fn update(
        &mut self,
        cluster: &Cluster,
        actor: &Actor<'_>,
        object: &ObjectKey,
        manifest: &Value,
    ) {
        let (Kind::StatefulSet, Some(live)) = (object.kind, cluster.get(object)) else { return };
        self.resize(cluster, actor, object, replicas(manifest));
        let image = |value: &Value| pod_parts(value);
        if image(manifest) != image(live) {
            self.restart(actor.known.unwrap_or(cluster), object);
        }
    }

    /// Rules 2 and 6: a set shrinks by one member at a time, and only by one that has left.
    fn resize(&mut self, cluster: &Cluster, actor: &Actor<'_>, object: &ObjectKey, to: u64) {
        let Some(live) = cluster.get(object) else { return };
        let (known, from) = (actor.known.unwrap_or(cluster), replicas(live));
        if from > to {
            self.shrunk.insert((object.clone(), to));
        }
        if from > to + 1 {
            self.say(format!("rule 6: {object} shrinks by more than one member"));
        }
        if !actor.late && (to..from).any(|ordinal| is_member(known, object, ordinal)) {
            self.say(format!("rule 2: {object} shrinks, and nobody was drained"));
        }
    }

    /// Rules 3 and 4: a restart begins only while all other sets of the domain are known to be whole.
    fn restart(&mut self, known: &Cluster, object: &ObjectKey) {
        let Some(set) = known.get(object) else { return };
        let place = (label(set, LABEL_CLUSTER).to_owned(), domain(set).to_owned());
        let peers: Vec<(&ObjectKey, &Value)> = known
            .of_kind(Kind::StatefulSet)
            .filter(|(_, peer)| {
                self.is_ours(peer)
                    && label(peer, LABEL_CLUSTER) == place.0
                    && domain(peer) == place.1
            })
            .collect();
        let counts = |(key, peer): &(&ObjectKey, &Value)| {
            let ready = pods_of(known, key).filter(|pod| is_ready(pod)).count() as u64;
            (ready, replicas(peer))
        };
        let somebody_is_there = peers.iter().any(|peer| counts(peer).0 > 0);
        let away = peers.iter().find(|peer| {
            let (ready, wanted) = counts(peer);
            peer.0 != object && ready < wanted
        });
        if let (true, Some((other, _))) = (somebody_is_there, away) {
            let other = (*other).clone();
            self.say(format!("rule 3: {object} restarts while members of {other} are away"));
        }
    }

    fn deletion(&mut self, cluster: &Cluster, actor: &Actor<'_>, object: &ObjectKey) {
        let Some(live) = cluster.get(object) else { return };
        match object.kind {
            Kind::Namespace | Kind::Node => self.say(format!("rule 1: {object} is deleted")),
            // Nobody is left of its pool; it is no end of a cluster.
            Kind::StatefulSet if replicas(live) == 0 && !actor.may_end => {}
            Kind::StatefulSet => {
                let of = label(live, LABEL_CLUSTER).to_owned();
                if !actor.may_end {
                    self.say(format!("rule 9: {object} is deleted without consent"));
                }
                let data_left = cluster.of_kind(Kind::StatefulSet).any(|(key, set)| {
                    key != object
                        && self.is_ours(set)
                        && label(set, LABEL_CLUSTER) == of
                        && domain(set) == "storing"
                });
                if domain(live) == "control" && data_left {
                    self.say(format!("order: {object} goes before those who report to it"));
                }
                self.ending.insert(of);
            }
            Kind::PersistentVolumeClaim => self.claim_goes(cluster, actor, object, live),
            Kind::Pod => {
                let known = actor.known.unwrap_or(cluster).get(object);
                // The end of a cluster is also that of members whose StatefulSet is gone.
                let world = actor.known.unwrap_or(cluster);
                // Nobody would bring it back, and nobody counts on it.
                let has_left = is_left_alone(live) && is_no_member(world, object, live);
                if actor.may_end && is_left_alone(live) {
                    self.ending.insert(label(live, LABEL_CLUSTER).to_owned());
                } else if known.is_some_and(is_ready) && !has_left {
                    self.say(format!("rule 4: {object} is deleted while it is ready"));
                }
            }
            Kind::PersistentVolume => {
                let bound = text(live, "/status/phase") == "Bound";
                let keeps = self.keeping.contains(label(live, LABEL_TIER));
                let is_cleared = actor.may_end && directories::is_cleared(cluster, live);
                if bound || keeps && holds_data(live) && !is_cleared {
                    self.say(format!("rule 8: {object} is deleted though it holds data"));
                }
            }
            _ => {}
        }
    }

    /// Rule 4: of a quorum domain only one pool's members are without their StatefulSet at a time; what is
    /// lost of them meanwhile nobody makes anew.
    fn orphaning(&mut self, cluster: &Cluster, object: &ObjectKey) {
        let Some(live) = cluster.get(object) else { return };
        let place = (label(live, LABEL_CLUSTER), domain(live));
        let alone = cluster.of_kind(Kind::Pod).find(|(_, pod)| {
            self.is_ours(pod)
                && (label(pod, LABEL_CLUSTER), label(pod, LABEL_DOMAIN)) == place
                && at(pod, "/metadata/ownerReferences").is_none()
        });
        let going = cluster.of_kind(Kind::StatefulSet).find(|(key, set)| {
            *key != object
                && self.is_ours(set)
                && (label(set, LABEL_CLUSTER), domain(set)) == place
                && at(set, "/metadata/deletionTimestamp").is_some()
        });
        if let Some((other, _)) = alone.or(going) {
            self.say(format!("rule 4: {object} is taken away while {other} is without or going"));
        }
    }

    /// Rules 7, 8 and 9: a claim goes only when nobody uses it, its set is gone or its member has left,
    /// and its data stay.
    fn claim_goes(
        &mut self,
        cluster: &Cluster,
        actor: &Actor<'_>,
        claim: &ObjectKey,
        live: &Value,
    ) {
        // One that was held up on the way may come to a world without the set it was judged by.
        let known = actor.known.unwrap_or(cluster);
        let is_declared = claim.set_of_claim().is_some_and(|set| self.declared.contains(&set.name));
        let given_up = is_given_up(known, claim);
        let left = has_left(known, claim)
            || given_up
            || actor.late && is_nobodys(cluster, claim)
            || !is_declared && is_nobodys(known, claim);
        if left {
            self.let_go.insert(claim.clone());
        }
        if !actor.may_end && !left {
            self.say(format!("rule 9: {claim} is deleted without consent"));
        }
        // Deleting a claim is never conditional; what is on its volume stays in any case.
        let world = if left { actor.known.unwrap_or(cluster) } else { cluster };
        let user = world.of_kind(Kind::Pod).find(|(_, pod)| {
            let volumes = at(pod, "/spec/volumes").and_then(Value::as_array);
            volumes
                .into_iter()
                .flatten()
                .any(|volume| text(volume, "/persistentVolumeClaim/claimName") == claim.name)
        });
        // A claim in use stays until its pod is gone, which has no life any more.
        let lives = |(_, pod): &(&ObjectKey, &Value)| !given_up || is_ready(pod);
        if let Some((pod, _)) = user.filter(lives).filter(|_| !(actor.late && left)) {
            self.say(format!("rule 7: {claim} is deleted while {pod} uses it"));
        }
        let volume = ObjectKey::global(Kind::PersistentVolume, text(live, "/spec/volumeName"));
        let policy = cluster
            .get(&volume)
            .map(|volume| text(volume, "/spec/persistentVolumeReclaimPolicy").to_owned());
        if policy.is_some_and(|policy| policy != "Retain") {
            self.say(format!("rule 7: {claim} is deleted while its data would go with it"));
        }
    }

    /// Data goes only with consent, once its claim is gone and its volume is released.
    fn data_goes(&mut self, cluster: &Cluster, actor: &Actor<'_>, volume: &ObjectKey, claim: &str) {
        let Some(live) = cluster.get(volume) else { return };
        if !actor.may_end && !claim_of(live).is_some_and(|claim| self.let_go.contains(&claim)) {
            self.say(format!("rule 9: {volume} is purged without consent"));
        }
        let mut claims = cluster.of_kind(Kind::PersistentVolumeClaim);
        let alive = claims.any(|(_, live)| text(live, "/metadata/uid") == claim);
        if alive || text(live, "/status/phase") != "Released" {
            self.say(format!("rule 7: {volume} is purged while its claim may have it"));
        }
    }

    /// After anything happened.
    pub fn after(&mut self, cluster: &Cluster) {
        let changed: Vec<String> = self
            .foreign
            .iter()
            .filter(|(key, before)| cluster.objects.get(key).map(|it| &it.value) != Some(*before))
            .map(|(key, _)| format!("rule 1: {key} of others is not as it was"))
            .collect();
        self.wrong.extend(changed);
        self.note_the_lock(cluster);
        self.claims_stay(cluster);
        self.nobody_is_at_what_is_cleared(cluster);
        if !self.lenient {
            self.nobody_leaves_undrained(cluster);
            self.quorums_hold(cluster);
        }
    }

    /// Notes when the lock was written last.
    pub(super) fn note_the_lock(&mut self, cluster: &Cluster) {
        let lease = cluster.get(&Lock::key(&self.namespace, &self.stack));
        let version = lease.map(|lease| text(lease, "/metadata/resourceVersion"));
        if version.is_some_and(|version| version != self.lock_written.0) {
            self.lock_written = (version.unwrap_or_default().to_owned(), cluster.clock_ms);
        }
    }

    /// Rule 8. The claim of a member that has left goes too, and its volume stays all the same.
    fn claims_stay(&mut self, cluster: &Cluster) {
        let volume_of = |name: &str| cluster.get(&ObjectKey::global(Kind::PersistentVolume, name));
        let mut left = BTreeSet::new();
        for (claim, (uid, volume)) in &self.kept {
            let live = cluster.get(claim).map(|live| text(live, "/metadata/uid"));
            if live == Some(uid.as_str()) {
                continue;
            }
            let stays = volume.is_empty() || volume_of(volume).is_some();
            if stays && self.let_go.contains(claim) {
                left.insert(claim.clone());
            } else {
                self.wrong.insert(format!("rule 8: {claim} is gone though its tier says retain"));
            }
        }
        self.kept.retain(|claim, _| !left.contains(claim));
        for (key, claim) in cluster.of_kind(Kind::PersistentVolumeClaim) {
            if !self.is_ours(claim) || !self.keeping.contains(label(claim, LABEL_TIER)) {
                continue;
            }
            let uid = text(claim, "/metadata/uid").to_owned();
            let name = text(claim, "/spec/volumeName");
            let kept = self.kept.entry(key.clone()).or_insert((uid, String::new()));
            name.clone_into(&mut kept.1);
            if !name.is_empty() && volume_of(name).is_none() {
                self.wrong.insert(format!("rule 8: {key} lost its volume though it is retained"));
            }
        }
    }

    /// Rule 2, by what the sets were asked for, and by whom their databases list.
    fn nobody_leaves_undrained(&mut self, cluster: &Cluster) {
        let sets: BTreeMap<ObjectKey, u64> = cluster
            .of_kind(Kind::StatefulSet)
            .map(|(key, set)| (key.clone(), replicas(set)))
            .collect();
        for (key, now) in &sets {
            let before = self.replicas.get(key).copied().unwrap_or_default();
            let members = (*now..before).filter(|it| is_member(cluster, key, *it)).count();
            if members > 0 && !self.shrunk.contains(&(key.clone(), *now)) {
                self.wrong.insert(format!("rule 2: {key} shrinks by a member that is one"));
            }
        }
        // A set that is made anew around its members is no smaller than the one before.
        self.replicas.retain(|key, _| pods_of(cluster, key).next().is_some());
        self.replicas.extend(sets);
    }

    /// Once all members of a quorum domain were ready, at most one of them is ever away; and members
    /// that store do not exist before all that vote were ready.
    fn quorums_hold(&mut self, cluster: &Cluster) {
        let mut asked: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut ready: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (_, set) in cluster.of_kind(Kind::StatefulSet).filter(|(_, set)| self.is_ours(set)) {
            let place = (label(set, LABEL_CLUSTER).to_owned(), domain(set).to_owned());
            *asked.entry(place).or_default() +=
                usize::try_from(replicas(set)).unwrap_or(usize::MAX);
        }
        let mut storing: BTreeSet<String> = BTreeSet::new();
        for (_, pod) in cluster.of_kind(Kind::Pod).filter(|(_, pod)| self.is_ours(pod)) {
            let place = (label(pod, LABEL_CLUSTER).to_owned(), label(pod, LABEL_DOMAIN).to_owned());
            if place.1 == "storing" {
                storing.insert(place.0.clone());
            }
            if is_left_alone(pod) {
                *asked.entry(place.clone()).or_default() += 1;
            }
            if is_ready(pod) {
                *ready.entry(place).or_default() += 1;
            }
        }
        // A cluster that is all gone may begin anew.
        let there: BTreeSet<&str> = asked.keys().map(|(cluster, _)| cluster.as_str()).collect();
        let lives =
            |cluster: &String| there.contains(cluster.as_str()) || storing.contains(cluster);
        self.full.retain(|(cluster, _), _| lives(cluster));
        self.ending.retain(lives);
        for (place, asked) in &asked {
            let ready = ready.get(place).copied().unwrap_or(0);
            let full = self.full.get(place).copied();
            if let Some(full) = full.filter(|_| !self.ending.contains(&place.0)) {
                let fewest = self.fewest.entry(place.clone()).or_insert((ready, full));
                if ready < fewest.0 {
                    *fewest = (ready, full);
                }
            }
            if ready == *asked {
                self.full.insert(place.clone(), ready);
            } else if full.is_some_and(|full| ready + 1 < full) && !self.ending.contains(&place.0) {
                self.say(format!("rule 4: {ready} of {full:?} members of {place:?} are ready"));
            }
        }
        for cluster in storing {
            let control = (cluster.clone(), "control".to_owned());
            if !self.full.contains_key(&control) && !self.ending.contains(&cluster) {
                self.say(format!("order: {cluster} stores before all that vote were ready"));
            }
        }
    }

    fn is_ours(&self, value: &Value) -> bool {
        label(value, LABEL_STACK) == self.stack
    }

    /// Whether a volume is bound to a claim of the stack.
    fn is_of_our_claim(&self, cluster: &Cluster, volume: &Value) -> bool {
        let claim = at(volume, "/spec/claimRef/uid");
        let mut claims = cluster.of_kind(Kind::PersistentVolumeClaim);
        claim.is_some()
            && claims.any(|(_, live)| self.is_ours(live) && at(live, "/metadata/uid") == claim)
    }
}
