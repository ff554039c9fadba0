//! `recoup serve`: the daemon. The engine, the scheduler on a runtime of its own, and the API. systemd is told when it is
//! ready and that it lives (sd_notify(3)).

use std::net::SocketAddr;
use std::time::Duration;

use recoup::engine::{Actor, Work};
use recoup::model::Kind;
use recoup::scheduler::{Options as Schedule, Scheduler};
use recoup::{Error, ErrorKind, Result};
use recoup_server::server::{Bounds, serve};
use recoup_server::{App, Options};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{demo, engine, runs};
use crate::args::Serve;
use crate::exit;
use crate::output::Reply;
use crate::session::Session;
use crate::words;

/// How long what is worked on may take to stop.
const GRACE: Duration = Duration::from_secs(10);

pub fn run(args: &Serve, session: &Session) -> Result<Reply> {
    start(args, session, None)
}

/// The daemon of the demo: begins with a backup of one plan, and tells how to sign in.
pub fn with_demo(session: &Session, plan: &str, listen: Option<SocketAddr>) -> Result<Reply> {
    start(&Serve { listen, data: None, log_json: false }, session, Some(plan))
}

fn start(args: &Serve, session: &Session, first: Option<&str>) -> Result<Reply> {
    log(args.log_json);
    let runtime = engine::runtime()?;
    runtime.block_on(daemon(args, session, first))?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(Reply { json: json!({ "outcome": "good" }), text: String::new(), quiet: String::new(), exit: exit::GOOD })
}

/// Sentences with fields to standard error; `RUST_LOG` says how many.
fn log(as_json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,hyper=warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Somebody has set one already only when tests run in one process.
    let _ = if as_json { lines.json().try_init() } else { lines.with_ansi(false).try_init() };
}

async fn daemon(args: &Serve, session: &Session, first: Option<&str>) -> Result<()> {
    let screen = &session.screen;
    let server = &session.settings.server;
    let address = args.listen.unwrap_or(server.listen);
    // First, so that a second daemon on the same address fails before it touches anything.
    let listener = TcpListener::bind(address).await.map_err(|error| bound(&address.to_string(), error))?;
    let address = listener.local_addr().map_err(|error| Error::io("listening", error))?;
    let (mut interrupt, mut terminate) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);

    let engine = engine::open(session, args.data.clone()).await?;
    let scheduler = Scheduler::start(engine.clone(), Schedule::of(server)).await?;
    let app = App::new(engine.clone(), Options::of(server)).with_scheduler(scheduler.clone());

    let url = server.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    screen.say(format!("{} is at {}", screen.bold("Recoup"), screen.bold(&url)));
    screen.say(format!("  The API: {}/api/docs", url.trim_end_matches('/')));
    let turn = runs::turn(runs::next(&engine).await?.as_ref(), engine.clock().now());
    screen.say(format!("  {}", turn.trim_end()));
    if first.is_none()
        && let Some(code) = app.setup_code().await?
    {
        screen.say(format!("  Nobody can sign in yet. The set-up code, shown this once: {}", screen.bold(&code)));
        // What stands after # stays in the browser: no log of a proxy has it.
        screen.say(format!("  Make the first admin with it: {}/setup#{code}", url.trim_end_matches('/')));
        let data = args.data.as_ref().map(|data| format!(" --data {}", words::quoted(&data.to_string_lossy())));
        screen.say(format!("  or by `recoup user add admin --role admin{}`.", data.unwrap_or_default()));
    }
    if first.is_some() {
        let password = demo::password(&engine).await?;
        screen.say(format!("  Sign in as {} with the password {}", screen.bold(demo::NAME), screen.bold(&password)));
        // What stands after # stays in the browser.
        screen.say(format!(
            "  or open this, which fills it in: {}/sign-in#{}:{password}",
            url.trim_end_matches('/'),
            demo::NAME
        ));
    }
    screen.say("");
    tracing::info!(address = %address, data = %engine.data().display(), "Recoup serves");

    tokio::spawn(runs::log(engine.clone()));
    if let Some(plan) = first {
        let work = Work::Backup { kind: Kind::Manual, label: None, protect: false, local_only: false, rescan: false };
        engine.enqueue(&Actor::daemon(), plan, work).await?;
        scheduler.wake();
    }
    notify(&[sd_notify::NotifyState::Ready]);
    let alive = tokio::spawn(watchdog());
    let served = serve(listener, app, Bounds::default(), async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping");
        // Beside the last answers, so that both together take no longer than this.
        let stopping = scheduler.clone();
        tokio::spawn(async move { stopping.stop(GRACE).await });
    });
    let served = served.await;
    alive.abort();
    // Waits for that one.
    scheduler.stop(GRACE).await;
    engine.catalog().close().await;
    tracing::info!("stopped");
    served
}

fn watch(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(|error| Error::io("watching for signals", error))
}

fn bound(address: &str, error: std::io::Error) -> Error {
    let in_use = error.kind() == std::io::ErrorKind::AddrInUse;
    let kind = if in_use { ErrorKind::Busy } else { ErrorKind::Failed };
    let error = Error::new(kind, "cannot_listen", format!("Cannot listen on {address}")).because(error);
    if in_use { error.hint("another program listens there; --listen names another address") } else { error }
}

/// Outside of systemd nobody listens, and that is no error.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Tells systemd that the process lives, twice in the time that it allows.
async fn watchdog() {
    let Some(allowed) = sd_notify::watchdog_enabled() else { return };
    loop {
        notify(&[sd_notify::NotifyState::Watchdog]);
        tokio::time::sleep(allowed / 2).await;
    }
}
