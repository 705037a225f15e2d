//! In which order new members register: real ones as they come up, those of the twin by their ordinals, so that ids are
//! the same in every run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a new member waits for those of lower ordinals that are new too.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each pod that is there was first seen, by its uid.
#[derive(Default)]
pub(super) struct Newcomers(BTreeMap<String, Instant>);

impl Newcomers {
    /// Takes over which pods are there now.
    pub(super) fn meet(&mut self, pods: &[Value]) {
        let now = Instant::now();
        let known = |uid: &str| self.0.get(uid).copied().unwrap_or(now);
        let seen = pods.iter().map(uid).map(|uid| (uid.to_owned(), known(uid))).collect();
        self.0 = seen;
    }

    /// Whether a pod is new, and another one of its set comes before it: as new, of a lower ordinal, not running.
    pub(super) fn is_early(
        &self,
        pod: &Value,
        pods: &[Value],
        runs: impl Fn(&Value) -> bool,
    ) -> bool {
        let comes_before = |other: &Value| is_before(other, pod) && self.is_new(other);
        self.is_new(pod) && pods.iter().any(|other| comes_before(other) && !runs(other))
    }

    fn is_new(&self, pod: &Value) -> bool {
        self.0.get(uid(pod)).is_some_and(|first| first.elapsed() < PATIENCE)
    }
}

fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

fn is_before(one: &Value, other: &Value) -> bool {
    let of_set = |pod: &Value| {
        let metadata = &pod["metadata"];
        let (set, ordinal) = metadata["name"].as_str()?.rsplit_once('-')?;
        let namespace = metadata["namespace"].as_str()?;
        Some(((namespace.to_owned(), set.to_owned()), ordinal.parse::<u32>().ok()?))
    };
    let both = of_set(one).zip(of_set(other));
    both.is_some_and(|((set, one), (of, other))| set == of && one < other)
}
