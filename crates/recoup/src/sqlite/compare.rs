//! What differs between two databases, table by table: two ordered cursors walked side by side, one row of each in
//! memory. Where a key has to be sorted first, SQLite sorts in temporary files.
//!
//! Not here: directories, and how differences are shown.
//!
//! Rows are matched by `INTEGER PRIMARY KEY`, else by the declared primary key, compared in binary order whatever
//! collation the key has, so that both sides agree about the order. Tables without a common key are compared as
//! multisets: their rows come and go, but are never "changed". Only columns that both sides have are compared;
//! generated ones and tables of SQLite itself are not. A virtual table answers for the tables that it keeps its
//! data in.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

pub use super::keys::Keys;
use super::keys::{self, EXAMPLES};
use super::pages::Pages;
use super::rows::{Cursor, Reading, Value, encode};
use super::schema::{self, Encoding, ObjectKind, Rowid, Schema, Table, TableKind, failed, quote};
use super::side::Side;
use crate::error::Result;
use crate::progress::Context;

/// How many rows of a table differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableChange {
    /// Name.
    pub name: String,
    /// Rows only on the right.
    pub added: u64,
    /// Rows only on the left.
    pub removed: u64,
    /// Rows with the same key and other values. For a virtual table also 1 when it differs in a way that cannot be
    /// counted in rows.
    pub changed: u64,
    /// The first keys of each; absent where rows have no key.
    #[serde(skip_serializing_if = "Keys::is_none")]
    pub keys: Keys,
}

impl TableChange {
    fn is_none(&self) -> bool {
        (self.added, self.removed, self.changed) == (0, 0, 0)
    }
}

/// Compares two private copies that nobody else has open. Returns the tables with differences by name, and the
/// schema objects that differ, as `+ index by_title` (only right), `- table old` (only left), `~ view recent`.
pub fn compare(left: &Path, right: &Path, context: &Context) -> Result<(Vec<TableChange>, Vec<String>)> {
    let paths = (left, right);
    let left = Side::open(left)?;
    let right = Side::open(right)?;
    let same = Same::find(paths, &left, &right, context)?;
    let names: BTreeSet<&str> = left.names().chain(right.names()).collect();
    let mut changes = Vec::new();
    let mut behind: BTreeMap<&str, Vec<(&str, TableChange)>> = BTreeMap::new();
    for name in names {
        context.check()?;
        let sides = (left.table(name), right.table(name));
        let change = match sides {
            (Some(l), Some(r)) if same.has(&left, l, &right, r) => TableChange::default(),
            (Some(l), Some(r)) => compare_table(&left, l, &right, r, context)?,
            (Some(l), None) => left.all_of(l, false)?,
            (None, Some(r)) => right.all_of(r, true)?,
            (None, None) => continue,
        };
        match sides.0.or(sides.1).map(|table| &table.kind) {
            Some(TableKind::Shadow { of }) => behind.entry(of.as_str()).or_default().push((name, change)),
            _ => changes.push(TableChange { name: name.to_owned(), ..change }),
        }
    }
    changes.extend(behind.into_iter().map(|(owner, shadows)| virtual_change(owner, shadows)));
    changes.retain(|change| !change.is_none());
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((changes, schema_lines(&left.schema, &right.schema)))
}

/// One of the tables behind a virtual table has a row for each of its rows, in full-text search and R-Tree.
fn virtual_change(owner: &str, shadows: Vec<(&str, TableChange)>) -> TableChange {
    let differs = shadows.iter().any(|(_, change)| !change.is_none());
    let by_row = ["_content", "_docsize", "_rowid"]
        .iter()
        .find_map(|suffix| shadows.iter().find(|(name, _)| name.get(owner.len()..) == Some(suffix)));
    let mut change = by_row.map(|(_, change)| change.clone()).unwrap_or_default();
    if differs && change.is_none() {
        change.changed = 1;
    }
    TableChange { name: owner.to_owned(), ..change }
}

