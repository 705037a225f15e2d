//! Which machines can take the members of a pool that are to come: where all their local volumes are free, and their
//! pods may go. The scheduler finds one, or none for ever.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::draft::PlanDraft;
use super::spread::Spread;
use super::{PlanInput, directories, tiers};
use crate::desired::{DesiredPool, preparation};
use crate::object::{ObjectKey, at};
use crate::observed::LiveObject;
use crate::plan::growth::bytes;
use crate::stack::{PodOptions, Pool, Storage, Tier, Toleration};
use crate::wording::count;

/// Refuses members that no machine can take. Whether there are volumes enough, and machines, is asked before.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (declared, pool) in tiers::pools(input) {
        let local = local(input, declared);
        let addresses: BTreeSet<String> =
            local.iter().map(|it| input.stack.tier_address(&it.tier).to_string()).collect();
        let is_refused = plan.blocked.iter().any(|it| addresses.contains(&it.address));
        if !local.is_empty() && !is_refused {
            Search::over(input, (declared, pool), local, tiers::free).check(plan, &addresses);
        }
    }
}

/// The local volumes each member of a pool has.
fn local<'a>(input: &PlanInput<'a>, pool: &'a Pool) -> Vec<&'a Storage> {
    tiers::local(input, pool).map(|(storage, _)| storage).collect()
}

/// Whether members to come find volumes only if some are cleared for them, because those that are free are not on
/// one machine.
pub(super) fn is_short(input: &PlanInput<'_>, declared: &Pool, pool: &DesiredPool) -> bool {
    let local = local(input, declared);
    if local.len() < 2 {
        return false;
    }
    let search = Search::over(input, (declared, pool), local, tiers::unused);
    search.members() > search.room()
}

/// For how many members to come there is room without some volumes.
pub(super) fn room_without<'a>(
    input: &'a PlanInput<'a>,
    pool: &DesiredPool,
    without: &BTreeSet<ObjectKey>,
) -> usize {
    let Some((declared, pool)) = tiers::pools(input).find(|(_, it)| it.set == pool.set) else {
        return 0;
    };
    let free = |input: &PlanInput<'a>, tier: &Tier| {
        let mut free = tiers::free(input, tier);
        free.retain(|volume| !without.contains(*volume));
        free
    };
    Search::over(input, (declared, pool), local(input, declared), free).room()
}

/// Whether a volume is on a machine where all volumes of a member are free or could be, with consent to all that are
/// consented to.
pub(super) fn could_take(input: &PlanInput<'_>, declared: &Pool, volume: &ObjectKey) -> bool {
    let local = local(input, declared);
    let made = input.desired.objects.get(volume);
    let node = made.and_then(|made| preparation::directory(&made.manifest)).map(|it| it.node);
    let all = by_machine(input, &local, |input, tier| {
        let mut all = tiers::fit_to_clear(input, tier);
        all.retain(|key| input.consents.contains(&key.to_string()));
        all.extend(tiers::unused(input, tier));
        all
    });
    let of_node = node.and_then(|node| all.get(&node));
    of_node.is_some_and(|of_node| {
        let mut left = of_node.clone();
        local.iter().all(|storage| take(&mut left, storage).is_some())
    })
}

/// Volumes: by machine and tier, which they are and how large.
type Volumes<'a> = BTreeMap<String, OfMachine<'a>>;

/// Those of one machine, by tier.
type OfMachine<'a> = BTreeMap<String, Vec<(u64, &'a ObjectKey)>>;

fn by_machine<'a>(
    input: &PlanInput<'a>,
    local: &[&Storage],
    of_tier: impl Fn(&PlanInput<'a>, &Tier) -> Vec<&'a ObjectKey>,
) -> Volumes<'a> {
    let names: BTreeSet<&String> = local.iter().map(|storage| &storage.tier).collect();
    let mut found = Volumes::new();
    for tier in names.into_iter().filter_map(|name| input.stack.storage.get(name)) {
        for key in of_tier(input, tier) {
            let Some(volume) = input.desired.objects.get(key) else { continue };
            let Some(directory) = preparation::directory(&volume.manifest) else { continue };
            let size = at(&volume.manifest, "/spec/capacity/storage").and_then(Value::as_str);
            let of_node = found.entry(directory.node).or_default();
            of_node.entry(tier.name.clone()).or_default().push((size.map_or(0, bytes), key));
        }
    }
    found
}

/// Machines with free volumes that the pods of a pool may not go to, and why.
fn closed(input: &PlanInput<'_>, pool: &Pool, free: &Volumes<'_>) -> BTreeMap<String, String> {
    let why = |node: &String| {
        let live = directories::node_of(input.observed, node)?;
        Some((node.clone(), why_closed(live, &pool.pod)?))
    };
    free.keys().filter_map(why).collect()
}

/// Whether pods of a pool may go to a machine, and it is not in trouble or cordoned.
pub(super) fn takes(node: &LiveObject, pod: &PodOptions) -> bool {
    why_closed(node, pod).is_none()
        && open_taints(node, pod).next().is_none()
        && !is_cordoned(node, pod)
}

