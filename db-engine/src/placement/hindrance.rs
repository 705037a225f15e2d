//! What stands in the way where more moves than has to by the bound, or where members stay outside of their limits.

use super::apart::Rule;
use super::certificate::Proof;
use super::draft::Draft;
use super::evacuate::Bars;
use super::layout::Part;
use super::shares::Shares;
use super::why::percent;
use crate::placement::small;

/// What stands in the way of an outcome that is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// What is proven of the moves.
    pub proof: Proof,
    /// How many members stay outside of their limits.
    pub outside: usize,
    /// The one that is farthest outside.
    pub worst: Option<Stuck>,
}

/// A member that stays outside of its limits, and what became of each way to bring it nearer with one replica: those it
/// has, to any member, where it has too much; or any that may move, to it, where it has too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The member.
    pub member: u32,
    /// What it holds, in thousandths of its share.
    pub fill: u64,
    /// Whether it has too much.
    pub is_over: bool,
    /// Ways that are barred, and by what.
    pub barred: Bars,
    /// Ways for which there is no room.
    pub full: usize,
    /// Ways that put others as far outside as they bring this one nearer: the replica is too large.
    pub large: usize,
    /// Ways that bring all nearer together, but by less than they move.
    pub little: usize,
    /// Ways that were not taken though they bring all nearer by as much as they move.
    pub open: usize,
}

impl Hindrance {
    /// What stands in the way of a draft; `None` where nothing does. Time: at most that of looking at each replica once
    /// for the farthest member, or at each of its replicas once for each member.
    pub(super) fn of(
        draft: &Draft<'_>,
        rule: &Rule,
        shares: &Shares,
        (bound, proof): (u64, Proof),
    ) -> Option<Self> {
        let far = |place: u32| shares.outside(place as usize, draft.held[place as usize]);
        let outside = || draft.layout.places().filter(|place| far(*place) > 0);
        let count = outside().count();
        if count == 0 && draft.moved == bound {
            return None;
        }
        // Of equals the first.
        let worst = outside().rev().max_by_key(|place| far(*place));
        let worst = worst.map(|member| Stuck::of(draft, rule, shares, member));
        Some(Self { proof, outside: count, worst })
    }

    /// It in a line or two, with what members are called.
    pub fn line(&self, name: impl Fn(u32) -> String) -> String {
        let Some(worst) = &self.worst else {
            return match self.proof {
                Proof::Optimal => "Replicas move whole: nothing that evens them out moves less.",
                Proof::Within | Proof::Impossible => {
                    "Replicas move whole, and not to every member: nothing that moves less was found."
                }
            }
            .to_owned();
        };
        let members = if self.outside == 1 { "member stays" } else { "members stay" };
        let head = match self.proof {
            Proof::Impossible => "No moves bring all members within their limits",
            Proof::Within | Proof::Optimal => {
                "Nothing was found that brings all within their limits"
            }
        };
        format!("{head}: {} {members} outside. {}", self.outside, worst.line(name))
    }
}

impl Stuck {
    fn of(draft: &Draft<'_>, rule: &Rule, shares: &Shares, member: u32) -> Self {
        let place = member as usize;
        let fill = shares.fill(place, draft.held[place]);
        let is_over = shares.over(place, draft.held[place]) > 0;
        let barred = Bars::default();
        let mut stuck =
            Self { member, fill, is_over, barred, full: 0, large: 0, little: 0, open: 0 };
        let keeps = |replica: usize| draft.layout.member(draft.home(replica)).part == Part::Keeps;
        for (replica, at) in draft.at.iter().enumerate().filter(|(replica, _)| !keeps(*replica)) {
            match is_over {
                true if *at == member => {
                    for to in draft.layout.places().filter(|to| *to != member) {
                        stuck.count(draft, rule, shares, (replica, to));
                    }
                }
                false if *at != member => stuck.count(draft, rule, shares, (replica, member)),
                _ => {}
            }
        }
        stuck
    }

    fn count(
        &mut self,
        draft: &Draft<'_>,
        rule: &Rule,
        shares: &Shares,
        (replica, to): (usize, u32),
    ) {
        let is_home = draft.home(replica) == to && draft.may_go(rule, replica, to);
        if let Some(bar) = draft.bar(rule, replica, to).filter(|_| !is_home) {
            return self.barred.count(bar);
        }
        let (from, to, bytes) = (draft.at[replica] as usize, to as usize, draft.bytes(replica));
        let (gives, takes) = (draft.held[from], draft.held[to]);
        let (given, taken) = (gives.saturating_sub(bytes), takes.saturating_add(bytes));
        let far = |from_held, to_held| {
            u128::from(shares.outside(from, from_held)) + u128::from(shares.outside(to, to_held))
        };
        if taken > draft.layout.member(small(to)).room {
            self.full += 1;
            return;
        }
        match far(gives, takes).saturating_sub(far(given, taken)) {
            0 => self.large += 1,
            nearer if nearer < u128::from(bytes) => self.little += 1,
            _ => self.open += 1,
        }
    }

    fn line(&self, name: impl Fn(u32) -> String) -> String {
        let Self { barred, full, large, little, open, .. } = self;
        let Bars { closed, holders, hosts, zones } = barred;
        let all = closed + holders + hosts + zones + full + large + little + open;
        let member = name(self.member);
        let head = format!("{member} has {} of its share", percent(self.fill));
        let ways =
            if self.is_over { "take one replica off it" } else { "give it one replica more" };
        let ended = [
            (*large, "put others as far outside"),
            (*holders, "lead to a member with the same region"),
            (*hosts, "lead to a host with the same region"),
            (*zones, "lead to a zone with the same region"),
            (*closed, "lead to a member that takes none"),
            (*full, "lead to where there is no room"),
            (*little, "bring less than they move"),
            (*open, "bring all nearer together"),
        ];
        let ended = ended.iter().filter(|(count, _)| *count > 0);
        let ended: Vec<String> = ended.map(|(count, what)| format!("{count} {what}")).collect();
        match ended.is_empty() {
            true => format!("{head}, and no replica may go."),
            false if all == 1 => format!("{head}; of the 1 way to {ways}, {}.", ended.join(", ")),
            false => format!("{head}; of {all} ways to {ways}, {}.", ended.join(", ")),
        }
    }
}
