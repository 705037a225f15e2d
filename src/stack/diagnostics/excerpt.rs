//! The lines of a file that a mistake shows: cut to the width of the screen, control characters spelt out.
//!
//! miette draws lines as they are, whatever their length and content. So it is given a text of our
//! making with the same line numbers, in which only the lines near a label have content.

use std::collections::BTreeMap;
use std::ops::Range;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::stack::diagnostics::mistake::Label;
use crate::stack::diagnostics::quoted::{covered, open_after};
use crate::wording::harmless;

/// Columns of a drawing before the line's own text, besides the digits of its number.
const GUTTER: usize = 6;

/// What stands between the underlined text and the label's words.
const LABEL_LEAD: usize = 5;

/// Marks where a line was cut.
const CUT: &str = "...";

/// More than a screen's width of any line: what is farther from a label is never shown.
const NEAR_BYTES: usize = 400;

/// Lines of a file near the labels of one mistake, safe to print.
#[derive(Debug)]
pub(super) struct Excerpt {
    name: String,
    text: String,
    /// Real column (in characters, from 0) of each label, by its offset in `text`.
    columns: BTreeMap<usize, usize>,
}

impl Excerpt {
    /// The excerpt, and where in it each label's span is.
    pub(super) fn new(
        file_name: &str,
        source: &str,
        labels: &[Label],
        width: usize,
    ) -> (Self, Vec<Range<usize>>) {
        let lines: Vec<&str> = source.split('\n').collect();
        let starts: Vec<usize> = lines
            .iter()
            .scan(0, |next, line| {
                let start = *next;
                *next += line.len() + 1;
                Some(start)
            })
            .collect();
        let line_of = |offset: usize| starts.partition_point(|start| *start <= offset) - 1;
        let digits = (lines.len() + 1).to_string().len();
        let room = width.saturating_sub(GUTTER + digits);
        let mut excerpt = Self {
            name: name_for(file_name, width),
            text: String::new(),
            columns: BTreeMap::new(),
        };
        let mut spans = vec![0..0; labels.len()];
        let wanted: Vec<usize> = labels.iter().map(|label| line_of(label.span.start)).collect();
        let mut open = None;
        for (index, line) in lines.iter().enumerate() {
            let near = wanted.iter().any(|wanted| index.abs_diff(*wanted) <= 1);
            if near {
                let here = (0..labels.len()).filter(|label| wanted[*label] == index);
                let marks: Vec<usize> = here.collect();
                let line = covered(line.strip_suffix('\r').unwrap_or(line), open);
                excerpt.push_line(&line, starts[index], labels, &marks, &mut spans, room);
            }
            open = open_after(line, open);
            excerpt.text.push('\n');
        }
        (excerpt, spans)
    }

    /// Whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn push_line(
        &mut self,
        line: &str,
        start: usize,
        labels: &[Label],
        marks: &[usize],
        spans: &mut [Range<usize>],
        room: usize,
    ) {
        let first = marks.first().map_or(0, |mark| labels[*mark].span.start - start);
        let cells = Cells::near(line, first.min(line.len()));
        let words = marks.iter().map(|mark| labels[*mark].text.chars().count()).max();
        let ahead = room.saturating_sub(2 * CUT.len() + LABEL_LEAD + words.unwrap_or(0)).max(1);
        let places: Vec<Range<usize>> =
            marks.iter().map(|mark| cells.range(&labels[*mark].span, start, ahead)).collect();
        let window = cells.window(places.first(), ahead, room, words.is_some());
        let base = self.text.len();
        let offsets = cells.write(&window, &mut self.text);
        for (mark, place) in marks.iter().zip(places) {
            let last = offsets.len() - 1;
            let from = place.start.saturating_sub(window.start).min(last.saturating_sub(1));
            let to = place.end.saturating_sub(window.start).clamp(from + 1, last);
            spans[*mark] = base + offsets[from]..base + offsets[to];
            let before = (labels[*mark].span.start - start).min(line.len());
            self.columns.insert(base + offsets[from], line[..before].chars().count());
        }
    }
}

/// A file's name that leaves room on its line: the end of a path says more than its start.
fn name_for(file_name: &str, width: usize) -> String {
    let name = harmless(file_name);
    let keep = width.saturating_sub(30) / 2;
    let count = name.chars().count();
    if count <= keep {
        return name;
    }
    let end: String = name.chars().skip(count - keep).collect();
    format!("{CUT}{end}")
}

