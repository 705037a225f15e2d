//! Why a replica goes from where it is to where it goes, in one line.

use super::Move;
use super::apart::Rule;
use super::evacuate::Bars;
use super::fill::Wanted;
use super::layout::{Layout, Part};
use super::shares::Shares;

/// What members hold and are to hold, to tell of any move.
#[derive(Clone, Debug)]
pub struct Reasons<'a> {
    layout: &'a Layout,
    rule: Rule,
    held: Vec<u64>,
    shares: Option<Shares>,
    /// What members that take replicas hold for their share, sorted; and what those hold that take none.
    open: Vec<u64>,
    closed: Vec<u64>,
}

/// Why one replica moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The move.
    pub of: Move,
    /// Why it does not stay.
    pub excess: Excess,
    /// How much the member that gets it has before, in thousandths of its share.
    pub fill: u64,
    /// Members that have less for their share than that one and may not take it, by what bars them.
    pub barred: Bars,
    /// Members that have less for their share than that one and could take it: they get others.
    pub served: usize,
}

/// Why a replica does not stay where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The member is to hold nothing.
    Leaves,
    /// The member holds more than it may: so many bytes.
    Over(u64),
    /// The member holds more than the least it is to hold, and others less: so many thousandths of its share.
    Spares(u64),
}

impl<'a> Reasons<'a> {
    /// The reasons for moves of a layout, as it is before them.
    pub fn of(layout: &'a Layout, wanted: Wanted) -> Self {
        let held = layout.held();
        let shares = Shares::of(layout, &held, wanted.apart, wanted.tolerance).ok();
        let rule = Rule::of(layout, wanted.apart);
        let (open, closed) = (Vec::new(), Vec::new());
        let mut reasons = Self { layout, rule, held, shares, open, closed };
        for place in layout.places() {
            let fill = reasons.fill(place);
            match layout.member(place).part {
                Part::Shares => reasons.open.push(fill),
                Part::Gives | Part::Keeps => reasons.closed.push(fill),
                Part::Empties => {}
            }
        }
        reasons.open.sort_unstable();
        reasons.closed.sort_unstable();
        reasons
    }

    /// Why one of them is. Time: the logarithm of the number of members; that number where hosts or zones matter.
    pub fn why(&self, one: Move) -> Why {
        let fill = self.fill(one.to);
        let emptier = |of: &[u64]| of.partition_point(|other| *other < fill);
        let mut barred = Bars { closed: emptier(&self.closed), ..Bars::default() };
        let all = emptier(&self.open);
        if self.rule.parts_hosts() {
            self.count_bars(one, fill, &mut barred);
        } else {
            let holds =
                |it: &&u32| self.is_open(**it) && self.fill(**it) < fill && **it != one.from;
            barred.holders = self.layout.holders(one.group).iter().filter(holds).count();
        }
        let itself = self.is_open(one.from) && self.fill(one.from) < fill;
        let others = barred.holders + barred.hosts + barred.zones + usize::from(itself);
        Why {
            of: one,
            excess: self.excess(one.from),
            fill,
            barred,
            served: all.saturating_sub(others),
        }
    }

    fn is_open(&self, member: u32) -> bool {
        self.layout.member(member).part == Part::Shares
    }

    fn count_bars(&self, one: Move, fill: u64, barred: &mut Bars) {
        let at = self.layout.all_holders();
        let Some(replica) = self.layout.replicas(one.group).find(|it| at[*it] == one.from) else {
            return;
        };
        let members = self.layout.places();
        let emptier = |it: &u32| self.is_open(*it) && *it != one.from && self.fill(*it) < fill;
        for member in members.filter(emptier) {
            if let Some(bar) = self.rule.bar(self.layout, at, one.group, replica, member) {
                barred.count(bar);
            }
        }
    }

    fn excess(&self, member: u32) -> Excess {
        let place = member as usize;
        if self.layout.member(member).part == Part::Empties {
            return Excess::Leaves;
        }
        let most = self.shares.as_ref().map_or(0, |shares| shares.hi[place]);
        match self.held[place].saturating_sub(most) {
            0 => Excess::Spares(self.fill(member)),
            over => Excess::Over(over),
        }
    }

    /// What a member holds, in thousandths of its share.
    fn fill(&self, member: u32) -> u64 {
        let place = member as usize;
        self.shares.as_ref().map_or(0, |shares| shares.fill(place, self.held[place]))
    }
}

impl Why {
    /// The line, with what members and groups are called, e.g. `d3 is to hold nothing; d9 has 45.0 % of its share, passing
    /// over with less: 2 with region 7`.
    pub fn line(&self, member: impl Fn(u32) -> String, group: impl Fn(u32) -> String) -> String {
        let (from, to) = (member(self.of.from), member(self.of.to));
        let excess = match self.excess {
            Excess::Leaves => format!("{from} is to hold nothing"),
            Excess::Over(bytes) => format!("{from} holds {} more than it may", sized(bytes)),
            Excess::Spares(fill) => format!("{from} has {} of its share", percent(fill)),
        };
        let group = group(self.of.group);
        let passed = [
            (self.barred.holders, format!("with {group}")),
            (self.barred.hosts, format!("on a host with {group}")),
            (self.barred.zones, format!("in a zone with {group}")),
            (self.barred.closed, "that take none".to_owned()),
            (self.served, "given others".to_owned()),
        ];
        let passed: Vec<String> = passed
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let passed = match passed.is_empty() {
            true => String::new(),
            false => format!(", passing over with less: {}", passed.join(", ")),
        };
        format!("{excess}; {to} has {} of its share{passed}", percent(self.fill))
    }
}

/// Thousandths for people, e.g. `103.4 %`.
pub(super) fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// Bytes for people, e.g. `3.4 GiB`.
fn sized(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let tenths = |unit: usize| (u128::from(bytes) * 10) >> (10 * unit);
    let unit = (0..UNITS.len()).find(|unit| tenths(*unit) < 10_240).unwrap_or(UNITS.len() - 1);
    match unit {
        0 => format!("{bytes} B"),
        unit => format!("{}.{} {}", tenths(unit) / 10, tenths(unit) % 10, UNITS[unit]),
    }
}
