//! What new and leaving members mean for region replicas: shown beside the steps, from who holds what.

use std::collections::BTreeSet;
use std::time::Duration;

use db_engine::engine::host;
use db_engine::holdings::Holdings;
use db_engine::placement::Move;
use db_engine::placement::certificate::Proof;
use db_engine::placement::estimate::{Basis, Speed, of_rounds};
use db_engine::placement::evacuate::{self, NoWay};
use db_engine::placement::fill::{self, Outcome, Wanted};
use db_engine::placement::forecast::{Flow, Holder, forecast};
use db_engine::placement::layout::{Layout, Part};
use db_engine::placement::rounds::{Limits, Rounds, rounds};
use db_engine::placement::why::Reasons;

use super::draft::PlanDraft;
use super::leavers::DRAIN_BYTES_A_SECOND;
use super::{PlanInput, retirement};
use crate::desired::{Desired, DesiredCluster, DesiredPool, members};
use crate::object::{Kind, LABEL_CLUSTER};
use crate::observed::{DatabaseView, Observed};
use crate::plan::outlook::{After, Comes, Moving, Outlook, RegionMove};
use crate::stack::Stack;

/// How far from its share a member may be, in thousandths, for all to count as even.
const TOLERANCE: u32 = 100;

/// What a transfer takes besides, at least and at most: IoTDB took 25 s to move two regions with hardly anything in them
/// (recorded).
const EACH: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(12_500));

/// Forecast rows that are shown at most.
const ROWS: usize = 6;

/// Clusters that answer and whose members change, so that it matters who holds what.
pub fn asks_for_holdings(desired: &Desired, observed: &Observed) -> BTreeSet<String> {
    let answers = |name: &str| matches!(observed.databases.get(name), Some(DatabaseView::Seen(_)));
    let is_resized = |pool: &DesiredPool| {
        let live = observed.objects.get(&pool.set).and_then(|live| live.number("/spec/replicas"));
        pool.role.stores() && live.unwrap_or(0) != i64::from(pool.replicas())
    };
    let ends = |name: &str| {
        let mut sets = observed.of_kind(Kind::StatefulSet);
        sets.any(|(key, live)| {
            live.label(LABEL_CLUSTER) == Some(name) && desired.pool_of(key).is_none()
        })
    };
    let clusters = desired.clusters.iter().filter(|(name, cluster)| {
        answers(name) && (cluster.pools.iter().any(is_resized) || ends(name))
    });
    clusters.map(|(name, _)| name.clone()).collect()
}

/// Tells what is known of each cluster whose storing members change; refuses to have members leave whose replicas have
/// nowhere to go.
pub fn tell(input: &PlanInput<'_>, plan: &mut PlanDraft) {
    for (name, cluster) in &input.desired.clusters {
        let Some(held) = input.observed.holdings.get(name) else { continue };
        if held.groups.is_empty() {
            continue;
        }
        let (joining, leaving) = changes(input, name, cluster, held);
        if joining == 0 && leaving.is_empty() {
            continue;
        }
        match outlook(input.stack, name, held, joining, &leaving) {
            Ok(outlook) => plan.outlooks.push(outlook),
            Err(no_way) => refuse(input, plan, name, held, &no_way),
        }
    }
}

/// How many storing members come, and the places of those that go: who is listed under a name of a pool and is not
/// wanted there.
fn changes(
    input: &PlanInput<'_>,
    name: &str,
    cluster: &DesiredCluster,
    held: &Holdings,
) -> (u32, BTreeSet<u32>) {
    let ended = retirement::pools(input, name, cluster);
    let pools = || cluster.pools.iter().chain(&ended).filter(|pool| pool.role.stores());
    let wanted: BTreeSet<&str> =
        pools().flat_map(|pool| &pool.addresses).map(String::as_str).collect();
    let listed: BTreeSet<&str> = held.members.iter().map(String::as_str).collect();
    let joining = wanted.difference(&listed).count();
    let is_of_a_pool = |address: &str| {
        let is_of = |set: &str| {
            let ordinal = host(address).strip_prefix(set)?.strip_prefix('-')?.parse().ok()?;
            (members::address(input.stack, set, ordinal) == address).then_some(())
        };
        pools().any(|pool| is_of(&pool.set.name).is_some())
    };
    let goes = |address: &str| !wanted.contains(address) && is_of_a_pool(address);
    let leaving = (0..).zip(&held.members).filter(|(_, address)| goes(address));
    (u32::try_from(joining).unwrap_or(u32::MAX), leaving.map(|(place, _)| place).collect())
}

