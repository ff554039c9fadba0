//! `recoup plan add`, `edit` and `remove`: the catalog's plans, changed by whoever may write the catalog. What may be said,
//! what is refused and what is recorded are the engine's, as for the API.

use recoup::catalog::{Origin, PlanRow};
use recoup::engine::{Actor, Engine};
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

use super::super::engine;
use super::{document, named, show};
use crate::args::{DataPlace, PlanAdd, PlanEdit};
use crate::ask;
use crate::output::{Mark, Reply};
use crate::session::Session;

pub fn add(args: &PlanAdd, place: &DataPlace, session: &Session) -> Result<Reply> {
    let document = document::new(&args.name, &args.document, session)?;
    engine::runtime()?.block_on(async {
        let engine = engine::open(session, place.data.clone()).await?;
        let added = async {
            let who = match &args.owner {
                Some(owner) => user(&engine, owner).await?,
                None => Actor::daemon(),
            };
            engine.create_plan(&who, &args.name, document).await
        };
        let added = added.await;
        let reply = added.map(|row| told("Added", &row, &engine, session));
        engine.catalog().close().await;
        reply?
    })
}

pub fn edit(args: &PlanEdit, place: &DataPlace, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = engine::existing(session, place).await?;
        let edited = async {
            let row = named(&engine, &args.plan).await?;
            writable(&row, session)?;
            let patch = document::patch(&row.name, &args.document, &args.unset, &row.body, session)?;
            let version = args.if_version.unwrap_or(row.version);
            engine.update_plan(&Actor::daemon(), &row.name, patch, Some(version)).await
        };
        let edited = edited.await;
        let reply = edited.map(|row| told("Changed", &row, &engine, session));
        engine.catalog().close().await;
        reply?
    })
}

pub fn remove(name: &str, yes: bool, place: &DataPlace, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = engine::existing(session, place).await?;
        let removed = async {
            let row = named(&engine, name).await?;
            writable(&row, session)?;
            if !yes {
                ask::confirm(&session.screen, &format!("Remove the plan {}? Its backups stay.", row.name))?;
            }
            engine.remove_plan(&Actor::daemon(), &row.name).await?;
            Ok(row.name)
        };
        let removed = removed.await;
        engine.catalog().close().await;
        let name = removed?;
        let mark = session.screen.mark(Mark::Good);
        let text = format!("{mark} Removed {name}. Its backups were not touched: recoup list {name}\n");
        Ok(Reply::good(json!({ "removed": name }), text, name))
    })
}

/// Says what the plan does now.
fn told(done: &str, row: &PlanRow, engine: &Engine, session: &Session) -> Result<Reply> {
    let mut text = format!("{} {done} {}.\n", session.screen.mark(Mark::Good), row.name);
    text.push_str(&show::does(row, &engine.meant(&row.name, &row.body)?, engine));
    let later = "A daemon that runs on this catalog takes it over within half a minute.\n";
    text.push_str(&session.screen.dim(later));
    Ok(Reply::good(show::document(row, session), text, row.name.clone()))
}

async fn user(engine: &Engine, name: &str) -> Result<Actor> {
    let missing = || Error::new(ErrorKind::NotFound, "user_missing", format!("User not found: {name}"));
    let account = engine.catalog().account_named(name).await?.ok_or_else(missing)?;
    Ok(Actor { account: Some(account.id), role: account.role, address: None })
}

/// A plan of the file is changed in the file.
fn writable(row: &PlanRow, session: &Session) -> Result<()> {
    let file = session.config.as_ref().map_or_else(|| "recoup.toml".to_owned(), |(path, _)| path.display().to_string());
    let (text, hint) = match row.origin {
        Origin::Catalog => return Ok(()),
        Origin::File => (
            format!("{} is declared in recoup.toml", row.name),
            format!("change it in {file}, then restart `recoup serve`"),
        ),
        Origin::BuiltIn => (
            format!("{} belongs to recoup itself", row.name),
            "it backs up the catalog; add a plan of your own beside it".to_owned(),
        ),
    };
    Err(Error::new(ErrorKind::Denied, "plan_read_only", text).hint(hint))
}
