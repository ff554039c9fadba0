//! The process that takes orders while the demo's shop is backed up. It sells until its standard input closes,
//! so that it never outlives the demo, however the demo ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use recoup::{Error, ErrorKind, Result};
use rusqlite::{Connection, TransactionBehavior};

use crate::args::DemoWriter;
use crate::output::Reply;

/// Items of every order: more or fewer would be an order that is cut in half.
pub const ITEMS: u64 = 3;

const PAUSE: Duration = Duration::from_millis(1);

/// The shop while it sells.
pub struct Selling {
    child: Child,
    told: BufReader<ChildStdout>,
    before: u64,
}

/// Numbers of orders.
pub struct Sold {
    /// When the writer was up and running.
    pub before: u64,
    /// When it stopped.
    pub after: u64,
}

fn failed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Failed, "demo_writer", "The demo's writer failed").because(detail.into())
}

impl Selling {
    /// Starts the writer and waits until it has sold something.
    pub fn start(database: &Path) -> Result<Self> {
        let this = std::env::current_exe().map_err(|error| Error::io("finding this program", error))?;
        let mut command = Command::new(this);
        command.arg("demo-writer").arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Error::io("starting the writer", error))?;
        let told = child.stdout.take().ok_or_else(|| failed("it has no standard output"))?;
        let mut selling = Selling { child, told: BufReader::new(told), before: 0 };
        selling.before = selling.next()?;
        Ok(selling)
    }

    fn next(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.told.read_line(&mut line).map_err(|error| Error::io("listening to the writer", error))?;
        line.trim().parse().map_err(|_| failed("it ended early"))
    }

    /// Stops the writer.
    pub fn stop(mut self) -> Result<Sold> {
        drop(self.child.stdin.take());
        let after = self.next()?;
        Ok(Sold { before: self.before, after })
    }
}

impl Drop for Selling {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// The writer itself: tells the number of orders after the first and after the last.
pub fn run(args: &DemoWriter) -> Result<Reply> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    thread::spawn(move || {
        drop(io::stdin().read_to_end(&mut Vec::new()));
        stopped.store(true, Ordering::Relaxed);
    });
    sell(&args.database, &stop).map_err(|error| failed(error.to_string()))?;
    Ok(Reply::good(serde_json::json!({}), "", ""))
}

fn sell(database: &Path, stop: &AtomicBool) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut connection = Connection::open(database)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let tell = |orders: i64| writeln!(io::stdout(), "{orders}").and_then(|()| io::stdout().flush());
    let mut last = last_order(&connection)?;
    let first = last + 1;
    while last < first || !stop.load(Ordering::Relaxed) {
        last += 1;
        // One order and its items: all or nothing.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        order(&transaction, last)?;
        transaction.commit()?;
        if last == first {
            tell(last)?;
        }
        thread::sleep(PAUSE);
    }
    tell(last)?;
    Ok(())
}

/// The number of the last order.
pub fn last_order(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM orders", [], |row| row.get(0))
}

/// One order and its items, in the transaction of the caller.
pub fn order(transaction: &Connection, id: i64) -> rusqlite::Result<()> {
    const NAMES: [&str; 8] = ["Ada", "Ben", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace", "Håkon"];
    let customer = NAMES[(id * 31 % 8) as usize];
    let order = "INSERT INTO orders (id, customer, placed_at, total_cents) VALUES (?1, ?2, datetime('now'), 0)";
    transaction.prepare_cached(order)?.execute((id, customer))?;
    for position in 0..ITEMS as i64 {
        let (product, quantity) = ((id * 37 + position * 101) % 300 + 1, (id + position) % 4 + 1);
        let item = "INSERT INTO order_items VALUES (?1, ?2, ?3, ?4)";
        transaction.prepare_cached(item)?.execute((id, position, product, quantity))?;
        let sold = "UPDATE products SET sold = sold + ?2 WHERE id = ?1";
        transaction.prepare_cached(sold)?.execute((product, quantity))?;
    }
    let total = "UPDATE orders SET total_cents = (SELECT sum(quantity * price_cents) FROM order_items JOIN products
         ON products.id = product_id WHERE order_id = ?1) WHERE id = ?1";
    transaction.prepare_cached(total)?.execute([id])?;
    Ok(())
}
