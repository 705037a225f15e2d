//! Lengths of time as a stack writes them: `90s`, `15m`, `1h30m`.

/// The longest a stack may ask for: what takes a month is not waited for but planned again.
pub const SECONDS_MAX: u64 = 30 * 24 * 3600;

/// Units in the order they are written, with their seconds.
const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not digits and units in turn.
    #[error("it is not written like `90s`, `15m` or `1h30m`")]
    Form,
    /// A unit comes twice, or after a smaller one.
    #[error("its units are not in the order `h`, `m`, `s`, each at most once")]
    Order,
    /// It is no time at all.
    #[error("it is no time at all")]
    Zero,
    /// It exceeds [`SECONDS_MAX`].
    #[error("it is longer than 30 days")]
    TooLong,
}

/// The seconds of a length of time such as `1h30m`.
pub fn seconds(text: &str) -> Result<u64, DurationError> {
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut total: u64 = 0;
    if text.is_empty() {
        return Err(DurationError::Form);
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Form)?;
        let (digits, tail) = rest.split_at(end);
        let unit = tail.chars().next().filter(|_| !digits.is_empty()).ok_or(DurationError::Form)?;
        if !UNITS.iter().any(|(word, _)| *word == unit) {
            return Err(DurationError::Form);
        }
        let place = units.iter().position(|(word, _)| *word == unit);
        let place = place.ok_or(DurationError::Order)?;
        // Digits that do not fit 64 bits are too long in any unit.
        let count: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        let part = count.checked_mul(units[place].1).ok_or(DurationError::TooLong)?;
        total = total.checked_add(part).ok_or(DurationError::TooLong)?;
        units = &units[place + 1..];
        rest = &tail[1..];
    }
    match total {
        0 => Err(DurationError::Zero),
        1..=SECONDS_MAX => Ok(total),
        _ => Err(DurationError::TooLong),
    }
}

/// A number of seconds as a stack would write it.
pub fn spell(seconds: u64) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}
