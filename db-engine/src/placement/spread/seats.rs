//! Who sits in which group: lawful from the start, and after every exchange.

use super::Terms;

/// The members of groups, one group after another.
pub(super) struct Seats<'a> {
    terms: &'a Terms,
    pub(super) holders: Vec<u32>,
}

impl<'a> Seats<'a> {
    /// Seats for so many groups, nobody in them.
    pub(super) fn empty(terms: &'a Terms, groups: u32) -> Self {
        Self { terms, holders: vec![u32::MAX; groups as usize * terms.replicas as usize] }
    }

    /// The members of a group.
    pub(super) fn group(&self, group: usize) -> &[u32] {
        let size = self.terms.replicas as usize;
        &self.holders[group * size..(group + 1) * size]
    }

    /// Whether the members in two seats may change places: neither group gets one twice, nor a host
    /// or a zone more often than it may be.
    pub(super) fn may_exchange(&self, one: (usize, usize), other: (usize, usize)) -> bool {
        let (here, there) = (self.group(one.0), self.group(other.0));
        let (leaves, comes) = (here[one.1], there[other.1]);
        leaves != comes
            && self.may_come(here, one.1, leaves, comes)
            && self.may_come(there, other.1, comes, leaves)
    }

    /// Whether a member may come into a group for one that leaves its seat.
    fn may_come(&self, group: &[u32], seat: usize, leaves: u32, comes: u32) -> bool {
        let terms = self.terms;
        let stays = || group.iter().enumerate().filter(|(at, _)| *at != seat).map(|(_, it)| *it);
        if stays().any(|it| it == comes) {
            return false;
        }
        let fits = |of: &[u32], most: u32| {
            let (left, come) = (of[leaves as usize], of[comes as usize]);
            most >= terms.replicas
                || left == come
                || stays().filter(|it| of[*it as usize] == come).count() < most as usize
        };
        fits(&terms.hosts, terms.per_host) && fits(&terms.zones, terms.per_zone)
    }

    /// Exchanges the members in two seats.
    pub(super) fn exchange(&mut self, one: (usize, usize), other: (usize, usize)) {
        let size = self.terms.replicas as usize;
        self.holders.swap(one.0 * size + one.1, other.0 * size + other.1);
    }
}

/// Winds members around groups (McNaughton 1959): `row` is members and how many replicas each
/// takes, those of one host and of one zone beside each other, as many in all as there are seats.
/// The groups are those `group_at` names.
pub(super) fn wind(
    seats: &mut Seats<'_>,
    row: impl Iterator<Item = (u32, u32)>,
    groups: usize,
    group_at: impl Fn(usize) -> usize,
) {
    let size = seats.terms.replicas as usize;
    let (mut seat, mut at) = (0, 0);
    for (member, count) in row {
        for _ in 0..count {
            seats.holders[group_at(at) * size + seat] = member;
            at += 1;
            if at == groups {
                (seat, at) = (seat + 1, 0);
            }
        }
    }
}
