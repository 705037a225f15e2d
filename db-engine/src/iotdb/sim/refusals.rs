//! The refusals a simulated cluster knows, in the recorded codes and words.

use crate::iotdb::rest::WRONG_DOOR;
use crate::statement::Answer;

/// A refusal in the engine's code and words.
pub(super) fn refused(code: i64, message: String) -> Answer {
    Answer::Refused { code, message }
}

/// A reading statement at the door for changes, or the other way round.
pub(super) fn wrong_door() -> Answer {
    let (code, message) = WRONG_DOOR;
    refused(code, message.to_owned())
}

/// Not recorded: no run lost its ConfigNodes. The code is that of every other failure inside.
pub(super) fn no_quorum() -> Answer {
    refused(305, "no majority of the ConfigNodes is reachable".to_owned())
}

/// The words a statement may begin with in 2.0.1-beta, as its refusals list them.
const FIRST_WORDS: &str = "ALTER, CALL, CLEAR, COUNT, CREATE, DEACTIVATE, DEBUG, DELETE, DROP, \
    EXPLAIN, FLUSH, GRANT, INSERT, KILL, LIST, LOAD, MIGRATE, REMOVE, REVOKE, SELECT, SET, SETTLE, \
    SHOW, START, STOP, UNLOAD, UNSET, VERIFY";

/// The refusal of a statement that does not parse. Statements the real thing knows and the simulated
/// one does not play (data, region moves) get it too.
pub(super) fn unparsed(text: &str, words: &[&str]) -> Answer {
    let first = words.first().copied().unwrap_or("<EOF>");
    let known = FIRST_WORDS.split(", ").any(|word| word.eq_ignore_ascii_case(first));
    let message = if known {
        let second = words.get(1).copied().unwrap_or_default();
        let rest = text.get(first.len()..).unwrap_or_default();
        let column = first.len() + rest.len() - rest.trim_start().len();
        let input = format!("{first} {second}");
        format!("line 1:{column} no viable alternative at input '{}'", input.trim_end())
    } else {
        format!("line 1:0 mismatched input '{first}' expecting {{{FIRST_WORDS}}}")
    };
    refused(700, message)
}
