//! Saying a request again: how long to wait before, never all at the same instant, and why, for the
//! user to see while it waits.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The first pause of what is said again for reasons of our own.
const BREATH: Duration = Duration::from_millis(100);
/// The longest of those.
const BREATH_MAX: Duration = Duration::from_secs(2);

/// What is being said again at the moment, and by how much pauses differ.
pub(crate) struct Again {
    /// State of a generator (Steele, Lea and Flood's splitmix64): good enough to spread clients.
    chance: AtomicU64,
    /// Reasons by ticket.
    waiting: Mutex<BTreeMap<u64, String>>,
    tickets: AtomicU64,
}

impl Again {
    /// The same seed gives the same pauses.
    pub(crate) fn seeded(seed: u64) -> Self {
        let (chance, tickets) = (AtomicU64::new(seed), AtomicU64::new(0));
        Self { chance, waiting: Mutex::default(), tickets }
    }

    /// A pause that is as long as asked, and up to half as long again: a server that says when to
    /// come back is not to meet everybody at that moment.
    pub(crate) fn spread(&self, pause: Duration) -> Duration {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut mixed = self.chance.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = u32::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(0);
        pause + pause * part / (2 * u32::from(u16::MAX))
    }

    /// The pause before something is said for another time: twice as long each time.
    pub(crate) fn breath(&self, times: u32) -> Duration {
        self.spread((BREATH * 2_u32.saturating_pow(times)).min(BREATH_MAX))
    }

    /// Tells why something waits, as long as the answer lives.
    pub(crate) fn tell(&self, why: String) -> Told<'_> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(ticket, why);
        }
        Told { again: self, ticket }
    }

    /// What has waited longest at the moment.
    pub(crate) fn oldest(&self) -> Option<String> {
        self.waiting.lock().ok()?.values().next().cloned()
    }
}

/// A reason that is told.
pub(crate) struct Told<'a> {
    again: &'a Again,
    ticket: u64,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Ok(mut waiting) = self.again.waiting.lock() {
            waiting.remove(&self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_shorter_than_asked_and_at_most_half_as_long_again() {
        let again = Again::seeded(7);
        let second = Duration::from_secs(1);
        let pauses: Vec<Duration> = (0..1000).map(|_| again.spread(second)).collect();
        assert!(pauses.iter().all(|pause| (second..=second * 3 / 2).contains(pause)));
        let (shortest, longest) = (pauses.iter().min(), pauses.iter().max());
        assert!(shortest.zip(longest).is_some_and(|(a, b)| *b - *a > second * 2 / 5), "no spread");
        assert_eq!(again.breath(60).max(BREATH_MAX * 3 / 2), BREATH_MAX * 3 / 2);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| {
            let again = Again::seeded(seed);
            [0, 1, 2, 3].map(|times| again.breath(times))
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn a_reason_is_told_as_long_as_it_holds() {
        let again = Again::seeded(0);
        let first = again.tell("first".to_owned());
        let second = again.tell("second".to_owned());
        assert_eq!(again.oldest().as_deref(), Some("first"));
        drop(first);
        assert_eq!(again.oldest().as_deref(), Some("second"));
        drop(second);
        assert_eq!(again.oldest(), None);
    }
}
