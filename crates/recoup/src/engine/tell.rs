//! Telling people: a notice goes to the outbox of every channel that wants it. Nothing here changes how a run ended.
//!
//! Not here: sending, which the scheduler does from the outbox.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::catalog::{Outgoing, RunRow, Runs};
use crate::error::Result;
use crate::model::Outcome;
use crate::model::channel::{Channel, History, Target, Told, wanted};
use crate::model::job::{RunKind, State};
use crate::model::notice::{Event, Notice};
use crate::outbound::Reach;

use super::Engine;

/// Runs that are looked at to find how the one before ended.
const LOOK_BACK: i64 = 20;
/// Notices about destinations that are looked at to find the last about the same one.
const SIGN_INS: i64 = 200;
/// How long telling may take when nobody says.
pub(super) const OUTBOUND: Duration = Duration::from_secs(10);

impl Engine {
    /// Puts a notice into the outbox of every channel that wants it; tells whether something waits there now. What fails
    /// here is logged: a notice is never more important than what it is about.
    pub async fn tell(&self, notice: &Notice) -> bool {
        match self.try_to_tell(notice, None).await {
            Ok(told) => told,
            Err(error) => {
                tracing::error!(plan = notice.plan, event = notice.event.word(), "People could not be told: {error}");
                false
            }
        }
    }

    /// What may be reached to tell somebody through a channel of `recoup.toml`, and how long that may take.
    pub fn reach(&self) -> Reach {
        let settings = self.settings();
        let server = &settings.server;
        let kept = Duration::from_secs(self.outbound_seconds.load(Ordering::Relaxed));
        Reach::of_operator(server.outbound_timeout.unwrap_or(kept), server.private_targets.clone())
    }

    /// Takes over settings that were changed in the catalog.
    pub async fn reread_settings(&self) -> Result<()> {
        let kept = self.catalog.daemon_settings().await?.outbound_timeout();
        self.outbound_seconds.store(kept.unwrap_or(OUTBOUND).as_secs(), Ordering::Relaxed);
        self.reread_added().await
    }

    /// The same about the end of a run.
    pub(super) async fn tell_of(&self, notice: &Notice, previous: Option<Outcome>) {
        if let Err(error) = self.try_to_tell(notice, previous).await {
            tracing::error!(plan = notice.plan, event = notice.event.word(), "People could not be told: {error}");
        }
    }

    /// How the run of the same kind before this one ended, those left out that were cancelled or never began.
    pub(super) async fn outcome_before(&self, run: &RunRow) -> Result<Option<Outcome>> {
        let wanted = Runs {
            plan: Some(run.plan.clone()),
            state: Some(State::Done),
            kind: Some(run.kind),
            before: Some(run.id.clone()),
            limit: LOOK_BACK,
            ..Runs::default()
        };
        let outcomes = self.catalog.runs(&wanted).await?.into_iter().filter_map(|run| run.outcome);
        Ok(outcomes.into_iter().find(|outcome| !matches!(outcome, Outcome::Cancelled | Outcome::Missed)))
    }

    async fn try_to_tell(&self, notice: &Notice, previous: Option<Outcome>) -> Result<bool> {
        self.reread_settings().await?;
        let mut waits = false;
        for channel in &self.channels_of(notice).await? {
            let history = self.history(channel, notice, previous).await?;
            if !wanted(channel, notice, &history) {
                continue;
            }
            let mut notice = notice.clone();
            let head = self.catalog.audit_head().await?;
            notice.link = notice.link.or_else(|| self.page_of(notice.run.as_deref()));
            notice.audit_head = (head.seq > 0).then(|| format!("{} {}", head.seq, head.hash));
            let out = Outgoing {
                id: ulid::Ulid::generate().to_string(),
                channel: channel.name.clone(),
                plan: notice.plan.clone(),
                cause: notice.cause(),
                notice: serde_json::to_value(&notice).unwrap_or_default(),
                attempt: 0,
                told_at: None,
                error: None,
            };
            self.catalog.add_outgoing(&out, self.clock().now()).await?;
            waits = true;
        }
        Ok(waits)
    }

    /// The page of a run, or the first one, below the address that people know.
    fn page_of(&self, run: Option<&str>) -> Option<String> {
        let settings = self.settings();
        let root = settings.server.public_url.as_deref()?.trim_end_matches('/');
        Some(run.map_or_else(|| format!("{root}/"), |run| format!("{root}/runs/{run}")))
    }

    /// Those that the plan names; of what is about the whole machine everybody hears but monitors.
    async fn channels_of(&self, notice: &Notice) -> Result<Vec<Channel>> {
        let channels = self.settings().channels.clone();
        let people = |channel: &Channel| !matches!(channel.target, Target::Heartbeat { .. });
        if notice.plan.is_empty() {
            return Ok(channels.into_iter().filter(people).collect());
        }
        let row = self.catalog.plan(&notice.plan, None).await?;
        let plan = row.and_then(|row| self.meant(&row.name, &row.body).ok());
        let names = plan.map(|plan| plan.notify);
        let told = |channel: &Channel| match &names {
            Some(names) => names.contains(&channel.name),
            // A plan that makes no sense any more is a trouble of its own.
            None => people(channel),
        };
        // A monitor watches backups; a verification that ends must not count as one.
        let watched = |channel: &Channel| people(channel) || notice.work == RunKind::Backup;
        Ok(channels.into_iter().filter(told).filter(watched).collect())
    }

    async fn history(&self, channel: &Channel, notice: &Notice, previous: Option<Outcome>) -> Result<History> {
        // Several destinations may wait at one time, each a trouble of its own; of all else the last is what counts.
        let many = notice.event == Event::NeedsSignIn;
        let told = self.catalog.outgoing_of(&channel.name, &notice.plan, if many { SIGN_INS } else { 1 }).await?;
        let mut told = told.into_iter().filter_map(|out| {
            let told: Notice = serde_json::from_value(out.notice).ok()?;
            Some(Told { event: told.event, cause: out.cause, at: told.at })
        });
        let last_told = match many {
            true => told.find(|told| told.event == notice.event && told.cause == notice.cause()),
            false => told.next(),
        };
        Ok(History { last_told, previous_outcome: previous })
    }
}
