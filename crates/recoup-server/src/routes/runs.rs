//! Runs: what is being done and what was done, with progress as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use recoup::catalog::{RunRow, Runs};
use recoup::model::job::{Cause, RunKind, State as RunState};
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_stream::wrappers::BroadcastStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::{Path, Query};
use crate::problem::Problem;
use crate::views::{OutcomeWord, Page, limit};

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(log)).routes(routes!(cancel))
}

/// Routes that stream.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events)).routes(routes!(all_events))
}

macro_rules! words {
    ($(#[$doc:meta])* $wire:ident as $as:ident from $ours:ident { $($(#[$inner:meta])* $word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $as)]
        pub enum $wire { $($(#[$inner])* $word),+ }
        impl From<$ours> for $wire {
            fn from(value: $ours) -> Self { match value { $($ours::$word => $wire::$word),+ } }
        }
        impl From<$wire> for $ours {
            fn from(value: $wire) -> Self { match value { $($wire::$word => $ours::$word),+ } }
        }
    };
}
words!(
    /// What a run does.
    RunKindWord as RunKind from RunKind {
        /// Makes a backup.
        Backup,
        /// Proves backups.
        Verify,
        /// Puts data back.
        Restore,
        /// Applies retention.
        Prune,
        /// Brings backups to a destination that lacks them.
        Copy,
    }
);
words!(
    /// Why a run exists.
    CauseWord as Cause from Cause {
        /// Its time came.
        Scheduled,
        /// Somebody asked.
        Manual,
        /// Its time passed while nothing ran.
        CatchUp,
        /// The run before it was interrupted.
        Retry,
    }
);
words!(
    /// Where a run stands.
    StateWord as RunState from RunState {
        /// It waits.
        Queued,
        /// Somebody works on it.
        Running,
        /// It has an outcome.
        Done,
    }
);

/// A run.
#[derive(Serialize, ToSchema)]
pub struct RunView {
    id: String,
    /// Name of the plan.
    plan: String,
    /// Id of the user whose run it is.
    owner: String,
    kind: RunKindWord,
    cause: CauseWord,
    state: StateWord,
    outcome: Option<OutcomeWord>,
    /// 1 for the first attempt.
    attempt: i64,
    /// Scheduled times that passed unused and that it stands for.
    missed: i64,
    /// The interrupted run that it repeats.
    retry_of: Option<String>,
    /// Somebody asked it to stop.
    cancelling: bool,
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed: code, message and hint.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    #[schema(format = DateTime, value_type = String)]
    queued_at: Timestamp,
    /// When its next attempt may begin, while it waits.
    #[schema(format = DateTime, value_type = String)]
    due_at: Timestamp,
    #[schema(format = DateTime, value_type = Option<String>)]
    started_at: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    finished_at: Option<Timestamp>,
}

impl From<RunRow> for RunView {
    fn from(row: RunRow) -> Self {
        RunView {
            id: row.id,
            plan: row.plan_name,
            owner: row.owner,
            kind: row.kind.into(),
            cause: row.cause.into(),
            state: row.state.into(),
            outcome: row.outcome.map(OutcomeWord::from),
            attempt: row.attempt,
            missed: row.missed,
            retry_of: row.retry_of,
            cancelling: row.cancel && row.state == RunState::Running,
            progress: row.progress,
            result: row.result,
            error: row.error,
            queued_at: row.queued_at,
            due_at: row.due_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// A page of runs is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RunsQuery {
    /// Only of the plan of this name.
    plan: Option<String>,
    state: Option<StateWord>,
    kind: Option<RunKindWord>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// Lists runs, newest first: one's own, an admin's list has everybody's.
#[utoipa::path(get, path = "/runs", tag = "runs", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(RunsQuery), responses((status = 200, body = Page<RunView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<RunsQuery>,
) -> Result<Json<Page<RunView>>, Problem> {
    caller.may(Scope::Read)?;
    let (limit, actor) = (limit(asked.limit)?, caller.actor());
    let plan = match &asked.plan {
        Some(name) => Some(app.engine().plan(&actor, name).await?.id),
        None => None,
    };
    let wanted = Runs {
        owner: actor.owner_filter().map(str::to_owned),
        plan,
        state: asked.state.map(RunState::from),
        kind: asked.kind.map(RunKind::from),
        before: asked.cursor,
        limit: limit as i64 + 1,
    };
    let items = app.catalog().runs(&wanted).await?.into_iter().map(RunView::from).collect();
    Ok(Json(Page::cut(items, limit, |run: &RunView| run.id.clone())))
}

async fn found(app: &App, caller: &Caller, id: &str) -> Result<RunRow, Problem> {
    let row = app.catalog().run(id, caller.actor().owner_filter()).await?;
    row.ok_or_else(|| Problem::missing("run_missing", "Run not found"))
}

/// Reads a run.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path)), responses((status = 200, body = RunView)))]
async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<RunView>, Problem> {
    caller.may(Scope::Read)?;
    Ok(Json(found(&app, &caller, &id).await?.into()))
}

/// Gives what a run told, a line each.
#[utoipa::path(get, path = "/runs/{id}/log", tag = "runs", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path)), responses((status = 200, body = String, content_type = "text/plain")))]
async fn log(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let row = found(&app, &caller, &id).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], row.log).into_response())
}

/// Asks a run to stop. One that waits ends at once, one that works as soon as it can.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", security(("session" = ["run"]), ("bearer" = ["run"])),
    params(("id" = String, Path)), responses((status = 202)))]
async fn cancel(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Run)?;
    found(&app, &caller, &id).await?;
    app.engine().cancel(&caller.actor(), &id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Silence that is longer than twice this means that the connection is dead.
const HEARTBEAT: Duration = Duration::from_secs(5);

type Events = Sse<KeepAliveStream<Pin<Box<dyn Stream<Item = Result<Event, Infallible>> + Send>>>>;

/// What happens to the runs of `owner` (everybody's with `None`), or to one of them.
fn stream(app: &App, owner: Option<String>, run: Option<String>) -> Events {
    let closing = app.clone();
    let events = BroadcastStream::new(app.engine().watch()).filter_map(move |event| {
        let event = match event {
            Ok(event) => {
                let wanted = owner.as_ref().is_none_or(|owner| *owner == event.owner)
                    && run.as_ref().is_none_or(|run| *run == event.run);
                wanted.then(|| Event::default().event("run").id(event.run.clone()).json_data(&event).ok()).flatten()
            }
            // Too slow: what was missed is read again.
            Err(_) => Some(Event::default().event("resync").data("{}")),
        };
        std::future::ready(event.map(Ok))
    });
    let events = events.take_until(async move { closing.closing().await });
    let events: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(events);
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// Tells what happens to a run: `run` events with state, progress, new lines of its log and its outcome; `resync` when
/// the client was too slow and should read the run again.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn events(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Events, Problem> {
    caller.may(Scope::Read)?;
    let row = found(&app, &caller, &id).await?;
    Ok(stream(&app, None, Some(row.id)))
}

/// Tells what happens to one's runs; an admin sees everybody's.
#[utoipa::path(get, path = "/events", tag = "runs", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn all_events(State(app): State<App>, caller: Caller) -> Result<Events, Problem> {
    caller.may(Scope::Read)?;
    Ok(stream(&app, caller.actor().owner_filter().map(str::to_owned), None))
}
