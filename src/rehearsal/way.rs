//! The way up to a fault, gone once for all trials of an operation: until something goes wrong, each of
//! them asks the same of the world and is answered the same.

use super::conduct::Conduct;
use super::rules::Rules;
use crate::plan::Plan;
use crate::sandbox::Cluster;
use crate::world::Refused;

/// A run in which nothing went wrong, to be gone again in part.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Its plan.
    pub(super) plan: Option<Plan>,
    /// What was asked of the world that may change it, one after the other.
    stops: Vec<Stop>,
    /// What was so before each effect.
    before: Vec<Before>,
}

/// Something that was asked of the world.
#[derive(Clone, Debug)]
struct Stop {
    /// The world afterwards.
    after: Cluster,
    /// The answer to an effect; `None`: it was waited for a change.
    answer: Option<Result<String, Refused>>,
}

/// What is remembered at the moment before an effect.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// What the rules remember.
    pub(super) rules: Rules,
    /// What is remembered of the actor.
    pub(super) conduct: Conduct,
    /// The world at the actor's last look.
    pub(super) known: Option<Cluster>,
    /// What has happened, one line an effect.
    pub(super) journal: Vec<String>,
    /// The actions asked for.
    pub(super) actions: Vec<(usize, String)>,
}

impl Way {
    /// Remembers how it is before the next effect.
    pub(super) fn comes_to(&mut self, before: Before) {
        self.before.push(before);
    }

    /// Remembers what was asked, by what came of it.
    pub(super) fn passes(&mut self, after: Cluster, answer: Option<Result<String, Refused>>) {
        self.stops.push(Stop { after, answer });
    }

    /// How it was before an effect, if it leads there.
    pub(super) fn before(&self, effect: usize) -> Option<&Before> {
        self.before.get(effect)
    }

    /// The world after what was asked, and the answer of an effect. Panics where the way does not lead:
    /// a trial that is not the same each time proves nothing.
    pub(super) fn stop(&self, number: usize) -> (Cluster, Option<Result<String, Refused>>) {
        let Stop { after, answer } = &self.stops[number];
        (after.clone(), answer.clone())
    }
}