/// The part of a line near its label, character by character, as it is printed.
struct Cells {
    /// Byte in the line, printed form, columns it may take.
    cells: Vec<(usize, String, usize)>,
    /// Whether the line has more before and after.
    cut: (bool, bool),
}

impl Cells {
    /// No more of a line than could ever be on the screen: a line may be a megabyte.
    fn near(line: &str, place: usize) -> Self {
        let from = line.floor_char_boundary(place.saturating_sub(NEAR_BYTES));
        let to = line.ceil_char_boundary(place.saturating_add(NEAR_BYTES).min(line.len()));
        let mut cells = Vec::new();
        for (at, c) in line[from..to].char_indices() {
            let shown =
                if c == '\t' { "    ".to_owned() } else { harmless(c.encode_utf8(&mut [0; 4])) };
            // Anything beyond ASCII may be two columns wide.
            let width = shown.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
            cells.push((from + at, shown, width));
        }
        if to == line.len() {
            // Room for a label at the line's end.
            cells.push((to, " ".to_owned(), 1));
        }
        Self { cells, cut: (from > 0, to < line.len()) }
    }

    /// The cells a span of the file covers on this line: at least one, and so few that the words
    /// below their middle are at most `ahead` columns to the right of their start.
    fn range(&self, span: &Range<usize>, line_start: usize, ahead: usize) -> Range<usize> {
        let cell = |offset: usize| self.cells.partition_point(|(at, ..)| *at < offset);
        let last = self.cells.len() - 1;
        let from = cell(span.start.saturating_sub(line_start)).min(last);
        let to = cell(span.end.saturating_sub(line_start)).clamp(from + 1, last.max(from + 1));
        let mut end = from + 1;
        let mut columns = self.cells[from].2;
        while end < to && columns + self.cells[end].2 <= 2 * ahead {
            columns += self.cells[end].2;
            end += 1;
        }
        from..end
    }

    /// The part that is shown: all of the line, or what is around the label.
    fn window(
        &self,
        place: Option<&Range<usize>>,
        ahead: usize,
        room: usize,
        labelled: bool,
    ) -> Range<usize> {
        let width = |cells: Range<usize>| -> usize { self.cells[cells].iter().map(|c| c.2).sum() };
        let all = self.cells.len();
        let start = place.map_or(0, |place| place.start);
        let middle = place.map_or(0, |place| place.start + (place.end - place.start) / 2);
        let whole = self.cut == (false, false) && width(0..all) <= room;
        if whole && (!labelled || width(0..middle) <= ahead) {
            return 0..all;
        }
        // The start of what is underlined matters more than what is before it.
        let mut from = start;
        let mut columns = width(start..middle);
        while from > 0 && columns + self.cells[from - 1].2 <= ahead {
            from -= 1;
            columns += self.cells[from].2;
        }
        let mut left = room.saturating_sub(2 * CUT.len());
        let mut to = from;
        while to < all && self.cells[to].2 <= left {
            left -= self.cells[to].2;
            to += 1;
        }
        from..to.max(from + 1)
    }

    /// Prints a window and answers the offset of each of its cells, and of its end.
    fn write(&self, window: &Range<usize>, text: &mut String) -> Vec<usize> {
        let base = text.len();
        let mut offsets = Vec::with_capacity(window.len() + 1);
        if window.start > 0 || self.cut.0 {
            text.push_str(CUT);
        }
        for (_, shown, _) in &self.cells[window.clone()] {
            offsets.push(text.len() - base);
            text.push_str(shown);
        }
        offsets.push(text.len() - base);
        // The last cell is only room for a label.
        if window.end + 1 < self.cells.len() || self.cut.1 {
            text.push_str(CUT);
        }
        offsets
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, lines_before, lines_after)?;
        let column = match self.columns.get(&span.offset()) {
            Some(column) if lines_before == 0 => *column,
            _ => contents.column(),
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            column,
            // The lines shown, by which the drawing of near labels is joined; miette's own count is
            // that of the whole file up to here.
            contents.data().iter().filter(|byte| **byte == b'\n').count(),
        )))
    }
}
