//! Amounts and lengths of time: read exactly, written as Kubernetes would.

use proptest::prelude::*;
use tsinfra::stack::duration;
use tsinfra::stack::quantity::{Quantity, QuantityError};

fn canonical(text: &str) -> String {
    match text.parse::<Quantity>() {
        Ok(quantity) => quantity.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn amounts_are_spelt_as_the_api_server_stores_them() {
    let table = [
        ("2000m", "2"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("5.", "5"),
        ("+3", "3"),
        ("0", "0"),
        ("0Gi", "0"),
        ("000", "0"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("120000", "120k"),
        ("1k", "1k"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("12e-1", "1200e-3"),
        ("100", "100"),
        ("100Mi", "100Mi"),
        ("1000Mi", "1000Mi"),
        ("0.5Ki", "512"),
        ("1023", "1023"),
        ("0.3Ki", "307200m"),
        ("1.3Ki", "1331200m"),
        ("0.0009765625Ki", "1"),
        ("1n", "1n"),
        ("1000n", "1u"),
        ("9223372036854775807", "9223372036854775807"),
    ];
    for (written, stored) in table {
        assert_eq!(canonical(written), stored, "{written}");
    }
}

#[test]
fn what_is_no_amount_is_refused_with_the_reason() {
    let suffix = |text: &str| QuantityError::Suffix(text.to_owned());
    let table = [
        ("", QuantityError::Empty),
        ("Gi", QuantityError::NoNumber),
        (".", QuantityError::NoNumber),
        ("1.2.3", QuantityError::NoNumber),
        ("-1", QuantityError::Negative),
        ("10GB", suffix("GB")),
        ("10gi", suffix("gi")),
        ("10 Gi", suffix(" Gi")),
        ("1e", suffix("e")),
        ("1e+", suffix("e+")),
        ("1K", suffix("K")),
        ("0.1n", QuantityError::TooFine),
        ("1e-10", QuantityError::TooFine),
        ("9223372036854775808", QuantityError::TooLarge),
        ("8Ei", QuantityError::TooLarge),
        ("1e99999999999999999999", QuantityError::TooLarge),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Quantity>().expect_err(text), error, "{text}");
    }
}

#[test]
fn bytes_and_thousandths_count_a_part_as_one() {
    let read = |text: &str| text.parse::<Quantity>().expect(text);
    assert_eq!(read("1Gi").bytes(), 1 << 30);
    assert_eq!(read("0.5").bytes(), 1);
    assert_eq!(read("1500m").milli(), 1500);
    assert_eq!(read("1u").milli(), 1);
    assert!(read("1024Mi") == read("1Gi") && read("1G") < read("1Gi"));
    assert_eq!(Quantity::from_bytes(1 << 30).to_string(), "1Gi");
}

#[test]
fn lengths_of_time_are_hours_minutes_seconds() {
    let table = [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1h1m1s", 3661), ("0h5s", 5)];
    for (text, seconds) in table {
        assert_eq!(duration::seconds(text), Ok(seconds), "{text}");
    }
    for text in ["", "5", "s", "1d", "1m1h", "1s1s", "-5s", "1.5h", " 5s", "5 s", "0s", "9999h"] {
        assert!(duration::seconds(text).is_err(), "{text}");
    }
    assert!(duration::seconds("99999999999999999999h").is_err());
    assert_eq!(duration::spell(5400), "1h30m");
}

proptest! {
    #[test]
    fn an_amount_reads_back_as_it_was_written(text in "[+]?[0-9]{0,12}[.]?[0-9]{0,6}([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let shown = quantity.to_string();
            let again: Quantity = shown.parse().expect(&shown);
            prop_assert_eq!(again, quantity);
            prop_assert_eq!(again.to_string(), shown);
        }
    }

    #[test]
    fn no_text_makes_an_amount_or_a_time_panic(text in any::<String>()) {
        let _ = text.parse::<Quantity>().map(|quantity| (quantity.bytes(), quantity.milli()));
        let _ = duration::seconds(&text);
    }

    #[test]
    fn a_time_is_spelt_as_it_reads(seconds in 1..=duration::SECONDS_MAX) {
        prop_assert_eq!(duration::seconds(&duration::spell(seconds)), Ok(seconds));
    }
}
