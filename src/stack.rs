//! A stack, read and checked: what a user declared, with every default filled in and every name resolved.
//!
//! A value of [`Stack`] is valid by construction: the rooms after this one ask no question again.
//! Files here, ground first: `parts`, `model`, `moves`, `quantity`, `duration` and `names` know single values,
//! `diagnostics` and `findings` keep what is wrong and where, `reader` walks TOML, `syntax` reads
//! tables, `check` holds them against each other.

mod check;
pub mod diagnostics;
pub mod duration;
mod findings;
mod model;
mod moves;
mod names;
pub mod nearest;
pub mod parts;
pub mod quantity;
mod reader;
mod syntax;

pub use diagnostics::{Label, Mistake, Mistakes};
pub(crate) use model::POOL_NAME_MAX;
pub use model::{
    Binding, Cluster, Expose, ExposeKind, HELPER_IMAGE, Image, LocalVolume, PodOptions, Pool,
    Prepare, Reclaim, Recycle, Stack, Storage, Target, Tier, TierKind, Toleration, is_within,
};
pub use moves::Move;

/// The largest stack file that is read. A stack of a thousand volumes is a tenth of it; a file
/// beyond it is a mistake of its own, such as a disk image in the stack's place.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Reads a stack, or answers every mistake in it. `file_name` is only shown.
pub fn read(file_name: &str, text: &str) -> Result<Stack, Mistakes> {
    if text.len() > FILE_BYTES_MAX {
        return Err(refused(file_name, too_large(text.len())));
    }
    let (stack, mut found) = syntax::read(text);
    check::check(&stack, &mut found);
    let mistakes = found.into_mistakes();
    if mistakes.is_empty() { Ok(stack) } else { Err(Mistakes::new(file_name, text, mistakes)) }
}

/// Reads a stack from a file's bytes, which need not be text.
pub fn read_bytes(file_name: &str, bytes: &[u8]) -> Result<Stack, Mistakes> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refused(file_name, too_large(bytes.len())));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => read(file_name, text),
        Err(error) => Err(not_text(file_name, bytes, error.valid_up_to())),
    }
}

/// A mistake about the file as a whole, which is not shown.
fn refused(file_name: &str, mistake: Mistake) -> Mistakes {
    Mistakes::new(file_name, "", vec![mistake])
}

fn too_large(bytes: usize) -> Mistake {
    Mistake::new(format!("the file is {bytes} bytes; a stack is at most {FILE_BYTES_MAX}"))
        .help("give the stack's own TOML file; split a stack this large into several")
}

fn not_text(file_name: &str, bytes: &[u8], valid: usize) -> Mistakes {
    // The replacement characters come after the valid part, so its end is the place in both.
    let text = String::from_utf8_lossy(bytes);
    let end = text[valid..].chars().next().map_or(valid, |c| valid + c.len_utf8());
    let mistake = Mistake::new("the file is not UTF-8 text")
        .label(valid..end, format!("byte {:#04x} here", bytes[valid]))
        .help("save it as UTF-8, or check that this is the stack's TOML file");
    Mistakes::new(file_name, &text, vec![mistake])
}

/// Whether a name may be a namespace's: a DNS label (RFC 1123).
pub fn is_dns_label(name: &str) -> bool {
    names::dns_label(name).is_ok()
}
