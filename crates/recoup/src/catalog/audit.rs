//! The audit chain: appended link by link, listed, checked. Two daemons that append at once are told apart by the
//! sequence number, which is the primary key: the slower one chains again behind the faster.

use jiff::Timestamp;

use super::row::{Columns, ms};
use super::{Catalog, failed, is_taken};
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

impl Catalog {
    /// Appends an event. Whoever is about to destroy something does so only after this succeeded.
    pub async fn append_audit(&self, event: Event, now: Timestamp) -> Result<Link> {
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
        let sql = "SELECT * FROM audit WHERE seq < $1 AND ($2 = '' OR substr(event, 1, length($2)) = $2) AND ($3 = '' OR account = $3)
                   AND at >= $4 ORDER BY seq DESC LIMIT $5";
        let rows = sqlx::query(sql)
            .bind(seq)
            .bind(event.unwrap_or(""))
            .bind(account.unwrap_or(""))
            .bind(since.map_or(i64::MIN, ms))
            .bind(limit)
            .fetch_all(&self.pool)
            .await;
        rows.map_err(|error| failed("reading the audit", error))?.iter().map(link).collect()
    }

    /// Checks every link, and that each of `anchors` (heads that manifests carry) lies on the chain. Gives the number of
    /// links and what is wrong.
    pub async fn verify_audit(&self, anchors: &[Head]) -> Result<(i64, Vec<Problem>)> {
        let mut problems = Vec::new();
        let mut head = Head::start();
        let mut anchors: Vec<&Head> = anchors.iter().filter(|anchor| anchor.seq > 0).collect();
        anchors.sort_by_key(|anchor| anchor.seq);
        let mut anchors = anchors.into_iter().peekable();
        loop {
            let links = self.audit_after(head.seq, 1000).await?;
            if links.is_empty() {
                break;
            }
            for link in links {
                if link.seq != head.seq + 1 {
                    let text = format!("Audit events {} to {} are gone", head.seq + 1, link.seq - 1);
                    problems.push(Problem::new("audit_gap", text));
                } else if link.expected(&head.hash) != link.hash {
                    problems.push(Problem::new("audit_changed", format!("Audit event {} was changed", link.seq)));
                }
                while let Some(anchor) = anchors.next_if(|anchor| anchor.seq <= link.seq) {
                    if anchor.seq == link.seq && anchor.hash != link.hash {
                        let text = format!("Audit event {} is not the one that a backup's manifest carries", link.seq);
                        problems.push(Problem::new("audit_rewritten", text));
                    }
                }
                head = link.head();
            }
        }
        if let Some(last) = anchors.last() {
            let text =
                format!("The audit ends at event {}, but a backup's manifest carries event {}", head.seq, last.seq);
            problems.push(Problem::new("audit_cut", text));
        }
        Ok((head.seq, problems))
    }
}
