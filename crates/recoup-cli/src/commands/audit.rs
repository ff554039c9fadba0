//! `recoup audit …`: whether the chain of audit events is whole, compared also with the heads that manifests carry; and
//! the events for other programs.

use recoup::engine::Engine;
use recoup::model::audit::{Head, Link};
use recoup::{Error, Result};
use serde_json::{Value, json};

use super::engine;
use crate::args::{Audit, AuditWord};
use crate::exit;
use crate::output::{Mark, Reply};
use crate::places::Shelf;
use crate::session::Session;

/// Events that are read at once.
const PAGE: i64 = 1000;

pub fn run(args: &Audit, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = engine::existing(session, &args.place).await?;
        let reply = match &args.word {
            AuditWord::Verify => verify(&engine, session).await,
            AuditWord::Export { csv, after } => export(&engine, session, *csv, *after).await,
        };
        engine.catalog().close().await;
        reply
    })
}

async fn verify(engine: &Engine, session: &Session) -> Result<Reply> {
    let anchors = anchors(session)?;
    let (links, problems) = engine.catalog().verify_audit(&anchors).await?;
    let screen = &session.screen;
    let good = problems.is_empty();
    let compared =
        if anchors.is_empty() { String::new() } else { format!(", compared with {} manifests", anchors.len()) };
    let mut text = String::new();
    match good {
        true => text.push_str(&format!("{} The audit is whole: {links} events{compared}.\n", screen.mark(Mark::Good))),
        false => {
            problems.iter().for_each(|problem| text.push_str(&format!("{} {}\n", screen.mark(Mark::Bad), problem.text)))
        }
    }
    let json = json!({ "ok": good, "events": links, "anchors": anchors.len(), "problems": problems });
    let exit = if good { exit::GOOD } else { exit::CORRUPTED };
    Ok(Reply { json, text, quiet: String::new(), exit })
}

/// The heads in the manifests at every destination that can be looked at.
fn anchors(session: &Session) -> Result<Vec<Head>> {
    let shelf = Shelf::open(session, None)?;
    Ok(shelf.listing.backups.iter().filter_map(|listed| listed.manifest.audit.clone()).collect())
}

async fn export(engine: &Engine, session: &Session, csv: bool, after: i64) -> Result<Reply> {
    let mut seq = after;
    let mut events: Vec<Value> = Vec::new();
    if csv {
        session.screen.say(Link::CSV_HEAD);
    }
    loop {
        let links = engine.catalog().audit_after(seq, PAGE).await?;
        let Some(last) = links.last() else { break };
        seq = last.seq;
        for link in &links {
            let value = serde_json::to_value(link).map_err(|error| Error::io("writing", error.into()))?;
            match (session.screen.for_people(), csv) {
                (true, true) => session.screen.say(link.csv()),
                (true, false) => session.screen.say(value.to_string()),
                (false, _) => events.push(value),
            }
        }
    }
    Ok(Reply::good(json!({ "events": events }), "", ""))
}
