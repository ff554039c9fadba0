//! How the daemon is set: what recoup.toml says, which is read-only here, and the few things that may be changed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use recoup::catalog::DaemonSettings;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::conditional::{IfMatch, etag};
use crate::input::Input;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, change))
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// recoup.toml; cannot be changed here.
    File,
    /// Changed here before.
    Catalog,
    /// Nobody said.
    Default,
}

/// A number of seconds and where it comes from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Seconds {
    value: u64,
    origin: Origin,
}

impl Seconds {
    fn of(file: Option<std::time::Duration>, catalog: Option<u64>, default: u64) -> Self {
        match (file, catalog) {
            (Some(length), _) => Seconds { value: length.as_secs(), origin: Origin::File },
            (None, Some(value)) => Seconds { value, origin: Origin::Catalog },
            (None, None) => Seconds { value: default, origin: Origin::Default },
        }
    }
}

/// How the daemon is set.
#[derive(Debug, Serialize, ToSchema)]
struct SettingsView {
    /// How often the plans are looked at.
    check_interval_seconds: Seconds,
    /// How long a request to a webhook, a mail server or another monitor may take.
    outbound_timeout_seconds: Seconds,
    /// Where people find the daemon.
    public_url: Option<String>,
    /// Runs at one time.
    concurrency: u32,
    /// The largest upload, in bytes.
    upload_limit_bytes: u64,
    /// Names of the destinations of recoup.toml.
    destinations: Vec<String>,
    /// Names of the channels of recoup.toml.
    channels: Vec<String>,
    /// The time zone of schedules that name none.
    zone: String,
    version: String,
    /// The version of SQLite that is built in.
    sqlite: String,
    /// The folder of Recoup's own data. For admins.
    data: Option<String>,
}

/// What is to change; what is absent stays, null goes back to the default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    /// How often the plans are looked at.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3600)]
    check_interval_seconds: Option<Option<u64>>,
    /// How long a request to somebody else may take.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 300)]
    outbound_timeout_seconds: Option<Option<u64>>,
}

/// Tells null from absent.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(deserializer).map(Some)
}

fn view(app: &App, caller: &Caller, kept: &DaemonSettings) -> Response {
    let settings = app.engine().settings();
    let server = &settings.server;
    let view = SettingsView {
        check_interval_seconds: Seconds::of(server.check_interval, kept.check_interval_seconds, 60),
        outbound_timeout_seconds: Seconds::of(server.outbound_timeout, kept.outbound_timeout_seconds, 10),
        public_url: app.options().public_url.clone(),
        concurrency: server.concurrency,
        upload_limit_bytes: server.upload_limit,
        destinations: settings.destinations.iter().map(|destination| destination.name.clone()).collect(),
        channels: settings.channels.iter().map(|channel| channel.name.clone()).collect(),
        zone: settings.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sqlite: recoup::sqlite::open::version().to_owned(),
        data: caller.may(Scope::Admin).is_ok().then(|| app.engine().data().display().to_string()),
    };
    (etag(kept.version), Json(view)).into_response()
}

/// Reads the settings.
#[utoipa::path(get, path = "/settings", tag = "settings", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = SettingsView, headers(("etag" = String)))))]
async fn read(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    Ok(view(&app, &caller, &app.catalog().daemon_settings().await?))
}

/// Changes the settings. What recoup.toml says stays.
#[utoipa::path(patch, path = "/settings", tag = "settings",
    security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(("if-match" = Option<String>, Header, description = "The ETag of what was read")),
    request_body = SettingsChange,
    responses((status = 200, body = SettingsView, headers(("etag" = String)))))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    IfMatch(version): IfMatch,
    Input(given): Input<SettingsChange>,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let settings = app.engine().settings();
    let server = &settings.server;
    let in_file = (given.check_interval_seconds.is_some() && server.check_interval.is_some())
        || (given.outbound_timeout_seconds.is_some() && server.outbound_timeout.is_some());
    if in_file {
        return Err(Problem::new(StatusCode::CONFLICT, "set_in_file", "recoup.toml says otherwise")
            .hint("change it there, or remove it there first"));
    }
    let bounds = [(given.check_interval_seconds, 3600), (given.outbound_timeout_seconds, 300)];
    if bounds.iter().any(|(value, most)| value.flatten().is_some_and(|value| !(1..=*most).contains(&value))) {
        return Err(Problem::invalid("bad_seconds", "The check interval is 1 to 3600 s, the time-out 1 to 300 s"));
    }
    let seen = app.catalog().daemon_settings().await?;
    if version.is_some_and(|version| version != seen.version) {
        let text = "Somebody else changed the settings";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "setting_changed", text).hint("read them again"));
    }
    let new = DaemonSettings {
        version: seen.version,
        check_interval_seconds: given.check_interval_seconds.unwrap_or(seen.check_interval_seconds),
        outbound_timeout_seconds: given.outbound_timeout_seconds.unwrap_or(seen.outbound_timeout_seconds),
    };
    let details = json!({
        "check_interval_seconds": new.check_interval_seconds,
        "outbound_timeout_seconds": new.outbound_timeout_seconds,
    });
    let event = caller.event("backup_scheduler.settings_updated", ("setting", "daemon"), "update", details);
    let kept = app.audited(event, app.catalog().set_daemon_settings(&seen, new)).await?;
    Ok(view(&app, &caller, &kept))
}
