//! The audit chain: appended link by link, listed, checked. Two daemons that append at once are told apart by the
//! sequence number, which is the primary key: the slower one chains again behind the faster.

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, is_taken};
use super::row::{Columns, ms, plain};
use super::statement::Statement;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Problem;
use crate::model::audit::{Event, Head, Link};

fn link(row: &sqlx::any::AnyRow) -> Result<Link> {
    let row = Columns(row);
    Ok(Link {
        seq: row.number("seq")?,
        at: row.time("at")?,
        event: Event {
            event: row.text("event")?,
            user: row.maybe_text("account")?,
            resource_type: row.text("resource_type")?,
            resource_id: row.text("resource_id")?,
            action: row.text("action")?,
            success: row.truth("success")?,
            details: row.json("details")?,
        },
        hash: row.text("hash")?,
    })
}

/// A link only if its row is exactly what was written for it: `2` is as true as `1` and a space more is the same JSON,
/// but neither is what was written.
fn exactly(row: &sqlx::any::AnyRow) -> Option<Link> {
    let found = link(row).ok()?;
    let columns = Columns(row);
    let as_written = columns.number("success").ok()? == i64::from(found.event.success)
        && columns.text("details").ok()?.as_str() == found.event.details.to_string().as_str();
    as_written.then_some(found)
}

impl Catalog {
    /// Appends an event. Whoever is about to destroy something does so only after this succeeded.
    pub async fn append_audit(&self, event: Event, now: Timestamp) -> Result<Link> {
        let event = Event {
            event: plain(&event.event),
            user: event.user.as_deref().map(plain),
            resource_type: plain(&event.resource_type),
            resource_id: plain(&event.resource_id),
            action: plain(&event.action),
            ..event
        };
        let sql =
            "INSERT INTO audit (seq, at, event, account, resource_type, resource_id, action, success, details, hash)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        for _ in 0..1000 {
            let link = Link::after(&self.audit_head().await?, now, event.clone());
            let done = sqlx::query(sql)
                .bind(link.seq)
                .bind(ms(link.at))
                .bind(&link.event.event)
                .bind(&link.event.user)
                .bind(&link.event.resource_type)
                .bind(&link.event.resource_id)
                .bind(&link.event.action)
                .bind(i64::from(link.event.success))
                .bind(link.event.details.to_string())
                .bind(&link.hash)
                .execute(&self.pool)
                .await;
            match done {
                Err(error) if is_taken(&error) => continue,
                done => return done.map(|_| link).map_err(|error| failed("writing the audit", error)),
            }
        }
        Err(Error::new(ErrorKind::Busy, "audit_busy", "The audit is in use"))
    }

    /// The end of the chain.
    pub async fn audit_head(&self) -> Result<Head> {
        let sql = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
        let row =
            sqlx::query(sql).fetch_optional(&self.pool).await.map_err(|error| failed("reading the audit", error))?;
        let Some(row) = row else { return Ok(Head::start()) };
        let row = Columns(&row);
        Ok(Head { seq: row.number("seq")?, hash: row.text("hash")? })
    }

    /// Links after `seq`, oldest first.
    pub async fn audit_after(&self, seq: i64, limit: i64) -> Result<Vec<Link>> {
        let sql = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = sqlx::query(sql).bind(seq).bind(limit).fetch_all(&self.pool).await;
        rows.map_err(|error| failed("reading the audit", error))?.iter().map(link).collect()
    }

    /// Links before `seq`, newest first, of one event name or its beginning, of one account, since a time.
    pub async fn audit_before(
        &self,
        seq: i64,
        event: Option<&str>,
        account: Option<&str>,
        since: Option<Timestamp>,
        limit: i64,
    ) -> Result<Vec<Link>> {
        let mut sql = Statement::all("SELECT * FROM audit WHERE 1 = 1");
        sql.end(&format!("AND seq < {seq}"));
        if let Some(event) = event.filter(|event| !event.is_empty()) {
            // The range is what the index is for; what sorts inside of it without the beginning depends on the
            // database's language.
            let (first, last) = (sql.value(event), sql.value(&format!("{event}{}", "z".repeat(64))));
            sql.end(&format!(
                "AND event >= {first} AND event <= {last} AND substr(event, 1, length({first})) = {first}"
            ));
        }
        sql.also("account =", account);
        if let Some(since) = since {
            sql.end(&format!("AND at >= {}", ms(since)));
        }
        sql.end(&format!("ORDER BY seq DESC LIMIT {}", limit.max(0)));
        let rows = sql.query().fetch_all(&self.pool).await;
        rows.map_err(|error| failed("reading the audit", error))?.iter().map(link).collect()
    }

    /// Checks every link, and that each of `anchors` (heads that manifests carry) lies on the chain. Gives the number of
    /// the last link and what is wrong.
    pub async fn verify_audit(&self, anchors: &[Head]) -> Result<(i64, Vec<Problem>)> {
        let doing = |error| failed("reading the audit", error);
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&self.pool).await.map_err(doing)?;
        let mut check = Check::new(anchors);
        loop {
            let sql = "SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT 1000";
            let rows = sqlx::query(sql).bind(check.head.seq).fetch_all(&self.pool).await.map_err(doing)?;
            // SQLite keeps a word in a column of numbers, too; nothing can be told of what comes behind.
            if rows.is_empty() || !rows.iter().all(|row| check.row(row)) {
                return Ok(check.end(kept));
            }
        }
    }
}

