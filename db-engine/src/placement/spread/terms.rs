//! What a new group has to keep, who may be in one, and whether there are enough.

use crate::placement::small;
use std::collections::BTreeMap;
use std::ops::Range;

use super::super::apart::{Apart, Rule};
use super::super::layout::{Layout, Member, Part};
use super::{NewGroups, NoWay};

/// What a new group has to keep, and who may be in one.
pub(super) struct Terms {
    /// How many replicas a group has.
    pub(super) replicas: u32,
    /// How many of them a host and a zone may have; any number where hosts or zones do not matter.
    pub(super) per_host: u32,
    pub(super) per_zone: u32,
    /// Hosts and zones of all members, by place.
    pub(super) hosts: Vec<u32>,
    pub(super) zones: Vec<u32>,
    /// Members that take replicas, by zone, by host, by place, as far as these matter.
    pub(super) takers: Vec<u32>,
    /// The takers of each host in each zone, by their places in that list. Where hosts do not
    /// matter all are on one, where zones do not all are in one.
    pub(super) by_zone: Vec<Vec<Range<usize>>>,
}

impl Terms {
    pub(super) fn of(layout: &Layout, wanted: &NewGroups) -> Result<Self, NoWay> {
        let replicas = wanted.replicas;
        if replicas == 0 {
            return Err(NoWay::Empty);
        }
        let in_all = u64::from(wanted.groups) * u64::from(replicas) + layout.replica_count() as u64;
        if in_all > u64::from(u32::MAX) {
            return Err(NoWay::TooMany { replicas: in_all });
        }
        let rule = Rule::of(layout, wanted.apart);
        let (by_host, by_zone) = (wanted.apart != Apart::Members, wanted.apart == Apart::Zones);
        let mut terms = Self {
            replicas,
            per_host: if by_host { rule.per_host(replicas) } else { u32::MAX },
            per_zone: if by_zone { rule.per_zone(replicas) } else { u32::MAX },
            hosts: layout.members().iter().map(|member| member.host).collect(),
            zones: layout.members().iter().map(|member| member.zone).collect(),
            takers: (0..).zip(layout.members()).filter_map(taker).collect(),
            by_zone: Vec::new(),
        };
        if by_zone {
            terms.whole_hosts()?;
        }
        terms.order(by_host, by_zone);
        terms.enough()?;
        Ok(terms)
    }

    /// No host is in two zones.
    fn whole_hosts(&self) -> Result<(), NoWay> {
        let mut zone_of = BTreeMap::new();
        for taker in &self.takers {
            let (host, zone) = (self.hosts[*taker as usize], self.zones[*taker as usize]);
            let first = *zone_of.entry(host).or_insert(zone);
            if first != zone {
                return Err(NoWay::Torn { host, zones: [first, zone] });
            }
        }
        Ok(())
    }

    fn order(&mut self, by_host: bool, by_zone: bool) {
        let zone = |it: u32| if by_zone { self.zones[it as usize] } else { 0 };
        let host = |it: u32| if by_host { self.hosts[it as usize] } else { 0 };
        self.takers.sort_by_key(|it| (zone(*it), host(*it), *it));
        let mut start = 0;
        for in_zone in self.takers.chunk_by(|one, next| zone(*one) == zone(*next)) {
            let mut on_hosts = Vec::new();
            for on_host in in_zone.chunk_by(|one, next| host(*one) == host(*next)) {
                on_hosts.push(start..start + on_host.len());
                start += on_host.len();
            }
            self.by_zone.push(on_hosts);
        }
    }

    /// Whether one group has enough members to go to; then any number has.
    fn enough(&self) -> Result<(), NoWay> {
        let (members, needed) = (small(self.takers.len()), self.replicas);
        if members < needed {
            return Err(NoWay::Members { members, needed });
        }
        let in_zone = |hosts: &Vec<Range<usize>>| {
            let takes = hosts.iter().map(|it| u64::from(self.per_host).min(it.len() as u64));
            takes.sum::<u64>()
        };
        let on_hosts: u64 = self.by_zone.iter().map(in_zone).sum();
        if on_hosts < u64::from(needed) {
            let hosts = small(self.by_zone.iter().map(Vec::len).sum());
            let (per_host, takes) = (self.per_host, small(on_hosts as usize));
            return Err(NoWay::Hosts { hosts, per_host, takes, needed });
        }
        let limited = self.by_zone.iter().map(|it| in_zone(it).min(u64::from(self.per_zone)));
        let in_zones: u64 = limited.sum();
        if in_zones < u64::from(needed) {
            let (zones, takes) = (small(self.by_zone.len()), small(in_zones as usize));
            return Err(NoWay::Zones { zones, per_zone: self.per_zone, takes, needed });
        }
        Ok(())
    }

    /// With how many others each taker may share a group, by its place in the list of takers.
    pub(super) fn partners(&self) -> Vec<u32> {
        let mut partners = Vec::with_capacity(self.takers.len());
        for in_zone in &self.by_zone {
            let size: usize = in_zone.iter().map(Range::len).sum();
            for on_host in in_zone {
                let beside = if self.per_zone == 1 {
                    size
                } else if self.per_host == 1 {
                    on_host.len()
                } else {
                    1
                };
                partners.extend(on_host.clone().map(|_| small(self.takers.len() - beside)));
            }
        }
        partners
    }

    /// Whether two takers may share a group.
    pub(super) fn may_share(&self, one: u32, other: u32) -> bool {
        let same = |of: &[u32]| of[one as usize] == of[other as usize];
        (self.per_host > 1 || !same(&self.hosts)) && (self.per_zone > 1 || !same(&self.zones))
    }
}

fn taker((place, member): (u32, &Member)) -> Option<u32> {
    (member.part == Part::Shares).then_some(place)
}
