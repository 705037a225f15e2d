//! Which replicas a member gives up for so many bytes.

use super::draft::Draft;

/// Replicas of a member that come to what it gives, by their places in `residents`, which is sorted by size, the
/// largest first.
///
/// The largest that still fits, again and again, so that little is left over; where moving is priced, the cheapest that
/// still fits. Where that is short of what the member has to
/// give at least, one more or a larger one goes instead: whichever overshoots least.
pub(super) fn shed(draft: &Draft<'_>, residents: &[u32], give: u64, least: u64) -> Vec<usize> {
    let mut chosen = match draft.layout.is_priced() {
        true => cheapest(draft, residents, give),
        false => largest(draft, residents, give),
    };
    let bytes = |at: &usize| draft.bytes(residents[*at] as usize);
    let short = least.saturating_sub(chosen.iter().map(bytes).sum());
    if short > 0 {
        overshoot(draft, residents, &mut chosen, short);
    }
    chosen
}

/// The largest that still fits, again and again.
fn largest(draft: &Draft<'_>, residents: &[u32], give: u64) -> Vec<usize> {
    let mut chosen = Vec::new();
    let (mut left, mut from) = (give, 0);
    while left > 0 && from < residents.len() {
        from += residents[from..].partition_point(|it| draft.bytes(*it as usize) > left);
        if from < residents.len() {
            left -= draft.bytes(residents[from] as usize);
            chosen.push(from);
            from += 1;
        }
    }
    chosen
}

/// Makes up for what is short with one replica more, or with a larger one for one that was chosen.
fn overshoot(draft: &Draft<'_>, residents: &[u32], chosen: &mut Vec<usize>, short: u64) {
    let bytes = |at: usize| draft.bytes(residents[at] as usize);
    let mut is_chosen = vec![false; residents.len()];
    for at in &*chosen {
        is_chosen[*at] = true;
    }
    let left: Vec<usize> = (0..residents.len()).filter(|at| !is_chosen[*at]).collect();
    // The smallest of those left that is large enough to stand for `gone` bytes and what is short.
    let smallest_over = |gone: u64| {
        let count = left.partition_point(|at| bytes(*at) >= gone.saturating_add(short));
        let at = left[..count].last()?;
        Some((bytes(*at) - gone, *at))
    };
    let more = smallest_over(0).map(|(over, at)| (over, at, None));
    let instead = (0..chosen.len()).filter_map(|place| {
        smallest_over(bytes(chosen[place])).map(|(over, at)| (over, at, Some(place)))
    });
    match more.into_iter().chain(instead).min() {
        Some((_, at, None)) => chosen.push(at),
        Some((_, at, Some(place))) => chosen[place] = at,
        // All that is left is small: as many of them as it takes.
        None => {
            let mut missing = short;
            for at in left {
                if missing == 0 {
                    break;
                }
                missing = missing.saturating_sub(bytes(at));
                chosen.push(at);
            }
        }
    }
}

/// Those that fit, of which a byte costs least to move first.
fn cheapest(draft: &Draft<'_>, residents: &[u32], give: u64) -> Vec<usize> {
    let replica = |at: usize| residents[at] as usize;
    let mut order = draft.layout.cheapest_first(0..residents.len(), replica);
    let mut left = give;
    order.retain(|at| {
        let rest = left.checked_sub(draft.bytes(replica(*at)));
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    order
}
