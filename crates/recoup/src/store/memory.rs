//! What retention remembers between its runs, at a destination that is a directory: `.recoup/retention.json`, one
//! entry per plan. Elsewhere nothing is remembered.
//!
//! Not here: what it means ([`crate::model::guard`]).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::destination::note;
use crate::error::{Error, ErrorKind, Result};
use crate::model::guard::Memory;

const NAME: &str = "retention.json";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    recoup_retention: u32,
    plans: BTreeMap<String, Memory>,
}

fn read(staging: &Path) -> Result<Document> {
    // A note that cannot be understood is as good as none: the guards know less, and it is written anew.
    let text = note::read(staging, NAME)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

pub(super) fn get(staging: &Path, plan: &str) -> Result<Memory> {
    Ok(read(staging)?.plans.remove(plan).unwrap_or_default())
}

pub(super) fn set(staging: &Path, plan: &str, memory: &Memory) -> Result<()> {
    let mut document = read(staging)?;
    document.recoup_retention = 1;
    document.plans.insert(plan.to_owned(), memory.clone());
    let text = serde_json::to_vec_pretty(&document)
        .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write what retention remembers").because(e))?;
    note::replace(staging, NAME, &text)
}
