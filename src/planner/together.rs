//! Members with several local volumes: all of them must be on one machine, and the scheduler finds one, or none.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::PlanDraft;
use super::{PlanInput, tiers};
use crate::desired::{DesiredPool, preparation};
use crate::object::at;
use crate::plan::growth::bytes;
use crate::stack::{Pool, Storage};

/// Refuses members that no machine has all volumes for.
pub fn check(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (declared, pool) in tiers::pools(input) {
        let local = local(input, declared);
        let addresses: BTreeSet<String> =
            local.iter().map(|it| input.stack.tier_address(&it.tier).to_string()).collect();
        let is_refused = plan.blocked.iter().any(|it| addresses.contains(&it.address));
        if local.len() > 1 && !is_refused {
            Search { input, pool, free: free(input, &local), local }.check(plan, &addresses);
        }
    }
}

/// The local volumes each member of a pool has.
fn local<'a>(input: &PlanInput<'a>, pool: &'a Pool) -> Vec<&'a Storage> {
    let tiers = &input.stack.storage;
    let is_local =
        |storage: &&Storage| tiers.get(&storage.tier).is_some_and(|tier| tier.is_local());
    pool.storage().map(|(_, storage)| storage).filter(is_local).collect()
}

/// Free volumes: by machine and tier, how large each is.
type Free = BTreeMap<String, BTreeMap<String, Vec<u64>>>;

fn free(input: &PlanInput<'_>, local: &[&Storage]) -> Free {
    let names: BTreeSet<&String> = local.iter().map(|storage| &storage.tier).collect();
    let mut free = Free::new();
    for tier in names.into_iter().filter_map(|name| input.stack.storage.get(name)) {
        for key in tiers::free(input, tier) {
            let Some(volume) = input.desired.objects.get(key) else { continue };
            let Some(directory) = preparation::directory(&volume.manifest) else { continue };
            let size = at(&volume.manifest, "/spec/capacity/storage").and_then(|it| it.as_str());
            let of_node = free.entry(directory.node).or_default();
            of_node.entry(tier.name.clone()).or_default().push(size.map_or(0, bytes));
        }
    }
    free
}

struct Search<'a> {
    input: &'a PlanInput<'a>,
    pool: &'a DesiredPool,
    local: Vec<&'a Storage>,
    free: Free,
}

impl Search<'_> {
    fn check(&self, plan: &mut PlanDraft, addresses: &BTreeSet<String>) {
        let members = self.members();
        let room: usize = self.free.values().map(|of_node| self.members_on(of_node)).sum();
        if members <= room {
            return;
        }
        let (addresses, machines): (Vec<&str>, _) =
            (addresses.iter().map(String::as_str).collect(), self.lacking());
        let lack = match machines.as_slice() {
            [] => String::new(),
            machines => format!(": {}", machines.join("; ")),
        };
        plan.block(
            &self.pool.set,
            "volumes",
            format!(
                "{} on one machine, and such are free for {}{lack}",
                match members {
                    1 => format!("1 member to come needs volumes of {}", addresses.join(" and ")),
                    more => format!(
                        "{more} members to come need volumes of {}",
                        addresses.join(" and ")
                    ),
                },
                match room {
                    0 => "none".to_owned(),
                    room => format!("{room} of them"),
                },
            ),
            "add the volumes that are missing to the tiers, on the machines that have the others",
        );
    }

    /// How many members have no volume yet. One that has some of its volumes comes back to their machine.
    fn members(&self) -> usize {
        let is_new = |ordinal: &u32| {
            let mut claims = self.pool.claims_of(*ordinal);
            claims.all(|claim| tiers::is_without_volume(self.input, &claim))
        };
        (0..self.pool.replicas()).filter(is_new).count()
    }

    /// How many members the free volumes of a machine are enough for.
    fn members_on(&self, of_node: &BTreeMap<String, Vec<u64>>) -> usize {
        let mut members = 0;
        let mut left = of_node.clone();
        while self.local.iter().all(|storage| take(&mut left, storage)) {
            members += 1;
        }
        members
    }

    /// Machines where some of a member's volumes are free and others are not, and what is missing there.
    fn lacking(&self) -> Vec<String> {
        let of_node = |(node, free): (&String, &BTreeMap<String, Vec<u64>>)| {
            let mut left = free.clone();
            let missing = self.local.iter().find(|storage| !take(&mut left, storage))?;
            let tier = self.input.stack.tier_address(&missing.tier);
            Some(format!("{node} has no free one of {} in {tier}", missing.size))
        };
        self.free.iter().filter_map(of_node).take(NAMED_MAX).collect()
    }
}

/// Machines a message names.
const NAMED_MAX: usize = 3;

/// Takes the smallest of the free volumes that is large enough, as the scheduler does.
fn take(left: &mut BTreeMap<String, Vec<u64>>, storage: &Storage) -> bool {
    let Some(sizes) = left.get_mut(&storage.tier) else { return false };
    let fitting = sizes.iter().enumerate().filter(|(_, size)| **size >= storage.size.bytes());
    let Some((index, _)) = fitting.min_by_key(|(_, size)| **size) else { return false };
    sizes.remove(index);
    true
}
