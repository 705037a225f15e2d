//! The rules of the house, held against its own source: rooms, first lines, sizes, names, doors.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines a file may have before it is two rooms.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, in path order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

/// The rooms a `lib.rs` lists, ground first.
fn rooms(lib: &Path) -> Vec<String> {
    let line = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    text(lib).lines().filter_map(line).collect()
}

/// The room a file below `src` belongs to.
fn room_of(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).expect("a file of the crate").iter().next();
    let name = first.expect("a name").to_string_lossy();
    name.strip_suffix(".rs").unwrap_or(&name).to_owned()
}

/// Rooms a text names as `crate::ROOM`, also inside a `use crate::{…}`.
fn imports(text: &str, rooms: &[String]) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: Vec<&str> = code.collect();
    let named = |room: &&String| {
        let needle = format!("crate::{room}");
        code.iter().any(|line| {
            line.match_indices(&needle).any(|(at, _)| {
                !line[at + needle.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
    };
    assert!(
        !code.iter().any(|line| line.contains("use crate::{")),
        "one `use crate::ROOM…` a line, so that this test can read it"
    );
    rooms.iter().filter(named).cloned().collect()
}

fn upward_imports(src: &Path) -> Vec<String> {
    let rooms = rooms(&src.join("lib.rs"));
    let floor = |room: &str| rooms.iter().position(|name| name == room);
    let mut upward = Vec::new();
    for file in rust_files(src) {
        let room = room_of(src, &file);
        if room == "lib" || room == "main" {
            continue;
        }
        let here = floor(&room).unwrap_or_else(|| panic!("room `{room}` is not listed in lib.rs"));
        for other in imports(&text(&file), &rooms) {
            if floor(&other).is_some_and(|there| there > here) {
                upward.push(format!("{} imports {other}", file.display()));
            }
        }
    }
    upward
}

#[test]
fn rooms_import_only_rooms_above_them_in_lib_rs() {
    for src in ["src", "db-engine/src"] {
        assert_eq!(upward_imports(&root().join(src)), Vec::<String>::new());
    }
}

#[test]
fn every_file_says_its_purpose_and_is_one_room() {
    let mut wrong = Vec::new();
    for folder in ["src", "db-engine/src", "tests", "db-engine/tests"] {
        for file in rust_files(&root().join(folder)) {
            let text = text(&file);
            if !text.starts_with("//! ") {
                wrong.push(format!("{}: no first line that says its purpose", file.display()));
            }
            if text.lines().count() > LINES_MAX {
                wrong.push(format!("{}: more than {LINES_MAX} lines", file.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_room_is_named_after_nothing() {
    let empty = ["util", "utils", "common", "helper", "helpers", "misc", "context", "manager"];
    for folder in ["src", "db-engine/src", "tests"] {
        for file in rust_files(&root().join(folder)) {
            for part in file.strip_prefix(root()).expect("below the root").iter() {
                let part = part.to_string_lossy();
                let part = part.strip_suffix(".rs").unwrap_or(&part);
                assert!(!empty.contains(&part), "{} is named after nothing", file.display());
            }
        }
    }
}

/// What deciding rooms may not name: clocks, sockets, files, randomness, async.
const OUTSIDE: [&str; 10] = [
    "std::net",
    "std::fs",
    "std::time::Instant",
    "SystemTime",
    "std::env",
    "std::process",
    "tokio::",
    "kube::",
    "async fn",
    "rand::",
];

#[test]
fn deciding_rooms_know_no_outside() {
    let pure = [
        "src/object.rs",
        "src/wording.rs",
        "src/fields",
        "src/sealed.rs",
        "src/stack",
        "src/inventory.rs",
        "src/observed.rs",
        "src/plan",
        "src/desired",
        "src/planner",
        "src/render",
        "src/apply/wait.rs",
        "src/apply/pods.rs",
        "db-engine/src",
    ];
    for place in pure {
        let path = root().join(place);
        let beside = root().join(format!("{place}.rs"));
        let mut files = if path.is_dir() { rust_files(&path) } else { vec![path] };
        files.extend(beside.is_file().then_some(beside));
        for file in files {
            for word in OUTSIDE {
                let text = text(&file);
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let found = code.clone().any(|line| line.contains(word));
                assert!(!found, "{} names `{word}`", file.display());
            }
        }
    }
}

#[test]
fn only_live_names_the_kube_client_and_only_cli_prints() {
    for file in rust_files(&root().join("src")) {
        let (room, text) = (room_of(&root().join("src"), &file), text(&file));
        let shown = file.display();
        assert!(room == "live" || !text.contains("kube::"), "{shown} names the kube client");
        assert!(room == "cli" || !text.contains("std::io::stdout"), "{shown} prints");
        assert!(
            ["cli", "sandbox", "live"].contains(&room.as_str()) || !text.contains("std::fs"),
            "{shown} opens files"
        );
    }
}

#[test]
fn the_applier_decides_nothing_and_render_never_plans() {
    let rooms = rooms(&root().join("src/lib.rs"));
    for (room, barred) in [("apply", "planner"), ("apply", "desired"), ("render", "planner")] {
        let mut files = rust_files(&root().join("src").join(room));
        files.push(root().join("src").join(format!("{room}.rs")));
        for file in files {
            let imports = imports(&text(&file), &rooms);
            assert!(!imports.contains(barred), "{} imports {barred}", file.display());
        }
    }
}

#[test]
fn output_comes_from_sorted_collections() {
    for folder in ["src", "db-engine/src"] {
        for file in rust_files(&root().join(folder)) {
            let hashed = ["HashMap", "HashSet"].iter().any(|word| text(&file).contains(word));
            assert!(!hashed, "{} iterates in no order", file.display());
        }
    }
}