fn outlook(
    stack: &Stack,
    cluster: &str,
    held: &Holdings,
    joining: u32,
    leaving: &BTreeSet<u32>,
) -> Result<Outlook, NoWay> {
    let layout = &held.layout;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let takes = layout.members().iter().filter(|member| member.part != Part::Keeps);
    let mut outlook = Outlook {
        cluster: stack.cluster_address(cluster).name().to_owned(),
        groups: count(layout.group_count()),
        replicas: count(layout.replica_count()),
        bytes: held.is_sized.then_some(layout.total_bytes()),
        members: count(takes.count()),
        joining: u64::from(joining),
        leaving: leaving.iter().map(|it| name(held, *it)).collect(),
        comes: None,
        moving: None,
    };
    let wanted = Wanted { tolerance: TOLERANCE, ..Wanted::default() };
    // Who comes is there before anybody leaves.
    let mut layout = layout.with_more(joining);
    if leaving.is_empty() {
        outlook.comes = comes(held, &layout);
        let found = fill::fill(&layout, wanted).ok();
        outlook.moving = found.map(|found| {
            let ordered = ordered(&layout, &found.moves);
            moving(held, &layout, wanted, (&found, &ordered))
        });
    } else {
        leaving.iter().for_each(|member| layout.set_part(*member, Part::Empties));
        let found = evacuate::evacuate(&layout, wanted)?;
        let ordered = one_by_one(&found.moves);
        outlook.moving = Some(moving(held, &layout, wanted, (&found, &ordered)));
    }
    Ok(outlook)
}

/// The rounds of moves, with one transfer at a time for each member.
fn ordered(layout: &Layout, moves: &[Move]) -> Rounds {
    let (at_once, room): (Vec<u32>, Vec<u64>) =
        layout.members().iter().map(|member| (1, member.room)).unzip();
    let limits = Limits { at_once: &at_once, overall: None, room: &room };
    rounds(moves, &limits).unwrap_or_else(|_| {
        // Never with room without end; one after the other is always an order.
        let (rounds, bound) = ((0..moves.len()).map(|it| vec![it]).collect(), moves.len());
        Rounds { rounds, bound }
    })
}

/// The rounds of moves off members that leave: these are drained one after the other, and each has one transfer at a
/// time.
fn one_by_one(moves: &[Move]) -> Rounds {
    let mut order: Vec<usize> = (0..moves.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(moves[*place].from));
    Rounds { rounds: order.into_iter().map(|place| vec![place]).collect(), bound: moves.len() }
}

/// What a member is called: its pod's name; those to come have none yet.
fn name(held: &Holdings, place: u32) -> String {
    let known = held.members.get(place as usize).map(|address| host(address).to_owned());
    let new = (place as usize + 1).saturating_sub(held.members.len());
    known.unwrap_or_else(|| format!("new member {new}"))
}

