//! What stands around a table whose rows were exchanged: rows that refer to it, and full-text indexes over it.
//!
//! Not here: exchanging the rows ([`super::table`]).

use rusqlite::{Connection, OptionalExtension};

use super::rowids::content_table;
use super::schema::{ObjectKind, Schema, TableKind, failed, quote};
use crate::error::Result;
use crate::model::Warning;

/// The foreign keys to look at: those of the table and those that refer to it.
pub(super) struct Violations {
    tables: Vec<String>,
    unchecked: Vec<String>,
}

/// A row of `PRAGMA foreign_key_check`; the rowid is NULL where there is none.
const FOUND: &str = "SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check(?1, 'main')";

impl Violations {
    /// Remembers, in a temporary table of the connection, which rows refer to nothing already.
    pub(super) fn before(live: &Connection, schema: &Schema, table: &str) -> Result<Self> {
        let doing = "checking foreign keys";
        live.execute_batch("CREATE TEMP TABLE dangling(child, rid, parent, fkid)").map_err(failed(doing))?;
        let mut found = Violations { tables: vec![table.to_owned()], unchecked: Vec::new() };
        let sql = "SELECT 1 FROM pragma_foreign_key_list(?1, 'main') WHERE \"table\" = ?2 COLLATE NOCASE";
        let mut refers = live.prepare(sql).map_err(failed(doing))?;
        for other in schema.tables.iter().filter(|t| t.kind == TableKind::Ordinary) {
            if !other.name.eq_ignore_ascii_case(table) && refers.exists([&other.name, table]).map_err(failed(doing))? {
                found.tables.push(other.name.clone());
            }
        }
        let insert = format!("INSERT INTO temp.dangling {FOUND}");
        for table in std::mem::take(&mut found.tables) {
            // A foreign key that fits no table cannot be checked, and could not before.
            match live.execute(&insert, [&table]) {
                Ok(_) => found.tables.push(table),
                Err(_) => found.unchecked.push(table),
            }
        }
        Ok(found)
    }

    /// How many rows refer to nothing now and did not before.
    pub(super) fn new_ones(self, live: &Connection, notes: &mut Vec<Warning>) -> Result<u64> {
        let doing = "checking foreign keys";
        let by_row = format!(
            "SELECT count(*) FROM (SELECT * FROM ({FOUND}) WHERE rowid IS NOT NULL EXCEPT SELECT * FROM temp.dangling)"
        );
        // Rows without a rowid can only be counted.
        let by_count = format!(
            "SELECT coalesce(sum(max(n - m, 0)), 0) FROM (SELECT count(*) AS n,
               (SELECT count(*) FROM temp.dangling AS d
                WHERE d.rid IS NULL AND d.child = f.\"table\" AND d.parent IS f.parent AND d.fkid = f.fkid) AS m
             FROM ({FOUND}) AS f WHERE f.rowid IS NULL GROUP BY f.\"table\", f.parent, f.fkid)"
        );
        let mut sum = 0;
        let mut unchecked = self.unchecked;
        for table in self.tables {
            let count = |sql: &str| live.query_row(sql, [&table], |row| row.get::<_, i64>(0)).optional();
            match (count(&by_row), count(&by_count)) {
                (Ok(rows), Ok(others)) => sum += rows.unwrap_or(0).unsigned_abs() + others.unwrap_or(0).unsigned_abs(),
                _ => unchecked.push(table),
            }
        }
        live.execute_batch("DROP TABLE temp.dangling").map_err(failed(doing))?;
        if !unchecked.is_empty() {
            let text = format!("Foreign keys of {} could not be checked: they fit no table", unchecked.join(", "));
            notes.push(Warning::new("foreign_keys_unchecked", text));
        }
        if sum > 0 {
            let text = format!("{sum} rows refer to rows that are not there any more (PRAGMA foreign_key_check)");
            notes.push(Warning::new("foreign_key_violations", text));
        }
        Ok(sum)
    }
}

/// Builds every full-text index again that takes its text from `table` (<https://sqlite.org/fts5.html>, 4.4.3).
pub(super) fn search(live: &Connection, schema: &Schema, table: &str, notes: &mut Vec<Warning>) -> Result<()> {
    for index in schema.objects.iter().filter(|object| object.is_virtual_table()) {
        let Some(content) = content_table(&index.sql) else { continue };
        let module = schema.table(&index.name).map(|table| &table.kind);
        let full_text = matches!(module, Some(TableKind::Virtual { module }) if is_full_text(module));
        let name = &index.name;
        if content.eq_ignore_ascii_case(table) && full_text {
            let quoted = quote(name);
            let rebuild = format!("INSERT INTO main.{quoted}({quoted}) VALUES ('rebuild')");
            let built = live.execute_batch(&format!("SAVEPOINT search; {rebuild}; RELEASE search"));
            notes.push(match built {
                Ok(()) => Warning::new("search_rebuilt", format!("The search index {name} was built again")),
                Err(error) => {
                    live.execute_batch("ROLLBACK TO search; RELEASE search").map_err(failed("rebuilding"))?;
                    let text = format!("The search index {name} must be built again by the application: {error}");
                    Warning::new("search_not_rebuilt", text)
                }
            });
            continue;
        }
        let through_view = schema.objects.iter().any(|object| {
            object.kind == ObjectKind::View
                && object.name.eq_ignore_ascii_case(&content)
                && object.sql.to_lowercase().contains(&table.to_lowercase())
        });
        if through_view || content.eq_ignore_ascii_case(table) {
            let text = format!("{name} takes its rows from {content}: if it is a search index, build it again");
            notes.push(Warning::new("search_not_rebuilt", text));
        }
    }
    Ok(())
}

fn is_full_text(module: &str) -> bool {
    ["fts3", "fts4", "fts5"].iter().any(|known| module.eq_ignore_ascii_case(known))
}
