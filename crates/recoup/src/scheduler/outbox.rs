//! Empties the outbox: a few notices at a time, each on a thread of its own, so that a channel that hangs holds up
//! neither a run nor the other channels. What did not arrive is tried again, rarer and rarer, and then given up.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::LONGEST_SLEEP;
use super::turn::Signals;
use crate::catalog::Outgoing;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::model::notice::Notice;
use crate::notify;

/// Notices on their way at the same time.
const AT_ONCE: usize = 8;
/// For so long nobody else sends a notice that was taken: longer than a channel can take.
const HELD_MS: i64 = 360_000;

/// Sends what is in the outbox until the scheduler stops.
pub(super) async fn pump(engine: Arc<Engine>, signals: Arc<Signals>) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();
    while !signals.is_stopping() {
        while sending.try_join_next().is_some() {}
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match engine.catalog().claim_outgoing(engine.clock().now(), HELD_MS).await {
            Ok(Some(outgoing)) => {
                let engine = engine.clone();
                sending.spawn(async move {
                    send(&engine, outgoing).await;
                    drop(place);
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("{error}"),
        }
        drop(place);
        tokio::select! {
            () = tokio::time::sleep(LONGEST_SLEEP) => {}
            () = signals.tell.notified() => {}
            () = signals.stopped() => {}
        }
    }
}

async fn send(engine: &Arc<Engine>, outgoing: Outgoing) {
    let (on_thread, notice) = (engine.clone(), outgoing.clone());
    let sent = tokio::task::spawn_blocking(move || deliver(&on_thread, &notice)).await;
    let sent = sent.unwrap_or_else(|_| Err(Error::new(ErrorKind::Failed, "told_panicked", "Sending went wrong")));
    let now = engine.clock().now();
    let noted = match sent {
        Ok(()) => engine.catalog().told(&outgoing.id, now).await,
        Err(error) => {
            let wait = u32::try_from(outgoing.attempt).ok().and_then(notify::retry_after);
            let wait = wait.filter(|_| notify::worth_retrying(&error));
            let again = wait.and_then(|wait| now.checked_add(SignedDuration::try_from(wait).ok()?).ok());
            let (channel, given_up) = (&outgoing.channel, again.is_none());
            tracing::warn!(channel, plan = outgoing.plan, given_up, "{error}");
            engine.catalog().not_told(&outgoing.id, &error.to_string(), again, now).await
        }
    };
    if let Err(error) = noted {
        tracing::warn!("{error}");
    }
}

fn deliver(engine: &Engine, outgoing: &Outgoing) -> Result<()> {
    let gone = || Error::usage("unknown_channel", format!("There is no channel {}", outgoing.channel));
    let settings = engine.settings();
    let channel = settings.channels.iter().find(|channel| channel.name == outgoing.channel).ok_or_else(gone)?;
    let notice: Notice = serde_json::from_value(outgoing.notice.clone())
        .map_err(|error| Error::new(ErrorKind::Corrupted, "bad_notice", "The notice cannot be read").because(error))?;
    notify::send(channel, &notice, &engine.reach())
}
