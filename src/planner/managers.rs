//! Who else writes to objects, and whose fields may be taken back.

/// Beginnings of the names tools give to what a person does by hand. What a person did by hand
/// is drift, and is mended; what a controller does is a conflict, and is not fought over.
const BY_HAND: [&str; 7] = ["kubectl", "k9s", "lens", "openlens", "headlamp", "rancher", "mozilla"];

/// Whether a manager's name stands for a person's hand.
pub fn by_hand(manager: &str) -> bool {
    let lower = manager.to_ascii_lowercase();
    BY_HAND.iter().any(|name| lower.starts_with(name))
}

/// Whether all conflicting fields may be taken: all were set by hand, or the user consents.
pub fn may_take(conflicts: &[(String, String)], consented: bool) -> bool {
    consented || conflicts.iter().all(|(manager, _)| by_hand(manager))
}
