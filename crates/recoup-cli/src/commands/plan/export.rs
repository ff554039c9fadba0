//! `recoup plan export`: plans as tables that can be put into a recoup.toml and mean the same there.

use recoup::catalog::{Origin, PlanRow};
use recoup::{Result, config};
use serde_json::{Map, Value};

use super::super::engine;
use super::{named, rows};
use crate::args::DataPlace;
use crate::output::Reply;
use crate::session::Session;

pub fn run(names: &[String], place: &DataPlace, session: &Session) -> Result<Reply> {
    let plans = engine::runtime()?.block_on(async {
        let Some(engine) = engine::if_there(session, place).await? else { return of_file(names, session) };
        let found = async {
            if names.is_empty() {
                let all = rows(&engine).await?.into_iter();
                return Ok(all.filter(|row| row.origin != Origin::BuiltIn).collect());
            }
            let mut found: Vec<PlanRow> = Vec::new();
            for name in names {
                let row = named(&engine, name).await?;
                if found.iter().all(|known| known.id != row.id) {
                    found.push(row);
                }
            }
            Ok(found)
        };
        let found = found.await;
        engine.catalog().close().await;
        found?.into_iter().map(|row| Ok((row.name.clone(), document(&row, session)?))).collect()
    })?;
    let tables = plans.iter().map(|(name, body)| config::table(name, body)).collect::<Result<Vec<_>>>()?;
    let text = tables.join("\n");
    let json: Map<String, Value> = plans.into_iter().collect();
    Ok(Reply::good(serde_json::json!({ "plans": json, "toml": text }), text.clone(), text))
}

/// Without a catalog there are only those of recoup.toml.
fn of_file(names: &[String], session: &Session) -> Result<Vec<(String, Value)>> {
    let all = session.settings.plans.iter().map(|plan| plan.name.clone()).collect::<Vec<_>>();
    let wanted = if names.is_empty() { &all } else { names };
    let found = wanted.iter().map(|name| {
        session.settings.plan(name)?;
        Ok((name.clone(), written(name, session)?))
    });
    found.collect()
}

/// What a plan says; that of the file from the file, because the catalog does not have its secrets.
fn document(row: &PlanRow, session: &Session) -> Result<Value> {
    match row.origin {
        Origin::File if session.settings.plan(&row.name).is_ok() => written(&row.name, session),
        _ => Ok(row.body.clone()),
    }
}

fn written(name: &str, session: &Session) -> Result<Value> {
    config::document(name, session.text.as_deref().unwrap_or_default())
}
