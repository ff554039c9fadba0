//! `[retention]` and `[plan.NAME.retention]`: a preset, and keys that change it.
//!
//! Not here: what the numbers mean and which are refused ([`crate::model::retention`]).

use serde_json::{Value, json};

use super::walk::{At, Field};
use crate::error::Result;
use crate::model::retention::Policy;

/// The table, read.
#[derive(Debug, Clone)]
pub(super) struct Retention {
    pub policy: Policy,
    /// What was written, in the order of the keys here.
    pub values: Vec<At<Value>>,
}

/// Reads the table. A number that is out of range is an error at its own line.
pub(super) fn read(field: &Field<'_>) -> Result<Retention> {
    let mut table = field.table()?;
    let mut values = Vec::new();
    let mut policy = Policy::default();
    if let Some(preset) = table.take("preset") {
        policy = preset.word::<Policy>()?.value;
        values.push(noted(&preset, json!(preset.string()?.value)));
    }
    for (key, flag) in
        [("allow_large", &mut policy.allow_large), ("every_of_recent_days", &mut policy.every_of_recent_days)]
    {
        if let Some(field) = table.take(key) {
            *flag = field.flag()?.value;
            values.push(noted(&field, json!(*flag)));
        }
    }
    if let Some(field) = table.take("zone") {
        policy.zone = field.string()?.value;
        policy.check().map_err(|error| field.refused(&error))?;
        values.push(noted(&field, json!(policy.zone)));
    }
    for key in ["days", "keep_count", "minutely", "hourly", "daily", "weekly", "monthly", "yearly", "min_keep"] {
        let Some(field) = table.take(key) else { continue };
        let number = match key {
            "days" => &mut policy.days,
            "keep_count" => &mut policy.keep_count,
            "minutely" => &mut policy.minutely,
            "hourly" => &mut policy.hourly,
            "daily" => &mut policy.daily,
            "weekly" => &mut policy.weekly,
            "monthly" => &mut policy.monthly,
            "yearly" => &mut policy.yearly,
            _ => &mut policy.min_keep,
        };
        *number = field.number()?.value;
        values.push(noted(&field, json!(*number)));
        policy.check().map_err(|error| field.refused(&error))?;
    }
    table.finish()?;
    Ok(Retention { policy, values })
}

fn noted(field: &Field<'_>, value: Value) -> At<Value> {
    At { value, line: field.line, key: field.key.clone() }
}
