//! Parts that were called otherwise: each led from one old name to one part that is declared.

use crate::stack::diagnostics::Mistake;
use crate::stack::findings::Findings;
use crate::stack::model::Stack;
use crate::stack::moves::Move;
use crate::stack::nearest::nearest;
use crate::stack::parts::PartAddress;

/// Checks every `[[moved]]` that was read without a mistake.
pub(super) fn check(stack: &Stack, found: &mut Findings) {
    for (index, entry) in stack.moved.iter().enumerate() {
        if found.sound(&["moved", &index.to_string()]) {
            let mistake = shape(entry, index, found)
                .or_else(|| twice(stack, entry, index, found))
                .or_else(|| still_there(stack, entry, index, found))
                .or_else(|| leads_nowhere(stack, entry, index, found));
            if let Some(mistake) = mistake {
                found.unfit(mistake);
            }
        }
    }
}

/// Whether a move can be one at all.
fn shape(entry: &Move, index: usize, found: &Findings) -> Option<Mistake> {
    let Move { from, to } = entry;
    let (was, is) = (place(found, index, "from"), place(found, index, "to"));
    if from.what() != to.what() {
        let message = format!("`{from}` is {} and `{to}` is {}", from.what(), to.what());
        let mistake = Mistake::new(message).label(is, to.what()).label(was, from.what());
        return Some(mistake.help("name two parts of one kind"));
    }
    if from == to {
        let mistake = Mistake::new(format!("`{from}` moves to where it is"));
        let mistake = mistake.label(is, "the same address").label(was, "first here");
        return Some(mistake.help("remove this `[[moved]]`"));
    }
    None
}

/// Two moves from one part, or to one: of two parts only one can be under a name.
fn twice(stack: &Stack, entry: &Move, index: usize, found: &Findings) -> Option<Mistake> {
    let earlier = || stack.moved.iter().take(index);
    let from = earlier().position(|it| it.from == entry.from).map(|at| (at, "from", &entry.from));
    let to = || earlier().position(|it| it.to == entry.to).map(|at| (at, "to", &entry.to));
    let (other, key, part) = from.or_else(to)?;
    let message = format!("two moves are {key} `{part}`");
    let mistake = Mistake::new(message)
        .label(place(found, index, key), "again here")
        .label(place(found, other, key), "first here");
    Some(mistake.help("a part has one name at a time: remove one of them"))
}

/// What is declared has not moved away.
fn still_there(stack: &Stack, entry: &Move, index: usize, found: &Findings) -> Option<Mistake> {
    let from = &stack.in_its_cluster(&entry.from)?;
    if !stack.declares(from) {
        return None;
    }
    let mistake = Mistake::new(format!("`{from}` is said to have moved, and is still declared"))
        .label(place(found, index, "from"), "moved from here")
        .label(found.key(&keys(from)), "declared here");
    let help = format!(
        "remove that table, or this `[[moved]]`; where `{from}` is another part now, give it a \
         name that was not used before"
    );
    Some(mistake.help(help))
}

/// A move ends at a part that is declared, perhaps by way of others.
fn leads_nowhere(stack: &Stack, entry: &Move, index: usize, found: &Findings) -> Option<Mistake> {
    let (from, to) = (&entry.from, &entry.to);
    let is = place(found, index, "to");
    let Some(end) = stack.after_moves(from) else {
        let mistake = Mistake::new(format!("the moves from `{from}` go round in a circle"));
        return Some(mistake.label(is, "round again").help("remove one of them"));
    };
    if let (PartAddress::Pool(old, _), PartAddress::Pool(new, _)) = (from, to) {
        let cluster = |name: &str| stack.after_moves(&PartAddress::cluster(name));
        if cluster(old) != cluster(new) {
            let mistake = Mistake::new("a pool cannot move to another cluster");
            let mistake = mistake.label(is, format!("not in cluster `{old}`"));
            let help = "members belong to the cluster they have joined; declare the pool in its own \
                        cluster, or let the cluster itself move";
            return Some(mistake.help(help));
        }
    }
    let is_last = end.name() == to.name();
    if is_last && !stack.declares(&end) && found.reached(&keys(to)) {
        let names = stack.parts();
        let names: Vec<String> = names.iter().map(PartAddress::to_string).collect();
        let help = match nearest(&to.to_string(), names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declare it; once `{to}` is given up, remove this `[[moved]]`, too"),
        };
        let mistake = Mistake::new(format!("`{to}` is not declared"));
        return Some(mistake.label(is, "no such part").help(help));
    }
    None
}

/// Where one end of a move stands.
fn place(found: &Findings, index: usize, key: &str) -> std::ops::Range<usize> {
    found.value(&["moved", &index.to_string(), key])
}

/// The keys that lead to a part's table.
fn keys(part: &PartAddress) -> Vec<&str> {
    match part {
        PartAddress::Cluster(cluster) => vec!["cluster", cluster],
        PartAddress::Pool(cluster, pool) => vec!["cluster", cluster, "pool", pool],
        PartAddress::Tier(tier) => vec!["storage", tier],
    }
}