fn schema_lines(left: &Schema, right: &Schema) -> Vec<String> {
    let objects = |schema: &Schema| -> BTreeMap<(ObjectKind, String), (String, String)> {
        let visible = |name: &str| {
            !schema::is_internal_name(name)
                && schema.table(name).is_none_or(|table| !matches!(table.kind, TableKind::Shadow { .. }))
        };
        let objects = schema.objects.iter().filter(|object| visible(&object.name) && visible(&object.table));
        objects.map(|o| ((o.kind, o.name.clone()), (o.table.clone(), o.sql.clone()))).collect()
    };
    let (left, right) = (objects(left), objects(right));
    let all: BTreeSet<&(ObjectKind, String)> = left.keys().chain(right.keys()).collect();
    let line = |key: &(ObjectKind, String)| {
        let sign = match (left.get(key), right.get(key)) {
            (Some(_), None) => '-',
            (None, _) => '+',
            (l, r) if l != r => '~',
            _ => return None,
        };
        Some(format!("{sign} {} {}", key.0.word(), key.1))
    };
    all.into_iter().filter_map(line).collect()
}

impl Side {
    /// Tables that have rows and do not belong to SQLite.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.tables.iter().filter(|t| t.has_rows() && !t.is_internal()).map(|table| table.name.as_str())
    }

    fn table(&self, name: &str) -> Option<&Table> {
        self.schema.table(name).filter(|table| table.has_rows())
    }

    fn count(&self, table: &Table) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM main.{}", quote(&table.name));
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed("counting rows"))?;
        Ok(count.unsigned_abs())
    }

    /// Every row of a table that the other side does not have.
    fn all_of(&self, table: &Table, added: bool) -> Result<TableChange> {
        let rows = self.count(table)?;
        let mut examples = Vec::new();
        let (columns, order) = match Key::of(table, table) {
            Key::Rowid(rowid, _) => (vec![rowid], true),
            Key::Columns(columns) => (columns, false),
            Key::None => (Vec::new(), false),
        };
        if !columns.is_empty() {
            // A key that is not the rowid comes in the order in which the rows lie, so that nothing is sorted.
            let mut reading = self.read(table, &columns, if order { &columns } else { &[] })?;
            let mut cursor = reading.rows()?;
            while examples.len() < EXAMPLES
                && let Some(key) = cursor.next_row()?
            {
                keys::add(&mut examples, &key);
            }
        }
        let (mut change, none) = (TableChange::default(), Vec::new());
        let (told, untold) = (examples, none);
        (change.added, change.removed) = if added { (rows, 0) } else { (0, rows) };
        (change.keys.added, change.keys.removed) = if added { (told, untold) } else { (untold, told) };
        Ok(change)
    }

    /// The statement that made a table.
    fn statement(&self, table: &Table) -> Option<&str> {
        let mut objects = self.schema.objects.iter().filter(|object| object.kind == ObjectKind::Table);
        objects.find(|object| object.name == table.name).map(|object| object.sql.as_str())
    }

    fn read(&self, table: &Table, values: &[String], order: &[String]) -> Result<Reading<'_>> {
        Reading::new(&self.connection, table, values, order, self.schema.encoding)
    }
}

/// Tables that are the same page by page.
struct Same(Option<Pages>);

impl Same {
    fn find(paths: (&Path, &Path), left: &Side, right: &Side, context: &Context) -> Result<Self> {
        let (l, r) = (&left.schema, &right.schema);
        if (l.page_size, l.encoding) != (r.page_size, r.encoding) {
            return Ok(Same(None));
        }
        Pages::compare(paths.0, paths.1, l.page_size, context).map(Same)
    }

    fn has(&self, left: &Side, l: &Table, right: &Side, r: &Table) -> bool {
        let Some(pages) = &self.0 else { return false };
        left.statement(l) == right.statement(r) && pages.have_same_table(&left.connection, &right.connection, &l.name)
    }
}

/// How rows of two tables are matched.
enum Key {
    /// By the rowid, called so on each side.
    Rowid(String, String),
    /// By these columns.
    Columns(Vec<String>),
    /// Not at all: a row is the same when all its values are.
    None,
}

