//! Everything that the first page shows, in one request: how each plan stands, what is running, what was done last, and
//! what would be left if the disk with the data were gone now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recoup::catalog::{BackupRow, Filter, NewestCopy, Of, Origin, PlanRow, Runs};
use recoup::config::Settings;
use recoup::engine::PlanStatus;
use recoup::model::Outcome;
use recoup::model::destination::Address;
use recoup::model::job::State as RunState;
use recoup::model::plan::{Plan, SourceSpec};
use recoup::model::user::Scope;
use recoup::sqlite::open::sidecar;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::backups::{BackupView, views};
use super::charts::{STRIP, strips};
use super::runs::RunView;
use super::scheduler::PauseView;
use crate::App;
use crate::caller::Caller;
use crate::disk::{self, Disks};
use crate::input::Query;
use crate::problem::Problem;
use crate::views::{FormatWord, LevelWord, OutcomeWord, limit};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(overview))
}

/// So many plans are shown one by one, those that need somebody first, when nobody says.
const CARDS: u16 = 16;
/// So many backups and runs are shown.
const LATEST: i64 = 8;

/// How much is shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// So many plans at most, those that need somebody first; 16 when absent.
    #[param(minimum = 1, maximum = 500)]
    plans: Option<u16>,
}

/// The first page.
#[derive(Serialize, ToSchema)]
struct Overview {
    /// The server's clock.
    #[schema(format = DateTime, value_type = String)]
    now: Timestamp,
    /// The time zone of the server.
    zone: String,
    version: String,
    /// Channels that can be told; without one a failure is seen here only.
    channels: usize,
    /// No schedule starts a run; null when nothing is paused.
    paused: Option<PauseView>,
    /// Whether there is a recoup.toml with plans, which can be changed there only.
    from_file: bool,
    recovery: Recovery,
    /// How many plans there are of each state; Recoup's own is not counted.
    counts: Counts,
    /// Those that need somebody first.
    plans: Vec<Card>,
    /// The newest.
    backups: Vec<BackupView>,
    /// The newest, running ones included.
    runs: Vec<RunView>,
    /// What waits or is worked on.
    active: Vec<RunView>,
}

/// If the disk with the data were lost now.
#[derive(Serialize, ToSchema)]
struct Recovery {
    state: RecoveryState,
    /// Everything up to here would come back.
    #[schema(format = DateTime, value_type = Option<String>)]
    at: Option<Timestamp>,
    /// The plan that decides: the one whose data is oldest, or would be gone.
    plan: Option<String>,
    /// Where its newest verified copy off the disk lies.
    destination: Option<String>,
    /// Plans of which nothing would be left.
    lost: Vec<String>,
    /// When a test restore of that plan last succeeded.
    #[schema(format = DateTime, value_type = Option<String>)]
    proven: Option<Timestamp>,
    /// Plans of which a database or a file was written to after the newest verified copy off the disk was made. Folders
    /// are not looked into.
    changed: Vec<String>,
}

/// What would be left.
#[derive(Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RecoveryState {
    /// There is nothing to protect yet.
    Nothing,
    /// There are plans, and no run of theirs has ended yet.
    Waiting,
    /// Everything, up to the last backup.
    Good,
    /// Everything, but from longer ago than the schedule allows.
    Behind,
    /// Some plans have no verified copy off the disk.
    Part,
    /// No plan has one.
    Lost,
}

/// How many plans there are of each state.
#[derive(Default, Serialize, ToSchema)]
struct Counts {
    protected: usize,
    at_risk: usize,
    failing: usize,
    paused: usize,
    never_run: usize,
}

/// How a plan is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PlanState {
    /// The last run failed.
    Failing,
    /// There is no backup as fresh as the schedule wants it, or the last run ended with warnings.
    AtRisk,
    /// There is no backup yet.
    NeverRun,
    /// Its schedule is switched off.
    Paused,
    /// There is a fresh verified backup.
    Protected,
}