/// Whether a machine is cordoned, which its taint says a moment later, and pods do not bear that.
fn is_cordoned(node: &LiveObject, pod: &PodOptions) -> bool {
    if at(&node.value, "/spec/unschedulable") != Some(&true.into()) {
        return false;
    }
    let cordon = json!({ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" });
    !pod.tolerations.iter().any(|toleration| bears(toleration, &cordon))
}

/// The taints of a machine that pods do not tolerate.
fn open_taints<'a>(node: &'a LiveObject, pod: &'a PodOptions) -> impl Iterator<Item = &'a Value> {
    let taints = at(&node.value, "/spec/taints").and_then(Value::as_array);
    let keeps_away =
        |taint: &&Value| matches!(taint["effect"].as_str(), Some("NoSchedule" | "NoExecute"));
    taints
        .into_iter()
        .flatten()
        .filter(keeps_away)
        .filter(|taint| !pod.tolerations.iter().any(|toleration| bears(toleration, taint)))
}

fn why_closed(node: &LiveObject, pod: &PodOptions) -> Option<String> {
    let lacks = pod.node_selector.iter().find(|(name, value)| node.label(name) != Some(value));
    if let Some((name, value)) = lacks {
        return Some(format!("is not labelled {name}={value}, which its pods ask for"));
    }
    // Kubernetes has taints of its own for as long as a machine is in trouble or cordoned.
    let taint = open_taints(node, pod).find(|taint| !is_of_kubernetes(taint))?;
    let text = |name: &str| taint[name].as_str().unwrap_or_default();
    let value = match text("value") {
        "" => String::new(),
        value => format!("={value}"),
    };
    let (key, effect) = (text("key"), text("effect"));
    Some(format!("has the taint {key}{value}:{effect}, which its pods do not tolerate"))
}

fn is_of_kubernetes(taint: &Value) -> bool {
    taint["key"].as_str().is_some_and(|key| key.starts_with("node.kubernetes.io/"))
}

/// Whether a toleration is of this taint, as `v1.Toleration` of Kubernetes says it.
fn bears(toleration: &Toleration, taint: &Value) -> bool {
    let Toleration { key, operator, value, effect, .. } = toleration;
    let is_any = operator.as_deref() == Some("Exists");
    let says = |name: &str| taint[name].as_str().unwrap_or_default();
    effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == says("effect"))
        && match key.as_deref().unwrap_or_default() {
            "" => is_any,
            key => key == says("key"),
        }
        && (is_any || value.as_deref().unwrap_or_default() == says("value"))
}

struct Search<'a> {
    input: &'a PlanInput<'a>,
    pool: &'a DesiredPool,
    local: Vec<&'a Storage>,
    free: Volumes<'a>,
    closed: BTreeMap<String, String>,
    /// How its members are spread, where that is demanded.
    spread: Option<Spread>,
    /// Claims that need a volume.
    needed: BTreeSet<ObjectKey>,
}

