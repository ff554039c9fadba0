//! The demo's application: a database, thumbnails, settings and a `recoup.toml` that names them.
//! Everything is made from the numbers 1, 2, 3, so that two demos are the same.

use std::fs;
use std::path::Path;

use recoup::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::writer;

/// The plan's name.
pub const PLAN: &str = "shop";
/// The database's file name.
pub const DATABASE: &str = "shop.db";
/// Orders that the shop begins with.
const ORDERS: i64 = 2_000;

const THUMBNAILS: u32 = 200;
const FIRST_LINE: &str = "# Made by `recoup demo`: a small shop, and how it is backed up. Change what you like.";

const CONFIGURATION: &str = r#"
[plan.shop]
schedule = { every = "daily", at = "03:00" }
databases = ["shop.db"]
directories = [{ path = "thumbs", exclude = ["*.tmp"] }]

[plan.shop.settings]
environment = ["SHOP_*", "LANG", "USER"]   # nothing else of the environment is looked at
tables = [{ database = "shop.db", table = "settings", key = "key", value = "value" }]
json = ["settings.json"]
"#;

const SETTINGS: &str = r#"{
  "title": "The Lighthouse Shop",
  "opening_hours": { "mon-fri": "09:00-18:00", "sat": "10:00-16:00" },
  "shipping": ["DE", "FR", "NL"]
}
"#;

const SCHEMA: &str = "
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price_cents INTEGER NOT NULL, sold INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, placed_at TEXT NOT NULL, total_cents INTEGER NOT NULL) STRICT;
CREATE INDEX orders_by_customer ON orders (customer);
CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders, position INTEGER NOT NULL, product_id INTEGER NOT NULL REFERENCES products,
  quantity INTEGER NOT NULL, PRIMARY KEY (order_id, position)) STRICT, WITHOUT ROWID;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO settings VALUES ('currency', 'EUR'), ('newsletter', 'weekly'), ('smtp_password', 'correct-horse-battery'),
  ('theme', 'sea'), ('vat_percent', '19');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO products (id, name, price_cents) SELECT i, printf('%s no. %d', CASE i % 5 WHEN 0 THEN 'Lamp' WHEN 1 THEN 'Rope'
  WHEN 2 THEN 'Lantern' WHEN 3 THEN 'Map' ELSE 'Compass' END, i), 199 + (i * 7919) % 9800 FROM n;
COMMIT;
";

/// Makes the shop in `directory`, or continues with the one that is there. Returns whether it is new.
pub fn open(directory: &Path) -> Result<bool> {
    let configuration = directory.join("recoup.toml");
    let ours = fs::read_to_string(&configuration).is_ok_and(|text| text.starts_with(FIRST_LINE));
    let empty = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(Error::at("opening", directory, error)),
    };
    if !empty && !ours {
        let text = format!("{} is not empty and not a demo", directory.display());
        let error = Error::new(ErrorKind::WouldOverwrite, "demo_not_empty", text);
        return Err(error.hint("name another directory: recoup demo DIR"));
    }
    let thumbs = directory.join("thumbs");
    fs::create_dir_all(&thumbs).map_err(|error| Error::at("creating", &thumbs, error))?;
    // Written first: what is left of an interrupted start is recognised and completed.
    if empty {
        write(&configuration, format!("{FIRST_LINE}\n{CONFIGURATION}").as_bytes())?;
    }
    let settings = directory.join("settings.json");
    if !settings.exists() {
        write(&settings, SETTINGS.as_bytes())?;
    }
    for number in 1..=THUMBNAILS {
        let path = thumbs.join(name(number));
        if !path.exists() {
            write(&path, &picture(number))?;
        }
    }
    let database = directory.join(DATABASE);
    let failed =
        |error| Error::new(ErrorKind::Failed, "demo_database", "Cannot make the demo's database").because(error);
    let mut connection = Connection::open(&database).map_err(failed)?;
    if !connection.table_exists(None, "products").map_err(failed)? {
        connection.execute_batch(SCHEMA).map_err(failed)?;
    }
    let transaction = connection.transaction().map_err(failed)?;
    let last = writer::last_order(&transaction).map_err(failed)?;
    for id in last + 1..=ORDERS {
        writer::order(&transaction, id).map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(empty)
}

/// A picture that arrives after the backup. Returns how to call it.
pub fn add_thumbnail(directory: &Path) -> Result<String> {
    let thumbs = directory.join("thumbs");
    let free = (THUMBNAILS + 1..).find(|number| !thumbs.join(name(*number)).exists()).unwrap_or(THUMBNAILS);
    write(&thumbs.join(name(free)), &picture(free))?;
    Ok("a new thumbnail".to_owned())
}

fn name(number: u32) -> String {
    format!("{number:04}.bmp")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::at("writing", path, error))
}

/// A picture of 48 by 48 pixels that any viewer opens: rings whose colours and centre follow from its number.
fn picture(number: u32) -> Vec<u8> {
    const SIDE: u32 = 48;
    const HEADER: u32 = 54;
    let pixels = SIDE * SIDE * 3;
    let mut bytes = b"BM".to_vec();
    for field in [HEADER + pixels, 0, HEADER, 40, SIDE, SIDE] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    for field in [0, pixels, 2835, 2835, 0, 0] {
        bytes.extend(field.to_le_bytes());
    }
    let (x0, y0) = (number * 7 % SIDE, number * 13 % SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let distance = x.abs_diff(x0) * x.abs_diff(x0) + y.abs_diff(y0) * y.abs_diff(y0);
            let ring = distance / 24 * number;
            bytes.extend([(ring * 3 % 256) as u8, (ring * 5 + number) as u8, (ring * 11 + number * 2) as u8]);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_differ_and_say_their_size() {
        let (one, two) = (picture(1), picture(2));
        assert_ne!(one, two);
        assert_eq!((one.len(), &one[2..6]), (54 + 48 * 48 * 3, &6966u32.to_le_bytes()[..]));
    }
}
