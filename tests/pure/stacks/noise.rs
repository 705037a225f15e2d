//! Whatever the file holds, reading it ends, and every place it names is one of the text.

use proptest::prelude::*;
use tsinfra::stack;

use super::shipped;

/// Reads and renders a text; what it says of places must be true.
fn survive(text: &str) {
    let Err(mistakes) = stack::read("stack.toml", text) else {
        return;
    };
    assert!(!mistakes.all().is_empty());
    for mistake in mistakes.all() {
        for label in &mistake.labels {
            let range = label.span.clone();
            assert!(text.get(range.clone()).is_some(), "{range:?} in {} bytes", text.len());
        }
    }
    for line in mistakes.render(false, 100).lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
    }
    let _ = mistakes.render(true, 60);
}

#[test]
fn odd_files_are_answered() {
    let deep = "[".repeat(20_000);
    let keys = format!("a{} = 1", ".a".repeat(20_000));
    let header = format!("[a{}]", ".a".repeat(20_000));
    let tables = format!("a = {}", "{ a = ".repeat(20_000));
    let array = format!("a = {}", "[".repeat(20_000));
    let long = format!("[stack]\nname = \"{}\"", "x".repeat(900_000));
    let wide = format!("[stack]\nname = \"{}\" # {}", "\u{754c}".repeat(300), "\t".repeat(3000));
    let many = "x\n".repeat(100_000);
    let unknown: String = (0..20_000).map(|n| format!("k{n} = 1\n")).collect();
    let number = format!("[stack]\nname = {}", "9".repeat(5000));
    let odd = [
        "",
        "\n",
        "\r",
        "\r\n\r\n",
        "\0",
        "\u{feff}",
        "\u{feff}[stack]",
        "\u{feff}[stack]\nname = 1",
        "=",
        "[stack",
        "[stack]\nname",
        "[stack]\r\nname = 1\r\n",
        "[stack]\rname = 1",
        "a = 'b\0'",
        "[stack]\nname = \"\"\"\nmany\nlines\"\"\"\n",
        "stack = 1",
        "[[stack]]",
        "cluster = [1, 2]",
        "[[cluster]]\nname = 1",
        "[cluster.\"\"]",
        "[cluster.\"\\u001b[31m\"]\nengine = 1",
        "[storage]\nx = 1979-05-27",
        "stack.name.x = 1",
        "\"\\u0000\" = 1",
        "[stack]\nname = nan",
    ];
    let tier = |n| format!("[storage.t{n}]\nkind = \"local\"\nvolumes = []\n");
    let tiers: String = (0..5000).map(tier).collect();
    let pool = |n| {
        format!(
            "[cluster.c.pool.p{n}]\nrole = \"mixed\"\nnodes = 1\nstorage = {{ tier = \"x{n}\", size = {n} }}\n"
        )
    };
    let pools: String = (0..5000).map(pool).collect();
    let crowd = format!("[stack]\nname = \"s\"\n{tiers}{pools}");
    let generated = [crowd, deep, keys, header, tables, array, long, wide, many, unknown, number];
    for text in odd.into_iter().chain(generated.iter().map(String::as_str)) {
        survive(text);
    }
}

#[test]
fn numbers_out_of_all_bounds_are_answered() {
    for (_, text) in shipped() {
        for number in ["-1", "0", "1e400", "0x7fffffffffffffffffffff", "99999999999999999999999999"]
        {
            for word in ["3", "2", "32667", "true"] {
                survive(&text.replace(&format!("= {word}"), &format!("= {number}")));
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_answered() {
    for bytes in [&b"\xff"[..], b"[stack]\nname = \"\xc3\x28\"", b"abc\xe2\x82"] {
        let mistakes = stack::read_bytes("stack.toml", bytes).expect_err("no text");
        let shown = mistakes.render(false, 100);
        assert!(shown.contains("not UTF-8"), "{shown}");
    }
}

/// A change anywhere in a text: this much taken out there, this put in.
#[derive(Clone, Debug)]
struct Cut {
    at: prop::sample::Index,
    length: usize,
    insert: String,
}

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let insert = prop_oneof![
        any::<String>(),
        "[\\[\\]{}\"'=.,# \n]{0,6}",
        Just("[storage.disk]\n".to_owned()),
        Just("nodes = 2\n".to_owned()),
        Just("-99999999999999999999".to_owned()),
        Just("\u{202e}\u{754c}".to_owned()),
    ];
    let cut = (any::<prop::sample::Index>(), 0..40_usize, insert);
    let cut = cut.prop_map(|(at, length, insert)| Cut { at, length, insert });
    prop::collection::vec(cut, 1..5)
}

fn mangle(text: &str, cuts: &[Cut]) -> String {
    let mut text = text.to_owned();
    for cut in cuts {
        let from = text.floor_char_boundary(cut.at.index(text.len() + 1));
        let to = text.ceil_char_boundary((from + cut.length).min(text.len()));
        text.replace_range(from..to, &cut.insert);
    }
    text
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn nothing_like_toml_makes_reading_panic(
        text in "([\\[\\]{}\"'=.,# \n\t]|stack|name|cluster|storage|pool|c|1|true|\u{e9}){0,40}",
    ) {
        survive(&text);
    }

    #[test]
    fn no_change_of_a_shipped_stack_makes_reading_panic(which in any::<prop::sample::Index>(), cuts in cuts()) {
        let stacks = shipped();
        let (_, text) = which.get(&stacks);
        survive(&mangle(text, &cuts));
    }
}
