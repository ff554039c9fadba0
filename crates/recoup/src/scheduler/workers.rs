//! A worker: takes one run after the other as long as there are any, then waits to be woken.

use std::sync::Arc;
use std::time::Duration;

use super::turn::Signals;
use crate::engine::Engine;

/// The first pause after the catalog did not answer; it doubles up to [`super::LONGEST_SLEEP`].
const PAUSE: Duration = Duration::from_secs(1);

/// Works until the scheduler stops. A run that is worked on then is carried on.
pub(super) async fn work(engine: Arc<Engine>, signals: Arc<Signals>, name: String) {
    let mut more = signals.work.subscribe();
    let mut pause = PAUSE;
    while !signals.is_stopping() {
        // Seen before asking: what is queued from here on wakes us again.
        more.mark_unchanged();
        let waiting = match engine.work(&name).await {
            Ok(Some(_)) => {
                pause = PAUSE;
                // A time may have passed meanwhile, others may have waited for the same source, and there is news.
                signals.look.notify_one();
                signals.tell.notify_one();
                signals.raise();
                continue;
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(worker = name, "{error}");
                let this = pause;
                pause = super::LONGEST_SLEEP.min(pause * 2);
                Some(this)
            }
        };
        let woken = async {
            match waiting {
                Some(pause) => tokio::time::sleep(pause).await,
                // Ends when raised; the sender lives as long as the signals.
                None => drop(more.changed().await),
            }
        };
        tokio::select! {
            () = woken => {}
            () = signals.stopped() => {}
        }
    }
}