impl<'a> Search<'a> {
    /// Over the volumes of the tiers that are free by this word.
    fn over(
        input: &'a PlanInput<'a>,
        (declared, pool): (&Pool, &'a DesiredPool),
        local: Vec<&'a Storage>,
        of_tier: impl Fn(&PlanInput<'a>, &Tier) -> Vec<&'a ObjectKey>,
    ) -> Self {
        let free = by_machine(input, &local, of_tier);
        let closed = closed(input, declared, &free);
        let spread = Spread::of(input, pool, &declared.pod);
        let names: BTreeSet<&String> = local.iter().map(|storage| &storage.tier).collect();
        let tiers = names.into_iter().filter_map(|name| input.stack.storage.get(name));
        let needed = tiers.flat_map(|tier| tiers::needed(input, tier)).collect();
        Self { input, pool, local, free, closed, spread, needed }
    }

    fn check(&self, plan: &mut PlanDraft, addresses: &BTreeSet<String>) {
        let (members, room) = (self.members(), self.room());
        if members > room {
            let reason = self.reason(members, room, addresses);
            let is_crowded = self.places().values().any(Places::are_left);
            let help = match (self.closed.is_empty(), is_crowded) {
                (true, true) => "offer volumes on machines that have no member of the pool",
                (true, false) => {
                    "add the volumes that are missing to the tiers, on the machines that have the others"
                }
                (false, _) => {
                    "let its pods go there, by `tolerations` or `node_selector` of its `pod`, or offer volumes \
                     where they may go"
                }
            };
            let help = format!("{help}{}", self.to_clear());
            plan.block(&self.pool.set, "volumes", reason, help);
        }
    }

    fn reason(&self, members: usize, room: usize, addresses: &BTreeSet<String>) -> String {
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let volumes = match self.local.len() {
            1 => format!("a volume of {}", addresses.concat()),
            _ => format!("volumes of {} on one machine", addresses.join(" and ")),
        };
        let need = match members {
            1 => format!("1 member to come needs {volumes}"),
            more => format!("{more} members to come need {volumes} each"),
        };
        let free = match room {
            0 => "none".to_owned(),
            room => format!("{room} of them"),
        };
        let lacking = match self.lacking() {
            lacking if lacking.is_empty() => String::new(),
            lacking => format!(": {}", lacking.join("; ")),
        };
        format!("{need}, where its pods may go; there is room for {free}{lacking}")
    }

    /// How many members there is room for, where their pods may go.
    fn room(&self) -> usize {
        self.places().values().map(|places| places.taken).sum()
    }

    /// The places for members on the machines where pods may go.
    fn places(&self) -> BTreeMap<&str, Places> {
        let open = self.free.iter().filter(|(node, _)| !self.closed.contains_key(*node));
        let places = open.map(|(node, of_node)| {
            let all = self.members_on(of_node);
            (node.as_str(), Places { all, taken: if self.spread.is_some() { 0 } else { all } })
        });
        let mut places: BTreeMap<&str, Places> = places.collect();
        let Some(mut spread) = self.spread.clone() else { return places };
        // Where the fewest are there is always room for one more.
        while let Some((node, places)) = places
            .iter_mut()
            .filter(|(node, places)| places.are_left() && spread.allows(node))
            .min_by_key(|(node, _)| spread.members_on(node))
        {
            places.taken += 1;
            spread.take(node);
        }
        places
    }

    /// The way on by clearing volumes of the first machine that could then take a member.
    fn to_clear(&self) -> String {
        let released = by_machine(self.input, &self.local, tiers::fit_to_clear);
        let open = released.iter().filter(|(node, _)| !self.closed.contains_key(*node));
        let mut cleared = open.filter_map(|(node, released)| self.cleared_for_one(node, released));
        let Some(cleared) = cleared.next() else { return String::new() };
        let consents: Vec<String> =
            cleared.into_iter().map(|key| format!("--consent {key}")).collect();
        format!(
            "; or, once nobody needs the data on it, have what is on one machine cleared and used again with {}",
            consents.join(" ")
        )
    }

    /// Which released volumes of a machine a member would have, beside those that are free there.
    fn cleared_for_one<'v>(
        &self,
        node: &str,
        released: &OfMachine<'v>,
    ) -> Option<Vec<&'v ObjectKey>> {
        let mut free = self.free.get(node).cloned().unwrap_or_default();
        let mut released = released.clone();
        let mut cleared = Vec::new();
        for storage in &self.local {
            if take(&mut free, storage).is_none() {
                cleared.push(take(&mut released, storage)?);
            }
        }
        Some(cleared)
    }

    /// How many members have no volume yet. One that has some of its volumes comes back to their machine.
    fn members(&self) -> usize {
        let is_new =
            |ordinal: &u32| self.pool.claims_of(*ordinal).all(|claim| self.needed.contains(&claim));
        (0..self.pool.replicas()).filter(is_new).count()
    }

    /// How many members the free volumes of a machine are enough for.
    fn members_on(&self, of_node: &OfMachine<'_>) -> usize {
        let mut members = 0;
        let mut left = of_node.clone();
        while self.local.iter().all(|storage| take(&mut left, storage).is_some()) {
            members += 1;
        }
        members
    }

    /// Machines that have free volumes and take none of the members, and why.
    fn lacking(&self) -> Vec<String> {
        let places = self.places();
        let of_node = |(node, free): (&String, &OfMachine<'_>)| {
            if let Some(why) = self.closed.get(node) {
                return Some(format!("{node} {why}"));
            }
            let crowded = places.get(node.as_str()).filter(|places| places.are_left());
            if let Some(Places { all, taken }) = crowded {
                let all = count(*all, "member");
                return Some(format!(
                    "{node} has volumes for {all} and takes {taken}, to keep the pool's members on machines of \
                     their own"
                ));
            }
            let mut left = free.clone();
            let missing = self.local.iter().find(|storage| take(&mut left, storage).is_none())?;
            let tier = self.input.stack.tier_address(&missing.tier);
            Some(format!("{node} has no free one of {} in {tier}", missing.size))
        };
        self.free.iter().filter_map(of_node).take(NAMED_MAX).collect()
    }
}

/// Places for members on a machine.
struct Places {
    /// As many as there are volumes for.
    all: usize,
    /// As many as may come, so that members are spread.
    taken: usize,
}

impl Places {
    fn are_left(&self) -> bool {
        self.taken < self.all
    }
}

/// Machines a message names.
const NAMED_MAX: usize = 3;

/// Takes the smallest of the free volumes that is large enough, as the scheduler does.
fn take<'a>(left: &mut OfMachine<'a>, storage: &Storage) -> Option<&'a ObjectKey> {
    let volumes = left.get_mut(&storage.tier)?;
    let fitting = volumes.iter().enumerate().filter(|(_, (size, _))| *size >= storage.size.bytes());
    let (index, _) = fitting.min_by_key(|(_, (size, _))| *size)?;
    Some(volumes.remove(index).1)
}
