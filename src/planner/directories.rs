//! Whether the directories of local tiers can be given away: on a node that is there, and by nobody else.
//! Two volumes of one directory are two members that write over each other's data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::PlanInput;
use super::draft::PlanDraft;
use crate::desired::storage::hostname;
use crate::desired::{labels, preparation};
use crate::object::{Kind, LABEL_HOSTNAME, LABEL_STACK, LABEL_TIER, ObjectKey, at};
use crate::observed::{LiveObject, Observed};
use crate::stack::is_within;

/// Checks every volume the plan is to make. Those that are there already keep their members.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    let mut offers: Vec<Offer<'_>> = offers_there(input).collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let new = input.desired.objects.iter().filter(|(key, _)| {
        key.kind == Kind::PersistentVolume && !input.observed.objects.contains_key(key)
    });
    for (key, object) in new {
        let Some(directory) = Directory::of(&object.manifest) else { continue };
        if let Some(other) = offers.iter().find(|other| other.directory.overlaps(&directory)) {
            offered_twice(plan, key, &directory, other);
        }
        for node in &directory.nodes {
            match node_of(input.observed, node) {
                None => {
                    let tier = labels::tier_of(&object.manifest).unwrap_or_default();
                    missing.entry(tier).or_default().insert(node);
                }
                Some(live) if at(&live.value, "/spec/unschedulable") == Some(&true.into()) => {
                    plan.note(format!(
                        "Node `{node}` is cordoned: no member takes its volume until it is uncordoned."
                    ));
                }
                Some(_) => {}
            }
        }
        offers.push(Offer { name: key.to_string(), way_on: OWN_DIRECTORY.to_owned(), directory });
    }
    for (tier, nodes) in missing {
        let named: Vec<String> = nodes.iter().map(|node| format!("`{node}`")).collect();
        plan.block(
            input.stack.tier_address(tier),
            "node",
            format!("no node has the host name {}", named.join(" or ")),
            "see `kubectl get nodes -L kubernetes.io/hostname`; mend the name, or let it join first",
        );
    }
}

/// A volume that offers a directory.
struct Offer<'a> {
    /// What it is, and whose.
    name: String,
    /// What can be done about a second one that offers it.
    way_on: String,
    directory: Directory<'a>,
}

const OWN_DIRECTORY: &str = "give it a directory of its own";

fn offers_there<'a, 'i>(input: &'i PlanInput<'a>) -> impl Iterator<Item = Offer<'a>> + use<'a, 'i> {
    let stack = input.stack;
    input.observed.of_kind(Kind::PersistentVolume).filter_map(move |(key, live)| {
        let directory = Directory::of(&live.value)?;
        let (whose, way_on) = match live.label(LABEL_STACK) {
            Some(of) if *of == stack.name => (" of this stack".to_owned(), put_back(input, live)),
            Some(of) => (format!(" of stack `{of}`"), of_others()),
            None => (String::new(), of_others()),
        };
        Some(Offer { name: format!("{key}{whose}"), way_on, directory })
    })
}

fn of_others() -> String {
    format!(
        "{OWN_DIRECTORY}; or see that nothing uses that volume, remove it, and clear the directory"
    )
}

/// The data there are this stack's own: what is meant is most likely the same tier by another name.
fn put_back(input: &PlanInput<'_>, live: &LiveObject) -> String {
    let Some(tier) = live.label(LABEL_TIER) else { return of_others() };
    let address = input.stack.tier_address(tier);
    match input.stack.storage.contains_key(tier) {
        true => format!(
            "its data are those of `{address}`: leave the directory there, or {OWN_DIRECTORY}"
        ),
        false => format!(
            "its data are those of `{address}`: put that tier back into the stack, or say with \
             [[moved]] what it is called now"
        ),
    }
}

fn offered_twice(
    plan: &mut PlanDraft,
    key: &ObjectKey,
    directory: &Directory<'_>,
    other: &Offer<'_>,
) {
    let nodes = directory.nodes.join(", ");
    let name = &other.name;
    let there = if other.directory.path == directory.path { "it" } else { other.directory.path };
    plan.block(
        key,
        "directory",
        format!("{} of {nodes} would be given away twice: {name} offers {there}", directory.path),
        &other.way_on,
    );
}

/// A directory, and the nodes on which a volume offers it; on every node if it names none.
struct Directory<'a> {
    path: &'a str,
    nodes: Vec<&'a str>,
}

impl<'a> Directory<'a> {
    fn of(volume: &'a Value) -> Option<Self> {
        let path = at(volume, "/spec/local/path").or_else(|| at(volume, "/spec/hostPath/path"))?;
        let terms = at(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
        let list = |value: Option<&'a Value>| value.and_then(Value::as_array).into_iter().flatten();
        let of_host_name = list(terms)
            .flat_map(|term| list(term.get("matchExpressions")))
            .filter(|one| one["key"] == *LABEL_HOSTNAME && one["operator"] == *"In");
        let nodes = of_host_name.flat_map(|one| list(one.get("values")));
        Some(Self {
            path: path.as_str()?.trim_end_matches('/'),
            nodes: nodes.filter_map(Value::as_str).collect(),
        })
    }

    /// Whether what is written to one of the two is seen in the other.
    fn overlaps(&self, other: &Self) -> bool {
        let share_a_node = self.nodes.is_empty()
            || other.nodes.is_empty()
            || self.nodes.iter().any(|node| other.nodes.contains(node));
        share_a_node && (is_within(self.path, other.path) || is_within(other.path, self.path))
    }
}

pub(super) fn node_of<'a>(observed: &'a Observed, name: &str) -> Option<&'a LiveObject> {
    let mut nodes = observed.of_kind(Kind::Node);
    nodes.find(|(key, live)| hostname(key, live) == name).map(|(_, live)| live)
}

/// Whether the machine a volume is to be on is there and does not run.
pub(super) fn is_on_a_machine_in_trouble(input: &PlanInput<'_>, volume: &Value) -> bool {
    let directory = preparation::directory(volume);
    let node = directory.and_then(|it| node_of(input.observed, &it.node));
    let conditions = node.and_then(|node| at(&node.value, "/status/conditions")?.as_array());
    conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] != "True")
}