fn moving(
    held: &Holdings,
    layout: &Layout,
    wanted: Wanted,
    (found, ordered): (&Outcome, &Rounds),
) -> Moving {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut round_of = vec![0; found.moves.len()];
    for (round, moves) in ordered.rounds.iter().enumerate() {
        moves.iter().for_each(|place| round_of[*place] = count(round));
    }
    let reasons = Reasons::of(layout, wanted);
    let told = |(one, round): (&Move, &u64)| {
        let region = held.groups.get(one.group as usize).copied().unwrap_or(-1);
        let because = reasons.why(*one).line(|it| name(held, it), |_| format!("region {region}"));
        RegionMove {
            region,
            from: name(held, one.from),
            to: name(held, one.to),
            bytes: if held.is_sized { one.bytes } else { 0 },
            round: *round,
            because,
        }
    };
    let speed = (DRAIN_BYTES_A_SECOND, 2 * DRAIN_BYTES_A_SECOND);
    let certificate = &found.certificate;
    Moving {
        moves: found.moves.iter().zip(&round_of).map(told).collect(),
        moved: certificate.moved,
        bound: certificate.bound,
        fullest: certificate.fullest,
        emptiest: certificate.emptiest,
        outside: count(certificate.outside.len()),
        is_least: certificate.outside.is_empty()
            && (certificate.moved == certificate.bound || certificate.proof == Proof::Optimal),
        hindrance: certificate.hindrance.as_ref().map(|it| it.line(|place| name(held, place))),
        rounds: count(ordered.rounds.len()),
        rounds_bound: count(ordered.bound),
        seconds: Speed::of(Basis::Assumed, speed, None, EACH).ok().filter(|_| held.is_sized).map(
            |speed| {
                let seconds = of_rounds(&found.moves, ordered, &speed).seconds;
                (seconds.low, seconds.high)
            },
        ),
        speed,
    }
}

/// What new members take over time, if the database tells how it cuts time.
fn comes(held: &Holdings, layout: &Layout) -> Option<Comes> {
    let partitions = held.partitions.filter(|it| it.written > 0 && held.is_sized)?;
    let old = held.members.len();
    let holder = |(place, bytes): (usize, u64)| {
        let member = &layout.members()[place];
        let weight = if member.part == Part::Shares { member.weight } else { 0 };
        Holder { bytes, weight, is_new: place >= old }
    };
    let holders: Vec<Holder> = layout.held().into_iter().enumerate().map(holder).collect();
    let bytes = holders.iter().fold(0_u64, |sum, it| sum.saturating_add(it.bytes));
    let partition_bytes = bytes / partitions.written;
    let interval = partitions.interval;
    let flow = Flow { partition_bytes, kept: None, interval, tolerance: TOLERANCE };
    let comes = forecast(&holders, &flow);
    let all: u128 = holders.iter().map(|it| u128::from(it.weight)).sum();
    let new: u128 = holders.iter().filter(|it| it.is_new).map(|it| u128::from(it.weight)).sum();
    let step = comes.rows.len().div_ceil(ROWS).max(1);
    let last = comes.rows.len().saturating_sub(1);
    let shown = comes.rows.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    Some(Comes {
        of_new: u32::try_from(new * 1000 / all.max(1)).unwrap_or(0),
        interval,
        partition_bytes,
        after: shown
            .map(|(_, row)| After {
                partitions: row.partitions,
                of_new: row.share_of_new,
                fullest: row.most,
                emptiest: row.least,
            })
            .collect(),
        even_after: comes.balanced_after.ok(),
        tolerance: TOLERANCE,
    })
}

/// Refuses what cannot be: a replica on a member that leaves has nowhere to go.
fn refuse(
    input: &PlanInput<'_>,
    plan: &mut PlanDraft,
    cluster: &str,
    held: &Holdings,
    no_way: &NoWay,
) {
    let id = |group: u32| held.groups.get(group as usize).copied().unwrap_or(-1);
    let (reason, help) = match no_way {
        NoWay::Barred { group, from, bars } => (
            format!(
                "region {} of {} may go to no other member: {} hold it, and {} take none",
                id(*group),
                name(held, *from),
                bars.holders,
                bars.closed
            ),
            "keep more members, or bring those back first that take none now",
        ),
        NoWay::Room { .. } | NoWay::Full { .. } => (
            "those that stay have no room for what those that leave hold".to_owned(),
            "keep more members, or give those that stay larger volumes first",
        ),
    };
    plan.block(input.stack.cluster_address(cluster), "scale-in", reason, help);
}
