//! Where a replica may go: never to who holds its group, and not closer to the group's other replicas than need be.

use crate::placement::small;
use std::collections::BTreeSet;

use super::layout::{Layout, Part};

/// How far apart the replicas of a group are to be.
///
/// With fewer hosts or zones than a group has replicas each may have as many as it takes for all to be somewhere, as
/// even as can be: of three replicas in two zones at most two are in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Apart {
    /// On different members.
    #[default]
    Members,
    /// On different hosts, too.
    Hosts,
    /// In different zones and on different hosts, too.
    Zones,
}

/// Why a replica may not go to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// That member takes no replicas.
    Closed,
    /// It has a replica of the group, or is to get or to give one.
    Holder,
    /// Its host has as many of the group's replicas as it may.
    Host,
    /// Its zone has as many of the group's replicas as it may.
    Zone,
}

/// Who may hold what, worked out once for a layout.
#[derive(Clone, Debug)]
pub struct Rule {
    apart: Apart,
    /// How many hosts and zones have members that take replicas.
    hosts: u32,
    zones: u32,
}

impl Rule {
    /// The rule for the members as they are.
    pub fn of(layout: &Layout, apart: Apart) -> Self {
        let takes = || layout.members().iter().filter(|member| member.part == Part::Shares);
        let count = |of: BTreeSet<u32>| small(of.len());
        let hosts = count(takes().map(|member| member.host).collect());
        let zones = count(takes().map(|member| member.zone).collect());
        Self { apart, hosts, zones }
    }

    /// Whether it matters on which hosts replicas are.
    pub fn parts_hosts(&self) -> bool {
        self.apart != Apart::Members
    }

    /// How many replicas of a group of `replicas` may be on one host.
    pub fn per_host(&self, replicas: u32) -> u32 {
        if self.parts_hosts() { replicas.div_ceil(self.hosts.max(1)) } else { replicas }
    }

    /// How many replicas of a group of `replicas` may be in one zone.
    pub fn per_zone(&self, replicas: u32) -> u32 {
        if self.apart == Apart::Zones { replicas.div_ceil(self.zones.max(1)) } else { replicas }
    }

    /// What bars a replica, by its place among all, from going to a member. `at` is where all replicas are to be:
    /// [`Layout::all_holders`], with moves on top. Both where the others of its group are now and where they are to
    /// be counts, so that it does not matter which goes first. Staying in a host or zone is never barred.
    pub fn bar(
        &self,
        layout: &Layout,
        at: &[u32],
        group: u32,
        replica: usize,
        to: u32,
    ) -> Option<Bar> {
        let target = layout.member(to);
        if target.part != Part::Shares {
            return Some(Bar::Closed);
        }
        let home = layout.member(layout.all_holders()[replica]);
        let is_new_host = self.parts_hosts() && home.host != target.host;
        let mut on_host = 0;
        for ends in ends_of_others(layout, at, group, replica) {
            if ends.contains(&to) {
                return Some(Bar::Holder);
            }
            on_host += u32::from(
                is_new_host && ends.iter().any(|end| layout.member(*end).host == target.host),
            );
        }
        if is_new_host && on_host >= self.per_host(size(layout, group)) {
            return Some(Bar::Host);
        }
        self.bars_zone(layout, at, group, replica, to).then_some(Bar::Zone)
    }

    /// Whether the zone of a member has as many of the group's replicas as it may, without this one.
    pub fn bars_zone(
        &self,
        layout: &Layout,
        at: &[u32],
        group: u32,
        replica: usize,
        to: u32,
    ) -> bool {
        let zone = layout.member(to).zone;
        if self.apart != Apart::Zones || layout.member(layout.all_holders()[replica]).zone == zone {
            return false;
        }
        let is_there = |ends: &[u32; 2]| ends.iter().any(|end| layout.member(*end).zone == zone);
        let there = ends_of_others(layout, at, group, replica).filter(is_there).count();
        u32::try_from(there).is_ok_and(|there| there >= self.per_zone(size(layout, group)))
    }
}

/// Where each other replica of a group is, and where it is to be.
fn ends_of_others(
    layout: &Layout,
    at: &[u32],
    group: u32,
    replica: usize,
) -> impl Iterator<Item = [u32; 2]> {
    let others = layout.replicas(group).filter(move |other| *other != replica);
    others.map(|other| [layout.all_holders()[other], at[other]])
}

/// How many replicas a group has.
fn size(layout: &Layout, group: u32) -> u32 {
    u32::try_from(layout.replicas(group).len()).unwrap_or(u32::MAX)
}
