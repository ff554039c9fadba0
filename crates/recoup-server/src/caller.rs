//! Who asks: found from a token, from the embedding application, or from the cookie of a sign-in, in this order. A
//! handler that takes a [`Caller`] is answered 401 before it runs when nobody is there.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::Account;
use recoup::engine::Actor;
use recoup::model::audit::Event;
use recoup::model::user::{Role, Scope};
use recoup::{Error, Result};
use serde_json::Value;

use crate::problem::Problem;
use crate::{App, door, secret, session};

/// For so long after the password was given a sign-in may do what cannot be taken back.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// The header that a page sends with what changes something; a form on another site cannot.
pub const HEADER: &str = "x-recoup";

/// Somebody whom an embedding application has signed in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name of the account; it is made when there is none.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they gave their password in the last minutes: what cannot be taken back needs that.
    pub fresh: bool,
}

/// Sign-in of an embedding application, or of a proxy before us.
pub trait Authenticate: Send + Sync {
    /// Whose request this is; `None` when nobody's.
    fn identify<'a>(
        &'a self,
        request: &'a Parts,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Identity>>> + Send + 'a>>;
}

/// How somebody signed in.
#[derive(Debug, Clone, PartialEq)]
pub enum Via {
    /// With name and password, on this browser.
    Session {
        /// Hash of the cookie.
        id: String,
        /// When the password was last given.
        proven_at: Timestamp,
    },
    /// With a token.
    Token {
        /// Id of the token.
        id: String,
    },
    /// Through a proxy that signs people in.
    Proxy,
    /// Through the application that embeds us.
    Application {
        /// Whether it says that the password was given just now.
        fresh: bool,
    },
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose request it is.
    pub account: Account,
    /// What they may do at most; a token's scope narrows it.
    pub role: Role,
    /// What this request may do at most.
    pub scope: Scope,
    /// How they signed in.
    pub via: Via,
    /// From where.
    pub address: Option<IpAddr>,
    now: Timestamp,
}

impl Caller {
    /// Whether they may do what `scope` covers: their role and their token both allow it.
    pub fn may(&self, scope: Scope) -> Result<(), Problem> {
        let role = match scope {
            Scope::Read => Role::Viewer,
            Scope::Run | Scope::Write => Role::Operator,
            Scope::Admin => Role::Admin,
        };
        if self.role < role {
            return Err(Problem::denied("You may not do this").hint(format!("it needs the role {}", role.word())));
        }
        if self.scope < scope {
            let text = format!("it needs a token with the scope {}", scope.word());
            return Err(Problem::denied("This token may not do this").hint(text));
        }
        Ok(())
    }

    /// Whether the password was given within five minutes. A token is a proof each time.
    pub fn fresh(&self) -> Result<(), Problem> {
        let fresh = match &self.via {
            Via::Session { proven_at, .. } => self.now.duration_since(*proven_at).abs() <= FRESH,
            // A local password is not asked of who has none; the proxy asks for what it wants.
            Via::Token { .. } | Via::Proxy => true,
            Via::Application { fresh } => *fresh,
        };
        if fresh {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "proof_needed", "Give your password again")
            .hint("POST /api/v1/session/proof, then repeat the request within five minutes"))
    }

    /// As the engine knows them.
    pub fn actor(&self) -> Actor {
        Actor {
            account: Some(self.account.id.clone()),
            role: self.role,
            address: self.address.map(|address| address.to_string()),
        }
    }

    /// An audit event of theirs. `details` is a JSON object; where they are goes in.
    pub fn event(&self, name: &str, (kind, id): (&str, &str), action: &str, details: Value) -> Event {
        event(name, Some(&self.account.id), self.address, (kind, id), action, true, details)
    }
}

