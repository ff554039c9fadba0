//! `recoup user …`: accounts of the daemon, from its own machine. Whoever may read and write the catalog may do this; no
//! password is asked for.

use std::io::Read;
use std::path::Path;

use jiff::SignedDuration;
use recoup::catalog::{Account, Token, password};
use recoup::engine::{Actor, Engine};
use recoup::model::BackupId;
use recoup::model::audit::Event;
use recoup::{Error, ErrorKind, Result};
use recoup_server::secret;
use serde_json::{Value, json};

use super::engine;
use crate::args::{User, UserWord};
use crate::output::Reply;
use crate::session::Session;
use crate::table::Table;
use crate::words;

pub fn run(args: &User, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = match &args.word {
            UserWord::Add { .. } => engine::open(session, args.place.data.clone()).await?,
            _ => engine::existing(session, &args.place).await?,
        };
        let reply = match &args.word {
            UserWord::Add { name, role, password_file } => add(&engine, name, *role, password_file.as_deref()).await,
            UserWord::List => list(&engine).await,
            UserWord::Reset { name, password_file } => reset(&engine, name, password_file.as_deref()).await,
            UserWord::Token { name, label, scope, days } => token(&engine, name, label, *scope, *days).await,
        };
        engine.catalog().close().await;
        reply
    })
}

fn event(name: &str, (kind, id): (&str, &str), action: &str, details: Value) -> Event {
    Event {
        event: name.to_owned(),
        user: None,
        resource_type: kind.to_owned(),
        resource_id: id.to_owned(),
        action: action.to_owned(),
        success: true,
        details,
    }
}

/// The password of a file (`-` is standard input), or a new one that is shown once.
fn chosen(name: &str, file: Option<&Path>) -> Result<(String, Option<String>)> {
    let Some(file) = file else {
        let made = secret::new()?;
        return Ok((password::hash(&made)?, Some(made)));
    };
    let mut text = String::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| Error::at("reading", file, error))?;
    let text = text.trim_end_matches(['\n', '\r']);
    password::check(text, name)?;
    Ok((password::hash(text)?, None))
}

fn made_known(name: &str, done: &str, made: Option<String>) -> Reply {
    let json = json!({ "name": name, "password": made });
    match &made {
        Some(made) => {
            Reply::good(json, format!("{done} {name}. The password, shown this once:\n  {made}\n"), made.clone())
        }
        None => Reply::good(json, format!("{done} {name}.\n"), ""),
    }
}

async fn add(engine: &Engine, name: &str, role: recoup::model::user::Role, file: Option<&Path>) -> Result<Reply> {
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::usage("bad_name", "A user's name has 1 to 64 characters and no spaces"));
    }
    let (hash, made) = chosen(name, file)?;
    let now = engine.clock().now();
    let id = BackupId::generate(now).to_string();
    let account = Account { id, name: name.to_owned(), role, password: Some(hash), disabled: false, created_at: now };
    engine.catalog().add_account(&account).await?;
    let details = json!({ "name": name, "role": role.word() });
    engine.audit(&Actor::daemon(), event("user.created", ("user", &account.id), "create", details)).await?;
    Ok(made_known(name, "Added", made))
}

async fn named(engine: &Engine, name: &str) -> Result<Account> {
    let missing = || Error::new(ErrorKind::NotFound, "user_missing", format!("User not found: {name}"));
    engine.catalog().account_named(name).await?.ok_or_else(missing)
}

async fn list(engine: &Engine) -> Result<Reply> {
    let accounts = engine.catalog().accounts().await?;
    let mut table = Table::new(&["NAME", "ROLE", "SINCE (UTC)", ""]);
    for account in &accounts {
        let state = if account.disabled { "disabled" } else { "" };
        table.row([
            account.name.clone(),
            account.role.word().to_owned(),
            words::time(account.created_at),
            state.to_owned(),
        ]);
    }
    let one = |account: &Account| {
        json!({ "id": account.id, "name": account.name, "role": account.role.word(), "disabled": account.disabled,
            "created_at": account.created_at })
    };
    let users: Vec<Value> = accounts.iter().map(one).collect();
    let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
    Ok(Reply::good(json!({ "users": users }), table.draw(""), names.join("\n")))
}

async fn reset(engine: &Engine, name: &str, file: Option<&Path>) -> Result<Reply> {
    let account = named(engine, name).await?;
    if account.id == engine.own_account() {
        return Err(Error::new(ErrorKind::Denied, "own_account", "Nobody signs in as recoup"));
    }
    let (hash, made) = chosen(name, file)?;
    let changed = Account { password: Some(hash), disabled: false, ..account };
    engine
        .audit(&Actor::daemon(), event("user.changed", ("user", &changed.id), "update", json!({ "password": true })))
        .await?;
    engine.catalog().update_account(&changed).await?;
    Ok(made_known(name, "There is a new password for", made))
}

async fn token(
    engine: &Engine,
    name: &str,
    label: &str,
    scope: recoup::model::user::Scope,
    days: u16,
) -> Result<Reply> {
    let account = named(engine, name).await?;
    let made = secret::new_token()?;
    let now = engine.clock().now();
    let token = Token {
        id: BackupId::generate(now).to_string(),
        account: account.id,
        name: label.to_owned(),
        scope,
        created_at: now,
        expires_at: now + SignedDuration::from_hours(24 * i64::from(days)),
        used_at: None,
    };
    let details = json!({ "name": label, "scope": scope.word(), "expires_at": token.expires_at });
    engine.audit(&Actor::daemon(), event("token.created", ("token", &token.id), "create", details)).await?;
    engine.catalog().add_token(&token, &secret::hash(&made)).await?;
    let json = json!({ "id": token.id, "token": made, "expires_at": token.expires_at });
    let text = format!("A token of {name}, until {}, shown this once:\n  {made}\n", words::time(token.expires_at));
    Ok(Reply::good(json, text, made))
}
