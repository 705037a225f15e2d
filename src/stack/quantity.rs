//! Amounts as Kubernetes writes them (`10Gi`, `4`, `500m`), kept exact and spelt as the API server stores them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Nano units in one unit: the finest step Kubernetes keeps.
const UNIT: i128 = 1_000_000_000;

/// The largest amount, in nano units: Kubernetes counts whole units in 64 signed bits.
const NANOS_MAX: i128 = i64::MAX as i128 * UNIT;

/// No amount within [`NANOS_MAX`] needs more digits; longer ones are refused unread.
const DIGITS_MAX: usize = 40;

/// Suffixes of powers of 1000, with the exponent of ten of each.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// Suffixes of powers of 1024, from 1024 on.
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// An amount of memory, storage or CPU: never negative, exact to the nano unit.
///
/// Amounts are compared by value: `1024Mi` is `1Gi`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

/// Which kind of suffix an amount was written with; its canonical spelling keeps to it.
#[derive(Clone, Copy, Debug)]
enum Family {
    Decimal,
    Exponent,
    Binary,
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is no text.
    #[error("it is empty")]
    Empty,
    /// It does not start with digits.
    #[error("it starts with no number")]
    NoNumber,
    /// It has a minus sign.
    #[error("it is negative")]
    Negative,
    /// What follows the number is no suffix.
    #[error("`{0}` is no suffix Kubernetes knows")]
    Suffix(String),
    /// It has digits below the nano unit.
    #[error("it is finer than a billionth, the smallest step Kubernetes keeps")]
    TooFine,
    /// It exceeds 64 bits.
    #[error("it is more than Kubernetes can count")]
    TooLarge,
}

impl Quantity {
    /// A whole number of bytes (or of any unit), spelt with binary suffixes.
    /// More than Kubernetes can count is as much as it can count.
    pub fn from_bytes(bytes: u64) -> Self {
        Self { nanos: (i128::from(bytes) * UNIT).min(NANOS_MAX), family: Family::Binary }
    }

    /// Whole units, a part of one counted as one, as Kubernetes does.
    pub fn bytes(self) -> u64 {
        u64::try_from(self.nanos.div_ceil_to(UNIT)).unwrap_or(u64::MAX)
    }

    /// Thousandths of a unit, a part of one counted as one.
    pub fn milli(self) -> u64 {
        u64::try_from(self.nanos.div_ceil_to(UNIT / 1000)).unwrap_or(u64::MAX)
    }

    /// Whether it has no part of a unit.
    pub fn is_whole(self) -> bool {
        self.nanos % UNIT == 0
    }

    /// Whether it is nothing at all.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

/// Division that rounds up, for amounts that are never negative.
trait DivCeil {
    fn div_ceil_to(self, step: i128) -> i128;
}

impl DivCeil for i128 {
    fn div_ceil_to(self, step: i128) -> i128 {
        self / step + i128::from(self % step != 0)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let number = text.strip_prefix('+').unwrap_or(text);
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        if number.starts_with('-') {
            return Err(QuantityError::Negative);
        }
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        if end == 0 {
            return Err(QuantityError::NoNumber);
        }
        let (digits, suffix) = number.split_at(end);
        let (factor, family) = Factor::parse(suffix)?;
        let nanos = factor.times(digits)?;
        if nanos > NANOS_MAX {
            return Err(QuantityError::TooLarge);
        }
        Ok(Self { nanos, family })
    }
}

/// What a suffix multiplies by.
enum Factor {
    Ten(i32),
    Two(u32),
}

impl Factor {
    fn parse(suffix: &str) -> Result<(Self, Family), QuantityError> {
        if let Some((_, exponent)) = DECIMAL.iter().find(|(word, _)| *word == suffix) {
            return Ok((Self::Ten(*exponent), Family::Decimal));
        }
        if let Some(power) = BINARY.iter().position(|word| *word == suffix) {
            return Ok((Self::Two(10 * (power as u32 + 1)), Family::Binary));
        }
        let unknown = || QuantityError::Suffix(suffix.to_owned());
        let exponent = suffix.strip_prefix(['e', 'E']).ok_or_else(unknown)?;
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unknown());
        }
        // An exponent too long for 32 bits is as far out of reach as the largest that fits.
        let size: i32 = digits.parse().unwrap_or(i32::MAX);
        let signed = if exponent.starts_with('-') { -size } else { size };
        Ok((Self::Ten(signed), Family::Exponent))
    }

    /// The digits (with at most one point) times this factor, in nano units.
    fn times(&self, digits: &str) -> Result<i128, QuantityError> {
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if part.contains('.') || (whole.is_empty() && part.is_empty()) {
            return Err(QuantityError::NoNumber);
        }
        let whole = whole.trim_start_matches('0');
        let part = part.trim_end_matches('0');
        if whole.is_empty() && part.is_empty() {
            return Ok(0);
        }
        if whole.len() > DIGITS_MAX {
            return Err(QuantityError::TooLarge);
        }
        if part.len() > DIGITS_MAX {
            return Err(QuantityError::TooFine);
        }
        match self {
            Self::Ten(exponent) => shifted(&format!("{whole}{part}"), part.len(), *exponent),
            Self::Two(power) => scaled_binary(whole, part, *power),
        }
    }
}

