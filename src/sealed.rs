//! Data kept outside the program: of a version, and sealed by a digest so that damage is noticed. Pure.
//!
//! Saved plans and records follow one rule. A new minor number only adds members that a program
//! which does not know them may pass over, and drop when it writes; what must be heeded or kept is
//! a new major number, and one that is not ours is refused unread.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fields::hex;

/// The member that holds the version.
const FORMAT: &str = "format";

/// The member that holds the digest of all others.
const DIGEST: &str = "digest";

/// A version of a format, written `major.minor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format {
    /// Another one means something else; never 0.
    pub major: u32,
    /// A higher one says more.
    pub minor: u32,
}

impl Format {
    /// The version a text such as `1.0` names, or a number such as 1, as the first files had it.
    fn of(value: &Value) -> Option<Self> {
        let whole = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if plain { text.parse::<u32>().ok() } else { None }
        };
        let (major, minor) = match value {
            Value::String(text) => {
                let (major, minor) = text.split_once('.')?;
                (whole(major)?, whole(minor)?)
            }
            number => (u32::try_from(number.as_u64()?).ok()?, 0),
        };
        (major > 0).then_some(Self { major, minor })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::of(&value).ok_or_else(|| D::Error::custom(format!("{value} is no version")))
    }
}

/// What was kept, once it is known to be whole and of a major version that is understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The version it says it has.
    pub format: Format,
    /// All of it.
    pub value: Value,
    /// Whether it has a seal; then it holds.
    pub sealed: bool,
}

/// Why what was kept cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// It is no JSON, or not all of it: what the parser says.
    Broken(String),
    /// It does not say a version.
    Unversioned,
    /// It is of another major version.
    Other(Format),
    /// It is not what was sealed.
    Changed,
}

/// Puts the digest of all members beside them.
pub fn seal(mut value: Value) -> Value {
    let digest = digest(&value);
    if let Some(members) = value.as_object_mut() {
        members.insert(DIGEST.to_owned(), digest.into());
    }
    value
}

/// Reads what was kept by a program that knows version `known`. A file without a seal is said to be
/// so, and not refused: whether it needs one is for the caller to say.
pub fn open(bytes: &[u8], known: Format) -> Result<Opened, Unsound> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| Unsound::Broken(error.to_string()))?;
    let format = value.get(FORMAT).and_then(Format::of).ok_or(Unsound::Unversioned)?;
    if format.major != known.major {
        return Err(Unsound::Other(format));
    }
    let sealed = match value.get(DIGEST) {
        None => false,
        Some(found) if found.as_str() == Some(&digest(&value)) => true,
        Some(_) => return Err(Unsound::Changed),
    };
    Ok(Opened { format, value, sealed })
}

/// What a parser did not know, without the list of all that it does know.
pub fn unknown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(", expected").map_or(text.as_str(), |(start, _)| start).to_owned()
}

/// SHA-256, in hex, of a value without its digest. Members are in order of their names, so that
/// spaces and order do not matter.
fn digest(value: &Value) -> String {
    let text = match value {
        Value::Object(members) if members.contains_key(DIGEST) => {
            let mut plain = members.clone();
            plain.remove(DIGEST);
            Value::Object(plain).to_string()
        }
        whole => whole.to_string(),
    };
    hex(&Sha256::digest(text.as_bytes()))
}
