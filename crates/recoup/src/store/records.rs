//! What is remembered of restores, beside the backups: `<plan>/<plan>-<YYYYMMDDTHHMMSSZ>-<id6>.restore.json`. Small
//! documents that nothing but `recoup undo` depends on.
//!
//! Not here: what a restore does.

use std::io::Read;

use crate::destination::{Body, Destination};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Plan, RestoreRecord};
use crate::progress::Context;

const RECORD: &str = ".restore.json";
/// Longest record that is read.
const LIMIT: u64 = 1 << 20;

pub(super) fn put(destination: &dyn Destination, record: &RestoreRecord, context: &Context) -> Result<()> {
    Plan::check_name(&record.plan)?;
    let at = record.at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let key = format!("{plan}/{plan}-{at}-{}{RECORD}", record.id.tail(), plan = record.plan);
    let text = serde_json::to_vec_pretty(record)
        .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write the restore's record").because(e))?;
    destination.put(&key, Body::Bytes(&text), context).map(drop)
}

pub(super) fn list(destination: &dyn Destination, plan: &str) -> Result<Vec<RestoreRecord>> {
    Plan::check_name(plan)?;
    let mut records = Vec::new();
    for object in destination.list(&format!("{plan}/{plan}-"))? {
        if !object.key.ends_with(RECORD) {
            continue;
        }
        let mut text = Vec::new();
        let from = destination.get(&object.key, 0)?;
        from.take(LIMIT).read_to_end(&mut text).map_err(|e| Error::io(format!("reading {}", object.key), e))?;
        let bad = |why: String| Error::corrupted(why).while_(format!("reading {}", object.key));
        let record: RestoreRecord = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        if record.recoup_restore > RestoreRecord::VERSION {
            return Err(bad(format!("it has version {}, written by a newer recoup", record.recoup_restore)));
        }
        if record.plan == plan {
            records.push(record);
        }
    }
    records.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(records)
}