/// A plan.
#[derive(Serialize, ToSchema)]
struct Card {
    name: String,
    state: PlanState,
    enabled: bool,
    /// Recoup's own.
    built_in: bool,
    /// Declared in recoup.toml or Recoup's own: not to be changed here.
    read_only: bool,
    format: Option<FormatWord>,
    /// The schedule in words; null when it runs only by hand.
    schedule: Option<String>,
    /// The zone of the schedule.
    zone: Option<String>,
    #[schema(format = DateTime, value_type = Option<String>)]
    next_run: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_attempt: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_success: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_verified: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_proven: Option<Timestamp>,
    last_outcome: Option<OutcomeWord>,
    overdue: bool,
    backups: i64,
    /// Bytes of all copies.
    bytes: i64,
    /// The run that works on it now.
    running: Option<String>,
    /// The newest backup.
    latest: Option<Latest>,
    /// What it reads, by kind.
    covers: Covers,
    destinations: Vec<Where>,
    /// The newest verified copy that is not on the disk of the data.
    #[schema(format = DateTime, value_type = Option<String>)]
    off_disk_at: Option<Timestamp>,
    off_disk: Option<String>,
    /// What is wrong with the document, when it cannot be understood.
    problem: Option<String>,
    /// The last 30 days, today last: how backups of the day ended, the worst of them; from the log of runs.
    days: Vec<Option<OutcomeWord>>,
    /// When its databases and files were last written to.
    #[serde(skip)]
    written: Option<Timestamp>,
}

/// The newest backup of a plan.
#[derive(Serialize, ToSchema)]
struct Latest {
    id: String,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    bytes: i64,
    verified: Option<LevelWord>,
}

/// What a plan reads.
#[derive(Default, Serialize, ToSchema)]
struct Covers {
    databases: usize,
    directories: usize,
    files: usize,
    settings: usize,
    commands: usize,
}

/// A destination of a plan.
#[derive(Clone, Serialize, ToSchema)]
struct Where {
    name: String,
    /// `directory`, `s3`, `sftp`, `webdav` or `drive`.
    kind: String,
    /// It lies on a disk that also has data of the plan.
    same_disk: bool,
}

