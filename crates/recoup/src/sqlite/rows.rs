//! Values of rows without loss, and their one way of being written down as JSON. Everything that counts,
//! hashes, exports or compares rows reads them here, in one order.
//!
//! Not here: where the lines go ([`crate::format::json`]) and which tables there are ([`super::schema`]).
//!
//! Text is the difficult part. SQLite promises nothing about it: `CAST(x'ff41' AS TEXT)` is text that is not
//! UTF-8, and a UTF-16 database can hold half a surrogate pair, which SQLite garbles when it is asked for UTF-8.
//! Such text is read as its bytes in the encoding of the database (`CAST(x AS BLOB)` gives exactly these) and
//! written back the same way (`CAST(? AS TEXT)`).

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Rows, Statement};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::schema::{Encoding, Rowid, Table, failed, quote};
use crate::error::Result;

/// Integers up to this distance from zero are JSON numbers; beyond it readers that use doubles would round.
const SAFE: i64 = (1 << 53) - 1;

/// One value, by its actual storage class, whatever the column was declared as.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL; never NaN, which SQLite stores as NULL.
    Real(f64),
    /// TEXT that is valid Unicode; may contain NUL.
    Text(Cow<'a, str>),
    /// TEXT that is not: its bytes in the encoding of the database.
    OddText(Cow<'a, [u8]>),
    /// BLOB.
    Blob(Cow<'a, [u8]>),
}

impl PartialEq for Value<'_> {
    /// The same bits in the same storage class: 1 is not 1.0, and 0.0 is not -0.0.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::OddText(a), Value::OddText(b)) | (Value::Blob(a), Value::Blob(b)) => a == b,
            _ => false,
        }
    }
}
impl Eq for Value<'_> {}

impl Value<'_> {
    /// The same value, independent of the row that it was read from.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Integer(n) => Value::Integer(n),
            Value::Real(x) => Value::Real(x),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::OddText(bytes) => Value::OddText(Cow::Owned(bytes.into_owned())),
            Value::Blob(bytes) => Value::Blob(Cow::Owned(bytes.into_owned())),
        }
    }

    /// Appends the value as JSON. There is exactly one way for each value, so that equal rows are equal lines.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Integer(n) if (-SAFE..=SAFE).contains(n) => out.extend_from_slice(n.to_string().as_bytes()),
            Value::Integer(n) => out.extend_from_slice(format!("{{\"$int\":\"{n}\"}}").as_bytes()),
            // Debug is the shortest decimal that reads back to the same bits, always with `.` or an exponent.
            Value::Real(x) if x.is_finite() => out.extend_from_slice(format!("{x:?}").as_bytes()),
            Value::Real(x) => {
                let word = if *x < 0.0 { "-inf" } else { "inf" };
                out.extend_from_slice(format!("{{\"$real\":\"{word}\"}}").as_bytes());
            }
            Value::Text(text) => write_json_string(text, out),
            Value::OddText(bytes) => write_tagged(b"$text", bytes, out),
            Value::Blob(bytes) => write_tagged(b"$blob", bytes, out),
        }
    }
}

/// Appends a JSON string.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn write_tagged(tag: &[u8], bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(tag);
    out.extend_from_slice(b"\":\"");
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
    out.extend_from_slice(b"\"}");
}

/// Appends a row as a JSON array, without a line end.
pub fn write_json_row(values: &[Value<'_>], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        value.write_json(out);
    }
    out.push(b']');
}

impl<'de> Deserialize<'de> for Value<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a number, a string, or one of {\"$int\"} {\"$real\"} {\"$text\"} {\"$blob\"}")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }
    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
        if (-SAFE..=SAFE).contains(&n) { Ok(Value::Integer(n)) } else { Err(E::custom("integer without its tag")) }
    }
    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Self::Value, E> {
        i64::try_from(n).map_err(|_| E::custom("integer without its tag")).and_then(|n| self.visit_i64(n))
    }
    fn visit_f64<E: de::Error>(self, x: f64) -> Result<Self::Value, E> {
        Ok(Value::Real(x))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((tag, text)) = map.next_entry::<Cow<'_, str>, String>()? else {
            return Err(de::Error::custom("an empty tag"));
        };
        let bytes = |text: &str| {
            BASE64.decode(text.as_bytes()).map(Cow::Owned).map_err(|e| de::Error::custom(format!("base64: {e}")))
        };
        let value = match (tag.as_ref(), text.as_str()) {
            ("$int", text) => text.parse().map(Value::Integer).map_err(|_| de::Error::custom("not an integer"))?,
            ("$real", "inf") => Value::Real(f64::INFINITY),
            ("$real", "-inf") => Value::Real(f64::NEG_INFINITY),
            ("$text", text) => Value::OddText(bytes(text)?),
            ("$blob", text) => Value::Blob(bytes(text)?),
            _ => return Err(de::Error::custom(format!("unknown tag {tag}"))),
        };
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(de::Error::custom("a tag with more than one key")),
        }
    }
}

