//! `[[moved]]`: a part that is called otherwise than before.

use crate::stack::diagnostics::quoted;
use crate::stack::findings::Findings;
use crate::stack::moves::Move;
use crate::stack::parts::PartAddress;
use crate::stack::reader::{Table, Value};

const KEYS: &[&str] = &["from", "to"];

const ADDRESS_HELP: &str =
    "write `cluster.NAME`, `cluster.NAME.pool.POOL` or `storage.TIER`, without brackets";

/// Reads all of them. A broken one holds its place, so that each is known by its number.
pub(super) fn read(entries: &Value<'_>, found: &mut Findings) -> Vec<Move> {
    let entries = entries.list(found);
    entries.iter().map(|entry| read_one(entry, found)).collect()
}

fn read_one(entry: &Value<'_>, found: &mut Findings) -> Move {
    let stand_in = || PartAddress::tier("");
    let Some(table) = Table::of(entry, KEYS, found) else {
        return Move { from: stand_in(), to: stand_in() };
    };
    let mut address = |key, example: &str| {
        let value = table.need(key, example, found)?;
        let text = value.text(found)?;
        let address = text.parse::<PartAddress>();
        if let Err(reason) = &address {
            let message = format!("{} is no address of a part: {reason}", quoted(&text));
            value.wrong(message, "cannot be used", ADDRESS_HELP, found);
        }
        address.ok()
    };
    Move {
        from: address("from", "`from = \"cluster.OLD\"`").unwrap_or_else(stand_in),
        to: address("to", "`to = \"cluster.NEW\"`").unwrap_or_else(stand_in),
    }
}
