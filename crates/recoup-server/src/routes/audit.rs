//! The audit, for admins: list, check the chain, export.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use recoup::Result;
use recoup::model::audit::Link;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::Query;
use crate::problem::Problem;
use crate::views::{Page, limit};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// What streams.
pub fn export_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

/// How many links are read at a time.
const PIECE: i64 = 1000;

/// Something that was done, or refused.
#[derive(Serialize, ToSchema)]
struct AuditEvent {
    /// Its place in the chain.
    seq: i64,
    #[schema(format = DateTime, value_type = String)]
    at: Timestamp,
    /// Stable name, `restore.started`.
    event: String,
    /// Id of the user; null for the daemon itself.
    user: Option<String>,
    resource_type: String,
    resource_id: String,
    action: String,
    success: bool,
    details: serde_json::Value,
    /// SHA-256 over the link before and everything above.
    hash: String,
}

impl From<Link> for AuditEvent {
    fn from(link: Link) -> Self {
        let Link { seq, at, event, hash } = link;
        AuditEvent {
            seq,
            at,
            event: event.event,
            user: event.user,
            resource_type: event.resource_type,
            resource_id: event.resource_id,
            action: event.action,
            success: event.success,
            details: event.details,
            hash,
        }
    }
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A name, or how it begins: `restore.`
    event: Option<String>,
    /// Id of a user.
    user: Option<String>,
    /// At this time or later.
    #[param(format = DateTime, value_type = Option<String>)]
    since: Option<Timestamp>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// Lists events, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(Wanted), responses((status = 200, body = Page<AuditEvent>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<AuditEvent>>, Problem> {
    caller.may(Scope::Admin)?;
    let limit = limit(wanted.limit)?;
    let before = match &wanted.cursor {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| Problem::invalid("bad_cursor", "This cursor is none of ours"))?,
    };
    let (event, user) = (wanted.event.as_deref(), wanted.user.as_deref());
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
    let links = app.catalog().audit_before(before, event, user, wanted.since, one_more).await?;
    let items: Vec<AuditEvent> = links.into_iter().map(AuditEvent::from).collect();
    Ok(Json(Page::cut(items, limit, |event| event.seq.to_string())))
}

/// What a check of the chain found.
#[derive(Serialize, ToSchema)]
struct Checked {
    ok: bool,
    /// Number of the last event.
    events: i64,
    problems: Vec<Found>,
}

/// Something wrong in the chain.
#[derive(Serialize, ToSchema)]
struct Found {
    code: String,
    text: String,
}

/// Checks that no event was changed, removed or cut off.
#[utoipa::path(get, path = "/audit/verify", tag = "audit",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = Checked)))]
async fn verify(State(app): State<App>, caller: Caller) -> Result<Json<Checked>, Problem> {
    caller.may(Scope::Admin)?;
    let (events, problems) = app.catalog().verify_audit(&[]).await?;
    let problems: Vec<Found> =
        problems.into_iter().map(|problem| Found { code: problem.code, text: problem.text }).collect();
    Ok(Json(Checked { ok: problems.is_empty(), events, problems }))
}

/// How events are written.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// One JSON document a line.
    Jsonl,
    /// Comma-separated, with a head line.
    Csv,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Exported {
    /// `jsonl` when absent.
    #[param(inline)]
    format: Option<Form>,
    /// After this event.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// Everything, oldest first, as a file.
#[utoipa::path(get, path = "/audit/export", tag = "audit",
    security(("session" = ["admin"]), ("bearer" = ["admin"])),
    params(Exported),
    responses((status = 200, content((String = "application/jsonl"), (String = "text/csv")))))]
async fn export(State(app): State<App>, caller: Caller, Query(wanted): Query<Exported>) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let form = wanted.format.unwrap_or(Form::Jsonl);
    let start = match form {
        Form::Jsonl => String::new(),
        Form::Csv => format!("{}\r\n", Link::CSV_HEAD),
    };
    let after = wanted.after.unwrap_or(0);
    if after < 0 {
        return Err(Problem::invalid("bad_after", "The number of an event is not negative"));
    }
    let pieces = stream::unfold(Some((app, after, start)), move |state| async move {
        let (app, after, mut text) = state?;
        // An error in the middle breaks the connection off: a short file must not look like a whole one.
        let links = match app.catalog().audit_after(after, PIECE).await {
            Ok(links) => links,
            Err(error) => return Some((Err(error), None)),
        };
        let Some(last) = links.last().map(|link| link.seq) else {
            return (!text.is_empty()).then_some((Ok(text), None));
        };
        for link in links {
            text.push_str(&line(form, link));
        }
        Some((Ok(text), Some((app, last, String::new()))))
    });
    let (kind, name) = match form {
        Form::Jsonl => ("application/jsonl", "attachment; filename=\"audit.jsonl\""),
        Form::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
    };
    let mut answer = Body::from_stream(pieces).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(answer)
}

fn line(form: Form, link: Link) -> String {
    match form {
        Form::Jsonl => format!("{}\n", serde_json::to_string(&AuditEvent::from(link)).unwrap_or_default()),
        Form::Csv => format!("{}\r\n", link.csv()),
    }
}