impl Key {
    fn of(left: &Table, right: &Table) -> Key {
        if let (Rowid::Column(l), Rowid::Column(r)) = (left.rowid, right.rowid) {
            return Key::Rowid(quote(&left.columns[l].name), quote(&right.columns[r].name));
        }
        let names = |table: &Table| -> Vec<String> {
            table.key_columns().iter().filter(|column| !column.generated).map(|column| quote(&column.name)).collect()
        };
        match (names(left), names(right)) {
            (l, r) if l == r && !l.is_empty() => Key::Columns(l),
            _ => Key::None,
        }
    }
}

fn compare_table(left: &Side, l: &Table, right: &Side, r: &Table, context: &Context) -> Result<TableChange> {
    let there: BTreeSet<&str> = r.stored_columns().map(|column| column.name.as_str()).collect();
    let common: Vec<String> =
        l.stored_columns().filter(|c| there.contains(c.name.as_str())).map(|c| quote(&c.name)).collect();
    let all_differ = || -> Result<TableChange> {
        Ok(TableChange { added: right.count(r)?, removed: left.count(l)?, ..TableChange::default() })
    };
    if common.is_empty() {
        return all_differ();
    }
    let key = Key::of(l, r);
    if let Key::Rowid(of_left, of_right) = &key {
        let with = |rowid: &String| std::iter::once(rowid).chain(&common).cloned().collect::<Vec<String>>();
        let mut reading_left = left.read(l, &with(of_left), std::slice::from_ref(of_left))?;
        let mut reading_right = right.read(r, &with(of_right), std::slice::from_ref(of_right))?;
        return merge(reading_left.rows()?, reading_right.rows()?, left.schema.encoding, 1, false, context);
    }
    // Most tables are the same on both sides, and seeing that needs no sorting.
    if are_identical(left, l, right, r, &common, context)? {
        return Ok(TableChange::default());
    }
    if left.schema.encoding != right.schema.encoding {
        // The order of text depends on the encoding, so there is no common order to walk in.
        return all_differ();
    }
    let (width, values, exact) = match key {
        Key::Columns(columns) => (columns.len(), columns.into_iter().chain(common).collect::<Vec<_>>(), false),
        _ => (common.len(), common, true),
    };
    let mut order = Vec::new();
    for column in &values[..width] {
        order.push(format!("{column} COLLATE BINARY"));
        if exact {
            order.push(format!("typeof({column})"));
        }
    }
    if let (false, Rowid::Name(of_left), Rowid::Name(of_right)) = (exact, l.rowid, r.rowid)
        && of_left == of_right
    {
        // NULL may come several times in a key; such rows are matched in the order in which they were made.
        order.push(of_left.to_owned());
    }
    let mut reading_left = left.read(l, &values, &order)?;
    let mut reading_right = right.read(r, &values, &order)?;
    merge(reading_left.rows()?, reading_right.rows()?, left.schema.encoding, width, exact, context)
}

/// The same rows in the order in which they lie.
fn are_identical(
    left: &Side,
    l: &Table,
    right: &Side,
    r: &Table,
    columns: &[String],
    context: &Context,
) -> Result<bool> {
    let mut reading_left = left.read(l, columns, &[])?;
    let mut reading_right = right.read(r, columns, &[])?;
    let (mut rows_left, mut rows_right) = (reading_left.rows()?, reading_right.rows()?);
    let mut progress = Progress::new(context);
    loop {
        match (rows_left.next_row()?, rows_right.next_row()?) {
            (None, None) => return Ok(true),
            (Some(l), Some(r)) if l == r => progress.add(&l)?,
            _ => return Ok(false),
        }
    }
}

