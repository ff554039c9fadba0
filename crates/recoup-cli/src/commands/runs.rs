//! How runs of the daemon read: a sentence for each, for `recoup run --due` and for the log of `recoup serve`.
//!
//! Not here: what a run does and what is told to people about it (the engine's).

use std::sync::Arc;

use jiff::Timestamp;
use recoup::Result;
use recoup::catalog::{Origin, RunRow};
use recoup::engine::Engine;
use recoup::model::Outcome;
use recoup::model::job::{RunKind, State};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use crate::table::printable;
use crate::words;

/// `backed up, 2.1 KiB to disk, verified: integrity`, `backup failed: Database not found: gone.db`.
pub fn sentence(run: &RunRow) -> String {
    let result = run.result.as_ref().unwrap_or(&Value::Null);
    let (noun, done) = match run.kind {
        RunKind::Backup => ("backup", backed_up(result)),
        RunKind::Verify => ("verification", format!("verified: {}", level(run))),
        RunKind::Restore => ("restore", "restored".to_owned()),
        RunKind::Prune => ("retention", "retention applied".to_owned()),
        RunKind::Copy => ("copy", copied(result)),
    };
    let text = match run.outcome {
        Some(Outcome::Good) => done,
        Some(Outcome::Warnings) => match first(result) {
            Some(warning) => format!("{done}; warning: {warning}"),
            None => format!("{done}, with warnings"),
        },
        outcome => {
            let word = serde_json::to_value(outcome).ok();
            let word = word.as_ref().and_then(Value::as_str).unwrap_or("not finished");
            match &run.error {
                Some(error) => format!("{noun} {word}: {}", why(error)),
                None => format!("{noun} {word}"),
            }
        }
    };
    printable(&text)
}

/// What helps, when something does.
pub fn hint(run: &RunRow) -> Option<&str> {
    run.error.as_ref()?["hint"].as_str()
}

fn copied(result: &Value) -> String {
    let number = result["copied"].as_array().map_or(0, Vec::len) as u64;
    let to = result["destination"].as_str().unwrap_or_default();
    format!("{} copied to {to}", words::things(number, "backup"))
}

fn backed_up(result: &Value) -> String {
    let size = result["bytes"].as_u64().map(words::size).unwrap_or_default();
    let places: Vec<String> = result["destinations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect();
    let verified = result["verified"].as_str().unwrap_or("no");
    format!("backed up, {size} to {}, verified: {verified}", words::list(&places))
}

/// How much was proven.
fn level(run: &RunRow) -> &str {
    run.request["level"].as_str().unwrap_or("integrity")
}

fn first(result: &Value) -> Option<&str> {
    result["warnings"].as_array()?.first()?["text"].as_str()
}

fn why(error: &Value) -> String {
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    match (text("message"), text("detail")) {
        (message, "") => message.to_owned(),
        (message, detail) => format!("{message} ({detail})"),
    }
}

/// Whose turn is next, and when; that of the catalog itself does not count.
pub async fn next(engine: &Engine) -> Result<Option<(String, Timestamp)>> {
    // There is one plan of our own.
    let rows = engine.catalog().due_plans(Timestamp::MAX, 2).await?;
    let first = rows.into_iter().find(|row| row.origin != Origin::BuiltIn);
    Ok(first.and_then(|row| Some((row.name, row.timing.next_due?))))
}

/// That, for people.
pub fn turn(next: Option<&(String, Timestamp)>, now: Timestamp) -> String {
    match next {
        Some((plan, at)) => format!("Next: {plan}, {} UTC ({})\n", words::time(*at), words::age(*at, now)),
        None => "No plan runs by itself yet: recoup plan add --help\n".to_owned(),
    }
}

/// Logs the end of every run of this process, until there is nobody to tell of one.
pub async fn log(engine: Arc<Engine>) {
    let mut events = engine.watch();
    loop {
        let event = match events.recv().await {
            Ok(event) if event.state == State::Done => event,
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Ok(Some(run)) = engine.catalog().run(&event.run, None).await else { continue };
        let (plan, id, text) = (&run.plan_name, &run.id, sentence(&run));
        match run.outcome {
            Some(Outcome::Good) => tracing::info!(plan, run = id, "{text}"),
            Some(Outcome::Warnings | Outcome::Cancelled) => tracing::warn!(plan, run = id, "{text}"),
            _ => tracing::error!(plan, run = id, hint = hint(&run), "{text}"),
        }
    }
}
