//! Kubernetes quantities: how much one is, and the form the API server stores it in.

const BINARY: [(&str, u32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, i32); 8] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15)];

/// A quantity in thousandths, rounded up; `None` if the text is none.
pub(super) fn milli(text: &str) -> Option<i128> {
    nano(text).map(|nano| nano.div_euclid(1_000_000) + i128::from(nano.rem_euclid(1_000_000) != 0))
}

/// The text the API server would store for a quantity; texts that are none are left alone.
pub(super) fn canonical(text: &str) -> String {
    let Some(nano) = nano(text) else { return text.to_owned() };
    if text.ends_with('i') && nano % 1_000_000_000 == 0 {
        return canonical_binary(nano / 1_000_000_000);
    }
    canonical_decimal(nano)
}

fn canonical_binary(bytes: i128) -> String {
    let fits = |(_, bits): &&(&str, u32)| bytes != 0 && bytes % (1 << bits) == 0;
    match BINARY.iter().rev().find(fits) {
        Some((suffix, bits)) => format!("{}{suffix}", bytes >> bits),
        None => bytes.to_string(),
    }
}

fn canonical_decimal(nano: i128) -> String {
    let unit = |exponent: i32| 10_i128.pow(u32::try_from(exponent + 9).unwrap_or_default());
    let fits = |exponent: i32| nano % unit(exponent) == 0;
    let mut scales: Vec<(&str, i32)> = DECIMAL.to_vec();
    scales.insert(3, ("", 0));
    let best = scales.iter().rev().find(|(_, exponent)| nano != 0 && fits(*exponent));
    match best {
        Some((suffix, exponent)) => format!("{}{suffix}", nano / unit(*exponent)),
        None => "0".to_owned(),
    }
}

/// A quantity in billionths.
fn nano(text: &str) -> Option<i128> {
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 9 || whole.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction:0<9}").parse().ok()?;
    if suffix.is_empty() {
        return Some(digits);
    }
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return digits.checked_mul(1 << bits);
    }
    let (_, exponent) = DECIMAL.iter().find(|(name, _)| *name == suffix)?;
    let scale = 10_i128.pow(exponent.unsigned_abs());
    if *exponent < 0 { Some(digits / scale) } else { digits.checked_mul(scale) }
}

#[cfg(test)]
mod tests {
    use super::{canonical, milli};

    #[test]
    fn quantities_take_the_form_the_server_stores() {
        for (given, stored) in [
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("10Gi", "10Gi"),
            ("1500", "1500"),
            ("1000", "1k"),
            ("0", "0"),
            ("odd", "odd"),
        ] {
            assert_eq!(canonical(given), stored, "{given}");
        }
    }

    #[test]
    fn quantities_compare_across_units() {
        assert_eq!(milli("1Gi"), milli("1024Mi"));
        assert_eq!(milli("0.5"), milli("500m"));
        assert!(milli("1G") < milli("1Gi"));
        assert_eq!(milli(""), None);
    }
}
