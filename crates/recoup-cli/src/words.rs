//! How figures and words read: sizes in IEC units, counts, durations, ages, times, what is to be typed. Pure functions of values.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use recoup::{Error, Result};

/// `812 B`, `4.1 MiB`, `137 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 99.95 { 1 } else { 0 };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `1,204`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `1,204 files`, `3 directories`.
pub fn things(n: u64, thing: &str) -> String {
    let plural = match thing.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{thing}s"),
    };
    format!("{} {}", count(n), if n == 1 { thing } else { &plural })
}

/// `38 ms`, `1.2 s`, `2 min 5 s`, `3 h 4 min`.
pub fn duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let s = (ms + 500) / 1000;
    match ms {
        0..995 => format!("{ms} ms"),
        995..59_950 => format!("{:.1} s", duration.as_secs_f64()),
        59_950..3_599_500 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// `just now`, `3 min ago`, `2 days ago`; `in 3 min` for what should not be.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let s = now.as_second() - then.as_second();
    let (past, s) = (s >= 0, s.unsigned_abs());
    let text = match s {
        0..45 => return if past { "just now".into() } else { format!("in {s} s") },
        45..5_400 => format!("{} min", (s + 30) / 60),
        5_400..129_600 => format!("{} h", (s + 1_800) / 3_600),
        129_600..5_184_000 => things((s + 43_200) / 86_400, "day"),
        5_184_000..63_072_000 => things(s / 2_629_746, "month"),
        _ => things(s / 31_556_952, "year"),
    };
    if past { format!("{text} ago") } else { format!("in {text}") }
}

/// `90m`, `36h`, `90d`, `12w`; a day has 24 hours.
pub fn parse_age(text: &str) -> Result<SignedDuration> {
    let span = text.parse::<Span>().ok();
    let age = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    age.filter(|age| *age > SignedDuration::ZERO).ok_or_else(|| {
        Error::usage("bad_age", format!("Not an age: {text}")).hint("write it as 90d, 12w or 36h; a day has 24 hours")
    })
}

/// `2026-11-21 05:31:07` in UTC.
pub fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// As a word that a shell takes as it is.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_like_a_person_writes_them() {
        let sizes = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (4_299_161, "4.1 MiB"), (1_048_000, "1023 KiB")];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(1_048_570), "1.0 MiB");
        assert_eq!(size(147_639_500_800), "138 GiB");
        assert_eq!(size(u64::MAX), "16.0 EiB");
        let counts = [count(0), count(999), count(1000), count(1_234_567)];
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((things(1, "directory"), things(2, "directory")), ("1 directory".into(), "2 directories".into()));
    }

    #[test]
    fn ages_round_to_what_matters() {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let before = |s: i64| Timestamp::from_second(1_800_000_000 - s).unwrap_or_default();
        for (s, text) in [
            (0, "just now"),
            (60, "1 min ago"),
            (3_600, "60 min ago"),
            (7_200, "2 h ago"),
            (86_400, "24 h ago"),
            (172_800, "2 days ago"),
            (86_400 * 90, "2 months ago"),
            (86_400 * 800, "2 years ago"),
            (-7_200, "in 2 h"),
        ] {
            assert_eq!(age(before(s), now), text, "{s}");
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (ms, text) in
            [(0, "0 ms"), (38, "38 ms"), (1_240, "1.2 s"), (125_000, "2 min 5 s"), (11_040_000, "3 h 4 min")]
        {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
    }
}
