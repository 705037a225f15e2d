//! Which replicas a member gives up for so many bytes.

use super::draft::Draft;

/// Replicas of a member that come to what it gives, by their places in `residents`, which is sorted by size, the
/// largest first.
///
/// The largest that still fits, again and again; so little is left over. Where that is short of what the member has to
/// give at least, one more or a larger one goes instead: whichever overshoots least.
pub(super) fn shed(draft: &Draft<'_>, residents: &[u32], give: u64, least: u64) -> Vec<usize> {
    let bytes = |at: usize| draft.bytes(residents[at] as usize);
    let mut chosen = Vec::new();
    if draft.layout.is_priced() {
        chosen = cheapest(draft, residents, give);
        let sum: u64 = chosen.iter().map(|at| bytes(*at)).sum();
        let short = least.saturating_sub(sum);
        if short > 0 {
            overshoot(draft, residents, &mut chosen, short);
        }
        return chosen;
    }
    let (mut left, mut from) = (give, 0);
    while left > 0 && from < residents.len() {
        let fits = residents[from..].partition_point(|it| draft.bytes(*it as usize) > left);
        from += fits;
        if from < residents.len() {
            left -= bytes(from);
            chosen.push(from);
            from += 1;
        }
    }
    let short = least.saturating_sub(give - left);
    if short > 0 {
        overshoot(draft, residents, &mut chosen, short);
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
    let of = |at: &usize| {
        let replica = residents[*at] as usize;
        (u128::from(draft.layout.price(replica)), u128::from(draft.bytes(replica)))
    };
    let mut order: Vec<usize> = (0..residents.len()).filter(|at| of(at).1 > 0).collect();
    order.sort_by(|one, other| {
        let ((price, bytes), (other_price, other_bytes)) = (of(one), of(other));
        (price * other_bytes).cmp(&(other_price * bytes)).then(one.cmp(other))
    });
    let mut left = u128::from(give);
    order.retain(|at| {
        let fits = of(at).1 <= left;
        left -= if fits { of(at).1 } else { 0 };
        fits
    });
    order
}