/// A walk along the chain.
struct Check {
    head: Head,
    walked: i64,
    anchors: Vec<Head>,
    problems: Vec<Problem>,
}

impl Check {
    fn new(anchors: &[Head]) -> Self {
        // The last one first, to be taken from the end.
        let mut anchors: Vec<Head> = anchors.iter().filter(|anchor| anchor.seq > 0).cloned().collect();
        anchors.sort_by_key(|anchor| std::cmp::Reverse(anchor.seq));
        Check { head: Head::start(), walked: 0, anchors, problems: Vec::new() }
    }

    fn problem(&mut self, code: &str, text: String) {
        self.problems.push(Problem::new(code, text));
    }

    /// Goes to the next row; `false` when it has no place in the chain.
    fn row(&mut self, row: &sqlx::any::AnyRow) -> bool {
        let columns = Columns(row);
        let Ok(seq) = columns.number("seq") else {
            self.problem("audit_changed", format!("The audit event after {} was changed", self.head.seq));
            return false;
        };
        let hash = columns.text("hash").unwrap_or_default();
        if seq != self.head.seq + 1 {
            self.problem("audit_gap", format!("Audit events {} to {} are gone", self.head.seq + 1, seq - 1));
        } else if exactly(row).is_none_or(|link| link.expected(&self.head.hash) != hash) {
            self.problem("audit_changed", format!("Audit event {seq} was changed"));
        }
        while let Some(anchor) = self.anchors.pop_if(|anchor| anchor.seq <= seq) {
            if anchor.seq == seq && anchor.hash != hash {
                let text = format!("Audit event {seq} is not the one that a backup's manifest carries");
                self.problem("audit_rewritten", text);
            }
        }
        self.walked += 1;
        self.head = Head { seq, hash };
        true
    }

    /// `kept`: rows that there were when the walk began.
    fn end(mut self, kept: i64) -> (i64, Vec<Problem>) {
        let last = self.head.seq;
        if kept > self.walked && self.problems.is_empty() {
            self.problem("audit_changed", format!("{} audit events have no place in the chain", kept - self.walked));
        }
        if let Some(anchor) = self.anchors.first() {
            let text = format!("The audit ends at event {last}, but a backup's manifest carries event {}", anchor.seq);
            self.problem("audit_cut", text);
        }
        (last, self.problems)
    }
}