/// An audit event.
pub fn event(
    name: &str,
    user: Option<&str>,
    address: Option<IpAddr>,
    (kind, id): (&str, &str),
    action: &str,
    success: bool,
    mut details: Value,
) -> Event {
    if let (Some(address), Value::Object(details)) = (address, &mut details) {
        details.insert("address".into(), address.to_string().into());
    }
    Event {
        event: name.to_owned(),
        user: user.map(str::to_owned),
        resource_type: kind.to_owned(),
        resource_id: id.to_owned(),
        action: action.to_owned(),
        success,
        details,
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // A layer before the handler may have asked already.
        if let Some(known) = parts.extensions.get::<Caller>() {
            return Ok(known.clone());
        }
        let caller = find(parts, app).await?;
        door::is_of(&caller.account.id);
        app.limits().account(&caller.account.id, caller.now)?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

fn nobody() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "sign_in", "Sign in first")
        .hint("POST /api/v1/session, or send Authorization: Bearer with a token")
}

async fn find(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let (now, address) = (app.now(), door::address(&parts.extensions));
    let caller = |account: Account, role, scope, via| Caller { account, role, scope, via, address, now };
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let token = bearer(&parts.headers).ok_or_else(nobody)?;
        let found = app.catalog().use_token(&secret::hash(token), now).await?;
        let (token, account) = found.ok_or_else(nobody)?;
        return Ok(caller(account.clone(), account.role, token.scope, Via::Token { id: token.id }));
    }
    let found = match &app.options().authenticate {
        Some(application) => match application.identify(parts).await? {
            Some(identity) => {
                let account = account_of(app, &identity, now).await?;
                let via = Via::Application { fresh: identity.fresh };
                Some(caller(account, identity.role, Scope::Admin, via))
            }
            None => None,
        },
        None => match proxied(parts, app, address).await? {
            Some(account) => Some(caller(account.clone(), account.role, Scope::Admin, Via::Proxy)),
            None => session::login(app, &parts.headers, now).await?.map(|(id, login)| {
                let role = login.account.role;
                let via = Via::Session { id, proven_at: login.proven_at };
                caller(login.account, role, Scope::Admin, via)
            }),
        },
    };
    let found = found.ok_or_else(nobody)?;
    if !parts.method.is_safe() && !parts.headers.contains_key(HEADER) {
        // What the browser adds by itself (a cookie) is not enough to change something.
        return Err(Problem::new(StatusCode::FORBIDDEN, "header_needed", "The header X-Recoup is missing")
            .hint("send X-Recoup: 1 with what changes something"));
    }
    Ok(found)
}

/// Whom a trusted proxy has signed in. The same header of anybody else is nothing: it is not even looked at.
async fn proxied(parts: &Parts, app: &App, address: Option<IpAddr>) -> Result<Option<Account>, Problem> {
    let options = app.options();
    let trusted = address.is_some_and(|address| options.trusted_proxies.iter().any(|known| known.contains(address)));
    if !trusted {
        return Ok(None);
    }
    let mut names = parts.headers.get_all(&options.user_header).iter();
    let Some(name) = names.next() else { return Ok(None) };
    // Two of them: one of them was sent by somebody else.
    let name = name.to_str().ok().map(str::trim).filter(|name| !name.is_empty() && names.next().is_none());
    let name = name.ok_or_else(nobody)?;
    let account = app.catalog().account_named(name).await?.filter(|account| !account.disabled);
    account.map(Some).ok_or_else(|| {
        Problem::new(StatusCode::FORBIDDEN, "not_a_user", "You have no account here")
            .hint("an admin makes one of the name that the proxy gives: `recoup user add NAME`")
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(secret::TOKEN_PREFIX)).then_some(token)
}

/// The account of somebody whom an application signed in. It cannot sign in by itself.
async fn account_of(app: &App, identity: &Identity, now: Timestamp) -> Result<Account> {
    if let Some(account) = app.catalog().account_named(&identity.name).await? {
        if account.disabled {
            return Err(Error::new(recoup::ErrorKind::Denied, "denied", "This user is disabled"));
        }
        return Ok(account);
    }
    let account = Account {
        id: app.new_id(),
        name: identity.name.clone(),
        role: identity.role,
        password: None,
        disabled: false,
        created_at: now,
    };
    match app.catalog().add_account(&account).await {
        Ok(()) => Ok(account),
        // Two first requests at once.
        Err(error) if error.code() == "user_exists" => app.catalog().account_named(&identity.name).await?.ok_or(error),
        Err(error) => Err(error),
    }
}