/// Walks both sides. The first `width` values of each row are its key; with `exact` they differ also when only
/// their storage classes do.
fn merge(
    mut left: Cursor<'_>,
    mut right: Cursor<'_>,
    encoding: Encoding,
    width: usize,
    exact: bool,
    context: &Context,
) -> Result<TableChange> {
    let mut change = TableChange::default();
    let mut progress = Progress::new(context);
    let owned = |row: Vec<Value<'_>>| row.into_iter().map(Value::into_owned).collect::<Vec<Value<'static>>>();
    loop {
        // Most rows are the same on both sides; they need not be kept.
        let (mut l, mut r) = loop {
            match (left.next_row()?, right.next_row()?) {
                (None, None) => return Ok(change),
                (Some(l), Some(r)) if l == r => progress.add(&l)?,
                (l, r) => break (l.map(owned), r.map(owned)),
            }
        };
        loop {
            let order = match (&l, &r) {
                (None, None) => return Ok(change),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(l), Some(r)) => key_order(&l[..width], &r[..width], encoding, exact),
            };
            let (count, examples, row) = match order {
                Ordering::Less => (&mut change.removed, &mut change.keys.removed, &l),
                Ordering::Greater => (&mut change.added, &mut change.keys.added, &r),
                Ordering::Equal => (&mut change.changed, &mut change.keys.changed, &r),
            };
            let Some(row) = row else { return Ok(change) };
            progress.add(row)?;
            if order != Ordering::Equal || l != r {
                *count += 1;
                if !exact {
                    keys::add(examples, &row[..width]);
                }
            }
            match order {
                Ordering::Less => l = left.next_row()?.map(owned),
                Ordering::Greater => r = right.next_row()?.map(owned),
                Ordering::Equal => break,
            }
        }
    }
}

fn key_order(left: &[Value<'_>], right: &[Value<'_>], encoding: Encoding, exact: bool) -> Ordering {
    for (l, r) in left.iter().zip(right) {
        let order = value_order(l, r, encoding);
        let order = if exact { order.then_with(|| class(l).cmp(&class(r))) } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Storage classes in the order of the words that `typeof` gives for them, as far as values can be equal.
fn class(value: &Value<'_>) -> u8 {
    u8::from(matches!(value, Value::Real(_)))
}

/// SQLite's order of values (<https://sqlite.org/datatype3.html#sort_order>) with the collation BINARY.
fn value_order(left: &Value<'_>, right: &Value<'_>, encoding: Encoding) -> Ordering {
    fn rank(value: &Value<'_>) -> u8 {
        match value {
            Value::Null => 0,
            Value::Integer(_) | Value::Real(_) => 1,
            Value::Text(_) | Value::OddText(_) => 2,
            Value::Blob(_) => 3,
        }
    }
    match (left, right) {
        (Value::Integer(l), Value::Integer(r)) => l.cmp(r),
        (Value::Real(l), Value::Real(r)) => l.partial_cmp(r).unwrap_or(Ordering::Equal),
        (Value::Integer(l), Value::Real(r)) => integer_and_real(*l, *r),
        (Value::Real(l), Value::Integer(r)) => integer_and_real(*r, *l).reverse(),
        (Value::Text(l), Value::Text(r)) if encoding == Encoding::Utf8 => l.as_bytes().cmp(r.as_bytes()),
        (Value::Blob(l), Value::Blob(r)) => l.cmp(r),
        (l, r) if rank(l) == 2 && rank(r) == 2 => stored_text(l, encoding).cmp(&stored_text(r, encoding)),
        (l, r) => rank(l).cmp(&rank(r)),
    }
}

fn stored_text(value: &Value<'_>, encoding: Encoding) -> Vec<u8> {
    match value {
        Value::Text(text) => encode(text, encoding),
        Value::OddText(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// Exactly, without rounding the integer.
fn integer_and_real(integer: i64, real: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if real >= TWO_TO_63 {
        return Ordering::Less;
    }
    if real < -TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = real.trunc();
    integer.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&real).unwrap_or(Ordering::Equal))
}

/// Tells the observer now and then.
struct Progress<'a> {
    context: &'a Context,
    unreported: u64,
}

impl<'a> Progress<'a> {
    fn new(context: &'a Context) -> Self {
        Progress { context, unreported: 0 }
    }

    fn add(&mut self, row: &[Value<'_>]) -> Result<()> {
        let size = |value: &Value<'_>| match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) | Value::OddText(bytes) => bytes.len(),
            _ => 8,
        };
        self.unreported += row.iter().map(size).sum::<usize>() as u64;
        if self.unreported > 1 << 18 {
            self.context.advance(std::mem::take(&mut self.unreported))?;
        }
        Ok(())
    }
}