/// Binds as it is; [`Value::OddText`] as the blob that an enclosing `CAST(? AS TEXT)` turns into text.
impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(n) => ValueRef::Integer(*n),
            Value::Real(x) => ValueRef::Real(*x),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::OddText(bytes) | Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Makes text bindable without loss in a database of this encoding: SQLite turns U+FFFE and U+FFFF into U+FFFD
/// on the way from UTF-8 to UTF-16, so such text goes by its bytes.
pub fn bindable(value: Value<'_>, encoding: Encoding) -> Value<'_> {
    match value {
        Value::Text(text) if encoding != Encoding::Utf8 && text.contains(['\u{fffe}', '\u{ffff}']) => {
            Value::OddText(Cow::Owned(encode(&text, encoding)))
        }
        other => other,
    }
}

/// Text in the bytes of a database's encoding.
pub fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    }
}

fn decode(bytes: &[u8], encoding: Encoding) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let unit = |pair: &[u8]| match encoding {
        Encoding::Utf16be => u16::from_be_bytes([pair[0], pair[1]]),
        _ => u16::from_le_bytes([pair[0], pair[1]]),
    };
    char::decode_utf16(bytes.chunks_exact(2).map(unit)).collect::<Result<String, _>>().ok()
}

/// The names of the values of a table's rows as SQL expressions: first the rowid when it is not one of the
/// columns and can be reached, then the stored columns.
pub fn expressions(table: &Table) -> Vec<String> {
    let rowid = match table.rowid {
        Rowid::Name(name) => Some(name.to_owned()),
        _ => None,
    };
    rowid.into_iter().chain(table.stored_columns().map(|column| quote(&column.name))).collect()
}

/// A table's rows in key order: by rowid, or by primary key where there is none. The order depends on nothing
/// but the rows and the encoding, never on an application's collations.
pub fn prepare<'c>(connection: &'c Connection, table: &Table, encoding: Encoding) -> Result<Reading<'c>> {
    let order = match table.rowid {
        Rowid::Name(name) => vec![name.to_owned()],
        Rowid::Column(at) => vec![quote(&table.columns[at].name)],
        // The b-tree is in rowid order, and NOT INDEXED makes SQLite walk it.
        Rowid::Unreachable => Vec::new(),
        Rowid::None => {
            table.key_columns().iter().map(|column| format!("{} COLLATE BINARY", quote(&column.name))).collect()
        }
    };
    Reading::new(connection, table, &expressions(table), &order, encoding)
}

/// A prepared reading of some expressions of one table in some order.
pub struct Reading<'c> {
    statement: Statement<'c>,
    shape: Shape,
}

/// How values lie in the result of a [`Reading`].
#[derive(Debug, Clone, Copy)]
struct Shape {
    width: usize,
    encoding: Encoding,
}

impl<'c> Reading<'c> {
    /// Reads `values` of every row of `table`, ordered by `order`.
    pub fn new(
        connection: &'c Connection,
        table: &Table,
        values: &[String],
        order: &[String],
        encoding: Encoding,
    ) -> Result<Self> {
        let columns: Vec<String> = match encoding {
            Encoding::Utf8 => values.to_vec(),
            _ => {
                let both = |e: &String| {
                    format!("CASE WHEN typeof({e}) = 'text' THEN CAST({e} AS BLOB) ELSE {e} END, typeof({e}) = 'text'")
                };
                values.iter().map(both).collect()
            }
        };
        let not_indexed = if order.is_empty() { " NOT INDEXED" } else { "" };
        let mut sql = format!("SELECT {} FROM main.{}{not_indexed}", columns.join(", "), quote(&table.name));
        if !order.is_empty() {
            sql.push_str(" ORDER BY ");
            sql.push_str(&order.join(", "));
        }
        let statement = connection.prepare(&sql).map_err(failed(format!("reading table {}", table.name)))?;
        Ok(Reading { statement, shape: Shape { width: values.len(), encoding } })
    }