/// Digits whose last `places` stand behind the point, times ten to the exponent, in nano units.
fn shifted(digits: &str, places: usize, exponent: i32) -> Result<i128, QuantityError> {
    let digits = digits.trim_start_matches('0');
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let shift = i64::from(exponent) + 9 - places as i64;
    if shift < 0 {
        let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
        if cut > zeros {
            return Err(QuantityError::TooFine);
        }
        return digits[..digits.len() - cut].parse().map_err(|_| QuantityError::TooLarge);
    }
    let value: i128 = digits.parse().map_err(|_| QuantityError::TooLarge)?;
    let power = u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
    power.and_then(|power| value.checked_mul(power)).ok_or(QuantityError::TooLarge)
}

/// Whole and part times two to the power, in nano units.
fn scaled_binary(whole: &str, part: &str, power: u32) -> Result<i128, QuantityError> {
    let factor = (1_i128 << power) * UNIT;
    let units: i128 =
        if whole.is_empty() { 0 } else { whole.parse().map_err(|_| QuantityError::TooLarge)? };
    let nanos = units.checked_mul(factor).ok_or(QuantityError::TooLarge)?;
    // part / 10^places × factor is whole only if what is left of 10^places after the common factors
    // divides part; dividing first keeps every step within 128 bits.
    let part_value: i128 =
        if part.is_empty() { 0 } else { part.parse().map_err(|_| QuantityError::TooFine)? };
    let places = u32::try_from(part.len()).ok().and_then(|n| 10_i128.checked_pow(n));
    let places = places.ok_or(QuantityError::TooFine)?;
    let common = common_factor(factor, places);
    if part_value % (places / common) != 0 {
        return Err(QuantityError::TooFine);
    }
    let rest = part_value / (places / common) * (factor / common);
    nanos.checked_add(rest).ok_or(QuantityError::TooLarge)
}

fn common_factor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { common_factor(b, a % b) }
}

impl fmt::Display for Quantity {
    /// The canonical spelling: no fraction, the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nanos % UNIT == 0;
        let small = self.nanos < 1024 * UNIT;
        match self.family {
            // Kubernetes itself leaves the binary suffixes for what they cannot say.
            Family::Binary if whole && !small => write_binary(f, self.nanos / UNIT),
            Family::Binary | Family::Decimal => {
                let (value, exponent) = thousands(self.nanos);
                let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(s, _)| s);
                write!(f, "{value}{suffix}")
            }
            Family::Exponent => match thousands(self.nanos) {
                (value, 0) => write!(f, "{value}"),
                (value, exponent) => write!(f, "{value}e{exponent}"),
            },
        }
    }
}

/// The value without its factors of a thousand, and the exponent of ten they make.
fn thousands(nanos: i128) -> (i128, i32) {
    if nanos == 0 {
        return (0, 0);
    }
    let (mut value, mut exponent) = (nanos, -9);
    while value % 1000 == 0 && exponent < 18 {
        value /= 1000;
        exponent += 3;
    }
    (value, exponent)
}

fn write_binary(f: &mut fmt::Formatter<'_>, units: i128) -> fmt::Result {
    let (mut value, mut suffix) = (units, "");
    for word in BINARY {
        if value % 1024 != 0 {
            break;
        }
        value /= 1024;
        suffix = word;
    }
    write!(f, "{value}{suffix}")
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}
