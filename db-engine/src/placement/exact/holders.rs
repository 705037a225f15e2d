//! From the members that are to hold a group to the replicas that go there.

use super::super::draft::Draft;
use super::problem::{Problem, bits};

/// Has each seat hold its set.
pub(super) fn settle(draft: &mut Draft<'_>, problem: &Problem, sets: &[u64]) {
    for (at, group) in problem.groups.iter().enumerate() {
        let changes =
            problem.seats.iter().zip(sets).any(|(seat, set)| (seat.now ^ set) >> at & 1 == 1);
        if !changes {
            continue;
        }
        let is_seat = |member: &u32| problem.seats.iter().any(|seat| seat.member == *member);
        let places = draft.layout.replicas(*group);
        let mut holders: Vec<u32> =
            draft.at[places].iter().filter(|member| !is_seat(member)).copied().collect();
        let takes = problem.seats.iter().zip(sets);
        let takes = takes.filter(|(_, set)| bits(**set).any(|bit| bit == at));
        holders.extend(takes.map(|(seat, _)| seat.member));
        hold(draft, *group, &holders);
    }
}

/// Has these members hold a group whose replicas are of one size: who holds it already keeps its replica, and the others
/// get theirs from the same host first, from the same zone next, so that no order of the moves brings replicas closer
/// together than they are before or after.
pub(in super::super) fn hold(draft: &mut Draft<'_>, group: u32, holders: &[u32]) {
    let layout = draft.layout;
    let places: Vec<usize> = layout.replicas(group).collect();
    let homes: Vec<u32> = places.iter().map(|place| draft.home(*place)).collect();
    let mut come: Vec<u32> = holders.iter().filter(|it| !homes.contains(it)).copied().collect();
    come.sort_unstable();
    let mut go: Vec<usize> = Vec::new();
    for place in places {
        let home = draft.home(place);
        if holders.contains(&home) {
            draft.send(place, home);
        } else {
            go.push(place);
        }
    }
    let host = |member: u32| layout.member(member).host;
    let zone = |member: u32| layout.member(member).zone;
    let fits: [&dyn Fn(u32, u32) -> bool; 3] = [
        &|from, to| host(from) == host(to) && zone(from) == zone(to),
        &|from, to| zone(from) == zone(to),
        &|_, _| true,
    ];
    for fits in fits {
        go.retain(|place| {
            let from = layout.all_holders()[*place];
            let at = come.iter().position(|to| fits(from, *to));
            if let Some(at) = at {
                draft.send(*place, come.remove(at));
            }
            at.is_none()
        });
    }
}
