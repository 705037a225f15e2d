//! Members that take replicas, the one that lacks most first.

use crate::placement::small;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::apart::{Apart, Rule};
use super::draft::Draft;
use super::layout::Part;

/// Zones up to so many are kept apart, so that a zone a replica may not go to is passed over at once.
const MOST_ZONES: usize = 16;

/// Members in the order of what they lack, by zones where these matter.
pub(super) struct Takers<'a> {
    rule: &'a Rule,
    hi: &'a [u64],
    /// The group of members each one is in.
    lane: Vec<u32>,
    lanes: Vec<BTreeSet<(Reverse<i128>, u32)>>,
    lack: Vec<i128>,
    /// The most a member may hold more than it lacks.
    slack: i128,
}

impl<'a> Takers<'a> {
    /// Takers by what each lacks in bytes; `None` for those that take nothing.
    pub(super) fn of(
        draft: &Draft<'_>,
        rule: &'a Rule,
        apart: Apart,
        lack: &[Option<i128>],
        hi: &'a [u64],
    ) -> Self {
        let members = draft.layout.members();
        let mut lanes: BTreeMap<u32, u32> = BTreeMap::new();
        for member in members.iter().filter(|_| apart == Apart::Zones) {
            let next = small(lanes.len());
            lanes.entry(member.zone).or_insert(next);
        }
        let is_by_zone = apart == Apart::Zones && lanes.len() <= MOST_ZONES;
        let lane_of = |zone: u32| if is_by_zone { lanes[&zone] } else { 0 };
        let lane: Vec<u32> = members.iter().map(|member| lane_of(member.zone)).collect();
        let mut sets = vec![BTreeSet::new(); lanes.len().clamp(1, MOST_ZONES)];
        let mut slack = 0;
        for ((place, member), lack) in (0..).zip(members).zip(lack) {
            if let Some(lack) = lack.filter(|_| member.part == Part::Shares) {
                let most = i128::from(hi[place as usize]) - i128::from(draft.held[place as usize]);
                slack = slack.max(most - lack);
                sets[lane[place as usize] as usize].insert((Reverse(lack), place));
            }
        }
        let lack = lack.iter().map(|lack| lack.unwrap_or(0)).collect();
        Self { rule, hi, lane, lanes: sets, lack, slack }
    }

    /// The member that lacks most of those a replica may go to and fits on, other than where it is to be.
    pub(super) fn neediest(&self, draft: &Draft<'_>, replica: usize) -> Option<u32> {
        let (group, bytes) = (draft.layout.group_of(replica), draft.bytes(replica));
        let takes = |member: u32| {
            member != draft.at[replica]
                && draft.held[member as usize].saturating_add(bytes) <= self.hi[member as usize]
                && self.rule.bar(draft.layout, &draft.at, group, replica, member).is_none()
        };
        let can_fit = |lack: i128| lack.saturating_add(self.slack) >= i128::from(bytes);
        let mut best: Option<(Reverse<i128>, u32)> = None;
        for lane in &self.lanes {
            let Some((_, first)) = lane.first() else { continue };
            let is_zone = self.lanes.len() > 1;
            if is_zone && self.rule.bars_zone(draft.layout, &draft.at, group, replica, *first) {
                continue;
            }
            let better = lane.iter().take_while(|it| best.is_none_or(|best| **it < best));
            let mut large = better.take_while(|(lack, _)| can_fit(lack.0));
            best = large.find(|(_, member)| takes(*member)).copied().or(best);
        }
        best.map(|(_, member)| member)
    }

    /// Tells that a member has so many bytes more.
    pub(super) fn give(&mut self, member: u32, bytes: u64) {
        self.shift(member, -i128::from(bytes));
    }

    /// Tells that a member has so many bytes less.
    pub(super) fn take(&mut self, member: u32, bytes: u64) {
        self.shift(member, i128::from(bytes));
    }

    fn shift(&mut self, member: u32, by: i128) {
        let lane = &mut self.lanes[self.lane[member as usize] as usize];
        let lack = &mut self.lack[member as usize];
        let was_there = lane.remove(&(Reverse(*lack), member));
        *lack += by;
        if was_there {
            lane.insert((Reverse(*lack), member));
        }
    }
}
