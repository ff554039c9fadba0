//! `recoup plan …`: one file per word, or for words that do much the same. Plans of recoup.toml and of the catalog are one
//! list; those of the file are changed there.
//!
//! Not here: what a plan may say (the library's parser) and who may change one (the engine).

mod change;
mod document;
mod export;
mod next;
mod show;

use recoup::catalog::PlanRow;
use recoup::engine::{Actor, Engine};
use recoup::model::{self, user::Role};
use recoup::{Error, ErrorKind, Result};

use super::engine;
use crate::args::{DataPlace, Plan, PlanWord};
use crate::output::Reply;
use crate::session::Session;

pub fn run(args: &Plan, session: &Session) -> Result<Reply> {
    let place = &args.place;
    match &args.word {
        PlanWord::Next(args) => next::run(args, place, session),
        PlanWord::List => show::list(place, session),
        PlanWord::Show { plan } => show::show(plan, place, session),
        PlanWord::Add(args) => change::add(args, place, session),
        PlanWord::Edit(args) => change::edit(args, place, session),
        PlanWord::Remove { plan, yes } => change::remove(plan, *yes, place, session),
        PlanWord::Export { plans } => export::run(plans, place, session),
    }
}

/// A plan of the catalog by its name, for commands that know those of recoup.toml; the error is theirs when the catalog
/// does not have it either.
fn of_catalog(name: &str, place: &DataPlace, session: &Session, otherwise: Error) -> Result<model::Plan> {
    Ok(found(name, place, session)?.ok_or(otherwise)?.0)
}

/// The same for a backup by hand. What a user of the daemon may read is looked at whenever the daemon begins a run; here
/// it would be read with the rights of whoever types, so only what is an admin's is.
pub fn to_back_up(name: &str, session: &Session, otherwise: Error) -> Result<model::Plan> {
    let (plan, role) = found(name, &DataPlace::default(), session)?.ok_or(otherwise)?;
    if role == Role::Admin {
        return Ok(plan);
    }
    Err(Error::new(ErrorKind::Denied, "plan_of_a_user", format!("{name} is a plan of a user of the daemon"))
        .hint(format!("the daemon runs it, with what they may read: POST /api/v1/plans/{name}/run")))
}

/// A plan of the catalog and the role of its owner; `None` when there is none.
fn found(name: &str, place: &DataPlace, session: &Session) -> Result<Option<(model::Plan, Role)>> {
    engine::runtime()?.block_on(async {
        let Some(engine) = engine::if_there(session, place).await? else { return Ok(None) };
        let found = async {
            let Some(row) = engine.catalog().plan(name, None).await? else { return Ok(None) };
            let owner = engine.catalog().account(&row.owner).await?;
            let role = owner.map_or(Role::Viewer, |owner| owner.role);
            Ok(Some((engine.meant(&row.name, &row.body)?, role)))
        };
        let found = found.await;
        engine.catalog().close().await;
        found
    })
}

/// Everybody's plans: whoever may read the catalog may see them all.
async fn rows(engine: &Engine) -> Result<Vec<PlanRow>> {
    let (mut all, mut plans) = (Vec::new(), engine.catalog().every_plan(None));
    while let Some(row) = plans.next().await? {
        all.push(row);
    }
    Ok(all)
}

/// A plan by its name; the error names the nearest.
async fn named(engine: &Engine, name: &str) -> Result<PlanRow> {
    match engine.plan(&Actor::daemon(), name).await {
        Err(error) if error.code() == "plan_missing" => {
            let names: Vec<String> = rows(engine).await?.into_iter().map(|row| row.name).collect();
            Err(match recoup::config::nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean {meant}?")),
                None => error.hint("recoup plan list"),
            })
        }
        found => found,
    }
}
