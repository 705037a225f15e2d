//! What a user sees on a journey, held against the one golden transcript both places share.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::stage::{Run, Stage};
use crate::state;

/// A journey being written down.
pub(crate) struct Transcript<'a> {
    stage: &'a dyn Stage,
    text: String,
}

impl<'a> Transcript<'a> {
    /// An empty one.
    pub(crate) fn new(stage: &'a dyn Stage) -> Self {
        Self { stage, text: String::new() }
    }

    /// Writes down what happens outside the program.
    pub(crate) fn remark(&mut self, text: &str) {
        let _ = writeln!(self.text, "# {text}\n");
    }

    /// Runs the program and writes down what it says and how it ends.
    pub(crate) fn run(&mut self, arguments: &[&str]) -> Run {
        let run = self.stage.tsinfra(arguments);
        let code = run.code.map_or("killed".to_owned(), |code| code.to_string());
        let said = masked(&run.text);
        let _ = writeln!(self.text, "$ tsinfra {}\n{said}[exit {code}]\n", arguments.join(" "));
        run
    }

    /// Writes down what is there.
    pub(crate) fn state(&mut self, stack: &str, namespace: &str) {
        let lines = state::lines(self.stage, stack, namespace);
        let _ = writeln!(self.text, "# what is there:\n{lines}");
    }

    /// Holds the journey against `journeys/NAME.txt`. With `UPDATE_GOLDEN=1` the sandbox's journey
    /// is written there instead; the real place's never is, so that it cannot agree with itself.
    pub(crate) fn check(self, name: &str) {
        let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/live/journeys")
            .join(format!("{name}.txt"));
        let sandbox = self.stage.target() == ["--sandbox"];
        if sandbox && std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &self.text).expect("the golden transcript is written");
            return;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if self.text != expected {
            let diff = similar::TextDiff::from_lines(&expected, &self.text);
            let diff = diff.unified_diff().header(&format!("{name}.txt"), "this run").to_string();
            panic!("the journey differs from its transcript:\n{diff}");
        }
    }
}

/// What is the same in both places: no place, no progress.
fn masked(text: &str) -> String {
    let mut shown = String::new();
    let mut progressing = false;
    for line in text.lines() {
        let ends = ["Halted part-way.", "Not applied:"];
        if line.contains(" complete! ") || ends.iter().any(|end| line.starts_with(end)) {
            progressing = false;
        }
        if !progressing {
            let line = without_time(&without_hash(&without_place(line)));
            let _ = writeln!(shown, "{line}");
        }
        progressing |= line.starts_with("Steps: ");
    }
    shown
}

/// Times of day, and simulated durations, as `TIME`.
fn without_time(line: &str) -> String {
    let masked = |word: &str| {
        let bare = word.trim_end_matches(['.', ';', ',']);
        let is_time = bare.starts_with("20") && bare.ends_with('Z') && bare.contains('T');
        if is_time { format!("TIME{}", &word[bare.len()..]) } else { word.to_owned() }
    };
    let line = line.split(' ').map(masked).collect::<Vec<String>>().join(" ");
    // A start takes longer where the image has to be pulled first, and the places differ in machines.
    match line.split_once(" by the simulated clock") {
        Some((before, rest)) => {
            let kept = before.rsplit_once(' ').map_or("", |(kept, _)| kept);
            format!("{kept} TIME by the simulated clock{rest}")
        }
        None => line,
    }
}

/// Jobs that clear a volume are called by its uid, too, which each place gives by chance.
fn without_hash(line: &str) -> String {
    let masked = |word: &str| match word.rsplit_once('-') {
        Some((named, _)) if named.contains("/scrub-") => format!("{named}-HASH"),
        _ => word.to_owned(),
    };
    line.split(' ').map(masked).collect::<Vec<String>>().join(" ")
}

fn without_place(line: &str) -> String {
    match (
        line.find(" in the sandbox"),
        line.find(" on https://127.0.0.1:6443 (the current context)"),
    ) {
        (Some(at), _) => line[..at].to_owned() + " HERE" + &line[at + " in the sandbox".len()..],
        (_, Some(at)) => {
            let place = " on https://127.0.0.1:6443 (the current context)";
            line[..at].to_owned() + " HERE" + &line[at + place.len()..]
        }
        _ => line.to_owned(),
    }
}