/// Tells everything that the first page shows.
#[utoipa::path(get, path = "/overview", tag = "health", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(Wanted), responses((status = 200, body = Overview)))]
async fn overview(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Overview>, Problem> {
    caller.may(Scope::Read)?;
    let shown = limit(Some(wanted.plans.unwrap_or(CARDS)))?;
    let actor = caller.actor();
    let owner = actor.owner_filter();
    let stand = app.engine().statuses(owner).await?;
    let meant: Vec<Option<Plan>> = stand.iter().map(|(row, _)| app.engine().meant(&row.name, &row.body).ok()).collect();
    let places = places(&app, &meant).await?;
    let now = app.now();
    let mut strips = strips(&app, &actor).await?;
    let newest = app.catalog().newest_backups(owner).await?;
    let mut newest = by_plan(newest, |copy| &copy.plan);
    let held = app.catalog().newest_copies(Of::Owner(owner)).await?;
    let mut held = by_plan(held, |copy| &copy.plan);
    let mut cards = Vec::new();
    for (((row, status), plan), (places, written)) in stand.into_iter().zip(&meant).zip(places) {
        let copies = newest.remove(&row.name).unwrap_or_default();
        let off = off_disk(held.remove(&row.name).unwrap_or_default(), &places);
        let days = strips.remove(&row.name).unwrap_or_else(|| vec![None; STRIP]);
        let fresh = status.fresh;
        cards.push((fresh, Card { written, days, ..card(&app, row, status, plan.as_ref(), places, &copies, off) }));
    }
    let recovery = recovery(&cards);
    let mut counts = Counts::default();
    for (_, card) in cards.iter().filter(|(_, card)| !card.built_in) {
        *match card.state {
            PlanState::Protected => &mut counts.protected,
            PlanState::AtRisk => &mut counts.at_risk,
            PlanState::Failing => &mut counts.failing,
            PlanState::Paused => &mut counts.paused,
            PlanState::NeverRun => &mut counts.never_run,
        } += 1;
    }
    let from_file = cards.iter().any(|(_, card)| card.read_only && !card.built_in);
    cards.sort_by(|(_, a), (_, b)| (a.built_in, a.state, &a.name).cmp(&(b.built_in, b.state, &b.name)));
    cards.truncate(shown);
    let settings = app.engine().settings();
    let filter = Filter { owner: owner.map(str::to_owned), limit: LATEST * 4, ..Filter::default() };
    let mut backups = views(app.catalog().backups(&filter).await?);
    backups.truncate(LATEST as usize);
    let asked = |state| Runs { owner: owner.map(str::to_owned), state, limit: LATEST, ..Runs::default() };
    let mut active = app.catalog().runs(&asked(Some(RunState::Running))).await?;
    active.extend(app.catalog().runs(&asked(Some(RunState::Queued))).await?);
    let runs = app.catalog().runs(&asked(None)).await?;
    Ok(Json(Overview {
        now,
        zone: settings.zone.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        channels: settings.channels.len(),
        paused: app.engine().paused().await?.map(PauseView::from),
        from_file,
        recovery,
        counts,
        plans: cards.into_iter().map(|(_, card)| card).collect(),
        backups,
        runs: runs.into_iter().map(RunView::from).collect(),
        active: active.into_iter().map(RunView::from).collect(),
    }))
}

/// Where the backups of each plan go, and whether that is beside its data; and when that was last written to.
async fn places(app: &App, plans: &[Option<Plan>]) -> Result<Vec<(Vec<Where>, Option<Timestamp>)>, Problem> {
    let engine = app.engine().clone();
    let plans = plans.to_vec();
    let look = move || {
        let settings = engine.settings();
        // Plans mostly share their folders.
        let mut known: HashMap<PathBuf, Disks> = HashMap::new();
        let mut disks = |path: PathBuf| known.entry(path.clone()).or_insert_with(|| disk::of(&path)).clone();
        let of = |plan: &Option<Plan>| {
            let Some(plan) = plan else { return (Vec::new(), None) };
            let data = data_of(plan, &settings);
            let written = data.iter().filter_map(|path| written_at(path)).max();
            let mut data: Disks = data.into_iter().flat_map(&mut disks).collect();
            if data.is_empty() {
                data = disks(engine.data().to_owned());
            }
            let whither = settings.destinations_of(plan).unwrap_or_default();
            let place = whither.into_iter().map(|found| {
                let same_disk = found.path().is_some_and(|path| !disks(path.to_owned()).is_disjoint(&data));
                let kind = match found.address {
                    Address::Directory { .. } => "directory",
                    Address::S3(_) => "s3",
                    Address::Sftp(_) => "sftp",
                    Address::WebDav(_) => "webdav",
                    Address::Drive(_) => "drive",
                };
                Where { name: found.name, kind: kind.to_owned(), same_disk }
            });
            (place.collect(), written)
        };
        plans.iter().map(of).collect()
    };
    tokio::task::spawn_blocking(look).await.map_err(|_| Problem::ours())
}

/// When a file was last written to, or a database: what was committed may still lie in its log.
fn written_at(path: &Path) -> Option<Timestamp> {
    let at = |path: &Path| {
        let facts = std::fs::metadata(path).ok().filter(|facts| facts.is_file() && facts.len() > 0)?;
        Timestamp::try_from(facts.modified().ok()?).ok()
    };
    at(path).into_iter().chain(at(&sidecar(path, "-wal"))).max()
}

/// The files and folders that a plan reads.
fn data_of(plan: &Plan, settings: &Settings) -> Vec<PathBuf> {
    let place = |source: &SourceSpec| match source {
        SourceSpec::Database(spec) => {
            recoup::sqlite::location::parse(&spec.location, &settings.base).ok().map(|location| location.path)
        }
        SourceSpec::Directory(spec) => Some(settings.base.join(&spec.path)),
        SourceSpec::File(spec) => Some(settings.base.join(&spec.path)),
        SourceSpec::Settings(_) | SourceSpec::Command(_) => None,
    };
    plan.sources.iter().filter_map(place).collect()
}

fn card(
    app: &App,
    row: PlanRow,
    status: PlanStatus,
    plan: Option<&Plan>,
    destinations: Vec<Where>,
    copies: &[BackupRow],
    off: Option<NewestCopy>,
) -> Card {
    let latest = copies.first();
    let schedule = plan.and_then(|plan| plan.schedule.as_ref());
    let mut covers = Covers::default();
    for source in plan.iter().flat_map(|plan| &plan.sources) {
        *match source {
            SourceSpec::Database(_) => &mut covers.databases,
            SourceSpec::Directory(_) => &mut covers.directories,
            SourceSpec::File(_) => &mut covers.files,
            SourceSpec::Settings(_) => &mut covers.settings,
            SourceSpec::Command(_) => &mut covers.commands,
        } += 1;
    }
    let failed = matches!(row.last_outcome, Some(Outcome::Failed | Outcome::Interrupted));
    let state = match () {
        () if plan.is_none() || failed => PlanState::Failing,
        () if latest.is_none() => PlanState::NeverRun,
        () if status.overdue || !status.fresh || row.last_outcome == Some(Outcome::Warnings) => PlanState::AtRisk,
        () if !row.enabled && schedule.is_some() => PlanState::Paused,
        () => PlanState::Protected,
    };
    let problem = match plan {
        Some(_) => None,
        None => app.engine().meant(&row.name, &row.body).err().map(|error| error.message().to_owned()),
    };
    Card {
        state,
        enabled: row.enabled,
        built_in: row.origin == Origin::BuiltIn,
        read_only: row.origin != Origin::Catalog,
        format: plan.map(|plan| plan.format.into()),
        schedule: schedule.map(|schedule| schedule.describe()),
        zone: zone(&row),
        next_run: status.next,
        last_attempt: status.last_attempt,
        last_success: status.last_success,
        last_verified: status.last_verified,
        last_proven: status.last_proven,
        last_outcome: row.last_outcome.map(OutcomeWord::from),
        overdue: status.overdue,
        backups: status.total,
        bytes: status.bytes,
        running: status.running,
        latest: latest.map(|copy| Latest {
            id: copy.id.clone(),
            created_at: copy.created_at,
            bytes: copy.bytes,
            verified: copies.iter().filter_map(|one| one.verified).max().map(Into::into),
        }),
        covers,
        off_disk_at: off.as_ref().map(|copy| copy.created_at),
        off_disk: off.map(|copy| copy.destination),
        destinations,
        problem,
        days: Vec::new(),
        written: None,
        name: row.name,
    }
}

/// What belongs to each plan.
fn by_plan<T>(all: Vec<T>, plan: impl Fn(&T) -> &String) -> HashMap<String, Vec<T>> {
    let mut found: HashMap<String, Vec<T>> = HashMap::new();
    for one in all {
        found.entry(plan(&one).clone()).or_default().push(one);
    }
    found
}

/// The newest copy from which everything would come back without the disk of the data.
fn off_disk(copies: Vec<NewestCopy>, places: &[Where]) -> Option<NewestCopy> {
    let elsewhere = |copy: &NewestCopy| places.iter().any(|place| place.name == copy.destination && !place.same_disk);
    copies.into_iter().filter(elsewhere).max_by_key(|copy| copy.created_at)
}

/// The zone that the document's schedule names.
fn zone(row: &PlanRow) -> Option<String> {
    row.body.get("schedule")?.get("zone")?.as_str().map(str::to_owned)
}

/// The plan whose data is oldest off the disk decides. Recoup's own does not count: its list can be made again.
fn recovery(cards: &[(bool, Card)]) -> Recovery {
    let own = || cards.iter().filter(|(_, card)| !card.built_in);
    let lost: Vec<String> =
        own().filter(|(_, card)| card.off_disk_at.is_none()).map(|(_, card)| card.name.clone()).collect();
    let oldest = own().filter(|(_, card)| card.off_disk_at.is_some()).min_by_key(|(_, card)| card.off_disk_at);
    // A copy that is as new as the newest backup is as good as it gets.
    let current = |fresh: bool, card: &Card| {
        fresh && card.latest.as_ref().is_none_or(|latest| card.off_disk_at >= Some(latest.created_at))
    };
    let behind = own().any(|(fresh, card)| card.off_disk_at.is_some() && !current(*fresh, card));
    let state = match () {
        () if own().next().is_none() => RecoveryState::Nothing,
        () if own().all(|(_, card)| card.state == PlanState::NeverRun) => RecoveryState::Waiting,
        () if oldest.is_none() => RecoveryState::Lost,
        () if !lost.is_empty() => RecoveryState::Part,
        () if behind => RecoveryState::Behind,
        () => RecoveryState::Good,
    };
    let card = oldest.map(|(_, card)| card);
    let late = |card: &Card| card.off_disk_at.is_some_and(|at| card.written > Some(at));
    Recovery {
        changed: own().filter(|(_, card)| late(card)).map(|(_, card)| card.name.clone()).collect(),
        state,
        at: card.and_then(|card| card.off_disk_at),
        plan: card.map(|card| card.name.clone()),
        destination: card.and_then(|card| card.off_disk.clone()),
        lost,
        proven: card.and_then(|card| card.last_proven),
    }
}
