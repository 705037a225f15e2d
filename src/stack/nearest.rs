//! The word a mistyped one was probably meant to be.

use std::cmp::Reverse;

/// The closest of `words` to `typed`, if one is close enough to be meant.
pub fn nearest<'w>(typed: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let typed: Vec<char> = typed.to_lowercase().chars().take(LETTERS_MAX + 1).collect();
    if typed.len() > LETTERS_MAX {
        return None;
    }
    // A third of the letters may differ: more, and short words resemble everything.
    let limit = (typed.len() / 3).max(1);
    words
        .into_iter()
        .map(|word| (distance(&typed, &word.chars().collect::<Vec<_>>()), word))
        .filter(|(distance, word)| *distance <= limit && *distance < word.chars().count())
        .min_by_key(|(distance, word)| (*distance, Reverse(kept(&typed, word))))
        .map(|(_, word)| word)
}

/// Letters at both ends that are the same: of words as close, the one that keeps more is meant.
fn kept(typed: &[char], word: &str) -> usize {
    let front = typed.iter().copied().zip(word.chars()).take_while(|(a, b)| a == b).count();
    let back = typed.iter().rev().copied().zip(word.chars().rev()).take_while(|(a, b)| a == b);
    front + back.count()
}

/// Nothing longer is compared: no word of a stack is, and the work grows with the square.
const LETTERS_MAX: usize = 64;

/// Letters to insert, delete, replace or swap with their neighbour to get from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = last;
        last = row;
    }
    last[to.len()]
}
