//! What a column does to the values that are put into it. A stored value has been through that already and goes
//! through unchanged, except where somebody edited a declared type with `PRAGMA writable_schema`: such rows could
//! not be written again as they are, and an export must know.
//!
//! Not here: conversions. Values are only looked at.

use super::rows::Value;

/// Column affinity (<https://sqlite.org/datatype3.html#determination_of_column_affinity>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// TEXT.
    Text,
    /// INTEGER, and NUMERIC, which does the same to values that are stored.
    Integer,
    /// REAL.
    Real,
    /// BLOB, or a strict table.
    None,
}

impl Affinity {
    /// The affinity of a column by its declared type.
    pub fn of(declared: &str, strict: bool) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        match () {
            // A strict table has checked its values when they came, and takes no others.
            () if strict => Affinity::None,
            () if has("INT") => Affinity::Integer,
            () if has("CHAR") || has("CLOB") || has("TEXT") => Affinity::Text,
            () if has("BLOB") || upper.is_empty() => Affinity::None,
            () if has("REAL") || has("FLOA") || has("DOUB") => Affinity::Real,
            () => Affinity::Integer,
        }
    }

    /// Whether inserting this value into such a column would store another.
    pub fn would_change(self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Affinity::Text, Value::Integer(_) | Value::Real(_)) => true,
            (Affinity::Real, Value::Integer(_)) => true,
            (Affinity::Integer, Value::Real(x)) => {
                let whole = *x as i64;
                whole as f64 == *x && whole > i64::MIN && whole < i64::MAX
            }
            (Affinity::Integer | Affinity::Real, Value::Text(text)) => looks_numeric(text),
            _ => false,
        }
    }
}

/// A number as SQLite reads it from text: blanks around, a sign, digits with a point among them, an exponent.
fn looks_numeric(text: &str) -> bool {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let text = text.trim_matches(blank);
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sqlite::rows::value;

    #[test]
    fn sqlite_agrees_about_what_would_change() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let texts = [
            "",
            " ",
            "1",
            " 1 ",
            "+1",
            "-1.",
            ".5",
            ".",
            "1e5",
            "1e",
            "e5",
            "1e+5",
            "1.5.2",
            "2024-01-01",
            "0x10",
            "1 2",
            "12:30",
            "9223372036854775808",
            "1e400",
            "inf",
            "nan",
            "1_000",
            "\t7\n",
            "7\0",
            "+-1",
            "1e5.0",
            "١",
        ];
        let numbers =
            [0.0, -0.0, 1.0, 1.5, 1e15, 9007199254740993.0, 1e18, 9.3e18, -9.3e18, 1e300, 5e-324, f64::INFINITY];
        let values: Vec<Value<'_>> = texts
            .iter()
            .map(|text| Value::Text((*text).into()))
            .chain(numbers.iter().map(|x| Value::Real(*x)))
            .chain([Value::Integer(7), Value::Integer(i64::MIN), Value::Null, Value::Blob(b"1"[..].into())])
            .collect();
        for declared in ["", "BLOB", "TEXT", "VARCHAR(9)", "INT", "NUMERIC", "DATETIME", "REAL", "FLOATING POINT"] {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t(a {declared})")).unwrap();
            for before in &values {
                connection.execute("DELETE FROM t", []).unwrap();
                connection.execute("INSERT INTO t VALUES (?1)", [before]).unwrap();
                let mut read = connection.prepare("SELECT a FROM t").unwrap();
                let mut rows = read.query([]).unwrap();
                let after = value(rows.next().unwrap().unwrap().get_ref(0).unwrap());
                let changed = Affinity::of(declared, false).would_change(before);
                // A REAL column stores -0.0 as the integer 0; it cannot be found there, so nobody asks.
                let lost_sign = matches!(before, Value::Real(x) if *x == 0.0 && x.is_sign_negative());
                assert!(changed == (after != *before) || lost_sign, "{before:?} in {declared}: {after:?}");
            }
        }
    }
}
