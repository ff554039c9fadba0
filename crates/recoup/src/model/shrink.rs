//! Has a backup lost most of what the previous one had? A pure comparison of two manifests: sizes and row
//! counts that fall by more than 90 % are worth a look, whatever the reason.
//!
//! Not here: whether the loss is right; only a person knows.

use super::backup::{Manifest, Part, Warning};
use super::plan::CATALOG_PLAN;

/// Falling to below a tenth.
fn fell(before: u64, now: u64) -> bool {
    before > 0 && now.saturating_mul(10) < before
}

/// Warnings for parts that shrank by more than 90 % or vanished since `previous`.
pub fn compare(previous: &Manifest, current: &Manifest) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for before in previous.parts.iter().filter(|part| !part.absent) {
        match current.parts.iter().find(|part| part.name == before.name) {
            None => warnings.push(Warning::new(
                "part_missing",
                format!("{} was in the previous backup and is not in the plan any more", before.name),
            )),
            Some(now) if now.absent => warnings.push(Warning::new(
                "part_missing",
                format!("{} was in the previous backup and is not there now", before.name),
            )),
            Some(now) => warnings.extend(part(&current.plan, before, now)),
        }
    }
    warnings
}

/// Tables of Recoup's own catalog that are forgotten by the hour: sign-ins, previews, notices that were told.
fn comes_and_goes(plan: &str, table: &str) -> bool {
    plan == CATALOG_PLAN && matches!(table, "kept" | "login" | "outbox")
}

fn part(plan: &str, before: &Part, now: &Part) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut shrank = |what: String, from: u64, to: u64| {
        if fell(from, to) {
            let text = format!("{what} fell from {from} to {to} since the previous backup");
            warnings.push(Warning::new("shrank", text));
        }
    };
    let (from, to) = (size(before), size(now));
    shrank(format!("{}: bytes", before.name), from, to);
    if let (Some(before_facts), Some(facts)) = (&before.directory, &now.directory) {
        shrank(format!("{}: files", before.name), before_facts.files, facts.files);
    }
    if let (Some(before_facts), Some(facts)) = (&before.database, &now.database) {
        for table in before_facts.tables.iter().filter(|table| !comes_and_goes(plan, &table.name)) {
            let rows = facts.tables.iter().find(|other| other.name == table.name).map(|other| other.rows);
            match (table.rows, rows) {
                (Some(from), Some(Some(to))) => shrank(format!("{}: rows of {}", before.name, table.name), from, to),
                (Some(from), None) if from > 0 => shrank(format!("{}: rows of {}", before.name, table.name), from, 0),
                _ => {}
            }
        }
    }
    warnings
}

/// Bytes of the data itself: of a database its pages, whatever format stored them.
fn size(part: &Part) -> u64 {
    match &part.database {
        Some(facts) => facts.page_count * u64::from(facts.page_size),
        None => part.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_by_exactly_ninety_percent_is_not_yet_told_but_a_little_more_is() {
        assert!(!fell(100, 10));
        assert!(fell(100, 9));
        assert!(fell(1, 0));
        assert!(!fell(0, 0));
    }
}
