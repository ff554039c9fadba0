//! `recoup adopt DEST`: takes everything that lies at a destination into the catalog's list, whoever made it.

use recoup::Result;
use recoup::engine::Actor;
use serde_json::json;

use super::engine;
use crate::args::Adopt;
use crate::exit;
use crate::output::{Mark, Reply};
use crate::session::Session;
use crate::words;

pub fn run(args: &Adopt, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = engine::open(session, args.place.data.clone()).await?;
        let adopted = engine.adopt(&Actor::daemon(), &args.destination).await;
        engine.catalog().close().await;
        let adopted = adopted?;
        let screen = &session.screen;
        let backups = words::things(adopted.backups as u64, "backup");
        let plans = words::things(adopted.plans.len() as u64, "plan");
        let mut text = format!("{} {backups} of {plans} in the list.\n", screen.mark(Mark::Good));
        for (name, why) in &adopted.damaged {
            text.push_str(&format!("{} {name}: {why}\n", screen.mark(Mark::Warning)));
        }
        let exit = if adopted.damaged.is_empty() { exit::GOOD } else { exit::WARNINGS };
        let quiet = adopted.plans.join("\n");
        Ok(Reply { json: json!(adopted), text, quiet, exit })
    })
}