    /// Starts reading.
    pub fn rows(&mut self) -> Result<Cursor<'_>> {
        let shape = self.shape;
        Ok(Cursor { rows: self.statement.query([]).map_err(failed("reading rows"))?, shape })
    }
}

/// Rows, one after the other; holds one at a time.
pub struct Cursor<'s> {
    rows: Rows<'s>,
    shape: Shape,
}

impl Cursor<'_> {
    /// The next row, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Vec<Value<'_>>>> {
        let shape = self.shape;
        let Some(row) = self.rows.next().map_err(failed("reading rows"))? else { return Ok(None) };
        let mut values = Vec::with_capacity(shape.width);
        for at in 0..shape.width {
            values.push(shape.value(row, at).map_err(failed("reading rows"))?);
        }
        Ok(Some(values))
    }
}

impl Shape {
    fn value<'r>(self, row: &'r Row<'_>, at: usize) -> rusqlite::Result<Value<'r>> {
        if self.encoding == Encoding::Utf8 {
            return Ok(value(row.get_ref(at)?));
        }
        Ok(match (row.get_ref(2 * at)?, row.get_ref(2 * at + 1)?) {
            (ValueRef::Blob(bytes), ValueRef::Integer(1)) => match decode(bytes, self.encoding) {
                Some(text) => Value::Text(Cow::Owned(text)),
                None => Value::OddText(Cow::Borrowed(bytes)),
            },
            (other, _) => value(other),
        })
    }
}

/// A value as SQLite hands it over, for text in UTF-8.
pub fn value(value: ValueRef<'_>) -> Value<'_> {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Integer(n),
        ValueRef::Real(x) => Value::Real(x),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(Cow::Borrowed(text)),
            Err(_) => Value::OddText(Cow::Borrowed(bytes)),
        },
        ValueRef::Blob(bytes) => Value::Blob(Cow::Borrowed(bytes)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(value: &Value<'_>) -> String {
        let mut out = Vec::new();
        value.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_value_has_one_way_of_being_written() {
        let blob = |bytes: &[u8]| Value::Blob(Cow::Owned(bytes.to_vec()));
        let cases = [
            (Value::Null, "null"),
            (Value::Integer(SAFE), "9007199254740991"),
            (Value::Integer(SAFE + 1), r#"{"$int":"9007199254740992"}"#),
            (Value::Integer(i64::MIN), r#"{"$int":"-9223372036854775808"}"#),
            (Value::Real(1.0), "1.0"),
            (Value::Real(-0.0), "-0.0"),
            (Value::Real(5e-324), "5e-324"),
            (Value::Real(f64::MAX), "1.7976931348623157e308"),
            (Value::Real(f64::NEG_INFINITY), r#"{"$real":"-inf"}"#),
            (Value::Text("a\0\n\"é".into()), "\"a\\u0000\\n\\\"é\""),
            (Value::OddText(Cow::Borrowed(b"\xffA")), r#"{"$text":"/0E="}"#),
            (blob(b""), r#"{"$blob":""}"#),
        ];
        for (value, text) in cases {
            assert_eq!(json(&value), text);
            let back: Value<'static> = serde_json::from_str(text).unwrap();
            assert!(back == value, "{text}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "true",
            "[1]",
            "{}",
            r#"{"$int":1}"#,
            r#"{"$int":"1","$int":"2"}"#,
            r#"{"$blob":"a"}"#,
            r#"{"$real":"nan"}"#,
            r#"{"x":"y"}"#,
            r#"{"$blob":{"$blob":""}}"#,
            "9007199254740992",
            "1e999",
            r#""\ud800""#,
        ] {
            assert!(serde_json::from_str::<Value<'static>>(text).is_err(), "{text}");
        }
    }
}
