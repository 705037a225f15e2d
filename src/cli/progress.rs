//! Events on their way to the screen: moving bars on a terminal, plain lines elsewhere, JSON lines
//! for programs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::screen::Screen;
use crate::apply::event::{Event, What};
use crate::apply::hold::News;
use crate::plan::Plan;
use crate::plan::step::StepId;
use crate::render::{events, json, outcome};

/// How often a moving bar moves.
const TICK: Duration = Duration::from_millis(120);

/// After how long a wait without news is told again in plain lines.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Where events go.
pub(super) enum Progress<'a> {
    /// One JSON object a line.
    Json(&'a Screen),
    /// One line an event; of a wait without news a line a minute, so that silence is no doubt.
    Lines(&'a Screen, RefCell<BTreeMap<StepId, (What, Duration)>>),
    /// A spinner for each running step above which finished steps scroll away.
    Bars(Screen, MultiProgress, RefCell<BTreeMap<StepId, ProgressBar>>),
}

impl<'a> Progress<'a> {
    /// The fitting one.
    pub(super) fn new(screen: &'a Screen, json: bool) -> Self {
        if json {
            Self::Json(screen)
        } else if std::io::stdout().is_terminal() {
            let draw = indicatif::ProgressDrawTarget::stdout();
            Self::Bars(*screen, MultiProgress::with_draw_target(draw), RefCell::default())
        } else {
            Self::Lines(screen, RefCell::default())
        }
    }

    /// Says who has the lock that is waited for, or from whom it was taken over.
    pub(super) fn of_the_lock(&self, news: &News) {
        let (text, value) = match news {
            News::Waiting(lock) => (outcome::lock_wait(lock), json::lock_wait(lock)),
            News::TakenOver(lock) => (outcome::taken_over(lock), json::lock_taken_over(lock)),
        };
        match self {
            Self::Json(screen) => screen.json_line(&value),
            Self::Lines(screen, _) => screen.line(&text),
            Self::Bars(_, all, _) => drop(all.println(text)),
        }
    }

    /// Says why it takes longer at the moment.
    pub(super) fn hindered(&self, why: &str) {
        match self {
            Self::Json(screen) => screen.json_line(&json::hindrance(why)),
            Self::Lines(screen, _) => screen.remark(why),
            Self::Bars(_, all, _) => drop(all.println(why)),
        }
    }

    /// Leaves the screen to what is printed next.
    pub(super) fn finish(self) {
        if let Self::Bars(screen, all, _) = self {
            // A terminal that is gone has nothing to clear.
            let _ = all.clear();
            screen.line("");
        }
    }

    /// Shows an event.
    pub(super) fn tell(&self, plan: &Plan, event: &Event) {
        match self {
            Self::Json(screen) => screen.json_line(&json::event(plan, event)),
            Self::Lines(screen, told) => {
                if events::is_news(plan, event) && is_due(&mut told.borrow_mut(), event) {
                    screen.line(&events::line(plan, event, screen.paint));
                }
            }
            Self::Bars(screen, all, bars) => bar(screen, all, bars, plan, event),
        }
    }
}

/// Whether an event says something new, or it is time to say it again.
fn is_due(told: &mut BTreeMap<StepId, (What, Duration)>, event: &Event) -> bool {
    let again = told
        .get(&event.step)
        .is_some_and(|(what, at)| *what == event.what && event.at.saturating_sub(*at) < SAY_AGAIN);
    if !again {
        told.insert(event.step.clone(), (event.what.clone(), event.at));
    }
    !again
}

fn bar(
    screen: &Screen,
    all: &MultiProgress,
    bars: &RefCell<BTreeMap<StepId, ProgressBar>>,
    plan: &Plan,
    event: &Event,
) {
    let mut bars = bars.borrow_mut();
    let title = events::title(plan, event);
    match &event.what {
        What::Begun => {
            let bar = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(title);
            bar.enable_steady_tick(TICK);
            bars.insert(event.step.clone(), bar);
        }
        What::Waiting { done, of, why } => {
            if let Some(bar) = bars.get(&event.step) {
                bar.set_message(events::waiting(&title, *done, *of, why));
            }
        }
        What::Done { .. } | What::Ended { .. } => {
            if let Some(bar) = bars.remove(&event.step) {
                bar.finish_and_clear();
            }
            let line = events::line(plan, event, screen.paint);
            // The terminal may have gone away; the apply must not stop for that.
            let _ = all.println(line);
        }
    }
}
