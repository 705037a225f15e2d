//! How the members of a pool are spread over machines, where the stack demands it: Kubernetes puts no member on a
//! machine that has more of them than another one it may go to.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{PlanInput, condemned, machines, tiers};
use crate::desired::storage::hostname;
use crate::desired::{DesiredPool, preparation};
use crate::object::{Kind, at};
use crate::stack::PodOptions;

/// Members of a pool by machine, those it may go to among them also where they have none.
#[derive(Clone)]
pub(super) struct Spread(BTreeMap<String, usize>);

impl Spread {
    /// As it is; `None`: it is not demanded.
    pub(super) fn of(
        input: &PlanInput<'_>,
        pool: &DesiredPool,
        options: &PodOptions,
    ) -> Option<Self> {
        let set = &input.desired.objects.get(&pool.set)?.manifest;
        let what = "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable";
        if at(set, what).and_then(Value::as_str) != Some("DoNotSchedule") {
            return None;
        }
        let nodes = input.observed.of_kind(Kind::Node);
        let open = nodes.filter(|(_, live)| machines::takes(live, options));
        let mut members: BTreeMap<String, usize> =
            open.map(|(key, live)| (hostname(key, live), 0)).collect();
        for ordinal in 0..pool.replicas() {
            let of_member = pool.claims_of(ordinal);
            let with_volume = of_member.filter(|claim| !tiers::is_without_volume(input, claim));
            let machine = with_volume.filter_map(|claim| {
                let live = input.observed.objects.get(&claim)?;
                let (_, volume) = condemned::volume_of(input, live)?;
                Some(preparation::directory(&volume.value)?.node)
            });
            // All volumes of a member are on one machine.
            if let Some(machine) = machine.take(1).next() {
                *members.entry(machine).or_default() += 1;
            }
        }
        Some(Self(members))
    }

    /// Whether one more may go to a machine, as `PodTopologySpread` of kube-scheduler says it, with a `maxSkew` of 1.
    pub(super) fn allows(&self, machine: &str) -> bool {
        let least = self.0.values().min().copied().unwrap_or(0);
        self.0.get(machine).is_none_or(|members| *members <= least)
    }

    /// One more went there.
    pub(super) fn take(&mut self, machine: &str) {
        *self.0.entry(machine.to_owned()).or_default() += 1;
    }

    /// How many are on a machine.
    pub(super) fn members_on(&self, machine: &str) -> usize {
        self.0.get(machine).copied().unwrap_or(0)
    }
}
