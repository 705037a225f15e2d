//! One field's change as lines: short values side by side, long ones word by word.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::paint::Paint;
use super::text::{NAME_MAX, SHOWN_MAX, WIDTH, brief, fold, harmless};
use crate::plan::FieldChange;

/// A field's change, indented by `indent`, each line within [`WIDTH`].
pub fn lines(field: &FieldChange, indent: &str, paint: Paint) -> Vec<String> {
    let by = field.drifted_by.as_ref();
    let by = by.map_or(String::new(), |manager| {
        format!("  # set by `{}`", harmless(&brief(manager, NAME_MAX)))
    });
    let path = harmless(&brief(&field.path, NAME_MAX));
    let (sign, before, after) = match (&field.before, &field.after) {
        (None, Some(after)) => (paint.added("+"), None, Some(shown(after))),
        (Some(before), None) => (paint.removed("-"), Some(shown(before)), None),
        (before, after) => {
            (paint.changed("~"), before.as_ref().map(shown), after.as_ref().map(shown))
        }
    };
    let value = match (&before, &after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (before, after) => before.as_ref().or(after.as_ref()).cloned().unwrap_or_default(),
    };
    // The sign is one column wide whatever colour it has.
    let width = indent.len() + 2 + path.chars().count() + 2 + value.chars().count() + by.len();
    if width <= WIDTH {
        return vec![format!("{indent}{sign} {path}: {value}{by}")];
    }
    let deeper = format!("{indent}    ");
    let room = WIDTH.saturating_sub(indent.len() + 2 + 1 + by.len());
    let (path, further) = broken(&path, room);
    let mut lines = match further {
        None => vec![format!("{indent}{sign} {path}:{by}")],
        Some(further) => {
            vec![format!("{indent}{sign} {path}"), format!("{indent}  {further}:{by}")]
        }
    };
    match (before, after) {
        (Some(before), Some(after)) => lines.extend(word_by_word(&before, &after, &deeper)),
        _ => lines.extend(fold(&value, &deeper, &deeper).lines().map(str::to_owned)),
    }
    lines
}

/// A path in two where it has no room in one line: before the last name that has none.
fn broken(path: &str, room: usize) -> (&str, Option<&str>) {
    let has_room = |(index, _): &(usize, char)| path[..*index].chars().count() <= room;
    let mut ends = path.char_indices().filter(|(_, letter)| matches!(letter, '.' | '['));
    match ends.rfind(has_room).filter(|(index, _)| *index > 0) {
        Some((index, _)) if path.chars().count() > room => (&path[..index], Some(&path[index..])),
        _ => (path, None),
    }
}

fn shown(value: &Value) -> String {
    harmless(&brief(&value.to_string(), SHOWN_MAX))
}

/// Two long texts as one, with what goes in `[-…-]` and what comes in `{+…+}`.
fn word_by_word(before: &str, after: &str, indent: &str) -> Vec<String> {
    let diff = TextDiff::from_words(before, after);
    let mut merged = String::new();
    let mut last = ChangeTag::Equal;
    let close = |tag| match tag {
        ChangeTag::Equal => "",
        ChangeTag::Delete => "-]",
        ChangeTag::Insert => "+}",
    };
    for change in diff.iter_all_changes() {
        if change.tag() != last {
            merged.push_str(close(last));
            merged.push_str(match change.tag() {
                ChangeTag::Equal => "",
                ChangeTag::Delete => "[-",
                ChangeTag::Insert => "{+",
            });
            last = change.tag();
        }
        merged.push_str(change.value());
    }
    merged.push_str(close(last));
    fold(&merged, indent, indent).lines().map(str::to_owned).collect()
}
