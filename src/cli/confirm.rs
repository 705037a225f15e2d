//! Asking before acting: fails closed where nobody can answer.

use std::io::{self, BufRead, IsTerminal};

use super::exit::{Exit, Failure};
use super::screen::Screen;

/// Asks a question that only one word answers; anything else is a no.
pub(super) fn ask(question: &str, word: &str, flag: &str, screen: &Screen) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            "nobody is there to confirm: standard input is no terminal",
            format!("look at the plan, then run again with {flag}"),
        ));
    }
    screen.print(&format!("\n{question}\n  Only `{word}` confirms: "));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == word {
        return Ok(());
    }
    let what = "not confirmed; nothing was changed".to_owned();
    Err(Failure::Other { what, help: None, exit: Exit::Error })
}
