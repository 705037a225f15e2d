//! What is wrong with a stack: where, what, and the way on, for all mistakes of a file at once.

mod excerpt;
mod quoted;
mod mistake;

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use crate::wording::harmless;
use excerpt::Excerpt;

pub use mistake::{Label, Mistake};
pub(super) use quoted::quoted;

/// Mistakes drawn in full. Beyond that nobody reads on, and one slip is likely the cause of most.
pub const SHOWN_MAX: usize = 50;

/// All mistakes of a file, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    file_name: String,
    source: String,
    mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// Mistakes of a file's text.
    pub(super) fn new(file_name: &str, source: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.labels.first().map_or(0, |label| label.span.start));
        Self { file_name: file_name.to_owned(), source: source.to_owned(), mistakes }
    }

    /// Each of them.
    pub fn all(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// As a user reads them, in lines of at most `width` columns (60 at least), the last one a
    /// summary. Without colour the drawing is plain ASCII.
    pub fn render(&self, colour: bool, width: usize) -> String {
        let width = width.max(60);
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false);
        let mut text = String::new();
        for mistake in self.mistakes.iter().take(SHOWN_MAX) {
            let shown = Shown::new(&self.file_name, &self.source, mistake, width);
            // Writing to a String cannot fail; a place miette cannot read is left undrawn.
            let mut drawn = String::new();
            let _ = handler.render_report(&mut drawn, &shown);
            for line in drawn.lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    fn summary(&self) -> String {
        let file = harmless(&self.file_name);
        let more = self.mistakes.len().saturating_sub(SHOWN_MAX);
        match (self.mistakes.len(), more) {
            (1, _) => format!("1 mistake in {file}"),
            (count, 0) => format!("{count} mistakes in {file}"),
            (count, _) => format!("{count} mistakes in {file}, the first {SHOWN_MAX} shown"),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Mistakes {}

/// One mistake in miette's terms.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    excerpt: Excerpt,
    labels: Vec<LabeledSpan>,
}

impl Shown {
    fn new(file_name: &str, source: &str, mistake: &Mistake, width: usize) -> Self {
        let (excerpt, spans) = Excerpt::new(file_name, source, &mistake.labels, width);
        let mut labels = Vec::new();
        for (index, (span, label)) in spans.into_iter().zip(&mistake.labels).enumerate() {
            let text = Some(harmless(&label.text)).filter(|text| !text.is_empty());
            let (offset, length) = (span.start, span.end - span.start);
            labels.push(if index == 0 {
                LabeledSpan::new_primary_with_span(text, (offset, length))
            } else {
                LabeledSpan::new(text, offset, length)
            });
        }
        let help = mistake.help.as_deref().map(harmless);
        Self { message: harmless(&mistake.message), help, excerpt, labels }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        // An empty file has no line to show.
        (!self.labels.is_empty() && !self.excerpt.is_empty()).then_some(&self.excerpt as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
