//! Stacks: the shipped ones are accepted, broken ones are answered as their golden texts say, nothing panics.
//!
//! `UPDATE_GOLDEN=1 cargo test --test pure` writes the golden texts anew; read the difference as a
//! user would.

mod amounts;
mod defaults;
mod noise;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tsinfra::stack::{self, Mistakes, Stack};

/// A folder of the checkout.
fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder with an ending, in order.
fn files(path: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(path))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

/// Name and text of every stack a user may copy.
fn shipped() -> Vec<(String, String)> {
    files("stacks", "toml").iter().map(|path| (name(path), text(path))).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file")
}

fn read(name: &str, text: &str) -> Stack {
    stack::read(name, text).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(false, 100)))
}

#[test]
fn every_shipped_stack_is_accepted() {
    let stacks = shipped();
    assert!(stacks.len() >= 3);
    for (name, text) in stacks {
        let stack = read(&name, &text);
        assert!(!stack.clusters.is_empty(), "{name} has a cluster");
    }
}

#[test]
fn every_broken_stack_is_answered_as_its_golden_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    for path in files("tests/pure/stacks/bad", "toml") {
        let bytes = fs::read(&path).expect("a readable file");
        let mistakes = stack::read_bytes(&name(&path), &bytes).expect_err(&name(&path));
        let shown = mistakes.render(false, 100);
        let golden = path.with_extension("txt");
        if update {
            fs::write(&golden, &shown).expect("a writable golden");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(&shown) {
            differing.push(format!("--- {}\n{shown}", golden.display()));
        }
    }
    assert!(differing.is_empty(), "not as the goldens say:\n{}", differing.join("\n"));
}

#[test]
fn every_broken_stack_has_its_golden_and_every_golden_its_stack() {
    let stems = |ending| -> BTreeSet<PathBuf> {
        let files = files("tests/pure/stacks/bad", ending);
        files.iter().map(|path| path.with_extension("")).collect()
    };
    let stacks = stems("toml");
    assert!(stacks.len() >= 24, "{} broken stacks", stacks.len());
    assert_eq!(stacks, stems("txt"));
}

#[test]
fn golden_texts_fit_a_screen_and_name_the_file() {
    for path in files("tests/pure/stacks/bad", "txt") {
        let shown = text(&path);
        for line in shown.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", name(&path));
            let printable = line.chars().all(|c| !c.is_control());
            assert!(printable, "{}: {line:?}", name(&path));
        }
        let stack = name(&path.with_extension("toml"));
        let last = shown.lines().last().unwrap_or_default();
        assert!(last.contains("mistake") && last.contains(&stack), "{last}");
    }
}

#[test]
fn colour_changes_only_how_it_is_drawn() {
    let mistakes = broken("[stack]\nname = 7\n");
    assert!(mistakes.render(true, 100).contains("\u{1b}["));
    assert!(mistakes.render(false, 100).is_ascii());
}

#[test]
fn a_screen_narrower_than_the_text_is_respected() {
    for path in files("tests/pure/stacks/bad", "toml") {
        let bytes = fs::read(&path).expect("a readable file");
        let mistakes = stack::read_bytes(&name(&path), &bytes).expect_err("broken");
        for width in [60, 80, 100] {
            for line in mistakes.render(false, width).lines() {
                assert!(line.chars().count() <= width, "{} at {width}: {line}", name(&path));
            }
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let large = "#".repeat(stack::FILE_BYTES_MAX + 1);
    let shown = broken(&large).render(false, 100);
    assert!(shown.contains("the file is 1048577 bytes; a stack is at most 1048576"), "{shown}");
    assert!(stack::read_bytes("x.toml", large.as_bytes()).is_err());
}

#[test]
fn a_file_from_another_editor_is_the_same_stack() {
    for (name, text) in shipped() {
        let stack = read(&name, &text);
        assert_eq!(read(&name, &text.replace('\n', "\r\n")), stack, "{name} with CRLF");
        assert_eq!(read(&name, &format!("\u{feff}{text}")), stack, "{name} with a byte order mark");
    }
}

#[test]
fn a_secret_written_into_a_stack_is_not_shown() {
    for line in [
        "[cluster.c]\ncredentials = { password = \"hunter2\" }",
        "[cluster.c]\nengine = 7 # Password: 'hunter2'",
        "[cluster.c]\ncredentials.password = \"\\n hunter2\"",
        "[cluster.c]\ncredentials = \"hunter2\"",
        "[cluster.c]\ncredentials = { secret = \"hunter2!\" }",
        "[cluster.c]\nengine = 7\nsecret = \"\"\"\nhunter2\n\"\"\"\nrole = 1",
        "[cluster.c]\npwd = 'hunter2'",
        "[cluster.c]\n\"password\" = \"hunter2\"",
        "[cluster.c]\npassword = \"a\\\"hunter2\"",
        "[cluster.c]\nengine = 7 # don't: password \"hunter2\"",
        "[cluster.c]\npassword \"hunter2\"",
    ] {
        let shown = broken(line).render(false, 100);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn one_slip_is_one_mistake() {
    let text = text(&folder("stacks/quickstart.toml"));
    let slips = [
        ("[storage.disk]", "[storag.disk]"),
        ("[cluster.demo.pool.config]", "[cluster.demo.pol.config]"),
        ("role    = \"control\"", "role    = \"contrl\""),
        ("role    = \"control\"", "rol     = \"control\""),
        ("nodes   = 3", "nodes   = \"3\""),
        ("size = \"5Gi\"", "size = \"5GB\""),
        ("engine  = \"iotdb\"", "engine  = \"iotbd\""),
        ("name = \"quickstart\"", "name = quickstart"),
        ("[cluster.demo]", "[cluster.demo"),
    ];
    for (right, wrong) in slips {
        assert!(text.contains(right), "{right}");
        let mistakes = broken(&text.replacen(right, wrong, 1));
        assert_eq!(mistakes.all().len(), 1, "{wrong}:\n{}", mistakes.render(false, 100));
    }
}

/// The mistakes of a text that must have some.
fn broken(text: &str) -> Mistakes {
    stack::read("stack.toml", text).expect_err("a broken stack")
}
