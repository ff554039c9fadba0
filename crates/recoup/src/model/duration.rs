//! Lengths of time as people write them in configuration: `30s`, `1h 30m`, `7d`. A day has 24 hours here.
//!
//! Not here: calendar days, which can be longer or shorter ([`super::schedule`]).

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// Reads `30s`, `10m`, `1h 30m`, `7d`, `2w`; a day is 24 hours. `None` for anything else: a month or a year, which
/// have no fixed length, a negative length, nothing.
pub fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if span.get_months() != 0 || span.get_years() != 0 { None } else { Duration::try_from(length).ok() }
}

/// The shortest text that [`parse`] reads as the same: `7d`, `1h 30m`, `0s`.
pub fn words(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(length.subsec_millis()), "ms"),
    ];
    let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_and_written_the_same() {
        for (text, seconds) in [("30s", 30), ("1h 30m", 5_400), ("7d", 604_800), ("0s", 0), ("1d 1s", 86_401)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
        assert_eq!((parse("2w"), parse("90m")), (parse("14d"), parse("1h 30m")));
        assert_eq!(words(Duration::from_millis(1_500)), "1s 500ms");
        for bad in ["", "7", "soon", "-1h", "1 month", "1y", "7 d x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
