//! Laws of the rounds moves run in, and what they are against the least there can be.

use db_engine::placement::Move;
use db_engine::placement::rounds::{Limits, Rounds, Stuck, rounds};
use proptest::prelude::*;

const MEMBERS: u32 = 8;

fn moves(ends: Vec<(u32, u32, u32)>) -> Vec<Move> {
    let all = ends.into_iter().enumerate().filter(|(_, (from, to, _))| from != to);
    all.map(|(place, (from, to, bytes))| Move {
        group: u32::try_from(place).unwrap(),
        from,
        to,
        bytes: u64::from(bytes),
    })
    .collect()
}

/// Moves between any members.
fn any() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec((0..MEMBERS, 0..MEMBERS, 1..9_u32), 0..60).prop_map(moves)
}

/// Moves from old members to new ones.
fn to_new() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec((0..5_u32, 5..MEMBERS, 1..9_u32), 0..60).prop_map(moves)
}

fn at_once() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1..4_u32, MEMBERS as usize)
}

const ROOM: [u64; MEMBERS as usize] = [u64::MAX / 2; MEMBERS as usize];

fn lawful(moves: &[Move], limits: &Limits<'_>, found: &Rounds) {
    let mut all: Vec<usize> = found.rounds.concat();
    all.sort_unstable();
    assert_eq!(all, (0..moves.len()).collect::<Vec<_>>(), "each move runs once");
    let mut room = limits.room.to_vec();
    for round in &found.rounds {
        assert!(!round.is_empty());
        assert!(limits.overall.is_none_or(|most| round.len() <= most as usize), "{round:?}");
        let of = |member: u32| {
            let is_its = |it: &&usize| moves[**it].from == member || moves[**it].to == member;
            round.iter().filter(is_its).count()
        };
        for (member, most) in (0..).zip(limits.at_once) {
            assert!(of(member) <= *most as usize, "{member} in {round:?}");
        }
        let mut groups: Vec<u32> = round.iter().map(|it| moves[*it].group).collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(groups.len(), round.len(), "one replica of a group at a time");
        for one in round.iter().map(|it| &moves[*it]) {
            let left = room[one.to as usize].checked_sub(one.bytes);
            room[one.to as usize] = left.expect("it fits before anything has gone");
        }
        for one in round.iter().map(|it| &moves[*it]) {
            room[one.from as usize] += one.bytes;
        }
    }
    assert!(found.rounds.len() >= found.bound);
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn old_to_new_takes_as_many_rounds_as_the_busiest_member(moves in to_new(), at_once in at_once()) {
        let limits = Limits { at_once: &at_once, overall: None, room: &ROOM };
        let found = rounds(&moves, &limits).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert_eq!(found.rounds.len(), found.bound);
    }

    #[test]
    fn a_limit_for_all_is_kept_at_no_cost(moves in to_new(), at_once in at_once(), most in 1..9_u32) {
        let limits = Limits { at_once: &at_once, overall: Some(most), room: &ROOM };
        let found = rounds(&moves, &limits).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert_eq!(found.rounds.len(), found.bound);
    }

    #[test]
    fn between_any_members_it_is_lawful_and_never_twice_the_bound(moves in any(), at_once in at_once()) {
        let limits = Limits { at_once: &at_once, overall: None, room: &ROOM };
        let found = rounds(&moves, &limits).unwrap();
        lawful(&moves, &limits, &found);
        prop_assert!(found.rounds.len() < 2 * found.bound.max(1));
    }

    #[test]
    fn a_group_never_has_two_replicas_under_way(mut moves in any(), at_once in at_once()) {
        for one in &mut moves {
            one.group %= 5;
        }
        let limits = Limits { at_once: &at_once, overall: Some(4), room: &ROOM };
        lawful(&moves, &limits, &rounds(&moves, &limits).unwrap());
    }

    #[test]
    fn room_is_never_overdrawn(moves in any(), at_once in at_once(), room in prop::collection::vec(0..60_u64, MEMBERS as usize)) {
        let limits = Limits { at_once: &at_once, overall: None, room: &room };
        match rounds(&moves, &limits) {
            Ok(found) => lawful(&moves, &limits, &found),
            Err(Stuck { moves: stuck }) => prop_assert!(!stuck.is_empty()),
        }
    }

    /// Against all ways there are, on graphs that have odd circles.
    #[test]
    fn few_moves_take_at_most_one_round_more_than_the_best(ends in prop::collection::vec((0..4_u32, 0..4_u32, Just(1_u32)), 1..8)) {
        let moves = moves(ends);
        let at_once = [1; 4];
        let limits = Limits { at_once: &at_once, overall: None, room: &[u64::MAX / 2; 4] };
        let found = rounds(&moves, &limits).unwrap();
        prop_assert!(found.rounds.len() <= best(&moves, &mut Vec::new()) + 1);
    }
}

/// The fewest rounds, by trying all.
fn best(moves: &[Move], rounds: &mut Vec<Vec<Move>>) -> usize {
    let Some((first, rest)) = moves.split_first() else { return rounds.len() };
    let meets = |one: &Move| {
        [one.from, one.to].iter().any(|member| [first.from, first.to].contains(member))
    };
    let mut least = usize::MAX;
    for place in 0..=rounds.len() {
        if place == rounds.len() {
            rounds.push(Vec::new());
        } else if rounds[place].iter().any(meets) {
            continue;
        }
        rounds[place].push(*first);
        least = least.min(best(rest, rounds));
        rounds[place].pop();
        rounds.retain(|round| !round.is_empty());
    }
    least
}

/// Two that would each have to go first are told, and nothing is overdrawn.
#[test]
fn an_exchange_without_room_is_stuck() {
    let moves = moves(vec![(0, 1, 5), (1, 0, 5)]);
    let limits = |room| Limits { at_once: &[2, 2], overall: None, room };
    assert_eq!(rounds(&moves, &limits(&[4, 4])), Err(Stuck { moves: vec![0, 1] }));
    assert_eq!(rounds(&moves, &limits(&[5, 0])).unwrap().rounds, vec![vec![1], vec![0]]);
}
